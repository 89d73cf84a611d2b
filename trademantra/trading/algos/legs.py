"""Multi-leg entry: the legs that are bought come first, then those that are sold; a leg that fails undoes the others.

Bought options lower the margin of sold ones, so the sold ones are sent only when every bought leg is filled.  Children are
`leg0`, `leg1`, … and, to undo, `undo0`, `undo1`, …: short legs are bought back before long ones are sold.

Invariant: nothing sold is left without what was bought to cover it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from trademantra.brokers.orders import OrderChange
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Order, OrderStatus, OrderType, Product, Side
from trademantra.engine.records import Reason
from trademantra.trading.algos.bracket import check_quantity
from trademantra.trading.algos.leaving import exit_at_market
from trademantra.trading.algos.slices import Finish
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
    takes_what_is_there,
    working,
)
from trademantra.trading.intents import Purpose

_MOST_LEGS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One contract of the structure: at `price`, or at market."""

    instrument: Instrument
    side: Side
    quantity: Decimal
    price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegsSpec:
    """`timeout_ns`: how long the legs of one side may take.  Then they cross, once; or everything is undone.

    `holds`: it stays when all is filled, so that `leave` undoes the structure in the right order; else it ends then.
    Errors: `InvalidValueError`.
    """

    algo_id: str
    account_id: str
    strategy_id: str
    legs: tuple[Leg, ...]
    product: Product
    decided_ns: int
    timeout_ns: int
    on_timeout: Finish = Finish.CROSS
    holds: bool = False
    sector: str = ""
    registered_id: str = ""
    labels: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if not 1 <= len(self.legs) <= _MOST_LEGS:
            raise InvalidValueError(f"algorithm {self.algo_id}: 1 to {_MOST_LEGS} legs, not {len(self.legs)}")
        if len({leg.instrument.key for leg in self.legs}) < len(self.legs):
            raise InvalidValueError(f"algorithm {self.algo_id} has two legs in one contract")
        if self.timeout_ns <= 0:
            raise InvalidValueError(f"algorithm {self.algo_id}: legs need time to fill")
        for leg in self.legs:
            check_quantity(self.algo_id, leg.quantity, leg.instrument)

    def instruments(self) -> Sequence[Instrument]:
        return tuple(leg.instrument for leg in self.legs)

    def step(self, memory: Memory, view: View) -> Step:
        if memory.restored and not view.children:  # its decision is of another time
            return Step(memory, ended="no leg was ever sent")
        if memory.leaving is not Reason.NONE or memory.dropped:
            return self._undo(memory, view)
        bought = [number for number, leg in enumerate(self.legs) if leg.side is Side.BUY]
        sold = [number for number, leg in enumerate(self.legs) if leg.side is Side.SELL]
        first_done = all(self._missing(view, number) <= 0 for number in bought)
        group = sold if first_done else bought
        stage = 2 if first_done else 1
        if all(self._missing(view, number) <= 0 for number in group):
            return Step(memory, ended="" if self.holds else "filled")
        if memory.moves != stage:  # its time begins
            memory = replace(memory, moves=stage, from_ns=view.now_ns)
        return self._fill(memory, view, group)

    def heard(self, memory: Memory, price: Price) -> Memory:
        return memory

    def filled(self, memory: Memory, child: str, price: float, at_ns: int) -> Memory:
        return memory

    def reason(self, memory: Memory, view: View, child: str, order: Order) -> Reason:
        if child.startswith("leg"):
            return Reason.ENTRY
        return Reason.SIGNAL if memory.leaving is Reason.NONE else memory.leaving

    def _fill(self, memory: Memory, view: View, group: Sequence[int]) -> Step:
        late_ns = memory.from_ns + self.timeout_ns
        last_ns = late_ns if self.on_timeout is Finish.GIVE_UP else late_ns + self.timeout_ns
        actions: list[Action] = []
        for number in group:
            children = view.orders(_leg(number))
            if self._missing(view, number) <= 0:
                continue
            if view.now_ns >= last_ns:
                return self._failed(memory, view, number, "did not fill in time")
            if not children:
                actions.append(self._place(number))
            elif not working(children):
                return self._failed(memory, view, number, _why(children))
            elif view.now_ns >= late_ns:
                actions += _crossing(view, children, view.price(self.legs[number].instrument))
        return Step(memory, tuple(actions), late_ns if view.now_ns < late_ns else last_ns)

    def _failed(self, memory: Memory, view: View, number: int, why: str) -> Step:
        leg = self.legs[number]
        step = self._undo(replace(memory, leaving=Reason.UNDONE), view)
        text = f"{leg.side} {leg.quantity} of {leg.instrument.key} {why}: the other legs are undone"
        return replace(step, person=text)

    def _undo(self, memory: Memory, view: View) -> Step:
        """Cancel what works, buy back what was sold, then sell what was bought."""
        actions: list[Action] = []
        wake_ns: int | None = None
        person = ""
        for number in range(len(self.legs)):
            children = view.orders(_leg(number))
            actions += [
                Cancel(child.order.order_id)
                for child in working(children)
                if child.order.status is not OrderStatus.CANCELLING
            ]
        waits = any(working(view.orders(_leg(number))) for number in range(len(self.legs)))
        is_flat = not waits
        for side in (Side.SELL, Side.BUY):
            open_side = False
            for number, leg in enumerate(self.legs):
                if leg.side is not side:
                    continue
                undone = [child for one in view.numbered(_undo(number)) for child in one]
                held = filled_of(view.orders(_leg(number))) - filled_of(undone)
                missing = held - left_of(undone)
                open_side = open_side or held > 0 or bool(working(view.orders(_leg(number))))
                if missing > 0:
                    exit_ = exit_at_market(
                        view, _undo(number), leg.instrument, self.product, side.opposite, missing
                    )
                    actions += exit_.actions
                    person = person or exit_.person
                    wake_ns = exit_.wake_ns if wake_ns is None else min(wake_ns, exit_.wake_ns or wake_ns)
            if open_side:
                is_flat = False
                break  # what covers a short leg stays until that is closed
        return Step(memory, tuple(actions), wake_ns, ended="undone" if is_flat else "", person=person)

    def _missing(self, view: View, number: int) -> Decimal:
        return self.legs[number].quantity - filled_of(view.orders(_leg(number)))

    def _place(self, number: int) -> Place:
        leg = self.legs[number]
        return Place(
            name=_leg(number), instrument=leg.instrument, product=self.product, side=leg.side, quantity=leg.quantity,
            purpose=Purpose.ENTRY, order_type=OrderType.MARKET if leg.price is None else OrderType.LIMIT, price=leg.price,
        )  # fmt: skip


def _leg(number: int) -> str:
    return f"leg{number}"


def _undo(number: int) -> str:
    return f"undo{number}"


def _why(children: Sequence[Child]) -> str:
    last = children[-1].order
    return f"ended {last.status}: {last.reason}" if last.reason else f"ended {last.status}"


def _crossing(view: View, children: Sequence[Child], price: Price | None) -> Sequence[Action]:
    return [
        Change(child.order.order_id, OrderChange(order_type=OrderType.MARKET))
        for child in children
        if child.rests
        and price is not None
        and not takes_what_is_there(child, price)
        and not view.is_stuck(child)
    ]
