"""Order policy: from what is wanted to orders that an exchange takes.  The same for every broker (DESIGN section 3).

Invariants, whatever is asked:
- prices lie on the tick, quantities on the lot, no order is above the freeze quantity;
- rounding never pays more or sells for less than the intent allowed, and never makes a stop trigger later;
- the parts of an intent add up to it, or it is refused whole;
- no order leaves without protection where the broker refuses unprotected ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b

from trademantra.brokers.manifest import Manifest
from trademantra.brokers.orders import AUTOMATIC_PROTECTION, OrderChange, OrderRequest, Variety
from trademantra.core.errors import InvalidValueError, MissingFactError, TradeMantraError
from trademantra.core.instrument import Instrument
from trademantra.core.money import is_multiple, round_down, round_up
from trademantra.core.order import Order, OrderType, Side
from trademantra.core.time import Clock, ist_date
from trademantra.markets.contracts.freeze import freeze_quantity, slice_quantity
from trademantra.markets.contracts.protection import protected_price, protected_stop_limit, protection_percent
from trademantra.markets.sessions import Phase, phase_at
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.orders import PlannedOrder

MOST_PARTS = 40
"""More slices than this are a typing error, not an order."""

_TAG_BYTES = 8
_TAKING = frozenset(
    {
        Phase.CONTINUOUS,
        Phase.PREOPEN_ENTRY,
        Phase.PREOPEN_LIMIT_ONLY,
        Phase.CAS_ENTRY,
        Phase.CAS_LIMIT_ONLY,
        Phase.POST_CLOSE,
    }
)
_LIMIT_ONLY = frozenset({Phase.PREOPEN_LIMIT_ONLY, Phase.CAS_LIMIT_ONLY, Phase.POST_CLOSE})


class OutsideHours(StrEnum):
    """What happens to an order for which the exchange is closed."""

    REFUSE = "refuse"
    AFTER_MARKET = "after_market"
    """It is placed for the next open, where the broker takes such orders."""


class PolicyError(TradeMantraError):
    """The intent cannot become an order; nothing was sent.  `reason` is stable."""

    code = "order_policy"

    def __init__(self, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """The policy of one account at one broker."""

    manifest: Manifest
    clock: Clock
    outside_hours: OutsideHours = OutsideHours.REFUSE

    def plan(self, intent: OrderIntent) -> Sequence[PlannedOrder]:
        """The orders of an intent, largest first.

        Errors: `PolicyError` naming what does not fit and what to do.
        """
        instrument = intent.instrument
        self._check_broker(intent)
        self._check_hours(intent)
        price, trigger = rounded(instrument, intent.side, intent.price, intent.trigger_price)
        kind, price = self._protected(
            instrument, intent.side, intent.order_type, price, trigger, intent.reference_price
        )
        parts = self._slices(intent)
        tags = [tag_of(intent.account_id, intent.intent_id, part) for part in range(len(parts))]
        return [
            PlannedOrder(
                Order(
                    order_id=tag,
                    instrument=instrument,
                    side=intent.side,
                    quantity=quantity,
                    order_type=kind,
                    product=intent.product,
                    price=price,
                    trigger_price=trigger,
                    validity=intent.validity,
                ),
                tag,
            )
            for tag, quantity in zip(tags, parts, strict=True)
        ]

    def request(self, planned: PlannedOrder, algo_id: str) -> OrderRequest:
        """What goes to the adapter."""
        order = planned.order
        unprotected = order.order_type in (OrderType.MARKET, OrderType.SL_M)
        return OrderRequest(
            instrument=order.instrument,
            side=order.side,
            quantity=order.quantity,
            order_type=order.order_type,
            product=order.product,
            tag=planned.tag,
            price=order.price,
            trigger_price=order.trigger_price,
            validity=order.validity,
            variety=Variety.REGULAR if self._takes_orders(order.instrument) else Variety.AMO,
            market_protection=AUTOMATIC_PROTECTION
            if unprotected and self.manifest.market_needs_protection
            else None,
            algo_id=algo_id,
        )

    def change(
        self, order: Order, change: OrderChange, reference_price: Decimal | None = None
    ) -> OrderChange:
        """New terms of a working order, as the broker takes them.  `reference_price` protects a change to market.

        Errors: `PolicyError` for a quantity off the lot, beyond the freeze quantity or below what is filled.
        """
        instrument, kind = order.instrument, change.order_type or order.order_type
        quantity = change.quantity
        if quantity is not None:
            largest = self._freeze(instrument)
            if not is_multiple(quantity, instrument.lot_size) or quantity <= order.filled_quantity:
                raise PolicyError(
                    "lot", f"{instrument.key}: {quantity} is not a multiple of the lot {instrument.lot_size} "
                    f"above the {order.filled_quantity} that are filled",
                )  # fmt: skip
            if largest is not None and quantity > max(largest, order.quantity):
                raise PolicyError("freeze", f"{instrument.key}: {quantity} in one order, at most {largest}")
        price, trigger = rounded(
            instrument,
            order.side,
            (change.price or order.price) if kind.has_limit else None,
            (change.trigger_price or order.trigger_price) if kind.has_trigger else None,
        )
        kind, price = self._protected(instrument, order.side, kind, price, trigger, reference_price)
        unprotected = kind in (OrderType.MARKET, OrderType.SL_M)
        return replace(
            change,
            order_type=None if kind is order.order_type else kind,
            price=price,
            trigger_price=trigger,
            market_protection=AUTOMATIC_PROTECTION
            if unprotected and self.manifest.market_needs_protection
            else None,
        )

    def _check_broker(self, intent: OrderIntent) -> None:
        manifest = self.manifest
        for what, value, offered in (
            ("product", intent.product, manifest.products),
            ("validity", intent.validity, manifest.validities),
        ):
            if value not in offered:
                words = ", ".join(sorted(str(each) for each in offered))
                raise PolicyError(
                    "not_offered", f"{manifest.title} has no {what} {value}", hint=f"it has: {words}"
                )

    def _check_hours(self, intent: OrderIntent) -> None:
        phase = self._phase(intent.instrument)
        if phase is None and intent.purpose is Purpose.EXIT:
            return  # the exchange decides; a way out is not closed because a fact is missing
        if phase in _TAKING:
            if phase in _LIMIT_ONLY and intent.order_type is not OrderType.LIMIT:
                raise PolicyError(
                    "limit_only",
                    f"only limit orders are taken now ({phase})",
                    hint="give a limit price, or wait",
                )
            return
        after_market = (
            self.outside_hours is OutsideHours.AFTER_MARKET and Variety.AMO in self.manifest.varieties
        )
        if not after_market or intent.purpose is Purpose.EXIT:
            raise PolicyError(
                "closed",
                f"{intent.instrument.key}: the exchange takes no orders now ({phase or 'its phase is not known'})",
                hint="wait for the session, or let the account place after-market orders",
            )

    def _takes_orders(self, instrument: Instrument) -> bool:
        return self._phase(instrument) in _TAKING | {None}

    def _phase(self, instrument: Instrument) -> Phase | None:
        """None where no dated fact says what the exchange does now."""
        try:
            return phase_at(self.clock.now_ns(), instrument)
        except MissingFactError:
            return None

    def _protected(
        self,
        instrument: Instrument,
        side: Side,
        kind: OrderType,
        price: Decimal | None,
        trigger: Decimal | None,
        reference: Decimal | None,
    ) -> tuple[OrderType, Decimal | None]:
        """The order type that the broker takes: its own protection where it has one, else a limit by the slab."""
        option, tick = instrument.segment.is_options, instrument.tick_size
        if kind in self.manifest.order_types and not (kind is OrderType.SL_M and option):
            return kind, price
        try:
            if kind is OrderType.MARKET and reference is not None:
                percent = protection_percent(option, reference)
                limit = protected_price(side, reference, percent=percent, tick_size=tick)
                return OrderType.LIMIT, limit
            if kind is OrderType.SL_M and trigger is not None:
                percent = protection_percent(option, trigger)
                limit = protected_stop_limit(side, trigger, percent=percent, tick_size=tick)
                return OrderType.SL, limit
        except (MissingFactError, InvalidValueError) as error:
            raise PolicyError(
                "no_protection", f"no protective limit: {error.message}", hint="give a limit price"
            ) from error
        raise PolicyError(
            "no_protection", f"{self.manifest.title} takes no plain {kind} order, and no price is known to protect it with",
            hint="give a limit price",
        )  # fmt: skip

    def _slices(self, intent: OrderIntent) -> Sequence[Decimal]:
        instrument, lot = intent.instrument, intent.instrument.lot_size
        quantity = intent.quantity
        if not is_multiple(quantity, lot):
            quantity = round_down(quantity, lot)
            if intent.purpose is Purpose.EXIT or quantity <= 0:
                raise PolicyError(
                    "lot", f"{instrument.key}: {intent.quantity} is not a multiple of the lot {lot}",
                    hint=f"the next smaller quantity is {quantity}",
                )  # fmt: skip
        largest = self._freeze(instrument)
        parts = (quantity,) if largest is None else slice_quantity(quantity, lot, largest)
        if len(parts) > MOST_PARTS:
            raise PolicyError(
                "too_many_parts", f"{instrument.key}: {quantity} would be {len(parts)} orders of at most {largest}",
                hint=f"ask for at most {largest and MOST_PARTS * largest}",
            )  # fmt: skip
        return parts

    def _freeze(self, instrument: Instrument) -> Decimal | None:
        """The broker's own figure, else the exchange's; None where nobody states one (shares: none is published)."""
        if instrument.freeze_quantity is not None:
            return instrument.freeze_quantity
        if not instrument.segment.is_derivative or instrument.underlying is None:
            return None
        try:
            return freeze_quantity(instrument.underlying, self._today())
        except MissingFactError:
            return None

    def _today(self) -> date:
        return ist_date(self.clock.now_ns())


def tag_of(account_id: str, intent_id: str, part: int) -> str:
    """Our mark on an order at the broker: 16 letters and digits that follow from whose order it is.

    The same intent and part always have the same tag, so that an order can be found by it after any crash.

    >>> tag_of("zerodha-1", "supertrend/2026-11-20T09:20", 0)
    '01756e3828231f95'
    """
    return blake2b(f"{account_id}\\0{intent_id}\\0{part}".encode(), digest_size=_TAG_BYTES).hexdigest()


def rounded(
    instrument: Instrument, side: Side, price: Decimal | None, trigger: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    """Limit: a buy never higher, a sale never lower than asked.  Trigger: never reached later than asked."""
    tick, buys = instrument.tick_size, side is Side.BUY
    if price is not None:
        asked, price = price, round_down(price, tick) if buys else round_up(price, tick)
        if price <= 0:
            raise PolicyError("tick", f"{instrument.key}: {asked} is below one tick of {tick}")
    if trigger is not None:
        trigger = round_down(trigger, tick) if buys else round_up(trigger, tick)
        trigger = max(trigger, tick)
    return price, trigger


def cut_to(intent: OrderIntent, quantity: Decimal) -> OrderIntent:
    """The intent for less, as the risk gate allows it."""
    return replace(intent, quantity=quantity)
