"""Bars of one instrument that grow at their end, with the place of each in its trading day."""

import numpy as np

from trademantra.core.bar import Bar
from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.grid import level_scale_of, scale_of
from trademantra.engine.indicators.declare import VALUE_ROWS, matrix_of
from trademantra.engine.timeline import Timeline

_AT_FIRST = 1_024  # bars
_NOISE = 1e-6  # of a grid step; as in `grid`


class Series:
    """`values` (5, room) and `ts`, `session`, `minute`, `day` (room,), of which the first `count` are known.

    No memory of it holds a later bar; what `until` hands out is read-only and stays as it is.
    """

    __slots__ = (
        "_shown",
        "_shown_ts",
        "count",
        "day",
        "minute",
        "scale",
        "session",
        "symbol",
        "ts",
        "values",
    )

    ts: Int64Array
    session: Int64Array
    minute: Int64Array
    day: Int64Array
    values: Float64Array

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.count = 0
        self.scale = scale_of(Bars.empty())  # of the price grid; see `grid.scale_of`
        self._make_room(_AT_FIRST)

    def extend(self, bars: Bars, timeline: Timeline) -> None:
        """Take many finished bars.  Errors: `InvalidValueError` for bars that are wrong or not in order."""
        if not len(bars):
            return
        bars.check()
        if len(timeline) != len(bars):
            raise InvalidValueError(f"{self.symbol}: its timeline does not belong to its bars")
        self._refuse_earlier(int(bars.ts[0]))
        first, last = self.count, self.count + len(bars)
        if last > len(self.ts):
            self._make_room(max(last, 2 * len(self.ts)))
        self.ts[first:last], self.values[:, first:last] = bars.ts, matrix_of(bars)
        self.session[first:last] = timeline.session + (int(self.session[first - 1]) + 1 if first else 0)
        self.minute[first:last], self.day[first:last] = timeline.minute, timeline.day
        self.count = last
        self.scale = scale_of(self.until(last))

    def append(self, bar: Bar, session: int, minute: int, day: int) -> None:
        """Take one finished bar.  Errors: as for `extend`."""
        i = self.count
        self._refuse_earlier(bar.start_ns)
        if bar.low <= 0.0:
            raise InvalidValueError(
                f"{self.symbol}: the bar at {bar.start_ns} has a price that is not positive"
            )
        if i == len(self.ts):
            self._make_room(2 * i)
        prices = (bar.open, bar.high, bar.low, bar.close)
        self.values[:, i] = (*prices, bar.volume)
        self.ts[i], self.session[i], self.minute[i], self.day[i] = bar.start_ns, session, minute, day
        self.count = i + 1
        steps = np.array(prices) * self.scale
        if i == 0 or np.any(np.abs(steps - np.rint(steps)) >= _NOISE):
            self.scale = scale_of(self.until(self.count))

    def until(self, stop: int) -> Bars:
        """Bars [0, stop), read-only."""
        opening, high, low, close, volume = self._shown[:, :stop]
        return Bars(self._shown_ts[:stop], opening, high, low, close, volume)

    @property
    def level_scale(self) -> float:
        return level_scale_of(self.until(self.count), self.scale)

    def _refuse_earlier(self, start_ns: int) -> None:
        if self.count and start_ns <= self.ts[self.count - 1]:
            raise InvalidValueError(
                f"{self.symbol}: the bar at {start_ns} is not after the last one, at {int(self.ts[self.count - 1])}",
                hint="feed each bar once, in the order of time",
            )

    def _make_room(self, room: int) -> None:
        """Memory that is written to through one array and shown through another, which is read-only."""
        ts, values = np.zeros(room, np.int64), np.zeros((VALUE_ROWS, room))
        known = self.count
        places = np.zeros((3, room), np.int64)
        if known:
            ts[:known], values[:, :known] = self.ts[:known], self.values[:, :known]
            places[:, :known] = self.session[:known], self.minute[:known], self.day[:known]
        self.ts, self.values = ts[:], values[:]
        self.session, self.minute, self.day = places
        ts.flags.writeable = values.flags.writeable = False
        self._shown_ts, self._shown = ts, values


def place_of(ts: Int64Array, timeframe_ns: int, at_ns: int) -> int:
    """The bar in which an instant lies, of bars that start at `ts` (n,); n is the one that is forming."""
    n = len(ts)
    if n == 0 or at_ns >= int(ts[n - 1]) + timeframe_ns:
        return n
    return max(0, int(np.searchsorted(ts, at_ns, side="right")) - 1)
