"""Monte Carlo: what else could have happened.

- `shuffle_trades`: the same trades in another order.  The end is the same, the drawdown on the way is not.
- `bootstrap_sessions`: other histories with the same kind of sessions, drawn in blocks so that runs of good and bad
  days stay together (stationary bootstrap: Politis, Romano 1994, Journal of the American Statistical Association 89).
- `jitter_parameters`: the same rule with slightly other parameters.

A generator is passed in; the same seed gives the same result.  Entries at random are in `random_entry`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.random import Generator

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.combinations import run_combinations
from trademantra.engine.compile import compiled
from trademantra.engine.metrics import session_rate
from trademantra.engine.records import RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.engine.signature import MATRIX, NOTHING, NUMBER, ArrayOf
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.sweep import scores_of
from trademantra.engine.validation.windows import market_of

PERCENTILES = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)
RUIN = 0.5  # of the opening equity lost
_CELLS_AT_ONCE = 200_000  # paths x steps: the work stays in the cache and the memory under 20 MB
_MOST_PATHS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """Scores by name, (paths,) each, and those of the run itself under the same definition.

    `probability_of_loss`: share of paths that end below the opening equity; `probability_of_ruin`: share that at some
    step lost `ruin` of it, NaN where that is not known.
    """

    method: str
    scores: Mapping[str, Float64Array]
    actual: Mapping[str, float]
    probability_of_loss: float
    probability_of_ruin: float
    ruin: float

    @property
    def paths(self) -> int:
        return len(next(iter(self.scores.values())))

    def percentiles(self) -> dict[str, dict[float, float]]:
        """For each score its `PERCENTILES`; undefined paths are left out."""
        table = {}
        for name, values in self.scores.items():
            known = values[np.isfinite(values)]
            cut = np.percentile(known, PERCENTILES) if len(known) else np.full(len(PERCENTILES), nan)
            table[name] = dict(zip(PERCENTILES, cut.tolist(), strict=True))
        return table

    def rank(self, name: str) -> float:
        """Share of paths whose score is at most that of the run itself."""
        known = self.scores[name][np.isfinite(self.scores[name])]
        return float(np.mean(known <= self.actual[name])) if len(known) else nan


def trade_returns(trades: RecordArray, opening: float) -> Float64Array:
    """Net result of each trade over the equity before it (closed trades only), in order of their exits.

    Errors: `InvalidValueError` when there are fewer than two trades.
    """
    if len(trades) < 2:
        raise InvalidValueError(
            f"{len(trades)} trades are too few to shuffle", hint="take a longer period or another setting"
        )
    net = trades["net"]
    before = opening + np.concatenate(([0.0], np.cumsum(net)[:-1]))
    returns: Float64Array = np.where(before > 0.0, net / np.where(before > 0.0, before, 1.0), 0.0)
    return np.maximum(returns, -1.0)


def shuffle_trades(returns: Float64Array, paths: int, generator: Generator, ruin: float = RUIN) -> Simulated:
    """Trades (n,) in random order: distribution of drawdown, of the longest losing run, of time under water.

    Drawdown is measured at the exits of trades.  Errors: `InvalidValueError`.
    """
    _check(paths, ruin)
    parts = [
        _course(generator.permuted(np.repeat(returns[None, :], count, axis=0), axis=1))
        for count in _batches(paths, len(returns))
    ]
    _, worst, lowest, under, losing = np.concatenate(parts, axis=1)
    [[end], [own_worst], _, [own_under], [own_losing]] = _course(returns[None, :])
    return Simulated(
        "trade shuffle",
        {"max_drawdown": worst, "longest_losing_run": losing, "trades_under_water": under},
        {
            "max_drawdown": float(own_worst),
            "longest_losing_run": float(own_losing),
            "trades_under_water": float(own_under),
        },
        float(end < 1.0),
        float(np.mean(lowest <= 1.0 - ruin)),
        ruin,
    )


def bootstrap_sessions(
    returns: Float64Array,
    paths: int,
    generator: Generator,
    *,
    block: float = 0.0,
    sessions_per_year: float = 252.0,
    risk_free_rate: float = 0.0,
    ruin: float = RUIN,
) -> Simulated:
    """Session returns (n,) drawn again in blocks of mean length `block` (0: the cube root of n).

    Errors: `InvalidValueError` for fewer than ten sessions or a block longer than the history.
    """
    _check(paths, ruin)
    n = len(returns)
    length = block or default_block(n)
    if n < 10 or not 1.0 <= length <= n:
        raise InvalidValueError(
            f"blocks of {length:g} sessions cannot be drawn from {n}",
            hint="at least ten sessions, and --block from 1 to their number",
        )
    rate = session_rate(risk_free_rate, sessions_per_year)
    parts: dict[str, list[Float64Array]] = {}
    lowest = []
    for count in _batches(paths, n):
        drawn = returns[stationary_indices(n, count, length, generator)]
        scores, low = _session_scores(drawn, sessions_per_year, rate)
        lowest.append(low)
        for name, values in scores.items():
            parts.setdefault(name, []).append(values)
    own, _ = _session_scores(returns[None, :], sessions_per_year, rate)
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    return Simulated(
        f"block bootstrap of sessions (mean block {length:g})",
        joined,
        {name: float(values[0]) for name, values in own.items()},
        float(np.mean(joined["total_return"] < 0.0)),
        float(np.mean(np.concatenate(lowest) <= 1.0 - ruin)),
        ruin,
    )


def default_block(n: int) -> float:
    """Mean block length for n sessions: n^(1/3), the order that minimises the error of the bootstrap variance."""
    return float(max(1, round(float(n) ** (1.0 / 3.0))))


def stationary_indices(n: int, paths: int, length: float, generator: Generator) -> Int64Array:
    """Positions (paths, n) of the stationary bootstrap: blocks of geometric length, wrapped around the end."""
    fresh = generator.random((paths, n)) < 1.0 / length
    fresh[:, 0] = True
    starts = generator.integers(0, n, (paths, n))
    steps = np.arange(n)
    began = np.maximum.accumulate(np.where(fresh, steps, 0), axis=1)
    indices: Int64Array = (np.take_along_axis(starts, began, axis=1) + steps - began) % n
    return indices


def jitter_parameters(
    strategy: SignalStrategy,
    given: BacktestInput,
    parameters: Mapping[str, float],
    paths: int,
    generator: Generator,
    *,
    spread: float = 0.2,
    rules: TradingRules | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Simulated:
    """Run `paths` parameter sets drawn evenly from +- `spread` around the chosen ones.

    Whole parameters move by at least one; all stay in their declared range; sets that the strategy refuses are drawn
    again.  Errors: `InvalidValueError` for a strategy without parameters or a spread that is not in (0, 1].
    """
    _check(paths, RUIN)
    chosen = strategy.values(parameters)
    if not chosen or not 0.0 < spread <= 1.0:
        raise InvalidValueError(
            f"strategy {strategy.name}: its {len(chosen)} parameters cannot be varied by {spread:g}",
            hint="give a fraction above 0, at most 1, for a strategy with parameters",
        )
    market = market_of(strategy, given)
    own = rules or strategy.rules
    sets = [chosen, *_drawn_sets(strategy, chosen, paths, spread, generator)]
    scores: dict[str, list[Float64Array]] = {}
    for start in range(0, len(sets), 256):
        part = sets[start : start + 256]
        accounts = run_combinations(strategy, market, part, [own] * len(part), workers=workers).accounts
        made = scores_of(
            accounts, np.full(len(part), own.cash), len(market.bars), len(market.timeline.ends), given.sessions_per_year
        )  # fmt: skip
        for name in ("total_return", "cagr", "sharpe", "max_drawdown", "trades"):
            scores.setdefault(name, []).append(made[name])
        if progress is not None:
            progress(start + len(part), len(sets))
    joined = {name: np.concatenate(values) for name, values in scores.items()}
    varied = {name: values[1:] for name, values in joined.items()}
    return Simulated(
        f"parameters varied by ±{100 * spread:g} %",
        varied,
        {name: float(values[0]) for name, values in joined.items()},
        float(np.mean(varied["total_return"] < 0.0)),
        nan,  # a sweep keeps the drawdown, not the lowest equity
        RUIN,
    )


def _drawn_sets(
    strategy: SignalStrategy, chosen: Mapping[str, float], count: int, spread: float, generator: Generator
) -> Iterator[dict[str, float]]:
    refused = 0
    made = 0
    while made < count:
        drawn = {}
        for parameter in strategy.parameters:
            centre = chosen[parameter.name]
            reach = spread * abs(centre)
            if parameter.integer:
                reach = max(1.0, round(reach))
                value = float(generator.integers(int(centre - reach), int(centre + reach) + 1))
            else:
                value = float(generator.uniform(centre - reach, centre + reach))
            drawn[parameter.name] = min(max(value, parameter.low), parameter.high)
        if strategy.refuse(drawn):
            refused += 1
            if refused > 100 * count:
                raise InvalidValueError(
                    f"strategy {strategy.name} refuses nearly all parameters near the chosen ones",
                    hint="choose parameters further from the edge, or a larger spread",
                )
            continue
        made += 1
        yield drawn


def _session_scores(
    drawn: Float64Array, sessions_per_year: float, rate: float
) -> tuple[dict[str, Float64Array], Float64Array]:
    """Scores of rows of session returns, and their lowest equity as a fraction of the opening one."""
    n = drawn.shape[1]
    growth, worst, low, under, _ = _course(drawn)
    deviation = drawn.std(axis=1, ddof=1)
    moving = deviation > 1e-15
    ratio = (drawn.mean(axis=1) - rate) / np.where(moving, deviation, 1.0) * np.sqrt(sessions_per_year)
    return {
        "total_return": growth - 1.0,
        "cagr": growth ** (sessions_per_year / n) - 1.0,
        "sharpe": np.where(moving, ratio, nan),
        "max_drawdown": worst,
        "sessions_under_water": under,
    }, low


@compiled(NOTHING(ArrayOf(NUMBER, 2, read_only=True), MATRIX))
def _score_paths(drawn: Float64Array, out: Float64Array) -> None:
    """Score rows of returns into `out` (paths, 5): end, worst drawdown, lowest equity, longest stay under a peak, longest
    run without a gain.  Equity begins at 1 and stays at 0 once it is there.
    """
    for path in range(drawn.shape[0]):
        equity, peak, worst, lowest = 1.0, 1.0, 0.0, 1.0
        under, longest_under, losing, longest_losing = 0, 0, 0, 0
        for step in range(drawn.shape[1]):
            change = drawn[path, step]
            equity *= max(1.0 + change, 0.0)
            losing = 0 if change > 0.0 else losing + 1
            longest_losing = max(longest_losing, losing)
            if equity >= peak:
                peak = equity
                under = 0
            else:
                under += 1
                longest_under = max(longest_under, under)
                worst = min(worst, equity / peak - 1.0)
                lowest = min(lowest, equity)
        out[path, 0] = equity
        out[path, 1] = worst
        out[path, 2] = lowest
        out[path, 3] = longest_under
        out[path, 4] = longest_losing


def _course(drawn: Float64Array) -> Float64Array:
    """The columns of `_score_paths`, as rows (5, paths)."""
    out = np.empty((len(drawn), 5))
    _score_paths(drawn, out)
    return np.ascontiguousarray(out.T)


def _batches(paths: int, steps: int) -> Iterator[int]:
    size = max(1, _CELLS_AT_ONCE // max(1, steps))
    for start in range(0, paths, size):
        yield min(size, paths - start)


def _check(paths: int, ruin: float) -> None:
    if not 1 <= paths <= _MOST_PATHS:
        raise InvalidValueError(f"{paths:,} paths", hint=f"give between 1 and {_MOST_PATHS:,}")
    if not 0.0 < ruin <= 1.0:
        raise InvalidValueError(f"ruin {ruin:g} is not a fraction of the opening equity above 0")
