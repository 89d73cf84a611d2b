"""Trading days: which days a segment trades on, without asking for its hours."""

from datetime import date, timedelta

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Segment
from trademantra.markets.sessions.foreign import is_foreign, is_foreign_trading_day
from trademantra.markets.sessions.overrides import NO_OVERRIDES, Overrides
from trademantra.markets.sessions.rows import Closed
from trademantra.markets.sessions.tables import calendar_of, facts, group_of

_SATURDAY = 5
_ONE_DAY = timedelta(days=1)


def is_trading_day(
    day: date, exchange: Exchange, segment: Segment, *, overrides: Overrides = NO_OVERRIDES
) -> bool:
    """Whether the segment trades on `day`, for a whole day or a part of it.

    A Muhurat day counts, also when its hours are not announced yet.
    Errors: `MissingFactError` for a year without a holiday list and for a segment without a calendar.

    >>> is_trading_day(date(2026, 2, 1), Exchange.NSE, Segment.EQUITY)  # Budget Sunday
    True
    """
    if is_foreign(exchange):
        return is_foreign_trading_day(day, exchange)
    known = facts(overrides)
    calendar = calendar_of(exchange, segment)
    if (day, exchange, group_of(exchange, segment)) in known.specials:
        return True
    known.require_year(calendar, day)
    return day.weekday() < _SATURDAY and known.holidays[calendar].get(day) is not Closed.DAY


def holiday_name(
    day: date, exchange: Exchange, segment: Segment, *, overrides: Overrides = NO_OVERRIDES
) -> str | None:
    """Name of an Indian holiday, "" where the list has none (before 2024); None on any other day.

    >>> holiday_name(date(2026, 11, 24), Exchange.NSE, Segment.EQUITY)
    'Guru Nanak Jayanti'
    """
    if is_foreign(exchange):
        return None
    return facts(overrides).names.get((calendar_of(exchange, segment), day))


def trading_days_between(
    first: date, last: date, exchange: Exchange, segment: Segment, *, overrides: Overrides = NO_OVERRIDES
) -> tuple[date, ...]:
    """Trading days from `first` to `last`, both inclusive.  Needs no hours, so days of unknown hours are there.

    Errors: as `is_trading_day`, and `InvalidValueError` when `first` is after `last`.
    """
    check_range(first, last)
    days = (first + timedelta(days=i) for i in range((last - first).days + 1))
    return tuple(day for day in days if is_trading_day(day, exchange, segment, overrides=overrides))


def next_trading_day(
    day: date, exchange: Exchange, segment: Segment, *, overrides: Overrides = NO_OVERRIDES
) -> date:
    """The first trading day after `day`.  Errors: as `is_trading_day`.

    >>> next_trading_day(date(2026, 11, 6), Exchange.NSE, Segment.EQUITY)  # Muhurat Sunday
    datetime.date(2026, 11, 8)
    """
    return _step(day, _ONE_DAY, exchange, segment, overrides)


def previous_trading_day(
    day: date, exchange: Exchange, segment: Segment, *, overrides: Overrides = NO_OVERRIDES
) -> date:
    """The last trading day before `day`.  Errors: as `is_trading_day`."""
    return _step(day, -_ONE_DAY, exchange, segment, overrides)


def _step(day: date, by: timedelta, exchange: Exchange, segment: Segment, overrides: Overrides) -> date:
    day += by
    while not is_trading_day(day, exchange, segment, overrides=overrides):
        day += by
    return day


def check_range(first: date, last: date) -> None:
    if first > last:
        raise InvalidValueError(f"the first day {first} is after the last day {last}")
