import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.runs import bars_of
from trademantra.reports.html.sampling import candles, deltas, extremes, histogram, scaled_deltas

SERIES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300).map(np.array)


@given(values=SERIES, groups=st.integers(1, 20))
def test_thinning_keeps_ends_and_the_extremes_of_every_part(values: np.ndarray, groups: int) -> None:
    at = extremes(values, groups)
    assert (np.diff(at) > 0).all()
    assert len(at) <= max(4 * groups, 4)
    assert (at[0], at[-1]) == (0, len(values) - 1)
    width = -(-len(values) // groups)
    for start in range(0, len(values), width):
        part, kept = values[start : start + width], values[at[(at >= start) & (at < start + width)]]
        assert (part.min(), part.max()) == (kept.min(), kept.max())


@given(limit=st.integers(1, 200), seed=st.integers(0, 50))
def test_candles_keep_opens_closes_highs_and_lows(limit: int, seed: int) -> None:
    bars = bars_of(seed, 4)
    made = candles(bars, limit)
    assert len(made.ts) <= limit
    assert (made.open[0], made.close[-1]) == (bars.open[0], bars.close[-1])
    for k, start in enumerate(range(0, len(bars), made.width)):
        part = bars.slice(start, start + made.width)
        found = (made.ts[k], made.open[k], made.high[k], made.low[k], made.close[k])
        assert found == (part.ts[0], part.open[0], part.high.max(), part.low.min(), part.close[-1])


@given(values=SERIES)
def test_every_value_is_counted_once_on_its_side_of_zero(values: np.ndarray) -> None:
    made = histogram(values)
    values = np.round(values, 12)  # noise below it is not a side
    if made is None:
        assert len(values) < 2 or values.min() == values.max()
        return
    assert made.counts.sum() == len(values)
    assert len(made.edges) == len(made.counts) + 1 <= 63
    assert made.edges[0] <= values.min() + 1e-9
    assert values.max() <= made.edges[-1] * (1 + 1e-12)
    assert made.counts[made.edges[1:] <= 0.0].sum() == np.count_nonzero(values < 0.0)


@given(prices=st.lists(st.integers(1, 10**7), min_size=1, max_size=50))
def test_prices_come_back_from_their_steps(prices: list[int]) -> None:
    ticks = np.array(prices) * 0.05
    assert np.cumsum(scaled_deltas(ticks, 2)).tolist() == np.round(ticks * 100).astype(int).tolist()
    assert np.cumsum(deltas(np.array(prices))).tolist() == prices
