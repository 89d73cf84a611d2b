"""When brokers close intraday positions (specs/india-markets.md 3.6)."""

from datetime import date, time, timedelta

from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Exchange, Instrument, Segment
from trademantra.core.time import datetime_of
from trademantra.markets.sessions.closing_auction import (
    closing_auction_starts,
    joins_closing_auction,
    undecided,
)
from trademantra.markets.sessions.overrides import NO_OVERRIDES, Overrides
from trademantra.markets.sessions.phases import Session
from trademantra.markets.sessions.rows import SquareOffGroup, SquareOffRow
from trademantra.markets.sessions.schedule import session_on
from trademantra.markets.sessions.tables import facts

DEFAULT_BROKER = "default"


def square_off_time(
    broker: str, instrument: Instrument, day: date, *, overrides: Overrides = NO_OVERRIDES
) -> time:
    """The time, in India, at which `broker` starts to close intraday positions.

    `default` is the platform's own profile: 15 minutes before continuous trading ends.  A broker's fixed time counts
    only on days that end at the usual hour.
    Errors: `MissingFactError` when the broker's time is not known, also on a day of special hours, and as
    `session_on`.

    >>> from trademantra.core.instrument import InstrumentKind
    >>> share = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY")
    >>> square_off_time("zerodha", share, date(2026, 11, 20)).isoformat("minutes")
    '15:12'
    """
    session = _session(broker, instrument, day, overrides)
    row = _row(broker, instrument, session, overrides)
    if row.at is not None:
        return row.at
    assert row.minutes_before_close is not None
    return _before_close(session, row.minutes_before_close)


def entry_cutoff_time(
    broker: str, instrument: Instrument, day: date, *, overrides: Overrides = NO_OVERRIDES
) -> time | None:
    """The time from which no new intraday position is opened; None where the profile sets none.

    Errors: as `square_off_time`.
    """
    session = _session(broker, instrument, day, overrides)
    minutes = _row(broker, instrument, session, overrides).entry_minutes_before_close
    return None if minutes is None else _before_close(session, minutes)


def square_off_brokers(*, overrides: Overrides = NO_OVERRIDES) -> tuple[str, ...]:
    """Profiles that have at least one row, `default` among them."""
    return tuple(sorted({row.broker for row in facts(overrides).square_off}))


def _session(broker: str, instrument: Instrument, day: date, overrides: Overrides) -> Session:
    session = session_on(day, instrument, overrides=overrides)
    if session is None:
        raise MissingFactError(
            "square_off", f"{broker} on {day}", hint=f"{instrument.exchange} has no session on that day"
        )
    return session


def _row(broker: str, instrument: Instrument, session: Session, overrides: Overrides) -> SquareOffRow:
    group = _group(instrument, session.trade_date)
    close = datetime_of(session.close_ns).time()
    for row in facts(overrides).square_off:
        fits = row.session_close in (None, close) and row.covers(session.trade_date)
        if row.broker == broker and row.group is group and fits:
            return row
    known = square_off_brokers(overrides=overrides)
    reason = (
        f"its time is not known; set it with [[square_off]] in a sessions.toml, or use {DEFAULT_BROKER!r}"
        if broker in known
        else f"known brokers: {', '.join(known)}"
    )
    raise MissingFactError(
        "square_off",
        f"broker {broker!r}, {group}, {session.trade_date} with trading until {close.isoformat('minutes')}",
        hint=reason,
    )


def _group(instrument: Instrument, day: date) -> SquareOffGroup:
    segment = instrument.segment
    if instrument.exchange is Exchange.MCX:
        return SquareOffGroup.COMMODITY
    if instrument.exchange not in (Exchange.NSE, Exchange.BSE):
        raise MissingFactError(
            "square_off", f"{segment} on {instrument.exchange}", hint="the table covers Indian exchanges"
        )
    if segment in (Segment.EQUITY_FUTURES, Segment.EQUITY_OPTIONS):
        return SquareOffGroup.EQUITY_DERIVATIVES
    if segment in (Segment.CURRENCY_FUTURES, Segment.CURRENCY_OPTIONS):
        return SquareOffGroup.CURRENCY
    if day < closing_auction_starts():
        return SquareOffGroup.CASH
    auction = joins_closing_auction(instrument)
    if auction is None:
        raise undecided(instrument, day)
    return SquareOffGroup.CLOSING_AUCTION_SHARE if auction else SquareOffGroup.CASH


def _before_close(session: Session, minutes: int) -> time:
    return (datetime_of(session.close_ns) - timedelta(minutes=minutes)).time()
