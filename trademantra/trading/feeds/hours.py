"""When bars of an instrument are made: the windows of its sessions, and the pre-open before each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.data.resample import SessionSpan, Window, Windows
from trademantra.data.spans import spans_of
from trademantra.markets.sessions.overrides import NO_OVERRIDES, Overrides
from trademantra.markets.sessions.phases import Phase, Session
from trademantra.markets.sessions.schedule import sessions_between

_PREOPEN = frozenset({Phase.PREOPEN_ENTRY, Phase.PREOPEN_LIMIT_ONLY, Phase.PREOPEN_MATCHING, Phase.BUFFER})


@dataclass(frozen=True, slots=True)
class Period:
    """The stretch of one bar, [start_ns, end_ns)."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class TradingHours:
    """The windows in which bars are made, as `data.spans` gives them to `data.resample`, and the pre-opens.

    `spans` in time order; `preopens` (windows in ns UTC) hold the opening auction of the day: its prices are told as
    such and are in no bar.
    Errors: `InvalidValueError` for spans that overlap or are out of order, or where there is none.
    """

    spans: tuple[SessionSpan, ...]
    preopens: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        if not self.spans:
            raise InvalidValueError("no session: bars need trading hours", hint="ask for more days")
        Windows.of(self.spans)

    @classmethod
    def of(cls, sessions: Sequence[Session]) -> "TradingHours":
        """Of sessions of `markets`."""
        preopens = []
        for session in sessions:
            opens = session.open_ns
            before = [w for w in session.windows if w.end_ns <= opens and w.phase in _PREOPEN]
            if before:
                preopens.append((before[0].start_ns, before[-1].end_ns))
        return cls(spans_of(sessions), tuple(preopens))

    @classmethod
    def between(
        cls, instrument: Instrument, first: date, last: date, *, overrides: Overrides = NO_OVERRIDES
    ) -> "TradingHours":
        """Of the exchange's calendar, both days inclusive.  Errors: `MissingFactError`, `InvalidValueError`."""
        return cls.of(sessions_between(first, last, instrument, overrides=overrides))

    def period_at(self, ns: int, timeframe: Timeframe) -> Period | None:
        """The bar that an instant belongs to; None outside every window.

        >>> hours = TradingHours((SessionSpan(date(2026, 11, 20), 0, 100_000_000_000),))
        >>> hours.period_at(70_000_000_000, Timeframe.parse("1m"))
        Period(start_ns=60000000000, end_ns=100000000000)
        """
        for span in self.spans:
            if span.open_ns <= ns < span.close_ns:
                if not timeframe.is_intraday:
                    return self._day(span.trade_date)
                length = timeframe.length_ns
                start = span.open_ns + (ns - span.open_ns) // length * length
                return Period(start, min(start + length, span.close_ns))
        return None

    def period_from(self, ns: int, timeframe: Timeframe) -> Period | None:
        """The bar of an instant, or the next one to begin; None when no session is left."""
        here = self.period_at(ns, timeframe)
        if here is not None:
            return here
        opens = [span.open_ns for span in self.spans if span.open_ns >= ns]
        return self.period_at(opens[0], timeframe) if opens else None

    def period_until(self, ns: int, timeframe: Timeframe) -> Period | None:
        """The bar of an instant, or the last one that ended before it; None when there was none."""
        here = self.period_at(ns, timeframe)
        if here is not None:
            return here
        closes = [span.close_ns for span in self.spans if span.close_ns <= ns]
        return self.period_at(closes[-1] - 1, timeframe) if closes else None

    def _day(self, trade_date: date) -> Period:
        of_day = [span for span in self.spans if span.trade_date == trade_date]
        return Period(of_day[0].open_ns, of_day[-1].close_ns)
