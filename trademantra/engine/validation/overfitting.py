"""How much of a good score is luck: probabilistic and deflated Sharpe ratio, probability of back-test overfitting.

Sharpe ratios in this module are those of one session (not annual), kurtosis is Pearson's (3 for a normal).
Sources:
- Bailey, Lopez de Prado (2012), The Sharpe Ratio Efficient Frontier, Journal of Risk 15(2): PSR, MinTRL;
- Bailey, Lopez de Prado (2014), The Deflated Sharpe Ratio, Journal of Portfolio Management 40(5);
- Bailey, Borwein, Lopez de Prado, Zhu (2017), The Probability of Backtest Overfitting, Journal of Computational
  Finance 20(4) (SSRN 2326253, first of 2013): CSCV.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from math import e, inf, nan, sqrt
from statistics import NormalDist

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Float64Array

EULER_MASCHERONI = 0.5772156649015329
BLOCKS = 16
_NORMAL = NormalDist()
_SPLITS_AT_ONCE = 512
_NO_SPREAD = 1e-30  # variance of returns that are all the same, but for rounding


@dataclass(frozen=True, slots=True)
class Moments:
    """Sharpe ratio of one session, skew and kurtosis of `count` session returns."""

    sharpe: float
    skew: float
    kurtosis: float
    count: int


@dataclass(frozen=True, slots=True)
class DeflatedSharpe:
    """The best Sharpe ratio of many trials, judged.

    `probability` that the true Sharpe ratio is above `threshold`, the best that `trials` without skill would show;
    `track_record` is the number of sessions needed to say so with 95 %; inf when the ratio is not above it.
    `trials` are the independent ones among `combinations` (see `effective_trials`).
    """

    combinations: int
    trials: float
    sharpe: float
    threshold: float
    probability: float
    probability_above_zero: float
    track_record: float
    sessions: int


@dataclass(frozen=True, slots=True, eq=False)
class Overfitting:
    """Outcome of combinatorially symmetric cross-validation over `splits` splits.

    `probability`: share of splits in which the combination that was best in one half ranks in the lower half of the
    other.  `in_sample`, `out_of_sample` (splits,): session Sharpe of the chosen one in either half; `slope` of the
    second on the first (performance degradation); `probability_of_loss`: share of splits with a negative second half.
    `logits` (splits,).
    """

    probability: float
    probability_of_loss: float
    slope: float
    splits: int
    blocks: int
    logits: Float64Array
    in_sample: Float64Array
    out_of_sample: Float64Array


def moments_of(returns: Float64Array, session_risk_free: float = 0.0) -> Moments:
    """Moments of session returns (sessions,); the Sharpe ratio is 0 for returns without spread.

    Errors: `InvalidValueError` for fewer than two returns.
    """
    count = len(returns)
    if count < 2:
        raise InvalidValueError(f"{count} session returns are too few to judge", hint="take a longer period")
    excess = returns - session_risk_free
    mean, centred = float(excess.mean()), excess - excess.mean()
    variance = float(np.mean(centred**2))
    if variance <= _NO_SPREAD:
        return Moments(0.0, 0.0, 3.0, count)
    return Moments(
        mean / sqrt(variance * count / (count - 1)),
        float(np.mean(centred**3)) / variance**1.5,
        float(np.mean(centred**4)) / variance**2,
        count,
    )


def probabilistic_sharpe(moments: Moments, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above `benchmark` (of one session).

    >>> round(probabilistic_sharpe(Moments(0.036 / 0.079, -2.448, 10.164, 24)), 3)  # the paper's hedge fund
    0.913
    """
    spread = _spread(moments)
    return _NORMAL.cdf((moments.sharpe - benchmark) * sqrt(moments.count - 1) / sqrt(spread))


