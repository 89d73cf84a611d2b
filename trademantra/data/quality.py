"""Faults of bars, found and reported; nothing here changes or fills anything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import IST, datetime_of, ns_of
from trademantra.data.adjust import AdjustmentEvent
from trademantra.data.resample import Session, Windows
from trademantra.engine.bars import PRICE_FIELDS, Bars, Float64Array, Int64Array


class Fault(StrEnum):
    """What can be wrong with bars."""

    UNSORTED = "unsorted"
    """A bar is earlier than the one before it."""
    DUPLICATE = "duplicate"
    """A second bar of one time, or of one day, week or month."""
    OUTSIDE = "outside sessions"
    OFF_GRID = "off grid"
    """A bar does not start on a multiple of its length after the session's open: a shifted clock, or end stamps."""
    MISSING_SESSION = "missing session"
    GAP = "gap"
    """Bars are missing inside a session (or weeks, or months); without trades there may rightly be none."""
    BAD_PRICE = "bad price"
    """Zero, negative or not a number."""
    CONTRADICTION = "contradiction"
    """High is below, or low is above, another price of the bar."""
    BAD_VOLUME = "bad volume"
    JUMP = "jump"
    """An open far from the close before it, with no split or bonus on file that explains it."""
    SPIKE = "spike"
    """An intraday high or low far beyond the bar's own open and close: one bad tick looks like this."""
    ZERO_VOLUME = "zero volume"
    STALE = "stale"
    """One price repeated bar after bar: a feed that stopped looks like this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityLimits:
    """From where on something is reported.  `jump_percent` for jumps and spikes; runs count bars.

    15 % is specs/india-markets.md section 7: a larger gap with no action on file quarantines the symbol.
    """

    jump_percent: float = 15.0
    intraday_run: int = 30
    daily_run: int = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: start of the first and last bar concerned (ns UTC), how many bars, and the numbers."""

    fault: Fault
    first_ns: int
    last_ns: int
    bars: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What `check` found, in the order of `Fault` and then of time.

    `bars` were given; `expected` fit into the sessions; `missing` of those are not there.
    """

    timeframe: Timeframe
    bars: int
    expected: int
    missing: int
    findings: tuple[Finding, ...]
    zone: ZoneInfo

    @property
    def is_clean(self) -> bool:
        return not self.findings

    @property
    def quarantine(self) -> tuple[Finding, ...]:
        """Findings for which the symbol should not be traded or tested before a person has looked."""
        return tuple(finding for finding in self.findings if finding.fault is Fault.JUMP)

    def of(self, fault: Fault) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.fault is fault)

    def rows(self) -> tuple[tuple[str, str, str, str, str], ...]:
        """For a table: fault, first, last (local time), bars, detail."""
        return tuple(
            (str(f.fault), self._local(f.first_ns), self._local(f.last_ns), str(f.bars), f.detail)
            for f in self.findings
        )

    def _local(self, ns: int) -> str:
        return f"{datetime_of(ns, self.zone):%Y-%m-%d %H:%M:%S}".removesuffix(":00")


def check(
    bars: Bars,
    timeframe: Timeframe,
    sessions: Sequence[Session],
    *,
    auctions: Sequence[Session] = (),
    events: Sequence[AdjustmentEvent] = (),
    zone: ZoneInfo = IST,
    limits: QualityLimits | None = None,
) -> QualityReport:
    """Look for every `Fault` in bars that need not be sound (build them with `Bars(...)`, not `Bars.of`).

    `sessions` are those in which bars are expected: a session without bars is missing, so give those from the
    first listing to the last day wanted.  In `auctions` bars may lie but need not.  `events` explain jumps of
    raw prices; give none for adjusted ones.  `zone` is that of the exchange's days.
    Errors: `InvalidValueError` for sessions that overlap, or arrays of unequal length.
    """
    limits = limits or QualityLimits()
    if any(len(field) != len(bars) for field in _fields(bars)):
        raise InvalidValueError("the arrays of the bars differ in length")
    order = np.argsort(bars.ts, kind="stable")
    # A duplicate counts once in what follows; the first of its time is taken.
    kept = order[np.diff(bars.ts[order], prepend=bars.ts[order[:1]] - 1) > 0]
    sound = _taken(bars, kept)
    priced = np.logical_and.reduce([np.isfinite(field) & (field > 0) for field in _prices(sound)])
    windows = Windows.of(sessions)
    expected, missing, faults_of_place = _places(sound, timeframe, windows, Windows.of(auctions))
    findings = [
        *_unsorted(bars),
        *_duplicates(bars, order),
        *faults_of_place,
        *_values(sound, priced),
        *_jumps(_taken(sound, np.flatnonzero(priced)), events, zone, limits),
        *(_spikes(_taken(sound, np.flatnonzero(priced)), limits) if timeframe.is_intraday else ()),
        *_runs_of(sound, limits.intraday_run if timeframe.is_intraday else limits.daily_run),
    ]
    rank = {fault: i for i, fault in enumerate(Fault)}
    findings.sort(key=lambda finding: (rank[finding.fault], finding.first_ns))
    return QualityReport(timeframe, len(bars), expected, missing, tuple(findings), zone)


def jumps(bars: Bars, zone: ZoneInfo = IST, limits: QualityLimits | None = None) -> tuple[Finding, ...]:
    """The unexplained jumps alone, of sound bars as they are used: a split that nobody adjusted looks like one."""
    return tuple(_jumps(bars, (), zone, limits or QualityLimits()))


def _fields(bars: Bars) -> tuple[Float64Array, ...]:
    return bars.open, bars.high, bars.low, bars.close, bars.volume


def _prices(bars: Bars) -> tuple[Float64Array, ...]:
    return bars.open, bars.high, bars.low, bars.close


def _taken(bars: Bars, which: NDArray[np.intp]) -> Bars:
    open_, high, low, close, volume = (field[which] for field in _fields(bars))
    return Bars(bars.ts[which], open_, high, low, close, volume)


def _unsorted(bars: Bars) -> Iterator[Finding]:
    for i in np.flatnonzero(np.diff(bars.ts) < 0):
        yield Finding(
            Fault.UNSORTED,
            int(bars.ts[i + 1]),
            int(bars.ts[i + 1]),
            1,
            f"row {i + 1} is earlier than row {i}",
        )


def _duplicates(bars: Bars, order: NDArray[np.intp]) -> Iterator[Finding]:
    ts = bars.ts[order]
    for first, last in _runs(np.diff(ts) == 0):
        same = all(len(np.unique(field[order[first : last + 2]])) == 1 for field in _fields(bars))
        again = last - first + 1
        # Two neighbouring times, each doubled, are two runs: the step between them is not zero.
        yield Finding(
            Fault.DUPLICATE,
            int(ts[first]),
            int(ts[first]),
            again,
            "identical" if same else "with other numbers",
        )


def _places(
    bars: Bars, timeframe: Timeframe, windows: Windows, auctions: Windows
) -> tuple[int, int, list[Finding]]:
    """Bars expected, bars missing, and what is wrong with the places of those that are there."""
    index, inside = windows.locate_bars(bars.ts, timeframe)
    outside = ~inside & ~auctions.locate_bars(bars.ts, timeframe)[1]
    findings = [_finding(Fault.OUTSIDE, bars.ts, run) for run in _runs(outside)]
    ts, index = bars.ts[inside], index[inside]
    if not timeframe.is_intraday:
        return _missing_periods(ts, index, timeframe, windows, findings)
    length = timeframe.length_ns
    since_open = ts - windows.start_ns[index]
    findings += [_finding(Fault.OFF_GRID, ts, run) for run in _runs(since_open % length != 0)]
    slots = -(-(windows.stop_ns - windows.start_ns) // length)
    begin = np.cumsum(slots) - slots
    present = np.zeros(int(slots.sum()), np.bool_)
    present[begin[index] + since_open // length] = True
    findings += _missing_slots(present, begin, slots, length, windows)
    return len(present), int(len(present) - np.count_nonzero(present)), findings


def _missing_slots(
    present: NDArray[np.bool_], begin: Int64Array, slots: Int64Array, length: int, windows: Windows
) -> Iterator[Finding]:
    if not len(begin):
        return
    counts = np.add.reduceat(present.astype(np.int64), begin)
    day_begin = np.flatnonzero(np.diff(windows.trade_date.astype(np.int64), prepend=-(2**40)))
    whole_day = np.add.reduceat(counts, day_begin) == 0
    missing_window = np.repeat(whole_day, np.diff(day_begin, append=len(begin)))
    for first, last in _runs(whole_day):
        window, end = (
            int(day_begin[first]),
            int(day_begin[last + 1]) if last + 1 < len(day_begin) else len(begin),
        )
        last_ns = int(windows.start_ns[end - 1] + (slots[end - 1] - 1) * length)
        yield Finding(
            Fault.MISSING_SESSION,
            int(windows.start_ns[window]),
            last_ns,
            int(slots[window:end].sum()),
            f"{last - first + 1} in a row" if last > first else "",
        )
    for i in np.flatnonzero(~missing_window & (counts < slots)).tolist():
        here = present[begin[i] : begin[i] + slots[i]]
        opens = int(windows.start_ns[i])
        for first, last in _runs(~here):
            yield Finding(Fault.GAP, opens + first * length, opens + last * length, last - first + 1)


def _missing_periods(
    ts: Int64Array, index: Int64Array, timeframe: Timeframe, windows: Windows, findings: list[Finding]
) -> tuple[int, int, list[Finding]]:
    numbers, first_window = np.unique(windows.periods(timeframe), return_index=True)
    place = np.searchsorted(numbers, windows.periods(timeframe)[index])
    findings += [
        Finding(Fault.DUPLICATE, int(ts[i + 1]), int(ts[i + 1]), 1, f"a second bar of one {timeframe}")
        for i in np.flatnonzero(np.diff(place) == 0)
    ]
    absent = np.ones(len(numbers), np.bool_)
    absent[place] = False
    fault = Fault.MISSING_SESSION if timeframe.unit == "d" else Fault.GAP
    findings += [_finding(fault, windows.start_ns[first_window], run) for run in _runs(absent)]
    return len(numbers), int(np.count_nonzero(absent)), findings


def _values(bars: Bars, priced: NDArray[np.bool_]) -> Iterator[Finding]:
    for first, last in _runs(~priced):
        named = zip(PRICE_FIELDS, _prices(bars), strict=True)
        numbers = ", ".join(f"{name} {field[first]}" for name, field in named)
        yield _finding(Fault.BAD_PRICE, bars.ts, (first, last), numbers)
    wrong = (bars.high < np.maximum(bars.open, bars.close)) | (bars.low > np.minimum(bars.open, bars.close))
    for i in np.flatnonzero(priced & (wrong | (bars.high < bars.low))):
        named = zip(PRICE_FIELDS, _prices(bars), strict=True)
        numbers = ", ".join(f"{name} {field[i]}" for name, field in named)
        yield _finding(Fault.CONTRADICTION, bars.ts, (int(i), int(i)), numbers)
    for first, last in _runs(~(np.isfinite(bars.volume) & (bars.volume >= 0))):
        yield _finding(Fault.BAD_VOLUME, bars.ts, (first, last), f"volume {bars.volume[first]}")


def _jumps(
    bars: Bars, events: Sequence[AdjustmentEvent], zone: ZoneInfo, limits: QualityLimits
) -> Iterator[Finding]:
    explained = np.ones(max(len(bars) - 1, 0))
    for event in events:
        begin = ns_of(datetime(event.ex_date.year, event.ex_date.month, event.ex_date.day, tzinfo=zone))
        first = int(np.searchsorted(bars.ts, begin))
        if 0 < first < len(bars):
            explained[first - 1] *= float(event.factor)
    ratio = bars.open[1:] / bars.close[:-1]
    for i in np.flatnonzero(np.abs(ratio / explained - 1) > limits.jump_percent / 100):
        known = (
            f"; events on file explain a factor of {explained[i]:g}"
            if explained[i] != 1
            else ", no event on file"
        )
        detail = (
            f"close {bars.close[i]:g}, then open {bars.open[i + 1]:g}: {100 * (ratio[i] - 1):+.1f} %{known}"
        )
        yield Finding(Fault.JUMP, int(bars.ts[i]), int(bars.ts[i + 1]), 1, detail)


def _spikes(bars: Bars, limits: QualityLimits) -> Iterator[Finding]:
    reach = limits.jump_percent / 100
    high = bars.high > np.maximum(bars.open, bars.close) * (1 + reach)
    low = bars.low < np.minimum(bars.open, bars.close) * (1 - reach)
    for i in np.flatnonzero(high | low):
        named = zip(PRICE_FIELDS, _prices(bars), strict=True)
        yield _finding(
            Fault.SPIKE, bars.ts, (int(i), int(i)), ", ".join(f"{name} {field[i]:g}" for name, field in named)
        )


def _runs_of(bars: Bars, least: int) -> Iterator[Finding]:
    """Long runs of zero volume, and of one unmoved price.  A series without any volume (an index) has no first kind."""
    has_volume = bool((bars.volume > 0).any())
    if has_volume:
        for first, last in _runs(bars.volume == 0):
            if last - first + 1 >= least:
                yield _finding(Fault.ZERO_VOLUME, bars.ts, (first, last))
    flat = (bars.high == bars.low) & (bars.open == bars.close) & (bars.open == bars.high)
    if has_volume:
        flat &= bars.volume > 0
    unmoved = flat[1:] & flat[:-1] & (bars.close[1:] == bars.close[:-1])
    for first, last in _runs(unmoved):
        if last - first + 2 >= least:
            yield _finding(Fault.STALE, bars.ts, (first, last + 1), f"at {bars.close[first]:g}")


def _finding(fault: Fault, ts: Int64Array, run: tuple[int, int], detail: str = "") -> Finding:
    first, last = run
    return Finding(fault, int(ts[first]), int(ts[last]), last - first + 1, detail)


def _runs(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.diff(flags.astype(np.int8), prepend=0, append=0)
    firsts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    for first, end in zip(firsts.tolist(), ends.tolist(), strict=True):
        yield first, end - 1
