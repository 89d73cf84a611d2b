"""Long series made short enough to draw, without losing a peak or a trough."""

from dataclasses import dataclass
from math import ceil

import numpy as np

from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.reports.json_values import Json

_MOST_BINS = 60
_SIGNIFICANT_DIGITS = 5
_NOISE_DECIMALS = 12  # of returns and scores; what differs beyond it is rounding


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Bars in groups of `width`: first open, highest high, lowest low, last close; `ts` starts of the groups."""

    width: int
    ts: Int64Array
    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts (k,) between `edges` (k + 1,).  Zero is an edge, so that gains and losses never share a bin."""

    edges: Float64Array
    counts: Int64Array


def extremes(values: Float64Array, groups: int) -> Int64Array:
    """Indices of the first, last, lowest and highest value of each of about `groups` equal parts, in order.

    A series of up to four points a part stays whole.

    >>> extremes(np.array([1.0, 5.0, 0.0, 2.0, 3.0, 3.0, 9.0, 4.0, 1.0, 2.0]), 1).tolist()
    [0, 2, 6, 9]
    """
    n = len(values)
    if n <= 4 * groups:
        return np.arange(n, dtype=np.int64)
    width = ceil(n / groups)
    starts = np.arange(0, n, width)
    padded = np.full(len(starts) * width, values[-1])
    padded[:n] = values
    table = padded.reshape(len(starts), width)
    last = np.minimum(starts + width, n) - 1
    found: Int64Array = np.unique(
        np.concatenate((starts, starts + table.argmin(axis=1), starts + table.argmax(axis=1), last))
    )
    return np.unique(np.minimum(found, n - 1))


def candles(bars: Bars, limit: int) -> Candles:
    """At most `limit` candles."""
    width = max(1, ceil(len(bars) / limit))
    starts = np.arange(0, len(bars), width)
    last = np.minimum(starts + width, len(bars)) - 1
    return Candles(
        width,
        bars.ts[starts],
        bars.open[starts],
        np.maximum.reduceat(bars.high, starts),
        np.minimum.reduceat(bars.low, starts),
        bars.close[last],
    )


def histogram(values: Float64Array) -> Histogram | None:
    """Bins of a round width (1, 2 or 5 times a power of ten) that suits the spread; None for too few values.

    >>> found = histogram(np.array([-0.011, -0.002, 0.001, 0.004, 0.012]))
    >>> found.edges.round(6).tolist(), found.counts.tolist()
    ([-0.02, -0.01, 0.0, 0.01, 0.02], [1, 1, 2, 1])
    """
    values = np.round(values[np.isfinite(values)], _NOISE_DECIMALS)
    if len(values) < 2 or values.max() == values.min():
        return None
    low, high = float(values.min()), float(values.max())
    quartiles = np.quantile(values, (0.25, 0.75))
    # Freedman, Diaconis (1981): width = 2 x interquartile range / cube root of the count
    width = 2.0 * float(quartiles[1] - quartiles[0]) / len(values) ** (1.0 / 3.0)
    width = _round_up(max(width, (high - low) / _MOST_BINS))
    first, last = int(np.floor(low / width)), int(np.floor(high / width)) + 1
    places = np.clip(np.floor(values / width).astype(np.int64) - first, 0, last - first - 1)
    return Histogram(
        np.arange(first, last + 1, dtype=np.float64) * np.float64(width),
        np.bincount(places, minlength=last - first),
    )


def decimals_of(prices: Float64Array) -> int:
    """Decimals that keep five significant digits of the smallest price, at least two, at most eight.

    >>> decimals_of(np.array([2950.5])), decimals_of(np.array([0.0123]))
    (2, 6)
    """
    smallest = float(prices.min()) if len(prices) else 1.0
    return int(np.clip(_SIGNIFICANT_DIGITS - 1 - np.floor(np.log10(smallest)), 2, 8))


def deltas(values: Int64Array) -> list[Json]:
    """The first value and the steps to each next one: short numbers for the page's data."""
    steps: list[Json] = np.diff(values, prepend=0).tolist()
    return steps


def scaled_deltas(prices: Float64Array, decimals: int) -> list[Json]:
    """Prices as whole numbers of their last decimal, then as `deltas`."""
    return deltas(np.round(prices * 10.0**decimals).astype(np.int64))


def _round_up(width: float) -> float:
    power = 10.0 ** np.floor(np.log10(width))
    return float(next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= width * (1 - 1e-9)))
