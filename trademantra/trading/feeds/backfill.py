"""Bars in order, none twice, none missing: those that a gap touched wait for history, and later ones wait behind them.

A bar is *in question* when ticks of it may be missing: the feed had a gap in it, it was joined midway, or its total
fell.  From the first bar in question on, nothing of that series is told until history has answered for all of them (or
the patience is over: then what ticks made is told as not complete, and `BarsMissing` says so).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from trademantra.core.bar import Bar, Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_SECOND
from trademantra.engine.bars import Bars
from trademantra.trading.feeds.bar_builder import BarBuilder
from trademantra.trading.feeds.bar_rules import BarClosed, EmptyBars
from trademantra.trading.feeds.events import BarsMissing

Series = tuple[int, Timeframe]
"""By the number of the instrument: hashing an instrument costs more than telling a bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillSettings:
    """`delay_ns`: history is asked this long after the last bar in question ended, for it must have it.
    `retry_ns` between two askings of one series; `patience_ns` after that end it is told without history;
    `at_once` askings under way together."""

    delay_ns: int = 2 * NANOSECONDS_PER_SECOND
    retry_ns: int = 2 * NANOSECONDS_PER_SECOND
    patience_ns: int = 30 * NANOSECONDS_PER_SECOND
    at_once: int = 3

    def __post_init__(self) -> None:
        if min(self.delay_ns, self.retry_ns, self.patience_ns) < 0 or self.at_once < 1:
            raise InvalidValueError("backfill: times cannot be negative, and at_once is at least 1")


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Bars whose start lies in [start_ns, end_ns) are wanted."""

    instrument: Instrument
    timeframe: Timeframe
    start_ns: int
    end_ns: int

    @property
    def asked_from_ns(self) -> int:
        """Day bars may be stamped with the midnight before their session."""
        return self.start_ns if self.timeframe.is_intraday else self.start_ns - NANOSECONDS_PER_DAY + 1


@dataclass(slots=True)
class _Held:
    start_ns: int
    end_ns: int | None
    """End of the last bar in question; None while the gap is open."""
    own: list[BarClosed] = field(default_factory=list)
    ask_ns: int = 0
    asked: HistoryRequest | None = None


class BarDelivery:
    """Stands between the builder and those who want its bars.  No I/O: the hub asks history for what `requests` says."""

    def __init__(
        self,
        builder: BarBuilder,
        settings: BackfillSettings,
        tell: Callable[[BarClosed], None],
        tell_missing: Callable[[BarsMissing], None],
    ) -> None:
        self._builder = builder
        self._settings = settings
        self._tell = tell
        self._tell_missing = tell_missing
        self._held: dict[Series, _Held] = {}
        self._told_until: dict[Series, int] = {}
        self._last_close: dict[Series, float] = {}

    @property
    def held(self) -> int:
        """How many series wait for history."""
        return len(self._held)

    def forget(self, instrument: Instrument, timeframe: Timeframe) -> None:
        """Nobody wants this series any more."""
        series = self._series(instrument, timeframe)
        self._held.pop(series, None)
        self._told_until.pop(series, None)
        self._last_close.pop(series, None)

    def take(self, closed: list[BarClosed]) -> None:
        """Bars from the builder: told at once, or held."""
        for each in closed:
            series = self._series(each.instrument, each.timeframe)
            held = self._held.get(series)
            if held is None and each.is_complete:
                self._told(series, each)
                continue
            if held is None:
                held = self._held[series] = _Held(each.bar.start_ns, each.end_ns)
            elif not each.is_complete and held.end_ns is not None:
                held.end_ns = max(held.end_ns, each.end_ns)
            held.own.append(each)

    def gap_began(self, start_ns: int) -> None:
        """Ticks may be missing from `start_ns` on: hold everything."""
        for instrument, timeframe in self._builder.series():
            series = self._series(instrument, timeframe)
            held = self._held.get(series)
            if held is not None:
                held.end_ns = None
                continue
            period = self._builder.hours_of(instrument).period_from(start_ns, timeframe)
            if period is not None:
                start = max(period.start_ns, self._told_until.get(series, period.start_ns))
                self._held[series] = _Held(start, None)

    def gap_ended(self, end_ns: int) -> None:
        """Ticks come again: the last bar in question is the one that is open now, or the last that closed."""
        for series, held in list(self._held.items()):
            if held.end_ns is not None:
                continue
            row, timeframe = series
            period = self._builder.hours_of(self._builder.table[row]).period_until(end_ns - 1, timeframe)
            held.end_ns = held.start_ns if period is None else max(period.end_ns, held.start_ns)
            if held.end_ns == held.start_ns:
                self._release(series, held, None)

    def requests(self, now_ns: int) -> list[HistoryRequest]:
        """What to ask history for now; each is answered with `answered` or `failed`."""
        room = self._settings.at_once - sum(held.asked is not None for held in self._held.values())
        wanted: list[HistoryRequest] = []
        for (row, timeframe), held in self._held.items():
            if len(wanted) >= room:
                break
            if held.asked is None and held.end_ns is not None and now_ns >= max(held.ask_ns, self._ready_ns(held.end_ns)):  # fmt: skip
                held.asked = HistoryRequest(self._builder.table[row], timeframe, held.start_ns, held.end_ns)
                wanted.append(held.asked)
        return wanted

    def answered(self, request: HistoryRequest, bars: Bars, now_ns: int) -> None:
        """History's bars.  Bars that ticks show and history does not have yet are asked for again."""
        series = self._series(request.instrument, request.timeframe)
        held = self._held.get(series)
        if held is None or held.asked is not request:
            return
        held.asked = None
        if held.end_ns != request.end_ns:  # more is in question by now
            return
        found = self._placed(request, bars)
        lacking = [each for each in self._in_question(held) if each.ticks and each.bar.start_ns not in found]
        if lacking and not self._is_over(held, now_ns):
            held.ask_ns = now_ns + self._settings.retry_ns
            return
        if lacking:
            self._missing(request, f"history lacks {len(lacking)} bars that traded")
        self._release(series, held, found)

    def failed(self, request: HistoryRequest, reason: str, now_ns: int) -> None:
        """History could not be had; it is asked again while there is patience."""
        series = self._series(request.instrument, request.timeframe)
        held = self._held.get(series)
        if held is None or held.asked is not request:
            return
        held.asked = None
        held.ask_ns = now_ns + self._settings.retry_ns
        if held.end_ns == request.end_ns and self._is_over(held, now_ns):
            self._missing(request, reason)
            self._release(series, held, None)

    def _series(self, instrument: Instrument, timeframe: Timeframe) -> Series:
        return self._builder.table.row_of(instrument), timeframe

    def _ready_ns(self, end_ns: int) -> int:
        return end_ns + self._builder.settings.lateness_ns + self._settings.delay_ns

    def _is_over(self, held: _Held, now_ns: int) -> bool:
        return held.end_ns is not None and now_ns >= held.end_ns + self._settings.patience_ns

    def _in_question(self, held: _Held) -> list[BarClosed]:
        return [each for each in held.own if held.end_ns is None or each.bar.start_ns < held.end_ns]

    def _placed(self, request: HistoryRequest, bars: Bars) -> dict[int, BarClosed]:
        """History's bars by the start of their period; those of other stretches are left out."""
        hours = self._builder.hours_of(request.instrument)
        placed = {}
        columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
        for ts, *numbers in zip(*(column.tolist() for column in columns), strict=True):
            if request.timeframe.is_intraday:
                period = hours.period_at(ts, request.timeframe)
                on_grid = period is not None and period.start_ns == ts
            else:
                period = hours.period_from(ts, request.timeframe)
                on_grid = period is not None and period.start_ns - ts < NANOSECONDS_PER_DAY
            if period is not None and on_grid and request.start_ns <= period.start_ns < request.end_ns:
                bar = Bar(period.start_ns, *numbers)
                placed[period.start_ns] = BarClosed(
                    request.instrument, request.timeframe, bar, period.end_ns, is_complete=True, ticks=0
                )
        return placed

    def _release(self, series: Series, held: _Held, found: dict[int, BarClosed] | None) -> None:
        """Tell everything that was held, in order, history's bars in place of those in question; None: without it."""
        del self._held[series]
        question_ends = held.start_ns if held.end_ns is None else held.end_ns
        bars = {each.bar.start_ns: each for each in held.own}
        if found is not None:
            bars |= found
        if self._builder.settings.empty is EmptyBars.FLAT:
            traded = {start: each for start, each in bars.items() if each.ticks or start in (found or ())}
            bars = self._with_flat(series, traded, held.start_ns, is_complete=found is not None)
        in_order = [bars[start] for start in sorted(bars)]
        for each in in_order:
            if each.bar.start_ns < question_ends:
                self._told(series, each)
        self.take([each for each in in_order if each.bar.start_ns >= question_ends])

    def _with_flat(
        self, series: Series, traded: dict[int, BarClosed], start_ns: int, *, is_complete: bool
    ) -> dict[int, BarClosed]:
        """Bars that traded, and a flat one for each period without, up to the one that is open now."""
        instrument, timeframe = self._builder.table[series[0]], series[1]
        hours = self._builder.hours_of(instrument)
        close = self._last_close.get(series)
        filled = {}
        period = hours.period_from(start_ns, timeframe)
        until_ns = self._builder.next_start_ns(instrument, timeframe)
        while period is not None and period.start_ns < until_ns:
            start, end = period.start_ns, period.end_ns
            if start in traded:
                filled[start] = traded[start]
                close = traded[start].bar.close
            elif close is not None:
                filled[start] = BarClosed(instrument, timeframe, Bar(start, close, close, close, close, 0.0), end, is_complete, 0)  # fmt: skip
            period = hours.period_from(end, timeframe)
        if close is not None:
            self._builder.set_last_close(instrument, timeframe, close)
        return filled

    def _told(self, series: Series, closed: BarClosed) -> None:
        self._told_until[series] = closed.end_ns
        self._last_close[series] = closed.bar.close
        self._tell(closed)

    def _missing(self, request: HistoryRequest, reason: str) -> None:
        self._tell_missing(
            BarsMissing(request.instrument, request.timeframe, request.start_ns, request.end_ns, reason)
        )
