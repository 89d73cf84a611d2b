"""Validation: Monte Carlo paths, overfitting statistics, walk-forward.  .venv/bin/python bench/validation.py"""

import numpy as np
from timing import median_seconds, row

from trademantra.engine.validation.causality import check_strategy
from trademantra.engine.validation.monte_carlo import bootstrap_sessions, shuffle_trades
from trademantra.engine.validation.overfitting import probability_of_overfitting
from trademantra.engine.validation.session_returns import session_matrix
from trademantra.engine.validation.synthetic import synthetic_input
from trademantra.engine.validation.walk_forward import walk_forward
from trademantra.strategies.sma_cross import STRATEGY

GRID = {"fast": tuple(range(5, 55, 5)), "slow": tuple(range(60, 260, 10))}

if __name__ == "__main__":
    trades = np.random.default_rng(0).normal(0.001, 0.02, 1_000)
    matrix = np.random.default_rng(0).normal(0.0, 0.01, (2_500, 200))
    given = synthetic_input(STRATEGY, np.random.default_rng(7))

    def generator() -> np.random.Generator:
        return np.random.default_rng(7)

    row(
        "trade shuffle, 10,000 paths of 1,000 trades",
        "< 1 s",
        f"{median_seconds(lambda: shuffle_trades(trades, 10_000, generator()), 3):.2f} s",
    )
    row(
        "block bootstrap, 10,000 paths of 1,000 sessions",
        "< 1 s",
        f"{median_seconds(lambda: bootstrap_sessions(trades, 10_000, generator()), 3):.2f} s",
    )
    row(
        "CSCV, 2,500 sessions x 200 combinations, 12,870 splits",
        "-",
        f"{median_seconds(lambda: probability_of_overfitting(matrix), 3):.2f} s",
    )
    row(
        "session returns of 200 combinations x 4,000 days",
        "-",
        f"{median_seconds(lambda: session_matrix(STRATEGY, given, GRID), 3):.2f} s",
    )
    row(
        "walk-forward, 200 combinations x 4,000 days, 12 steps",
        "-",
        f"{median_seconds(lambda: walk_forward(STRATEGY, given, GRID, train=1_000, test=250), 3):.2f} s",
    )
    row(
        "check of a signal strategy, 4,000 days",
        "-",
        f"{median_seconds(lambda: check_strategy(STRATEGY, given, {}, generator()), 3):.2f} s",
    )
