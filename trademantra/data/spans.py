"""Sessions of an instrument as the bars of data vendors fill them: continuous trading and the closing auction."""

from collections.abc import Sequence
from datetime import date

from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Instrument
from trademantra.data.resample import SessionSpan
from trademantra.markets.sessions.calendar import trading_days_between
from trademantra.markets.sessions.overrides import NO_OVERRIDES, Overrides
from trademantra.markets.sessions.phases import Phase, Session
from trademantra.markets.sessions.schedule import session_on, sessions_between

_CLOSING_AUCTION = frozenset({Phase.CAS_REFERENCE, Phase.CAS_ENTRY, Phase.CAS_LIMIT_ONLY, Phase.CAS_MATCHING})


def known_sessions(
    instrument: Instrument, first: date, last: date, *, overrides: Overrides = NO_OVERRIDES
) -> tuple[tuple[Session, ...], tuple[date, ...]]:
    """Sessions from `first` to `last`, and the trading days among them whose hours no table knows.

    Errors: `MissingFactError` for years without a holiday list; an hour that is not known is no error here.
    """
    try:
        return sessions_between(first, last, instrument, overrides=overrides), ()
    except MissingFactError:
        pass
    days = trading_days_between(first, last, instrument.exchange, instrument.segment, overrides=overrides)
    found: list[Session] = []
    unknown: list[date] = []
    for day in days:
        try:
            session = session_on(day, instrument, overrides=overrides)
        except MissingFactError:
            unknown.append(day)
            continue
        if session is not None:
            found.append(session)
    return tuple(found), tuple(unknown)


def spans_for(
    instrument: Instrument, first: date, last: date, *, overrides: Overrides = NO_OVERRIDES
) -> tuple[SessionSpan, ...]:
    """What `resample` needs for bars of `instrument` from `first` to `last`, both inclusive.

    Each window of continuous trading is a span, and so is the closing auction (15:15-15:35 for shares that have
    one, from 2026-08-03): vendors stamp its single bar 15:29 or 15:34 (specs/india-markets.md 3.1), and its
    price is the day's close.  Intraday bars do not mix the two; a day bar takes both.
    Errors: `MissingFactError` for years without a holiday list, as `sessions_between`.
    """
    return spans_of(sessions_between(first, last, instrument, overrides=overrides))


def spans_of(sessions: Sequence[Session]) -> tuple[SessionSpan, ...]:
    """The spans of these sessions; see `spans_for`."""
    continuous = [
        SessionSpan(session.trade_date, *window) for session in sessions for window in session.continuous
    ]
    return tuple(sorted([*continuous, *closing_auctions(sessions)], key=_open_of))


def closing_auctions(sessions: Sequence[Session]) -> tuple[SessionSpan, ...]:
    """The closing auction of each session that has one: where `quality.check` allows bars but expects none."""
    spans = []
    for session in sessions:
        windows = [window for window in session.windows if window.phase in _CLOSING_AUCTION]
        if windows:
            begin = windows[0].start_ns
            spans.append(SessionSpan(session.trade_date, begin, windows[-1].end_ns, begin))
    return tuple(spans)


def whole_days(spans: Sequence[SessionSpan]) -> Sequence[SessionSpan]:
    """One span a day, from its first opening to its last close."""
    by_day: dict[date, SessionSpan] = {}
    for span in spans:
        known = by_day.get(span.trade_date)
        if known is not None:
            span = SessionSpan(
                span.trade_date,
                min(known.open_ns, span.open_ns),
                max(known.close_ns, span.close_ns),
                known.auction_ns if span.auction_ns is None else span.auction_ns,
            )
        by_day[span.trade_date] = span
    return list(by_day.values())


def _open_of(span: SessionSpan) -> int:
    return span.open_ns
