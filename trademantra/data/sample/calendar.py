"""Days of the synthetic market: the real calendar of NSE, holidays and special sessions included."""

from datetime import date, timedelta
from decimal import Decimal

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.data.sample.market import TradingDay
from trademantra.markets.contracts.expiries import monthly_expiry, weekly_expiries
from trademantra.markets.sessions import Phase, Session, session_on, trading_days_between

# Shares with options: since 2026-08-03 they trade continuously until 15:15 only (specs/india-markets.md 3.1).
_SHARE = Instrument(
    exchange=Exchange.NSE,
    segment=Segment.EQUITY,
    kind=InstrumentKind.SHARE,
    symbol="SYNTHETIC",
    has_derivatives=True,
)
_SEARCHED_DAYS = 30
_WEEKLY_INDEX = "NIFTY"


def trading_days(first: date, last: date) -> tuple[TradingDay, ...]:
    """Sessions of NSE shares with derivatives from `first` to `last`, both inclusive.

    A special session whose hours are not known is left out.
    Errors: `MissingFactError` for a year without a holiday list; `InvalidValueError` when none is left.

    >>> [day.minutes for day in trading_days(date(2026, 1, 30), date(2026, 2, 2))]
    [375, 375, 375]
    """
    dates = trading_days_between(first, last, Exchange.NSE, Segment.EQUITY)
    days = tuple(day for each in dates if (day := _trading_day(each)) is not None)
    if not days:
        raise InvalidValueError(f"NSE does not trade between {first} and {last}", hint="choose more days")
    return days


def trading_days_from(first: date, count: int) -> tuple[TradingDay, ...]:
    """The first `count` sessions on or after `first`.  Errors: as `trading_days`."""
    if count < 1:
        raise InvalidValueError(f"a market needs at least 1 day, not {count}")
    days: list[TradingDay] = []
    start = first
    while len(days) < count:
        stop = start + timedelta(days=_SEARCHED_DAYS)
        while stop > start and not _has_calendar(stop):
            stop -= timedelta(days=1)
        dates = trading_days_between(start, stop, Exchange.NSE, Segment.EQUITY)
        days += [day for each in dates if (day := _trading_day(each)) is not None]
        start = stop + timedelta(days=1)
    return tuple(days[:count])


def option_expiries(on: date, count: int, *, weekly: bool) -> tuple[date, ...]:
    """The first `count` expiry days on or after a day, as NSE lists them: weekly for an index, else monthly.

    Errors: `MissingFactError` when they reach into a year without a holiday list, and before 2019-02, of which
    the expiry rules are not on file.

    >>> [str(day) for day in option_expiries(date(2026, 3, 20), 2, weekly=True)]
    ['2026-03-24', '2026-03-30']
    """
    if weekly:
        found = list(weekly_expiries(_WEEKLY_INDEX, on, on + timedelta(days=7 * count + 7))[:count])
    else:
        months = ((on.year + (on.month - 1 + k) // 12, (on.month - 1 + k) % 12 + 1) for k in range(count + 1))
        found = []
        for year, month in months:
            if len(found) < count and (expiry := monthly_expiry(_SHARE.symbol, year, month)) >= on:
                found.append(expiry)
    if len(found) < count:
        raise MissingFactError("expiries", f"{count} weekly contracts of NSE from {on} on")
    return tuple(found)


def expiry_close_ns(expiry: date) -> int:
    """When options that expire on a day stop trading: 15:30 IST, since 2026-08-03 15:40.

    Errors: `InvalidValueError` for a day on which NSE does not trade; `MissingFactError` without a calendar.
    """
    contract = Instrument(
        exchange=Exchange.NSE,
        segment=Segment.EQUITY_OPTIONS,
        kind=InstrumentKind.OPTION,
        symbol=_SHARE.symbol,
        underlying=_SHARE.symbol,
        expiry=expiry,
        strike=Decimal(100),
        right=OptionRight.CALL,
    )
    session = session_on(expiry, contract)
    if session is None or not session.continuous:
        raise InvalidValueError(
            f"nothing can expire on {expiry}, NSE does not trade", hint="see option_expiries"
        )
    return session.close_ns


def _has_calendar(day: date) -> bool:
    try:
        trading_days_between(day, day, Exchange.NSE, Segment.EQUITY)
    except MissingFactError:
        return False
    return True


def _trading_day(day: date) -> TradingDay | None:
    try:
        session = session_on(day, _SHARE)
    except MissingFactError as error:
        if error.table == "special_sessions":
            return None
        raise
    return _of_session(session) if session is not None and session.continuous else None


def _of_session(session: Session) -> TradingDay:
    matching = [w.start_ns for w in session.windows if w.phase is Phase.PREOPEN_MATCHING]
    before = [ns for ns in matching if ns <= session.open_ns]
    return TradingDay(session.trade_date, session.continuous, before[0] if before else None)
