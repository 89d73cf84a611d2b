"""The bars of ticks are those of history: against `data.resample`, real seconds, a slow reference, any batching."""

from datetime import date, time
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.bar_making import same
from tests.trading.feeds.tick_making import (
    CLOSES,
    EVENING_BEFORE,
    HOURS,
    OPENS,
    SECOND,
    bars_of,
    index,
    share,
)
from trademantra.core.bar import Timeframe
from trademantra.data.resample import Outside, SessionSpan, bars_from_prices, daily_spans
from trademantra.data.sample.calendar import trading_days
from trademantra.data.sample.market import SyntheticMarket
from trademantra.data.sample.minutes import generate_bars
from trademantra.data.sample.ticks import generate_ticks
from trademantra.data.sample.universe import synthetic_index, synthetic_shares
from trademantra.trading.feeds.bar_builder import BarBuilder
from trademantra.trading.feeds.bar_rules import BarSettings
from trademantra.trading.feeds.hours import TradingHours
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch

SECONDS = Path(__file__).parents[4] / "shared" / "data" / "india" / "nse_nifty_1s_ltp_2022_08_10.parquet"
TIMEFRAMES = tuple(Timeframe.parse(text) for text in ("5s", "1m", "3m", "15m", "1h", "1d"))
NIFTY, RELIANCE = index(), share()


def built(instrument, hours, batch, timeframes=TIMEFRAMES, pieces=1, settings=None):
    """Everything that closes when the ticks come in so many batches, with the clock looked at in between."""
    made = BarBuilder(InstrumentTable(), settings or BarSettings(lateness_ns=SECOND))
    for timeframe in timeframes:
        made.subscribe(instrument, timeframe, hours, hours.spans[0].open_ns - 12 * 3600 * SECOND)
    closed = []
    edges = np.linspace(0, len(batch), pieces + 1).astype(int).tolist()
    for begin, end in pairwise(edges):
        closed += made.take(batch.slice(begin, end))
        if end > begin:
            closed += made.advance(int(batch.received_ns[end - 1]))
    return closed + made.advance(hours.spans[-1].close_ns + SECOND), made.counts


def test_real_seconds_build_the_bars_that_resampling_builds():
    if not SECONDS.is_file():
        pytest.skip(f"{SECONDS} is not there: real data is not part of the project")
    seconds = pl.read_parquet(SECONDS).filter(pl.col("symbol") == "NIFTY").sort("ts")
    ts = seconds["ts"].dt.cast_time_unit("ns").to_physical().to_numpy()
    price = seconds["ltp"].to_numpy()
    days = seconds["ts"].dt.convert_time_zone("Asia/Kolkata").dt.date().unique().sort().to_list()
    hours = TradingHours(daily_spans(days, time(9, 15), time(15, 30)))
    batch = TickBatch.of(np.zeros(len(ts), np.int64), ts, price)
    fast = BarSettings(lateness_ns=SECOND, is_compiled=True)
    closed, counts = built(NIFTY, hours, batch, pieces=999, settings=fast)
    assert len(ts) > 570_000
    assert counts.late == counts.ahead == counts.impossible == counts.repeated == 0
    for timeframe in TIMEFRAMES:
        wanted = bars_from_prices(ts, price, timeframe, hours.spans, outside=Outside.DROP)
        assert same(bars_of(closed, NIFTY, timeframe), wanted), str(timeframe)
    assert all(each.is_complete for each in closed)


@given(st.integers(0, 2**40), st.integers(1, 10), st.sampled_from(range(3)), st.booleans(), st.data())
@settings(max_examples=15, deadline=None)
def test_generated_ticks_build_the_bars_that_were_generated(seed, shares, day_number, as_totals, data):
    days = (
        *trading_days(date(2024, 3, 1), date(2024, 3, 2)),  # a full day, and a drill of two windows
        *trading_days(date(2024, 11, 1), date(2024, 11, 1)),  # an hour of Muhurat
    )
    invented = synthetic_shares(shares)
    market = SyntheticMarket(seed=seed, days=days, shares=invented, indices=(synthetic_index(invented),))
    symbol = data.draw(st.sampled_from(market.symbols))
    day = days[day_number]
    ticks = generate_ticks(market, symbol, day.trade_date)
    hours = TradingHours(tuple(SessionSpan(day.trade_date, *each) for each in day.intervals))
    traded = {}
    if ticks.quantity.any():
        traded = {"quantity": ticks.quantity} | ({"total": np.cumsum(ticks.quantity)} if as_totals else {})
    batch = TickBatch.of(np.zeros(len(ticks), np.int64), ticks.ts, ticks.price, **traded)
    closed, counts = built(RELIANCE, hours, batch, pieces=data.draw(st.integers(1, 40)))
    assert counts.taken == len(ticks) or not as_totals
    for timeframe in TIMEFRAMES:
        wanted = bars_from_prices(
            ticks.ts, ticks.price, timeframe, hours.spans, volume=ticks.quantity.astype(float)
        )
        assert same(bars_of(closed, RELIANCE, timeframe), wanted), str(timeframe)
    generated = generate_bars(market, [symbol])[symbol].between(
        hours.spans[0].open_ns, hours.spans[-1].close_ns
    )
    assert same(bars_of(closed, RELIANCE, Timeframe(1, "m")), generated)


