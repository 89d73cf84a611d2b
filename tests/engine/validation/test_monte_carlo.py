"""Monte Carlo: what must stay stays, what is drawn is drawn as stated, and chance is told from skill."""

from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import backtest
from trademantra.engine.metrics import drawdown_of, longest_run
from trademantra.engine.records import TRADE
from trademantra.engine.sweep import sweep
from trademantra.engine.validation.monte_carlo import (
    bootstrap_sessions,
    default_block,
    jitter_parameters,
    shuffle_trades,
    stationary_indices,
    trade_returns,
)
from trademantra.engine.validation.random_entry import random_entry_test
from trademantra.engine.validation.synthetic import synthetic_input
from trademantra.strategies.gap_open import STRATEGY as GAP_OPEN
from trademantra.strategies.opening_range_breakout import STRATEGY as BREAKOUT
from trademantra.strategies.sma_cross import STRATEGY

RETURNS = np.random.default_rng(0).normal(0.002, 0.02, 60)


def generator(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


class TestShuffle:
    def test_drawdowns_are_those_of_orders_of_the_same_trades(self):
        """Two trades have two orders, so the whole distribution is known."""
        made = shuffle_trades(np.array([-0.2, 0.1, 0.1]), 6_000, generator())
        worst = {round(float(value), 6) for value in made.scores["max_drawdown"]}
        assert worst == {-0.2}
        made = shuffle_trades(np.array([-0.1, -0.1, 0.5]), 6_000, generator())
        together, apart = -0.19, -0.1
        assert {round(float(value), 6) for value in made.scores["max_drawdown"]} == {together, apart}
        assert np.mean(made.scores["max_drawdown"] < -0.15) == pytest.approx(2 / 3, abs=0.02)

    def test_the_run_itself_has_the_drawdown_of_its_own_order(self):
        made = shuffle_trades(RETURNS, 10, generator())
        worst, longest = drawdown_of(np.cumprod(1.0 + RETURNS), 1.0)
        assert made.actual["max_drawdown"] == pytest.approx(worst)
        assert made.actual["trades_under_water"] == longest
        assert made.actual["longest_losing_run"] == longest_run(RETURNS <= 0.0)

    def test_the_same_seed_gives_the_same_paths_and_another_does_not(self):
        one, two, other = (shuffle_trades(RETURNS, 500, generator(seed)) for seed in (7, 7, 8))
        assert (one.scores["max_drawdown"] == two.scores["max_drawdown"]).all()
        assert (one.scores["max_drawdown"] != other.scores["max_drawdown"]).any()

    def test_trade_returns_compound_to_the_equity(self):
        trades = np.zeros(3, TRADE)
        trades["net"] = [100.0, -50.0, 30.0]
        assert 1_000.0 * np.prod(1.0 + trade_returns(trades, 1_000.0)) == pytest.approx(1_080.0)
        with pytest.raises(InvalidValueError, match="too few"):
            trade_returns(trades[:1], 1_000.0)

    def test_ruin_is_reached_on_the_way(self):
        """-60 % and +200 %: one order loses half of the cash first, the other never does (it falls from 3 to 1.2)."""
        made = shuffle_trades(np.array([-0.6, 2.0]), 4_000, generator(), ruin=0.5)
        assert made.probability_of_ruin == pytest.approx(0.5, abs=0.03)
        assert made.probability_of_loss == 0.0


class TestStationaryBootstrap:
    @settings(max_examples=20)
    @given(st.integers(2, 50), st.integers(1, 20), st.floats(1.0, 10.0), st.integers(0, 2**32 - 1))
    def test_a_position_follows_the_one_before_or_begins_a_block(self, n, paths, length, seed):
        drawn = stationary_indices(n, paths, length, generator(seed))
        assert drawn.shape == (paths, n)
        assert ((drawn >= 0) & (drawn < n)).all()

    def test_blocks_have_the_stated_mean_length(self):
        drawn = stationary_indices(5_000, 40, 12.0, generator())
        goes_on = (drawn[:, 1:] == (drawn[:, :-1] + 1) % 5_000).mean()
        assert goes_on == pytest.approx(1.0 - 1.0 / 12.0, abs=2e-3)

    def test_every_session_is_drawn_alike_also_at_the_edges(self):
        drawn = stationary_indices(20, 20_000, 5.0, generator())
        share = np.bincount(drawn.ravel(), minlength=20) / drawn.size
        assert share == pytest.approx(np.full(20, 0.05), abs=1.5e-3)

    def test_blocks_of_one_are_the_plain_bootstrap(self):
        drawn = stationary_indices(1_000, 50, 1.0, generator())
        assert (drawn[:, 1:] == (drawn[:, :-1] + 1) % 1_000).mean() < 0.01

    def test_scores_are_those_of_the_drawn_history(self):
        made = bootstrap_sessions(RETURNS, 200, generator(), block=5.0, risk_free_rate=0.05)
        drawn = RETURNS[stationary_indices(60, 200, 5.0, generator())]
        rate = 1.05 ** (1 / 252) - 1
        for k in (0, 57, 199):
            own = drawn[k]
            assert made.scores["total_return"][k] == pytest.approx(np.prod(1 + own) - 1)
            assert made.scores["sharpe"][k] == pytest.approx(
                (own.mean() - rate) / own.std(ddof=1) * np.sqrt(252)
            )
            assert made.scores["max_drawdown"][k] == pytest.approx(drawdown_of(np.cumprod(1 + own), 1.0)[0])

    def test_probability_of_loss_is_the_share_of_losing_paths(self):
        made = bootstrap_sessions(RETURNS, 2_000, generator())
        assert made.probability_of_loss == np.mean(made.scores["total_return"] < 0.0)
        table = made.percentiles()["total_return"]
        assert table[5.0] == pytest.approx(np.percentile(made.scores["total_return"], 5))
        assert made.paths == 2_000

    def test_a_total_loss_stays_lost(self):
        made = bootstrap_sessions(np.array([0.5] * 10 + [-1.5] * 10), 200, generator())
        assert made.scores["total_return"].min() == -1.0
        assert made.probability_of_ruin > 0.99

    @pytest.mark.parametrize("options", [{"block": 61.0}, {"block": 0.5}, {"ruin": 0.0}, {"paths": 0}])
    def test_what_cannot_be_drawn_is_refused(self, options):
        paths = options.pop("paths", 10)
        with pytest.raises(InvalidValueError):
            bootstrap_sessions(RETURNS, paths, generator(), **options)

    def test_the_default_block_is_the_cube_root(self):
        assert [default_block(n) for n in (10, 1_000, 2_500)] == [2.0, 10.0, 14.0]


class TestJitter:
    def test_every_score_is_one_of_the_sweep_over_the_same_range(self):
        given = synthetic_input(STRATEGY, generator())
        made = jitter_parameters(STRATEGY, given, {"fast": 10, "slow": 30}, 200, generator(), spread=0.1)
        whole = sweep(STRATEGY, given, {"fast": range(9, 12), "slow": range(27, 34)})
        possible = set(whole.scores["total_return"].round(9).tolist())
        assert set(made.scores["total_return"].round(9).tolist()) <= possible
        assert len(set(made.scores["total_return"].tolist())) > 15
        assert (
            made.actual["total_return"]
            == backtest(STRATEGY, given, {"fast": 10, "slow": 30}).metrics.total_return
        )
        assert isnan(made.probability_of_ruin)
        assert 0.0 <= made.rank("sharpe") <= 1.0

    def test_refused_sets_are_drawn_again(self):
        given = synthetic_input(STRATEGY, generator())
        made = jitter_parameters(STRATEGY, given, {"fast": 29, "slow": 30}, 50, generator(), spread=0.2)
        assert made.paths == 50

    def test_a_spread_of_nothing_is_refused(self):
        given = synthetic_input(STRATEGY, generator())
        with pytest.raises(InvalidValueError, match="cannot be varied"):
            jitter_parameters(STRATEGY, given, {}, 5, generator(), spread=0.0)


class TestRandomEntry:
    def test_perfect_timing_is_better_than_chance(self):
        """The trades of a run, moved to where the market rose most: what a seer would have done."""
        given = synthetic_input(STRATEGY, generator())
        run = backtest(STRATEGY, given, {"fast": 5, "slow": 20})
        [bars] = given.bars.values()
        trades = run.trades.copy()
        for trade in trades:
            held = max(1, int(trade["exit_index"] - trade["entry_index"]))
            gains = bars.open[held:] / bars.open[:-held]
            at = int(np.argmax(gains))
            trade["entry_index"], trade["exit_index"] = at, at + held
            trade["entry_price"], trade["exit_price"] = bars.open[at], bars.open[at + held]
            trade["net"] = trade["quantity"] * (trade["exit_price"] - trade["entry_price"])
        seer = random_entry_test(replace(run, trades=trades), 500, generator())
        assert seer.p_value == pytest.approx(1 / 501)

    def test_chance_is_not_better_than_chance(self):
        values = []
        for seed in range(30):
            given = synthetic_input(STRATEGY, generator(seed))
            [bars] = given.bars.values()
            drawn = np.random.default_rng(seed)
            run = backtest(STRATEGY, given, {"fast": 5, "slow": 20})
            trades = run.trades[:60].copy()
            starts = np.sort(drawn.choice(np.arange(0, len(bars) - 60, 45), len(trades), replace=False))
            for trade, at in zip(trades, starts.tolist(), strict=True):
                held = int(min(40, trade["exit_index"] - trade["entry_index"]))
                trade["entry_index"], trade["exit_index"] = at, at + held
                trade["entry_price"], trade["exit_price"] = bars.open[at], bars.open[at + held]
                trade["net"] = trade["quantity"] * (trade["exit_price"] - trade["entry_price"])
            values.append(random_entry_test(replace(run, trades=trades), 200, generator()).p_value)
        assert 0.35 < np.mean(values) < 0.65
        assert np.mean(np.array(values) < 0.1) < 0.3

    def test_costs_are_paid_by_random_trades_too(self):
        given = synthetic_input(STRATEGY, generator())
        run = backtest(STRATEGY, given, {"fast": 5, "slow": 20})
        dear = run.trades.copy()
        dear["costs"] = 0.01 * dear["entry_price"] * dear["quantity"]
        cheap = random_entry_test(run, 300, generator())
        paying = random_entry_test(replace(run, trades=dear), 300, generator())
        assert cheap.mean_returns - paying.mean_returns == pytest.approx(np.full(300, 0.01))

    @pytest.mark.parametrize("strategy", [BREAKOUT, GAP_OPEN])
    def test_intraday_and_several_instruments(self, strategy):
        given = synthetic_input(strategy, generator())
        run = backtest(strategy, given)
        made = random_entry_test(run, 200, generator())
        assert made.trades == len(run.trades)
        unit = run.trades["entry_price"] * run.trades["quantity"]
        assert made.actual == pytest.approx(np.mean(run.trades["net"] / unit))
        assert np.isfinite(made.mean_returns).all()
        assert made.mean_returns.std() > 0.0

    def test_too_few_trades_are_refused(self):
        given = synthetic_input(STRATEGY, generator())
        run = backtest(STRATEGY, given)
        with pytest.raises(InvalidValueError, match="3 trades"):
            random_entry_test(replace(run, trades=run.trades[:3]), 100, generator())
