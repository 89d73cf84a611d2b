"""Scores of a run, in the field's standard terms.

Returns are taken from session end to session end (per bar for daily and longer bars), so that intraday and daily
strategies compare; `sessions_per_year` scales them.  Drawdown looks at every bar.  Nothing is hidden: the risk-free
rate and the periods per year are fields of the result.

Definitions follow empyrical and quantstats where those agree (tests hold us to it); where they differ:
- Sortino divides by the root of the mean squared shortfall over all periods (empyrical), not over the losing ones.
- CAGR counts years as sessions / sessions per year (empyrical); quantstats divides calendar days by 365.25.
- Value at risk is the historical 5 % quantile (empyrical); quantstats fits a normal distribution.
- The ulcer index is the root mean square of session-end drawdowns in percent (Martin 1987); quantstats divides by n - 1.
"""

from dataclasses import dataclass, fields
from math import inf, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import compiled
from trademantra.engine.records import RecordArray
from trademantra.engine.signature import NUMBER, VECTOR, TupleOf

VALUE_AT_RISK_LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """All scores of one run.  Fractions, not percents; currency where named; NaN where undefined."""

    initial_equity: float
    final_equity: float
    total_return: float
    cagr: float
    volatility: float  # annual
    sharpe: float
    sortino: float
    calmar: float
    omega: float
    max_drawdown: float  # negative
    max_drawdown_bars: int  # longest stay under a peak
    ulcer_index: float  # percent
    value_at_risk: float  # one session, 95 %
    conditional_value_at_risk: float
    skew: float
    kurtosis: float  # Pearson: 3 for a normal distribution
    trades: int
    win_rate: float
    profit_factor: float
    expectancy: float  # currency a trade
    average_win: float
    average_loss: float
    best_trade: float
    worst_trade: float
    longest_losing_run: int
    average_bars_held: float
    exposure: float  # fraction of bars with a position
    turnover: float  # traded value over mean equity, a year
    costs: float
    fills: int
    refused_entries: int
    alpha: float  # annual, against the benchmark; NaN without one
    beta: float
    sessions: int
    sessions_per_year: float
    risk_free_rate: float  # annual

    def as_dict(self) -> dict[str, float | int | None]:
        """Names and numbers; None for what is undefined or infinite, so that the JSON stays valid."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value if np.isfinite(value) else None for name, value in values.items()}


def session_rate(annual: float, sessions_per_year: float) -> float:
    """The return of one session that compounds to an annual rate."""
    return float((1.0 + annual) ** (1.0 / sessions_per_year) - 1.0)


def session_returns(curve: Float64Array, ends: Int64Array, initial_equity: float) -> Float64Array:
    """Simple returns (sessions,) from session end to session end, the first against the opening equity."""
    values = np.concatenate(([initial_equity], curve[ends]))
    before = values[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        changes: Float64Array = np.where(before > 0.0, values[1:] / before - 1.0, 0.0)
    return changes


def metrics_of(
    curve: Float64Array,
    ends: Int64Array,
    trades: RecordArray,
    account: RecordArray,
    initial_equity: float,
    *,
    sessions_per_year: float = 252.0,
    risk_free_rate: float = 0.0,
    benchmark_returns: Float64Array | None = None,
) -> Metrics:
    """Score a run from its equity `curve` (n,), its session `ends`, its `trades` and its `account` record (1,).

    `benchmark_returns` (sessions,) belong to the same sessions.
    """
    returns = session_returns(curve, ends, initial_equity)
    count = len(returns)
    final = float(curve[-1])
    growth = final / initial_equity
    years = count / sessions_per_year
    with np.errstate(over="ignore"):  # a day's gain of twenty times compounds to more than a float holds
        cagr = float(np.float64(growth) ** (1.0 / years)) - 1.0 if growth > 0.0 else -1.0
    daily_risk_free = session_rate(risk_free_rate, sessions_per_year)
    excess = returns - daily_risk_free
    deviation = float(returns.std(ddof=1)) if count > 1 else nan
    shortfall = float(np.sqrt(np.mean(np.minimum(excess, 0.0) ** 2)))
    worst, longest = drawdown_of(curve, initial_equity)
    ordered = np.sort(returns)
    value_at_risk = float(np.quantile(ordered, VALUE_AT_RISK_LEVEL))
    tail = ordered[ordered <= value_at_risk]
    gains, losses = excess[excess > 0.0].sum(), -excess[excess < 0.0].sum()
    ends_curve = np.concatenate(([initial_equity], curve[ends]))
    under = ends_curve / np.maximum.accumulate(ends_curve) - 1.0
    net = trades["net"]
    wins, lost = net[net > 0.0], net[net <= 0.0]
    held = float((trades["exit_index"] - trades["entry_index"]).sum())
    alpha, beta = _alpha_beta(returns, benchmark_returns, daily_risk_free, sessions_per_year)
    return Metrics(
        initial_equity=initial_equity,
        final_equity=final,
        total_return=growth - 1.0,
        cagr=cagr,
        volatility=deviation * sqrt(sessions_per_year),
        sharpe=_ratio(float(excess.mean()), deviation) * sqrt(sessions_per_year),
        sortino=_ratio(float(excess.mean()), shortfall) * sqrt(sessions_per_year),
        calmar=_ratio(cagr, -worst),
        omega=_ratio(float(gains), float(losses)),
        max_drawdown=worst,
        max_drawdown_bars=longest,
        ulcer_index=100.0 * float(np.sqrt(np.mean(under[1:] ** 2))),
        value_at_risk=value_at_risk,
        conditional_value_at_risk=float(tail.mean()),
        skew=_moment(returns, 3),
        kurtosis=_moment(returns, 4),
        trades=len(net),
        win_rate=_ratio(len(wins), len(net)),
        profit_factor=_ratio(float(wins.sum()), -float(lost.sum())),
        expectancy=_ratio(float(net.sum()), len(net)),
        average_win=float(wins.mean()) if len(wins) else nan,
        average_loss=float(lost.mean()) if len(lost) else nan,
        best_trade=float(net.max()) if len(net) else nan,
        worst_trade=float(net.min()) if len(net) else nan,
        longest_losing_run=longest_run(net <= 0.0),
        average_bars_held=_ratio(held, len(net)),
        exposure=_exposure(trades, account, len(curve)),
        turnover=_ratio(float(account["turnover"][0]), float(curve.mean()) * years),
        costs=float(account["costs"][0]),
        fills=int(account["fills"][0]),
        refused_entries=int(account["refused"][0]),
        alpha=alpha,
        beta=beta,
        sessions=count,
        sessions_per_year=sessions_per_year,
        risk_free_rate=risk_free_rate,
    )


@compiled(TupleOf(NUMBER, 2)(VECTOR, NUMBER))
def _drawdown(curve: Float64Array, initial_equity: float) -> tuple[float, float]:
    peak, worst, since, longest = initial_equity, 0.0, -1, 0
    for i in range(len(curve)):
        value = curve[i]
        if value >= peak:
            peak = value
            since = i
        else:
            if value < peak * (1.0 + worst):
                worst = value / peak - 1.0
            longest = max(longest, i - since)
    return worst, float(longest)


def drawdown_of(curve: Float64Array, initial_equity: float) -> tuple[float, int]:
    """Deepest fall under a peak (a negative fraction) and the longest stay under one in bars."""
    worst, longest = _drawdown(curve, initial_equity)
    return worst, int(longest)


def _ratio(above: float, below: float) -> float:
    if below > 0.0:
        return above / below
    return inf if above > 0.0 and below <= 0.0 else nan


def _moment(returns: Float64Array, order: int) -> float:
    centred = returns - returns.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    return float(np.mean(centred**order)) / spread**order if spread > 0.0 else nan


def longest_run(true: NDArray[np.bool_]) -> int:
    """Length of the longest run of True.

    >>> longest_run(np.array([True, False, True, True]))
    2
    """
    breaks = np.flatnonzero(np.concatenate(([True], ~true, [True])))
    return int(np.diff(breaks).max()) - 1


def _exposure(trades: RecordArray, account: RecordArray, bars: int) -> float:
    """Fraction of bars at whose close some position was held: the union of the times that positions were held."""
    entries, exits = trades["entry_index"], trades["exit_index"]
    if account["quantity"][0] != 0.0:
        entries, exits = np.append(entries, account["entry_index"][0]), np.append(exits, bars)
    if len(entries) == 0:
        return 0.0
    order = np.argsort(entries, kind="stable")
    entries, exits = entries[order], exits[order]
    covered = np.concatenate(([0], np.maximum.accumulate(exits)[:-1]))
    return float(np.maximum(exits - np.maximum(entries, covered), 0).sum()) / bars


def _alpha_beta(
    returns: Float64Array, benchmark: Float64Array | None, daily_risk_free: float, sessions_per_year: float
) -> tuple[float, float]:
    """CAPM regression of session returns on the benchmark's; alpha compounded to a year (empyrical)."""
    if benchmark is None or len(benchmark) < 2:
        return nan, nan
    mine, its = returns - daily_risk_free, benchmark - daily_risk_free
    spread = float(np.var(its))
    if spread == 0.0:
        return nan, nan
    beta = float(np.mean((mine - mine.mean()) * (its - its.mean()))) / spread
    with np.errstate(over="ignore"):
        alpha = float((1.0 + np.mean(mine - beta * its)) ** sessions_per_year) - 1.0
    return alpha, beta
