"""How much of the best of a sweep is luck, in one answer."""

from dataclasses import dataclass

from trademantra.engine.validation.overfitting import (
    BLOCKS,
    DeflatedSharpe,
    Overfitting,
    deflated_sharpe,
    probability_of_overfitting,
)
from trademantra.engine.validation.session_returns import SessionReturns


@dataclass(frozen=True, slots=True, eq=False)
class Luck:
    """The best Sharpe ratio of all combinations, deflated; and the probability that choosing the best overfits.

    `overfitting` is None where there are too few sessions to split.  `sessions_per_year` makes ratios annual.
    """

    best: DeflatedSharpe
    overfitting: Overfitting | None
    sessions_per_year: float


def luck_of(matrix: SessionReturns) -> Luck:
    """Judge a whole grid by the session returns of all its combinations (two or more)."""
    overfitting = None
    if matrix.sessions >= 2 * BLOCKS:
        overfitting = probability_of_overfitting(matrix.returns, session_risk_free=matrix.session_risk_free)
    return Luck(
        deflated_sharpe(matrix.returns, matrix.session_risk_free), overfitting, matrix.sessions_per_year
    )
