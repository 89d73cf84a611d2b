"""Bars from ticks, exactly as `data.resample` makes them of the same prices, closed on time by the clock.

The rules:
- **Edges.** Bars start at multiples of their length from the start of each window of `TradingHours`; the last of a
  window is short; a day bar takes all windows of its trade date.
- **When a trade was.** A tick belongs to the time of its last trade where the feed tells it, else to its stamp.  The
  first of a bar by that time is its open, the last its close (equal times: order of arrival), in whatever order they come.
- **What is a trade.** With day totals, a tick whose total did not rise is no trade (a change of depth, a picture of
  the last trade) and is in no bar.  Without totals every tick counts, but an exact repeat of the one before it.
- **Volume.** With totals: what the total rose by inside the bar.  Without: the sum of last quantities.  A total that
  falls (the feed started anew, a correction) never invents volume: only that tick's own last quantity is counted, and
  the bar is not complete.  A new trade date starts at zero.
- **Closing.** A bar closes when the clock shows its end + `lateness_ns`, ticks or no ticks.  A tick received from then
  on is late: counted, kept in the record, in no bar; neither is what its total adds.
- **No trade, no bar**, as history providers have it; `EmptyBars.FLAT` makes a flat one at the last close instead.
- **Other hours.** Ticks of the pre-open are in no bar; the last one is the auction's price (`auction_price`).  Ticks
  stamped further ahead of the clock than `ahead_ns` are refused: a wrong clock must not close bars early.

All of it depends on the ticks and their arrival times only, so a recording gives the bits that were live.
"""

from dataclasses import dataclass
from enum import StrEnum

from trademantra.core.bar import Bar, Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_SECOND


class EmptyBars(StrEnum):
    """What to do with a stretch without a trade."""

    NONE = "none"
    FLAT = "flat"


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSettings:
    """`lateness_ns`: how long after its end a bar waits for ticks that are on their way.  `ahead_ns`: how far a stamp
    may be ahead of our clock.  `is_compiled`: by compiled code, for replays: five times as fast, but the first tick
    waits for 105 MB of compiler; the bars are the same.  Errors: `InvalidValueError` for negative ones.

    Half a second lets a tick stamped in whole seconds by the exchange reach the bar that it belongs to.
    """

    lateness_ns: int = NANOSECONDS_PER_SECOND // 2
    ahead_ns: int = 2 * NANOSECONDS_PER_SECOND
    empty: EmptyBars = EmptyBars.NONE
    is_compiled: bool = False

    def __post_init__(self) -> None:
        if self.lateness_ns < 0 or self.ahead_ns < 0:
            raise InvalidValueError("lateness_ns and ahead_ns cannot be negative")


@dataclass(frozen=True, slots=True)
class BarClosed:
    """A bar is over.  `ticks` that made it: 0 for a flat one and for one from history.

    `is_complete` is False when some of its ticks may be missing: the feed had a gap in it, it was joined midway, or
    its total fell.
    """

    instrument: Instrument
    timeframe: Timeframe
    bar: Bar
    end_ns: int
    is_complete: bool
    ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TickCounts:
    """What became of ticks since the start; the reasons are the rules of this file."""

    taken: int
    late: int
    outside: int
    preopen: int
    ahead: int
    impossible: int
    repeated: int
    falls: int
    unwatched: int
