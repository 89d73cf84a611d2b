"""Bars that are built without a compiler have the bits of those that compiled code builds, whatever comes in."""

from datetime import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.feeds.tick_making import EVENING_BEFORE, FRIDAY, MINUTE, OPENS, SECOND, share
from trademantra.core.bar import Timeframe
from trademantra.data.resample import SessionSpan, daily_spans
from trademantra.trading.feeds.bar_builder import BarBuilder
from trademantra.trading.feeds.bar_rules import BarSettings, EmptyBars
from trademantra.trading.feeds.hours import TradingHours
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch

INT64 = st.integers(-(2**63), 2**63 - 1)
MONDAY = FRIDAY.replace(day=23)
HOURS = TradingHours(
    (
        SessionSpan(FRIDAY, OPENS, OPENS + 3 * MINUTE),
        SessionSpan(FRIDAY, OPENS + 4 * MINUTE, OPENS + 6 * MINUTE),
        *daily_spans([MONDAY], time(9, 15), time(15, 30)),
    ),
    ((OPENS - 15 * MINUTE, OPENS),),
)
NEXT_OPENS = HOURS.spans[2].open_ns
SHARES = (share(), share("TCS"), share("INFY"))
TIMEFRAMES = tuple(Timeframe.parse(text) for text in ("5s", "1m", "1h", "1d"))

near = st.integers(-20 * 60, 8 * 60).map(lambda seconds: OPENS + seconds * SECOND)
stamp = near | near.map(lambda ns: ns + NEXT_OPENS - OPENS) | INT64 | st.sampled_from([0, OPENS, 2**63 - 1])
number = st.floats(90, 110).map(lambda price: round(price, 2)) | st.integers(-1, 10_000).map(float) | st.floats(width=64)  # fmt: skip
tick = st.tuples(
    st.integers(0, 4),  # rows of nothing too
    stamp,
    st.just(0) | stamp,
    st.integers(0, 90 * SECOND) | st.sampled_from([0, 0, 3 * 86_400 * SECOND]),  # until the next arrives
    number,
    number,
    number,
)


def numbers(builder):
    return {name: each.tobytes() for name, each in vars(builder).items() if isinstance(each, np.ndarray)}


@given(
    st.lists(tick, max_size=60),
    st.integers(1, 4),
    st.sampled_from([0, SECOND // 2, 10 * SECOND]),
    st.sampled_from(EmptyBars),
    st.integers(1, 3),
)
@settings(max_examples=120, deadline=None)
def test_plain_and_compiled_code_build_the_same_bits(ticks, pieces, lateness, empty, shares):
    plain, compiled = (
        BarBuilder(InstrumentTable(), BarSettings(lateness_ns=lateness, empty=empty, is_compiled=is_compiled))
        for is_compiled in (False, True)
    )
    for builder in (plain, compiled):
        for each in SHARES[:shares]:
            for timeframe in TIMEFRAMES:
                builder.subscribe(each, timeframe, HOURS, EVENING_BEFORE)
    columns = [list(column) for column in zip(*ticks, strict=True)] or [[]] * 7
    rows, at, trade, waits, prices, totals, quantities = columns
    received = EVENING_BEFORE + np.cumsum([OPENS - 60 * SECOND - EVENING_BEFORE, *waits], dtype=np.int64)[1:]
    batch = TickBatch.of(
        rows, at, prices, received_ns=received, trade_ns=trade, total=totals, quantity=quantities
    )
    for edges in np.array_split(np.arange(len(batch)), pieces):
        if len(edges):
            part = batch.slice(int(edges[0]), int(edges[-1]) + 1)
            assert plain.take(part) == compiled.take(part)
            assert numbers(plain) == numbers(compiled)
    for after in (OPENS + 10 * MINUTE, HOURS.spans[-1].close_ns + MINUTE):
        assert plain.next_close_ns == compiled.next_close_ns
        assert plain.advance(after) == compiled.advance(after)
    assert numbers(plain) == numbers(compiled)
    assert plain.counts == compiled.counts
