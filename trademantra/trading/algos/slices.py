"""A quantity that is worked in parts: what all algorithms that slice share.

Children are `slice`, `slice.1`, ….  How much of the parent should have been sent by now is the algorithm's own; this file
sends the difference, so that what was cancelled or lost is sent again and nothing is sent twice.

Invariant: filled + working of all children is never above the parent's quantity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from trademantra.brokers.orders import OrderChange
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.money import round_down
from trademantra.core.order import Order, OrderStatus, OrderType, Product, Side
from trademantra.engine.records import Reason
from trademantra.trading.algos.bracket import check_quantity
from trademantra.trading.algos.levels import on_tick
from trademantra.trading.algos.pairs import ENOUGH_REJECTIONS, rejected_in_a_row
from trademantra.trading.algos.view import (
    Action,
    Cancel,
    Change,
    Child,
    Memory,
    Place,
    Price,
    Step,
    View,
    filled_of,
    left_of,
    numbered,
    takes_what_is_there,
    working,
)
from trademantra.trading.intents import Purpose

SLICE = "slice"


class Style(StrEnum):
    """How a slice is ordered."""

    CROSS = "cross"
    """At market, or up to the price limit: it takes what is there."""
    REST = "rest"
    """A limit order at the best price of its own side; what does not fill in its time crosses."""


class Finish(StrEnum):
    """What becomes of the rest when time, moves or patience are used up."""

    CROSS = "cross"
    GIVE_UP = "give_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """What is to be bought or sold in parts.  No child pays more, or sells for less, than `price_limit`.

    `purpose` EXIT for a quantity that closes: limits let it pass.  Errors: `InvalidValueError`.
    """

    algo_id: str
    account_id: str
    strategy_id: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    product: Product
    decided_ns: int
    purpose: Purpose = Purpose.ENTRY
    price_limit: Decimal | None = None
    sector: str = ""
    registered_id: str = ""
    labels: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        check_quantity(self.algo_id, self.quantity, self.instrument)
        if self.price_limit is not None and self.price_limit <= 0:
            raise InvalidValueError(f"algorithm {self.algo_id}: a price limit of {self.price_limit} is none")

    def instruments(self) -> Sequence[Instrument]:
        return (self.instrument,)

    def heard(self, memory: Memory, price: Price) -> Memory:
        return memory

    def filled(self, memory: Memory, child: str, price: float, at_ns: int) -> Memory:
        return memory

    def reason(self, memory: Memory, view: View, child: str, order: Order) -> Reason:
        if self.purpose is Purpose.ENTRY:
            return Reason.ENTRY
        return Reason.SIGNAL if memory.leaving is Reason.NONE else memory.leaving

    def whole_lots(self, quantity: Decimal) -> Decimal:
        return min(self.quantity, round_down(quantity, self.instrument.lot_size))

    def place(self, number: int, quantity: Decimal, limit: Decimal | None) -> Place:
        """A slice at `limit` or, without one, at market; never beyond the price limit."""
        price = _nearer(self.side, limit, self.price_limit)
        return Place(
            name=numbered(SLICE, number), instrument=self.instrument, product=self.product, side=self.side,
            quantity=quantity, purpose=self.purpose, order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
            price=price,
        )  # fmt: skip

    def crossing(self, view: View, child: Child) -> Sequence[Action]:
        """Make a resting slice take what is there; one that takes no changes is ended and sent again."""
        if not child.rests or child.order.price == self.price_limit:
            return ()
        price = view.price(self.instrument)
        if price is None or takes_what_is_there(child, price):
            return ()
        if view.is_stuck(child):
            return (Cancel(child.order.order_id),)
        if self.price_limit is None:
            return (Change(child.order.order_id, OrderChange(order_type=OrderType.MARKET)),)
        return (Change(child.order.order_id, OrderChange(price=self.price_limit)),)

    def own_best(self, price: Price | None) -> Decimal | None:
        """The best price of its own side, on the tick; the last price where the book is not known."""
        if price is None:
            return None
        best = price.bid if self.side is Side.BUY else price.ask
        return on_tick(self.instrument, self.side, best if best > 0.0 else price.last)


@dataclass(frozen=True, slots=True)
class Slices:
    """The children as they stand."""

    children: Sequence[Sequence[Child]]
    open: Sequence[Child]
    filled: Decimal
    left: Decimal

    @classmethod
    def of(cls, view: View) -> "Slices":
        children = view.numbered(SLICE)
        every = [child for one in children for child in one]
        return cls(children, working(every), filled_of(every), left_of(every))

    @property
    def sent(self) -> Decimal:
        return self.filled + self.left


def ending(parent: Parent, memory: Memory, slices: Slices) -> Step | None:
    """The step of an algorithm that is done, was taken back, or whose orders nobody takes; None: it goes on."""
    if slices.filled >= parent.quantity:
        return Step(memory, _cancelled(slices.open), ended="" if slices.open else "filled")
    if memory.dropped or memory.leaving is not Reason.NONE:
        return give_up(memory, slices, memory.why or "withdrawn")
    if any(child.order.status is OrderStatus.EXPIRED for one in slices.children for child in one):
        return give_up(memory, slices, "the day ended")
    rejected = rejected_in_a_row(slices.children)
    if rejected >= ENOUGH_REJECTIONS:
        reason = slices.children[-1][-1].order.reason
        step = give_up(memory, slices, f"rejected: {reason}")
        return replace(step, person=f"{rejected} slices in a row were rejected: {reason}")
    return None


def give_up(memory: Memory, slices: Slices, text: str) -> Step:
    """End what works; it is over when nothing may fill any more."""
    memory = replace(memory, dropped=True, why=text)
    return Step(
        memory, _cancelled(slices.open), ended="" if slices.open else f"{text}, {slices.filled} filled"
    )


def _cancelled(children: Sequence[Child]) -> tuple[Action, ...]:
    return tuple(
        Cancel(child.order.order_id) for child in children if child.order.status is not OrderStatus.CANCELLING
    )


def _nearer(side: Side, limit: Decimal | None, most: Decimal | None) -> Decimal | None:
    if limit is None or most is None:
        return most if limit is None else limit
    return min(limit, most) if side is Side.BUY else max(limit, most)
