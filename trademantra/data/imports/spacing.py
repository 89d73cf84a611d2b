"""How far apart the bars of a file are: its timeframe, and whether times name the start or the end of bars."""

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import polars as pl

from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError
from trademantra.core.time import (
    NANOSECONDS_PER_DAY,
    NANOSECONDS_PER_HOUR,
    NANOSECONDS_PER_MINUTE,
    NANOSECONDS_PER_SECOND,
)
from trademantra.data.imports.model import STAMP, SYMBOL, Stamp

_IST_OFFSET_NS = 5 * NANOSECONDS_PER_HOUR + 30 * NANOSECONDS_PER_MINUTE
_NSE_OPEN_NS = 9 * NANOSECONDS_PER_HOUR + 15 * NANOSECONDS_PER_MINUTE
# Close of continuous trading: 15:30, and 15:40 for derivatives since 2026-08-03 (specs/india-markets.md 3.1).
_NSE_CLOSES_NS = tuple(15 * NANOSECONDS_PER_HOUR + minute * NANOSECONDS_PER_MINUTE for minute in (30, 40))
_LAST_SECOND_NS = 59 * NANOSECONDS_PER_SECOND
_KEPT_STEPS = 256
_LEAST_STEPS = 2
_UNITS = ((NANOSECONDS_PER_HOUR, "h"), (NANOSECONDS_PER_MINUTE, "m"), (NANOSECONDS_PER_SECOND, "s"))


@dataclass(slots=True)
class Spacing:
    """What the times of one file tell, gathered block by block."""

    steps: dict[int, int] = field(default_factory=dict)
    smallest: int | None = None
    earliest_of_day: int = NANOSECONDS_PER_DAY
    latest_of_day: int = -1
    rows: int = 0
    last_seconds: int = 0
    unsorted: bool = False

    def add(self, frame: pl.DataFrame) -> None:
        """Take in the times of a block: columns `symbol` and `ts` (int64 ns UTC), in file order."""
        if frame.is_empty():
            return
        ts = frame[STAMP]
        of_day = (ts + _IST_OFFSET_NS) % NANOSECONDS_PER_DAY
        self.earliest_of_day = min(self.earliest_of_day, _whole(of_day.min()))
        self.latest_of_day = max(self.latest_of_day, _whole(of_day.max()))
        self.rows += frame.height
        self.last_seconds += int((ts % NANOSECONDS_PER_MINUTE == _LAST_SECOND_NS).sum())
        steps = frame.select(pl.col(STAMP).diff().over(SYMBOL)).to_series() if _several(frame) else ts.diff()
        if steps.min() is not None and _whole(steps.min()) < 0:
            self.unsorted = True
            ordered = frame.select(SYMBOL, STAMP).sort(SYMBOL, STAMP)
            steps = ordered.select(pl.col(STAMP).diff().over(SYMBOL)).to_series()
        forward = steps.filter(steps > 0)
        if forward.is_empty():
            return
        least = _whole(forward.min())
        self.smallest = least if self.smallest is None else min(self.smallest, least)
        for step, count in forward.value_counts(sort=True).head(_KEPT_STEPS).iter_rows():
            self.steps[step] = self.steps.get(step, 0) + count

    @property
    def usual(self) -> int | None:
        """The most common step in ns, the shorter one of equals; None for a single bar."""
        return min(self.steps, key=lambda step: (-self.steps[step], step)) if self.steps else None

    def timeframe(self, file: str, *, dates_only: bool) -> Timeframe:
        """The timeframe that the steps show.

        Errors: `BadInputError` when there is too little to go by, or bars lie closer than their usual step.
        """
        usual = self.usual
        found = timeframe_of(usual) if usual is not None else None
        # Two bars may have a gap between them; dates are days unless their steps say otherwise.
        few = sum(self.steps.values()) < _LEAST_STEPS and not (dates_only and found == Timeframe(1, "d"))
        if usual is None or few:
            raise BadInputError(
                file, "so few bars do not show their timeframe", hint="say it: --timeframe 1d (or 1m, 5m …)"
            )
        closest = self.smallest if self.smallest is not None else usual
        if found is None or (found.is_intraday and closest < usual) or (dates_only and found.is_intraday):
            raise BadInputError(
                file,
                f"the bars show no one timeframe: most are {_spoken(usual)} apart, the closest {_spoken(closest)}",
                hint="if this is one series of bars, say it: --timeframe 1m",
            )
        return found

    def refuse_finer(self, file: str, stated: Timeframe) -> None:
        """Raise `BadInputError` when bars lie closer together than the stated timeframe allows."""
        usual, closest = self.usual, self.smallest
        if usual is None or closest is None:
            return
        wide = {"d": 0.6, "w": 4.0, "mo": 20.0}
        least = (
            stated.length_ns
            if stated.is_intraday
            else int(wide[stated.unit] * stated.count * NANOSECONDS_PER_DAY)
        )
        apart = closest if stated.is_intraday else usual
        if apart < least:
            raise BadInputError(
                file, f"the bars are {_spoken(apart)} apart, too close for {stated}", hint="check --timeframe"
            )

    def stamp(self, file: str, stated: Stamp | None, timeframe: Timeframe, exchange: str) -> Stamp:
        """Start or end; only what is stated or evident.  Errors: `BadInputError` for times that look like ends."""
        if stated is not None or not timeframe.is_intraday:
            return stated or Stamp.START
        if timeframe.length_ns >= NANOSECONDS_PER_MINUTE and self.rows and self.last_seconds == self.rows:
            why = "every time ends in :59"
        elif (
            exchange in ("NSE", "BSE")
            and self.earliest_of_day == _NSE_OPEN_NS + timeframe.length_ns
            and self.latest_of_day in _NSE_CLOSES_NS
        ):
            why = "the day's first bar is one bar late and its last one stands at the close"
        else:
            return Stamp.START
        raise BadInputError(
            file,
            f"the times look like the ends of bars: {why}",
            hint="say which: --stamp end (they are moved to the start), or --stamp start if they are right",
        )


