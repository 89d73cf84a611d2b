"""Settlement days: when shares and money of a trade change hands.  A calendar of its own."""

from datetime import date, timedelta

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Segment
from trademantra.markets.sessions.calendar import is_trading_day
from trademantra.markets.sessions.overrides import NO_OVERRIDES, Overrides
from trademantra.markets.sessions.rows import Calendar
from trademantra.markets.sessions.tables import calendar_of, facts, settlement_days

_SATURDAY = 5


def is_settlement_day(
    day: date, exchange: Exchange, segment: Segment, *, overrides: Overrides = NO_OVERRIDES
) -> bool:
    """Whether pay-in and pay-out take place: weekdays without a trading or clearing holiday.

    Days of special sessions (Muhurat, weekends) are no settlement days.
    Errors: `MissingFactError` for a year without a list and for segments other than NSE and BSE shares and their
    derivatives.

    >>> is_settlement_day(date(2025, 9, 8), Exchange.NSE, Segment.EQUITY)  # trading, but banks were closed
    False
    """
    if calendar_of(exchange, segment) is not Calendar.EQUITY:
        raise MissingFactError(
            "holidays",
            f"settlement of {segment} on {exchange}",
            hint="covered: NSE and BSE shares, futures, options",
        )
    known = facts(overrides)
    known.require_year(Calendar.SETTLEMENT, day)
    return day.weekday() < _SATURDAY and day not in known.holidays[Calendar.SETTLEMENT]


def settlement_date(
    trade_date: date, exchange: Exchange, segment: Segment, *, overrides: Overrides = NO_OVERRIDES
) -> date:
    """The day on which a trade of `trade_date` settles: T+1 in settlement days.

    Errors: `InvalidValueError` when `trade_date` is no trading day; `MissingFactError` as `is_settlement_day`, and
    while T+1 was phased in (2022-02-25 to 2023-01-26), when it depended on the share.

    >>> settlement_date(date(2025, 9, 4), Exchange.NSE, Segment.EQUITY)
    datetime.date(2025, 9, 9)
    """
    if not is_trading_day(trade_date, exchange, segment, overrides=overrides):
        raise InvalidValueError(f"{trade_date} is no trading day of {exchange} {segment}")
    day = trade_date
    for _ in range(settlement_days(segment, trade_date)):
        day += timedelta(days=1)
        while not is_settlement_day(day, exchange, segment, overrides=overrides):
            day += timedelta(days=1)
    return day
