"""Walk-forward: choose parameters on a stretch of the past, trade the next stretch with them, move on.

Training sees no bar of its test window, and the test is traded by the rules of `windows`: flat at its start,
out at the open of its last bar.  Each test begins with the equity that the one before it left, so the stitched
curve is that of one account that is re-optimised again and again.
Source: Pardo (2008), The Evaluation and Optimization of Trading Strategies, 2nd ed., chapter 11.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.combinations import Outcome
from trademantra.engine.metrics import Metrics, metrics_of
from trademantra.engine.records import ACCOUNT, TRADE, RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.sweep import SCORES, combinations
from trademantra.engine.validation.windows import (
    Place,
    Window,
    market_of,
    place,
    run_window,
    scores_inside,
    sweep_window,
    warm_up_bars,
)


@dataclass(frozen=True, slots=True)
class Fold:
    """One step: sessions to choose on, then sessions to trade."""

    train: Window
    test: Window


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What one step chose and what came of it.

    `parameters` are the swept values, empty when nothing traded in training (then the test stays in cash).
    `train` and `test` are scores by name, as in a sweep; `first`, `last` the test's bars in the whole series.
    """

    fold: Fold
    first: int
    last: int
    parameters: Mapping[str, float]
    train: Mapping[str, float]
    test: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class WalkForward:
    """Out of sample, stitched: `ts`, `curve` (n,), session `ends`, `trades` (indices into `ts`), `metrics`.

    `efficiency`: annual growth out of sample over the mean annual growth of the chosen sets in training; NaN when
    training lost.  `objective_kept`: the same for the objective, mean of the tests over mean of the trainings.
    """

    strategy: str
    objective: str
    anchored: bool
    combinations: int
    steps: tuple[Step, ...]
    ts: Int64Array
    curve: Float64Array
    ends: Int64Array
    trades: RecordArray
    metrics: Metrics
    efficiency: float
    objective_kept: float

    @property
    def profitable_steps(self) -> float:
        """Share of the tests that did not lose."""
        return float(np.mean([step.test["total_return"] > 0.0 for step in self.steps]))

    def choices(self) -> dict[str, dict[float, int]]:
        """How often each value of each parameter was chosen."""
        names = dict.fromkeys(name for step in self.steps for name in step.parameters)
        counted: dict[str, dict[float, int]] = {name: {} for name in names}
        for step in self.steps:
            for name, value in step.parameters.items():
                counted[name][value] = counted[name].get(value, 0) + 1
        return {name: dict(sorted(values.items())) for name, values in counted.items()}


def folds(sessions: int, train: int, test: int, anchored: bool = False) -> tuple[Fold, ...]:
    """Steps over `sessions`: the first test follows the first `train` sessions, each later one the test before it.

    Anchored training begins at session 0 and grows; rolling training keeps its length.  Every session after the first
    training is in one test: a rest of at least half a test is a step of its own, a shorter one joins the last.
    Errors: `InvalidValueError` when not even one test fits.

    >>> [(f.train.start, f.train.stop, f.test.stop) for f in folds(100, 40, 25)]
    [(0, 40, 65), (25, 65, 100)]
    """
    if train < 1 or test < 1 or train + test > sessions:
        raise InvalidValueError(
            f"{sessions} sessions do not hold {train} to train and {test} to test",
            hint="take a longer period or smaller --train and --test (both count sessions)",
        )
    starts = list(range(train, sessions - test + 1, test))
    rest = sessions - (starts[-1] + test)
    if rest >= test / 2 and rest > 0:
        starts.append(starts[-1] + test)
    stops = [*starts[1:], sessions]
    return tuple(
        Fold(Window(0 if anchored else start - train, start), Window(start, stop))
        for start, stop in zip(starts, stops, strict=True)
    )


