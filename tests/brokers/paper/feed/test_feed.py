"""Bars become events that lose nothing; events are played in order, at their pace."""

import asyncio
from collections.abc import Sequence
from datetime import date, time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.brokers.orders import OrderRequest
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.feed.paths import BarPath, events_of_bars
from trademantra.brokers.paper.feed.playing import Pace, play, play_at_once, slices
from trademantra.brokers.paper.feed.sources import merged, stored_bars, synthetic_session
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.order import OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, ManualClock, ist_ns
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars

DAY = date(2026, 6, 1)
START = ist_ns(DAY, time(9, 15))


def bars_of(rows: Sequence[tuple[float, float, float, float, float]]) -> Bars:
    return Bars.of([START + i * NANOSECONDS_PER_MINUTE for i in range(len(rows))], *zip(*rows, strict=True))


@st.composite
def any_bars(draw: st.DrawFn) -> Bars:
    rows = []
    for _ in range(draw(st.integers(1, 6))):
        prices = sorted(draw(st.lists(st.integers(100, 120), min_size=4, max_size=4)))
        opening, close = draw(st.sampled_from(prices)), draw(st.sampled_from(prices))
        rows.append(
            (
                float(opening),
                float(prices[3]),
                float(prices[0]),
                float(close),
                float(draw(st.integers(0, 999))),
            )
        )
    return bars_of(rows)


@given(any_bars(), st.sampled_from(BarPath))
def test_events_make_the_bar_again(bars: Bars, path: BarPath) -> None:
    events = events_of_bars(bars, 3, path, NANOSECONDS_PER_MINUTE)
    events.check(4)
    assert (np.diff(events.at_ns) > 0).all()
    for i in range(len(bars)):
        inside = (events.at_ns >= bars.ts[i]) & (events.at_ns < bars.ts[i] + NANOSECONDS_PER_MINUTE)
        assert events.open[inside][0] == bars.open[i]
        assert events.close[inside][-1] == bars.close[i]
        assert events.high[inside].max() == bars.high[i]
        assert events.low[inside].min() == bars.low[i]
        assert events.volume[inside].sum() == bars.volume[i]
        if path is not BarPath.BAR:  # each event begins where the one before ended
            assert (events.open[inside][1:] == events.close[inside][:-1]).all()


def test_paths_by_hand() -> None:
    bars = bars_of([(100, 104, 99, 101, 10)])
    corners = {
        path: events_of_bars(bars, 0, path, NANOSECONDS_PER_MINUTE).close.tolist()
        for path in list(BarPath)[1:]
    }
    assert corners == {
        BarPath.OHLC: [100, 104, 99, 101], BarPath.OLHC: [100, 99, 104, 101], BarPath.NEAREST: [100, 99, 104, 101]
    }  # fmt: skip
    assert events_of_bars(bars, 0, BarPath.OHLC, NANOSECONDS_PER_MINUTE).volume.tolist() == [2, 2, 2, 4]


def test_stored_series_are_listed_and_merged_in_time(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    for symbol in ("ABC", "XYZ"):
        store.append(Series("NSE", symbol, Timeframe.parse("1m")), bars_of([(100, 101, 99, 100, 5)] * 3))
    source = stored_bars(store, store.series(), path=BarPath.OHLC, first=DAY, last=DAY)
    assert [listing.symbol for listing in source.listings] == ["ABC", "XYZ"]
    assert len(source.events) == 2 * 3 * 4
    assert (np.diff(source.events.at_ns) >= 0).all()
    assert len(stored_bars(store, store.series(), first=date(2026, 6, 2)).events) == 0
    assert len(merged([])) == 0


def test_an_invented_session_trades() -> None:
    source = synthetic_session(DAY, shares=3, seed=5)
    clock = ManualClock(int(source.events.at_ns[0]) - 1)
    exchange = Exchange(source.listings, clock)
    exchange.open_account("AB1234", Decimal(1_000_000))
    first = next(slices(source.events, NANOSECONDS_PER_MINUTE))
    play_at_once(exchange, clock, first)
    share = source.listings.at(0)
    placed = exchange.place(
        "AB1234",
        OrderRequest(
            instrument=share.instrument, side=Side.BUY, quantity=Decimal(1), order_type=OrderType.MARKET,
            product=Product.MIS, tag="a",
        ),
    )  # fmt: skip
    rest = EventBatch(*(getattr(source.events, name)[len(first) :] for name in EventBatch.__slots__))
    play_at_once(exchange, clock, rest)
    bought, sold = exchange.trades("AB1234")  # the second by the square-off at 15:15
    assert bought.order_id == placed.order_id
    assert sold.at_ns >= ist_ns(DAY, time(15, 15))
    quote = exchange.quote(share.token)
    assert quote is not None
    assert quote.volume == int(source.events.volume[source.events.token_row == 0].sum())


class Wall(ManualClock):
    """Outside time that passes only by sleeping."""

    async def sleep(self, seconds: float) -> None:
        self.advance_to(self.now_ns() + round(seconds * NANOSECONDS_PER_SECOND))


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 1.5), (3.0, 0.5), (0.0, 0.0)])
def test_playing_keeps_its_pace(speed: float, seconds: float) -> None:
    begin = START
    at = begin + np.arange(7, dtype=np.int64) * NANOSECONDS_PER_SECOND // 4
    ones = np.full(7, 100.0)
    batch = EventBatch(np.zeros(7, np.int64), at, ones, ones, ones, ones, ones, np.full(7, np.nan))
    wall, clock = Wall(0), ManualClock(begin - 1)
    fed: list[tuple[int, int]] = []

    async def feed(part: EventBatch) -> None:
        fed.append((wall.now_ns(), int(part.at_ns[-1])))

    asyncio.run(play(batch, feed, clock, Pace(speed, wall, wall.sleep)))
    assert [event for _, event in fed] == at.tolist()
    assert fed[-1][0] == pytest.approx(seconds * NANOSECONDS_PER_SECOND, abs=10)
    assert clock.now_ns() == at[-1]
    fed.clear()
    asyncio.run(play(batch, feed, clock, Pace(speed, wall, wall.sleep)))  # played already
    assert fed == []


def test_a_night_takes_a_second() -> None:
    at = np.array([START, START + 16 * 3_600 * NANOSECONDS_PER_SECOND], np.int64)
    two = np.full(2, 100.0)
    batch = EventBatch(np.zeros(2, np.int64), at, two, two, two, two, two, np.full(2, np.nan))
    wall, clock = Wall(0), ManualClock(START - 1)

    async def feed(part: EventBatch) -> None: ...

    asyncio.run(play(batch, feed, clock, Pace(1.0, wall, wall.sleep)))
    assert wall.now_ns() == NANOSECONDS_PER_SECOND


def test_wrong_input_is_named() -> None:
    wall = Wall(0)
    with pytest.raises(InvalidValueError, match="speed"):
        Pace(-1.0, wall, wall.sleep)
    with pytest.raises(InvalidValueError, match="slice"):
        list(slices(merged([]), 0))
