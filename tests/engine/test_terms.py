"""Instruments of one run with lots, ticks and charges of their own: as if each were alone."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.event_run import EventOutcome, run_events
from trademantra.engine.events import BarView, Context, EventStrategy
from trademantra.engine.rules import Slippage, TradingRules
from trademantra.engine.terms import Terms
from trademantra.engine.timeline import by_days
from trademantra.markets.charges.numeric import CHARGE_RULE
from trademantra.strategies.registry import load_strategy

DAY = 86_400_000_000_000
RULES = TradingRules(
    cash=1e9, as_live=True, lot=1.0, tick=0.05, allow_short=True, slippage=Slippage.parse("ticks:1")
)


class Flips(EventStrategy):
    name = title = idea = source = market = "flips"

    equity = 0.0

    def on_bar(self, context: Context, bar: BarView) -> None:
        self.equity = context.equity
        away = -1.0 if bar.index % 6 < 3 else 1.0
        if bar.index % 3 == 0:
            side = context.buy if away < 0.0 else context.sell
            limit = bar.close * (1.0 + 0.0013 * away) if bar.index % 2 else None
            side(bar.symbol, quantity=100.0, limit=limit, stop=bar.close * (1.0 + 0.0091 * away))


def walk(seed: int) -> Bars:
    steps = np.random.default_rng(seed).normal(0.0, 0.004, 60)
    close = np.round(500.0 * np.exp(np.cumsum(steps)) / 0.05) * 0.05
    opened = np.concatenate(([500.0], close[:-1]))
    ts = np.arange(60, dtype=np.int64) * DAY + 20_000 * DAY
    return Bars.of(
        ts, opened, np.maximum(opened, close) + 0.5, np.minimum(opened, close) - 0.5, close, np.full(60, 1e6)
    )


def charged(rate: float) -> np.ndarray:
    return np.array([(0, 0, rate, 0.0, 0.0, np.inf, 0.0, 0, 10**6)], CHARGE_RULE)


def run(
    bars: Mapping[str, Bars], rules: TradingRules, charges: np.ndarray | None, own: Mapping[str, Terms]
) -> tuple[EventOutcome, float]:
    """What came of it, and the equity that the strategy saw last."""
    strategy = Flips()
    outcome = run_events(
        strategy, bars, {name: by_days(one.ts) for name, one in bars.items()}, rules, charges, own=own
    )
    return outcome, strategy.equity


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 1000),
    st.sampled_from([0.05, 0.1, 1.0]),
    st.sampled_from([1.0, 30.0, 75.0]),
    st.sampled_from([1.0, 10.0]),
)
def test_each_trades_as_if_it_were_alone(seed: int, tick: float, lot: float, multiplier: float) -> None:
    bars = {"A": walk(seed), "B": walk(seed + 1)}
    own = Terms(lot=lot, tick=tick, multiplier=multiplier, charges=charged(0.001))
    both, seen = run(bars, RULES, charged(0.0003), {"B": own})
    alone = (
        run({"A": bars["A"]}, RULES, charged(0.0003), {}),
        run({"B": bars["B"]}, own.of(RULES), own.charges, {}),
    )
    names = [
        "side",
        "entry_index",
        "exit_index",
        "quantity",
        "entry_price",
        "exit_price",
        "gross",
        "costs",
        "net",
    ]
    for place, (one, _) in enumerate(alone):
        mine = both.trades[both.trades["instrument"] == place]
        assert len(mine) == len(one.trades) > 3
        for name in names:
            np.testing.assert_array_equal(mine[name], one.trades[name])
    assert set(alone[1][0].trades["quantity"].tolist()) == {float(100 // lot * lot)}
    gained = sum(each.curve[-1] - RULES.cash for each, _ in alone)
    assert seen - RULES.cash == pytest.approx(gained, rel=1e-9, abs=1e-3)
    assert both.curve[-1] - RULES.cash == pytest.approx(gained, rel=1e-9, abs=1e-3)


def test_what_is_decided_by_a_kernel_has_one_table() -> None:
    bars = {"A": walk(1)}
    given_ = BacktestInput(bars, {"A": by_days(bars["A"].ts)}, own={"A": Terms(lot=1.0, tick=0.05)})
    with pytest.raises(InvalidValueError, match="A would need others"):
        backtest(load_strategy("sma_cross"), given_)
