from datetime import date, time, timedelta
from math import exp, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import ist_ns
from trademantra.data.sample.calendar import expiry_close_ns, option_expiries
from trademantra.data.sample.options import (
    INTEREST_RATE,
    black_76,
    generate_option_chain,
    implied_volatility,
)

YEAR_NS = 365 * 86_400 * 10**9
TICK = 0.05


def chain_at(market, underlying, day, at, expiry_number=0, **options):
    expiry = option_expiries(day, expiry_number + 1, weekly=underlying == "SYNINDEX")[expiry_number]
    return generate_option_chain(market, underlying, ist_ns(day, at), expiry, **options)


@given(
    st.integers(0, 119),
    st.integers(5, 370),
    st.sampled_from(["SYNINDEX", "SYNIT1", "SYNBANK1"]),
    st.integers(0, 2),
)
@settings(max_examples=25, deadline=None)
def test_no_price_can_be_arbitraged(market, day_number, minute, underlying, expiry_number):
    day = market.days[day_number].trade_date
    instant = time(9, 15 + minute) if minute < 45 else time((555 + minute) // 60, (555 + minute) % 60)
    chain = chain_at(market, underlying, day, instant, expiry_number)
    years = (expiry_close_ns(chain.expiry) - chain.instant_ns) / YEAR_NS
    discount = exp(-INTEREST_RATE * years)
    parity = chain.call.price - chain.put.price - discount * (chain.forward - chain.strike)
    assert np.abs(parity).max() <= TICK / 2 * 1.001
    assert (np.diff(chain.call.price) <= 1e-9).all()
    assert (np.diff(chain.put.price) >= -1e-9).all()
    # Four prices are rounded to a tick each, so a butterfly may be worth two ticks less than nothing.
    assert np.diff(chain.call.price, 2).min() >= -2 * TICK * 1.001
    for side in (chain.call, chain.put):
        assert (side.bid <= side.price).all()
        assert (side.price <= side.ask).all()
        assert (side.bid < side.ask).all()
        assert (side.bid >= TICK).all()
        for prices in (side.price, side.bid, side.ask):
            assert np.array_equal(np.rint(prices / TICK) * 5 / 100, prices)
        for lots in (side.open_interest, side.volume):
            assert (lots % chain.lot_size == 0).all()
            assert (lots >= 0).all()


def test_puts_of_an_index_cost_more_volatility_than_calls(market):
    chain = chain_at(market, "SYNINDEX", date(2025, 7, 9), time(12), 3)
    sigma = chain.implied_volatility
    middle = int(np.argmin(np.abs(chain.strike - chain.forward)))
    assert sigma[middle - 10] > sigma[middle] * 1.05
    assert sigma[middle - 10] > sigma[middle + 10]


def test_the_skew_of_an_index_is_steeper_than_that_of_a_share(market):
    def skew(underlying):
        """Slope of volatility over log strike at the money, both in units of the volatility there."""
        expiry = option_expiries(date(2025, 7, 9), 1, weekly=False)[0]
        chain = generate_option_chain(market, underlying, ist_ns(date(2025, 7, 9), time(12)), expiry)
        distance = np.log(chain.strike / chain.forward)
        base = chain.implied_volatility[np.argmin(np.abs(distance))]
        return np.polyfit(distance / base, chain.implied_volatility / base, 2)[1]

    assert skew("SYNINDEX") < 1.5 * skew("SYNIT1") < 0


def test_volatility_at_the_money_is_about_that_of_the_underlying(market, bars):
    last = np.cumsum([day.minutes for day in market.days]) - 1
    for underlying in ("SYNINDEX", "SYNIT1"):
        realised = np.diff(np.log(bars[underlying].close[last])).std() * sqrt(252)
        implied = []
        for day in market.days[::12]:
            chain = chain_at(market, underlying, day.trade_date, time(12), 1)
            implied.append(chain.implied_volatility[np.argmin(np.abs(chain.strike - chain.forward))])
        assert 0.75 < np.mean(implied) / realised < 1.6


def test_open_interest_of_calls_lies_above_the_spot_and_of_puts_below(market):
    chain = chain_at(market, "SYNINDEX", date(2025, 7, 9), time(12), 2)
    centre_of_calls = np.average(chain.strike, weights=chain.call.open_interest)
    centre_of_puts = np.average(chain.strike, weights=chain.put.open_interest)
    assert centre_of_puts < chain.spot < centre_of_calls


def test_volume_grows_through_the_day_and_open_interest_stays(market):
    day = date(2025, 7, 9)
    morning, evening = (chain_at(market, "SYNINDEX", day, at, 1) for at in (time(10), time(15, 25)))
    assert evening.call.volume.sum() > 2 * morning.call.volume.sum()


def test_the_spot_is_the_last_close_before_the_instant(market, bars):
    made = bars["SYNIT1"]
    at = ist_ns(date(2025, 7, 9), time(12, 0))
    chain = chain_at(market, "SYNIT1", date(2025, 7, 9), time(12, 0))
    assert chain.spot == made.close[np.searchsorted(made.ts, at) - 1]


def test_after_the_close_the_spot_is_the_last_of_the_day(market, bars):
    made = bars["SYNIT1"]
    chain = chain_at(market, "SYNIT1", date(2025, 7, 9), time(20))
    assert chain.spot == made.close[np.searchsorted(made.ts, ist_ns(date(2025, 7, 9), time(15, 30))) - 1]


def test_at_the_end_of_the_expiry_only_the_intrinsic_value_is_left(market):
    (expiry,) = option_expiries(date(2025, 7, 9), 1, weekly=True)
    chain = generate_option_chain(market, "SYNINDEX", expiry_close_ns(expiry), expiry)
    assert np.abs(chain.call.price - np.maximum(chain.spot - chain.strike, 0)).max() <= TICK * 1.5
    assert np.abs(chain.put.price - np.maximum(chain.strike - chain.spot, 0)).max() <= TICK * 1.5


def test_a_longer_market_has_the_same_chain(market):
    shorter = type(market)(
        seed=market.seed, days=market.days[:60], shares=market.shares, indices=market.indices
    )
    day = market.days[40].trade_date
    one, other = (chain_at(each, "SYNINDEX", day, time(11), 0) for each in (market, shorter))
    for side in ("call", "put"):
        for name in ("price", "bid", "ask", "open_interest", "volume"):
            assert np.array_equal(getattr(getattr(one, side), name), getattr(getattr(other, side), name))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"expiry": date(2025, 7, 8)}, "have expired"),
        ({"expiry": date(2025, 7, 13)}, "NSE does not trade"),
        ({"instant_ns": ist_ns(date(2025, 6, 1), time(12))}, "no price at that instant"),
        ({"instant_ns": ist_ns(date(2025, 6, 2), time(9, 15))}, "no price at that instant"),
        ({"strikes_each_side": 0}, "at least 1 strike"),
    ],
)
def test_impossible_questions_are_refused(market, change, fault):
    question = {"instant_ns": ist_ns(date(2025, 7, 9), time(12)), "expiry": date(2025, 7, 15)} | change
    with pytest.raises(InvalidValueError, match=fault):
        generate_option_chain(market, "SYNINDEX", **question)


