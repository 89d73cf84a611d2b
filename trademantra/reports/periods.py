"""A run cut into months, drawdowns and rolling windows."""

from dataclasses import dataclass
from math import sqrt
from zoneinfo import ZoneInfo

import numpy as np

from trademantra.engine.backtest import BacktestResult
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.metrics import session_rate, session_returns
from trademantra.reports.times import local_days


@dataclass(frozen=True, slots=True)
class Month:
    """Return of a calendar month as a fraction: the sessions that end in it, compounded."""

    year: int
    month: int
    total_return: float


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A stay under a peak.  Indices into the run's `ts`: the peak, the deepest bar, the bar that made it good.

    `peak` is -1 when the opening equity was the peak; `recovery` is None while it lasts.  `depth` is a negative fraction.
    """

    peak: int
    trough: int
    recovery: int | None
    depth: float
    bars: int


def returns_of(result: BacktestResult) -> Float64Array:
    """Simple returns (sessions,) from session end to session end."""
    return session_returns(result.curve, result.ends, result.rules.cash)


def monthly_returns(result: BacktestResult, zone: ZoneInfo) -> tuple[Month, ...]:
    """Months in time order, from the first to the last that has a session."""
    days = local_days(result.ts[result.ends], zone).astype("datetime64[D]")
    months = days.astype("datetime64[M]").astype(np.int64)
    starts = np.flatnonzero(np.concatenate(([True], months[1:] != months[:-1])))
    growth = np.multiply.reduceat(1.0 + returns_of(result), starts) - 1.0
    return tuple(
        Month(1970 + month // 12, month % 12 + 1, change)
        for month, change in zip(months[starts].tolist(), growth.tolist(), strict=True)
    )


def drawdown_curve(result: BacktestResult) -> Float64Array:
    """Equity over its peak so far, less 1: (n,) fractions, never positive."""
    peaks = np.maximum(np.maximum.accumulate(result.curve), result.rules.cash)
    under: Float64Array = result.curve / peaks - 1.0
    return under


def drawdowns(result: BacktestResult, count: int = 5) -> tuple[Drawdown, ...]:
    """The deepest stays under a peak, deepest first."""
    under = drawdown_curve(result)
    below = np.concatenate(([False], under < 0.0, [False]))
    starts, stops = np.flatnonzero(~below[:-1] & below[1:]), np.flatnonzero(below[:-1] & ~below[1:])
    if not len(starts):
        return ()
    depths = np.minimum.reduceat(under, np.column_stack((starts, stops)).ravel()[: 2 * len(starts) - 1])[::2]
    found = []
    for k in np.argsort(depths, kind="stable")[:count]:
        start, stop = int(starts[k]), int(stops[k])
        trough = start + int(np.argmin(under[start:stop]))
        recovery = stop if stop < len(under) else None
        found.append(Drawdown(start - 1, trough, recovery, float(under[trough]), stop - start))
    return tuple(found)


def rolling_sharpe(result: BacktestResult, window: int) -> tuple[Int64Array, Float64Array]:
    """Annual Sharpe ratio of the last `window` sessions: bar index of each session's end, and its value.

    Starts with the first full window; NaN where the returns of a window do not vary.
    """
    excess = returns_of(result) - session_rate(
        result.metrics.risk_free_rate, result.metrics.sessions_per_year
    )
    if len(excess) < window:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(excess, window)
    means, deviations = windows.mean(axis=1), windows.std(axis=1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(deviations > 1e-12, means / deviations, np.nan)
    return result.ends[window - 1 :], ratios * sqrt(result.metrics.sessions_per_year)
