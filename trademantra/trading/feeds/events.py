"""What the feeds tell the desk: losses and returns, switches, bars that could not be had, a recording that stopped."""

from dataclasses import dataclass
from typing import TypeAlias

from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument


@dataclass(frozen=True, slots=True)
class FeedLost:
    """The source that is heard went silent or away; nothing was heard since `since_ns`.  Told once.

    `is_start`: nothing was ever heard, the connection is being made.
    """

    source: str
    since_ns: int
    is_start: bool = False


@dataclass(frozen=True, slots=True)
class FeedBack:
    """Ticks come again, from `source`; those of [start_ns, end_ns) are missing and are fetched as bars."""

    source: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class SourceSwitched:
    """From now on `new` is heard."""

    old: str
    new: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class SourceTrouble:
    """A source refused something; the others go on."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class BarsMissing:
    """History did not give the bars of a gap in time: those from ticks were told as not complete, others are missing."""

    instrument: Instrument
    timeframe: Timeframe
    start_ns: int
    end_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class ClockBehind:
    """`refused` of the last `heard` prices of `source` are stamped ahead of the clock of this machine: they make no bars."""

    source: str
    refused: int
    heard: int


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """No more ticks are recorded; trading goes on.  Told once."""

    reason: str


FeedEvent: TypeAlias = (
    FeedLost | FeedBack | SourceSwitched | SourceTrouble | BarsMissing | ClockBehind | RecordingStopped
)
