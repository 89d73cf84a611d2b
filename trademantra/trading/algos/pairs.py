"""Pairs of a stop and a target that close the same quantity, and how orders that rest are fitted to what is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trademantra.brokers.orders import OrderChange
from trademantra.core.order import OrderStatus
from trademantra.core.time import ist_date
from trademantra.trading.algos.view import (
    NOTHING,
    Action,
    Cancel,
    Change,
    Child,
    View,
    left_of,
    numbered,
    working,
)

STOP, TARGET, EXIT, SURPLUS = "stop", "target", "exit", "surplus"
ENOUGH_REJECTIONS = 3
_S = OrderStatus


@dataclass(frozen=True, slots=True)
class Pair:
    """All orders of one pair, final ones too; a side that was never placed is empty."""

    stops: Sequence[Child]
    targets: Sequence[Child]

    @property
    def left(self) -> Decimal:
        """What it may still close."""
        return max(left_of(self.stops), left_of(self.targets))

    def is_of_day(self, now_ns: int) -> bool:
        """Whether an order of it was made on the present day; one of unknown age counts."""
        today = ist_date(now_ns)
        return any(
            not child.made_ns or ist_date(child.made_ns) == today for child in (*self.stops, *self.targets)
        )


@dataclass(frozen=True, slots=True)
class Shares:
    """What each pair is to close, and what is left for a new one."""

    quantities: Sequence[Decimal]
    rest: Decimal


@dataclass(frozen=True, slots=True)
class Wishes:
    """Which sides a pair is to have.  `stop_given_up`: there is a level, but the broker takes no stop order."""

    stop: bool
    target: bool
    stop_given_up: bool = False


def pairs_of(view: View) -> Sequence[Pair]:
    made: list[Pair] = []
    while True:  # each number has a stop or a target, for one without any order is tried again under the same
        stop, target = numbered(STOP, len(made)), numbered(TARGET, len(made))
        if stop not in view.children and target not in view.children:
            return made
        made.append(Pair(view.orders(stop), view.orders(target)))


def shares(pairs: Sequence[Pair], held: Decimal, wishes: Wishes, view: View) -> Shares:
    """Share `held` out: first to the pairs as they rest, then by making one larger, then to a new one."""
    quantities = [_present(pair, wishes) for pair in pairs]
    ending = sum((pair.left for pair, own in zip(pairs, quantities, strict=True) if not own), NOTHING)
    shrinking = sum((pair.left - own for pair, own in zip(pairs, quantities, strict=True) if own), NOTHING)
    excess = sum(quantities, NOTHING) - held
    for place in reversed(range(len(pairs))):
        if excess <= 0:
            break
        less = min(excess, quantities[place])
        quantities[place] -= less
        excess -= less
    rest = held - sum(quantities, NOTHING) - ending
    if rest > 0:
        for place, pair in enumerate(pairs):
            if quantities[place] and _can_grow(pair, quantities[place] + rest, view):
                quantities[place] += rest
                return Shares(quantities, NOTHING)
    return Shares(quantities, max(NOTHING, rest - shrinking))


def fit(
    view: View, children: Sequence[Child], wanted: Decimal, terms: Sequence[OrderChange | None]
) -> Sequence[Action]:
    """Bring the working orders of one side to `wanted` in all, and each to its `terms` (None: as they are).

    Orders whose state is not settled are left alone, but for their end; one that takes no changes is ended.
    """
    made: list[Action] = []
    excess = left_of(children) - wanted
    for child, change in reversed(list(zip(children, terms, strict=True))):
        order = child.order
        if order.status.is_final:
            continue
        if excess >= child.left:
            excess -= child.left
            if order.status is not _S.CANCELLING:
                made.append(Cancel(order.order_id))
            continue
        quantity = None
        if excess > 0 or (excess < 0 and len(working(children)) == 1):
            quantity = order.quantity - excess
            excess = NOTHING
        if quantity is None and change is None:
            continue
        if child.rests and view.is_stuck(child):
            made.append(Cancel(order.order_id))
        elif child.rests:
            price = None if change is None else change.price
            trigger = None if change is None else change.trigger_price
            kind = None if change is None else change.order_type
            made.append(
                Change(
                    order.order_id,
                    OrderChange(quantity=quantity, price=price, trigger_price=trigger, order_type=kind),
                )
            )
    return made


def rejected_in_a_row(intents: Sequence[Sequence[Child]]) -> int:
    """How many of the last intents the broker turned down whole."""
    count = 0
    for children in reversed(intents):
        if not children or any(child.order.status is not _S.REJECTED for child in children):
            break
        if any(child.order.filled_quantity for child in children):
            break
        count += 1
    return count


def _present(pair: Pair, wishes: Wishes) -> Decimal:
    """What a pair closes as it rests; 0: it is to end, for one of its sides is gone."""
    stops, targets = _live(pair.stops), _live(pair.targets)
    if wishes.stop and not stops:
        return left_of(targets) if wishes.stop_given_up and wishes.target else NOTHING
    if not wishes.stop:
        return left_of(targets)
    if pair.targets and all(child.order.status is _S.FILLED for child in pair.targets):
        return NOTHING
    return min(left_of(stops), left_of(targets)) if targets and wishes.target else left_of(stops)


def _live(children: Sequence[Child]) -> Sequence[Child]:
    return [child for child in working(children) if child.order.status is not _S.CANCELLING]


def _can_grow(pair: Pair, quantity: Decimal, view: View) -> bool:
    """Whether both sides are one order each that may take `quantity` more or less."""
    for children in (_live(pair.stops), _live(pair.targets)):
        if len(children) > 1:
            return False
        for child in children:
            freeze = child.order.instrument.freeze_quantity
            total = child.order.filled_quantity + quantity
            if (
                child.is_triggered
                or view.is_stuck(child)
                or child.order.status is _S.UNKNOWN
                or (freeze is not None and total > freeze)
            ):
                return False
    return True
