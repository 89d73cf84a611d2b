"""The functions of the Python API: `backtest`, `sweep`, `walk_forward`, `check`.

>>> from trademantra import Bars, backtest
>>> closes = [100.0 + day % 40 for day in range(400)]
>>> bars = Bars.of([86_400_000_000_000 * day for day in range(400)], closes, closes, closes, closes, [1e6] * 400)
>>> result = backtest("sma_cross", bars, fast=5, slow=20, costs="flat:0.001")
>>> result.metrics.trades
8
"""

from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import TypeAlias

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import Strategy
from trademantra.engine.backtest import backtest as run_backtest
from trademantra.engine.sweep import sweep as run_sweep
from trademantra.engine.validation.causality import CUTS, Verdict, check_strategy
from trademantra.engine.validation.luck import luck_of
from trademantra.engine.validation.session_returns import session_matrix
from trademantra.engine.validation.stability import parameter_stability
from trademantra.engine.validation.synthetic import synthetic_input
from trademantra.engine.validation.walk_forward import walk_forward as run_walk_forward
from trademantra.python.inputs import BarSource, DataWords, Day, Rules, StrategySource, job, strategy_of
from trademantra.python.results import Backtest, Sweep
from trademantra.python.validation import Check, WalkForwardRun

Parameters: TypeAlias = Mapping[str, float]
Grid: TypeAlias = Mapping[str, Sequence[float]]
_JUDGED_UNASKED = 100_000_000  # bars x combinations that are run once more to judge their luck: seconds


def backtest(
    strategy: StrategySource,
    bars: BarSource,
    *,
    parameters: Parameters | None = None,
    rules: Rules | None = None,
    costs: str = "none",
    symbols: Sequence[str] = (),
    timeframe: str | None = None,
    first: Day | None = None,
    last: Day | None = None,
    segment: str = "equity",
    benchmark: str | None = None,
    exchange: str | None = None,
    timezone: str | None = None,
    adjusted: bool | None = None,
    intraday: bool = False,
    risk_free: float = 0.0,
    data_dir: Path | None = None,
    finer: BarSource | None = None,
    finer_timeframe: str | None = None,
    **more: float,
) -> Backtest:
    """Run a strategy (its name, your file, or the object) on stored bars, files, or arrays.

    `parameters` of the strategy may be written as keywords too: `fast=10`.  `rules` are words of the commands that
    change the strategy's own rules, `{"cash": 500_000, "stop": "2%"}`, or `TradingRules` that replace them.
    `costs`: `none`, `flat:0.001`, or `BROKER:PRODUCT` such as `zerodha:CNC`.  `first`, `last`: days, inclusive.
    Bars given as arrays are taken by UTC days, and fractions of a unit trade.
    `finer`: shorter bars of the same instruments, in the same form as `bars`, that decide what happens inside a bar
    (docs/engine.md); `finer_timeframe="1m"` alone takes the run's own stored series.
    Errors: `TradeMantraError`s that name what is wrong and what to do.
    """
    words = DataWords(
        symbols=symbols, timeframe=timeframe, first=first, last=last, costs=costs, segment=segment,
        benchmark=benchmark, exchange=exchange, timezone=timezone, adjusted=adjusted, intraday=intraday,
        risk_free=risk_free, data_dir=data_dir, finer=finer, finer_timeframe=finer_timeframe,
    )  # fmt: skip
    chosen = strategy_of(strategy)
    values = _together(chosen, parameters, more)
    made = job(chosen, bars, rules, words)
    return Backtest(run_backtest(chosen, made.given, values, made.rules), made.context, made.segment)


def sweep(
    strategy: StrategySource,
    bars: BarSource,
    grid: Grid,
    *,
    objective: str = "sharpe",
    overfitting: bool | None = None,
    parameters: Parameters | None = None,
    rules: Rules | None = None,
    costs: str = "none",
    symbols: Sequence[str] = (),
    timeframe: str | None = None,
    first: Day | None = None,
    last: Day | None = None,
    segment: str = "equity",
    exchange: str | None = None,
    timezone: str | None = None,
    adjusted: bool | None = None,
    intraday: bool = False,
    risk_free: float = 0.0,
    data_dir: Path | None = None,
    **more: float,
) -> Sweep:
    """Run a signal strategy under every combination of `grid`, `{"fast": range(5, 55, 5)}`; the rest as in `backtest`.

    `overfitting` judges how much of the best is luck; None: where that takes no longer than a few seconds.
    """
    words = DataWords(
        symbols=symbols, timeframe=timeframe, first=first, last=last, costs=costs, segment=segment,
        exchange=exchange, timezone=timezone, adjusted=adjusted, intraday=intraday, risk_free=risk_free,
        data_dir=data_dir,
    )  # fmt: skip
    chosen = strategy_of(strategy)
    fixed = _together(chosen, parameters, more)
    made = job(chosen, bars, rules, words)
    result = run_sweep(made.signal, made.given, grid, fixed, made.rules)
    result.order(objective)  # an unknown name is refused here, not when the result is looked at
    work = len(result) * max(len(one) for one in made.given.bars.values())
    luck = None
    if len(result) > 1 and (work <= _JUDGED_UNASKED if overfitting is None else overfitting):
        luck = luck_of(session_matrix(made.signal, made.given, grid, fixed, made.rules))
    return Sweep(result, made.context, objective, luck)