class SlowReference:
    """Bars as the rules are worded: all ticks are kept, each bar is worked out from those that came in time."""

    def __init__(self, hours, timeframe, lateness_ns):
        self.hours, self.timeframe, self.lateness_ns = hours, timeframe, lateness_ns

    def bars(self, ticks):
        """`ticks`: (stamp, received, price, total) in order of arrival; totals rise with the stamps."""
        periods = {}
        for stamp, received, price, total in ticks:
            period = self.hours.period_at(stamp, self.timeframe)
            if period is not None and received < period.end_ns + self.lateness_ns:
                periods.setdefault(period, []).append((stamp, price, total))
        bars, before = [], 0
        for period in sorted(periods, key=lambda each: each.start_ns):
            inside = sorted(periods[period], key=lambda tick: tick[0])
            known = [
                total for stamp, received, _, total in ticks
                if stamp < period.start_ns and received < period.end_ns + self.lateness_ns
            ]  # fmt: skip
            before = max([before, *known])
            prices = [price for _, price, _ in inside]
            last = max(total for _, _, total in inside)
            bars.append((period.start_ns, prices[0], max(prices), min(prices), prices[-1], last - before))
            before = last
        return bars


@st.composite
def arrivals(draw, longest_delay):
    """Ticks with whole-second stamps, any delay up to the longest, sorted by arrival; also pre-open and late hours."""
    stamps = sorted(draw(st.lists(st.integers(-90, 700), min_size=1, max_size=80)))
    ticks, total = [], 0
    for number, second in enumerate(stamps):
        total += draw(st.integers(1, 50))
        stamp = OPENS + second * SECOND + number  # each its own moment: totals follow the stamps
        received = stamp + draw(st.integers(0, longest_delay))
        ticks.append((stamp, received, draw(st.integers(1, 30)) * 0.05, total))
    ticks.sort(key=lambda tick: tick[1])
    return ticks


HALF_PAST = TradingHours(
    (SessionSpan(HOURS.spans[0].trade_date, OPENS, OPENS + 250 * SECOND),
     SessionSpan(HOURS.spans[0].trade_date, OPENS + 300 * SECOND, OPENS + 610 * SECOND))
)  # fmt: skip


def check_against_reference(ticks, text):
    timeframe = Timeframe.parse(text)
    lateness = 2 * SECOND
    stamps, received, prices, totals = (list(column) for column in zip(*ticks, strict=True))
    batch = TickBatch.of([0] * len(ticks), stamps, prices, received_ns=received, total=totals)
    made = BarBuilder(InstrumentTable(), BarSettings(lateness_ns=lateness))
    made.subscribe(RELIANCE, timeframe, HALF_PAST, EVENING_BEFORE)
    closed = made.take(batch) + made.advance(CLOSES)
    bars = [(b.start_ns, b.open, b.high, b.low, b.close, b.volume) for b in (each.bar for each in closed)]
    return bars, SlowReference(HALF_PAST, timeframe, lateness).bars(ticks), made.counts


@given(arrivals(2 * SECOND - 100), st.sampled_from(["2s", "7s", "1m", "3m", "1h", "1d"]))
@settings(max_examples=150, deadline=None)
def test_any_order_within_the_lateness_gives_the_bars_of_the_reference(ticks, text):
    bars, wanted, counts = check_against_reference(ticks, text)
    assert bars == wanted
    assert counts.late == 0
    in_order, *_ = check_against_reference(sorted((stamp, stamp, price, total) for stamp, _, price, total in ticks), text)  # fmt: skip
    assert bars == in_order


@given(arrivals(90 * SECOND), st.sampled_from(["2s", "7s", "1m", "3m", "1h", "1d"]))
@settings(max_examples=150, deadline=None)
def test_late_ticks_of_any_order_are_in_no_bar(ticks, text):
    bars, wanted, counts = check_against_reference(ticks, text)
    assert [bar[:5] for bar in bars] == [bar[:5] for bar in wanted]
    assert counts.taken + counts.late + counts.outside == len(ticks)
    assert all(bar[5] >= 0 for bar in bars)
    assert sum(bar[5] for bar in bars) <= ticks[-1][3] or sum(bar[5] for bar in bars) <= max(
        t[3] for t in ticks
    )


@given(arrivals(90 * SECOND), st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_batches_and_looks_at_the_clock_change_nothing(ticks, pieces, others):
    stamps, received, prices, totals = (list(column) for column in zip(*ticks, strict=True))
    batch = TickBatch.of([0] * len(ticks), stamps, prices, received_ns=received, total=totals)
    first, _ = built(RELIANCE, HALF_PAST, batch, pieces=pieces)
    second, _ = built(RELIANCE, HALF_PAST, batch, pieces=others)
    assert first == second
