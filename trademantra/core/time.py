"""Time: aware datetimes outside, int64 nanoseconds since 1970-01-01T00:00Z inside, one injected clock."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trademantra.core.errors import InvalidValueError

IST = ZoneInfo("Asia/Kolkata")
NANOSECONDS_PER_SECOND = 1_000_000_000
NANOSECONDS_PER_MINUTE = 60 * NANOSECONDS_PER_SECOND
NANOSECONDS_PER_HOUR = 60 * NANOSECONDS_PER_MINUTE
NANOSECONDS_PER_DAY = 24 * NANOSECONDS_PER_HOUR

Day = TypeVar("Day", date, datetime)

_FIRST_YEAR, _LAST_YEAR = 1900, 2199
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Where the present comes from.  Code that needs it takes a `Clock`; it never reads the wall itself."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01T00:00Z."""
        ...


class ManualClock:
    """A clock that stands still until it is told to move: for replays and tests."""

    __slots__ = ("_now_ns",)

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance_to(self, now_ns: int) -> None:
        """Move forward.  Errors: `InvalidValueError` when asked to go back."""
        if now_ns < self._now_ns:
            raise InvalidValueError(f"a clock cannot go back from {self._now_ns} to {now_ns}")
        self._now_ns = now_ns


def ns_of(instant: datetime) -> int:
    """Nanoseconds of an aware datetime, exact to its microsecond.  A naive one is an error.

    >>> ns_of(datetime(2026, 11, 20, 9, 15, tzinfo=IST))
    1795146300000000000
    """
    if instant.tzinfo is None:
        raise InvalidValueError(
            f"time {instant.isoformat()} has no zone",
            hint="write an offset, for example 2026-11-20T09:15+05:30",
        )
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * NANOSECONDS_PER_SECOND + since.microseconds * 1_000


def datetime_of(ns: int, zone: ZoneInfo = IST) -> datetime:
    """Aware datetime of an instant; what is finer than a microsecond is cut off.

    >>> datetime_of(1795146300000000000).isoformat()
    '2026-11-20T09:15:00+05:30'
    """
    return (_EPOCH + timedelta(microseconds=ns // 1_000)).astimezone(zone)


def ist_ns(day: date, at: time) -> int:
    """Nanoseconds of a wall-clock time in India.

    >>> ist_ns(date(2026, 11, 20), time(9, 15))
    1795146300000000000
    """
    return ns_of(datetime.combine(day, at, IST))


def ist_date(ns: int) -> date:
    """Calendar date in India of an instant.

    >>> ist_date(1795146300000000000)
    datetime.date(2026, 11, 20)
    """
    return datetime_of(ns, IST).date()


def parse_date(text: str) -> date:
    """A date written YYYY-MM-DD, from 1900 to 2199 (which int64 nanoseconds hold)."""
    try:
        parsed = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidValueError(f"{text!r} is not a date", hint="write it as YYYY-MM-DD") from error
    return _checked_year(parsed, text)


def parse_instant(text: str, default_zone: ZoneInfo | None = None) -> datetime:
    """An ISO 8601 instant.  One without an offset is read in `default_zone`, or refused when that is None."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidValueError(
            f"{text!r} is not a time", hint="write it as 2026-11-20T09:15+05:30"
        ) from error
    if parsed.tzinfo is None:
        if default_zone is None:
            raise InvalidValueError(f"time {text!r} has no zone", hint="write an offset, for example +05:30")
        parsed = parsed.replace(tzinfo=default_zone)
    return _checked_year(parsed, text)


def parse_zone(text: str) -> ZoneInfo:
    """A zone by its IANA name, or `IST`, which here is India's.  Errors: `InvalidValueError`.

    >>> parse_zone("ist").key, parse_zone("UTC").key
    ('Asia/Kolkata', 'UTC')
    """
    name = text.strip()
    try:
        return IST if name.upper() == "IST" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: the name of a folder of zones
        raise InvalidValueError(
            f"{text!r} is not a time zone",
            hint="write a name such as Asia/Kolkata, IST, UTC or America/New_York",
        ) from error


def _checked_year(parsed: Day, text: str) -> Day:
    if not _FIRST_YEAR <= parsed.year <= _LAST_YEAR:
        raise InvalidValueError(
            f"{text!r} is out of range", hint=f"years from {_FIRST_YEAR} to {_LAST_YEAR} are possible"
        )
    return parsed
