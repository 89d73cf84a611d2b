"""Orders that follow from the fills of others: stops and targets of an entry, one cancels the other; iceberg legs."""

from dataclasses import replace
from decimal import Decimal

from trademantra.brokers.orders import OrderRequest, Variety
from trademantra.brokers.paper.book import Guard, Working
from trademantra.brokers.paper.core import Core
from trademantra.brokers.paper.lifecycle import arrive, end, join_queue, received, set_terms, step_to
from trademantra.brokers.paper.terms import ExchangeOrder, ExchangeTrade, Stage
from trademantra.core.money import round_up
from trademantra.core.order import OrderType, Validity

_POSITION_GONE = "Cancelled because the position that it protects is closed."
_POSITION_LEFT = "Cancelled because the position of its first part was closed."
_OTHER_LEG = "Cancelled because the other leg was executed."


def after_fill(core: Core, working: Working, trade: ExchangeTrade) -> list[Working]:
    """What a fill sets off.  Returns the protective orders that came to life by it."""
    born: list[Working] = []
    if working.entry_id is None:
        born = _protect(core, working, trade)
    else:
        _shrink_other_leg(core, working, trade.quantity)
    _drop_protection_of_nothing(core, trade)
    return born


def _levels(request: OrderRequest) -> tuple[tuple[Guard, Decimal], ...]:
    """The protection that an entry brings with it."""
    stop = request.trigger_price if request.variety is Variety.COVER else request.stop_trigger
    wanted = ((Guard.STOP, stop), (Guard.TARGET, request.target_price))
    return tuple((guard, level) for guard, level in wanted if level is not None)


def protection_of(core: Core, row: int, entry_id: str) -> list[Working]:
    """The working protective orders of an entry."""
    return [one for one in core.books.get(row, ()) if one.entry_id == entry_id]


def _protect(core: Core, entry: Working, trade: ExchangeTrade) -> list[Working]:
    levels = _levels(entry.order.request)
    if not levels:
        return []
    order = entry.order
    there = {one.guard: one for one in protection_of(core, entry.row, order.order_id)}
    born = []
    for guard, level in levels:
        if guard in there:
            _resize(core, there[guard], trade.quantity)
        elif order.filled_quantity == trade.quantity:  # the first fill; later none comes back
            born.append(_guard(core, entry, guard, level, trade.quantity))
    return born


def _guard(core: Core, entry: Working, guard: Guard, level: Decimal, quantity: Decimal) -> Working:
    order = entry.order
    is_cover = order.request.variety is Variety.COVER and guard is Guard.STOP
    request = replace(
        order.request,
        side=order.request.side.opposite,
        quantity=quantity,
        order_type=OrderType.SL_M if guard is Guard.STOP else OrderType.LIMIT,
        price=None if guard is Guard.STOP else level,
        trigger_price=level if guard is Guard.STOP else None,
        variety=Variety.COVER if is_cover else Variety.REGULAR,
        validity=Validity.DAY,
        ttl_minutes=None,
        market_protection=None,
        disclosed_quantity=Decimal(0),
        legs=None,
        slice_automatically=False,
        stop_trigger=None,
        target_price=None,
    )
    made = received(
        core, order.account_id, order.listing, entry.row, request, parent_order_id=order.order_id,
        entry_id=order.order_id, guard=guard, system=True,
    )  # fmt: skip
    step_to(core, made, Stage.OPEN_PENDING)
    arrive(core, made)
    return made


def _resize(core: Core, guard: Working, by: Decimal) -> None:
    """More or less to protect."""
    order = guard.order
    quantity = order.request.quantity + by
    if order.pending_quantity + by <= 0:
        end(core, guard, Stage.CANCELLED, _OTHER_LEG)
        return
    changed = replace(
        order,
        request=replace(order.request, quantity=quantity),
        pending_quantity=order.pending_quantity + by,
        updated_ns=core.now_ns,
        modified=True,
    )
    core.record(changed, guard)


def _shrink_other_leg(core: Core, working: Working, filled: Decimal) -> None:
    for other in protection_of(core, working.row, working.entry_id or ""):
        if other is not working and other.guard is not working.guard:
            _resize(core, other, -filled)
    if not core.position(working):
        _drop_rest_of_entry(core, working)


def _drop_protection_of_nothing(core: Core, trade: ExchangeTrade) -> None:
    """Protection whose position is gone would open a new one."""
    held = core.accounts[trade.account_id].open_quantity(trade.listing.token, trade.product)
    row = core.listings.row_of(trade.listing.token)
    for one in list(core.books.get(row, ())):
        order = one.order
        if (
            one.entry_id is not None
            and order.account_id == trade.account_id
            and order.request.product is trade.product
            and held * one.side >= 0
        ):
            end(core, one, Stage.CANCELLED, _POSITION_GONE)
            _drop_rest_of_entry(core, one)


def _drop_rest_of_entry(core: Core, guard: Working) -> None:
    """A position that leaves takes the rest of its own entry with it."""
    entry = core.working.get(guard.entry_id or "")
    if entry is not None:
        end(core, entry, Stage.CANCELLED, _POSITION_LEFT)


def exit_cover(core: Core, stop: Working) -> None:
    """Leave a cover position: its stop becomes a market order."""
    step_to(core, stop, Stage.MODIFY_PENDING)
    request = replace(
        stop.order.request, order_type=OrderType.MARKET, variety=Variety.REGULAR, trigger_price=None
    )
    stop.order = replace(stop.order, request=request, modified=True)
    set_terms(core, stop)
    core.touched_rows.add(stop.row)
    step_to(core, stop, Stage.OPEN)


def leg_quantities(total: Decimal, legs: int, lot: Decimal) -> tuple[Decimal, ...]:
    """Equal whole lots, what is left over in the last leg; fewer legs when there are not lots enough.

    >>> [int(leg) for leg in leg_quantities(Decimal(1000), 3, Decimal(1))]
    [334, 334, 332]
    """
    each = round_up(total / legs, lot)
    quantities = []
    while total > 0:
        quantities.append(min(each, total))
        total -= quantities[-1]
    return tuple(quantities)


def next_leg(order: ExchangeOrder) -> tuple[int, Decimal] | None:
    """Number and quantity of the iceberg leg that follows a completed one."""
    request, total = order.request, order.iceberg_quantity
    if total is None or order.iceberg_leg is None or request.legs is None:
        return None
    lot = order.listing.instrument.lot_size
    quantities = leg_quantities(total, request.legs, lot)
    if order.iceberg_leg >= len(quantities):
        return None
    return order.iceberg_leg + 1, quantities[order.iceberg_leg]


def requeue(core: Core, working: Working) -> None:
    """Behind all that rest already: new terms lose the place in time."""
    working.sequence = core.next_sequence()
    core.books[working.row].remove(working)
    core.insert(working)
    join_queue(core, working)
