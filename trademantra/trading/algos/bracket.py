"""Bracket, cover, OCO and trailing stop: an entry with the exits that protect it, and exits alone.

Children of a bracket: `entry`, and those of `exits`.  The exits follow the fills of the entry: the first fill places them,
each further one makes them larger; a fill of one makes the other smaller; the last ends the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Order, OrderType, Product, Side, Validity
from trademantra.engine.records import Reason
from trademantra.engine.rules import Level
from trademantra.trading.algos.exits import Position, raised, reason_of, step_exits, tally
from trademantra.trading.algos.levels import Protection
from trademantra.trading.algos.view import (
    Cancel,
    Memory,
    Place,
    Price,
    Step,
    View,
    filled_of,
    working,
)
from trademantra.trading.intents import Purpose

ENTRY = "entry"
UNPROTECTED = Protection()


@dataclass(frozen=True, slots=True, kw_only=True)
class BracketSpec:
    """An entry and its protection, in one account for one strategy.

    `reference_price` is the price that was decided on, at `decided_ns`; limits are checked with it.  `registered_id` is the
    exchange's id of the algorithm, for the order.  Without any level in `protection` it is an entry that can be left.
    Errors: `InvalidValueError`.
    """

    algo_id: str
    account_id: str
    strategy_id: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    product: Product
    decided_ns: int
    protection: Protection = UNPROTECTED
    order_type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: Validity = Validity.DAY
    reference_price: Decimal | None = None
    rest_target: bool = True
    sector: str = ""
    registered_id: str = ""
    labels: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        check_quantity(self.algo_id, self.quantity, self.instrument)

    @classmethod
    def cover(cls, *, stop: Level, **words: object) -> "BracketSpec":
        """A cover order: an entry whose only exit is a stop at a distance.  `words` are the other fields."""
        return cls(protection=Protection(stop_rule=stop), **words)  # type: ignore[arg-type]  # fields by name

    def instruments(self) -> Sequence[Instrument]:
        return (self.instrument,)

    def position(self, view: View) -> Position | None:
        """What is entered so far; None: nothing."""
        entry = view.orders(ENTRY)
        entered = filled_of(entry)
        if not entered:
            return None
        value = sum((child.order.filled_value for child in entry), Decimal(0))
        return Position(
            self.instrument, self.product, self.side, entered, float(value / entered), self.protection, self.rest_target
        )  # fmt: skip

    def step(self, memory: Memory, view: View) -> Step:
        entry, position = view.orders(ENTRY), self.position(view)
        stays_out = memory.dropped or memory.leaving is not Reason.NONE
        if not entry:
            if memory.restored or stays_out:  # its decision is of another time
                return Step(replace(memory, gone_told=True), ended="the entry was never sent")
            return Step(memory, (self._entry(),))
        if (
            position is not None and not memory.from_ns
        ):  # its fill was booked, and this process ended before it noted it
            memory = replace(memory, from_ns=max(child.since_ns for child in entry), peak=position.average)
        exits = Step(memory) if position is None else step_exits(position, memory, view)
        open_entry = working(entry)
        exited = position is not None and tally(position.entered, view).exited > 0
        ending = tuple(
            Cancel(child.order.order_id)
            for child in open_entry
            if stays_out or exited or exits.memory.leaving is not Reason.NONE
        )
        ended = ""
        if not open_entry and (position is None or tally(position.entered, view).is_done):
            ended = entry[-1].order.reason or str(entry[-1].order.status) if position is None else "flat"
        return replace(exits, actions=(*ending, *exits.actions), ended=ended)

    def heard(self, memory: Memory, price: Price) -> Memory:
        return raised(memory, self.side, price.high, price.low, price.at_ns)

    def filled(self, memory: Memory, child: str, price: float, at_ns: int) -> Memory:
        return replace(memory, from_ns=at_ns, peak=price) if child == ENTRY and not memory.from_ns else memory

    def reason(self, memory: Memory, view: View, child: str, order: Order) -> Reason:
        position = self.position(view)
        if child == ENTRY or position is None:
            return Reason.ENTRY
        return reason_of(position, memory, child, order.order_type, order.trigger_price or order.price)

    def _entry(self) -> Place:
        return Place(
            name=ENTRY, instrument=self.instrument, product=self.product, side=self.side, quantity=self.quantity,
            purpose=Purpose.ENTRY, order_type=self.order_type, price=self.price, trigger_price=self.trigger_price,
            validity=self.validity, reference_price=self.reference_price,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSpec:
    """Exits for a position that is there already: OCO (stop and target), a stop, a target, or a trailing stop.

    `side` is the side on which the position was entered, `average` the price that distances are from and that a trail
    begins at.  Errors: `InvalidValueError` without any level.
    """

    algo_id: str
    account_id: str
    strategy_id: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    product: Product
    decided_ns: int
    average: float
    protection: Protection
    rest_target: bool = True
    sector: str = ""
    registered_id: str = ""
    labels: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        check_quantity(self.algo_id, self.quantity, self.instrument)
        if not self.average > 0.0:
            raise InvalidValueError(f"algorithm {self.algo_id}: an average price of {self.average:g} is none")
        levels = self._position().levels(self.average)
        if levels.stop is None and levels.target is None:
            raise InvalidValueError(
                f"algorithm {self.algo_id} would protect nothing", hint="give a stop, a target or a trail"
            )

    def instruments(self) -> Sequence[Instrument]:
        return (self.instrument,)

    def step(self, memory: Memory, view: View) -> Step:
        now = tally(self.quantity, view)
        if memory.dropped:
            ending = tuple(Cancel(child.order.order_id) for child in now.exits)
            return Step(memory, ending, ended="" if now.exits else "withdrawn")
        if not memory.from_ns:
            memory = replace(memory, from_ns=self.decided_ns, peak=self.average)
        step = step_exits(self._position(), memory, view)
        return replace(step, ended="flat" if now.is_done else "")

    def heard(self, memory: Memory, price: Price) -> Memory:
        return raised(memory, self.side, price.high, price.low, price.at_ns)

    def filled(self, memory: Memory, child: str, price: float, at_ns: int) -> Memory:
        return memory

    def reason(self, memory: Memory, view: View, child: str, order: Order) -> Reason:
        return reason_of(
            self._position(), memory, child, order.order_type, order.trigger_price or order.price
        )

    def _position(self) -> Position:
        return Position(
            self.instrument, self.product, self.side, self.quantity, self.average, self.protection, self.rest_target
        )  # fmt: skip


def check_quantity(algo_id: str, quantity: Decimal, instrument: Instrument) -> None:
    """Errors: `InvalidValueError` for less than nothing, and for what is not whole lots."""
    if quantity <= 0 or quantity % instrument.lot_size:
        raise InvalidValueError(
            f"algorithm {algo_id}: {quantity} of {instrument.key} is not a number of lots of {instrument.lot_size}"
        )
