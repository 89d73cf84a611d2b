"""Overfitting statistics against the numbers of their papers and slow restatements."""

from itertools import combinations
from math import inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.engine.validation.overfitting import (
    Moments,
    deflated_sharpe,
    effective_trials,
    expected_maximum_sharpe,
    minimum_track_record,
    moments_of,
    probabilistic_sharpe,
    probability_of_overfitting,
)


class TestPublishedNumbers:
    """Bailey, Lopez de Prado 2012 (Sharpe Ratio Efficient Frontier) and 2014 (Deflated Sharpe Ratio)."""

    def test_deflated_sharpe_of_the_best_of_a_hundred(self):
        threshold = expected_maximum_sharpe(100, 0.5 / 250)
        assert threshold == pytest.approx(0.1132, abs=5e-5)
        best = Moments(2.5 / sqrt(250), -3.0, 10.0, 1250)
        assert probabilistic_sharpe(best, threshold) == pytest.approx(0.9004, abs=5e-5)

    def test_fewer_trials_would_have_been_convincing(self):
        fat, normal = Moments(2.5 / sqrt(250), -3.0, 10.0, 1250), Moments(2.5 / sqrt(250), 0.0, 3.0, 1250)
        assert probabilistic_sharpe(fat, expected_maximum_sharpe(46, 0.5 / 250)) == pytest.approx(
            0.9505, abs=5e-5
        )
        assert probabilistic_sharpe(normal, expected_maximum_sharpe(88, 0.5 / 250)) == pytest.approx(
            0.9505, abs=5e-5
        )

    def test_probabilistic_sharpe_of_the_hedge_fund(self):
        sharpe = 0.036 / 0.079
        assert probabilistic_sharpe(Moments(sharpe, 0.0, 3.0, 24)) == pytest.approx(0.982, abs=1e-3)
        assert probabilistic_sharpe(Moments(sharpe, -2.448, 10.164, 24)) == pytest.approx(0.913, abs=5e-4)

    @pytest.mark.parametrize(
        ("periods", "skew", "kurtosis", "years"),
        [(250, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
    )
    def test_track_record_that_a_ratio_of_two_needs_to_be_above_one(self, periods, skew, kurtosis, years):
        moments = Moments(2.0 / sqrt(periods), skew, kurtosis, 100)
        assert minimum_track_record(moments, 1.0 / sqrt(periods)) / periods == pytest.approx(years, abs=5e-3)


def test_a_ratio_that_is_not_above_the_benchmark_never_will_be():
    assert minimum_track_record(Moments(0.1, 0.0, 3.0, 100), 0.1) == inf


def test_the_track_record_is_where_the_probability_reaches_the_confidence():
    moments = Moments(0.1, -0.5, 5.0, 100)
    needed = minimum_track_record(moments, 0.02, 0.95)
    assert probabilistic_sharpe(Moments(0.1, -0.5, 5.0, round(needed)), 0.02) == pytest.approx(0.95, abs=1e-3)


def test_expected_maximum_is_that_of_simulated_trials():
    drawn = np.random.default_rng(3).normal(0.0, 0.05, (20_000, 50)).max(axis=1).mean()
    assert expected_maximum_sharpe(50, 0.05**2) == pytest.approx(drawn, rel=0.02)


def test_moments_are_those_of_the_metrics():
    returns = np.array([0.01, -0.02, 0.03, 0.0, 0.005])
    made = moments_of(returns)
    assert made.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert made.skew == pytest.approx(((returns - returns.mean()) ** 3).mean() / returns.std() ** 3)
    assert made.kurtosis == pytest.approx(((returns - returns.mean()) ** 4).mean() / returns.std() ** 4)
    assert moments_of(np.zeros(9)).sharpe == 0.0
    with pytest.raises(InvalidValueError, match="too few"):
        moments_of(np.array([0.1]))


class TestEffectiveTrials:
    def test_copies_are_one_trial(self):
        column = np.random.default_rng(1).normal(size=300)
        assert effective_trials(np.stack([column, 2 * column, 3 * column], axis=1)) == pytest.approx(1.0)

    def test_independent_columns_are_as_many_trials(self):
        made = effective_trials(np.random.default_rng(1).normal(size=(50_000, 10)))
        assert made == pytest.approx(10, abs=0.1)

    def test_it_is_the_mean_correlation_of_all_pairs(self):
        returns = np.random.default_rng(2).normal(size=(200, 6)) + np.random.default_rng(3).normal(
            size=(200, 1)
        )
        matrix = np.corrcoef(returns.T)
        rho = matrix[np.triu_indices(6, 1)].mean()
        assert effective_trials(returns) == pytest.approx(rho + (1 - rho) * 6)

    def test_what_never_trades_is_no_trial(self):
        returns = np.random.default_rng(2).normal(size=(200, 2))
        assert effective_trials(np.column_stack([returns, np.zeros(200)])) == effective_trials(returns)


def test_luck_is_not_convincing_and_skill_is():
    returns = np.random.default_rng(5).normal(0.0, 0.01, (750, 60))
    assert deflated_sharpe(returns).probability < 0.9
    returns[:, 17] += 0.003
    skilled = deflated_sharpe(returns)
    assert skilled.probability > 0.99
    assert skilled.track_record < 750


class TestProbabilityOfOverfitting:
    def test_noise_is_overfitted_half_of_the_time(self):
        made = [
            probability_of_overfitting(np.random.default_rng(seed).normal(size=(160, 20)), 8).probability
            for seed in range(40)
        ]
        assert np.mean(made) == pytest.approx(0.5, abs=0.08)

    def test_a_truly_better_combination_is_not(self):
        returns = np.random.default_rng(1).normal(0.0, 0.01, (500, 40))
        returns[:, 3] += 0.004
        made = probability_of_overfitting(returns)
        assert made.probability == 0.0
        assert made.probability_of_loss == 0.0
        assert made.splits == 12_870

    def test_what_is_good_now_and_bad_later_always_is(self):
        """Each combination earns in one block and gives it back in all others: the best half is the worst half."""
        returns = np.random.default_rng(1).normal(0.0, 0.001, (160, 8))
        for block in range(8):
            returns[:, block] -= 0.002
            returns[20 * block : 20 * (block + 1), block] += 0.02
        made = probability_of_overfitting(returns, 8)
        assert made.probability == 1.0
        assert made.slope == pytest.approx(np.polyfit(made.in_sample, made.out_of_sample, 1)[0])

    @settings(max_examples=20)
    @given(st.integers(0, 2**32 - 1), st.integers(2, 7), st.integers(12, 40))
    def test_it_equals_the_slow_restatement(self, seed, m, sessions):
        returns = np.random.default_rng(seed).normal(size=(sessions, m))
        blocks = [returns[sessions * b // 6 : sessions * (b + 1) // 6] for b in range(6)]
        logits = {}
        for half in combinations(range(6), 3):
            inside = np.concatenate([blocks[b] for b in half])
            outside = np.concatenate([blocks[b] for b in range(6) if b not in half])
            best = int(np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1)))
            scores = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
            rank = 1 + sum(score < scores[best] for score in scores)
            logits[half] = log(rank / (m + 1) / (1 - rank / (m + 1)))
        made = probability_of_overfitting(returns, 6)
        assert sorted(made.logits) == pytest.approx(sorted(logits.values()))
        assert made.probability == pytest.approx(np.mean([logit <= 0.0 for logit in logits.values()]))

    def test_progress_ends_at_all_splits(self):
        seen = []
        returns = np.random.default_rng(1).normal(size=(64, 3))
        probability_of_overfitting(returns, 8, progress=lambda done, total: seen.append((done, total)))
        assert seen[-1] == (70, 70)

    @pytest.mark.parametrize(("shape", "blocks"), [((100, 1), 8), ((100, 5), 7), ((10, 5), 16)])
    def test_what_cannot_be_split_is_refused(self, shape, blocks):
        with pytest.raises(InvalidValueError):
            probability_of_overfitting(np.zeros(shape), blocks)
