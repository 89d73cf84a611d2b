"""One price event meets the orders of its instrument, in the order of docs/engine.md, "One bar, in order".

1. reducing market orders, at the open; 2. reducing orders whose level the open has passed; 3. opening market orders, at
the open; 4. resting orders that open; 5. reducing stops inside the event; 6. reducing limits inside it.  Within a step:
by time, resting orders that open by price first.  An order meets an event once.  All fills of an event together take no
more than the liquidity's share of its volume.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from math import inf, isnan, nan

from trademantra.brokers.paper import attached, scan
from trademantra.brokers.paper.book import Guard, Working
from trademantra.brokers.paper.core import Core
from trademantra.brokers.paper.hours import TRADING
from trademantra.brokers.paper.lifecycle import end, fill, stage_of
from trademantra.brokers.paper.settings import Liquidity
from trademantra.brokers.paper.terms import Stage
from trademantra.core.order import OrderType, Product, Validity
from trademantra.engine import matching
from trademantra.engine.compile import uncompiled

_limit_price = uncompiled(matching.limit_price)
_stop_price = uncompiled(matching.stop_price)
_slipped = uncompiled(matching.slipped)
_whole_lots = uncompiled(matching.whole_lots)
_room_of = uncompiled(matching.room_of)
_rest_of = uncompiled(matching.rest_of)

_IOC = "Unmatched quantity of an IOC order is cancelled by the exchange."


class When(IntEnum):
    """Which part of the event a step looks at."""

    OPEN = 0
    ALL = 1
    INSIDE = 2


@dataclass(slots=True)
class Event:
    """One event, and what is left of it."""

    row: int
    at_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    room: float
    lowest: float
    highest: float
    newest: int
    since: dict[str, float] = field(default_factory=dict)  # by order: the price from which it was exposed
    no_target: set[str] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    taken: dict[tuple[int, float], float] = field(default_factory=dict)  # visible depth that is gone


def meet(core: Core, row: int, at_ns: int, prices: tuple[float, float, float, float, float]) -> None:
    """Let an event (open, high, low, close, volume) meet the book of its row."""
    book = core.books.get(row)
    if not book:
        return
    phase = core.hours.phase(core.listings.at(row), at_ns)
    if phase is not None and phase not in TRADING:
        return
    liquidity = core.settings.liquidity
    columns = core.market.columns[row]
    event = Event(
        row,
        at_ns,
        *prices,
        room=_room_of(liquidity.participation, prices[4]),
        lowest=columns[scan.LOWER] or -inf,
        highest=columns[scan.UPPER] or inf,
        newest=core.sequence,
    )
    there = [one for one in book if one.is_open]
    _reduce_at_market(core, event, there)
    for stops in (False, True):  # what the open gives a target it does not take for a stop
        _reduce_resting(core, event, [one for one in there if one.waits_for_trigger is stops], When.OPEN)
    _open_at_market(core, event, there)
    _open_resting(core, event, there)
    stops_first = not liquidity.target_first
    for stops in (stops_first, not stops_first):
        exposed = [
            one for one in core.books.get(row, ()) if one.is_open and _concerned(one, event, liquidity)
        ]
        _reduce_resting(core, event, [one for one in exposed if one.waits_for_trigger is stops], When.INSIDE)
    for one in there:
        if one.order.order_id in core.working and one.order.request.validity is Validity.IOC:
            end(core, one, Stage.CANCELLED, _IOC)
    core.touched_rows.add(row)


def meet_standing(core: Core, working: Working) -> None:
    """Let one order meet the market as it stands: the last price, with the volume that is visible."""
    last = float(core.market.columns[working.row, scan.LAST])
    phase = core.hours.phase(working.order.listing, core.now_ns)
    if not last or phase is None or phase not in TRADING or working.waits_for_trigger:
        return
    crosses = isnan(working.limit) or working.side * (last - working.limit) <= 0.0
    if crosses:
        columns = core.market.columns[working.row]
        event = Event(
            working.row, core.now_ns, last, last, last, last, 0.0, inf, columns[scan.LOWER] or -inf,
            columns[scan.UPPER] or inf, core.sequence,
        )  # fmt: skip
        _take(core, event, working, last, slips=True)
    if working.order.order_id in core.working and working.order.request.validity is Validity.IOC:
        end(core, working, Stage.CANCELLED, _IOC)
    core.touched_rows.add(working.row)


def _concerned(working: Working, event: Event, liquidity: Liquidity) -> bool:
    """Whether an order may still meet this event: it was there before, or protects an entry inside it."""
    order_id = working.order.order_id
    if order_id in event.met:
        return False
    if working.sequence <= event.newest:
        return True
    return order_id in event.since and liquidity.entry_bar and order_id not in event.no_target


def _reduces(core: Core, working: Working) -> bool:
    """Whether a fill makes the position smaller.  Shares for delivery cannot be short: every sale does."""
    if working.order.request.product in (Product.CNC, Product.MTF):
        return working.side < 0
    return core.position(working) * working.side < 0


def _alive(core: Core, working: Working, event: Event) -> bool:
    return working.order.order_id in core.working and working.order.order_id not in event.met


def _reduce_at_market(core: Core, event: Event, there: list[Working]) -> None:
    for one in there:
        if one.takes_any_price and _alive(core, one, event) and _reduces(core, one):
            _market(core, event, one)


def _open_at_market(core: Core, event: Event, there: list[Working]) -> None:
    for one in there:
        if one.takes_any_price and _alive(core, one, event):
            _market(core, event, one)


def _market(core: Core, event: Event, working: Working) -> None:
    """A market order at the open; beyond its protection it comes to rest at it."""
    if not isnan(working.limit) and working.side * (event.open - working.limit) > 0.0:
        working.rests = True
        core.note_working(working)
        _limit(core, event, working, When.ALL)
        return
    _take(core, event, working, event.open, slips=True)


def _reduce_resting(core: Core, event: Event, there: list[Working], when: When) -> None:
    for one in there:
        if not one.takes_any_price and _alive(core, one, event) and _reduces(core, one):
            _resting(core, event, one, when)


def _open_resting(core: Core, event: Event, there: list[Working]) -> None:
    candidates = [one for one in there if not one.takes_any_price and _alive(core, one, event)]
    candidates = [one for one in candidates if not _reduces(core, one)]
    # price before time: the buy with the highest limit and the sell with the lowest come first
    candidates.sort(key=lambda one: (0.0 if isnan(one.limit) else -one.side * one.limit, one.sequence))
    for when in (When.OPEN, When.INSIDE):
        for one in candidates:
            if _alive(core, one, event):
                _resting(core, event, one, when)


def _resting(core: Core, event: Event, working: Working, when: When) -> None:
    if working.waits_for_trigger:
        _stop(core, event, working, when)
    else:
        _limit(core, event, working, when)


def _stop(core: Core, event: Event, working: Working, when: When) -> None:
    """A stop whose trigger is reached: at the open when that has passed it, else at the trigger."""
    side, trigger = working.side, working.trigger
    since = event.since.get(working.order.order_id, nan)
    if isnan(since):
        price = _stop_price(side, trigger, event.open, event.high, event.low)
        at_open = side * (event.open - trigger) >= 0.0
        if isnan(price) or (when is When.OPEN and not at_open):
            return
    else:  # it protects an entry of this event, at `since`: a level that was passed then gives no better price
        reach = event.high if side > 0 else event.low
        if side * (reach - trigger) < 0.0:
            return
        price = trigger if side * (trigger - since) > 0.0 else since
    working.triggered = True
    gapped = not isnan(working.limit) and side * (price - working.limit) > 0.0
    if not gapped:
        _take(core, event, working, price, slips=True)
    elif working.order.request.order_type is OrderType.SL_M:
        working.rests = True
    if working.order.order_id in core.working and not working.order.filled_quantity:
        core.record(stage_of(core, working.order, Stage.OPEN), working)
    if gapped:
        _limit(core, event, working, When.INSIDE)


def _limit(core: Core, event: Event, working: Working, when: When) -> None:
    """A resting limit order: at a better open, else at its price when that is traded through (or touched)."""
    liquidity = core.settings.liquidity
    side, limit = working.side, working.limit
    since = event.since.get(working.order.order_id, nan)
    opening = event.open if isnan(since) else since
    price = _limit_price(side, limit, opening, event.high, event.low, int(liquidity.limit_touch))
    if not isnan(price):
        better = side * (opening - limit) < 0.0
        if when is When.OPEN and not (better or (liquidity.limit_touch and opening == limit)):
            return
        _take(core, event, working, price, slips=False, by_limit=not better)
        return
    touched = (event.low if side > 0 else event.high) == limit
    if liquidity.queue and touched and when is not When.OPEN:
        working.ahead -= event.volume
        passed, working.ahead = -working.ahead, max(working.ahead, 0.0)
        event.met.add(working.order.order_id)
        core.note_working(working)
        if passed > 0.0:
            event.met.discard(working.order.order_id)
            _take(core, event, working, limit, slips=False, by_limit=True, most=passed)


def _take(
    core: Core,
    event: Event,
    working: Working,
    price: float,
    *,
    slips: bool,
    by_limit: bool = False,
    most: float = inf,
) -> None:
    """Fill as much as the event gives, at the circuit limit's inner side."""
    side, order = working.side, working.order
    locked = (side < 0 and event.high <= event.lowest) or (side > 0 and event.low >= event.highest)
    if locked:
        event.met.add(order.order_id)
        return
    lot = float(order.listing.instrument.lot_size)
    quantity = min(working.left, _whole_lots(lot, min(event.room, most)))
    if working.entry_id is not None:  # protection never opens a position
        quantity = min(quantity, abs(float(core.position(working))))
    if quantity <= 0.0:
        event.met.add(order.order_id)
        return
    liquidity = core.settings.liquidity
    for level, part in (
        _walked(core, event, working, price, quantity)
        if slips and liquidity.visible_depth
        else ((price, quantity),)
    ):
        if not _alive(core, working, event):
            return
        paid = level
        if slips:
            slippage = liquidity.slippage
            tick = float(order.listing.instrument.tick_size)
            paid = _slipped(
                slippage.kind, slippage.value, tick, side, level, event.high, event.low, event.volume, part
            )
            if not isnan(working.limit):
                paid = min(paid, working.limit) if side > 0 else max(paid, working.limit)
        paid = min(max(paid, event.lowest), event.highest)
        if not isnan(working.limit) and side * (paid - working.limit) > 0.0:
            break  # a price outside the circuit limits
        _book(core, event, working, paid, part, by_limit)
    event.met.add(order.order_id)


