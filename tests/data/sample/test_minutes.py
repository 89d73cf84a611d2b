import hashlib
import os
import platform
import subprocess
import sys
from dataclasses import replace
from datetime import date, time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.time import ist_ns
from trademantra.data.sample.calendar import trading_days, trading_days_from
from trademantra.data.sample.market import SyntheticMarket, TradingDay
from trademantra.data.sample.minutes import generate_auctions, generate_bars, iterate_minutes
from trademantra.data.sample.ticks import generate_ticks
from trademantra.data.sample.universe import synthetic_index, synthetic_shares
from trademantra.engine.bars import Bars

DAYS = trading_days_from(date(2026, 1, 1), 45)
FIELDS = ("ts", "open", "high", "low", "close", "volume")


def small_market(seed: int = 7, shares: int = 3, days: int = 3) -> SyntheticMarket:
    invented = synthetic_shares(shares)
    return SyntheticMarket(seed=seed, days=DAYS[:days], shares=invented, indices=(synthetic_index(invented),))


def same(a: Bars, b: Bars) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in FIELDS)


@given(st.integers(0, 2**40), st.integers(1, 12), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_bars_are_possible_bars_on_the_minutes_of_the_sessions(seed, shares, days):
    market = small_market(seed, shares, days)
    minutes = np.concatenate([day.minute_starts() for day in market.days])
    for made in generate_bars(market).values():
        made.check()
        assert np.array_equal(made.ts, minutes)


@given(st.integers(0, 2**40), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=10, deadline=None)
def test_later_days_never_change_earlier_ones(seed, some, more):
    """40 days cross the border of a chunk of 32."""
    few = generate_bars(small_market(seed, 2, some))
    many = generate_bars(small_market(seed, 2, min(some + more, 45)))
    for symbol, made in few.items():
        assert same(made, many[symbol].slice(0, len(made)))


@given(st.integers(0, 2**40), st.integers(1, 10), st.integers(1, 10))
@settings(max_examples=10, deadline=None)
def test_more_shares_never_change_the_others(seed, some, more):
    few = generate_bars(small_market(seed, some, 2))
    many = generate_bars(small_market(seed, some + more, 2))
    for share in synthetic_shares(some):
        assert same(few[share.symbol], many[share.symbol])


def test_symbols_alone_are_the_same_as_among_all():
    market = small_market(shares=4, days=35)
    everything = generate_bars(market)
    for symbol in market.symbols:
        assert same(generate_bars(market, [symbol])[symbol], everything[symbol])


def test_any_span_of_days_is_made_without_those_before_it():
    market = small_market(days=40)
    whole = generate_bars(market)
    (part,) = iterate_minutes(market, ["SYNINDEX", "SYNIT1"], 20, 21)
    for symbol, minutes in part.items():
        assert same(minutes.bars(), whole[symbol].slice(20 * 375, 21 * 375))


def test_another_seed_is_another_market():
    one, other = generate_bars(small_market(7)), generate_bars(small_market(8))
    assert not np.array_equal(one["SYNIT1"].close, other["SYNIT1"].close)


def digest_of_the_small_market() -> str:
    market = small_market()
    digest = hashlib.sha256()
    for symbol, made in generate_bars(market).items():
        ticks = generate_ticks(market, symbol, market.days[-1].trade_date)
        arrays = [getattr(made, name) for name in FIELDS] + [ticks.ts, ticks.price, ticks.quantity]
        for array in arrays:
            digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def test_the_same_seed_gives_the_same_bytes_on_every_machine():
    assert digest_of_the_small_market() == "3f2e377579e265ad145382eddfba98a68ee4832acbe3aea485758c6c4be0bbb8"


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="switches off x86 vector instructions"
)
def test_a_processor_without_vector_instructions_gives_the_same_bytes():
    """NumPy picks other code for exp, sums and sorts with and without AVX; none of it may show."""
    code = (
        "import importlib.util as u, sys\n"
        "spec = u.spec_from_file_location('test_minutes', sys.argv[1])\n"
        "module = u.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "print(module.digest_of_the_small_market())"
    )
    features = (
        "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4 AVX2 FMA3 X86_V3"
    )
    # A feature that this build of NumPy cannot switch is a warning of the child, which is not read.
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, __file__],
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": features, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == digest_of_the_small_market()


