"""Stops, targets and trailing stops: the same trades as vectorbt and backtesting.py under matching fill rules.

Two things cannot be matched by a setting, and touch only the price of an exit, never its bar:

- When a bar opens beyond the target and later falls through the stop, we take the better open that came first; both
  peers look at the stop first (`holds_both`).
- When an exit by signal is due at a bar's open, it comes before anything inside that bar; vectorbt looks at its levels
  first (`level_after_signal`).

The distances have four decimals, so that no level lies on the grid of prices: whether a level that is met to the tick
counts as touched would be decided by the last bit of three different formulas.  Touches are tested by hand in
tests/engine/test_fill_rules.py.
"""

from types import ModuleType

import numpy as np
import pytest

from tests.engine.cross import with_backtesting, with_vectorbt
from tests.engine.cross.bracket import BRACKET
from tests.engine.cross.prices import MARKETS, Market
from tests.engine.cross.trade_list import BoolArray, TradeList, assert_identical, ours
from tests.engine.cross.warnings_of_peers import THEIR_WARNINGS
from trademantra.engine.backtest import BacktestResult, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.records import LevelKind, Reason
from trademantra.engine.rules import FillAt, Level, Size, TradingRules
from trademantra.strategies.sma_cross import STRATEGY

pytestmark = THEIR_WARNINGS
FAST, SLOW = 5, 20
FEE = 0.0002
STOP, TARGET, TRAIL = 2.0137, 4.0173, 3.0111
FIXED = pytest.mark.parametrize(
    "kinds", [("stop",), ("target",), ("stop", "target")], ids=["stop", "target", "both"]
)
EVERYWHERE = pytest.mark.parametrize("market", MARKETS, ids=str)
SIDES = pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])


def distances(market: Market, kinds: tuple[str, ...]) -> dict[str, float]:
    percent = {"stop": STOP, "target": TARGET, "trail": TRAIL}
    return {kind: percent[kind] * market.reach for kind in kinds}


def rules(levels: dict[str, float], **more: object) -> TradingRules:
    percents = {kind: Level(LevelKind.PERCENT, value) for kind, value in levels.items()}
    # both peers count a touch as enough and start protection on the bar after the entry (but see `bracket`)
    settled = {"cash": 1e9, "size": Size.parse("quantity:10"), "limit_touch": True, "entry_bar": False}
    return TradingRules(**(settled | percents | more))


def holds_both(bars: Bars, trades: TradeList, levels: dict[str, float], first_seen: int = 0) -> BoolArray:
    """The exit bar, a later one than the entry bar, opens beyond the target and reaches a stop.

    `first_seen`: bars from the entry bar to the first one whose best price a trailing stop has seen.
    """
    if "target" not in levels or len(levels) < 2:
        return np.full(len(trades), False)
    both = []
    for entry, leave, side, price in zip(
        trades.entry, trades.exit, trades.side, trades.entry_price, strict=True
    ):
        best, worst = (bars.high, bars.low) if side > 0 else (bars.low, bars.high)
        peak = max([side * price, *(side * best[entry + first_seen : leave])])
        stops = [side * price * (1 - side * levels["stop"] / 100)] if "stop" in levels else []
        stops += [peak - abs(peak) * levels["trail"] / 100] if "trail" in levels else []
        target = price * (1 + side * levels["target"] / 100)
        both.append(
            leave > entry and side * (bars.open[leave] - target) >= 0 and side * worst[leave] <= max(stops)
        )
    return np.array(both)


def level_after_signal(bars: Bars, result: BacktestResult, levels: dict[str, float]) -> BoolArray:
    """An exit by signal filled at the open of a bar that reaches a level later on."""
    trades = ours(result)
    at, side = trades.exit, trades.side
    reached = np.full(len(trades), False)
    for kind, towards in (("stop", -1), ("target", 1)):
        if kind in levels:
            level = trades.entry_price * (1 + towards * side * levels[kind] / 100)
            extreme = np.where(towards * side > 0, bars.high[at], bars.low[at])
            reached |= towards * side * (extreme - level) >= 0
    return reached & (result.trades["reason"] == Reason.SIGNAL)


def assert_levels_were_met(result: BacktestResult, *reasons: Reason) -> None:
    for reason in reasons:
        assert (result.trades["reason"] == reason).sum() >= 8, reason


def met(kinds: tuple[str, ...]) -> list[Reason]:
    return [Reason[kind.upper()] for kind in kinds]