def _walked(
    core: Core, event: Event, working: Working, price: float, quantity: float
) -> list[tuple[float, float]]:
    """Quantity level by level of the visible depth, from `price` outward; what is not visible is not there."""
    depth = core.market.visible(event.row, core.settings.seed)
    shown = depth.asks if working.side > 0 else depth.bids
    if not shown:
        return [(price, quantity)]
    best, lot = float(shown[0].price), float(working.order.listing.instrument.lot_size)
    parts = []
    for level in shown:
        at = price + (float(level.price) - best)  # the book moves with the price that the order met
        if not isnan(working.limit) and working.side * (at - working.limit) > 0.0:
            break
        key = (working.side, at)
        free = float(level.quantity) - event.taken.get(key, 0.0)
        part = _whole_lots(lot, min(quantity, free))
        if part > 0.0:
            event.taken[key] = event.taken.get(key, 0.0) + part
            parts.append((at, part))
            quantity -= part
        if quantity <= 0.0:
            break
    return parts


def _book(core: Core, event: Event, working: Working, price: float, quantity: float, by_limit: bool) -> None:
    was_flat = not core.position(working)
    trade = fill(core, working, price, quantity, max(event.at_ns, core.now_ns))
    event.room = _rest_of(event.room, quantity)
    for one in attached.after_fill(core, working, trade):
        order_id = one.order.order_id
        event.since[order_id] = event.open
        if was_flat:
            event.since[order_id] = working.limit if by_limit else _level(working, event)
            if by_limit and one.guard is Guard.TARGET:  # the event's best price may lie before the entry
                event.no_target.add(order_id)


def _level(working: Working, event: Event) -> float:
    """The price before slippage at which a stop or market entry filled."""
    if working.trigger == working.trigger and working.side * (event.open - working.trigger) < 0.0:
        return working.trigger
    return event.open
