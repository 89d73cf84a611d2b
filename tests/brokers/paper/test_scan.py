"""The scan of prices takes the same ones, with the same bits, compiled and plain."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.brokers.paper import scan
from trademantra.engine.compile import on_views

ROWS = 3
number = st.sampled_from([0.0, 99.95, 100.0, 100.05, 101.0, -1.0]) | st.floats(width=64)
ns = st.integers(0, 50) | st.integers(-(2**63), 2**63 - 1)
event = st.tuples(st.integers(0, ROWS - 1), ns, *[number] * 6)


@given(
    st.lists(event, max_size=30),
    st.lists(number, min_size=ROWS * scan.COLUMNS, max_size=ROWS * scan.COLUMNS),
    st.integers(0, 30),
    ns,
    st.integers(-1, 30),
)
@settings(max_examples=200, deadline=None)
def test_plain_and_compiled_code_take_the_same_prices(events, columns, start, until_ns, forced):
    rows, at_ns, *numbers = [list(column) for column in zip(*events, strict=True)] or [[]] * 8
    given_columns = [np.array(each, np.float64) for each in numbers]
    results = []
    for run in (scan.scan, on_views(scan.scan)):
        market = np.array(columns, np.float64).reshape(ROWS, scan.COLUMNS)
        last_ns = np.zeros(ROWS, np.int64)
        at = run(
            np.array(rows, np.int64), np.array(at_ns, np.int64), *given_columns, market, last_ns,
            min(start, len(events)), len(events), until_ns, forced,
        )  # fmt: skip
        market[np.isnan(market)] = np.nan  # every NaN is one NaN
        results.append((at, market.tobytes(), last_ns.tobytes()))
    assert results[0] == results[1]
