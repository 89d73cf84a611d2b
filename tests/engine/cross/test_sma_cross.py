"""SMA crosses: the same trades as vectorbt and backtesting.py, which compute averages and crossings themselves."""

from types import ModuleType

import pytest

from tests.engine.cross import with_backtesting, with_vectorbt
from tests.engine.cross.prices import MARKETS, Market
from tests.engine.cross.trade_list import assert_identical, ours
from tests.engine.cross.warnings_of_peers import THEIR_WARNINGS
from trademantra.engine.backtest import backtest
from trademantra.engine.rules import Size, TradingRules
from trademantra.strategies.sma_cross import STRATEGY

pytestmark = THEIR_WARNINGS
PAIRS = ((5, 20, 50), (10, 30, 30), (20, 100, 8))  # fast, slow, fewest trades that mean something
TEN = Size.parse("quantity:10")


@pytest.mark.parametrize("market", MARKETS, ids=str)
@pytest.mark.parametrize(("fast", "slow", "least"), PAIRS)
@pytest.mark.parametrize("fee", [0.0, 0.001])
@pytest.mark.parametrize("short", [False, True], ids=["long", "both"])
def test_vectorbt_fixed_quantity(
    vectorbt: ModuleType, market: Market, fast: int, slow: int, least: int, fee: float, short: bool
) -> None:
    rules = TradingRules(cash=1e9, size=TEN, allow_short=short)
    mine = backtest(STRATEGY, market.given(fee), {"fast": fast, "slow": slow}, rules)
    up, down = with_vectorbt.crosses(vectorbt, market.bars(), fast, slow)
    signals = {"entries": up, "short_entries": down} if short else {"entries": up, "exits": down}
    theirs = with_vectorbt.run(vectorbt, market.bars(), signals, fee=fee, quantity=10.0)
    assert_identical(ours(mine), theirs, at_least=least)


@pytest.mark.parametrize("market", MARKETS, ids=str)
@pytest.mark.parametrize("fee", [0.0, 0.001])
def test_vectorbt_all_cash(vectorbt: ModuleType, market: Market, fee: float) -> None:
    """Fractions of a unit; what one trade leaves buys the next."""
    rules = TradingRules(cash=50_000.0)
    mine = backtest(STRATEGY, market.given(fee), {"fast": 10, "slow": 30}, rules)
    up, down = with_vectorbt.crosses(vectorbt, market.bars(), 10, 30)
    signals = {"entries": up, "exits": down}
    theirs = with_vectorbt.run(vectorbt, market.bars(), signals, fee=fee, cash=50_000.0)
    assert_identical(ours(mine), theirs, at_least=30)


@pytest.mark.parametrize("market", MARKETS, ids=str)
@pytest.mark.parametrize(("fast", "slow", "least"), PAIRS)
@pytest.mark.parametrize("fee", [0.0, 0.001])
@pytest.mark.parametrize("short", [False, True], ids=["long", "both"])
def test_backtesting_fixed_quantity(
    backtesting: ModuleType, market: Market, fast: int, slow: int, least: int, fee: float, short: bool
) -> None:
    rules = TradingRules(cash=1e9, size=TEN, allow_short=short)
    mine = backtest(STRATEGY, market.given(fee), {"fast": fast, "slow": slow}, rules)
    theirs = with_backtesting.run(
        backtesting, market.bars(), with_backtesting.cross_strategy(backtesting),
        fee=fee, fast=fast, slow=slow, both_sides=int(short),
    )  # fmt: skip
    assert_identical(ours(mine), theirs, at_least=least)


@pytest.mark.parametrize("market", MARKETS, ids=str)
@pytest.mark.parametrize("short", [False, True], ids=["long", "both"])
def test_backtesting_all_cash_in_whole_units(backtesting: ModuleType, market: Market, short: bool) -> None:
    rules = TradingRules(cash=50_000.0, lot=1.0, allow_short=short)
    mine = backtest(STRATEGY, market.given(0.001), {"fast": 10, "slow": 30}, rules)
    theirs = with_backtesting.run(
        backtesting, market.bars(), with_backtesting.cross_strategy(backtesting),
        fee=0.001, cash=50_000.0, fast=10, slow=30, both_sides=int(short), size=with_backtesting.ALL,
    )  # fmt: skip
    assert_identical(ours(mine), theirs, at_least=30)
