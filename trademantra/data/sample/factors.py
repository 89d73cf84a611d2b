"""Returns: one path for the market, one a sector, one a share; each first by day, then by minute.

The day comes first (gap, day's return, volatility) and its minutes are then bent to add up to it.  So any one
day of any one share is made without the days before it, and the days so far do not depend on those to come.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from trademantra.data.sample.market import SyntheticMarket, SyntheticShare, TradingDay
from trademantra.data.sample.streams import Purpose, exponential, lane, normal, raw_words
from trademantra.engine.bars import Float64Array

MARKET_FACTOR = "MARKET"
FULL_DAY_MINUTES = 375
# Of the variance from close to close, the part that falls into the night.
NIGHT_VARIANCE = 0.15

# Volatility from day to day: log volatility is an AR(1) process around the base.
_DAY_PERSISTENCE = 0.94
_DAY_SPREAD = 0.35
# The same from minute to minute inside a day.
_MINUTE_PERSISTENCE = 0.96
_MINUTE_SPREAD = 0.40
# Results, block deals, news: a share jumps overnight on one day in about 60, by 1 to 4 of its daily volatilities.
_JUMP_ODDS = 65_536 // 60
_LARGEST_DAY_RETURN = 0.15

_DAY_WORDS = 4
_FACTOR_WORDS = 2


@dataclass(frozen=True, slots=True)
class DailyPath:
    """One factor by day: log returns overnight and in the session, the volatility of the session, and of the
    whole day (`level`, night included, for a session of full length); shape (days,)."""

    gap: Float64Array
    session: Float64Array
    volatility: Float64Array
    level: Float64Array

    def of_days(self, start: int, stop: int) -> "DailyPath":
        return DailyPath(
            self.gap[start:stop],
            self.session[start:stop],
            self.volatility[start:stop],
            self.level[start:stop],
        )


@dataclass(frozen=True, slots=True)
class MinutePath:
    """One factor by minute: cumulated log return since the open at each minute's end, and each minute's
    volatility; shapes (minutes, days)."""

    cumulated: Float64Array
    volatility: Float64Array


@dataclass(frozen=True, slots=True)
class DailyFrame:
    """The daily paths that move some shares: `factors` by name (market, sectors), `own` by symbol; and the
    log level of each share at each open, 0 being its start price."""

    factors: dict[str, DailyPath]
    own: dict[str, DailyPath]
    open_level: dict[str, Float64Array]


def daily_frame(market: SyntheticMarket, shares: Iterable[SyntheticShare], day_count: int) -> DailyFrame:
    """The frame of `shares` over the first `day_count` days of the market."""
    days = market.days[:day_count]
    common = daily_path(market.seed, MARKET_FACTOR, market.market_volatility, days, jumps=False)
    factors = {MARKET_FACTOR: replace(common, session=common.session + market.drift)}
    frame = DailyFrame(factors, {}, {})
    for share in shares:
        name = sector_factor(share.sector)
        if name not in factors:
            factors[name] = daily_path(market.seed, name, market.sector_volatility, days, jumps=False)
        own = daily_path(market.seed, share.symbol, share.volatility, days, jumps=True)
        both, sector = factors[MARKET_FACTOR], factors[name]
        gap = share.market_beta * both.gap + share.sector_beta * sector.gap + own.gap
        session = share.market_beta * both.session + share.sector_beta * sector.session + own.session
        frame.own[share.symbol] = own
        frame.open_level[share.symbol] = np.cumsum(gap + session) - session
    return frame


def sector_factor(sector: str) -> str:
    """Name of a sector's stream, apart from every symbol's."""
    return f"SECTOR:{sector}"


def daily_path(
    seed: int, name: str, volatility: float, days: tuple[TradingDay, ...], *, jumps: bool
) -> DailyPath:
    """A factor by day: stochastic volatility, a gap, a session return and, if `jumps`, rare large gaps."""
    words = raw_words(seed, Purpose.DAY, name, 0, _DAY_WORDS * len(days)).reshape(len(days), _DAY_WORDS)
    noise = normal(words)
    log_volatility = np.empty(len(days))
    present = 0.0
    innovation = sqrt(1.0 - _DAY_PERSISTENCE**2)
    for i, shock in enumerate(noise[:, 0].tolist()):
        present = shock if i == 0 else _DAY_PERSISTENCE * present + innovation * shock
        log_volatility[i] = present
    # exp(s z − s²) has mean square 1, so that the long-run variance is the one asked for.
    level = volatility * exponential(_DAY_SPREAD * log_volatility - _DAY_SPREAD**2)
    length = np.sqrt(np.array([min(day.minutes, FULL_DAY_MINUTES) for day in days]) / FULL_DAY_MINUTES)
    session_volatility = level * sqrt(1.0 - NIGHT_VARIANCE) * length
    gap = level * sqrt(NIGHT_VARIANCE) * noise[:, 1]
    if jumps:
        size = 1.0 + 3.0 * lane(words[:, 3], 1) / 65_536
        sign = np.where(lane(words[:, 3], 2) % 2 == 0, 1.0, -1.0)
        gap += np.where(lane(words[:, 3], 0) < _JUMP_ODDS, volatility * size * sign, 0.0)
    gap[0] = 0.0
    limit = _LARGEST_DAY_RETURN
    return DailyPath(
        np.clip(gap, -limit, limit),
        np.clip(session_volatility * noise[:, 2], -limit, limit),
        session_volatility,
        level,
    )


def minute_path(seed: int, name: str, days: tuple[TradingDay, ...], daily: DailyPath) -> MinutePath:
    """A factor by minute over days of equal length, ending each day at the daily path's session return."""
    n = days[0].minutes
    words = np.empty((_FACTOR_WORDS * n, len(days)), np.uint64)
    for column, day in enumerate(days):
        words[:, column] = raw_words(
            seed, Purpose.MINUTE, name, day.trade_date.toordinal(), _FACTOR_WORDS * n
        )
    noise = normal(words)
    log_volatility = noise[n:]
    innovation = sqrt(1.0 - _MINUTE_PERSISTENCE**2)
    for m in range(1, n):
        log_volatility[m] = _MINUTE_PERSISTENCE * log_volatility[m - 1] + innovation * log_volatility[m]
    shape = volatility_shape(n)[:, None]
    volatility = daily.volatility * shape * exponential(_MINUTE_SPREAD * log_volatility - _MINUTE_SPREAD**2)
    raw = np.cumsum(noise[:n] * volatility, axis=0)
    # What the minutes miss of the day's return is spread over them by their share of the variance.
    clock = np.cumsum(shape**2, axis=0)
    return MinutePath(raw + (daily.session - raw[-1]) * clock, volatility)


