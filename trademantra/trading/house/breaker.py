"""A halt of the whole market, as far as it can be derived: no broker of ours tells it, the index shows it.

NIFTY 50 or SENSEX beyond 10, 15 or 20 percent stops the shares and equity derivatives of all exchanges for a time that
depends on the time of day (`markets.contracts.breakers`; specs/india-markets.md 2.5).  Each level works once a day.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, datetime_of, ist_date
from trademantra.markets.contracts.breakers import HaltKind, breaker_rows, circuit_breaker

_LATE_NS = 120 * NANOSECONDS_PER_SECOND
"""An index that still moves so long after its trigger is of a market that trades: the trigger was an earlier one."""


@dataclass(frozen=True, slots=True)
class MarketHalt:
    """From when to when; `until_ns` None: for the rest of the day.  The auction before trading goes on is part of it."""

    index_key: str
    percent: Decimal
    since_ns: int
    auction_ns: int | None
    until_ns: int | None


@dataclass(slots=True)
class Breaker:
    """Of one market.  Tell it every quote of the indices, also old ones of today: an index that stands still in a halt
    carries the time of its trigger."""

    halt: MarketHalt | None = None
    _day: date | None = None
    _reached: Decimal = Decimal(0)
    _prices: dict[str, Decimal] = field(default_factory=dict)

    def heard(self, index_key: str, percent: Decimal, price: Decimal, at_ns: int) -> bool:
        """A price of an index at `at_ns`, `percent` from its close of the day before.  True when `halt` is another now."""
        day = ist_date(at_ns)
        began = False
        if self._day is None or day > self._day:
            began = self.halt is not None
            self.halt, self._day, self._reached = None, day, Decimal(0)
            self._prices.clear()
        if day < self._day:
            return False
        before = self._prices.get(index_key)
        self._prices[index_key] = price
        if self._trades_on(before, price, at_ns):
            self.halt = None
            return True
        level = max((each for each in _levels() if each <= abs(percent)), default=Decimal(0))
        if level <= self._reached:
            return began
        self._reached = level
        found = circuit_breaker(level, datetime_of(at_ns).time())
        if found.kind is HaltKind.NONE:
            return began
        auction_ns = until_ns = None
        if found.kind is HaltKind.PAUSE:
            auction_ns = at_ns + found.halt_minutes * NANOSECONDS_PER_MINUTE
            until_ns = auction_ns + found.pre_open_minutes * NANOSECONDS_PER_MINUTE
        self.halt = MarketHalt(index_key, percent, at_ns, auction_ns, until_ns)
        return True

    def look(self, now_ns: int) -> bool:
        """True when the halt's time is over by now."""
        halt = self.halt
        if halt is None or halt.until_ns is None or now_ns < halt.until_ns:
            return False
        self.halt = None
        return True

    def _trades_on(self, before: Decimal | None, price: Decimal, at_ns: int) -> bool:
        """Whether prices go on in what should be a halt; the auction at its end may move the index too."""
        halt = self.halt
        if halt is None or before is None or price == before:
            return False
        return halt.since_ns + _LATE_NS < at_ns and (halt.auction_ns is None or at_ns < halt.auction_ns)


def _levels() -> set[Decimal]:
    return {row.trigger_percent for row in breaker_rows()}
