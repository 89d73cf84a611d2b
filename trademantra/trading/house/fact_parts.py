"""What the market facts of a desk are made of: where they are read, whom they are told, and how trouble is said once."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from trademantra.brokers.events import SessionState
from trademantra.brokers.market import Quote
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument
from trademantra.core.plural import counted
from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock
from trademantra.engine.bars import Bars
from trademantra.kit.timer import Timer
from trademantra.trading.risk.state import RiskState


class FactSource(Protocol):
    """What is needed of the `BrokerAdapter` of a feed account; see there."""

    @property
    def session(self) -> SessionState: ...

    async def quotes(self, instruments: Collection[Instrument]) -> Mapping[Instrument, Quote]: ...

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars: ...


@dataclass(slots=True)
class Notes:
    """Says once that something is lost, and once that it is back, however often it is found."""

    say: Callable[[str], None]
    _lost: set[str] = field(default_factory=set)

    def lost(self, what: str, why: str) -> None:
        if what not in self._lost:
            self._lost.add(what)
            self.say(f"{what}: {why}")

    def back(self, what: str) -> None:
        if what in self._lost:
            self._lost.remove(what)
            self.say(f"{what}: known again")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactTimes:
    """How often facts are read, and from what age on they are not known any more.  Nanoseconds of real time.

    Bands: a dynamic one flexes after 15 minutes of cooling-off (specs/india-markets.md 2.5), so a minute late at most; what
    failed is asked again after `again_ns`.  The index is read every `index_ns` while a limit looks at it and its exchange
    is open, else every `seldom_ns`; Zerodha allows one quote call a second (specs/brokers.md 0.6).  `index_stale_ns` is of
    the market's time: an index whose last price was that old when it was asked for says nothing of now.  Each `closes_ns`
    is looked whether a day began.
    """

    bands_ns: int = 60 * NANOSECONDS_PER_SECOND
    again_ns: int = 10 * NANOSECONDS_PER_SECOND
    bands_oldest_ns: int = 300 * NANOSECONDS_PER_SECOND
    index_ns: int = 3 * NANOSECONDS_PER_SECOND
    seldom_ns: int = 15 * NANOSECONDS_PER_SECOND
    index_oldest_ns: int = 15 * NANOSECONDS_PER_SECOND
    index_stale_ns: int = 60 * NANOSECONDS_PER_SECOND
    closes_ns: int = 60 * NANOSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class FactParts:
    """`clock` is the market's, in which prices are stamped; `wall` is real time, in which a fact grows old.

    They are the same but for a sandbox, whose day may run faster.
    """

    state: RiskState
    clock: Clock
    wall: Timer
    notes: Notes
    times: FactTimes = field(default_factory=FactTimes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What one feed account is asked for.  `indices`: those that limits look at; `breakers`: those that are only
    watched for a halt of the whole market."""

    name: str
    source: FactSource
    bands: tuple[Instrument, ...] = ()
    indices: tuple[Instrument, ...] = ()
    breakers: tuple[Instrument, ...] = ()
    closes: tuple[Instrument, ...] = ()

    def __str__(self) -> str:
        """What is asked for because of limits, for the owner; "" where that is nothing."""
        told = []
        if self.bands:
            told.append(f"price bands of {counted(len(self.bands), 'instrument')}")
        if self.indices:
            told.append(f"the move of {', '.join(each.key for each in self.indices)}")
        if self.closes:
            told.append(f"daily closes of {counted(len(self.closes), 'instrument')}")
        return f"limits look at {', '.join(told)}; {self.name} tells them" if told else ""
