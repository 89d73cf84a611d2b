"""The bars of a session: those it is warmed up with, and those that closed while no process ran."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from trademantra.brokers.errors import NotSupportedError
from trademantra.core.bar import Bar, Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_DAY, datetime_of, ist_date
from trademantra.data.resample import Outside, SessionSpan, resample
from trademantra.data.spans import known_sessions, spans_of, whole_days
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import LiveSession
from trademantra.engine.timeline import IST_OFFSET_NS, Timeline, by_sessions
from trademantra.trading.house.price_reads import PriceReads
from trademantra.trading.house.session_spec import SessionSpec
from trademantra.trading.runner.run_log import BarsClosed, LogEntry, SessionBegan, WarmUp
from trademantra.trading.runner.spec import RunSpec
from trademantra.trading.session.plan import auction_minute

_MINUTE = Timeframe(1, "m")
_LEAST_BARS = 500
_WARM_UPS = 4  # times the longest indicator: exponential ones forget slowly
_LONGEST_LOOK = 400  # days


class SessionHistory:
    """Bars of a session's instruments from `source`, and the hours of its days.

    `first_day` is that of the first bar it was warmed up with, once `read` has found it.
    """

    def __init__(self, spec: SessionSpec, source: PriceReads) -> None:
        self._spec, self._source = spec, source
        self.first_day: date | None = None

    def live_session(self, span: SessionSpan) -> LiveSession:
        """A day as its runs are told of it."""
        return LiveSession(
            day=(span.open_ns + IST_OFFSET_NS) // NANOSECONDS_PER_DAY,
            open_ns=span.open_ns,
            close_ns=span.close_ns,
            leave_minute=self._spec.leave_minute,
            last_entry_minute=self._spec.last_entry_minute,
            first_entry_minute=self._spec.first_entry_minute,
            auction_minute=auction_minute(span),
        )

    async def read(self, began_ns: int, now_ns: int) -> tuple[WarmUp, Mapping[str, Bars]]:
        """Bars that were over when the session began, on their days, and those since then; nothing is decided on them."""
        spec = self._spec
        if not spec.timeframe.is_intraday:
            raise InvalidValueError(
                f"bars of {spec.timeframe} are not traded live yet", hint="take an intraday --timeframe"
            )
        wanted = max(_LEAST_BARS, _WARM_UPS * spec.warm_up_bars)
        begin, today = ist_date(began_ns), ist_date(now_ns)
        before = self.spans(begin - timedelta(days=_LONGEST_LOOK), begin)
        first = self.first_day = _first_day(before, wanted, spec.timeframe)
        spans = self.spans(first, max(today, begin))
        days = whole_days(spans)
        bars, timelines, since = {}, {}, {}
        for symbol, instrument in spec.instruments.items():
            one = await self._bars(instrument, spans, now_ns)
            over = int((one.ts + spec.timeframe.length_ns <= began_ns).sum())
            earlier, since[symbol] = one.slice(0, over), one.slice(over, len(one))
            if len(earlier):
                bars[symbol], timelines[symbol] = earlier, self._timeline(earlier, days)
        return WarmUp(bars, timelines), since

    def missed(self, run: RunSpec, log: Sequence[LogEntry], since: Mapping[str, Bars]) -> list[LogEntry]:
        """What the run would have been told while no process ran: its days, and the bars that closed."""
        last_ns = max(
            (bar.start_ns for entry in log if isinstance(entry, BarsClosed) for _, bar in entry.bars),
            default=0,
        )
        told_days = {entry.session.day for entry in log if isinstance(entry, SessionBegan)}
        together: dict[int, list[tuple[str, Bar]]] = {}
        for symbol in run.symbols:
            bars = since[symbol]
            for i in range(len(bars)):
                start_ns = int(bars.ts[i])
                if start_ns > last_ns:
                    values = (
                        float(each[i]) for each in (bars.open, bars.high, bars.low, bars.close, bars.volume)
                    )
                    together.setdefault(start_ns, []).append((symbol, Bar(start_ns, *values)))
        made: list[LogEntry] = []
        for start_ns, closed in sorted(together.items()):
            day = (start_ns + IST_OFFSET_NS) // NANOSECONDS_PER_DAY
            if day not in told_days:
                told_days.add(day)
                span = next(each for each in whole_days(self.spans(ist_date(start_ns), ist_date(start_ns))))
                made.append(SessionBegan(self.live_session(span), {}))
            made.append(BarsClosed(tuple(closed)))
        return made

    async def _bars(self, instrument: Instrument, spans: Sequence[SessionSpan], now_ns: int) -> Bars:
        timeframe, source = self._spec.timeframe, self._source
        first, last = datetime_of(spans[0].open_ns), datetime_of(now_ns)
        try:
            bars = await source.history(instrument, timeframe, first, last)
        except NotSupportedError:
            bars = await source.history(instrument, _MINUTE, first, last)
            bars = resample(bars, _MINUTE, timeframe, spans, outside=Outside.DROP)
        inside = resample(bars, timeframe, timeframe, spans, outside=Outside.DROP)
        over = inside.ts + timeframe.length_ns <= now_ns
        return inside.slice(0, int(over.sum()))

    def _timeline(self, bars: Bars, days: Sequence[SessionSpan]) -> Timeline:
        made = by_sessions(bars.ts, days, auctions_ns=[day.auction_ns for day in days])
        leave, last = self._spec.leave_minute, self._spec.last_entry_minute
        return made if leave is None else made.with_square_off(leave, last)

    def spans(self, first: date, last: date) -> tuple[SessionSpan, ...]:
        """The hours of the exchange's days between two dates."""
        sessions, _ = known_sessions(self._spec.clock, first, last)
        return spans_of(sessions)


def of_symbols(warm_up: WarmUp, symbols: Sequence[str]) -> WarmUp:
    """The part of some instruments."""
    bars = {symbol: warm_up.bars[symbol] for symbol in symbols if symbol in warm_up.bars}
    return WarmUp(bars, {symbol: warm_up.timelines[symbol] for symbol in bars})


def _first_day(spans: Sequence[SessionSpan], wanted: int, timeframe: Timeframe) -> date:
    """The latest day from which on there are so many bars."""
    count = 0
    for day in reversed(whole_days(spans)):
        count += (day.close_ns - day.open_ns) // timeframe.length_ns
        if count >= wanted:
            return day.trade_date
    return spans[0].trade_date
