"""What an algorithm sees, what it remembers, and what it wants done.  Plain values: a step is a function of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import nan
from typing import Protocol, TypeAlias

from trademantra.brokers.orders import OrderChange
from trademantra.core.instrument import Instrument
from trademantra.core.order import Order, OrderStatus, OrderType, Product, Side, Validity
from trademantra.engine.records import Reason
from trademantra.trading.intents import Purpose

NOTHING = Decimal(0)
RESTING = frozenset({OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING, OrderStatus.PARTLY_FILLED})
"""States in which an order can be changed."""
MOST_REFUSALS = 2
"""So many refused changes in a row, and an order is replaced instead."""


@dataclass(frozen=True, slots=True)
class Price:
    """The newest price event of an instrument.  NaN: not known.

    `high`, `low`, `volume` are those of the event (for a single trade: its price and quantity), not of the day.
    """

    last: float
    high: float
    low: float
    volume: float
    bid: float
    ask: float
    at_ns: int

    @property
    def decimal(self) -> Decimal | None:
        """The last price as it is written; None: not known."""
        return Decimal(repr(self.last)) if self.last > 0.0 else None


@dataclass(frozen=True, slots=True)
class Child:
    """One order of an algorithm as it stands; `since_ns`: when anything of it changed last; `made_ns`: when it was made."""

    order: Order
    since_ns: int
    made_ns: int = 0

    @property
    def left(self) -> Decimal:
        return self.order.open_quantity

    @property
    def rests(self) -> bool:
        return self.order.status in RESTING

    @property
    def is_triggered(self) -> bool:
        """A stop that became an order in the market."""
        return self.order.order_type.has_trigger and self.order.status in (
            OrderStatus.OPEN,
            OrderStatus.PARTLY_FILLED,
        )


@dataclass(frozen=True, slots=True)
class View:
    """Everything outside that a step may depend on.

    `continuous`: the exchange trades continuously now, as far as is known; `volumes`: traded since the algorithm began.
    `refused`: by order id, changes that were refused one after the other.  `is_last`: nobody will look after this for a while.
    """

    now_ns: int
    continuous: bool
    children: Mapping[str, Sequence[Child]]
    prices: Mapping[str, Price]
    refused: Mapping[str, int] = field(default_factory=dict)
    is_last: bool = False

    def orders(self, name: str) -> Sequence[Child]:
        return self.children.get(name, ())

    def numbered(self, name: str) -> "Sequence[Sequence[Child]]":
        """The children `name`, `name.1`, `name.2` …: each is one intent, perhaps in several parts.

        Numbers may be missing: a pair that was placed while no stop was taken has a target alone.
        """
        found = {
            _number(child): orders for child, orders in self.children.items() if base_name(child) == name
        }
        return [found[number] for number in sorted(found)]

    def price(self, instrument: Instrument) -> Price | None:
        return self.prices.get(instrument.key)

    def is_stuck(self, child: Child) -> bool:
        """Whether the broker does not take changes of it any more."""
        return self.refused.get(child.order.order_id, 0) >= MOST_REFUSALS


@dataclass(frozen=True, slots=True)
class Memory:
    """What an algorithm must not forget, beside its children.  It is written before what depends on it.

    `leaving`: why the position is to be left at market (NONE: it is not).  `dropped`: the entry is to be cancelled.
    `from_ns`, `peak`: time and price of the first fill, and the best price since.  `basis`: the entered quantity that
    the levels were last made for.  `volume`: units that traded in the market since the beginning.  `moves`: how often
    an order followed the market.  `gone_told`: the owner knows that the rest of the entry will not fill.  `why` it was dropped.
    """

    leaving: Reason = Reason.NONE
    dropped: bool = False
    from_ns: int = 0
    peak: float = nan
    basis: Decimal = NOTHING
    volume: float = 0.0
    moves: int = 0
    gone_told: bool = False
    why: str = ""
    restored: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A new child.  `exit_with` names the child that closes the same quantity.

    Without a `reference_price` limits are checked with the newest price.
    """

    name: str
    instrument: Instrument
    product: Product
    side: Side
    quantity: Decimal
    purpose: Purpose
    order_type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: Validity = Validity.DAY
    exit_with: str = ""
    reference_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """New terms for a child that rests."""

    order_id: str
    change: OrderChange


@dataclass(frozen=True, slots=True)
class Cancel:
    """The end of a child.  Asked again it is the same."""

    order_id: str


Action: TypeAlias = Place | Change | Cancel


@dataclass(frozen=True, slots=True)
class Step:
    """The answer of a step.  `wake_ns`: when to step again though nothing happens.

    `ended`: it has nothing more to do, and why.  `person`: what a person must look at.
    """

    memory: Memory
    actions: tuple[Action, ...] = ()
    wake_ns: int | None = None
    ended: str = ""
    person: str = ""


class AlgoSpec(Protocol):
    """The frozen description of one run of an algorithm; its type is the algorithm."""

    @property
    def algo_id(self) -> str: ...

    @property
    def account_id(self) -> str: ...

    @property
    def strategy_id(self) -> str: ...

    @property
    def product(self) -> Product: ...

    @property
    def decided_ns(self) -> int: ...

    @property
    def sector(self) -> str: ...

    @property
    def registered_id(self) -> str:
        """The exchange's id of the algorithm, which goes with each of its orders; "": none."""
        ...

    @property
    def labels(self) -> frozenset[str]: ...

    def instruments(self) -> Sequence[Instrument]:
        """Those whose prices it must hear."""
        ...

    def step(self, memory: Memory, view: View) -> Step:
        """What is to be done now.  Pure: the same arguments give the same answer."""
        ...

    def heard(self, memory: Memory, price: Price) -> Memory:
        """What a price of one of its instruments changes in memory."""
        ...

    def filled(self, memory: Memory, child: str, price: float, at_ns: int) -> Memory:
        """What a fill of a child changes in memory."""
        ...

    def reason(self, memory: Memory, view: View, child: str, order: Order) -> Reason:
        """Why a fill of `order`, one of this child's, happened."""
        ...


def takes_what_is_there(child: Child, price: Price | None) -> bool:
    """Whether an order is at market, or its limit lies beyond the best price of the other side.

    Brokers that take no market orders show them as limits, by the protection that the order policy gave them.
    """
    limit = child.order.price
    if limit is None:
        return True
    if price is None:
        return False
    buys = child.order.side is Side.BUY
    other = price.ask if buys else price.bid
    reached = other if other > 0.0 else price.last
    return float(limit) > reached if buys else float(limit) < reached


def numbered(name: str, number: int) -> str:
    """
    >>> numbered("stop", 0), numbered("stop", 2)
    ('stop', 'stop.2')
    """
    return f"{name}.{number}" if number else name


def base_name(child: str) -> str:
    """Inverse of `numbered`, without the number."""
    return child.partition(".")[0]


def _number(child: str) -> int:
    return int(child.partition(".")[2] or 0)


def filled_of(children: Sequence[Child]) -> Decimal:
    return sum((child.order.filled_quantity for child in children), NOTHING)


def left_of(children: Sequence[Child]) -> Decimal:
    """What may still fill, whatever was asked for."""
    return sum((child.left for child in children), NOTHING)


def working(children: Sequence[Child]) -> Sequence[Child]:
    return [child for child in children if not child.order.status.is_final]
