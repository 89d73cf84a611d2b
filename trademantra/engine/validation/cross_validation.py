"""Purged cross-validation with embargo, and its combinatorial form, for the parameter grid of a strategy.

Choosing parameters is the training, session returns are the observations, and the label of a session spans the trades
that were open in it.  Training leaves out every session whose label meets the test period (purging) and those that
follow it within the embargo.  Unlike walk-forward, training may lie after the test: more paths, less like real life.
Source: Lopez de Prado (2018), Advances in Financial Machine Learning, chapters 7 (k-fold) and 12 (CPCV).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil, comb, nan

import numpy as np
from numpy.typing import NDArray

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Float64Array
from trademantra.engine.validation.overfitting import logit_of, rank_of
from trademantra.engine.validation.session_returns import SessionReturns
from trademantra.engine.validation.windows import Window

OBJECTIVES = ("sharpe", "sortino", "total_return")
_MOST_SPLITS = 5_000
_NO_SPREAD = 1e-30


@dataclass(frozen=True, slots=True)
class Choice:
    """What one split chose: test sessions, the swept values, annual scores, rank of the choice in the test from 1 (worst).

    `purged` is the mean number of sessions that purging and embargo took from training.
    """

    tests: tuple[Window, ...]
    parameters: Mapping[str, float]
    train: float
    test: float
    rank: float
    purged: float


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    """Outcome of k-fold (`paths` (sessions, 1)) or combinatorial (`paths` (sessions, p)) cross-validation.

    Each column of `paths` is one history of session returns in which every session was traded with parameters that
    were chosen without it; `path_scores` (p,) are the objective of each, annual where it is a ratio.
    `probability_of_overfitting`: share of splits whose choice ranks in the lower half of the test.
    `mean_scores` (m,): mean test score of each combination over the splits.
    """

    strategy: str
    objective: str
    combinations: int
    choices: tuple[Choice, ...]
    paths: Float64Array
    path_scores: Float64Array
    probability_of_overfitting: float
    mean_scores: Float64Array


def purged_k_fold(
    matrix: SessionReturns,
    folds: int = 5,
    embargo: float = 0.01,
    objective: str = "sharpe",
    progress: Callable[[int, int], None] | None = None,
) -> CrossValidation:
    """Each of `folds` stretches is the test once; `embargo` is a fraction of all sessions.

    Errors: `InvalidValueError`.
    """
    return combinatorial(matrix, folds, 1, embargo, objective, progress)


def combinatorial(
    matrix: SessionReturns,
    groups: int = 10,
    tests: int = 2,
    embargo: float = 0.01,
    objective: str = "sharpe",
    progress: Callable[[int, int], None] | None = None,
) -> CrossValidation:
    """CPCV: every choice of `tests` of `groups` stretches is the test once, which gives C(groups - 1, tests - 1) paths.

    Errors: `InvalidValueError` for an unknown objective, or groups that the sessions or the time do not allow.
    """
    if objective not in OBJECTIVES:
        raise InvalidValueError(
            f"cross-validation has no score {objective!r}", hint=f"there are: {', '.join(OBJECTIVES)}"
        )
    sessions, m = matrix.returns.shape
    if not 0 < tests < groups or sessions < 2 * groups or comb(groups, tests) > _MOST_SPLITS:
        raise InvalidValueError(
            f"{tests} of {groups} groups of {sessions} sessions cannot be cross-validated",
            hint=f"fewer tests than groups, two sessions a group, at most {_MOST_SPLITS:,} splits",
        )
    if not 0.0 <= embargo < 0.5:
        raise InvalidValueError(f"embargo {embargo:g} is not a fraction of the sessions below 0.5")
    held = ceil(embargo * sessions)
    cuts = [sessions * g // groups for g in range(groups + 1)]
    splits = list(combinations(range(groups), tests))
    paths = np.full((sessions, comb(groups - 1, tests - 1)), nan)
    served = [0] * groups  # paths that already have this group
    choices: list[Choice] = []
    total, counted = np.zeros(m), np.zeros(m)
    for done, split in enumerate(splits):
        windows = _windows(split, cuts)
        used = training(matrix, windows, held)
        inside = np.zeros(sessions, bool)
        for window in windows:
            inside[window.start : window.stop] = True
        train = scores(matrix, used, objective)
        test = scores(matrix, np.broadcast_to(inside[:, None], used.shape), objective)
        best = int(np.argmax(np.where(np.isnan(train), -np.inf, train)))
        filled = np.where(np.isnan(test), -np.inf, test)
        choices.append(
            Choice(
                windows,
                matrix.points[best],
                float(train[best]),
                float(test[best]),
                float(rank_of(filled[None, :], filled[best : best + 1])[0]),
                float(np.mean((~inside).sum() - used.sum(axis=0))),
            )
        )
        known = ~np.isnan(test)
        total[known] += test[known]
        counted += known
        for group in split:
            stretch = slice(cuts[group], cuts[group + 1])
            paths[stretch, served[group]] = matrix.returns[stretch, best]
            served[group] += 1
        if progress is not None:
            progress(done + 1, len(splits))
    logits = logit_of(np.array([choice.rank for choice in choices]), m)
    return CrossValidation(
        matrix.strategy,
        objective,
        m,
        tuple(choices),
        paths,
        _scores(paths, np.ones(paths.shape, bool), objective, matrix),
        float(np.mean(logits <= 0.0)) if m > 1 else nan,
        np.where(counted > 0, total / np.maximum(counted, 1), nan),
    )


def training(matrix: SessionReturns, tests: Sequence[Window], embargo: int) -> NDArray[np.bool_]:
    """Mask (sessions, m) of what each combination may be judged on: not tested, not purged, not under embargo."""
    sessions, m = matrix.returns.shape
    allowed = np.ones((sessions, m), bool)
    for window in tests:
        inside = slice(window.start, window.stop)
        first = matrix.begins[inside].min(axis=0)
        last = np.minimum(matrix.ends[inside].max(axis=0) + embargo, sessions - 1)
        allowed &= (matrix.ends < first) | (matrix.begins > last)
        allowed[inside] = False
    return allowed


def scores(matrix: SessionReturns, used: NDArray[np.bool_], objective: str) -> Float64Array:
    """Score (m,) of each combination over the sessions that it may use; NaN where it has none or does not move."""
    return _scores(matrix.returns, used, objective, matrix)


def _scores(
    returns: Float64Array, used: NDArray[np.bool_], objective: str, matrix: SessionReturns
) -> Float64Array:
    count = used.sum(axis=0)
    if objective == "total_return":
        grown = np.prod(np.where(used, 1.0 + returns, 1.0), axis=0) - 1.0
        return np.where(count > 0, grown, nan)
    excess = np.where(used, returns - matrix.session_risk_free, 0.0)
    mean = excess.sum(axis=0) / np.maximum(count, 1)
    if objective == "sharpe":
        squares = np.where(used, (excess - mean) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1)
    else:
        squares = (np.minimum(excess, 0.0) ** 2).sum(axis=0) / np.maximum(count, 1)
    idle = ~(np.where(used, returns, 0.0) != 0.0).any(axis=0)
    defined = (count > 1) & (squares > _NO_SPREAD) & ~idle
    ratio = mean / np.sqrt(np.where(defined, squares, 1.0)) * np.sqrt(matrix.sessions_per_year)
    return np.where(defined, ratio, nan)


def _windows(split: tuple[int, ...], cuts: Sequence[int]) -> tuple[Window, ...]:
    """Neighbouring groups are one test period: between them nothing is purged."""
    made: list[Window] = []
    for group in split:
        if made and made[-1].stop == cuts[group]:
            made[-1] = Window(made[-1].start, cuts[group + 1])
        else:
            made.append(Window(cuts[group], cuts[group + 1]))
    return tuple(made)
