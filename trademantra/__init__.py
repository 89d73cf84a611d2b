"""Trade Mantra: write a strategy once; back-test, sweep, paper-trade and run it live.

    from trademantra import backtest
    backtest("sma_cross", "AAPL", costs="flat:0.001").metrics.sharpe

The names below are the public Python API; they are loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trademantra.core.errors import TradeMantraError as TradeMantraError
    from trademantra.engine.backtest import Strategy as Strategy
    from trademantra.engine.bars import Bars as Bars
    from trademantra.engine.events import EventStrategy as EventStrategy
    from trademantra.engine.panel import AllocationStrategy as AllocationStrategy
    from trademantra.engine.parameters import Parameter as Parameter
    from trademantra.engine.rules import Level as Level
    from trademantra.engine.rules import Size as Size
    from trademantra.engine.rules import Slippage as Slippage
    from trademantra.engine.rules import TradingRules as TradingRules
    from trademantra.engine.strategy import Column as Column
    from trademantra.engine.strategy import SignalStrategy as SignalStrategy
    from trademantra.python.results import Backtest as Backtest
    from trademantra.python.results import Sweep as Sweep
    from trademantra.python.runs import backtest as backtest
    from trademantra.python.runs import check as check
    from trademantra.python.runs import sweep as sweep
    from trademantra.python.runs import walk_forward as walk_forward
    from trademantra.python.sample import sample_data as sample_data
    from trademantra.python.validation import Check as Check
    from trademantra.python.validation import WalkForwardRun as WalkForwardRun
    from trademantra.strategies.registry import load_strategy as load_strategy
    from trademantra.strategies.registry import strategy_names as strategy_names

__version__ = "0.1.0"

_HOMES = {
    "AllocationStrategy": "engine.panel",
    "Backtest": "python.results",
    "Bars": "engine.bars",
    "Check": "python.validation",
    "Column": "engine.strategy",
    "EventStrategy": "engine.events",
    "Level": "engine.rules",
    "Parameter": "engine.parameters",
    "SignalStrategy": "engine.strategy",
    "Size": "engine.rules",
    "Slippage": "engine.rules",
    "Strategy": "engine.backtest",
    "Sweep": "python.results",
    "TradeMantraError": "core.errors",
    "TradingRules": "engine.rules",
    "WalkForwardRun": "python.validation",
    "backtest": "python.runs",
    "check": "python.runs",
    "load_strategy": "strategies.registry",
    "sample_data": "python.sample",
    "strategy_names": "strategies.registry",
    "sweep": "python.runs",
    "walk_forward": "python.runs",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
