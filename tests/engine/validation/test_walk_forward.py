"""Walk-forward: no leak, no double counting, and the scores of a window are those of its own sessions."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.metrics import metrics_of
from trademantra.engine.rules import FillAt, TradingRules
from trademantra.engine.sweep import combinations
from trademantra.engine.timeline import by_days
from trademantra.engine.validation.synthetic import synthetic_input
from trademantra.engine.validation.walk_forward import folds, walk_forward
from trademantra.engine.validation.windows import (
    Window,
    market_of,
    place,
    run_window,
    sweep_window,
    warm_up_bars,
)
from trademantra.strategies.opening_range_breakout import STRATEGY as BREAKOUT
from trademantra.strategies.sma_cross import STRATEGY

GRID = {"fast": (3.0, 5.0, 8.0), "slow": (10.0, 20.0)}
N = 700


@cache
def some_days() -> BacktestInput:
    whole = synthetic_input(STRATEGY, np.random.default_rng(3))
    [bars] = whole.bars.values()
    part = bars.slice(0, N)
    return BacktestInput({"SYN1": part}, {"SYN1": by_days(part.ts)})


@pytest.fixture
def daily() -> BacktestInput:
    return some_days()


def changed_from(given: BacktestInput, bar: int) -> BacktestInput:
    """The same bars up to `bar`, then others."""
    [bars] = given.bars.values()
    factor = np.where(np.arange(len(bars)) < bar, 1.0, 1.0 + 0.05 * np.sin(np.arange(len(bars)) / 9.0))
    made = Bars.of(
        bars.ts, *(row * factor for row in (bars.open, bars.high, bars.low, bars.close)), bars.volume
    )
    return replace(given, bars={"SYN1": made})


def run(given: BacktestInput, **options):
    return walk_forward(STRATEGY, given, GRID, train=200, test=100, **options)


class TestFolds:
    @given(st.integers(2, 400), st.integers(1, 200), st.integers(1, 200), st.booleans())
    def test_every_session_after_training_is_tested_once_and_never_trained_on_before(
        self, n, train, test, anchored
    ):
        if train + test > n:
            with pytest.raises(InvalidValueError, match="do not hold"):
                folds(n, train, test, anchored)
            return
        made = folds(n, train, test, anchored)
        assert [s for fold in made for s in range(fold.test.start, fold.test.stop)] == list(range(train, n))
        for fold in made:
            assert fold.train.stop == fold.test.start
            assert fold.train.start == (0 if anchored else fold.train.stop - train)
            assert test / 2 <= len(fold.test) < 1.5 * test or test == 1


class TestNoLeak:
    def test_a_step_chooses_without_its_test(self, daily):
        """Other bars from the second test on: its choice stays, as do the first test's results."""
        before, after = run(daily), run(changed_from(daily, 300))
        assert before.steps[1].parameters == after.steps[1].parameters
        assert before.steps[1].train == after.steps[1].train
        assert before.steps[0].test == after.steps[0].test
        assert (before.curve[:100] == after.curve[:100]).all()
        assert (before.curve[100:] != after.curve[100:]).any()

    def test_the_warm_up_before_a_window_is_not_traded(self, daily):
        [bars] = daily.bars.values()
        made = place(market_of(STRATEGY, daily), Window(300, 400), 150)
        outcome = run_window(STRATEGY, made, STRATEGY.values({"fast": 3, "slow": 10}), TradingRules())
        assert made.lead == 150
        assert len(outcome.trades)
        assert (outcome.trades["entry_index"] >= 1).all()
        assert outcome.curve[0] == TradingRules().cash
        assert len(outcome.curve) == 100
        assert made.market.bars.ts[made.lead] == bars.ts[300]

    def test_indicators_are_warm_at_the_start(self, daily):
        """The decisions inside the window are those of a run over everything."""
        values = STRATEGY.values({"fast": 3, "slow": 10})
        whole = backtest(STRATEGY, daily, values, replace(STRATEGY.rules, allow_short=False))
        made = place(market_of(STRATEGY, daily), Window(300, 400), 150)
        outcome = run_window(STRATEGY, made, values, STRATEGY.rules)
        inside = set((outcome.fills["index"] + 300).tolist()) - {399}
        everywhere = set(whole.fills["index"].tolist())
        assert inside <= everywhere
        first = min(inside)
        assert {i for i in everywhere if first <= i < 399} == inside