def volatility_shape(minutes: int) -> Float64Array:
    """Volatility of each minute of a session as a part of the day's; squares add up to 1.

    High at the open, flat through lunch, a little higher at the close.  The constants were fitted by eye to
    the means over 125 shares of NSE in 2016 (first minute 4.3, lunch 0.8, last minute 1.3 of the average).
    """
    since, until = _minutes_since_and_until(minutes)
    shape = (
        0.78
        + 2.0 * exponential(-since / 0.7)
        + 1.3 * exponential(-since / 9.0)
        + 0.35 * exponential(-since / 50.0)
        + 0.30 * exponential(-until / 20.0)
    )
    # Summed in sequence: a pairwise sum may associate differently on another processor.
    total = float(np.cumsum(shape**2)[-1])
    return shape / sqrt(total)


def volume_shape(minutes: int) -> Float64Array:
    """Volume of each minute as a part of the session's; adds up to 1.

    Fitted like `volatility_shape`: first minute 3.4, lunch 0.7, last half hour 2 to 3 of the average.
    """
    since, until = _minutes_since_and_until(minutes)
    shape = (
        0.66
        + 1.5 * exponential(-since / 8.0)
        + 1.2 * exponential(-since / 40.0)
        + 2.2 * exponential(-until / 18.0)
    )
    total = float(np.cumsum(shape)[-1])
    return shape / total


def _minutes_since_and_until(minutes: int) -> tuple[Float64Array, Float64Array]:
    since = np.arange(minutes, dtype=np.float64)
    return since, since[::-1].copy()
