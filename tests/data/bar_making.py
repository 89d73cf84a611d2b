"""Bars for the tests of the store, resampling and quality: sound by construction, on the paisa grid."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from trademantra.engine.bars import Bars, Int64Array


def bars_at(ts: Int64Array, seed: int = 0) -> Bars:
    """Sound bars at these times: a random walk in ticks of 0.05, whole volumes."""
    random = np.random.default_rng(seed)
    n = len(ts)
    steps = random.integers(-3, 4, size=(4, n))
    close = 20_000 + np.cumsum(steps[0])
    open_ = np.concatenate([[20_000], close[:-1]])[:n] + steps[1]
    high = np.maximum(open_, close) + np.abs(steps[2])
    low = np.minimum(open_, close) - np.abs(steps[3])
    prices = (np.round(field * 0.05, 2) for field in (open_, high, low, close))
    return Bars.of(ts, *prices, random.integers(0, 100_000, n))


@st.composite
def any_bars(draw: st.DrawFn, first_ns: int, step_ns: int, largest: int = 60) -> Bars:
    """Sound bars with arbitrary float prices and holes, from `first_ns` on a grid of `step_ns`."""
    places = draw(st.lists(st.integers(0, 4 * largest), max_size=largest, unique=True).map(sorted))
    n = len(places)
    prices = draw(
        arrays.arrays(np.float64, (4, n), elements=st.floats(1e-6, 1e7, allow_nan=False, exclude_min=True))
    )
    prices.sort(axis=0)
    volume = draw(arrays.arrays(np.float64, n, elements=st.floats(0, 1e12, allow_nan=False)))
    low, open_, close, high = prices
    return Bars.of(first_ns + np.array(places, np.int64) * step_ns, open_, high, low, close, volume)


def same(one: Bars, other: Bars) -> bool:
    """Equal number for number."""
    fields = ("ts", "open", "high", "low", "close", "volume")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in fields)
