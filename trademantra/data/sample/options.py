"""Option chains on synthetic shares and indices: Black (1976) over two states, which makes a skew."""

from dataclasses import dataclass
from datetime import date
from math import ceil, erfc, exp, floor, log, nan, sqrt

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import OptionRight
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_MINUTE
from trademantra.data.sample.calendar import expiry_close_ns
from trademantra.data.sample.factors import (
    MARKET_FACTOR,
    daily_frame,
    sector_factor,
    volume_shape,
)
from trademantra.data.sample.market import (
    PAISE_PER_RUPEE,
    SyntheticIndex,
    SyntheticMarket,
    SyntheticShare,
)
from trademantra.data.sample.minutes import iterate_minutes
from trademantra.data.sample.streams import Purpose, normal, raw_words
from trademantra.engine.bars import Float64Array, Int64Array

OPTION_TICK = 5  # paise; index options of NSE, specs/india-markets.md 2.4
INTEREST_RATE = 0.065
_DAYS_PER_YEAR = 365.0
_TRADING_DAYS_PER_YEAR = 252

# Volatility at the money: above the realised one, drawn to the long run with time.
_RISK_PREMIUM = 1.12
_REVERSION_YEARS = 0.15
# No option is worth a hundredth of a tick more than its intrinsic value: its volatility cannot be told.
_UNTELLABLE = OPTION_TICK / 100
_BISECTIONS = 50
_LARGEST_VOLATILITY = 5.0
# Open interest and volume spread over strikes as if at least two days were left.
_NARROWEST_YEARS = 2.0 / _DAYS_PER_YEAR