def walk_forward(
    strategy: StrategySource,
    bars: BarSource,
    grid: Grid,
    *,
    train: int | None = None,
    test: int | None = None,
    anchored: bool = False,
    objective: str = "sharpe",
    parameters: Parameters | None = None,
    rules: Rules | None = None,
    costs: str = "none",
    symbols: Sequence[str] = (),
    timeframe: str | None = None,
    first: Day | None = None,
    last: Day | None = None,
    segment: str = "equity",
    exchange: str | None = None,
    timezone: str | None = None,
    adjusted: bool | None = None,
    intraday: bool = False,
    risk_free: float = 0.0,
    data_dir: Path | None = None,
    **more: float,
) -> WalkForwardRun:
    """Choose on `train` sessions, trade the next `test` sessions with the choice, and so on; the rest as in `sweep`.

    By default training has two fifths of the sessions and the tests share the rest in six steps.
    """
    words = DataWords(
        symbols=symbols, timeframe=timeframe, first=first, last=last, costs=costs, segment=segment,
        exchange=exchange, timezone=timezone, adjusted=adjusted, intraday=intraday, risk_free=risk_free,
        data_dir=data_dir,
    )  # fmt: skip
    chosen = strategy_of(strategy)
    fixed = _together(chosen, parameters, more)
    made = job(chosen, bars, rules, words)
    sessions = max(len(line.ends) for line in made.given.timelines.values())
    train = train or max(1, int(0.4 * sessions))
    result = run_walk_forward(
        made.signal, made.given, grid, train=train, test=test or max(1, (sessions - train) // 6), anchored=anchored,
        objective=objective, fixed=fixed, rules=made.rules,
    )  # fmt: skip
    return WalkForwardRun(result, made.context)


def check(
    strategy: StrategySource,
    bars: BarSource | None = None,
    *,
    cuts: int = CUTS,
    seed: int = 7,
    objective: str = "sharpe",
    parameters: Parameters | None = None,
    rules: Rules | None = None,
    costs: str = "none",
    timeframe: str | None = None,
    data_dir: Path | None = None,
    **more: float,
) -> Check:
    """Prove that a strategy does not look ahead and that its warm-up is what it says; show how stable it is.

    Without `bars` it runs on invented ones, which prove the rule but not its worth.
    """
    chosen = strategy_of(strategy)
    values = _together(chosen, parameters, more)
    bars_stream, cuts_stream = (np.random.default_rng(each) for each in np.random.SeedSequence(seed).spawn(2))
    if bars is None:
        given, own = synthetic_input(chosen, bars_stream), chosen.rules
    else:
        made = job(chosen, bars, rules, DataWords(costs=costs, timeframe=timeframe, data_dir=data_dir))
        given, own = made.given, made.rules
    findings = check_strategy(chosen, given, values, cuts_stream, cuts=cuts)
    stability = None
    if chosen.parameters and not any(each.verdict is Verdict.FAILED for each in findings):
        stability = parameter_stability(chosen, given, values, own, objective=objective)
    return Check(chosen.name, findings, stability)


def _together(strategy: Strategy, parameters: Parameters | None, more: Parameters) -> dict[str, float]:
    """Parameters as a mapping and as keywords.  Errors: `InvalidValueError` for one that is given twice or no number."""
    twice = sorted((parameters or {}).keys() & more.keys())
    if twice:
        raise InvalidValueError(f"strategy {strategy.name}: {', '.join(twice)} is given twice")
    values = {**(parameters or {}), **more}
    for name, value in values.items():
        if not isinstance(value, Real):
            raise InvalidValueError(
                f"strategy {strategy.name}: {name} = {value!r} is not a number",
                hint=f"it has: {', '.join(each.name for each in strategy.parameters)}",
            )
    return values