def minimum_track_record(moments: Moments, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Sessions needed to say with `confidence` that the true ratio is above `benchmark`; inf when it is not above.

    >>> daily = Moments(2.0 / sqrt(250), 0.0, 3.0, 1_000)
    >>> round(minimum_track_record(daily, 1.0 / sqrt(250)) / 250, 2)  # years, as the paper says
    2.73
    """
    if moments.sharpe <= benchmark:
        return inf
    return 1.0 + _spread(moments) * (_NORMAL.inv_cdf(confidence) / (moments.sharpe - benchmark)) ** 2


def expected_maximum_sharpe(trials: float, variance: float) -> float:
    """The best Sharpe ratio to expect of `trials` independent strategies without skill.

    `variance` is that of their Sharpe ratios.
    """
    if trials <= 1.0:
        return 0.0
    return sqrt(variance) * (
        (1.0 - EULER_MASCHERONI) * _NORMAL.inv_cdf(1.0 - 1.0 / trials)
        + EULER_MASCHERONI * _NORMAL.inv_cdf(1.0 - 1.0 / (trials * e))
    )


def effective_trials(returns: Float64Array) -> float:
    """Independent trials among the columns of `returns` (sessions, m): rho + (1 - rho) m, rho the mean correlation.

    Source: Bailey, Lopez de Prado (2014), appendix 3.  Combinations that never trade are left out; a negative mean
    correlation counts as none, so that there are never more trials than columns.
    """
    centred = returns - returns.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0))
    live = spread > sqrt(_NO_SPREAD)
    m = int(live.sum())
    if m < 2:
        return float(m)
    scaled = centred[:, live] / spread[live]
    together = float((scaled.sum(axis=1) ** 2).sum())  # the sum over the whole correlation matrix
    rho = min(1.0, max(0.0, (together - m) / (m * (m - 1))))
    return rho + (1.0 - rho) * m


def deflated_sharpe(returns: Float64Array, session_risk_free: float = 0.0) -> DeflatedSharpe:
    """Judge the best of a sweep from the session returns (sessions, m) of all its combinations.

    Errors: `InvalidValueError` for fewer than two sessions.
    """
    each = [moments_of(returns[:, c], session_risk_free) for c in range(returns.shape[1])]
    sharpes = np.array([one.sharpe for one in each])
    best = each[int(np.argmax(sharpes))]
    trials = effective_trials(returns)
    variance = float(sharpes.var(ddof=1)) if len(each) > 1 else 0.0
    threshold = expected_maximum_sharpe(trials, variance)
    return DeflatedSharpe(
        len(each),
        trials,
        best.sharpe,
        threshold,
        probabilistic_sharpe(best, threshold),
        probabilistic_sharpe(best),
        minimum_track_record(best, threshold),
        best.count,
    )


def probability_of_overfitting(
    returns: Float64Array,
    blocks: int = BLOCKS,
    session_risk_free: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> Overfitting:
    """CSCV: cut the sessions into `blocks`, choose on every half of them, look at the other half.

    `returns` (sessions, m) of all combinations.  The score is the Sharpe ratio; ties take their mean rank.
    Memory: 512 splits x m at a time.
    Errors: `InvalidValueError` for fewer than two combinations, an odd number of blocks, fewer than two sessions each.
    """
    sessions, m = returns.shape
    if m < 2:
        raise InvalidValueError(
            "the probability of overfitting needs at least two combinations", hint="widen the grid"
        )
    if blocks < 2 or blocks % 2 or sessions < 2 * blocks:
        raise InvalidValueError(
            f"{sessions} sessions cannot be cut into {blocks} blocks",
            hint="blocks must be even, with at least two sessions each",
        )
    excess = returns - session_risk_free
    cuts = [sessions * b // blocks for b in range(blocks)]
    counts = np.diff([*cuts, sessions]).astype(np.float64)
    sums = np.add.reduceat(excess, cuts, axis=0)
    squares = np.add.reduceat(excess**2, cuts, axis=0)
    halves = list(combinations(range(blocks), blocks // 2))
    halves = halves[
        : len(halves) // 2
    ]  # those with the first block; each serves with its complement, both ways
    logits, inside, outside = [], [], []
    done = 0
    for chunk in _chunked(halves):
        chosen = np.zeros((len(chunk), blocks))
        np.put_along_axis(chosen, np.array(chunk, np.int64), 1.0, axis=1)
        one = _sharpe(chosen @ counts, chosen @ sums, chosen @ squares)
        other = 1.0 - chosen
        two = _sharpe(other @ counts, other @ sums, other @ squares)
        for train, test in ((one, two), (two, one)):
            best = np.argmax(train, axis=1)[:, None]
            own = np.take_along_axis(test, best, axis=1)[:, 0]
            logits.append(logit_of(rank_of(test, own), m))
            inside.append(np.take_along_axis(train, best, axis=1)[:, 0])
            outside.append(own)
        done += len(chunk)
        if progress is not None:
            progress(2 * done, 2 * len(halves))
    logit, first, second = np.concatenate(logits), np.concatenate(inside), np.concatenate(outside)
    spread = float(np.var(first))
    slope = (
        float(np.mean((first - first.mean()) * (second - second.mean()))) / spread if spread > 0.0 else nan
    )
    return Overfitting(
        float(np.mean(logit <= 0.0)),
        float(np.mean(second < 0.0)),
        slope,
        2 * len(halves),
        blocks,
        logit,
        first,
        second,
    )


def rank_of(scores: Float64Array, own: Float64Array) -> Float64Array:
    """Rank from 1 (worst) of `own` (n,) among the rows of `scores` (n, m) that it belongs to; ties take the mean."""
    below = (scores < own[:, None]).sum(axis=1)
    same = (scores == own[:, None]).sum(axis=1)
    ranks: Float64Array = below + (same + 1) / 2.0
    return ranks


def logit_of(ranks: Float64Array, m: int) -> Float64Array:
    """log(w / (1 - w)) of the relative ranks w = rank / (m + 1)."""
    relative = ranks / (m + 1.0)
    logits: Float64Array = np.log(relative / (1.0 - relative))
    return logits


def _spread(moments: Moments) -> float:
    """Variance of the Sharpe estimate times its count less one; never negative, which rounding could make it."""
    term = 1.0 - moments.skew * moments.sharpe + (moments.kurtosis - 1.0) / 4.0 * moments.sharpe**2
    return max(term, 1e-12)


def _sharpe(counts: Float64Array, sums: Float64Array, squares: Float64Array) -> Float64Array:
    """Sharpe ratios (splits, m) from the number, sum and squares of returns; 0 where nothing moves."""
    mean = sums / counts[:, None]
    variance = (squares - counts[:, None] * mean**2) / (counts[:, None] - 1.0)
    moving = variance > _NO_SPREAD
    ratios: Float64Array = np.where(moving, mean / np.sqrt(np.where(moving, variance, 1.0)), 0.0)
    return ratios


def _chunked(halves: list[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    pieces = iter(halves)
    while chunk := list(islice(pieces, _SPLITS_AT_ONCE)):
        yield chunk
