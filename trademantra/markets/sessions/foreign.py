"""Sessions outside India: US shares, forex and crypto."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from warnings import catch_warnings, simplefilter
from zoneinfo import ZoneInfo

from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.time import NANOSECONDS_PER_SECOND, datetime_of, ns_of
from trademantra.markets.sessions.phases import Phase, PhaseWindow, Session, SessionKind

NEW_YORK = ZoneInfo("America/New_York")
US_EXCHANGES = frozenset({Exchange.NYSE, Exchange.NASDAQ})
CRYPTO_EXCHANGES = frozenset({Exchange.BINANCE, Exchange.COINBASE, Exchange.WAZIRX})

# Computed from rules; beyond the last year the exchange has not published its list (P:exchange_calendars 4.13.2).
_US_YEARS = range(1990, 2028)
_US_CLOSE = time(16)
_FOREX_ROLL = time(17)
_SATURDAY = 5
_ONE_DAY = timedelta(days=1)


def is_foreign(exchange: Exchange) -> bool:
    return exchange in US_EXCHANGES or exchange in CRYPTO_EXCHANGES or exchange is Exchange.FOREX


def is_foreign_trading_day(day: date, exchange: Exchange) -> bool:
    """Errors: `MissingFactError` for US shares outside 1990-2027."""
    if exchange in US_EXCHANGES:
        _require_us_year(day)
        return day in _us_hours()
    return exchange in CRYPTO_EXCHANGES or day.weekday() < _SATURDAY


def foreign_session(day: date, exchange: Exchange, segment: Segment) -> Session | None:
    """The session of a day; None when there is none.  Errors: as `is_foreign_trading_day`.

    US: the regular session of the New York day (no extended hours).  Forex: from 17:00 New York time of the day
    before to 17:00, Monday to Friday, no holidays.  Crypto: the UTC day, every day.
    """
    if not is_foreign_trading_day(day, exchange):
        return None
    start_ns, end_ns = foreign_day_bounds(day, exchange)
    kind = SessionKind.REGULAR
    windows: tuple[PhaseWindow, ...]
    if exchange in US_EXCHANGES:
        open_ns, close_ns = _us_hours()[day]
        windows = (
            PhaseWindow(Phase.CLOSED, start_ns, open_ns),
            PhaseWindow(Phase.CONTINUOUS, open_ns, close_ns),
            PhaseWindow(Phase.CLOSED, close_ns, end_ns),
        )
        if datetime_of(close_ns, NEW_YORK).time() < _US_CLOSE:
            kind = SessionKind.PARTIAL
    else:
        windows = (PhaseWindow(Phase.CONTINUOUS, start_ns, end_ns),)
    return Session(exchange, segment, day, kind, windows)


def foreign_day_bounds(day: date, exchange: Exchange) -> tuple[int, int]:
    """First instant of the exchange's day and of the next one."""
    if exchange in CRYPTO_EXCHANGES:
        return _at(day, time(), UTC), _at(day + _ONE_DAY, time(), UTC)
    if exchange is Exchange.FOREX:
        return _at(day - _ONE_DAY, _FOREX_ROLL, NEW_YORK), _at(day, _FOREX_ROLL, NEW_YORK)
    return _at(day, time(), NEW_YORK), _at(day + _ONE_DAY, time(), NEW_YORK)


def foreign_trade_date(ns: int, exchange: Exchange) -> date:
    """The exchange's day of an instant."""
    if exchange in CRYPTO_EXCHANGES:
        return datetime.fromtimestamp(ns // NANOSECONDS_PER_SECOND, UTC).date()
    local = datetime_of(ns, NEW_YORK)
    if exchange is Exchange.FOREX and local.time() >= _FOREX_ROLL:
        return local.date() + _ONE_DAY
    return local.date()


@cache
def _us_hours() -> Mapping[date, tuple[int, int]]:
    """Open and close of each NYSE session.  Imported here: the package and its pandas are slow to load."""
    from exchange_calendars import get_calendar  # type: ignore[import-untyped]  # ships no types

    with catch_warnings():
        simplefilter("ignore", DeprecationWarning)  # exchange_calendars 4.13.2 uses what pandas 3 deprecates
        calendar = get_calendar("XNYS", start=f"{_US_YEARS[0]}-01-01", end=f"{_US_YEARS[-1]}-12-31")
    opens = calendar.opens_nanos.tolist()
    closes = calendar.closes_nanos.tolist()
    days = [session.date() for session in calendar.sessions]
    return dict(zip(days, zip(opens, closes, strict=True), strict=True))


def _require_us_year(day: date) -> None:
    if day.year not in _US_YEARS:
        raise MissingFactError(
            "exchange_calendars XNYS",
            f"US sessions in {day.year}",
            hint=f"covered: {_US_YEARS[0]}-{_US_YEARS[-1]}",
        )


def _at(day: date, at: time, zone: tzinfo) -> int:
    return ns_of(datetime.combine(day, at, zone))
