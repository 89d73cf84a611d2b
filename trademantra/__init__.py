"""Trade Mantra: write a strategy once; back-test, sweep, paper-trade and run it live.

    from trademantra import backtest
    backtest("sma_cross", "AAPL", costs="flat:0.001").metrics.sharpe

The names below are the public Python API; they are loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trademantra.core.errors import TradeMantraError as TradeMantraError
    from trademantra.engine.backtest import BacktestResult as BacktestResult
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
    from trademantra.engine.sweep import SweepResult as SweepResult
    from trademantra.research.python import backtest as backtest
    from trademantra.research.python import sweep as sweep

__version__ = "0.1.0"

_HOMES = {
    "AllocationStrategy": "engine.panel",
    "BacktestResult": "engine.backtest",
    "Bars": "engine.bars",
    "Column": "engine.strategy",
    "EventStrategy": "engine.events",
    "Level": "engine.rules",
    "Parameter": "engine.parameters",
    "SignalStrategy": "engine.strategy",
    "Size": "engine.rules",
    "Slippage": "engine.rules",
    "SweepResult": "engine.sweep",
    "TradeMantraError": "core.errors",
    "TradingRules": "engine.rules",
    "backtest": "research.python",
    "sweep": "research.python",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
