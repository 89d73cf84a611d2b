"""The Python API: what a notebook or a script needs, on one page.

>>> from trademantra import Bars, backtest
>>> closes = [100.0 + day % 40 for day in range(400)]
>>> bars = Bars.of([86_400_000_000_000 * day for day in range(400)], closes, closes, closes, closes, [1e6] * 400)
>>> result = backtest("sma_cross", bars, fast=5, slow=20, costs="flat:0.001")
>>> result.metrics.trades
8
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import parse_date, parse_zone
from trademantra.data.home import data_home
from trademantra.data.store import BarStore
from trademantra.engine.backtest import BacktestInput, BacktestResult, Strategy, is_intraday
from trademantra.engine.backtest import backtest as run_backtest
from trademantra.engine.bars import Bars
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.sweep import SweepResult
from trademantra.engine.sweep import sweep as run_sweep
from trademantra.engine.timeline import by_days
from trademantra.research.inputs import RunSpec, charges_for, prepare_run
from trademantra.strategies.registry import load_strategy, load_strategy_file

Source: TypeAlias = str | Path | Bars | Mapping[str, Bars]


def backtest(
    strategy: str | Path | Strategy,
    bars: Source,
    *,
    costs: str = "none",
    rules: TradingRules | None = None,
    symbols: Sequence[str] = (),
    timeframe: str | None = None,
    first: str | None = None,
    last: str | None = None,
    exchange: str | None = None,
    timezone: str | None = None,
    data_dir: Path | None = None,
    **parameters: float,
) -> BacktestResult:
    """Run a strategy (its name, your file, or the object) on stored bars, a file, or arrays.

    `costs`: `none`, `flat:0.001`, or `BROKER:PRODUCT` such as `zerodha:CNC`.  `first`, `last`: days, inclusive.
    Keyword arguments that are left are parameters of the strategy.  `rules` replace the strategy's own.
    Bars given as arrays are taken by UTC days, and fractions of a unit trade.
    Errors: `TradeMantraError`s that name what is wrong and what to do.
    """
    chosen = strategy_of(strategy)
    given, own = _given(
        chosen,
        bars,
        rules,
        RunWords(costs, tuple(symbols), timeframe, first, last, exchange, timezone, data_dir),
    )
    return run_backtest(chosen, given, parameters, own)


def sweep(
    strategy: str | Path | Strategy,
    bars: Source,
    grid: Mapping[str, Sequence[float]],
    *,
    costs: str = "none",
    rules: TradingRules | None = None,
    symbols: Sequence[str] = (),
    timeframe: str | None = None,
    first: str | None = None,
    last: str | None = None,
    exchange: str | None = None,
    timezone: str | None = None,
    data_dir: Path | None = None,
    **parameters: float,
) -> SweepResult:
    """Run a signal strategy under every combination of `grid`; other arguments as in `backtest`."""
    chosen = strategy_of(strategy)
    if not isinstance(chosen, SignalStrategy):
        raise InvalidValueError(f"a sweep runs signal strategies, {chosen.name} is of another kind")
    given, own = _given(
        chosen,
        bars,
        rules,
        RunWords(costs, tuple(symbols), timeframe, first, last, exchange, timezone, data_dir),
    )
    return run_sweep(chosen, given, grid, parameters, own)


@dataclass(frozen=True, slots=True)
class RunWords:
    """The keyword arguments that say what to run on, as they were given."""

    costs: str
    symbols: tuple[str, ...]
    timeframe: str | None
    first: str | None
    last: str | None
    exchange: str | None
    timezone: str | None
    data_dir: Path | None


def strategy_of(strategy: str | Path | Strategy) -> Strategy:
    """The strategy of that name, of that file, or the object itself."""
    if isinstance(strategy, Path) or (isinstance(strategy, str) and strategy.endswith(".py")):
        return load_strategy_file(Path(strategy))
    return load_strategy(strategy) if isinstance(strategy, str) else strategy


def _given(
    strategy: Strategy, bars: Source, rules: TradingRules | None, words: RunWords
) -> tuple[BacktestInput, TradingRules]:
    own = rules or strategy.rules
    if isinstance(bars, str | Path):
        spec = RunSpec(
            sources=(str(bars),),
            symbols=words.symbols,
            timeframe=Timeframe.parse(words.timeframe) if words.timeframe else None,
            first=parse_date(words.first) if words.first else None,
            last=parse_date(words.last) if words.last else None,
            costs=words.costs,
            exchange=words.exchange,
            timezone=parse_zone(words.timezone) if words.timezone else None,
            intraday=is_intraday(strategy),
        )
        prepared = prepare_run(spec, BarStore((words.data_dir or data_home()) / "bars"))
        return prepared.given, prepared.rules(own)
    arrays = {"bars": bars} if isinstance(bars, Bars) else dict(bars)
    for one in arrays.values():
        one.check()
    timelines = {name: by_days(one.ts) for name, one in arrays.items()}
    if is_intraday(strategy):
        timelines = {name: line.with_square_off(int(line.minute.max())) for name, line in timelines.items()}
    charges = charges_for(words.costs, words.exchange or "NSE", arrays)
    return BacktestInput(arrays, timelines, charges), own