@EVERYWHERE
@FIXED
@SIDES
def test_vectorbt_next_open(vectorbt: ModuleType, market: Market, kinds: tuple[str, ...], side: int) -> None:
    """One side at a time: vectorbt hears one signal a bar, so a reversal on the bar of a stop would lose its entry."""
    levels, bars = distances(market, kinds), market.bars()
    own = rules(levels, allow_long=side > 0, allow_short=side < 0)
    mine = backtest(STRATEGY, market.given(FEE), {"fast": FAST, "slow": SLOW}, own)
    theirs = with_vectorbt.run(
        vectorbt, bars, one_sided(vectorbt, bars, side), fee=FEE, quantity=10.0, **fractions(levels)
    )
    assert_levels_were_met(mine, *met(kinds))
    other = holds_both(bars, ours(mine), levels) | level_after_signal(bars, mine, levels)
    assert_identical(ours(mine), theirs, at_least=40, other_exit_price=other)


@EVERYWHERE
@pytest.mark.parametrize(
    "kinds", [("stop", "target"), ("trail",), ("trail", "target")], ids=["fixed", "trail", "trail and target"]
)
@SIDES
def test_vectorbt_at_the_close(
    vectorbt: ModuleType, market: Market, kinds: tuple[str, ...], side: int
) -> None:
    """An entry at the close makes the trailing stops equal: neither has seen a high of the entry bar.

    (Entered at the open, vectorbt's trail leaves out the rest of that bar and ours does not.)
    """
    levels, bars = distances(market, kinds), market.bars()
    own = rules(levels, fill_at=FillAt.CLOSE, allow_long=side > 0, allow_short=side < 0)
    mine = backtest(STRATEGY, market.given(FEE), {"fast": FAST, "slow": SLOW}, own)
    theirs = with_vectorbt.run(
        vectorbt, bars, one_sided(vectorbt, bars, side), fee=FEE, quantity=10.0, at_close=True, **fractions(levels)
    )  # fmt: skip
    assert_levels_were_met(mine, *met(kinds))
    assert_identical(
        ours(mine), theirs, at_least=40, other_exit_price=holds_both(bars, ours(mine), levels, first_seen=1)
    )


def one_sided(vectorbt: ModuleType, bars: Bars, side: int) -> dict[str, np.ndarray]:
    up, down = with_vectorbt.crosses(vectorbt, bars, FAST, SLOW)
    if side > 0:
        return {"entries": up, "exits": down}
    nothing = np.full(len(bars), False)
    return {"entries": nothing, "exits": nothing, "short_entries": down, "short_exits": up}


def fractions(levels: dict[str, float]) -> dict[str, object]:
    stop = levels.get("stop", levels.get("trail", np.nan))
    return {
        "sl_stop": stop / 100,
        "tp_stop": levels.get("target", np.nan) / 100,
        "sl_trail": "trail" in levels,
    }


@EVERYWHERE
@pytest.mark.parametrize(
    "kinds",
    [("stop",), ("target",), ("stop", "target"), ("trail",), ("stop", "target", "trail")],
    ids=["stop", "target", "both", "trail", "all"],
)
def test_backtesting_levels_from_the_entry_price(
    backtesting: ModuleType, market: Market, kinds: tuple[str, ...]
) -> None:
    """Both sides with reversals.  Its users can set levels from the fill at the close of the entry bar at the soonest.

    Its trailing stop is one that its user moves at each close, from the best price since the entry.
    """
    levels, bars = distances(market, kinds), market.bars()
    own = rules(levels, allow_short=True)
    mine = backtest(STRATEGY, market.given(FEE), {"fast": FAST, "slow": SLOW}, own)
    theirs = with_backtesting.run(
        backtesting, bars, with_backtesting.cross_strategy(backtesting),
        fee=FEE, fast=FAST, slow=SLOW, both_sides=1, **levels,
    )  # fmt: skip
    assert_levels_were_met(mine, *met(kinds[-1:]))
    assert_identical(ours(mine), theirs, at_least=40, other_exit_price=holds_both(bars, ours(mine), levels))


@EVERYWHERE
def test_backtesting_brackets(backtesting: ModuleType, market: Market) -> None:
    """Levels in prices, handed in with the order: they guard the entry bar too, in both engines."""
    levels, bars = distances(market, ("stop", "target")), market.bars()
    own = rules({}, allow_short=True, entry_bar=True)
    mine = backtest(BRACKET, market.given(FEE), {"fast": FAST, "slow": SLOW, **levels}, own)
    theirs = with_backtesting.run(
        backtesting, bars, with_backtesting.cross_strategy(backtesting),
        fee=FEE, fast=FAST, slow=SLOW, both_sides=1,
        bracket_stop=levels["stop"], bracket_target=levels["target"],
    )  # fmt: skip
    assert_levels_were_met(mine, Reason.STOP, Reason.TARGET)
    trades = ours(mine)
    assert (trades.entry == trades.exit).sum() >= 1
    decided = trades.entry_price / bars.close[trades.entry - 1]  # levels hang on the close before the entry
    near = TradeList(
        trades.entry, trades.exit, trades.side, trades.entry_price / decided, trades.exit_price,
        trades.quantity, trades.net,
    )  # fmt: skip
    assert_identical(trades, theirs, at_least=40, other_exit_price=holds_both(bars, near, levels))