@given(st.floats(50, 150), st.floats(50, 150), st.floats(0.01, 1.5), st.floats(0.001, 3))
@settings(max_examples=60, deadline=None)
def test_black_76_agrees_with_the_integral_over_the_lognormal(forward, strike, sigma, years):
    """Differential: expected payoff by the midpoint rule over ±10 standard deviations."""
    step = 20 / 40_000
    z = -10 + step * (np.arange(40_000) + 0.5)
    weight = np.exp(-z * z / 2) / sqrt(2 * np.pi) * step
    final = forward * np.exp(sigma * sqrt(years) * z - sigma * sigma * years / 2)
    call, put = black_76(forward, strike, sigma, years)
    assert abs(call - (np.maximum(final - strike, 0) * weight).sum()) < 1e-3
    assert abs(put - (np.maximum(strike - final, 0) * weight).sum()) < 1e-3
    assert abs(call - put - (forward - strike)) < 1e-9


def test_black_76_without_time_or_volatility_is_the_intrinsic_value():
    assert black_76(110.0, 100.0, 0.2, 0.0) == (10.0, 0.0)
    assert black_76(90.0, 100.0, 0.0, 1.0) == (0.0, 10.0)


def test_expiries_are_those_of_nse():
    assert option_expiries(date(2025, 8, 25), 3, weekly=True) == (
        date(2025, 8, 28),
        date(2025, 9, 2),
        date(2025, 9, 9),
    )
    assert option_expiries(date(2026, 3, 31), 2, weekly=False) == (date(2026, 4, 28), date(2026, 5, 26))
    day = date(2026, 1, 1)
    while day < date(2026, 2, 1):
        found = option_expiries(day, 4, weekly=True)
        assert len(found) == 4
        assert found[0] >= day
        day += timedelta(days=1)


@given(st.floats(0.03, 2.0), st.floats(-3, 3), st.floats(0.005, 2))
@settings(max_examples=60, deadline=None)
def test_implied_volatility_undoes_black_76(sigma, deviations, years):
    forward = 1_000_000.0
    strike = forward * exp(deviations * sigma * sqrt(years))
    outside = min(black_76(forward, strike, sigma, years))
    found = implied_volatility(forward, strike, outside, years)
    assert abs(min(black_76(forward, strike, found, years)) - outside) < 1e-6 * forward


def test_volatility_that_cannot_be_told_is_not_guessed(market):
    expiry = option_expiries(date(2025, 7, 9), 1, weekly=True)[0]
    late = expiry_close_ns(expiry) - 10 * 60 * 10**9
    chain = generate_option_chain(market, "SYNINDEX", late, expiry)
    unknown = np.isnan(chain.implied_volatility)
    assert unknown[0]
    assert unknown[-1]
    assert (np.minimum(chain.call.price, chain.put.price)[unknown] == TICK).all()
    middle = int(np.argmin(np.abs(chain.strike - chain.forward)))
    assert not unknown[middle]
