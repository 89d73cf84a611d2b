"""Ticks of synthetic shares and indices, which build exactly the 1-minute bars of `minutes`."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.data.sample.factors import MARKET_FACTOR
from trademantra.data.sample.market import (
    PAISE_PER_RUPEE,
    SyntheticIndex,
    SyntheticMarket,
    SyntheticShare,
    TradingDay,
)
from trademantra.data.sample.minutes import WAYPOINTS, Minutes, iterate_minutes
from trademantra.data.sample.streams import Purpose, Words, lane, raw_words
from trademantra.engine.bars import Float64Array, Int64Array

_MILLISECOND = NANOSECONDS_PER_SECOND // 1000
_MOST_TICKS_A_MINUTE = 64
# Indices publish once a second; shares trade 6 to 64 times a minute, with the volume.
_INDEX_TICKS_A_MINUTE = 60
_FEWEST_TICKS_A_MINUTE = 6
_EXTRA_TICKS = 10.0
# A member's waypoint tick comes up to this long before the instant at which the index is worked out.
_MEMBER_LEAD_MS = 200
# The index's four instants in a minute, in milliseconds, and by how much they vary (one less than a power of
# two): far enough apart for ticks between.
_INSTANTS_MS = (250, 12_000, 32_000, 57_500)
_INSTANT_JITTER_MS = (1_023, 16_383, 16_383, 2_047)


@dataclass(frozen=True, slots=True)
class Ticks:
    """Trades of one synthetic security on one day, in time order; one array a field, all of one length.

    `ts` int64 nanoseconds UTC, strictly increasing; `price bid ask` float64 rupees on the tick grid, the trade
    at the bid or at the ask; `quantity bid_quantity ask_quantity` int64 units.  An index is not traded: its
    quantities are 0, its bid and ask NaN.
    """

    ts: Int64Array
    price: Float64Array
    quantity: Int64Array
    bid: Float64Array
    bid_quantity: Int64Array
    ask: Float64Array
    ask_quantity: Int64Array

    def __len__(self) -> int:
        return len(self.ts)


def generate_ticks(market: SyntheticMarket, symbol: str, trade_date: date) -> Ticks:
    """All ticks of a share or an index on one day; about 9,000 a day for a share, 22,500 for an index.

    First, highest, lowest and last price and the sum of quantities of each minute are those of its bar in
    `generate_bars`.  At the four instants at which an index is worked out, the last prices of its members give
    its value.  Errors: `UnknownInstrumentError`; `InvalidValueError` for a day without trading.
    """
    security = market.security(symbol)
    number = market.day_number(trade_date)
    day = market.days[number]
    (made,) = iterate_minutes(market, [symbol], number, number + 1)
    minutes = made[symbol]
    instants = _instants(market.seed, day)
    if isinstance(security, SyntheticIndex):
        counts = np.full(day.minutes, _INDEX_TICKS_A_MINUTE, np.int64)
    else:
        counts = _tick_counts(minutes.volume)
        words = raw_words(market.seed, Purpose.LEAD, symbol, day.trade_date.toordinal(), day.minutes)
        instants -= np.stack([lane(words, k) for k in range(WAYPOINTS)]) % _MEMBER_LEAD_MS
    words = raw_words(market.seed, Purpose.TICK, symbol, day.trade_date.toordinal(), 2 * int(counts.sum()))
    words = words.reshape(2, -1)
    layout = _Layout.of(counts)
    ts = _times(minutes, instants, layout, words[0])
    price = _prices(minutes, layout, words[0])
    if isinstance(security, SyntheticIndex):
        nothing, unknown = np.zeros(len(ts), np.int64), np.full(len(ts), np.nan)
        return Ticks(
            ts, _rupees(price, security.tick), nothing, unknown, nothing, unknown.copy(), nothing.copy()
        )
    quantity = _quantities(minutes.volume, layout, words[1])
    return _quoted(ts, price, quantity, security, words[1])


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where each tick belongs: shapes (ticks,), but `count` and `first` (minutes,).

    `minute` is the tick's minute, `segment` the waypoint that it is at or after (0 to 3), `place` its position
    behind that waypoint (0 is the waypoint), `length` the number of ticks of its segment, waypoint included.
    """

    count: Int64Array
    first: Int64Array
    minute: Int64Array
    segment: Int64Array
    place: Int64Array
    length: Int64Array

    @classmethod
    def of(cls, count: Int64Array) -> "_Layout":
        """Three segments share the ticks before the last one, as evenly as they go."""
        first = np.cumsum(count) - count
        minute = np.repeat(np.arange(len(count)), count)
        position = np.arange(len(minute)) - first[minute]
        lengths = np.empty((WAYPOINTS, len(count)), np.int64)
        for k in range(WAYPOINTS - 1):
            lengths[k] = (count - 1 + k) // (WAYPOINTS - 1)
        lengths[WAYPOINTS - 1] = 1
        starts = np.cumsum(lengths, axis=0) - lengths
        segment = np.zeros(len(minute), np.int64)
        for k in range(1, WAYPOINTS):
            segment += position >= starts[k][minute]
        return cls(
            count, first, minute, segment, position - starts[segment, minute], lengths[segment, minute]
        )