def test_prices_lie_on_the_tick_grid_and_are_the_floats_of_their_decimals(market, bars):
    for symbol, made in bars.items():
        tick = market.security(symbol).tick
        for name in ("open", "high", "low", "close"):
            prices = getattr(made, name)
            paise = np.rint(prices * 100).astype(np.int64)
            assert (paise % tick == 0).all()
            assert np.array_equal(paise / 100, prices)


def test_an_index_is_its_members_weighted_by_value(market, bars):
    (index,) = market.indices
    members = market.members(index)
    start = sum(share.start_price * share.shares_outstanding for share in members)
    for name in ("open", "close"):
        value = sum(
            np.rint(getattr(bars[share.symbol], name) * 100) * share.shares_outstanding for share in members
        )
        level = value * (index.start_level / start) / 100
        assert np.abs(level - getattr(bars[index.symbol], name)).max() <= index.tick / 200 * 1.0001
    assert not bars[index.symbol].volume.any()


def test_an_index_stays_within_what_its_members_allow(market, bars):
    (index,) = market.indices
    start = sum(share.start_price * share.shares_outstanding for share in market.members(index))
    for name, sign in (("high", 1), ("low", -1)):
        value = sum(
            np.rint(getattr(bars[share.symbol], name) * 100) * share.shares_outstanding
            for share in market.members(index)
        )
        bound = value * (index.start_level / start) / 100
        assert (sign * (getattr(bars[index.symbol], name) - bound)).max() <= index.tick / 100


def test_minutes_open_within_a_tick_of_the_last_price_and_days_within_a_tick_of_the_auction(market, bars):
    for share in market.shares:
        made, tick = bars[share.symbol], share.tick / 100
        inside = np.abs(made.open[1:] - made.close[:-1])[np.diff(made.ts) == 60 * 10**9]
        assert inside.max() <= tick * 1.001
        auctions = generate_auctions(market, share.symbol)
        assert len(auctions.ts) == len(market.days)
        assert (auctions.quantity > 0).all()
        firsts = np.searchsorted(made.ts, [day.intervals[0][0] for day in market.days])
        assert np.abs(made.open[firsts] - auctions.price).max() <= tick * 1.001
        assert all(
            day.auction_ns == ts < day.intervals[0][0]
            for day, ts in zip(market.days, auctions.ts, strict=True)
        )


def test_an_index_has_no_auction():
    with pytest.raises(InvalidValueError, match="SYNINDEX is an index"):
        generate_auctions(small_market(), "SYNINDEX")


def test_a_day_without_auction_has_none():
    day = TradingDay(
        date(2026, 2, 2), ((ist_ns(date(2026, 2, 2), time(18)), ist_ns(date(2026, 2, 2), time(19))),)
    )
    market = SyntheticMarket(seed=1, days=(day,), shares=synthetic_shares(1))
    assert len(generate_auctions(market, "SYNBANK1").ts) == 0
    assert len(generate_bars(market)["SYNBANK1"]) == 60


def test_drills_and_muhurat_hours_are_sessions_of_their_own_length():
    days = trading_days(date(2024, 2, 29), date(2024, 3, 4))
    assert [day.minutes for day in days] == [375, 375, 105, 375]
    market = SyntheticMarket(seed=3, days=days, shares=synthetic_shares(2))
    for made in generate_bars(market).values():
        made.check()
        assert len(made) == 375 * 3 + 105


def test_an_unknown_symbol_is_named_with_those_there_are():
    with pytest.raises(UnknownInstrumentError, match="SYNBANK1, SYNIT1"):
        generate_bars(small_market(), ["RELIANCE"])


def test_days_outside_the_market_are_refused():
    with pytest.raises(InvalidValueError, match="not within the market's 3"):
        next(iterate_minutes(small_market(), ["SYNIT1"], 2, 5))


def test_the_wildest_market_that_is_allowed_still_makes_possible_bars():
    shares = tuple(
        replace(
            share,
            volatility=0.05,
            market_beta=3.0,
            sector_beta=-3.0,
            daily_volume=1,
            start_price=10 * share.tick,
        )
        for share in synthetic_shares(3)
    )
    market = SyntheticMarket(
        seed=5,
        days=DAYS,
        shares=shares,
        indices=(synthetic_index(shares),),
        market_volatility=0.05,
        sector_volatility=0.05,
        drift=-0.005,
    )
    for made in generate_bars(market).values():
        made.check()