def walk_forward(
    strategy: SignalStrategy,
    given: BacktestInput,
    grid: Mapping[str, Sequence[float]],
    *,
    train: int,
    test: int,
    anchored: bool = False,
    objective: str = "sharpe",
    fixed: Mapping[str, float] | None = None,
    rules: TradingRules | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WalkForward:
    """Choose on `train` sessions by `objective`, trade the next `test` sessions, and so on to the end.

    Errors: `InvalidValueError` for an unknown objective, a grid or windows that do not fit.
    """
    if objective not in SCORES:
        raise InvalidValueError(f"no score {objective!r}", hint=f"there are: {', '.join(SCORES)}")
    market = market_of(strategy, given)
    values, each_rules, points, _ = combinations(strategy, grid, fixed or {}, rules or strategy.rules)
    planned = folds(len(market.timeline.ends), train, test, anchored)
    before = warm_up_bars(strategy, values)
    opening = equity = each_rules[0].cash
    steps: list[Step] = []
    outcomes: list[tuple[Place, Outcome | None, float]] = []
    for done, fold in enumerate(planned):
        trained = sweep_window(
            strategy, place(market, fold.train, before), values, each_rules, points, given.sessions_per_year, workers
        )  # fmt: skip
        best = trained.order(objective)[0]
        where = place(market, fold.test, before)
        traded = not isnan(float(trained.scores[objective][best])) and equity > 0.0
        outcome = None
        if traded:
            outcome = run_window(strategy, where, values[best], replace(each_rules[best], cash=equity))
        steps.append(
            _step(fold, where, outcome, points[best], trained.row(best), equity, given.sessions_per_year)
        )
        outcomes.append((where, outcome, equity))
        equity = equity if outcome is None else float(outcome.curve[-1])
        if progress is not None:
            progress(done + 1, len(planned))
    return _stitched(strategy.name, objective, anchored, len(values), given, tuple(steps), outcomes, opening)


def _step(
    fold: Fold,
    where: Place,
    outcome: Outcome | None,
    point: Mapping[str, float],
    trained: Mapping[str, float],
    equity: float,
    sessions_per_year: float,
) -> Step:
    last = where.first + where.bars - 1
    train = {name: trained[name] for name in SCORES}
    if outcome is None:
        flat = dict.fromkeys(SCORES, nan) | {
            "total_return": 0.0,
            "cagr": 0.0,
            "final_equity": equity,
            "trades": 0.0,
        }
        return Step(fold, where.first, last, {}, train, flat)
    scores = scores_inside(outcome.accounts, np.array([equity]), where, sessions_per_year)
    return Step(
        fold,
        where.first,
        last,
        dict(point),
        train,
        {name: float(values[0]) for name, values in scores.items()},
    )


def _stitched(
    name: str,
    objective: str,
    anchored: bool,
    tried: int,
    given: BacktestInput,
    steps: tuple[Step, ...],
    outcomes: list[tuple[Place, Outcome | None, float]],
    opening: float,
) -> WalkForward:
    """One account out of the tests' accounts."""
    curves, ends, trades, total = [], [], [np.empty(0, TRADE)], np.zeros(1, ACCOUNT)
    begin = outcomes[0][0].first
    for where, outcome, equity in outcomes:
        offset = where.first - begin
        curves.append(np.full(where.bars, equity) if outcome is None else outcome.curve)
        ends.append(where.market.timeline.ends[where.lead_sessions :] - where.lead + offset)
        if outcome is None:
            continue
        moved = outcome.trades.copy()
        moved["entry_index"] += offset
        moved["exit_index"] += offset
        trades.append(moved)
        for field in ("turnover", "costs", "fills", "refused"):
            total[field] += outcome.accounts[field]
    curve, all_ends, all_trades = np.concatenate(curves), np.concatenate(ends), np.concatenate(trades)
    metrics = metrics_of(
        curve, all_ends, all_trades, total, opening,
        sessions_per_year=given.sessions_per_year, risk_free_rate=given.risk_free_rate,
    )  # fmt: skip
    [bars] = given.bars.values()
    return WalkForward(
        name, objective, anchored, tried, steps, bars.ts[begin : begin + len(curve)], curve, all_ends, all_trades,
        metrics,
        _kept(metrics.cagr, _mean(step.train["cagr"] for step in steps if step.parameters)),
        _kept(
            _mean(step.test[objective] for step in steps if step.parameters),
            _mean(step.train[objective] for step in steps if step.parameters),
        ),
    )  # fmt: skip


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else nan


def _kept(outside: float, inside: float) -> float:
    """What is left of a score out of sample; undefined where there was nothing to keep."""
    return outside / inside if inside > 0.0 else nan
