"""History: no bar asked twice or left out, and a download that goes on where it stopped."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.brokers.zerodha.scripted_kite import Asked, Says, adapter_to, data, error, scripted_kite
from trademantra.brokers.errors import NotSupportedError, RequestRefusedError
from trademantra.brokers.zerodha.history import (
    Downloaded,
    Progress,
    bars_of,
    download_history,
    interval_of,
    series_of,
    spans,
)
from trademantra.brokers.zerodha.reply import Json, MalformedReplyError
from trademantra.core.bar import Timeframe
from trademantra.core.errors import DataConflictError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import IST, ManualClock, ns_of
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars

SHARE = Instrument(
    exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY", series="EQ"
)
MINUTE, DAY = Timeframe.parse("1m"), Timeframe.parse("1d")
START = datetime(2026, 1, 1, 9, 15, tzinfo=IST)


@given(st.integers(0, 500_000), st.integers(1, 400))
def test_requests_cover_every_second_once_and_none_is_too_long(minutes: int, days: int) -> None:
    last = START + timedelta(minutes=minutes)
    pieces = list(spans(START, last, days))
    assert pieces[0].first == START
    assert pieces[-1].last == last
    assert all(after.first - before.last == timedelta(seconds=1) for before, after in pairwise(pieces))
    assert all(timedelta(0) <= piece.last - piece.first < timedelta(days=days) for piece in pieces)


def test_nothing_is_asked_for_an_empty_range() -> None:
    assert list(spans(START, START - timedelta(seconds=1), 60)) == []


@pytest.mark.parametrize("timeframe", ["2m", "4h", "1w", "1mo", "5s"])
def test_a_timeframe_that_the_broker_lacks_is_refused(timeframe: str) -> None:
    with pytest.raises(NotSupportedError, match="it has 1m, 3m"):
        interval_of(Timeframe.parse(timeframe))


@pytest.mark.parametrize(
    "rows",
    [
        [["2026-01-01T09:15:00+0530", 1, 2, 1]],
        [["2026-01-01T09:15:00", 1, 2, 1, 1, 5]],
        [["yesterday", 1, 2, 1, 1, 5]],
        [["2026-01-01T09:15:00+0530", 1, "2", 1, 1, 5]],
        [["2026-01-01T09:15:00+0530", 1, 2, 3, 1, 5]],
        [["2026-01-01T09:15:00+0530", 1, 2, 1, 1, 5]] * 2,
        [7],
    ],
)
def test_candles_that_cannot_be_are_an_error(rows: list[Json]) -> None:
    with pytest.raises(MalformedReplyError):
        bars_of({"candles": rows}, 0, 2**62)


def test_the_adapter_asks_in_pieces_and_joins_them(tmp_path: Path) -> None:
    async def case() -> None:
        clock = ManualClock(ns_of(START + timedelta(days=200)))
        async with (
            scripted_kite() as kite,
            adapter_to(kite, tmp_path, clock, histories_per_second=100) as adapter,
        ):
            infy = next(one for one in await adapter.instruments() if one.symbol == "INFY")

            def candles(asked: Asked) -> Says:
                first, last = (datetime.fromisoformat(asked.query[name][0]) for name in ("from", "to"))
                if last - first >= timedelta(days=60):
                    return error(400, "InputException", "interval exceeds max limit: 60 days")
                days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
                rows = [[f"{one:%Y-%m-%dT09:15:00+0530}", 100.05, 101, 99.95, 100, 7] for one in days]
                return data({"candles": rows})

            kite.on(f"GET /instruments/historical/{408065}/minute", candles)
            bars = await adapter.history(infy, MINUTE, START, START + timedelta(days=130))
            assert len(kite.requests("GET /instruments/historical/408065/minute")) == 3
            assert len(bars) == 131
            assert (np.diff(bars.ts) == 86_400 * 10**9).all()
            assert bars.open[0] == 100.05
            kite.on("GET /instruments/historical/408065/day", error(400, "InputException", "invalid"))
            with pytest.raises(RequestRefusedError):
                await adapter.history(infy, DAY, START, START)

    asyncio.run(case())


class Market:
    """A source of one-minute bars that counts what it is asked, and can break off."""

    def __init__(self, scale: float = 1.0, breaks_after: int = 10**9) -> None:
        self.asked: list[tuple[datetime, datetime]] = []
        self.scale = scale
        self.left = breaks_after

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars:
        if self.left == 0:
            raise ConnectionError("the cable")
        self.left -= 1
        self.asked.append((first, last))
        step = 60 * 10**9 if timeframe.is_intraday else 86_400 * 10**9
        base = ns_of(START) if timeframe.is_intraday else ns_of(START.replace(hour=0, minute=0))
        skipped = max(0, -(-(ns_of(first) - base) // step))
        ts = np.arange(base + skipped * step, ns_of(last) + 1, step * (60 if timeframe.is_intraday else 1))
        price = self.scale * (100 + (ts // step) % 7)
        return Bars.of(ts, price, price, price, price, np.ones(len(ts)))


def fetch(
    market: Market, store: BarStore, clock: ManualClock, last: datetime, timeframe: Timeframe = MINUTE
) -> tuple[Downloaded, Sequence[Progress]]:
    told: list[Progress] = []
    outcome = asyncio.run(
        download_history(market, SHARE, timeframe, START, last, store, clock=clock, progress=told.append)
    )
    return outcome, told


def test_a_download_that_broke_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    store, clock = BarStore(tmp_path), ManualClock(ns_of(START + timedelta(days=400)))
    last = START + timedelta(days=200)
    with pytest.raises(ConnectionError):
        fetch(Market(breaks_after=2), store, clock, last)
    stored = store.read(series_of(SHARE, MINUTE))
    assert stored.ts[-1] >= ns_of(START + timedelta(days=119))
    market = Market()
    outcome, told = fetch(market, store, clock, last)
    assert ns_of(market.asked[0][0]) == int(stored.ts[-1]), "it begins with the last stored bar"
    assert outcome.skipped == 1
    assert [one.done for one in told] == sorted(one.done for one in told)
    assert told[-1].done == 1.0
    whole, _ = fetch(Market(), BarStore(tmp_path / "whole"), clock, last)
    series = series_of(SHARE, MINUTE)
    again = store.read(series)
    once = BarStore(tmp_path / "whole").read(series)
    assert np.array_equal(again.ts, once.ts)
    assert np.array_equal(again.close, once.close)
    assert len(once) == whole.written
    assert store.describe(series).adjusted
    assert fetch(Market(), store, clock, last)[0].written == 0


def test_prices_that_were_adjusted_since_are_a_conflict(tmp_path: Path) -> None:
    store, clock = BarStore(tmp_path), ManualClock(ns_of(START + timedelta(days=400)))
    fetch(Market(), store, clock, START + timedelta(days=10))
    with pytest.raises(DataConflictError):
        fetch(Market(scale=0.5), store, clock, START + timedelta(days=20))


def test_bars_that_are_not_over_are_left_for_the_next_time(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    now = START + timedelta(hours=3, seconds=30)
    outcome, _ = fetch(Market(), store, ManualClock(ns_of(now)), now + timedelta(days=9))
    assert outcome.last_ns == ns_of(START + timedelta(hours=2)), "the bar of this minute is not over"
    days, _ = fetch(Market(), store, ManualClock(ns_of(now)), now, DAY)
    assert days.last_ns is None, "today's bar is not over"
    days, _ = fetch(Market(), store, ManualClock(ns_of(now + timedelta(days=1))), now, DAY)
    assert days.written == 0
