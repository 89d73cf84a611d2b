"""Good-till-triggered orders: conditions on the last price that place limit orders (specs/brokers.md 1.7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.paper.book import Levels
from trademantra.brokers.paper.entries import Fields, Json, lean
from trademantra.brokers.paper.terms import Refusal, RefusedRequestError
from trademantra.core.order import OrderType, Product, Side

_LEAST_DISTANCE = Decimal("0.0025")  # of the last price (specs/brokers.md 1.7)


class GttType(StrEnum):
    SINGLE = "single"
    TWO_LEG = "two-leg"


class GttStatus(StrEnum):
    ACTIVE = "active"
    TRIGGERED = "triggered"
    DISABLED = "disabled"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class GttOrder:
    """What a trigger places.  Only limit orders."""

    side: Side
    quantity: Decimal
    price: Decimal
    product: Product
    order_type: OrderType = OrderType.LIMIT


@dataclass(frozen=True, slots=True)
class GttResult:
    """What became of a triggered leg: the order, or why there is none."""

    order_id: str | None
    rejection_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gtt:
    """One condition.  `triggers` ascending; `orders` and `results` beside them; times int64 nanoseconds UTC.

    Two triggers are an OCO pair: the one that is reached first ends the other.
    """

    gtt_id: int
    account_id: str
    listing: Listing
    triggers: tuple[Decimal, ...]
    orders: tuple[GttOrder, ...]
    last_price: Decimal
    created_ns: int
    updated_ns: int
    expires_ns: int
    status: GttStatus = GttStatus.ACTIVE
    results: tuple[GttResult | None, ...] = (None,)

    @property
    def type(self) -> GttType:
        return GttType.TWO_LEG if len(self.triggers) == 2 else GttType.SINGLE

    def is_above(self, leg: int) -> bool:
        """Whether the trigger of a leg waits for a rising price."""
        return self.triggers[leg] > self.last_price

    def reached(self, low: Decimal, high: Decimal) -> int | None:
        """The leg that a price between `low` and `high` triggers; the lower one when both are."""
        for leg, trigger in enumerate(self.triggers):
            if high >= trigger if self.is_above(leg) else low <= trigger:
                return leg
        return None

    def watched(self, levels: Levels) -> Levels:
        for leg, trigger in enumerate(self.triggers):
            levels = (
                levels.with_above(float(trigger)) if self.is_above(leg) else levels.with_below(float(trigger))
            )
        return levels


def check_gtt(
    listing: Listing, triggers: Sequence[Decimal], orders: Sequence[GttOrder], last_price: Decimal
) -> None:
    """Errors: `RefusedRequestError` (InputException) for what the broker does not take."""

    def refuse(message: str) -> RefusedRequestError:
        return RefusedRequestError(Refusal.INPUT, message)

    if len(triggers) not in (1, 2):
        raise refuse("Trigger values must be one (single) or two (two-leg).")
    if len(orders) != len(triggers):
        raise refuse(f"{len(triggers)} orders are needed, one for each trigger value.")
    if last_price <= 0 or min(triggers) <= 0:
        raise refuse("Trigger values and the last price must be positive.")
    if len(triggers) == 2 and not triggers[0] < last_price < triggers[1]:
        raise refuse(
            "Trigger values of a two-leg GTT must be one below and one above the last price, ascending."
        )
    for trigger in triggers:
        if abs(trigger - last_price) < _LEAST_DISTANCE * last_price:
            raise refuse(f"Trigger price {trigger} is less than 0.25% away from the last price {last_price}.")
        if trigger % listing.instrument.tick_size:
            raise refuse(
                f"Trigger price {trigger} is not a multiple of the tick size {listing.instrument.tick_size}."
            )
    for order in orders:
        if order.order_type is not OrderType.LIMIT:
            raise refuse("Only LIMIT orders are allowed in a GTT.")
        if order.quantity <= 0 or order.price <= 0:
            raise refuse("Quantity and price of a GTT order must be positive.")


def gtt_json(gtt: Gtt) -> dict[str, Json]:
    orders: list[Json] = [
        {
            "side": order.side,
            "quantity": str(order.quantity),
            "price": str(order.price),
            "product": order.product,
        }
        for order in gtt.orders
    ]
    results: list[Json] = [
        None if one is None else lean({"order": one.order_id, "reason": one.rejection_reason})
        for one in gtt.results
    ]
    triggers: list[Json] = [str(trigger) for trigger in gtt.triggers]
    return {
        "id": gtt.gtt_id,
        "account": gtt.account_id,
        "token": gtt.listing.token,
        "triggers": triggers,
        "orders": orders,
        "last": str(gtt.last_price),
        "created": gtt.created_ns,
        "updated": gtt.updated_ns,
        "expires": gtt.expires_ns,
        "status": gtt.status,
        "results": results,
    }


def gtt_of(read: Fields, listings: Listings) -> Gtt:
    orders = []
    for item in read.items("orders"):
        order = Fields(item)
        orders.append(
            GttOrder(
                side=Side(order.text("side")),
                quantity=order.amount("quantity"),
                price=order.amount("price"),
                product=Product(order.text("product")),
            )
        )
    results: list[GttResult | None] = []
    for item in read.items("results"):
        result = None if item is None else Fields(item)
        results.append(
            None if result is None else GttResult(result.maybe_text("order"), result.maybe_text("reason"))
        )
    return Gtt(
        gtt_id=read.whole("id"),
        account_id=read.text("account"),
        listing=listings.by_token(read.whole("token")),
        triggers=tuple(Decimal(str(trigger)) for trigger in read.items("triggers")),
        orders=tuple(orders),
        last_price=read.amount("last"),
        created_ns=read.whole("created"),
        updated_ns=read.whole("updated"),
        expires_ns=read.whole("expires"),
        status=GttStatus(read.text("status")),
        results=tuple(results),
    )