class TestNoDoubleCounting:
    def test_trades_stay_in_their_test_and_add_up_to_the_curve(self, daily):
        made = run(daily, rules=replace(STRATEGY.rules, allow_short=True))
        assert len(made.curve) == 500
        assert len(made.trades) > 5
        assert (made.trades["entry_index"] // 100 == made.trades["exit_index"] // 100).all()
        assert made.trades["net"].sum() == pytest.approx(made.curve[-1] - 1_000_000.0)
        assert made.metrics.trades == len(made.trades)

    def test_each_test_goes_on_with_the_equity_of_the_one_before(self, daily):
        made = run(daily)
        for start in (100, 200, 300, 400):
            assert made.curve[start] == made.curve[start - 1]
        product = np.prod([1.0 + step.test["total_return"] for step in made.steps])
        assert made.curve[-1] == pytest.approx(1_000_000.0 * product)

    @pytest.mark.parametrize("fill_at", list(FillAt))
    def test_a_position_leaves_at_the_open_of_the_last_bar(self, daily, fill_at):
        [bars] = daily.bars.values()
        made = run(daily, rules=replace(STRATEGY.rules, fill_at=fill_at))
        ends = made.trades[made.trades["exit_index"] % 100 == 99]
        assert len(ends)
        assert ends["exit_price"] == pytest.approx(bars.open[200 + ends["exit_index"]])

    def test_intraday_sessions_keep_their_own_square_off(self):
        intraday = synthetic_input(BREAKOUT, np.random.default_rng(1))
        made = walk_forward(BREAKOUT, intraday, {"length": (15.0, 30.0)}, train=20, test=10)
        [timeline] = intraday.timelines.values()
        session = timeline.session[made.steps[0].first :]
        assert len(made.trades) > 10
        assert (session[made.trades["entry_index"]] == session[made.trades["exit_index"]]).all()


class TestScores:
    @settings(max_examples=10, deadline=None)
    @given(st.integers(60, 400), st.integers(20, 200), st.sampled_from([0.0, 0.06]))
    def test_scores_of_a_window_are_the_metrics_of_its_own_curve(self, start, length, risk_free):
        with_rate = replace(some_days(), risk_free_rate=risk_free)
        market = market_of(STRATEGY, with_rate)
        values, rules, points, _ = combinations(STRATEGY, GRID, {}, replace(STRATEGY.rules, allow_short=True))
        where = place(market, Window(start, start + length), warm_up_bars(STRATEGY, values))
        swept = sweep_window(STRATEGY, where, values, rules, points, 252.0)
        for k, each in enumerate(values):
            outcome = run_window(STRATEGY, where, each, rules[k])
            ends = np.arange(length)
            m = metrics_of(
                outcome.curve, ends, outcome.trades, outcome.accounts, rules[k].cash, risk_free_rate=risk_free
            )  # fmt: skip
            for name in (
                "total_return",
                "cagr",
                "sharpe",
                "sortino",
                "max_drawdown",
                "volatility",
                "trades",
                "exposure",
            ):
                assert swept.scores[name][k] == pytest.approx(
                    getattr(m, name), rel=1e-9, abs=1e-12, nan_ok=True
                ), name

    def test_the_choice_is_the_best_of_slow_single_runs(self, daily):
        made = run(daily, objective="total_return")
        market = market_of(STRATEGY, daily)
        values, rules, points, _ = combinations(STRATEGY, GRID, {}, STRATEGY.rules)
        for step in made.steps:
            where = place(market, step.fold.train, warm_up_bars(STRATEGY, values))
            finals = [
                float(run_window(STRATEGY, where, v, r).curve[-1]) for v, r in zip(values, rules, strict=True)
            ]
            assert step.parameters == points[int(np.argmax(finals))]

    def test_efficiency_is_growth_outside_over_growth_inside(self, daily):
        made = run(daily)
        inside = np.mean([step.train["cagr"] for step in made.steps])
        assert made.efficiency == pytest.approx(made.metrics.cagr / inside)
        assert sum(made.choices()["fast"].values()) == 5

    def test_nothing_traded_in_training_stays_in_cash(self, daily):
        made = walk_forward(STRATEGY, daily, {"fast": (90.0,), "slow": (95.0,)}, train=96, test=30)
        idle = [step for step in made.steps if not step.parameters]
        assert idle
        assert all(step.test["total_return"] == 0.0 for step in idle)

    def test_workers_do_not_change_the_result(self, daily):
        one, two = run(daily, workers=1), run(daily, workers=2)
        assert (one.curve == two.curve).all()


class TestErrors:
    def test_an_unknown_objective_is_named_with_those_that_exist(self, daily):
        with pytest.raises(InvalidValueError, match="no score 'luck'"):
            run(daily, objective="luck")

    def test_windows_that_do_not_fit(self, daily):
        with pytest.raises(InvalidValueError, match="700 sessions do not hold"):
            walk_forward(STRATEGY, daily, GRID, train=600, test=200)

    def test_windows_of_two_bars_are_too_short(self, daily):
        with pytest.raises(InvalidValueError, match="too short to trade"):
            walk_forward(STRATEGY, daily, GRID, train=200, test=2)

    def test_several_instruments(self, daily):
        [bars], [line] = daily.bars.values(), daily.timelines.values()
        two = BacktestInput({"A": bars, "B": bars}, {"A": line, "B": line})
        with pytest.raises(InvalidValueError, match="one instrument"):
            run(two)
