"""Longer bars from shorter ones, and bars from last prices: inside sessions, anchored where each one opens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import IST, NANOSECONDS_PER_DAY, datetime_of, ns_of
from trademantra.engine.bars import Bars, Float64Array, Int64Array

Window: TypeAlias = tuple[int, int]
_MONTHS_PER_YEAR = 12
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday


class Session(Protocol):
    """What is needed of a session of `markets`: its trade date and its windows of continuous trading.

    A window is [start, stop) in ns UTC; a day with a break has two.  `open_ns` and `close_ns` bound them all.
    """

    @property
    def trade_date(self) -> date: ...
    @property
    def open_ns(self) -> int: ...
    @property
    def close_ns(self) -> int: ...
    @property
    def continuous(self) -> tuple[Window, ...]: ...


@dataclass(frozen=True, slots=True)
class SessionSpan:
    """A session of one window, [open_ns, close_ns) in ns UTC, where no calendar of `markets` is at hand.

    `auction_ns`: when the closing auction in it begins, from which on nothing trades continuously; None: it has none.
    Errors: `InvalidValueError` when it does not open before it closes.
    """

    trade_date: date
    open_ns: int
    close_ns: int
    auction_ns: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.open_ns >= self.close_ns:
            raise InvalidValueError(f"the session of {self.trade_date} does not open before it closes")

    @property
    def continuous(self) -> tuple[Window, ...]:
        return ((self.open_ns, self.close_ns),)


class Outside(StrEnum):
    """What to do with bars or prices outside every session, such as those of the pre-open."""

    REFUSE = "refuse"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Windows:
    """The continuous windows of sessions as arrays, in time order: bounds in ns UTC, and the trade date of each."""

    start_ns: Int64Array
    stop_ns: Int64Array
    trade_date: NDArray[np.datetime64]

    @classmethod
    def of(cls, sessions: Sequence[Session]) -> "Windows":
        """Errors: `InvalidValueError` for windows that overlap or are out of order."""
        rows = [window for session in sessions for window in session.continuous]
        table = np.array(rows, np.int64).reshape(len(rows), 2)
        start, stop = (np.ascontiguousarray(column) for column in table.T)
        dates = np.array(
            [session.trade_date for session in sessions for _ in session.continuous], "datetime64[D]"
        )
        if (start >= stop).any() or (start[1:] < stop[:-1]).any() or (dates[1:] < dates[:-1]).any():
            raise InvalidValueError("the sessions overlap or are not in time order")
        return cls(start, stop, dates)

    def periods(self, timeframe: Timeframe) -> Int64Array:
        """A number for each window: equal within one day, one week (Monday to Sunday) or one run of months."""
        days = self.trade_date.astype(np.int64)
        match timeframe.unit:
            case "w":
                return (days + _EPOCH_WEEKDAY) // 7
            case "mo":
                return self.trade_date.astype("datetime64[M]").astype(np.int64) // timeframe.count
            case _:
                return days

    def locate_bars(
        self, ts: Int64Array, timeframe: Timeframe | None
    ) -> tuple[Int64Array, NDArray[np.bool_]]:
        """For each of sorted times its window's index, and whether it lies in it (else the index means nothing).

        Bars of a day or longer may carry the session's open or the midnight before it: such a bar belongs to the
        session that closes next, if that opens less than a day after the stamp.  `timeframe` None: an instant.
        """
        if timeframe is None or timeframe.is_intraday:
            return self._locate(ts)
        return self._locate_days(ts)

    def _locate(self, ts: Int64Array) -> tuple[Int64Array, NDArray[np.bool_]]:
        first = np.searchsorted(ts, self.start_ns)
        index = np.repeat(np.arange(-1, len(first)), np.diff(first, prepend=0, append=len(ts)))
        inside = (index >= 0) & (ts < self.stop_ns[index]) if len(first) else np.zeros(len(ts), np.bool_)
        return index, inside

    def _locate_days(self, ts: Int64Array) -> tuple[Int64Array, NDArray[np.bool_]]:
        index = np.searchsorted(self.stop_ns, ts, side="right")
        known = index < len(self.stop_ns)
        index[~known] = 0
        if not len(self.stop_ns):
            return index, known
        return index, known & (self.start_ns[index] - ts < NANOSECONDS_PER_DAY)


def resample(
    bars: Bars,
    from_timeframe: Timeframe,
    to_timeframe: Timeframe,
    sessions: Sequence[Session],
    *,
    outside: Outside = Outside.REFUSE,
) -> Bars:
    """Bars of a longer timeframe: open first, high largest, low smallest, close last, volume summed.

    Seconds, minutes and hours are counted from the start of each continuous window of `sessions`, so NSE hours
    begin at 09:15, 10:15 … and the last is short; no bar spans two windows.  A bar is stamped with its start:
    the grid for intraday bars, the session's first window for `1d`; weeks (Monday to Sunday) and months of
    trade dates carry the stamp of their first day that has bars.  Bars before the last one are complete; the
    last covers what was given.  Missing minutes are not invented: a longer bar is made of those that are there.
    Errors: `InvalidValueError` for a timeframe that is not a multiple, for bars off the grid of their own
    timeframe, and with `Outside.REFUSE` for bars outside every session (`count_outside` counts them).
    """
    _refuse_mismatch(from_timeframe, to_timeframe)
    windows = Windows.of(sessions)
    bars, index = _inside(bars, windows, from_timeframe, outside)
    if from_timeframe.is_intraday:
        _refuse_off_grid(bars, index, windows, from_timeframe)
    if from_timeframe == to_timeframe or not len(bars):
        return bars.slice(0, len(bars))
    stamps = _stamps(bars.ts, index, windows, from_timeframe, to_timeframe)
    begin = _group_begins(stamps)
    end = np.append(begin[1:], len(bars)) - 1
    return Bars(
        stamps[begin],
        bars.open[begin],
        np.maximum.reduceat(bars.high, begin),
        np.minimum.reduceat(bars.low, begin),
        bars.close[end],
        np.add.reduceat(bars.volume, begin),
    )


def bars_from_prices(
    ts: Int64Array,
    price: Float64Array,
    timeframe: Timeframe,
    sessions: Sequence[Session],
    *,
    volume: Float64Array | None = None,
    outside: Outside = Outside.REFUSE,
) -> Bars:
    """Bars of trades or last prices: `ts` int64 ns UTC in time order (equal times keep their order), `price` and
    `volume` (of each trade, not cumulative; 0 where absent) float64, all of one length.

    Stamps and sessions as in `resample`; a stretch without a price has no bar.
    Errors: `InvalidValueError` for unsorted times, impossible prices, unequal lengths, and as `resample`.
    """
    traded = np.zeros(len(ts)) if volume is None else np.asarray(volume, np.float64)
    if not len(ts) == len(price) == len(traded):
        raise InvalidValueError(
            f"{len(ts)} times, {len(price)} prices and {len(traded)} volumes do not match"
        )
    if len(ts) > 1 and np.diff(ts).min() < 0:
        i = int(np.argmax(np.diff(ts) < 0)) + 1
        raise InvalidValueError(f"price {i} ({datetime_of(int(ts[i]))}) is earlier than the one before it")
    windows = Windows.of(sessions)
    ticks, index = _inside(Bars(ts, price, price, price, price, traded), windows, None, outside)
    if not len(ticks):
        return Bars.empty()
    stamps = _stamps(ticks.ts, index, windows, None, timeframe)
    begin = _group_begins(stamps)
    end = np.append(begin[1:], len(ticks)) - 1
    return Bars.of(
        stamps[begin],
        ticks.open[begin],
        np.maximum.reduceat(ticks.high, begin),
        np.minimum.reduceat(ticks.low, begin),
        ticks.close[end],
        np.add.reduceat(ticks.volume, begin),
    )


def count_outside(bars: Bars, timeframe: Timeframe, sessions: Sequence[Session]) -> int:
    """How many bars lie outside every session: those that `Outside.DROP` leaves out."""
    return int(np.count_nonzero(~Windows.of(sessions).locate_bars(bars.ts, timeframe)[1]))


def daily_spans(
    days: Iterable[date], opens: time, closes: time, zone: ZoneInfo = IST
) -> tuple[SessionSpan, ...]:
    """The same hours on each of these days, in the order given; a close that is not after the open is next day's.

    >>> daily_spans([date(2026, 11, 20)], time(9, 15), time(15, 30))[0].open_ns
    1795146300000000000
    """
    overnight = timedelta(days=0 if closes > opens else 1)
    return tuple(
        SessionSpan(
            day,
            ns_of(datetime.combine(day, opens, zone)),
            ns_of(datetime.combine(day + overnight, closes, zone)),
        )
        for day in days
    )


def utc_day_spans(first_ns: int, last_ns: int) -> tuple[SessionSpan, ...]:
    """Days of a market that never closes, midnight to midnight UTC, from the day of one instant to that of another.

    >>> [span.trade_date.isoformat() for span in utc_day_spans(0, 86_400_000_000_000)]
    ['1970-01-01', '1970-01-02']
    """
    first, last = first_ns // NANOSECONDS_PER_DAY, last_ns // NANOSECONDS_PER_DAY
    epoch = datetime(1970, 1, 1, tzinfo=UTC).date()
    return tuple(
        SessionSpan(epoch + timedelta(days=i), i * NANOSECONDS_PER_DAY, (i + 1) * NANOSECONDS_PER_DAY)
        for i in range(first, last + 1)
    )


def _inside(
    bars: Bars, windows: Windows, timeframe: Timeframe | None, outside: Outside
) -> tuple[Bars, Int64Array]:
    """The bars inside windows, and the window of each."""
    index, inside = windows.locate_bars(bars.ts, timeframe)
    if inside.all():
        return bars, index
    if outside is Outside.REFUSE:
        first = int(np.argmin(inside))
        raise InvalidValueError(
            f"{np.count_nonzero(~inside)} of {len(bars)} bars or prices lie outside every session, the first at "
            f"{datetime_of(int(bars.ts[first])).isoformat()}",
            hint="give the sessions of those days, or drop them with Outside.DROP",
        )
    open_, high, low, close = (field[inside] for field in (bars.open, bars.high, bars.low, bars.close))
    kept = Bars(bars.ts[inside], open_, high, low, close, bars.volume[inside])
    return kept, index[inside]


def _stamps(
    ts: Int64Array, index: Int64Array, windows: Windows, source: Timeframe | None, target: Timeframe
) -> Int64Array:
    """Start of the longer bar that each time falls into."""
    if target.is_intraday:
        opens = windows.start_ns[index]
        return opens + (ts - opens) // target.length_ns * target.length_ns
    period = windows.periods(target)[index]
    first = _group_begins(period)
    if source is None or source.is_intraday:
        first_window = np.searchsorted(windows.trade_date, windows.trade_date[index[first]])
        starts = windows.start_ns[first_window]
    else:
        starts = ts[first]
    return np.repeat(starts, np.diff(first, append=len(ts)))


def _group_begins(stamps: Int64Array) -> Int64Array:
    return np.flatnonzero(np.diff(stamps, prepend=stamps[0] - 1))


def _refuse_mismatch(source: Timeframe, target: Timeframe) -> None:
    """Raise unless whole bars of `source` make a bar of `target`."""
    if not target.is_intraday and (
        target.count != 1 if target.unit in "dw" else _MONTHS_PER_YEAR % target.count
    ):
        raise InvalidValueError(
            f"bars of {target} have no agreed first day", hint="use 1d, 1w, 1mo, 3mo, 6mo, 12mo"
        )
    fits = (
        source == target
        or (source.is_intraday and not target.is_intraday)
        or (source.is_intraday and target.is_intraday and target.length_ns % source.length_ns == 0)
        or (source == Timeframe(1, "d") and not target.is_intraday)
        or (source.unit == target.unit == "mo" and target.count % source.count == 0)
    )
    if not fits:
        raise InvalidValueError(f"bars of {target} cannot be made of bars of {source}")


def _refuse_off_grid(bars: Bars, index: Int64Array, windows: Windows, timeframe: Timeframe) -> None:
    off = (bars.ts - windows.start_ns[index]) % timeframe.length_ns != 0
    if off.any():
        at = datetime_of(int(bars.ts[int(np.argmax(off))])).isoformat()
        raise InvalidValueError(
            f"{np.count_nonzero(off)} bars do not start on the {timeframe} grid of their session, the first at {at}",
            hint="the source may stamp the end of bars, or have its clock shifted",
        )
