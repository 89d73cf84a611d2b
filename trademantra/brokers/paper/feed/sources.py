"""Ready markets: the listings of what is stored or invented, and its prices in time order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal

import numpy as np

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.paper.feed.paths import BarPath, events_of_bars
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import NANOSECONDS_PER_DAY, ist_ns
from trademantra.data.sample.install import SampleRequest, synthetic_market
from trademantra.data.sample.market import SYNTHETIC_EXCHANGE, SyntheticIndex, SyntheticMarket
from trademantra.data.sample.ticks import Ticks, generate_ticks
from trademantra.data.series import Series
from trademantra.data.store import BarStore, Entry

_NSE, _INDICES = 1, 9  # stream segments (specs/brokers.md 1.11)
_FIRST_NUMBER = 1_000
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A market to feed: what is listed, and all events in time order."""

    listings: Listings
    events: EventBatch


def merged(batches: Sequence[EventBatch]) -> EventBatch:
    """Many batches as one in time order; at one instant in the order given."""
    if not batches:
        nothing, no_time = np.empty(0), np.empty(0, np.int64)
        return EventBatch(no_time, no_time, nothing, nothing, nothing, nothing, nothing, nothing)
    order = np.argsort(np.concatenate([batch.at_ns for batch in batches]), kind="stable")

    def column(name: str) -> np.ndarray:
        return np.ascontiguousarray(np.concatenate([getattr(batch, name) for batch in batches])[order])

    return EventBatch(*(column(name) for name in EventBatch.__slots__))


def stored_bars(
    store: BarStore,
    entries: Sequence[Entry],
    *,
    path: BarPath = BarPath.BAR,
    first: date | None = None,
    last: date | None = None,
    tick_size: Decimal = Decimal("0.05"),
) -> Source:
    """Series of the bar store (see `data.find`), from the day `first` to `last`, both included.

    Errors: `InvalidValueError` for series of calendar bars, which have no instant of a close, and for two series of
    one symbol; and what the store raises.
    """
    listings, batches = [], []
    for number, entry in enumerate(entries):
        series = entry.series
        bars = store.read(
            series,
            None if first is None else ist_ns(first, time()),
            None if last is None else ist_ns(last + timedelta(days=1), time()),
        )
        length = series.timeframe.length_ns if series.timeframe.is_intraday else NANOSECONDS_PER_DAY
        if not series.timeframe.is_intraday and path is not BarPath.BAR:
            raise InvalidValueError(
                f"{series}: only intraday bars can be taken apart", hint="use the path 'bar'"
            )
        listings.append(listing_of_series(series, number, tick_size))
        batches.append(events_of_bars(bars, number, path, length))
    return Source(Listings.of(listings), merged(batches))


def listing_of_series(series: Series, number: int, tick_size: Decimal) -> Listing:
    """A listing for a stored series: NSE for the invented market; tokens count from 1,000."""
    exchange = Exchange.NSE if series.exchange == SYNTHETIC_EXCHANGE else Exchange(series.exchange)
    index = series.symbol.startswith("NIFTY") or series.symbol.endswith("INDEX")
    return _listing(exchange, series.symbol, number, tick_size, index=index)


def synthetic_session(day: date, *, shares: int = 10, seed: int = 1) -> Source:
    """One invented day of ticks: shares and an index over them, about 9,000 ticks a share.

    Previous closes are the opening prices of the market.  Errors: `InvalidValueError`, `MissingFactError` as
    `data.sample.install.synthetic_market`.
    """
    market = synthetic_market(SampleRequest(shares=shares, days=1, seed=seed, first=day))
    on = market.days[0].trade_date
    listings, batches = [], []
    for number, symbol in enumerate(market.symbols):
        listings.append(_invented(market, symbol, number))
        batches.append(events_of_ticks(generate_ticks(market, symbol, on), number))
    return Source(Listings.of(listings), merged(batches))


def events_of_ticks(ticks: Ticks, row: int) -> EventBatch:
    """Trades as events."""
    count = len(ticks)
    return EventBatch(
        np.full(count, row, np.int64), ticks.ts, ticks.price, ticks.price, ticks.price, ticks.price,
        ticks.quantity.astype(np.float64), np.full(count, np.nan),
    )  # fmt: skip


def _invented(market: SyntheticMarket, symbol: str, number: int) -> Listing:
    security = market.security(symbol)
    tick_size = Decimal(security.tick) / _HUNDRED
    return _listing(Exchange.NSE, symbol, number, tick_size, index=isinstance(security, SyntheticIndex))


def _listing(exchange: Exchange, symbol: str, number: int, tick_size: Decimal, *, index: bool) -> Listing:
    instrument = Instrument(
        exchange=exchange,
        segment=Segment.INDEX if index else Segment.EQUITY,
        kind=InstrumentKind.INDEX if index else InstrumentKind.SHARE,
        symbol=symbol,
        tick_size=tick_size,
        has_derivatives=None if index else False,
    )
    token = (_FIRST_NUMBER + number) << 8 | (_INDICES if index else _NSE)
    return Listing(exchange.value, symbol, token, instrument, name=symbol)
