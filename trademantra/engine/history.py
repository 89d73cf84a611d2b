"""The past of one instrument as a strategy may see it: memory that holds no later bar, and cannot be written to."""

import numpy as np

from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.indicators.declare import VALUE_ROWS

_AT_FIRST = 1_024  # bars


class History:
    """Copies of the bars so far, made as they become known; each bar is copied once or twice in all.

    A view of the run's own arrays would carry the future with it, in its `base`.
    """

    __slots__ = ("_all_ts", "_all_values", "_known", "_shown", "_shown_ts", "_ts", "_values")

    _ts: Int64Array
    _values: Float64Array

    def __init__(self, ts: Int64Array, values: Float64Array) -> None:
        self._all_ts, self._all_values = ts, values
        self._known = 0
        self._make_room(_AT_FIRST)

    def until(self, stop: int) -> Bars:
        """Bars [0, stop), read-only.  What was handed out before stays as it is."""
        known = self._known
        if stop > known:
            if stop > len(self._ts):
                self._make_room(max(stop, 2 * len(self._ts)))
            self._ts[known:stop] = self._all_ts[known:stop]
            self._values[:, known:stop] = self._all_values[:, known:stop]
            self._known = stop
        opening, high, low, close, volume = self._shown[:, :stop]
        return Bars(self._shown_ts[:stop], opening, high, low, close, volume)

    def _make_room(self, room: int) -> None:
        """Memory that is written to through `_ts` and `_values`, and shown through arrays that are read-only."""
        ts, values = np.zeros(room, np.int64), np.zeros((VALUE_ROWS, room))
        known = self._known
        if known:
            ts[:known], values[:, :known] = self._ts[:known], self._values[:, :known]
        self._ts, self._values = ts[:], values[:]
        ts.flags.writeable = values.flags.writeable = False
        self._shown_ts, self._shown = ts, values
