"""Which stock and index futures take part in the pre-open (since 2025-12-08, C:FAOP74970)."""

from datetime import date, timedelta

from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Exchange, Segment
from trademantra.markets.sessions.calendar import is_trading_day, previous_trading_day
from trademantra.markets.sessions.overrides import NO_OVERRIDES, Overrides
from trademantra.markets.sessions.tables import timetable_starts

# Monthly contracts expire on the last such weekday of the month (specs/india-markets.md 2.2, since 2025-09).
_EXPIRY_WEEKDAY = {Exchange.NSE: 1, Exchange.BSE: 3}
_LAST_DAYS = 5


def has_futures_preopen(
    day: date, exchange: Exchange, expiry: date, *, overrides: Overrides = NO_OVERRIDES
) -> bool:
    """Whether the contract that expires in the month of `expiry` has a pre-open on `day`.

    The contract of the current month has one, and in the last five trading days before and including its expiry
    the contract of the next month too.
    """
    if day < timetable_starts("equity_futures_preopen"):
        return False
    month = _month(expiry)
    current = _month(front_month_expiry(day, exchange, overrides=overrides))
    if month == current:
        return True
    if month != current + 1 or current != _month(day):
        return False
    return day >= _trading_days_back(
        front_month_expiry(day, exchange, overrides=overrides), exchange, overrides
    )


def front_month_expiry(day: date, exchange: Exchange, *, overrides: Overrides = NO_OVERRIDES) -> date:
    """Expiry of the current month's contract; after it, the month after (there without holidays if its list is
    not known, as only the month counts)."""
    expiry = _monthly_expiry(day.year, day.month, exchange)
    while not is_trading_day(expiry, exchange, Segment.EQUITY_FUTURES, overrides=overrides):
        expiry -= timedelta(days=1)
    if day <= expiry:
        return expiry
    year, month = divmod(_month(day) + 1, 12)
    return _monthly_expiry(year, month + 1, exchange)


def _monthly_expiry(year: int, month: int, exchange: Exchange) -> date:
    weekday = _EXPIRY_WEEKDAY.get(exchange)
    if weekday is None:
        raise MissingFactError("expiries", f"equity futures on {exchange}")
    after = date(year + month // 12, month % 12 + 1, 1)
    return after - timedelta(days=(after.weekday() - weekday - 1) % 7 + 1)


def _trading_days_back(expiry: date, exchange: Exchange, overrides: Overrides) -> date:
    day = expiry
    for _ in range(_LAST_DAYS - 1):
        day = previous_trading_day(day, exchange, Segment.EQUITY_FUTURES, overrides=overrides)
    return day


def _month(day: date) -> int:
    """Months since year 0, January being 0."""
    return day.year * 12 + day.month - 1
