"""No strategy of the library is refused by the trial that a user's file goes through."""

import pytest

from trademantra.engine.dry_run import try_signals, try_weights
from trademantra.engine.panel import AllocationStrategy
from trademantra.engine.strategy import SignalStrategy
from trademantra.strategies.registry import load_strategy, strategy_names

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")


@pytest.mark.parametrize("name", strategy_names())
def test_the_library_passes(name: str) -> None:
    strategy = load_strategy(name)
    if isinstance(strategy, SignalStrategy):
        try_signals(strategy)
    elif isinstance(strategy, AllocationStrategy):
        try_weights(strategy)
