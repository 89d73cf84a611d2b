"""Expiry calendar of index, stock and currency contracts, moved by holidays."""

from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum, StrEnum
from functools import cache

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Segment
from trademantra.markets.contracts.facts import Confidence, Period, only_row, read_rows
from trademantra.markets.sessions.calendar import is_trading_day as segment_trades
from trademantra.markets.sessions.overrides import NO_OVERRIDES, Overrides
from trademantra.markets.sessions.phases import SessionKind
from trademantra.markets.sessions.tables import facts, group_of

TABLE = "expiries"
IsTradingDay = Callable[[date], bool]

_ONE_DAY = timedelta(days=1)
_LONGEST_BREAK = 15
_ANY_STOCK = "*"


class Cycle(StrEnum):
    """Quarterly and half-yearly contracts expire with the monthly one of their month."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Weekday(IntEnum):
    """As `date.weekday()` counts."""

    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4


class ExpiryRule(StrEnum):
    EACH_WEEK = "each_week"
    LAST_WEEKDAY = "last_weekday"  # of the month; it takes the place of the weekly contract of its week
    TWO_BEFORE_LAST_WORKING_DAY = "two_before_last_working_day"  # of the month; weeklies stand beside it


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryRow:
    """One dated fact; `period` holds the due dates, before any move by a holiday."""

    exchange: Exchange
    is_currency: bool
    underlyings: frozenset[str]
    cycle: Cycle
    rule: ExpiryRule
    weekday: Weekday | None
    period: Period
    source: str = "override"
    confidence: Confidence = Confidence.HIGH


@dataclass(frozen=True, slots=True)
class ExpiryCalendar:
    """Expiries of one exchange and segment.  Get one from `expiry_calendar`.

    `is_trading_day` says on which days a contract can expire; `rows` are the rules, the first that covers a
    due date wins, so overrides go in front.
    """

    exchange: Exchange
    segment: Segment
    is_trading_day: IsTradingDay
    rows: tuple[ExpiryRow, ...]

    def expiry_weekday(self, underlying: str, cycle: Cycle, on: date) -> Weekday:
        """Weekday on which the contracts due around `on` expire when no holiday moves them.

        Errors: `MissingFactError` where there is no such contract, or where its expiry goes by no weekday.

        >>> expiry_calendar().expiry_weekday("NIFTY", Cycle.WEEKLY, date(2025, 8, 1))
        <Weekday.THURSDAY: 3>
        """
        row = self._row(underlying, cycle, on)
        if row.weekday is None:
            raise MissingFactError(TABLE, f"a weekday of {cycle} {underlying}: it goes by working days")
        return row.weekday

    def monthly_expiry(self, underlying: str, year: int, month: int) -> date:
        """Day on which the monthly contract expires.

        Single stocks of NSE follow one rule, so any other name than the listed indices counts as a stock.
        Errors: `MissingFactError` for a month without rule or without holiday list.
        Source: data/expiries.csv (specs/india-markets.md 2.2).

        >>> expiry_calendar().monthly_expiry("NIFTY", 2026, 11)  # 2026-11-24 is a holiday
        datetime.date(2026, 11, 23)
        """
        if not 1 <= month <= 12:
            raise InvalidValueError(f"month {month} is not within 1 and 12")
        last_day = date(year, month, monthrange(year, month)[1])
        rows = self._rows(underlying, Cycle.MONTHLY)
        for row in rows:
            due = _due_in_month(row, last_day)
            if not _decides(row, rows, due):
                continue
            if row.rule is ExpiryRule.LAST_WEEKDAY:
                return self._on_or_before(due)
            day = self._on_or_before(last_day)
            for _ in range(2):
                day = self._on_or_before(day - _ONE_DAY)
            return day
        raise self._missing(underlying, Cycle.MONTHLY, f"{year}-{month:02}")

    def weekly_expiries(self, underlying: str, first: date, last: date) -> tuple[date, ...]:
        """Weekly expiries from `first` to `last`, both included, in order.

        Of index contracts the last one of a month is the monthly contract, which takes the place of the
        weekly one of its week.  Empty where the underlying has rules but no weekly contracts in that time.
        Errors: `MissingFactError` for an underlying without weekly contracts at any time, and for years
        without holiday list; `InvalidValueError` when `first` is after `last`.

        >>> [str(day) for day in expiry_calendar().weekly_expiries("NIFTY", date(2026, 11, 1), date(2026, 11, 30))]
        ['2026-11-03', '2026-11-09', '2026-11-17', '2026-11-23']
        """
        if first > last:
            raise InvalidValueError(f"the first day {first} is after the last day {last}")
        rows = self._rows(underlying, Cycle.WEEKLY)
        if not rows:
            raise self._missing(underlying, Cycle.WEEKLY, "any day")
        found = set()
        monday = first - timedelta(days=first.weekday())
        # A due date may be moved across the week's start by a long break, so one week more is looked at.
        while monday <= last + timedelta(days=7):
            expiry = self._weekly_of(underlying, rows, monday)
            if expiry is not None and first <= expiry <= last:
                found.add(expiry)
            monday += timedelta(days=7)
        return tuple(sorted(found))

    def next_expiry(self, underlying: str, cycle: Cycle, on: date) -> date:
        """The first expiry on or after a day.  Errors: as `monthly_expiry` and `weekly_expiries`.

        >>> expiry_calendar().next_expiry("BANKNIFTY", Cycle.MONTHLY, date(2026, 3, 31))
        datetime.date(2026, 4, 28)
        """
        if cycle is Cycle.WEEKLY:
            for days in (14, 35):
                found = self.weekly_expiries(underlying, on, on + timedelta(days=days))
                if found:
                    return found[0]
            raise self._missing(underlying, cycle, f"the weeks after {on}")
        expiry = self.monthly_expiry(underlying, on.year, on.month)
        if expiry >= on:
            return expiry
        return self.monthly_expiry(underlying, on.year + on.month // 12, on.month % 12 + 1)

    def is_monthly(self, underlying: str, expiry: date) -> bool:
        """Whether a contract that expires that day is the monthly one, as symbols distinguish them."""
        return self.monthly_expiry(underlying, expiry.year, expiry.month) == expiry

    def _weekly_of(self, underlying: str, rows: tuple[ExpiryRow, ...], monday: date) -> date | None:
        for row in rows:
            if row.weekday is None:
                continue
            due = monday + timedelta(days=row.weekday)
            if _decides(row, rows, due):
                break
        else:
            return None
        monthly_rows = self._rows(underlying, Cycle.MONTHLY)
        for monthly in monthly_rows:
            if monthly.rule is not ExpiryRule.LAST_WEEKDAY or monthly.weekday is None:
                continue
            monthly_due = monday + timedelta(days=monthly.weekday)
            is_last = (monthly_due + timedelta(days=7)).month != monthly_due.month
            if is_last and _decides(monthly, monthly_rows, monthly_due):
                return self._on_or_before(monthly_due)
        return self._on_or_before(due)

    def _on_or_before(self, day: date) -> date:
        for days in range(_LONGEST_BREAK):
            if self.is_trading_day(day - timedelta(days=days)):
                return day - timedelta(days=days)
        raise InvalidValueError(
            f"no trading day within {_LONGEST_BREAK} days before {day}: the calendar is wrong"
        )

    def _rows(self, underlying: str, cycle: Cycle) -> tuple[ExpiryRow, ...]:
        is_currency = self.segment in (Segment.CURRENCY_FUTURES, Segment.CURRENCY_OPTIONS)
        rows = [
            row
            for row in self.rows
            if row.exchange is self.exchange and row.cycle is cycle and row.is_currency == is_currency
        ]
        named = any(underlying in row.underlyings for row in self.rows)
        name = underlying if named else _ANY_STOCK
        return tuple(row for row in rows if name in row.underlyings)

    def _row(self, underlying: str, cycle: Cycle, on: date) -> ExpiryRow:
        return only_row(
            [row for row in self._rows(underlying, cycle) if on in row.period],
            TABLE,
            f"{cycle} contracts of {underlying} on {self.exchange} on {on}",
            hint="take the expiry from the broker's instrument file",
        )

    def _missing(self, underlying: str, cycle: Cycle, when: str) -> MissingFactError:
        return MissingFactError(
            TABLE,
            f"{cycle} contracts of {underlying} on {self.exchange} {self.segment} in {when}",
            hint="take the expiry from the broker's instrument file",
        )


def expiry_calendar(
    exchange: Exchange = Exchange.NSE,
    segment: Segment = Segment.EQUITY_OPTIONS,
    *,
    overrides: tuple[ExpiryRow, ...] = (),
    sessions: Overrides = NO_OVERRIDES,
    is_trading_day: IsTradingDay | None = None,
) -> ExpiryCalendar:
    """The calendar of a segment, by default on the trading days of `markets.sessions` with its overrides.

    Muhurat and drill sessions are no expiry days: contracts due on 2025-10-21 expired on 2025-10-20.
    The instrument file decides where it disagrees.
    """
    return ExpiryCalendar(
        exchange,
        segment,
        is_trading_day or _expiry_days(exchange, segment, sessions),
        (*overrides, *expiry_rows()),
    )


def expiry_weekday(underlying: str, cycle: Cycle, on: date, *, exchange: Exchange = Exchange.NSE) -> Weekday:
    """`ExpiryCalendar.expiry_weekday` of index and stock contracts."""
    return expiry_calendar(exchange).expiry_weekday(underlying, cycle, on)


def monthly_expiry(underlying: str, year: int, month: int, *, exchange: Exchange = Exchange.NSE) -> date:
    """`ExpiryCalendar.monthly_expiry` of index and stock contracts.

    >>> monthly_expiry("NIFTY", 2026, 3)
    datetime.date(2026, 3, 30)
    """
    return expiry_calendar(exchange).monthly_expiry(underlying, year, month)


def weekly_expiries(
    underlying: str, first: date, last: date, *, exchange: Exchange = Exchange.NSE
) -> tuple[date, ...]:
    """`ExpiryCalendar.weekly_expiries` of index contracts."""
    return expiry_calendar(exchange).weekly_expiries(underlying, first, last)


@cache
def expiry_rows() -> tuple[ExpiryRow, ...]:
    """The shipped rows."""
    return read_rows("expiries.csv", _expiry_row)


def _decides(row: ExpiryRow, rows: tuple[ExpiryRow, ...], due: date) -> bool:
    """Whether `row` is the first that covers the due date, so that an override silences what it replaces."""
    return next((found for found in rows if due in found.period), None) is row


def _due_in_month(row: ExpiryRow, last_day: date) -> date:
    if row.weekday is None:
        return last_day
    return last_day - timedelta(days=(last_day.weekday() - row.weekday) % 7)


def _expiry_days(exchange: Exchange, segment: Segment, sessions: Overrides) -> IsTradingDay:
    group = group_of(exchange, segment)
    specials = facts(sessions).specials

    def is_expiry_day(day: date) -> bool:
        special = specials.get((day, exchange, group))
        if special is not None and special.kind in (SessionKind.MUHURAT, SessionKind.DRILL):
            return False
        return segment_trades(day, exchange, segment, overrides=sessions)

    return is_expiry_day


def _expiry_row(texts: Mapping[str, str]) -> ExpiryRow:
    segments = {"equity": False, "currency": True}
    return ExpiryRow(
        exchange=Exchange(texts["exchange"]),
        is_currency=segments[texts["segment"]],
        underlyings=frozenset(texts["underlyings"].split()),
        cycle=Cycle(texts["cycle"]),
        rule=ExpiryRule(texts["rule"]),
        weekday=Weekday[texts["weekday"].upper()] if texts["weekday"] else None,
        period=Period.parse(texts["from"], texts["to"]),
        source=texts["source"],
        confidence=Confidence(texts["confidence"]),
    )
