"""How much two instruments move together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from math import isfinite, sqrt

from trademantra.core.errors import InvalidValueError

FEWEST_RETURNS = 20
"""Below this many common days a correlation is not known."""


@dataclass(slots=True)
class Correlations:
    """Pearson correlations of daily returns, float64, each computed once.

    >>> told = Correlations()
    >>> told.tell("a", [0.01, -0.02] * 10), told.tell("b", [0.03, -0.01] * 10)
    (None, None)
    >>> round(told.between("a", "b"), 9)
    1.0
    """

    _returns: dict[str, tuple[float, ...]] = field(default_factory=dict)
    _closes: dict[str, dict[date, float]] = field(default_factory=dict)
    _known: dict[tuple[str, str], float | None] = field(default_factory=dict)

    def tell(self, key: str, returns: Sequence[float]) -> None:
        """Errors: `InvalidValueError` for a return that is no finite number."""
        if not all(isfinite(each) for each in returns):
            raise InvalidValueError(f"{key}: a return is not a finite number")
        self._returns[key] = tuple(returns)
        self._forget(key)

    def tell_closes(self, key: str, closes: Mapping[date, float]) -> None:
        """Closing prices by day: days on which only one of two traded are left out, so their returns cover the same time.

        They go before returns that were told.  Errors: `InvalidValueError` for a price that is not positive.
        """
        if not all(isfinite(each) and each > 0 for each in closes.values()):
            raise InvalidValueError(f"{key}: a closing price is not a positive number")
        self._closes[key] = dict(closes)
        self._forget(key)

    def between(self, one: str, other: str) -> float | None:
        """-1 to 1; None where one of them is not known well enough, or never moved."""
        if one == other:
            return 1.0
        pair = (one, other) if one < other else (other, one)
        if pair not in self._known:
            self._known[pair] = _pearson(*self._aligned(one, other))
        return self._known[pair]

    def _aligned(self, one: str, other: str) -> tuple[Sequence[float], Sequence[float]]:
        mine, theirs = self._closes.get(one), self._closes.get(other)
        if mine is None or theirs is None:
            return self._returns.get(one, ()), self._returns.get(other, ())
        days = sorted(mine.keys() & theirs.keys())
        return _returns([mine[day] for day in days]), _returns([theirs[day] for day in days])

    def _forget(self, key: str) -> None:
        self._known = {pair: value for pair, value in self._known.items() if key not in pair}


def _returns(closes: Sequence[float]) -> Sequence[float]:
    return [after / before - 1 for before, after in pairwise(closes)]


def _pearson(one: Sequence[float], other: Sequence[float]) -> float | None:
    days = min(len(one), len(other))
    if days < FEWEST_RETURNS:
        return None
    xs, ys = one[-days:], other[-days:]
    if all(a == b for a, b in pairwise(xs)) or all(a == b for a, b in pairwise(ys)):
        return None
    x_mean, y_mean = sum(xs) / days, sum(ys) / days
    covariance = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    spread = sqrt(sum((x - x_mean) ** 2 for x in xs) * sum((y - y_mean) ** 2 for y in ys))
    return covariance / spread if spread else None
