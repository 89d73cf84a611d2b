"""Leaving a position at market, whatever rests: one atomic change of an order that is there, before anything new.

A stop (else a target) that rests is turned into a market order, so that there is no moment without an exit and none
with two; what no order can be turned for is sold by a new one, once nothing else may close it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trademantra.brokers.orders import OrderChange
from trademantra.core.instrument import Instrument
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.trading.algos.pairs import ENOUGH_REJECTIONS, EXIT, STOP, TARGET, rejected_in_a_row
from trademantra.trading.algos.view import (
    Action,
    Cancel,
    Change,
    Child,
    Memory,
    Place,
    Step,
    View,
    numbered,
    working,
)
from trademantra.trading.intents import Purpose

_BEHIND_NS = 3 * NANOSECONDS_PER_SECOND  # for a limit that the market has passed
_UNFILLED_NS = (
    15 * NANOSECONDS_PER_SECOND
)  # for a market order, whose protective limit the broker does not show
_LONGEST_PAUSE_NS = 30 * NANOSECONDS_PER_SECOND
_S = OrderStatus
_UNSETTLED = frozenset({_S.JOURNALED, _S.SENT, _S.MODIFYING})


@dataclass(frozen=True, slots=True)
class Way:
    """What is left, on which `side`.  `target`: the price of targets that are still only that."""

    instrument: Instrument
    product: Product
    side: Side
    target: Decimal | None


@dataclass(slots=True)
class _Shared:
    """What of the position is not yet covered by an order that leaves it, and what was decided on the way."""

    left: Decimal
    actions: list[Action]
    wake_ns: int | None = None

    def take(self, child: Child) -> Decimal:
        taken = min(self.left, child.left)
        self.left -= taken
        return taken


def leave(way: Way, memory: Memory, view: View, held: Decimal) -> Step:
    """Orders that close `held` at market."""
    roles = {
        name: working([child for one in view.numbered(name) for child in one])
        for name in (STOP, TARGET, EXIT)
    }
    doubtful = [
        each for one in roles.values() for each in one if each.order.status in (_S.UNKNOWN, _S.CANCELLING)
    ]
    leaving = [each for name, one in roles.items() for each in one if _leaves(way, name, each)]
    shared = _Shared(held, [])
    settled = [each for each in leaving if each not in doubtful]
    _go_on(way, view, shared, settled)
    for name in (STOP, TARGET):
        others = [each for each in roles[name] if each not in leaving and each not in doubtful]
        for child in others:
            if child.rests:
                _turn(view, shared, child)
        for child in others:
            if child.order.status in _UNSETTLED and not shared.take(child):
                shared.actions.append(Cancel(child.order.order_id))
    for child in doubtful:
        shared.take(child)
        if child.order.status is _S.UNKNOWN:
            shared.actions.append(Cancel(child.order.order_id))
    person = _exit_for_the_rest(way, view, shared) if shared.left > 0 else ""
    return Step(memory, tuple(shared.actions), shared.wake_ns, person=person)


@dataclass(frozen=True, slots=True)
class MarketExit:
    """A new exit, or when to try it again; `person`: the broker goes on rejecting it."""

    actions: Sequence[Action] = ()
    wake_ns: int | None = None
    person: str = ""


def exit_at_market(
    view: View, name: str, instrument: Instrument, product: Product, side: Side, quantity: Decimal
) -> MarketExit:
    """The next child `name`, at market; after a rejection with a growing pause."""
    placed = view.numbered(name)
    rejected = rejected_in_a_row(placed)
    if rejected:
        pause_ns = min(2**rejected * NANOSECONDS_PER_SECOND, _LONGEST_PAUSE_NS)
        due_ns = max(child.since_ns for child in placed[-1]) + pause_ns
        if view.now_ns < due_ns:
            return MarketExit(wake_ns=due_ns)
    place = Place(
        name=numbered(name, len(placed)), instrument=instrument, product=product, side=side, quantity=quantity,
        purpose=Purpose.EXIT,
    )  # fmt: skip
    if rejected < ENOUGH_REJECTIONS:
        return MarketExit((place,))
    return MarketExit(
        (place,), person=f"exits of {instrument.key} are rejected: {placed[-1][-1].order.reason}"
    )


def _leaves(way: Way, name: str, child: Child) -> bool:
    """Whether an order closes at market already."""
    order = child.order
    if name == EXIT or order.order_type is OrderType.MARKET or child.is_triggered:
        return True
    if name == STOP:
        return not order.order_type.has_trigger
    return order.price != way.target


def _go_on(way: Way, view: View, shared: _Shared, children: Sequence[Child]) -> None:
    for child in children:
        if not shared.left:
            shared.actions.append(Cancel(child.order.order_id))
            continue
        taken = shared.take(child)
        if taken < child.left and child.rests:
            shared.actions += _changed(view, child, OrderChange(quantity=child.order.filled_quantity + taken))
        elif child.rests and view.continuous:
            due_ns = child.since_ns + (_BEHIND_NS if _is_behind(way, view, child) else _UNFILLED_NS)
            if view.now_ns >= due_ns and _price_is_newer(way, view, child):
                shared.actions += _changed(view, child, OrderChange(order_type=OrderType.MARKET))
            else:
                shared.wake_ns = min(due_ns, shared.wake_ns or due_ns)


def _turn(view: View, shared: _Shared, child: Child) -> None:
    """Make a market order of a stop or target that rests, or end it when enough leaves without it."""
    if not shared.left:
        shared.actions.append(Cancel(child.order.order_id))
        return
    taken = shared.take(child)
    quantity = None if taken == child.left else child.order.filled_quantity + taken
    shared.actions += _changed(view, child, OrderChange(order_type=OrderType.MARKET, quantity=quantity))


def _changed(view: View, child: Child, change: OrderChange) -> Sequence[Action]:
    """The change, or the end of an order that takes none: what it would close is placed anew once it is gone."""
    if view.is_stuck(child):
        return (Cancel(child.order.order_id),)
    return (Change(child.order.order_id, change),)


def _exit_for_the_rest(way: Way, view: View, shared: _Shared) -> str:
    exit_ = exit_at_market(view, EXIT, way.instrument, way.product, way.side, shared.left)
    shared.actions += exit_.actions
    if exit_.wake_ns is not None:
        shared.wake_ns = min(exit_.wake_ns, shared.wake_ns or exit_.wake_ns)
    return exit_.person


def _is_behind(way: Way, view: View, child: Child) -> bool:
    """Whether the market went past the limit that an exit rests at."""
    price = view.price(way.instrument)
    limit = child.order.price
    return limit is not None and price is not None and way.side.sign * (price.last - float(limit)) > 0.0


def _price_is_newer(way: Way, view: View, child: Child) -> bool:
    price = view.price(way.instrument)
    return price is not None and price.at_ns > child.since_ns
