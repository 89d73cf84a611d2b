"""Candles: in pieces as long as the broker allows, and into the bar store from where it ends (specs/brokers.md 1.9)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Protocol

import numpy as np

from trademantra.brokers.errors import NotSupportedError
from trademantra.brokers.zerodha.reply import Json, MalformedReplyError, Record
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.instrument import Instrument
from trademantra.core.time import (
    IST,
    NANOSECONDS_PER_DAY,
    NANOSECONDS_PER_MINUTE,
    Clock,
    datetime_of,
    ist_date,
    ns_of,
)
from trademantra.data.bar_file import SeriesInfo
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import PRICE_FIELDS, Bars

_SECOND = timedelta(seconds=1)
_SETTLING_NS = NANOSECONDS_PER_MINUTE
_LEAST_FIELDS = 6


@dataclass(frozen=True, slots=True)
class Interval:
    """The broker's word for a timeframe and the most days that one request may span."""

    word: str
    days: int


_INTERVALS = MappingProxyType(
    {
        "1m": Interval("minute", 60),
        "3m": Interval("3minute", 100),
        "5m": Interval("5minute", 100),
        "10m": Interval("10minute", 100),
        "15m": Interval("15minute", 200),
        "30m": Interval("30minute", 200),
        "60m": Interval("60minute", 400),
        "1h": Interval("60minute", 400),
        "1d": Interval("day", 2_000),
    }
)


@dataclass(frozen=True, slots=True)
class Span:
    """First and last instant of one request, both within it, in India's time."""

    first: datetime
    last: datetime


def interval_of(timeframe: Timeframe) -> Interval:
    """Errors: `NotSupportedError` naming what there is."""
    found = _INTERVALS.get(str(timeframe))
    if found is None:
        raise NotSupportedError(
            f"Zerodha has no bars of {timeframe}",
            hint=f"it has {', '.join(_INTERVALS)}; make others from those",
        )
    return found


def spans(first: datetime, last: datetime, days: int) -> Iterator[Span]:
    """[first, last] in stretches of at most `days` days, in order, without overlap, to the second.

    >>> d = datetime(2026, 1, 1, tzinfo=IST)
    >>> [str(s.last.date()) for s in spans(d, d + timedelta(days=100), 60)]
    ['2026-03-01', '2026-04-11']
    """
    start = first.astimezone(IST).replace(microsecond=0)
    end = last.astimezone(IST)
    while start <= end:
        stop = min(start + timedelta(days=days) - _SECOND, end)
        yield Span(start, stop)
        start = stop.replace(microsecond=0) + _SECOND


def bars_of(data: Json, first_ns: int, last_ns: int) -> Bars:
    """Candles that start in [first, last].  Errors: `MalformedReplyError`, also for bars that are impossible."""
    rows = Record(data, "candles").list("candles")
    columns: list[list[float]] = [[], [], [], [], []]
    times = []
    for row in rows:
        if not isinstance(row, list) or len(row) < _LEAST_FIELDS or not isinstance(row[0], str):
            raise MalformedReplyError("candles: a row is not [time, open, high, low, close, volume]")
        try:
            at = ns_of(datetime.fromisoformat(row[0]))
        except (ValueError, InvalidValueError):
            raise MalformedReplyError(f"candles: {row[0][:40]!r} is not a time with its offset") from None
        if not first_ns <= at <= last_ns:
            continue
        times.append(at)
        for column, value in zip(columns, row[1:_LEAST_FIELDS], strict=True):
            if isinstance(value, bool) or not isinstance(value, int | Decimal):
                raise MalformedReplyError(f"candles: {value!r} is not a number")
            column.append(float(value))
    try:
        return Bars.of(times, *columns)
    except InvalidValueError as error:
        raise MalformedReplyError(f"candles: {error.message}") from None


def joined(pieces: Sequence[Bars]) -> Bars:
    """Pieces in time order as one."""
    if len(pieces) == 1:
        return pieces[0]
    fields = ("ts", *PRICE_FIELDS, "volume")
    return (
        Bars(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in fields))
        if pieces
        else Bars.empty()
    )


class HistorySource(Protocol):
    """What a download needs of an adapter."""

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is: bars written so far, and the part of the range that is done, 0 to 1."""

    written: int
    done: float


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Bars that were new, bars that were stored already, and where the series ends now (None: no bar at all)."""

    written: int
    skipped: int
    last_ns: int | None


def series_of(instrument: Instrument, timeframe: Timeframe) -> Series:
    """The store's name for bars of an instrument.

    >>> from trademantra.core.instrument import Exchange, InstrumentKind, Segment
    >>> sbin = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="SBIN")
    >>> str(series_of(sbin, Timeframe.parse("1m")))
    'NSE:SBIN:1m'
    """
    exchange, _, symbol = instrument.key.partition(":")
    return Series(exchange, symbol, timeframe)


async def download_history(
    adapter: HistorySource,
    instrument: Instrument,
    timeframe: Timeframe,
    first: datetime,
    last: datetime,
    store: BarStore,
    *,
    clock: Clock,
    progress: Callable[[Progress], None] | None = None,
) -> Downloaded:
    """Fetch bars that start in [first, last] into the store, from the last stored bar on.

    Each request's bars are stored before the next one is made, so a download that is cut off goes on where it
    stopped.  The last stored bar is fetched again: when the broker has changed it since (its prices are adjusted for
    splits and bonuses), that is a `DataConflictError`, never a series of two scales.  Bars that are not over are left
    out: those of the last minute, and the day bar of today.  Bars before the first stored one are not fetched.
    Errors: those of the broker and the store; `InvalidValueError` for naive times.
    """
    first_ns, last_ns = ns_of(first), min(ns_of(last), clock.now_ns())
    series = series_of(instrument, timeframe)
    days = interval_of(timeframe).days
    stored_ns = _end_of(store, series, last_ns)
    start_ns = max(first_ns, stored_ns) if stored_ns is not None else first_ns
    info = SeriesInfo(source="Kite history", adjusted=True, tick_size=instrument.tick_size)
    written = skipped = 0
    if start_ns <= last_ns:
        for span in spans(datetime_of(start_ns), datetime_of(last_ns), days):
            bars = _finished(
                await adapter.history(instrument, timeframe, span.first, span.last), timeframe, clock
            )
            if len(bars):
                outcome = store.append(series, bars, info)
                written += outcome.written
                skipped += outcome.skipped
            if progress is not None:
                done = (ns_of(span.last) - start_ns) / max(1, last_ns - start_ns)
                progress(Progress(written, min(1.0, done)))
    return Downloaded(written, skipped, _end_of(store, series, last_ns))


def _end_of(store: BarStore, series: Series, near_ns: int) -> int | None:
    """Start of the last stored bar.  Looks at the year before `near_ns` first: most series end there."""
    for start_ns in (near_ns - 366 * NANOSECONDS_PER_DAY, None):
        try:
            bars = store.read(series, start_ns)
        except NotFoundError:
            return None
        if len(bars):
            return int(bars.ts[-1])
    return None


def _finished(bars: Bars, timeframe: Timeframe, clock: Clock) -> Bars:
    now = clock.now_ns()
    if timeframe.is_intraday:
        return bars.between(0, now - _SETTLING_NS - timeframe.length_ns + 1)
    today: date = ist_date(now)
    return bars.between(0, ns_of(datetime(today.year, today.month, today.day, tzinfo=IST)))
