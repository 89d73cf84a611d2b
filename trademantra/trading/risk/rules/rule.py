"""What a rule is: a code, a scope, a sentence, and a check that is bound to one set of limits.

A check answers None where the limit holds, else a `Breach`.  What it needs and nobody told is a breach with `unknown`.
Checks are monotone in the quantity: what passes for a quantity passes for a smaller one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from trademantra.core.instrument import plain
from trademantra.core.order import Side
from trademantra.trading.intents import OrderIntent
from trademantra.trading.risk.books import Book, Holding, Market
from trademantra.trading.risk.limits import (
    BookLimits,
    BreachAction,
    InstrumentLimits,
    OrderLimits,
    Scope,
    SectorLimits,
)
from trademantra.trading.risk.state import RiskState


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that an order, or a book, does not keep.

    `fits` is the quantity that would pass (None: no smaller one does); `retry_ns` when the cause passes by itself.
    """

    text: str
    fits: Decimal | None = None
    retry_ns: int | None = None
    unknown: bool = False


@dataclass(slots=True)
class Asked:
    """An entry under examination.  `worst_after`, `exposure_after` are its holding's, if the order is taken."""

    intent: OrderIntent
    quantity: Decimal
    now_ns: int
    state: RiskState
    market: Market
    holding: Holding
    worst_after: Decimal
    exposure_after: Decimal

    def resize(self, quantity: Decimal) -> None:
        self.quantity = quantity
        holding = self.holding
        buying, selling = holding.buying, holding.selling
        if self.intent.side is Side.BUY:
            buying += quantity
        else:
            selling += quantity
        self.worst_after, self.exposure_after = holding.at_worst(buying, selling, self.market.price)

    def fitting_quantity(self, room: Decimal) -> Decimal:
        """Largest quantity with which the holding's worst position is at most `room` units."""
        held, holding = self.holding.held.quantity, self.holding
        if self.intent.side is Side.BUY:
            return room - held - holding.buying
        return room + held - holding.selling

    def fitting_exposure(self, room: Decimal) -> Decimal:
        """Largest quantity with which the holding's exposure is at most `room`; needs a price."""
        price = self.market.price
        assert price is not None
        long_unit, short_unit = self.holding.units(price)
        return self.fitting_quantity(room / (long_unit if self.intent.side is Side.BUY else short_unit))


OrderCheck: TypeAlias = Callable[[Asked], Breach | None]
BookCheck: TypeAlias = Callable[[int], Breach | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`code` is stable: settings, texts and the web client match on it.  `default` is what a breach leads to."""

    code: str
    scopes: frozenset[Scope]
    description: str
    actions: frozenset[BreachAction]
    default: BreachAction = BreachAction.REFUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRule(Rule):
    """A rule of the order alone."""

    bind: Callable[[OrderLimits], OrderCheck | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRule(Rule):
    """A rule of what a book would become by an entry."""

    bind: Callable[[BookLimits, Book], OrderCheck | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentRule(Rule):
    bind: Callable[[InstrumentLimits, Book], OrderCheck | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SectorRule(Rule):
    """Bound to the sector's book and the account's, whose capital counts."""

    bind: Callable[[SectorLimits, Book, Book], OrderCheck | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRule(Rule):
    """A rule of what a book is, whoever asks: also watched between orders.  `stops`: a breach holds on.

    `for_the_day`: until the day ends; else until it is released.
    """

    bind: Callable[[BookLimits, Book], BookCheck | None]
    stops: bool = True
    for_the_day: bool = True


AnyRule: TypeAlias = OrderRule | EntryRule | InstrumentRule | SectorRule | ResultRule

REFUSES = frozenset({BreachAction.REFUSE, BreachAction.PAUSE_STRATEGY, BreachAction.FLATTEN})
REDUCES = REFUSES | {BreachAction.REDUCE}
BOOKS = frozenset({Scope.STRATEGY, Scope.ACCOUNT, Scope.USER})


def amount(value: Decimal) -> str:
    """A figure for a text: at most two decimals, nothing that is not there."""
    return plain(value.quantize(Decimal("0.01")) if abs(value) < 10**20 else value)


def unpriced_breach(book: Book) -> Breach:
    """The book holds something whose price nobody knows."""
    names: Sequence[str] = [each.instrument.key for each in book.open if each.unpriced]
    return Breach(
        f"{book} holds {', '.join(names[:3])} without a known price; wait for the feed or close it",
        unknown=True,
    )
