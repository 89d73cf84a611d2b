"""Parameter stability: scores around the chosen setting."""

import numpy as np
import pytest

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import backtest
from trademantra.engine.events import BarView, Context, EventStrategy
from trademantra.engine.parameters import Parameter
from trademantra.engine.validation.stability import parameter_stability
from trademantra.engine.validation.synthetic import synthetic_input
from trademantra.strategies.registry import load_strategy
from trademantra.strategies.sma_cross import STRATEGY


def given_for(strategy):
    return synthetic_input(strategy, np.random.default_rng(5))


def test_scores_are_those_of_single_runs_with_one_parameter_moved():
    given = given_for(STRATEGY)
    made = parameter_stability(STRATEGY, given, {"fast": 10, "slow": 30}, objective="total_return")
    assert made.score == pytest.approx(
        backtest(STRATEGY, given, {"fast": 10, "slow": 30}).metrics.total_return
    )
    fast, slow = made.lines
    assert (fast.name, fast.values[fast.chosen]) == ("fast", 10.0)
    for value, score in zip(slow.values, slow.scores, strict=True):
        if value <= 10.0:
            assert np.isnan(score)
            continue
        run = backtest(STRATEGY, given, {"fast": 10, "slow": value})
        assert score == pytest.approx(run.metrics.total_return)
    assert made.heat is not None
    row, column = list(made.heat.row_values).index(9.0), list(made.heat.column_values).index(35.0)
    assert made.heat.scores[row, column] == pytest.approx(
        backtest(STRATEGY, given, {"fast": 9, "slow": 35}).metrics.total_return
    )


def test_the_share_of_good_neighbours():
    made = parameter_stability(STRATEGY, given_for(STRATEGY), {"fast": 10, "slow": 30}, within=0.1)
    near = [
        line.scores[k]
        for line in made.lines
        for k in range(line.chosen - 2, line.chosen + 3)
        if k != line.chosen
    ]
    assert made.neighbours == len(near) == 8
    assert made.stable == pytest.approx(
        np.mean([score >= made.score - 0.1 * abs(made.score) for score in near])
    )
    assert parameter_stability(STRATEGY, given_for(STRATEGY), {}, within=100.0).stable == 1.0


def test_what_the_strategy_refuses_is_a_gap_not_an_error():
    made = parameter_stability(STRATEGY, given_for(STRATEGY), {"fast": 29, "slow": 30})
    fast = made.lines[0]
    assert np.isnan(fast.scores[fast.values >= 30]).all()
    assert not np.isnan(fast.scores[fast.chosen])


def test_values_stay_in_their_declared_range():
    made = parameter_stability(STRATEGY, given_for(STRATEGY), {"fast": 2, "slow": 10})
    assert made.lines[0].values.tolist() == [2.0, 3.0, 4.0, 5.0, 6.0]


class Weekly(EventStrategy):
    """Buys every so many bars and holds for a while."""

    name = title = idea = source = market = "weekly"
    parameters = (Parameter("every", 7, 4, 20),)

    def on_bar(self, context: Context, bar: BarView) -> None:
        place = bar.index % int(self.values["every"])
        if place == 0:
            context.buy()
        elif place == 3:
            context.exit()


@pytest.mark.parametrize("strategy", [load_strategy("dual_momentum"), Weekly])
def test_every_kind_of_strategy(strategy):
    seen = []
    made = parameter_stability(
        strategy, given_for(strategy), {}, progress=lambda done, total: seen.append((done, total))
    )
    assert made.score == backtest(strategy, given_for(strategy)).metrics.sharpe
    assert seen[-1][0] == seen[-1][1]
    assert (made.heat is None) == (strategy is Weekly)


def test_an_unknown_objective():
    with pytest.raises(InvalidValueError, match="no score 'luck'"):
        parameter_stability(STRATEGY, given_for(STRATEGY), {}, objective="luck")
