"""Bars as price events, by a stated path: which of a bar's prices came first is not known, so it is chosen."""

from enum import StrEnum

import numpy as np

from trademantra.brokers.paper.market import EventBatch
from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars, Float64Array, Int64Array

SEGMENTS = 4


class BarPath(StrEnum):
    """How a bar becomes events.

    BAR: one event at its start, matched by the back-test's rules for a bar: fills equal `tm backtest`.
    The others: the open as a tick, then three segments of a quarter of the bar's time and volume each.
    """

    BAR = "bar"
    OHLC = "ohlc"  # open, high, low, close
    OLHC = "olhc"  # open, low, high, close
    NEAREST = "nearest"  # the extreme nearer to the open first; at equal distance the one away from the close


def events_of_bars(bars: Bars, row: int, path: BarPath, bar_ns: int | Int64Array) -> EventBatch:
    """Events of the bars of one instrument, all or each (n,) `bar_ns` nanoseconds long, in time order.

    Whole volumes stay whole and add up to the bar's.  Errors: `InvalidValueError` for a bar shorter than 4 ns.
    """
    count = len(bars)
    if path is BarPath.BAR:
        return EventBatch(
            np.full(count, row, np.int64), bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume,
            np.full(count, np.nan),
        )  # fmt: skip
    lengths = np.broadcast_to(np.asarray(bar_ns, np.int64), (count,))
    if (lengths < SEGMENTS).any():
        raise InvalidValueError(f"a bar of {int(lengths.min())} ns is too short for a path")
    first, second = _extremes(bars, path)
    corners = np.stack([bars.open, bars.open, first, second, bars.close], axis=1)
    starts, stops = corners[:, :-1], corners[:, 1:]
    times = bars.ts[:, None] + np.arange(SEGMENTS, dtype=np.int64) * (lengths // SEGMENTS)[:, None]
    volumes = np.repeat(np.floor(bars.volume / SEGMENTS)[:, None], SEGMENTS, axis=1)
    volumes[:, -1] = bars.volume - volumes[:, :-1].sum(axis=1)

    def flat(values: Float64Array) -> Float64Array:
        return np.ascontiguousarray(values.reshape(-1))

    return EventBatch(
        np.full(count * SEGMENTS, row, np.int64), np.ascontiguousarray(times.reshape(-1)), flat(starts),
        flat(np.maximum(starts, stops)), flat(np.minimum(starts, stops)), flat(stops), flat(volumes),
        np.full(count * SEGMENTS, np.nan),
    )  # fmt: skip


def _extremes(bars: Bars, path: BarPath) -> tuple[Float64Array, Float64Array]:
    """The extreme that comes first, and the other."""
    if path is BarPath.OHLC:
        return bars.high, bars.low
    if path is BarPath.OLHC:
        return bars.low, bars.high
    up, down = bars.high - bars.open, bars.open - bars.low
    high_first = (up < down) | ((up == down) & (bars.close < bars.open))
    return np.where(high_first, bars.high, bars.low), np.where(high_first, bars.low, bars.high)
