"""How a position is protected and left: by a stop and a target that rest at the broker as a pair, or at once.

Bracket, OCO and trailing stop share it.  Its children: `stop`, `target` (then `stop.1`, `target.1` …: a pair closes the same
quantity), `exit` (at market, where no order can be turned into one) and `surplus` (what a race of two exits closed too much).

Invariants, at every step:
- what exits may still close, a pair counted once, is not more than what is held;
- while something is held, an exit rests at the broker, is on its way there, or its level is watched here;
- nothing new is placed while an order that would close the same may still fill.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import isnan, nan

from trademantra.brokers.orders import OrderChange
from trademantra.core.instrument import Instrument
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.engine.records import Reason
from trademantra.trading.algos.leaving import Way, leave
from trademantra.trading.algos.levels import ExitLevels, Protection, exit_levels
from trademantra.trading.algos.pairs import (
    ENOUGH_REJECTIONS,
    EXIT,
    STOP,
    SURPLUS,
    TARGET,
    Wishes,
    fit,
    pairs_of,
    rejected_in_a_row,
    shares,
)
from trademantra.trading.algos.view import (
    Action,
    Cancel,
    Child,
    Memory,
    Place,
    Step,
    View,
    base_name,
    filled_of,
    left_of,
    numbered,
    working,
)
from trademantra.trading.intents import Purpose

_MOST_PAIRS = 60  # more replacements than a day of honest reasons gives
_FIRST_PAUSE_NS = 5 * NANOSECONDS_PER_SECOND  # after the third rejection of a stop in a row; it doubles
_LONGEST_PAUSE_NS = 600 * NANOSECONDS_PER_SECOND
_S = OrderStatus
_ON_ITS_WAY = frozenset({_S.JOURNALED, _S.SENT, _S.MODIFYING})


@dataclass(frozen=True, slots=True)
class Position:
    """What was entered (on `side`, at `average`), and what is to protect it.

    `rest_target` False: only the stop rests, and the target is watched here (for brokers whose margin does not allow two).
    """

    instrument: Instrument
    product: Product
    side: Side
    entered: Decimal
    average: float
    protection: Protection
    rest_target: bool = True

    def levels(self, peak: float) -> ExitLevels:
        return exit_levels(self.protection, self.instrument, self.side, self.average, peak)


@dataclass(frozen=True, slots=True)
class Tally:
    """Where the exits stand.  `held` is negative when they closed more than was entered."""

    exited: Decimal
    held: Decimal
    exits: Sequence[Child]
    surplus: Sequence[Child]

    @property
    def is_done(self) -> bool:
        return not self.held and not self.exits and not self.surplus


def tally(entered: Decimal, view: View) -> Tally:
    exits = [child for name in (STOP, TARGET, EXIT) for one in view.numbered(name) for child in one]
    surplus = [child for one in view.numbered(SURPLUS) for child in one]
    exited = filled_of(exits)
    return Tally(exited, entered - exited + filled_of(surplus), working(exits), working(surplus))


def step_exits(position: Position, memory: Memory, view: View) -> Step:
    """What the exits of a position ask for now."""
    now = tally(position.entered, view)
    if now.held < 0:
        return _close_surplus(position, memory, view, now)
    if not now.held:
        return Step(memory, tuple(Cancel(child.order.order_id) for child in now.exits))
    levels = position.levels(memory.peak)
    if memory.leaving is Reason.NONE:
        memory = replace(memory, leaving=_watched(position, memory, view, levels, now.held))
    if memory.leaving is not Reason.NONE:
        way = Way(position.instrument, position.product, position.side.opposite, levels.target)
        return leave(way, memory, view, now.held)
    if not view.continuous:
        return Step(memory)  # stops are not taken now; the host steps again when trading begins
    return _protect(position, memory, view, levels, now.held)


def reason_of(
    position: Position, memory: Memory, child: str, order_type: OrderType, level: Decimal | None
) -> Reason:
    """Why an exit filled: its own level, or the reason for leaving that it was turned to.

    `order_type` and `level` (its trigger, or else its limit) are the order's when it filled.
    """
    name = base_name(child)
    if name == SURPLUS:
        return Reason.NONE
    if name == STOP and order_type.has_trigger:
        return Reason.STOP if level == position.levels(nan).stop else Reason.TRAIL
    if name == TARGET and (memory.leaving is Reason.NONE or level == position.levels(memory.peak).target):
        return Reason.TARGET
    if memory.leaving is Reason.NONE:  # somebody else turned it into a market order
        return Reason.STOP
    return memory.leaving


def raised(memory: Memory, side: Side, highest: float, lowest: float, at_ns: int) -> Memory:
    """The best price since the first fill, after a price event; the event of the fill itself does not count."""
    best = highest if side is Side.BUY else lowest
    if not memory.from_ns or at_ns <= memory.from_ns or isnan(best):
        return memory
    if isnan(memory.peak) or side.sign * (best - memory.peak) > 0.0:
        return replace(memory, peak=best)
    return memory


def _watched(position: Position, memory: Memory, view: View, levels: ExitLevels, held: Decimal) -> Reason:
    """Whether a level was reached for which no order rests."""
    price = view.price(position.instrument)
    if price is None or price.at_ns <= memory.from_ns or isnan(price.last):
        return Reason.NONE
    sign, last = position.side.sign, Decimal(repr(price.last))
    if levels.stop is not None and sign * (last - levels.stop) <= 0:
        stops = [child for one in view.numbered(STOP) for child in one]
        if left_of([child for child in stops if child.rests or child.order.status in _ON_ITS_WAY]) < held:
            return levels.stop_reason
    if levels.target is not None and sign * (last - levels.target) >= 0:
        targets = [child for one in view.numbered(TARGET) for child in one]
        if left_of(targets) < held:
            return Reason.TARGET
    return Reason.NONE


def _protect(position: Position, memory: Memory, view: View, levels: ExitLevels, held: Decimal) -> Step:
    """Pairs of stop and target for what is held, at their levels."""
    if levels.stop is None and levels.target is None:
        return Step(memory)
    pairs = pairs_of(view)
    # a position that is carried gets a pair every morning
    today = [pair for pair in pairs if pair.is_of_day(view.now_ns)]
    again_ns = _stop_again_ns([pair.stops for pair in today if pair.stops])
    waits = again_ns is not None and view.now_ns < again_ns
    given_up = levels.stop is not None and (waits or len(today) >= _MOST_PAIRS)
    wishes = Wishes(
        levels.stop is not None,
        levels.target is not None and _target_rests(position, view, levels, given_up=given_up),
        given_up,
    )
    free = memory.basis != position.entered  # the levels have a new base: they may move either way
    memory = replace(memory, basis=position.entered)
    shared = shares(pairs, held, wishes, view)
    actions: list[Action] = []
    for pair, share in zip(pairs, shared.quantities, strict=True):
        stop_terms = [_stop_terms(child, levels.stop, position.side, free=free) for child in pair.stops]
        target_terms = [_target_terms(child, levels.target) for child in pair.targets]
        actions += fit(view, pair.stops, share, stop_terms)
        actions += fit(view, pair.targets, share if wishes.target else Decimal(0), target_terms)
    if shared.rest and len(today) < _MOST_PAIRS:
        actions += _new_pair(position, levels, wishes, len(pairs), shared.rest)
    person = (
        f"no stop order for {position.instrument.key} is taken; the desk watches its level"
        if given_up
        else ""
    )
    return Step(memory, tuple(actions), again_ns if given_up and waits else None, person=person)


def _target_rests(position: Position, view: View, levels: ExitLevels, *, given_up: bool) -> bool:
    """Whether a target is an order at the broker.  Beside a stop only while the desk is there to end the one when the other
    fills: what fills then would open the other side."""
    if levels.stop is None:
        return True
    return position.rest_target and (given_up or not view.is_last)


def _stop_again_ns(stops: Sequence[Sequence[Child]]) -> int | None:
    """When to try a stop again after too many rejections: what was too much for the broker then may pass now.  None: at once."""
    rejected = rejected_in_a_row(stops)
    if rejected < ENOUGH_REJECTIONS:
        return None
    pause_ns = min(_FIRST_PAUSE_NS << (rejected - ENOUGH_REJECTIONS), _LONGEST_PAUSE_NS)
    return max(child.since_ns for child in stops[-1]) + pause_ns


def _new_pair(
    position: Position, levels: ExitLevels, wishes: Wishes, number: int, quantity: Decimal
) -> Sequence[Action]:
    stop, target = numbered(STOP, number), numbered(TARGET, number)
    with_stop = wishes.stop and not wishes.stop_given_up
    made: list[Action] = []
    if with_stop:
        made.append(
            Place(
                name=stop, instrument=position.instrument, product=position.product, side=position.side.opposite,
                quantity=quantity, purpose=Purpose.EXIT, order_type=OrderType.SL_M, trigger_price=levels.stop,
                exit_with=target if wishes.target else "",
            )
        )  # fmt: skip
    if wishes.target:
        made.append(
            Place(
                name=target, instrument=position.instrument, product=position.product, side=position.side.opposite,
                quantity=quantity, purpose=Purpose.EXIT, order_type=OrderType.LIMIT, price=levels.target,
                exit_with=stop if with_stop else "",
            )
        )  # fmt: skip
    return made


def _stop_terms(child: Child, level: Decimal | None, entry_side: Side, *, free: bool) -> OrderChange | None:
    present = child.order.trigger_price
    if level is None or present is None or present == level or child.is_triggered:
        return None
    if not free and entry_side.sign * (present - level) > 0:
        return None  # a stop does not move against its position
    return OrderChange(trigger_price=level)


def _target_terms(child: Child, level: Decimal | None) -> OrderChange | None:
    if level is None or child.order.price == level or child.order.price is None:
        return None
    return OrderChange(price=level)


def _close_surplus(position: Position, memory: Memory, view: View, now: Tally) -> Step:
    """Two exits filled: the position is on the other side.  Close that at once; a person is to look."""
    actions: list[Action] = [Cancel(child.order.order_id) for child in now.exits]
    over = -now.held - left_of(now.surplus)
    placed = view.numbered(SURPLUS)
    person = (
        f"exits of {position.instrument.key} closed {-now.held} more than was held; the desk closes it again"
    )
    if rejected_in_a_row(placed) >= ENOUGH_REJECTIONS:
        person = f"{-now.held} of {position.instrument.key} are open on the wrong side, and no order is taken"
    elif over > 0:
        actions.append(
            Place(
                name=numbered(SURPLUS, len(placed)), instrument=position.instrument, product=position.product,
                side=position.side, quantity=over, purpose=Purpose.EXIT,
            )
        )  # fmt: skip
    return Step(memory, tuple(actions), person=person)
