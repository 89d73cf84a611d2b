"""The shipped session tables (data/), read once, and the same tables with a user's overrides laid on top."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from functools import cache, lru_cache
from importlib.resources import files

from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Exchange, Segment
from trademantra.markets.sessions.overrides import Overrides
from trademantra.markets.sessions.rows import (
    Calendar,
    Closed,
    Group,
    PhaseStart,
    Row,
    SpecialRow,
    SquareOffRow,
    holiday_row,
    phase_starts,
    special_row,
    square_off_row,
    toml_rows,
)

OVERRIDE_HINT = "give it in a sessions.toml of your own, see docs/sessions.md"


@dataclass(frozen=True, slots=True)
class Facts:
    """Holidays, covered years, special days and square-off times as one set of lookups."""

    years: Mapping[Calendar, frozenset[int]]
    holidays: Mapping[Calendar, Mapping[date, Closed]]
    names: Mapping[tuple[Calendar, date], str]
    specials: Mapping[tuple[date, Exchange, Group], SpecialRow]
    square_off: tuple[SquareOffRow, ...]

    def require_year(self, calendar: Calendar, day: date) -> None:
        """Errors: `MissingFactError` naming the list and the year that it does not cover."""
        if day.year not in self.years[calendar]:
            covered = sorted(self.years[calendar])
            raise MissingFactError(
                "holidays",
                f"{calendar} in {day.year}",
                hint=f"the list covers {covered[0]}-{covered[-1]}; {OVERRIDE_HINT} ([[year]] and [[holiday]])",
            )


@dataclass(frozen=True, slots=True)
class Timetable:
    """Phases of a regular day in force from `first` to `last` (None: open)."""

    first: date
    last: date | None
    phases: tuple[PhaseStart, ...]


@dataclass(frozen=True, slots=True)
class BlockWindowRow:
    first: date
    start: time
    end: time


@lru_cache(maxsize=8)
def facts(overrides: Overrides) -> Facts:
    """The shipped tables with `overrides` on top: your session beats your holiday beats ours."""
    years, includes = _calendars()
    holidays: dict[Calendar, dict[date, Closed]] = {calendar: {} for calendar in Calendar}
    names: dict[tuple[Calendar, date], str] = {}
    specials = dict(_specials())
    covered = {calendar: set(found) for calendar, found in years.items()}
    for row in [*map(holiday_row, _csv("holidays.csv")), *overrides.holidays]:
        for calendar in (row.calendar, *(c for c in Calendar if row.calendar in includes[c])):
            holidays[calendar][row.date] = row.closed
            names[calendar, row.date] = row.name
    for closed in overrides.holidays:
        for key in [k for k in specials if k[0] == closed.date and _calendar_of(*k[1:]) is closed.calendar]:
            del specials[key]
    for year in overrides.years:
        covered[year.calendar].add(year.year)
    for special in overrides.sessions:
        specials.update(_by_place(special))
    return Facts(
        {calendar: frozenset(found) for calendar, found in covered.items()},
        holidays,
        names,
        specials,
        (*overrides.square_off, *map(square_off_row, _csv("square_off.csv"))),
    )


def timetable(name: str, day: date) -> tuple[PhaseStart, ...] | None:
    """Phases of a regular day; None when no row of `name` covers it."""
    for row in timetables()[name]:
        if row.first <= day and (row.last is None or day <= row.last):
            return row.phases
    return None


def timetable_starts(name: str) -> date:
    """First day of a timetable."""
    return timetables()[name][0].first


@cache
def timetables() -> Mapping[str, tuple[Timetable, ...]]:
    found: dict[str, list[Timetable]] = {}
    for row in toml_rows(_text("timetables.toml"), "timetables.toml")["timetable"]:
        last = row.day("to") if row.has("to") else None
        found.setdefault(row.text("name"), []).append(Timetable(row.day("from"), last, phase_starts(row)))
    return {name: tuple(rows) for name, rows in found.items()}


@cache
def block_windows() -> tuple[BlockWindowRow, ...]:
    rows = toml_rows(_text("timetables.toml"), "timetables.toml")["block_window"]
    return tuple(BlockWindowRow(row.day("from"), row.clock("start"), row.clock("end")) for row in rows)


@cache
def commodity_groups() -> Mapping[str, str]:
    """MCX underlying → hours: non_agri, cotton_oil or agri."""
    return {row.text("underlying"): row.text("group") for row in _csv("commodities.csv")}


@cache
def closing_auction_shares() -> Mapping[tuple[str, str], bool]:
    """(symbol, exchange or "" for any) → whether the share has a closing auction."""
    return {
        (row.text("symbol"), str(row.fields["exchange"])): row.text("closing_auction") == "yes"
        for row in _csv("closing_auction_shares.csv")
    }


def settlement_days(segment: Segment, trade_date: date) -> int:
    """Settlement days after the trade: 1 for T+1.  Errors: `MissingFactError`."""
    for row in _csv("settlement_cycles.csv"):
        in_force = row.day("from") <= trade_date and (not row.has("to") or trade_date <= row.day("to"))
        if in_force and row.word("segment", Segment) is segment:
            return row.whole("days")
    raise MissingFactError(
        "settlement_cycles", f"{segment} traded on {trade_date}", hint="the table covers NSE and BSE"
    )


def calendar_of(exchange: Exchange, segment: Segment) -> Calendar:
    """The holiday list of an Indian segment.  Errors: `MissingFactError` where we have none."""
    return _calendar_of(exchange, group_of(exchange, segment))


def group_of(exchange: Exchange, segment: Segment) -> Group:
    """Segments that share special hours.  Errors: `MissingFactError` where we have no calendar."""
    group = _GROUPS.get((exchange, segment))
    if group is None:
        raise MissingFactError(
            "calendars",
            f"{segment} on {exchange}",
            hint="covered: NSE and BSE shares, indices, equity and currency derivatives; MCX; NYSE, NASDAQ; forex; crypto",
        )
    return group


_SHARE_EXCHANGES = (Exchange.NSE, Exchange.BSE)
_GROUPS: Mapping[tuple[Exchange, Segment], Group] = {
    **{(e, s): Group.CASH for e in _SHARE_EXCHANGES for s in (Segment.EQUITY, Segment.INDEX)},
    **{
        (e, s): Group.EQUITY_DERIVATIVES
        for e in _SHARE_EXCHANGES
        for s in (Segment.EQUITY_FUTURES, Segment.EQUITY_OPTIONS)
    },
    **{
        (e, s): Group.CURRENCY
        for e in _SHARE_EXCHANGES
        for s in (Segment.CURRENCY_FUTURES, Segment.CURRENCY_OPTIONS)
    },
    **{
        (Exchange.MCX, s): Group.COMMODITY
        for s in (Segment.COMMODITY_FUTURES, Segment.COMMODITY_OPTIONS, Segment.INDEX)
    },
}


def _calendar_of(exchange: Exchange, group: Group) -> Calendar:
    if exchange is Exchange.MCX:
        return Calendar.MCX
    return Calendar.CURRENCY if group is Group.CURRENCY else Calendar.EQUITY


@cache
def _specials() -> Mapping[tuple[date, Exchange, Group], SpecialRow]:
    found: dict[tuple[date, Exchange, Group], SpecialRow] = {}
    for row in toml_rows(_text("special_sessions.toml"), "special_sessions.toml")["session"]:
        for key, special in _by_place(special_row(row)).items():
            if key in found:
                raise row.bad("date", f"{key[0]} {key[1]} {key[2]} stands twice")
            found[key] = special
    return found


def _by_place(row: SpecialRow) -> dict[tuple[date, Exchange, Group], SpecialRow]:
    return {(row.date, exchange, group): row for exchange in row.exchanges for group in row.groups}


@cache
def _calendars() -> tuple[Mapping[Calendar, frozenset[int]], Mapping[Calendar, frozenset[Calendar]]]:
    years: dict[Calendar, frozenset[int]] = {}
    includes: dict[Calendar, frozenset[Calendar]] = {}
    for row in toml_rows(_text("calendars.toml"), "calendars.toml")["calendar"]:
        name = row.word("name", Calendar)
        years[name] = frozenset(range(row.whole("first_year"), row.whole("last_year") + 1))
        includes[name] = row.words("includes", Calendar) if row.has("includes") else frozenset()
    return years, includes


@cache
def _csv(name: str) -> tuple[Row, ...]:
    reader = csv.DictReader(_text(name).splitlines())
    return tuple(Row(name, "", dict(fields), line) for line, fields in enumerate(reader, 2))


def _text(name: str) -> str:
    return (files("trademantra.markets.sessions") / "data" / name).read_text(encoding="utf-8")
