"""Crossings: `a` crosses above `b` at bar t when a[t] > b[t] and a[t-1] <= b[t-1].

A bar at which either is undefined (NaN), and the first defined bar alone, is no crossing.
"""

import numpy as np
from numpy.typing import NDArray

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Float64Array
from trademantra.engine.compile import compiled, inlined
from trademantra.engine.signature import FLAGS, NOTHING, VECTOR


@inlined
def crossed_above(a_before: float, b_before: float, a: float, b: float) -> bool:
    """Whether a crosses above b at this bar; False for NaN anywhere."""
    return a > b and a_before <= b_before


@inlined
def crossed_below(a_before: float, b_before: float, a: float, b: float) -> bool:
    """Whether a crosses below b at this bar; False for NaN anywhere."""
    return a < b and a_before >= b_before


@compiled(NOTHING(VECTOR, VECTOR, FLAGS))
def _mark_crossings(a: Float64Array, b: Float64Array, out: NDArray[np.bool_]) -> None:
    for i in range(1, len(a)):
        out[i] = crossed_above(a[i - 1], b[i - 1], a[i], b[i])


def crosses_above(a: Float64Array | float, b: Float64Array | float) -> NDArray[np.bool_]:
    """Where `a` crosses above `b`: (n,) bool.  One of them may be a level.

    Errors: `InvalidValueError` for series of unequal length.

    >>> crosses_above(np.array([1.0, 2.0, 2.0, 3.0]), 2.0).tolist()
    [False, False, False, True]
    """
    first, second = np.atleast_1d(np.asarray(a, np.float64)), np.atleast_1d(np.asarray(b, np.float64))
    if first.shape != second.shape and 1 not in (first.size, second.size):
        raise InvalidValueError(f"crossing of series with {first.size} and {second.size} values")
    first, second = (np.ascontiguousarray(series) for series in np.broadcast_arrays(first, second))
    out = np.zeros(len(first), np.bool_)
    _mark_crossings(first, second, out)
    return out


def crosses_below(a: Float64Array | float, b: Float64Array | float) -> NDArray[np.bool_]:
    """Where `a` crosses below `b`: (n,) bool; as `crosses_above` with the two exchanged.

    >>> crosses_below(np.array([3.0, 2.0, 1.0]), 2.0).tolist()
    [False, False, True]
    """
    return crosses_above(b, a)
