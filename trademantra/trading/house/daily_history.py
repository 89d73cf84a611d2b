"""Daily bars of a session: those of its past, and those of days that ended since, as its broker gives them.

Prices are the broker's: Zerodha's are adjusted for splits and bonuses.  A bar is stamped with the open of its day.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np

from trademantra.core.bar import Bar, Timeframe
from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Instrument
from trademantra.core.time import IST, ist_date, ns_of
from trademantra.data.resample import SessionSpan, daily_spans
from trademantra.data.spans import known_sessions, spans_of, whole_days
from trademantra.engine.bars import Bars
from trademantra.engine.timeline import IST_OFFSET_NS, by_days
from trademantra.trading.house.price_reads import PriceReads
from trademantra.trading.runner.run_log import WarmUp

DAY = Timeframe(1, "d")
_LEAST_BARS = 500
_WARM_UPS = 4  # times the longest indicator: exponential ones forget slowly
_DAYS_A_BAR = 1.6  # calendar days: weekends and holidays
_LONGEST_REST = 20  # days without trading that nobody has seen
_OPENS, _CLOSES = time(9, 15), time(15, 30)  # of days that no calendar knows
_SAME = 0.01  # of a price: what a broker may correct without having adjusted it


@dataclass(frozen=True, slots=True)
class EndedDay:
    """A trading day that is over, with the bars of the instruments that traded."""

    span: SessionSpan
    bars: tuple[tuple[str, Bar], ...]


@dataclass(frozen=True, slots=True)
class Unheard:
    """What a run has not heard yet: `days` in order.

    `missing`: instruments whose newest bar is not the last day's: it may still come.  `changed`: those whose past is not
    what the run was told, for a split or a bonus came between.
    """

    days: Sequence[EndedDay]
    missing: Sequence[str]
    changed: Sequence[str]


def day_of(instrument: Instrument, day: date) -> SessionSpan | None:
    """The hours of an exchange on a day, from its first opening to its last close; None when it does not trade.

    Errors: `MissingFactError` for years without a holiday list.
    """
    sessions, _ = known_sessions(instrument, day, day)
    return next(iter(whole_days(spans_of(sessions))), None)


def day_before(instrument: Instrument, day: date) -> date | None:
    """The trading day before `day`; None where none is known."""
    for back in range(1, _LONGEST_REST):
        earlier = day - timedelta(days=back)
        try:
            known, unknown = known_sessions(instrument, earlier, earlier)
            if known or unknown:  # it traded, whatever its hours
                return earlier
        except MissingFactError:
            return None
    return None


class DailyHistory:
    """Of the instruments of a session.  `warm_up_bars`: its longest indicator."""

    def __init__(self, instruments: Mapping[str, Instrument], source: PriceReads, warm_up_bars: int) -> None:
        self._instruments, self._source = instruments, source
        self._wanted = max(_LEAST_BARS, _WARM_UPS * warm_up_bars)

    async def warm_up(self, last: date) -> WarmUp:
        """The past up to a day, inclusive.  Errors: `BrokerError`."""
        first = last - timedelta(days=int(self._wanted * _DAYS_A_BAR))
        bars = {}
        for symbol in self._instruments:
            one = await self._bars(symbol, first, last)
            if len(one):
                bars[symbol] = one
        return past_of(bars)

    async def unheard(self, told: Mapping[str, Bar | None], symbols: Sequence[str], last: date) -> Unheard:
        """The days after the newest bar that was told of each instrument, up to `last`.

        Errors: `BrokerError`.
        """
        found = {}
        for symbol in symbols:
            known = told.get(symbol)
            first = last if known is None else min(last, ist_date(known.start_ns))
            found[symbol] = await self._bars(symbol, first, last)
        return unheard_of(found, told, last, self._span)

    async def _bars(self, symbol: str, first: date, last: date) -> Bars:
        bars = await self._source.history(
            self._instruments[symbol],
            DAY,
            datetime.combine(first, time(), IST),
            datetime.combine(last, time(23, 59, 59), IST),
        )
        return stamped(bars, first, last)

    def _span(self, day: date) -> SessionSpan:
        try:
            known = day_of(next(iter(self._instruments.values())), day)
        except MissingFactError:
            known = None
        return known or daily_spans([day], _OPENS, _CLOSES)[0]


def past_of(bars: Mapping[str, Bars]) -> WarmUp:
    """Bars that warm up, each day a session."""
    return WarmUp(bars, {symbol: by_days(one.ts, IST_OFFSET_NS) for symbol, one in bars.items()})


def stamped(bars: Bars, first: date, last: date) -> Bars:
    """The bars of days from `first` to `last`, each stamped 09:15 of its day whatever the broker writes."""
    days = [ist_date(int(ts)) for ts in bars.ts]
    inside = np.array([first <= day <= last for day in days], bool)
    ts = np.array([ns_of(datetime.combine(day, _OPENS, IST)) for day in days], np.int64)
    fields = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    return Bars(ts[inside], *(each[inside] for each in fields))


def unheard_of(
    found: Mapping[str, Bars],
    told: Mapping[str, Bar | None],
    last: date,
    span_of: Callable[[date], SessionSpan],
) -> Unheard:
    """Sort what a broker gave by days.  `found` begins with the day of the newest bar that was told."""
    by_day: dict[date, list[tuple[str, Bar]]] = {}
    missing, changed = [], []
    for symbol, bars in found.items():
        known = told.get(symbol)
        newest = None
        for i in range(len(bars)):
            newest = ist_date(int(bars.ts[i]))
            if known is not None and newest <= ist_date(known.start_ns):
                if (
                    newest == ist_date(known.start_ns)
                    and abs(float(bars.close[i]) / known.close - 1.0) > _SAME
                ):
                    changed.append(symbol)
                continue
            fields = (bars.open, bars.high, bars.low, bars.close, bars.volume)
            bar = Bar(span_of(newest).open_ns, *(float(each[i]) for each in fields))
            by_day.setdefault(newest, []).append((symbol, bar))
        if newest != last:
            missing.append(symbol)
    days = [EndedDay(span_of(day), tuple(by_day[day])) for day in sorted(by_day)]
    return Unheard(days, missing, changed)