def aligned(ts: pl.Series, timeframe: Timeframe, stamp: Stamp, zone: ZoneInfo) -> pl.Series:
    """Starts of bars from times as written, int64 ns UTC.

    Bars of seconds to hours: ends move back by the timeframe (a time in :59 counts as the full minute).  Days,
    weeks and months start at midnight of their date in `zone`, the exchange's; an end names the last day of its
    week (which starts on Monday) or month.
    """
    if timeframe.is_intraday:
        if stamp is Stamp.START:
            return ts
        last = (ts % NANOSECONDS_PER_MINUTE == _LAST_SECOND_NS) & (
            timeframe.length_ns >= NANOSECONDS_PER_MINUTE
        )
        return ts + last.cast(pl.Int64) * NANOSECONDS_PER_SECOND - timeframe.length_ns
    instants = ts.cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
    # Midnight UTC is how many write a plain date; elsewhere it would be the evening before.
    labels = bool((ts % NANOSECONDS_PER_DAY == 0).all())
    day = (instants if labels else instants.dt.convert_time_zone(zone.key)).dt.date()
    if stamp is Stamp.END and timeframe.unit in ("w", "mo"):
        day = day.dt.truncate("1w" if timeframe.unit == "w" else "1mo")
    return day.cast(pl.Datetime("ns")).dt.replace_time_zone(zone.key).cast(pl.Int64)


def timeframe_of(step_ns: int) -> Timeframe | None:
    """The timeframe whose bars lie this far apart; None for a step that is not a whole one.

    >>> str(timeframe_of(300_000_000_000)), str(timeframe_of(30 * 86_400_000_000_000))
    ('5m', '1mo')
    """
    days, rest = divmod(step_ns, NANOSECONDS_PER_DAY)
    if rest == 0:
        if 28 <= days <= 31:
            return Timeframe(1, "mo")
        return Timeframe(1, "w") if days == 7 else Timeframe(1, "d") if days == 1 else None
    for unit_ns, unit in _UNITS:
        if step_ns % unit_ns == 0:
            return Timeframe(step_ns // unit_ns, unit)
    return None


def _several(frame: pl.DataFrame) -> bool:
    symbols = frame[SYMBOL]
    return bool((symbols != symbols[0]).any())


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def _spoken(step_ns: int) -> str:
    found = timeframe_of(step_ns)
    return str(found) if found else f"{step_ns / NANOSECONDS_PER_SECOND:g} s"
