"""Times of a day that a person gives for a session, as minutes since the open of its instrument's own market."""

from datetime import date, time
from typing import TYPE_CHECKING

from trademantra.core.instrument import Segment

if TYPE_CHECKING:
    from trademantra.core.instrument import Instrument

_BEFORE_BROKER = 5  # minutes before its own square-off, which costs extra


def leave_minute(broker: str, symbol: str, today: date) -> int:
    """Some minutes before the broker squares off by itself, counted from the open of the instrument's market."""
    from trademantra.core.errors import InvalidValueError as Unknown
    from trademantra.core.errors import MissingFactError
    from trademantra.markets.sessions import square_off_time

    instrument = _like(symbol, today)
    try:
        leave = square_off_time(broker, instrument, today)
    except (MissingFactError, Unknown):
        leave = square_off_time("default", instrument, today)
    return since_open(leave, symbol, today) - _BEFORE_BROKER


def since_open(at: time, symbol: str, today: date) -> int:
    """Minutes from the open of the market of an instrument: 09:15 at NSE and BSE, 09:00 at MCX.

    Of an evening session too, where the table knows that today has one.
    """
    from trademantra.core.errors import MissingFactError
    from trademantra.core.time import datetime_of
    from trademantra.markets.sessions import next_trading_day, session_on

    instrument = _like(symbol, today)
    try:
        session = session_on(today, instrument)
        if session is None:
            session = session_on(next_trading_day(today, instrument.exchange, instrument.segment), instrument)
    except MissingFactError:
        session = None
    if session is not None:
        opened = datetime_of(session.open_ns)
        return (at.hour - opened.hour) * 60 + at.minute - opened.minute
    return at.hour * 60 + at.minute - (9 * 60 if instrument.exchange.value == "MCX" else 9 * 60 + 15)


def _like(symbol: str, today: date) -> "Instrument":
    """An instrument good enough to ask the session tables, from the name that a person gives."""
    from itertools import takewhile

    from trademantra.core.instrument import Exchange, Instrument, InstrumentKind
    from trademantra.research.inputs import instrument_of

    exchange, _, rest = symbol.rpartition(":") if symbol.count(":") < 2 else symbol.partition(":")
    name = rest.partition(":")[0]
    if exchange != Exchange.MCX.value:
        return instrument_of("NSE", name, Segment.EQUITY)
    commodity = "".join(takewhile(str.isalpha, name)) or name  # GOLD of GOLD26DECFUT
    return Instrument(
        exchange=Exchange.MCX, segment=Segment.COMMODITY_FUTURES, kind=InstrumentKind.FUTURE, symbol=commodity,
        underlying=commodity, expiry=today,
    )  # fmt: skip
