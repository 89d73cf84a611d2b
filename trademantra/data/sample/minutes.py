"""One-minute bars of synthetic shares and indices, in whole ticks.

A minute is four prices in time order: open, two extremes, close.  The open is the first price, high and low are
the largest and smallest of the four.  An index is worked out at the same four instants from the prices of its
members, so that it equals them exactly; the ticks of a minute pass through the four as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.data.sample.factors import (
    FULL_DAY_MINUTES,
    MARKET_FACTOR,
    DailyFrame,
    MinutePath,
    daily_frame,
    minute_path,
    sector_factor,
    volume_shape,
)
from trademantra.data.sample.market import (
    PAISE_PER_RUPEE,
    SyntheticIndex,
    SyntheticMarket,
    SyntheticShare,
    TradingDay,
)
from trademantra.data.sample.streams import (
    Purpose,
    Words,
    exponential,
    lane,
    normal,
    raw_words,
    uniform,
)
from trademantra.engine.bars import Bars, Float64Array, Int64Array

WAYPOINTS = 4
# Every minute trades at least this often: open, two extremes and close.
SMALLEST_VOLUME = 4

# Days worked on at a time: large enough for speed, small enough to keep memory flat over years.
_CHUNK_DAYS = 32
# A minute's high lies above the higher of open and close by 0.27 of its volatility on average, as on NSE.
_EXTREME_REACH = 0.8
_VOLUME_SPREAD = 0.6
_DAY_VOLUME_SPREAD = 0.3
_SMALLEST_PRICE_TICKS = 10
# A price at most e^16 times its start: within 64 bits, whatever the volatility and the number of days.
_LARGEST_LEVEL = 16.0
# Chance, of 65,536, that a minute first goes against the way that it ends: three in four.
_PULLBACK_ODDS = 49_152


@dataclass(frozen=True, slots=True)
class Minutes:
    """Minutes of one security.

    `ts` int64 nanoseconds UTC at the start, shape (n,); `path` int64 prices in ticks, shape (4, n), in time
    order: open, first extreme, second extreme, close; `volume` int64 units, shape (n,), 0 for an index;
    `tick` in paise.
    """

    ts: Int64Array
    path: Int64Array
    volume: Int64Array
    tick: int

    def bars(self) -> Bars:
        """As the engine reads them; a price is the float64 nearest to its decimal."""
        return Bars(
            self.ts,
            self._rupees(self.path[0]),
            self._rupees(self.path.max(axis=0)),
            self._rupees(self.path.min(axis=0)),
            self._rupees(self.path[3]),
            self.volume.astype(np.float64),
        )

    def _rupees(self, ticks: Int64Array) -> Float64Array:
        return ticks * self.tick / PAISE_PER_RUPEE


@dataclass(frozen=True, slots=True)
class Auctions:
    """Pre-open auctions of one share, one a day that has one.

    `ts` int64 nanoseconds UTC of matching, `price` in rupees, `quantity` in shares.  The auction's trades are
    not part of the 1-minute bars, whose first open is a tick from it at most, as on NSE.
    """

    ts: Int64Array
    price: Float64Array
    quantity: Int64Array


def generate_bars(market: SyntheticMarket, symbols: Sequence[str] | None = None) -> dict[str, Bars]:
    """1-minute bars of every symbol (or of `symbols`) over all days of the market, by symbol.

    Errors: `UnknownInstrumentError` for a symbol that the market does not have.

    >>> from trademantra.core.time import ist_ns
    >>> from datetime import date, time
    >>> from trademantra.data.sample.market import TradingDay
    >>> from trademantra.data.sample.universe import synthetic_shares
    >>> monday = date(2026, 2, 2)
    >>> hours = TradingDay(monday, ((ist_ns(monday, time(9, 15)), ist_ns(monday, time(15, 30))),))
    >>> bars = generate_bars(SyntheticMarket(seed=7, days=(hours,), shares=synthetic_shares(2)))
    >>> [(symbol, len(b)) for symbol, b in bars.items()]
    [('SYNBANK1', 375), ('SYNIT1', 375)]
    """
    wanted = market.symbols if symbols is None else tuple(symbols)
    pieces: dict[str, list[Minutes]] = {symbol: [] for symbol in wanted}
    for chunk in iterate_minutes(market, wanted):
        for symbol, minutes in chunk.items():
            pieces[symbol].append(minutes)
    return {symbol: _joined(parts).bars() for symbol, parts in pieces.items()}


def iterate_minutes(
    market: SyntheticMarket, symbols: Sequence[str], first_day: int = 0, stop_day: int | None = None
) -> Iterator[dict[str, Minutes]]:
    """The minutes of `symbols` in chunks of days, in order; memory does not grow with the number of days.

    `first_day` and `stop_day` are positions in `market.days`, the latter not included.
    """
    stop = len(market.days) if stop_day is None else stop_day
    if not 0 <= first_day < stop <= len(market.days):
        raise InvalidValueError(f"days {first_day} to {stop} are not within the market's {len(market.days)}")
    securities = [market.security(symbol) for symbol in symbols]
    indices = [security for security in securities if isinstance(security, SyntheticIndex)]
    shares = {security.symbol: security for security in securities if isinstance(security, SyntheticShare)}
    for index in indices:
        shares.update({member.symbol: member for member in market.members(index)})
    frame = daily_frame(market, shares.values(), stop)
    for start, end in pairwise(_chunk_edges(market.days, first_day, stop)):
        days = market.days[start:end]
        factors = {
            name: minute_path(market.seed, name, days, daily.of_days(start, end))
            for name, daily in frame.factors.items()
        }
        made = {
            symbol: _share_minutes(market.seed, share, days, start, frame, factors)
            for symbol, share in shares.items()
        }
        for index in indices:
            members = market.members(index)
            made[index.symbol] = _index_minutes(index, members, [made[share.symbol] for share in members])
        yield {symbol: made[symbol] for symbol in symbols}


def generate_auctions(market: SyntheticMarket, symbol: str) -> Auctions:
    """Pre-open auctions of a share over all days; the first continuous trade is within a tick of its price.

    Errors: `UnknownInstrumentError`; `InvalidValueError` for an index, which has no auction of its own.
    """
    share = market.security(symbol)
    if isinstance(share, SyntheticIndex):
        raise InvalidValueError(f"{symbol} is an index and has no auction", hint="ask for one of its members")
    levels = daily_frame(market, [share], len(market.days)).open_level[symbol]
    held = [i for i, day in enumerate(market.days) if day.auction_ns is not None]
    words = np.array(
        [
            raw_words(market.seed, Purpose.AUCTION, symbol, market.days[i].trade_date.toordinal(), 1)[0]
            for i in held
        ],
        dtype=np.uint64,
    )
    # The pre-open trades about 0.5 to 1.5 % of a day's volume.
    quantity = np.rint(share.daily_volume * (0.005 + 0.01 * uniform(words, 0))).astype(np.int64)
    return Auctions(
        np.array([market.days[i].auction_ns for i in held], dtype=np.int64),
        _ticks_at(share, levels[held]) * share.tick / PAISE_PER_RUPEE,
        np.maximum(quantity, 1),
    )


def _share_minutes(
    seed: int,
    share: SyntheticShare,
    days: tuple[TradingDay, ...],
    first_day: int,
    frame: DailyFrame,
    factors: dict[str, MinutePath],
) -> Minutes:
    span = slice(first_day, first_day + len(days))
    daily = frame.own[share.symbol].of_days(span.start, span.stop)
    own = minute_path(seed, share.symbol, days, daily)
    both, sector = factors[MARKET_FACTOR], factors[sector_factor(share.sector)]
    level = (
        frame.open_level[share.symbol][span]
        + share.market_beta * both.cumulated
        + share.sector_beta * sector.cumulated
        + own.cumulated
    )
    volatility = np.sqrt(
        (share.market_beta * both.volatility) ** 2
        + (share.sector_beta * sector.volatility) ** 2
        + own.volatility**2
    )
    n = days[0].minutes
    words = np.empty((2 * n + 1, len(days)), np.uint64)
    for column, day in enumerate(days):
        words[:, column] = raw_words(seed, Purpose.TRADE, share.symbol, day.trade_date.toordinal(), 2 * n + 1)
    auction = _ticks_at(share, frame.open_level[share.symbol][span])
    path = _waypoints(_ticks_at(share, level), auction, volatility, words[:n])
    opened = frame.open_level[share.symbol][None, span]
    moves = np.abs(np.diff(level, axis=0, prepend=opened)) / np.maximum(volatility, 1e-12)
    volume = _volume(share, moves, normal(words[n:]))
    return Minutes(
        np.concatenate([day.minute_starts() for day in days]),
        np.stack([part.T.reshape(-1) for part in path]),
        volume.T.reshape(-1),
        share.tick,
    )


def _ticks_at(share: SyntheticShare, level: Float64Array) -> Int64Array:
    """Price in ticks at a log level."""
    ticks = np.rint(
        share.start_price / share.tick * exponential(np.clip(level, -_LARGEST_LEVEL, _LARGEST_LEVEL))
    ).astype(np.int64)
    return np.maximum(ticks, _SMALLEST_PRICE_TICKS)


def _waypoints(
    close: Int64Array, auction: Int64Array, volatility: Float64Array, words: Words
) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array]:
    """Four prices a minute from its close; shapes (minutes, days), `auction` (days,)."""
    # A minute opens within a tick of the last price: −1, 0, 0 or +1.
    step = np.array([-1, 0, 0, 1])[lane(words, 0) % 4]
    opened = np.concatenate([auction[None, :], close[:-1]]) + step
    reach = _EXTREME_REACH * close * volatility
    # 1 − √u is a falling triangle on (0, 1) with mean 1/3.
    high = np.maximum(opened, close) + (reach * (1.0 - np.sqrt(uniform(words, 1)))).astype(np.int64)
    low = np.minimum(opened, close) - (reach * (1.0 - np.sqrt(uniform(words, 2)))).astype(np.int64)
    low = np.maximum(low, 1)
    low_first = (close >= opened) == (lane(words, 3) < _PULLBACK_ODDS)
    return opened, np.where(low_first, low, high), np.where(low_first, high, low), close


def _volume(share: SyntheticShare, moves: Float64Array, noise: Float64Array) -> Int64Array:
    """Shares traded a minute; `moves` are returns in units of their volatility, `noise` has one row a minute
    and a last one for the day."""
    n = len(moves)
    day = share.daily_volume * min(n / FULL_DAY_MINUTES, 1.0)
    day_level = exponential(_DAY_VOLUME_SPREAD * noise[n] - _DAY_VOLUME_SPREAD**2 / 2)
    minute_level = exponential(_VOLUME_SPREAD * noise[:n] - _VOLUME_SPREAD**2 / 2)
    # Large moves trade more: 1 on average, 1/2 at rest.
    activity = 0.5 + 0.63 * np.minimum(moves, 4.0)
    expected = day * day_level * volume_shape(n)[:, None] * minute_level * activity
    return np.maximum(np.rint(expected).astype(np.int64), SMALLEST_VOLUME)


def _index_minutes(
    index: SyntheticIndex, members: Sequence[SyntheticShare], minutes: Sequence[Minutes]
) -> Minutes:
    value = np.zeros(minutes[0].path.shape)
    start_value = 0
    for share, made in zip(members, minutes, strict=True):
        value += float(share.shares_outstanding * share.tick) * made.path
        start_value += share.shares_outstanding * share.start_price
    points_per_paisa = index.start_level / index.tick / start_value
    path = np.maximum(np.rint(value * points_per_paisa).astype(np.int64), 1)
    return Minutes(minutes[0].ts, path, np.zeros(len(minutes[0].ts), np.int64), index.tick)


def _chunk_edges(days: tuple[TradingDay, ...], first: int, stop: int) -> list[int]:
    """Cuts between days such that a chunk has days of one length and no more than fit."""
    edges = [first]
    for i in range(first + 1, stop):
        if days[i].minutes != days[i - 1].minutes or i - edges[-1] == _CHUNK_DAYS:
            edges.append(i)
    return [*edges, stop]


def _joined(parts: Sequence[Minutes]) -> Minutes:
    return Minutes(
        np.concatenate([part.ts for part in parts]),
        np.concatenate([part.path for part in parts], axis=1),
        np.concatenate([part.volume for part in parts]),
        parts[0].tick,
    )
