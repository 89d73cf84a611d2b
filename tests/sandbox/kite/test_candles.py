import itertools
from datetime import date, time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.kite.market_making import CRUDE, DAY, FUTURE, INFY, MINUTE, OPENING, TCS, listings, ticks
from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.time import ist_ns
from trademantra.sandbox.kite.candles import Candles, Minutes, NoPast
from trademantra.sandbox.kite.json_form import zoned

KNOWN = listings()
NIGHT = ist_ns(DAY, time(23, 59))
prices = st.integers(1, 5000).map(lambda n: n / 20)


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(
        st.tuples(st.sampled_from([INFY, TCS]), st.one_of(st.integers(0, 9), st.integers(0, 400)), prices),
        min_size=1,
        max_size=60,
    ),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    minutes=st.sampled_from([1, 3, 5, 15, 60, 0]),
)
def test_candles_are_those_of_a_plain_loop(events, cuts, minutes) -> None:
    """However the prices are cut into batches."""
    events = sorted(events, key=lambda event: event[1])
    fed = [ticks(token, [price], start_ns=OPENING + at * MINUTE // 3)[0] for token, at, price in events]
    candles = Candles(KNOWN, NoPast(), OPENING)
    edges = sorted({0, len(fed), *(cut for cut in cuts if cut < len(fed))})
    for start, stop in itertools.pairwise(edges):
        candles.take(EventBatch.of(KNOWN, fed[start:stop]))
    expected: dict[int, list[float]] = {}
    length = minutes * MINUTE
    for event in fed:
        if event.token != INFY:
            continue
        start = OPENING + (event.at_ns - OPENING) // length * length if minutes else ist_ns(DAY, time())
        row = expected.setdefault(start, [event.open, event.high, event.low, event.close, 0])
        row[1], row[2], row[3] = max(row[1], event.high), min(row[2], event.low), event.close
        row[4] += 100
    found = candles.of(INFY, minutes, ist_ns(DAY, time()), NIGHT, continuous=False, interest=False)
    assert found == [[zoned(start), *row] for start, row in expected.items()]


def test_hours_of_commodities_are_counted_from_nine() -> None:
    candles = Candles(KNOWN, NoPast(), OPENING)
    nine = ist_ns(DAY, time(9, 0))
    candles.take(EventBatch.of(KNOWN, ticks(CRUDE, [5600.0], start_ns=nine + 59 * MINUTE)))
    (row,) = candles.of(CRUDE, 60, nine, NIGHT, continuous=False, interest=True)
    assert row == ["2026-11-20T09:00:00+0530", 5600, 5600, 5600, 5600, 100, 0]


class Yesterday:
    """A past of one minute, on the day before."""

    def minutes(self, listing: Listing, first_ns: int, stop_ns: int) -> Minutes:
        at = ist_ns(date(2026, 11, 19), time(15, 29))
        if listing.token not in (INFY, FUTURE) or not first_ns <= at < stop_ns:
            return Minutes.empty()
        return Minutes(np.array([at]), np.array([[10.0], [12.0], [9.0], [11.0], [500.0], [np.nan]]))


def test_the_past_comes_before_what_was_fed() -> None:
    candles = Candles(KNOWN, Yesterday(), OPENING)
    candles.take(EventBatch.of(KNOWN, ticks(INFY, [13.0])))
    rows = candles.of(INFY, 0, ist_ns(date(2026, 11, 18), time()), NIGHT, continuous=False, interest=False)
    assert rows == [
        ["2026-11-19T00:00:00+0530", 10, 12, 9, 11, 500],
        ["2026-11-20T00:00:00+0530", 13, 13, 13, 13, 100],
    ]


def test_a_continuous_series_takes_the_contract_that_expires_next() -> None:
    candles = Candles(KNOWN, Yesterday(), OPENING)
    rows = candles.of(FUTURE, 0, ist_ns(date(2026, 11, 18), time()), NIGHT, continuous=True, interest=False)
    assert rows == [["2026-11-19T00:00:00+0530", 10, 12, 9, 11, 500]]


def test_nothing_outside_the_asked_span() -> None:
    candles = Candles(KNOWN, NoPast(), OPENING)
    candles.take(EventBatch.of(KNOWN, ticks(INFY, [1.0, 2.0, 3.0, 4.0], step_s=60)))
    rows = candles.of(INFY, 1, OPENING + MINUTE, OPENING + 2 * MINUTE, continuous=False, interest=False)
    assert [row[1] for row in rows] == [2, 3]


@pytest.mark.parametrize("interest", [True, False])
def test_unknown_open_interest_is_zero_on_the_wire(interest: bool) -> None:
    candles = Candles(KNOWN, NoPast(), OPENING)
    candles.take(EventBatch.of(KNOWN, ticks(INFY, [1.0])))
    (row,) = candles.of(INFY, 1, OPENING, NIGHT, continuous=False, interest=interest)
    assert len(row) == (7 if interest else 6)
