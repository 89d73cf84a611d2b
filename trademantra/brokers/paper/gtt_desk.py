"""Placing, changing, deleting and triggering GTTs."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import OrderRequest
from trademantra.brokers.paper import desk
from trademantra.brokers.paper.core import Core
from trademantra.brokers.paper.gtt import Gtt, GttOrder, GttResult, GttStatus, check_gtt
from trademantra.brokers.paper.prices import decimal_price
from trademantra.brokers.paper.terms import Refusal, RefusedRequestError, Stage
from trademantra.core.time import NANOSECONDS_PER_DAY

_LIFE_NS = 365 * NANOSECONDS_PER_DAY  # one year (specs/brokers.md 1.7)


def find_gtt(core: Core, account_id: str, gtt_id: int) -> Gtt:
    """Errors: `RefusedRequestError`."""
    core.account(account_id)
    found = core.gtts.get(gtt_id)
    if found is None or found.account_id != account_id:
        raise RefusedRequestError(Refusal.INPUT, f"Trigger {gtt_id} does not exist.")
    return found


def place_gtt(
    core: Core,
    account_id: str,
    listing: Listing,
    triggers: Sequence[Decimal],
    orders: Sequence[GttOrder],
    last_price: Decimal,
) -> int:
    """Errors: `RefusedRequestError`."""
    core.account(account_id)
    check_gtt(listing, triggers, orders, last_price)
    core.put_gtt(
        Gtt(
            gtt_id=core.gtt_number + 1,
            account_id=account_id,
            listing=listing,
            triggers=tuple(triggers),
            orders=tuple(orders),
            last_price=last_price,
            created_ns=core.now_ns,
            updated_ns=core.now_ns,
            expires_ns=core.now_ns + _LIFE_NS,
            results=(None,) * len(orders),
        )
    )
    return core.gtt_number


def modify_gtt(
    core: Core,
    account_id: str,
    gtt_id: int,
    triggers: Sequence[Decimal],
    orders: Sequence[GttOrder],
    last_price: Decimal,
) -> None:
    """Errors: `RefusedRequestError`."""
    gtt = _active(core, account_id, gtt_id)
    check_gtt(gtt.listing, triggers, orders, last_price)
    core.put_gtt(
        replace(
            gtt, triggers=tuple(triggers), orders=tuple(orders), last_price=last_price, updated_ns=core.now_ns,
            results=(None,) * len(orders),
        )
    )  # fmt: skip


def delete_gtt(core: Core, account_id: str, gtt_id: int) -> None:
    """Errors: `RefusedRequestError`."""
    gtt = _active(core, account_id, gtt_id)
    core.put_gtt(replace(gtt, status=GttStatus.DELETED, updated_ns=core.now_ns))


def _active(core: Core, account_id: str, gtt_id: int) -> Gtt:
    gtt = find_gtt(core, account_id, gtt_id)
    if gtt.status is not GttStatus.ACTIVE:
        raise RefusedRequestError(Refusal.INPUT, f"Trigger {gtt_id} is {gtt.status} and cannot be changed.")
    return gtt


def trigger_gtts(core: Core, row: int, low: float, high: float) -> None:
    """Place what a price between `low` and `high` triggers; the orders meet the prices that come after."""
    listing = core.listings.at(row)
    tick = listing.instrument.tick_size
    for gtt in list(core.gtts.values()):
        if gtt.status is not GttStatus.ACTIVE or gtt.listing.token != listing.token:
            continue
        leg = gtt.reached(decimal_price(low, tick), decimal_price(high, tick))
        if leg is None:
            continue
        results = list(gtt.results)
        results[leg] = _fire(core, gtt, gtt.orders[leg])
        core.put_gtt(replace(gtt, status=GttStatus.TRIGGERED, updated_ns=core.now_ns, results=tuple(results)))


def _fire(core: Core, gtt: Gtt, order: GttOrder) -> GttResult:
    request = OrderRequest(
        instrument=gtt.listing.instrument,
        side=order.side,
        quantity=order.quantity,
        order_type=order.order_type,
        product=order.product,
        tag=f"gtt{gtt.gtt_id}",
        price=order.price,
    )
    try:
        order_id = desk.place(core, gtt.account_id, request).order_id
    except RefusedRequestError as error:
        return GttResult(None, error.message)
    placed = core.last(order_id)
    return GttResult(order_id, placed.status_message if placed.stage is Stage.REJECTED else None)
