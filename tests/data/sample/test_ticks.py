from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.data.resample import SessionSpan, bars_from_prices
from trademantra.data.sample.calendar import trading_days
from trademantra.data.sample.market import SyntheticMarket
from trademantra.data.sample.minutes import generate_bars
from trademantra.data.sample.ticks import generate_ticks
from trademantra.data.sample.universe import synthetic_index, synthetic_shares

MINUTE_NS = 60 * 10**9
# A full day, a drill of two windows, an hour of Muhurat.
DAYS = (
    *trading_days(date(2024, 3, 1), date(2024, 3, 2)),
    *trading_days(date(2024, 11, 1), date(2024, 11, 1)),
)


def market_of(seed: int, shares: int) -> SyntheticMarket:
    invented = synthetic_shares(shares)
    return SyntheticMarket(seed=seed, days=DAYS, shares=invented, indices=(synthetic_index(invented),))


@given(st.integers(0, 2**40), st.integers(1, 10), st.sampled_from(range(3)), st.data())
@settings(max_examples=25, deadline=None)
def test_ticks_build_exactly_the_bars(seed, shares, day_number, data):
    """Differential: the bar builder of `data.resample` knows nothing of how the ticks were made."""
    market = market_of(seed, shares)
    symbol = data.draw(st.sampled_from(market.symbols))
    day = DAYS[day_number]
    ticks = generate_ticks(market, symbol, day.trade_date)
    spans = [SessionSpan(day.trade_date, *interval) for interval in day.intervals]
    built = bars_from_prices(
        ticks.ts, ticks.price, Timeframe(1, "m"), spans, volume=ticks.quantity.astype(np.float64)
    )
    expected = generate_bars(market, [symbol])[symbol].between(day.intervals[0][0], day.intervals[-1][1])
    for name in ("ts", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(built, name), getattr(expected, name)), name


@given(st.integers(0, 2**40))
@settings(max_examples=5, deadline=None)
def test_trades_are_in_order_at_the_bid_or_the_ask(seed):
    ticks = generate_ticks(market_of(seed, 3), "SYNENERGY1", DAYS[0].trade_date)
    assert (np.diff(ticks.ts) > 0).all()
    assert (ticks.bid < ticks.ask).all()
    assert ((ticks.price == ticks.bid) | (ticks.price == ticks.ask)).all()
    assert (np.minimum(ticks.quantity, np.minimum(ticks.bid_quantity, ticks.ask_quantity)) >= 1).all()
    at_ask = (ticks.price == ticks.ask).mean()
    assert 0.45 < at_ask < 0.55


def test_quantities_have_many_small_and_few_large_trades():
    ticks = generate_ticks(market_of(7, 1), "SYNBANK1", DAYS[0].trade_date)
    assert np.median(ticks.quantity) < 0.8 * ticks.quantity.mean()


def test_the_last_prices_of_the_members_give_the_index_at_four_instants_a_minute():
    market = market_of(11, 6)
    day = DAYS[0]
    (index,) = market.indices
    published = generate_ticks(market, index.symbol, day.trade_date)
    value = np.zeros(len(published.ts))
    for share in market.members(index):
        ticks = generate_ticks(market, share.symbol, day.trade_date)
        last = np.searchsorted(ticks.ts, published.ts, side="right") - 1
        value += np.where(last >= 0, ticks.price[last], np.nan) * share.shares_outstanding
    start = sum(share.start_price * share.shares_outstanding for share in market.members(index)) / 100
    equal = np.abs(value / start * index.start_level / 100 - published.price) <= index.tick / 200 * 1.001
    minute = (published.ts - day.intervals[0][0]) // MINUTE_NS
    firsts = np.searchsorted(minute, np.arange(day.minutes))
    lasts = np.append(firsts[1:], len(minute)) - 1
    assert equal[firsts].all()
    assert equal[lasts].all()
    # 60 ticks a minute in three even segments: the extremes are the 1st of the second and of the third.
    assert (np.bincount(minute) == 60).all()
    assert equal[firsts + 19].all()
    assert equal[firsts + 39].all()


def test_an_index_is_not_traded():
    ticks = generate_ticks(market_of(7, 2), "SYNINDEX", DAYS[0].trade_date)
    assert not ticks.quantity.any()
    assert np.isnan(ticks.bid).all()
    assert np.isnan(ticks.ask).all()


def test_a_day_without_trading_is_refused():
    with pytest.raises(InvalidValueError, match="2024-03-03 is not a trading day"):
        generate_ticks(market_of(7, 1), "SYNBANK1", date(2024, 3, 3))
