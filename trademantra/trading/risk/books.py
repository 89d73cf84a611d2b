"""What the risk gate knows, as plain records that events move: markets, holdings, books.

A `Holding` is one strategy's position in one instrument and product with its working orders.  It belongs to five
`Book`s (strategy, account, user, instrument, sector); a book's sums are those of its holdings, kept up at each event.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from trademantra.core.instrument import Exchange, Instrument, Segment
from trademantra.core.order import Product
from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND
from trademantra.trading.positions import HeldPosition
from trademantra.trading.risk.limits import Scope

NOTHING = Decimal(0)
LONGEST_RANGE_MINUTES = 60

HoldingKey = tuple[str, str, str, Product]
BookKey = tuple[Scope, str, str]
"""Scope, account (for users: currency), name within it."""


def route_of(exchange: Exchange, segment: Segment) -> str:
    """What an order limit per second is counted for, as a text: it is hashed at every check."""
    return f"{exchange}:{segment}"


@dataclass(slots=True)
class Market:
    """What is known of an instrument's market.  None is unknown.

    `last` stays when a price is lost: results go on from it when the price comes back.
    Price ranges are float64: they measure agitation, no money depends on their last digit.
    """

    price: Decimal | None = None
    last: Decimal | None = None
    price_ns: int = 0
    band: tuple[Decimal, Decimal] | None = None
    holdings: "list[Holding]" = field(default_factory=list)
    _ranges: deque[list[float]] = field(default_factory=lambda: deque(maxlen=LONGEST_RANGE_MINUTES + 1))

    def hear(self, price: Decimal, at_ns: int) -> None:
        self.price = self.last = price
        self.price_ns = at_ns
        minute, seen = at_ns // NANOSECONDS_PER_MINUTE, float(price)
        last = self._ranges[-1] if self._ranges else None
        if last is None or last[0] < minute:
            self._ranges.append([minute, seen, seen])
        elif seen > last[1]:
            last[1] = seen
        elif seen < last[2]:
            last[2] = seen

    def range_percent(self, minutes: int, now_ns: int) -> float:
        """Highest to lowest price of the last `minutes` full minutes and the present one, in percent of the lowest."""
        first = now_ns // NANOSECONDS_PER_MINUTE - minutes
        highest, lowest = 0.0, 0.0
        for minute, high, low in reversed(self._ranges):
            if minute < first:
                break
            highest = max(highest, high)
            lowest = min(lowest, low) if lowest else low
        return (highest / lowest - 1) * 100 if lowest else 0.0


@dataclass(frozen=True, slots=True)
class Stop:
    """Entries of a book are refused until it is released or, `for_the_day`, the day ends."""

    rule: str
    text: str
    for_the_day: bool = False


@dataclass(slots=True, eq=False)
class Book:
    """Sums over the holdings of one scope, in currency; quantities in units.

    `quantity` makes sense for an instrument's book only.  `unpriced` counts holdings whose market has no price: while it
    is not 0, exposure and marked results are unknown.  `base` is the open result at the day's start.
    """

    scope: Scope
    account_id: str
    name: str
    open: "dict[Holding, None]" = field(default_factory=dict)
    quantity: Decimal = NOTHING
    exposure: Decimal = NOTHING
    unpriced: int = 0
    realised: Decimal = NOTHING
    unrealised: Decimal = NOTHING
    base: Decimal = NOTHING
    earlier: Decimal = NOTHING
    highest: Decimal = NOTHING
    highest_today: Decimal = NOTHING
    trades_today: int = 0
    losses_in_row: int = 0
    last_loss_ns: int = 0
    capital: Decimal | None = None
    stops: dict[str, Stop] = field(default_factory=dict)
    strategies: "dict[tuple[str, str], None]" = field(default_factory=dict)
    _sent: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def result_today(self) -> Decimal:
        """Realised and open result since the day's start, charges included; only true while `unpriced` is 0."""
        return self.realised + self.unrealised - self.base

    @property
    def result(self) -> Decimal:
        """The same since the book was opened."""
        return self.earlier + self.realised + self.unrealised - self.base

    def mark_highest(self) -> None:
        if self.unpriced:
            return
        today = self.realised + self.unrealised - self.base
        self.highest_today = max(self.highest_today, today)
        self.highest = max(self.highest, self.earlier + today)

    def sent_in_second(self, route: str, now_ns: int) -> int:
        """Messages of this calendar second on a route (`route_of`)."""
        second, count = self._sent.get(route, (0, 0))
        return count if second == now_ns // NANOSECONDS_PER_SECOND else 0

    def count_message(self, route: str, now_ns: int) -> None:
        self._sent[route] = (now_ns // NANOSECONDS_PER_SECOND, self.sent_in_second(route, now_ns) + 1)

    def __str__(self) -> str:
        return f"{self.scope} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRecord:
    """What of a book cannot be told anew from positions and prices; the desk keeps it over a restart."""

    realised_today: Decimal = NOTHING
    earlier: Decimal = NOTHING
    highest: Decimal = NOTHING
    highest_today: Decimal = NOTHING
    trades_today: int = 0
    losses_in_row: int = 0
    last_loss_ns: int = 0
    stops: Sequence[Stop] = ()


@dataclass(slots=True, eq=False)
class Holding:
    """A position with what works on it, and what it adds to its books.

    `long_unit`, `short_unit`: exposure of one unit held long or short.  Short options count at the strike where that
    is above the premium: the premium says nothing of what may be lost.
    """

    key: HoldingKey
    instrument: Instrument
    instrument_key: str
    route: str
    market: Market
    books: tuple[Book, ...]
    instrument_book: Book
    sector_book: Book
    result_books: tuple[Book, ...]
    held: HeldPosition = field(default_factory=HeldPosition)
    buying: Decimal = NOTHING
    selling: Decimal = NOTHING
    worst: Decimal = NOTHING
    exposure: Decimal = NOTHING
    unrealised: Decimal = NOTHING
    base: Decimal | None = NOTHING
    unpriced: bool = False
    trip_start: Decimal = NOTHING

    def free_to_close(self) -> Decimal:
        """What may still be sold of a long or bought back of a short, beyond what already works to that end."""
        quantity = self.held.quantity
        if quantity > 0:
            return max(NOTHING, quantity - self.selling)
        return max(NOTHING, -quantity - self.buying)

    def units(self, price: Decimal) -> tuple[Decimal, Decimal]:
        """Exposure of one unit long and one short."""
        multiplier, strike = self.instrument.multiplier, self.instrument.strike
        unit = price * multiplier
        return unit, unit if strike is None or strike <= price else strike * multiplier

    def at_worst(self, buying: Decimal, selling: Decimal, price: Decimal | None) -> tuple[Decimal, Decimal]:
        """Quantity and exposure if all that works fills on its worse side; exposure 0 without a price."""
        longest, shortest = self.held.quantity + buying, selling - self.held.quantity
        worst = max(shortest, longest)
        if price is None:
            return worst, NOTHING
        long_unit, short_unit = self.units(price)
        return worst, max(longest * long_unit, shortest * short_unit)
