"""A market that is invented: shares, an index, its future and options near the money, with a day of ticks at a time."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.paper.feed.sources import events_of_ticks, merged
from trademantra.brokers.paper.market import EventBatch
from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.data.sample.calendar import expiry_close_ns, option_expiries, trading_days
from trademantra.data.sample.market import (
    PAISE_PER_RUPEE,
    SyntheticIndex,
    SyntheticMarket,
    SyntheticShare,
    TradingDay,
)
from trademantra.data.sample.minutes import generate_bars
from trademantra.data.sample.options import black_76, strike_step
from trademantra.data.sample.ticks import generate_ticks
from trademantra.data.sample.universe import synthetic_index, synthetic_shares
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.markets.symbols.kite import write_contract
from trademantra.markets.symbols.names import ContractName
from trademantra.sandbox.kite.candles import Minutes
from trademantra.sandbox.kite.days import Days
from trademantra.sandbox.kite.market import Market

_DAYS_BEFORE, _DAYS_AFTER = 45, 20
_STRIKES_EACH_SIDE = 5
_VOLATILITY = 0.13
_CARRY = 0.065  # a year: what a future is above its index
_OPTION_EVERY = 3  # one option tick for so many of the index
_TICK = Decimal("0.05")
_BAND_PERCENT = Decimal(20)  # the widest that a share without derivatives has (specs/india-markets.md 2.5)
_SHORTEST_LIFE = timedelta(days=2)
_YEAR_NS = 365 * 86_400 * 10**9
_FIRST_NUMBER = 10_001
_NSE, _NFO, _INDEX = 1, 2, 9  # the segment in a token's low byte (specs/brokers.md 1.11)


def invented_market(day: date, *, seed: int, shares: int, settings: ExchangeSettings) -> Market:
    """The market from the first trading day on or after `day`, with six weeks of history.

    Errors: `MissingFactError` for a year whose holidays are not known.
    """
    days = _days_around(day)
    coming = [one for one in days if one.trade_date >= day]
    if not coming:
        raise InvalidValueError(f"NSE does not trade in the days after {day}", hint="choose another --day")
    companies = synthetic_shares(shares)
    index = synthetic_index(companies)
    market = SyntheticMarket(seed=seed, days=days, shares=companies, indices=(index,))
    before = tuple(one for one in days if one.trade_date < coming[0].trade_date)
    history = (
        generate_bars(SyntheticMarket(seed=seed, days=before, shares=companies, indices=(index,)))
        if before
        else {}
    )
    made = _Invented(market, index, history, coming[0].trade_date)
    return Market(
        listings=made.listings,
        source=Days([one.trade_date for one in coming], made.prices),
        past=made,
        began_ns=coming[0].intervals[0][0],
        settings=settings,
        band_percent=_BAND_PERCENT,
    )


def _days_around(day: date) -> tuple[TradingDay, ...]:
    """As far ahead as holidays are known.  Errors: `MissingFactError` when not even those of the day are."""
    first, last = day - timedelta(days=_DAYS_BEFORE), day + timedelta(days=_DAYS_AFTER)
    try:
        return trading_days(first, last)
    except MissingFactError:
        if last.year == day.year:
            raise
        return trading_days(first, date(day.year, 12, 31))


def _expiry_after(day: date) -> date | None:
    """The first expiry that leaves a few days to trade in; None where it lies in a year that is not known."""
    try:
        return next(one for one in option_expiries(day, 2, weekly=True) if one - day > _SHORTEST_LIFE)
    except MissingFactError:
        return None


class _Invented:
    """Listings and prices; also the `Past` of shares and index."""

    def __init__(
        self, market: SyntheticMarket, index: SyntheticIndex, history: dict[str, Bars], first: date
    ) -> None:
        self._market = market
        self._index = index
        self._history = history
        self._expiry = _expiry_after(first)
        self._strikes = self._near_the_money()
        self.listings = Listings.of(self._listed())

    def minutes(self, listing: Listing, first_ns: int, stop_ns: int) -> Minutes:
        bars = self._history.get(listing.symbol)
        return Minutes.empty() if bars is None else Minutes.of_bars(bars.between(first_ns, stop_ns))

    def prices(self, day: date) -> EventBatch:
        parts = []
        for row, symbol in enumerate(self._market.symbols):
            ticks = generate_ticks(self._market, symbol, day)
            parts.append(events_of_ticks(ticks, row))
        if self._expiry is not None and day <= self._expiry:
            parts += self._contracts(self._expiry, parts[-1].at_ns, parts[-1].close)
        return merged(parts)

    def _contracts(self, expiry: date, at_ns: Int64Array, level: Float64Array) -> list[EventBatch]:
        """The future follows the index at its carry; options are Black-76 on it, at one volatility."""
        close_ns = expiry_close_ns(expiry)
        years = np.maximum(close_ns - at_ns, 0) / _YEAR_NS
        forward = _on_tick(level * np.exp(_CARRY * years))
        row = len(self._market.symbols)
        lot = float(self._index.lot_size)
        parts = [_contract_ticks(row, at_ns, forward, lot)]
        some = slice(None, None, _OPTION_EVERY)
        for strike in self._strikes:
            pairs = [
                black_76(f, float(strike), _VOLATILITY, t)
                for f, t in zip(forward[some].tolist(), years[some].tolist(), strict=True)
            ]
            for side in np.array(pairs).T:
                row += 1
                parts.append(_contract_ticks(row, at_ns[some], _on_tick(side), lot))
        return parts

    def _near_the_money(self) -> tuple[Decimal, ...]:
        last = self._history.get(self._index.symbol)
        level = (
            float(last.close[-1])
            if last is not None and len(last)
            else self._index.start_level / PAISE_PER_RUPEE
        )
        step = strike_step(self._index) // PAISE_PER_RUPEE
        middle = round(level / step) * step
        return tuple(Decimal(middle + n * step) for n in range(-_STRIKES_EACH_SIDE, _STRIKES_EACH_SIDE + 1))

    def _listed(self) -> list[Listing]:
        listed = []
        number = _FIRST_NUMBER
        for symbol in self._market.symbols:
            security = self._market.security(symbol)
            segment = _NSE if isinstance(security, SyntheticShare) else _INDEX
            close = self._last_close(symbol)
            listed.append(Listing("NSE", symbol, number << 8 | segment, _security(security), symbol, close))
            number += 1
        if self._expiry is None:
            return listed
        for instrument in self._instruments(self._expiry):
            name = ContractName(
                underlying=self._index.symbol,
                kind=instrument.kind,
                year=self._expiry.year,
                month=self._expiry.month,
                expiry=self._expiry,
                strike=instrument.strike,
                right=instrument.right,
                is_monthly=instrument.kind is InstrumentKind.FUTURE,
            )
            symbol = write_contract(name)
            listed.append(Listing("NFO", symbol, number << 8 | _NFO, instrument, self._index.symbol))
            number += 1
        return listed

    def _instruments(self, expiry: date) -> list[Instrument]:
        def contract(
            segment: Segment, kind: InstrumentKind, strike: Decimal | None, right: OptionRight | None
        ) -> Instrument:
            return Instrument(
                exchange=Exchange.NSE, segment=segment, kind=kind, symbol=self._index.symbol,
                underlying=self._index.symbol, expiry=expiry, strike=strike, right=right,
                lot_size=Decimal(self._index.lot_size), tick_size=_TICK,
                freeze_quantity=Decimal(self._index.lot_size * 27),
            )  # fmt: skip

        options = [
            contract(Segment.EQUITY_OPTIONS, InstrumentKind.OPTION, strike, right)
            for strike in self._strikes
            for right in (OptionRight.CALL, OptionRight.PUT)
        ]
        return [contract(Segment.EQUITY_FUTURES, InstrumentKind.FUTURE, None, None), *options]

    def _last_close(self, symbol: str) -> Decimal | None:
        bars = self._history.get(symbol)
        return None if bars is None or not len(bars) else Decimal(repr(round(float(bars.close[-1]), 2)))


def _security(security: SyntheticShare | SyntheticIndex) -> Instrument:
    share = isinstance(security, SyntheticShare)
    return Instrument(
        exchange=Exchange.NSE,
        segment=Segment.EQUITY if share else Segment.INDEX,
        kind=InstrumentKind.SHARE if share else InstrumentKind.INDEX,
        symbol=security.symbol,
        tick_size=Decimal(security.tick) / PAISE_PER_RUPEE,
        has_derivatives=False if share else None,
    )


def _contract_ticks(row: int, at_ns: Int64Array, price: Float64Array, volume: float) -> EventBatch:
    """Ticks of one contract, each of the same volume."""
    rows, unknown = np.full(len(at_ns), row, np.int64), np.full(len(at_ns), np.nan)
    return EventBatch(rows, at_ns, price, price, price, price, np.full(len(at_ns), volume), unknown)


def _on_tick(prices: Float64Array) -> Float64Array:
    """On the grid of 0.05, at least one tick."""
    rounded: Float64Array = np.round(np.maximum(np.rint(prices * 20), 1) / 20, 2)
    return rounded