def _instants(seed: int, day: TradingDay) -> Int64Array:
    """When the index is worked out: milliseconds into each minute, shape (4, minutes)."""
    words = raw_words(seed, Purpose.LEAD, MARKET_FACTOR, day.trade_date.toordinal(), day.minutes)
    return np.stack(
        [
            base + (lane(words, k) & jitter)
            for k, (base, jitter) in enumerate(zip(_INSTANTS_MS, _INSTANT_JITTER_MS, strict=True))
        ]
    )


def _tick_counts(volume: Int64Array) -> Int64Array:
    """More ticks in busier minutes, but never more than units traded."""
    busy = volume * len(volume) / max(int(volume.sum()), 1)
    wanted = _FEWEST_TICKS_A_MINUTE + np.rint(_EXTRA_TICKS * busy).astype(np.int64) * 2
    return np.maximum(np.minimum(np.minimum(wanted, _MOST_TICKS_A_MINUTE), volume), WAYPOINTS)


def _times(minutes: Minutes, instants: Int64Array, layout: _Layout, words: Words) -> Int64Array:
    """Waypoints at their instants; the ticks behind one wait until the index has been worked out."""
    start = instants[layout.segment, layout.minute] * _MILLISECOND
    following = np.minimum(layout.segment + 1, WAYPOINTS - 1)
    stop = instants[following, layout.minute] * _MILLISECOND
    begin = start + _MEMBER_LEAD_MS * _MILLISECOND
    step = np.maximum(stop - begin, 0) // layout.length
    # Each tick has a slot of its own and lies somewhere inside it.
    inside = begin + (layout.place - 1) * step + step * lane(words, 0) // 65_536
    return minutes.ts[layout.minute] + np.where(layout.place == 0, start, inside)


def _prices(minutes: Minutes, layout: _Layout, words: Words) -> Int64Array:
    """Ticks between two waypoints wander about the line that joins them and stay inside the bar."""
    here = minutes.path[layout.segment, layout.minute]
    there = minutes.path[np.minimum(layout.segment + 1, WAYPOINTS - 1), layout.minute]
    along = here + (there - here) * layout.place // layout.length
    low, high = minutes.path.min(axis=0)[layout.minute], minutes.path.max(axis=0)[layout.minute]
    width = (high - low) // 4 + 1
    stray = (lane(words, 1) + lane(words, 2) - 65_535) * width // 65_536
    return np.where(layout.place == 0, here, np.clip(along + stray, low, high))


def _quantities(volume: Int64Array, layout: _Layout, words: Words) -> Int64Array:
    """Whole units of at least 1 a tick which add up to the minute's volume."""
    # The product of two lanes makes many small trades and a few large ones.
    weight = 1 + lane(words, 0) * lane(words, 1) // 2**16
    cumulated = np.cumsum(weight)
    before = (cumulated - weight)[layout.first][layout.minute]
    total = np.add.reduceat(weight, layout.first)[layout.minute]
    spare = (volume - layout.count)[layout.minute].astype(np.float64)
    until = np.floor(spare * ((cumulated - before) / total))
    since = np.floor(spare * ((cumulated - weight - before) / total))
    quantity: Int64Array = 1 + (until - since).astype(np.int64)
    return quantity


def _quoted(
    ts: Int64Array, price: Int64Array, quantity: Int64Array, share: SyntheticShare, words: Words
) -> Ticks:
    """Each trade hits the bid or lifts the ask; the spread is one tick or a few hundredths of a per cent."""
    spread = 1 + lane(words, 2) * (1 + price // 5_000) // 65_536
    buyer_began = lane(words, 3) % 2 == 0
    bid = np.where(buyer_began, np.maximum(price - spread, 1), price)
    ask = np.where(buyer_began, price, price + spread)
    # About three of the mean trades wait on either side.
    depth = max(int(quantity.sum()) * 3 // max(len(quantity), 1), 1)
    return Ticks(
        ts,
        _rupees(price, share.tick),
        quantity,
        _rupees(bid, share.tick),
        1 + depth * lane(words, 0) // 32_768,
        _rupees(ask, share.tick),
        1 + depth * lane(words, 1) // 32_768,
    )


def _rupees(ticks: Int64Array, tick: int) -> Float64Array:
    return ticks * tick / PAISE_PER_RUPEE
