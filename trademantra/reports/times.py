"""Times of bars as a reader sees them: in the zone of the run."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, datetime_of
from trademantra.engine.bars import Int64Array

# Every zone of the tz database has changed its offset on a quarter of an hour since 1970.
_QUARTER_NS = 15 * NANOSECONDS_PER_MINUTE


@dataclass(frozen=True, slots=True, eq=False)
class BarTimes:
    """ISO times of single bars, made when they are asked for: a million bars have few trades.

    >>> from trademantra.core.time import IST
    >>> BarTimes(np.array([1795146300000000000]), IST)[0]
    '2026-11-20T09:15:00+05:30'
    """

    ts: Int64Array
    zone: ZoneInfo

    def __getitem__(self, index: int) -> str:
        return datetime_of(int(self.ts[index]), self.zone).isoformat()


def offsets_ns(ts: Int64Array, zone: ZoneInfo) -> Int64Array:
    """Offset of the zone from UTC (n,) in nanoseconds at each of the instants `ts` (n,)."""
    quarters, place = np.unique(ts // _QUARTER_NS, return_inverse=True)
    known = [
        (datetime_of(int(quarter) * _QUARTER_NS, zone).utcoffset() or timedelta())
        // timedelta(microseconds=1)
        for quarter in quarters
    ]
    return np.array(known, np.int64)[place] * 1_000 if len(ts) else np.empty(0, np.int64)


def iso_times(ts: Int64Array, zone: ZoneInfo) -> list[str]:
    """ISO 8601 with offset, for instants (n,) in nanoseconds UTC; fractions of a second only where there are any.

    >>> from trademantra.core.time import IST
    >>> iso_times(np.array([1795146300000000000]), IST)
    ['2026-11-20T09:15:00+05:30']
    """
    offsets = offsets_ns(ts, zone)
    unit = "us" if (ts % NANOSECONDS_PER_SECOND).any() else "s"
    words = (ts + offsets).astype("datetime64[ns]").astype(f"datetime64[{unit}]").astype(str)
    suffix = {int(offset): _suffix(int(offset)) for offset in np.unique(offsets)}
    return [word + suffix[offset] for word, offset in zip(words.tolist(), offsets.tolist(), strict=True)]


def local_minutes(ts: Int64Array, zone: ZoneInfo) -> Int64Array:
    """Wall-clock minutes since 1970-01-01T00:00 in the zone: what a page formats without knowing zones."""
    minutes: Int64Array = (ts + offsets_ns(ts, zone)) // NANOSECONDS_PER_MINUTE
    return minutes


def local_days(ts: Int64Array, zone: ZoneInfo) -> Int64Array:
    """Days since 1970-01-01 in the zone."""
    return local_minutes(ts, zone) // (24 * 60)


def _suffix(offset_ns: int) -> str:
    minutes, seconds = divmod(abs(offset_ns) // NANOSECONDS_PER_SECOND, 60)
    text = f"{'-' if offset_ns < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{text}:{seconds:02d}" if seconds else text