_INDEX_STRIKES_PER_LEVEL = 400
_SHARE_STRIKES_PER_LEVEL = 80
_STRIKE_STEPS = (50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
_LOTS_AT_THE_MONEY = 40_000


@dataclass(frozen=True, slots=True)
class _State:
    """One way in which things may go: its odds, the shift of the forward and the volatility, both in units of
    the volatility at the money."""

    odds: float
    shift: float
    width: float


# Prices are means over a calm and a troubled way.  A mean of Black prices has no arbitrage between strikes, which a
# smile drawn by hand soon has; low strikes cost more volatility because trouble lies below.
_INDEX_STATES = (_State(0.75, 0.25, 0.80), _State(0.25, -0.75, 1.20))
_SHARE_STATES = (_State(0.80, 0.08, 0.85), _State(0.20, -0.32, 1.40))


@dataclass(frozen=True, slots=True)
class OptionQuotes:
    """One side of a chain, by strike.  Prices in rupees on the 0.05 grid; quantities in units, whole lots.

    `price` is the last trade, between `bid` and `ask`; `volume` counts since the day's open.
    """

    price: Float64Array
    bid: Float64Array
    ask: Float64Array
    open_interest: Int64Array
    volume: Int64Array


@dataclass(frozen=True, slots=True)
class OptionChain:
    """A synthetic chain at one instant; arrays have one row a strike, ascending.

    `spot` and `forward` in rupees (points of an index); `implied_volatility` is annual, of both sides, and NaN
    where hardly any time value is left to tell it from.
    """

    underlying: str
    expiry: date
    instant_ns: int
    lot_size: int
    spot: float
    forward: float
    strike: Float64Array
    implied_volatility: Float64Array
    call: OptionQuotes
    put: OptionQuotes


def generate_option_chain(
    market: SyntheticMarket, underlying: str, instant_ns: int, expiry: date, *, strikes_each_side: int = 20
) -> OptionChain:
    """The chain of an underlying at an instant, for contracts that expire at the close of `expiry`.

    The spot is the close of the last minute that ended by then.  Call − put is the discounted forward − strike
    to within half a tick at every strike.
    Errors: `UnknownInstrumentError`; `InvalidValueError` for an instant before the first minute's end or
    outside the days of the market, an expiry that is past or no trading day, or less than one strike.
    """
    security = market.security(underlying)
    years = (expiry_close_ns(expiry) - instant_ns) / NANOSECONDS_PER_DAY / _DAYS_PER_YEAR
    if years < 0:
        raise InvalidValueError(f"options of {expiry} have expired by then", hint="choose a later expiry")
    if strikes_each_side < 1:
        raise InvalidValueError(f"a chain needs at least 1 strike on each side, not {strikes_each_side}")
    spot, number, day_part = _spot(market, underlying, instant_ns)
    forward = spot * exp(INTEREST_RATE * years)
    step = strike_step(security)
    middle = round(spot / step)
    strikes = [step * k for k in range(max(middle - strikes_each_side, 1), middle + strikes_each_side + 1)]
    at_the_money = _at_the_money(market, security, number, years)
    states = _INDEX_STATES if isinstance(security, SyntheticIndex) else _SHARE_STATES
    undiscounted = [_mixed(forward, strike, at_the_money * sqrt(years), states) for strike in strikes]
    discount = exp(-INTEREST_RATE * years)
    pairs = [
        _pair(forward, strike, each, discount) for strike, each in zip(strikes, undiscounted, strict=True)
    ]
    volatility = [
        implied_volatility(forward, strike, min(each), years)
        for strike, each in zip(strikes, undiscounted, strict=True)
    ]
    width = at_the_money * sqrt(max(years, _NARROWEST_YEARS))
    sides = [
        _quotes(
            market,
            security,
            expiry,
            right,
            number,
            strikes,
            [pair[side] for pair in pairs],
            [log(strike / spot) / width for strike in strikes],
            day_part,
        )
        for side, right in enumerate(OptionRight)
    ]
    return OptionChain(
        underlying,
        expiry,
        instant_ns,
        security.lot_size,
        spot / PAISE_PER_RUPEE,
        forward / PAISE_PER_RUPEE,
        np.array(strikes) / PAISE_PER_RUPEE,
        np.array(volatility),
        sides[0],
        sides[1],
    )


def strike_step(security: SyntheticShare | SyntheticIndex) -> int:
    """Distance of strikes in paise: about 1/400 of an index's start level, 1/80 of a share's start price."""
    if isinstance(security, SyntheticIndex):
        target = security.start_level / _INDEX_STRIKES_PER_LEVEL
    else:
        target = security.start_price / _SHARE_STRIKES_PER_LEVEL
    return max((step for step in _STRIKE_STEPS if step <= target), default=_STRIKE_STEPS[0])


def black_76(forward: float, strike: float, sigma: float, years: float) -> tuple[float, float]:
    """Undiscounted call and put on a forward; Black (1976), in the units of `forward` and `strike`.

    >>> call, put = black_76(100.0, 100.0, 0.20, 1.0)
    >>> round(call, 4), round(put, 4)
    (7.9656, 7.9656)
    """
    spread = sigma * sqrt(years)
    if spread <= 0:
        return max(forward - strike, 0.0), max(strike - forward, 0.0)
    d1 = log(forward / strike) / spread + spread / 2
    d2 = d1 - spread
    return (
        forward * _normal_cdf(d1) - strike * _normal_cdf(d2),
        strike * _normal_cdf(-d2) - forward * _normal_cdf(-d1),
    )


def implied_volatility(forward: float, strike: float, outside: float, years: float) -> float:
    """Annual volatility at which Black (1976) gives an undiscounted price out of the money, all in paise.

    NaN when the price is less than a hundredth of a tick, from which it cannot be told.

    >>> call, _ = black_76(10_000.0, 11_000.0, 0.20, 0.25)
    >>> round(implied_volatility(10_000.0, 11_000.0, call, 0.25), 6)
    0.2
    """
    if outside < _UNTELLABLE or years <= 0:
        return nan
    low, high = 0.0, _LARGEST_VOLATILITY
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if min(black_76(forward, strike, middle, years)) < outside:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _mixed(forward: float, strike: float, width: float, states: tuple[_State, ...]) -> tuple[float, float]:
    """Undiscounted call and put as means over the states, whose forwards have the mean `forward`."""
    # So scaled, log returns have the variance width².
    scale = width / sqrt(sum(state.odds * (state.shift**2 + state.width**2) for state in states))
    grown = sum(state.odds * exp(state.shift * scale) for state in states)
    call = put = 0.0
    for state in states:
        one = black_76(forward * exp(state.shift * scale) / grown, strike, state.width * scale, 1.0)
        call += state.odds * one[0]
        put += state.odds * one[1]
    return call, put


def _normal_cdf(x: float) -> float:
    return erfc(-x / sqrt(2)) / 2


def _pair(forward: float, strike: int, undiscounted: tuple[float, float], discount: float) -> tuple[int, int]:
    """Prices of call and put in ticks.  The one out of the money is rounded, at least a tick; the other is that
    plus the discounted distance, so that parity holds to half a tick."""
    distance = round(discount * (forward - strike) / OPTION_TICK)
    outside = max(round(discount * min(undiscounted) / OPTION_TICK), 1)
    return (outside + max(distance, 0), outside + max(-distance, 0))


def _spot(market: SyntheticMarket, underlying: str, instant_ns: int) -> tuple[int, int, float]:
    """Last price in paise, the number of its day, and the part of that day's volume that is done."""
    last_stop = market.days[-1].intervals[-1][1] + NANOSECONDS_PER_DAY
    ended = [
        i
        for i, day in enumerate(market.days)
        if day.intervals[0][0] + NANOSECONDS_PER_MINUTE <= instant_ns < last_stop
    ]
    if not ended:
        raise InvalidValueError(
            "the synthetic market has no price at that instant",
            hint=f"it trades from {market.days[0].trade_date} to {market.days[-1].trade_date}",
        )
    number = ended[-1]
    (made,) = iterate_minutes(market, [underlying], number, number + 1)
    minutes = made[underlying]
    done = int(np.searchsorted(minutes.ts, instant_ns - NANOSECONDS_PER_MINUTE, side="right"))
    part = float(np.cumsum(volume_shape(len(minutes.ts)))[done - 1])
    return int(minutes.path[3, done - 1]) * minutes.tick, number, part


def _at_the_money(
    market: SyntheticMarket, security: SyntheticShare | SyntheticIndex, number: int, years: float
) -> float:
    """Annual volatility at the money: that of the day, drawn to the long run as the expiry is farther off."""
    members = market.members(security) if isinstance(security, SyntheticIndex) else (security,)
    frame = daily_frame(market, members, number + 1)
    values = [share.start_price * share.shares_outstanding for share in members]
    weights = [value / sum(values) for value in values]
    present = long_run = 0.0
    loads: dict[str, float] = {}
    for share, weight in zip(members, weights, strict=True):
        sector = sector_factor(share.sector)
        loads[MARKET_FACTOR] = loads.get(MARKET_FACTOR, 0.0) + weight * share.market_beta
        loads[sector] = loads.get(sector, 0.0) + weight * share.sector_beta
        present += (weight * float(frame.own[share.symbol].level[number])) ** 2
        long_run += (weight * share.volatility) ** 2
    for name, load in loads.items():
        base = market.market_volatility if name == MARKET_FACTOR else market.sector_volatility
        present += (load * float(frame.factors[name].level[number])) ** 2
        long_run += (load * base) ** 2
    stay = 1 / (1 + years / _REVERSION_YEARS)
    return _RISK_PREMIUM * sqrt(_TRADING_DAYS_PER_YEAR * (stay * present + (1 - stay) * long_run))


def _quotes(
    market: SyntheticMarket,
    security: SyntheticShare | SyntheticIndex,
    expiry: date,
    right: OptionRight,
    number: int,
    strikes: list[int],
    prices: list[int],
    distances: list[float],
    day_part: float,
) -> OptionQuotes:
    step = strike_step(security)
    bids, asks, interests, volumes = [], [], [], []
    for strike, price, distance in zip(strikes, prices, distances, strict=True):
        name = f"{security.symbol}:{expiry.isoformat()}:{strike}:{right}"
        lasting, daily = normal(raw_words(market.seed, Purpose.OPTION, name, 0, number + 2))[[0, -1]]
        # Open interest gathers out of the money (calls above, puts below) and at round strikes.
        outside = distance if right is OptionRight.CALL else -distance
        crowd = exp(-(((outside - 1.0) / 1.6) ** 2)) * (2.0 if strike % (10 * step) == 0 else 1.0)
        open_lots = _LOTS_AT_THE_MONEY * crowd * exp(0.4 * lasting + 0.1 * daily)
        traded_lots = 4 * _LOTS_AT_THE_MONEY * exp(-((distance / 1.1) ** 2)) * exp(0.5 * daily) * day_part
        half_spread = price * (0.002 + 0.002 * abs(distance)) / 2
        bids.append(max(price - max(floor(half_spread), 0), 1))
        asks.append(price + max(ceil(half_spread), 1))
        interests.append(round(open_lots) * security.lot_size)
        volumes.append(round(traded_lots) * security.lot_size)
    return OptionQuotes(
        _rupees(prices),
        _rupees(bids),
        _rupees(asks),
        np.array(interests, np.int64),
        np.array(volumes, np.int64),
    )


def _rupees(ticks: list[int]) -> Float64Array:
    return np.array(ticks) * OPTION_TICK / PAISE_PER_RUPEE
