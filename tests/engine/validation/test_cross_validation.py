"""Purged cross-validation against brute force."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput, backtest
from trademantra.engine.metrics import session_returns
from trademantra.engine.timeline import by_days
from trademantra.engine.validation.cross_validation import combinatorial, purged_k_fold, training
from trademantra.engine.validation.session_returns import SessionReturns, session_matrix
from trademantra.engine.validation.synthetic import synthetic_input
from trademantra.engine.validation.windows import Window
from trademantra.strategies.sma_cross import STRATEGY


def matrix_of(returns, begins=None, ends=None) -> SessionReturns:
    sessions, m = returns.shape
    own = np.repeat(np.arange(sessions, dtype=np.int32)[:, None], m, axis=1)
    points = tuple({"k": float(k)} for k in range(m))
    return SessionReturns(
        "test", points, returns, own if begins is None else begins, own if ends is None else ends, 252.0, 0.0
    )


def noise(sessions: int = 300, m: int = 12, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.01, (sessions, m))


@pytest.fixture(scope="module")
def daily() -> BacktestInput:
    whole = synthetic_input(STRATEGY, np.random.default_rng(3))
    [bars] = whole.bars.values()
    part = bars.slice(0, 600)
    return BacktestInput({"SYN1": part}, {"SYN1": by_days(part.ts)})


class TestSessionMatrix:
    def test_returns_and_spans_are_those_of_single_runs(self, daily):
        made = session_matrix(STRATEGY, daily, {"fast": (3.0, 5.0), "slow": (10.0, 20.0)})
        for k, point in enumerate(made.points):
            run = backtest(STRATEGY, daily, point)
            assert made.returns[:, k] == pytest.approx(session_returns(run.curve, run.ends, 1_000_000.0))
            begins, ends = list(range(600)), list(range(600))
            spans = [(int(t["entry_index"]), int(t["exit_index"])) for t in run.trades]
            if run.fills["side"][-1] > 0:  # still open
                spans.append((int(run.fills["index"][-1]), 599))
            for first, last in spans:
                for s in range(first, last + 1):
                    begins[s], ends[s] = min(begins[s], first), max(ends[s], last)
            assert made.begins[:, k].tolist() == begins
            assert made.ends[:, k].tolist() == ends

    def test_progress_counts_combinations(self, daily):
        seen = []
        session_matrix(
            STRATEGY, daily, {"fast": (3.0, 5.0)}, progress=lambda done, total: seen.append((done, total))
        )
        assert seen == [(1, 2), (2, 2)]


class TestPurging:
    @settings(max_examples=50)
    @given(st.integers(0, 2**32 - 1), st.integers(0, 8))
    def test_training_never_shares_a_trade_with_the_test_nor_follows_it_within_the_embargo(
        self, seed, embargo
    ):
        generator = np.random.default_rng(seed)
        sessions, m = 60, 3
        begins = np.repeat(np.arange(sessions, dtype=np.int32)[:, None], m, axis=1)
        ends = begins.copy()
        for k in range(m):
            at = 0
            while at < sessions:
                last = min(sessions - 1, at + int(generator.integers(0, 12)))
                begins[at : last + 1, k], ends[at : last + 1, k] = at, last
                at = last + 1
        first = int(generator.integers(0, sessions - 2))
        window = Window(first, int(generator.integers(first + 1, sessions)))
        used = training(matrix_of(np.zeros((sessions, m)), begins, ends), [window], embargo)
        for k in range(m):
            shared = {(begins[s, k], ends[s, k]) for s in range(window.start, window.stop)}
            stop = max(last for _, last in shared)
            for s in range(sessions):
                tested = window.start <= s < window.stop
                held = stop < s <= stop + embargo or (s > stop and begins[s, k] <= stop + embargo)
                expected = not tested and (begins[s, k], ends[s, k]) not in shared and not held
                assert used[s, k] == expected

    def test_without_trades_that_span_only_the_embargo_is_left_out(self):
        made = purged_k_fold(matrix_of(noise()), 5, 0.02)
        assert [choice.purged for choice in made.choices] == [6, 6, 6, 6, 0]


class TestChoices:
    def test_a_truly_better_combination_is_always_chosen(self):
        returns = noise()
        returns[:, 7] += 0.01
        made = combinatorial(matrix_of(returns), 8, 2)
        assert all(choice.parameters == {"k": 7.0} for choice in made.choices)
        assert made.probability_of_overfitting == 0.0
        assert int(np.argmax(made.mean_scores)) == 7
        assert (made.paths == returns[:, [7]]).all()

    def test_noise_does_not_hold_out_of_fold(self):
        made = [purged_k_fold(matrix_of(noise(seed=seed))) for seed in range(20)]
        inside = np.mean([choice.train for one in made for choice in one.choices])
        outside = np.mean([one.path_scores[0] for one in made])
        assert inside > 1.0
        assert abs(outside) < 0.5

    @pytest.mark.parametrize(("groups", "tests"), [(5, 1), (6, 2), (6, 3)])
    def test_each_path_holds_every_session_once_from_choices_without_it(self, groups, tests):
        returns = noise(120)
        made = combinatorial(matrix_of(returns), groups, tests)
        assert made.paths.shape == (120, comb(groups - 1, tests - 1))
        assert not np.isnan(made.paths).any()
        assert len(made.choices) == comb(groups, tests)
        for s in range(0, 120, 7):
            allowed = [
                returns[s, int(choice.parameters["k"])]
                for choice in made.choices
                if any(window.start <= s < window.stop for window in choice.tests)
            ]
            assert sorted(made.paths[s]) == pytest.approx(sorted(allowed))

    @pytest.mark.parametrize("objective", ["sharpe", "sortino", "total_return"])
    def test_scores_are_those_of_the_definition(self, objective):
        returns = noise(100, 4)
        choice = purged_k_fold(matrix_of(returns), 4, 0.0, objective).choices[1]
        test = returns[25:50, int(choice.parameters["k"])]
        train = np.concatenate([returns[:25], returns[50:]])[:, int(choice.parameters["k"])]
        score = {
            "sharpe": lambda r: r.mean() / r.std(ddof=1) * np.sqrt(252),
            "sortino": lambda r: r.mean() / np.sqrt((np.minimum(r, 0) ** 2).mean()) * np.sqrt(252),
            "total_return": lambda r: np.prod(1 + r) - 1,
        }[objective]
        assert choice.train == pytest.approx(score(train))
        assert choice.test == pytest.approx(score(test))

    def test_what_never_trades_is_not_chosen(self):
        returns = noise(100, 3) - 0.01
        returns[:, 1] = 0.0
        assert all(choice.parameters != {"k": 1.0} for choice in purged_k_fold(matrix_of(returns)).choices)


@pytest.mark.parametrize(
    "options",
    [
        {"groups": 2, "tests": 2},
        {"groups": 200},
        {"embargo": 0.7},
        {"objective": "calmar"},
        {"groups": 30, "tests": 15},
    ],
)
def test_what_cannot_be_done_is_refused(options):
    with pytest.raises(InvalidValueError):
        combinatorial(matrix_of(noise()), **options)
