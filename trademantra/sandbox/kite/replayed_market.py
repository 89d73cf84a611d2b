"""A market that is replayed from stored bars, each along its likely path (docs/paper.md, path `nearest`)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from pathlib import Path

import numpy as np

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.paper.feed.paths import BarPath, events_of_bars
from trademantra.brokers.paper.feed.sources import merged
from trademantra.brokers.paper.market import EventBatch
from trademantra.brokers.paper.settings import ExchangeSettings, Hours
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.money import decimal_of
from trademantra.core.time import NANOSECONDS_PER_DAY, ist_date, ist_ns
from trademantra.data.series import Series
from trademantra.data.store import BarStore, Entry
from trademantra.engine.bars import Bars
from trademantra.sandbox.kite.candles import Minutes
from trademantra.sandbox.kite.days import Days
from trademantra.sandbox.kite.market import Market

_FIRST_NUMBER = 1_001
_SEGMENTS = {"NSE": 1, "NFO": 2, "BSE": 4, "BFO": 5, "MCX": 7}
_INDIAN = frozenset({"NSE", "BSE", "MCX"})
_TICKS = (Decimal("0.05"), Decimal("0.01"))
_INDICES = ("NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "SENSEX", "INDIA VIX")


def replayed_market(root: Path, day: date | None, settings: ExchangeSettings) -> Market:
    """The intraday bars of a bar store, from `day` on (None: its last day; what is before it is history).

    Of several timeframes of one symbol the shortest is taken.  Errors: `NotFoundError` when there are none;
    `InvalidValueError` for a day after the last bar.
    """
    store = BarStore(root)
    chosen = _shortest([entry for entry in store.series([]) if entry.series.timeframe.is_intraday])
    if not chosen:
        raise NotFoundError(
            f"no intraday bars are stored in {root}", hint="make some with tm data sample, or tm data import"
        )
    last = max(ist_date(entry.last_ns) for entry in chosen)
    first = last if day is None else day
    if first > last:
        raise InvalidValueError(f"the bars in {root} end on {last}", hint="choose an earlier --day")
    replay = _Replay(store, chosen, first)
    began_ns = replay.first_ns(first)
    foreign = any(entry.series.exchange not in _INDIAN for entry in chosen)
    return Market(
        listings=replay.listings,
        source=Days(_calendar(ist_date(began_ns), last), replay.prices),
        past=replay,
        began_ns=began_ns,
        settings=replace(settings, hours=Hours.ALWAYS) if foreign else settings,
    )


class _Replay:
    """Listings of the stored series and their prices; also their `Past`."""

    def __init__(self, store: BarStore, entries: Sequence[Entry], first: date) -> None:
        self._store = store
        self._series = [entry.series for entry in entries]
        listed = [_listing(store, series, number, first) for number, series in enumerate(self._series)]
        self.listings = Listings.of(listed)
        self._by_token = {listing.token: series for listing, series in zip(listed, self._series, strict=True)}

    def first_ns(self, day: date) -> int:
        """The first bar on or after a day."""
        start_ns = ist_ns(day, time())
        firsts = [
            int(bars.ts[0]) for series in self._series if len(bars := self._store.read(series, start_ns))
        ]
        return min(firsts)

    def minutes(self, listing: Listing, first_ns: int, stop_ns: int) -> Minutes:
        return Minutes.of_bars(self._store.read(self._by_token[listing.token], first_ns, stop_ns))

    def prices(self, day: date) -> EventBatch:
        start_ns = ist_ns(day, time())
        parts = []
        for row, series in enumerate(self._series):
            bars = self._store.read(series, start_ns, start_ns + NANOSECONDS_PER_DAY)
            if len(bars):
                parts.append(events_of_bars(bars, row, BarPath.NEAREST, series.timeframe.length_ns))
        return merged(parts)


def _shortest(entries: Sequence[Entry]) -> list[Entry]:
    found: dict[tuple[str, str], Entry] = {}
    for entry in sorted(entries, key=lambda one: one.series.timeframe.length_ns):
        found.setdefault((entry.series.exchange, entry.series.symbol), entry)
    return sorted(found.values(), key=lambda one: one.series)


def _listing(store: BarStore, series: Series, number: int, first: date) -> Listing:
    """A series as the broker would list it on the `first` day: its prices tell the tick, its name a contract from a share."""
    bars = store.read(series)
    instrument = _instrument(series, _tick(bars))
    before = bars.between(0, ist_ns(first, time())).close
    previous_close = decimal_of(float(before[-1])) if len(before) else None
    derivative = instrument.segment.is_derivative
    venue = (
        {"NSE": "NFO", "BSE": "BFO"}.get(instrument.exchange, instrument.exchange.value)
        if derivative
        else None
    )
    venue = venue or (instrument.exchange.value if instrument.exchange.value in _SEGMENTS else "NSE")
    segment = 9 if instrument.kind is InstrumentKind.INDEX else _SEGMENTS[venue]
    return Listing(
        venue,
        series.symbol,
        (_FIRST_NUMBER + number) << 8 | segment,
        instrument,
        series.symbol,
        previous_close,
    )


def _instrument(series: Series, tick: Decimal) -> Instrument:
    exchange = Exchange(series.exchange) if series.exchange in _INDIAN else Exchange.NSE
    parts = series.symbol.split(":")
    if len(parts) in (3, 4):
        option = len(parts) == 4
        return Instrument(
            exchange=exchange,
            segment=Segment.EQUITY_OPTIONS if option else Segment.EQUITY_FUTURES,
            kind=InstrumentKind.OPTION if option else InstrumentKind.FUTURE,
            symbol=series.symbol,
            underlying=parts[0],
            expiry=date.fromisoformat(parts[1]),
            strike=Decimal(parts[2]) if option else None,
            right=OptionRight(parts[3]) if option else None,
            tick_size=tick,
        )
    index = series.symbol.startswith(_INDICES) or series.symbol.endswith("INDEX")
    return Instrument(
        exchange=exchange,
        segment=Segment.INDEX if index else Segment.EQUITY,
        kind=InstrumentKind.INDEX if index else InstrumentKind.SHARE,
        symbol=series.symbol,
        tick_size=tick,
        has_derivatives=None if index else False,
    )


def _tick(bars: Bars) -> Decimal:
    """The coarsest usual tick on which the last prices lie."""
    prices = np.concatenate((bars.close[-500:], bars.high[-500:], bars.low[-500:]))
    for tick in _TICKS:
        steps = prices / float(tick)
        if np.all(np.abs(steps - np.rint(steps)) < 1e-6):
            return tick
    return _TICKS[-1]


def _calendar(first: date, last: date) -> list[date]:
    return [date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1)]
