"""Crossings to the letter: a[t] > b[t] and a[t-1] <= b[t-1], nothing where a value is undefined."""

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.engine.indicators.crossings import crosses_above, crosses_below

values = st.sampled_from([1.0, 2.0, 3.0, nan])
pairs = st.lists(st.tuples(values, values), max_size=30)


@given(pairs)
def test_definition(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array([pair[k] for pair in pairs], np.float64) for k in (0, 1))
    above, below = crosses_above(a, b), crosses_below(a, b)
    for t in range(len(pairs)):
        assert above[t] == (t > 0 and a[t] > b[t] and a[t - 1] <= b[t - 1])
        assert below[t] == (t > 0 and a[t] < b[t] and a[t - 1] >= b[t - 1])


def test_the_first_defined_bar_is_no_crossing() -> None:
    assert not crosses_above(np.array([nan, 3.0, 3.0]), 2.0).any()
    assert not crosses_above(np.array([3.0]), 2.0).any()


def test_leaving_a_tie_upwards_is_a_crossing_and_reaching_it_is_none() -> None:
    assert crosses_above(np.array([1.0, 2.0, 2.0, 3.0]), 2.0).tolist() == [False, False, False, True]
    assert crosses_above(2.0, np.array([3.0, 2.0, 1.0])).tolist() == [False, False, True]


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="3 and 2 values"):
        crosses_above(np.ones(3), np.ones(2))
