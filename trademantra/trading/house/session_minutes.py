"""Times of a day that a person gives for a session, as minutes since the open of its instrument's own market."""

from datetime import date, time

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Instrument
from trademantra.core.time import datetime_of
from trademantra.markets.sessions import next_trading_day, session_on, square_off_time
from trademantra.markets.sessions.phases import Session
from trademantra.markets.sessions.squareoff import DEFAULT_BROKER

_BEFORE_BROKER = 5  # minutes before its own square-off, which costs extra
_MCX_OPENS, _OPENS = 9 * 60, 9 * 60 + 15


def leave_minute(broker: str, instrument: Instrument, today: date) -> int:
    """Some minutes before the broker squares off by itself, counted from the open of the instrument's market.

    Errors: `MissingFactError` where not even the platform's own time is known.
    """
    session = session_of(instrument, today)
    day = today if session is None else session.trade_date
    try:
        leave = square_off_time(broker, instrument, day)
    except (MissingFactError, InvalidValueError):
        leave = square_off_time(DEFAULT_BROKER, instrument, day)
    return since_open(leave, instrument, today) - _BEFORE_BROKER


def since_open(at: time, instrument: Instrument, today: date) -> int:
    """Minutes from the open of the market of an instrument: 09:15 at NSE and BSE, 09:00 at MCX.

    Of an evening session too, where the table knows that today has one.
    """
    session = session_of(instrument, today)
    if session is not None:
        opened = datetime_of(session.open_ns)
        return (at.hour - opened.hour) * 60 + at.minute - opened.minute
    return at.hour * 60 + at.minute - (_MCX_OPENS if instrument.exchange is Exchange.MCX else _OPENS)


def session_of(instrument: Instrument, today: date) -> Session | None:
    """The hours of today, or of the next trading day; None where the tables do not know them."""
    try:
        session = session_on(today, instrument)
        if session is None:
            session = session_on(next_trading_day(today, instrument.exchange, instrument.segment), instrument)
    except MissingFactError:
        return None
    return session
