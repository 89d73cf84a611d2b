"""Rows of the session tables, parsed once at the edge: from the package's files and from a user's overrides."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from typing import TypeVar

from trademantra.core.errors import BadInputError
from trademantra.core.instrument import Exchange
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_MINUTE
from trademantra.markets.sessions.phases import Phase, PhaseWindow, SessionKind

_PHASE_LINE = re.compile(
    r"([01]\d|2[0-3]):([0-5]\d) ([a-z_]+)(?: random from ([01]\d|2[0-3]):([0-5]\d))?", re.ASCII
)
_PHASES = frozenset(phase.value for phase in Phase)
_Word = TypeVar("_Word", bound=StrEnum)


class Calendar(StrEnum):
    """A list of holidays."""

    EQUITY = "equity"
    CURRENCY = "currency"
    MCX = "mcx"
    SETTLEMENT = "settlement"


class Group(StrEnum):
    """Segments that share special hours."""

    CASH = "cash"
    EQUITY_DERIVATIVES = "equity_derivatives"
    CURRENCY = "currency"
    COMMODITY = "commodity"


class Closed(StrEnum):
    """How much of the day a holiday takes.  MCX splits its day at 17:00."""

    DAY = "day"
    MORNING = "morning"
    EVENING = "evening"


class SquareOffGroup(StrEnum):
    """Instruments that a broker squares off at one time."""

    CLOSING_AUCTION_SHARE = "closing_auction_share"
    CASH = "cash"
    EQUITY_DERIVATIVES = "equity_derivatives"
    CURRENCY = "currency"
    COMMODITY = "commodity"


@dataclass(frozen=True, slots=True)
class PhaseStart:
    """A phase and the minute of the day at which it starts."""

    minute: int
    phase: Phase
    random_minute: int | None = None


@dataclass(frozen=True, slots=True)
class HolidayRow:
    date: date
    calendar: Calendar
    closed: Closed
    name: str


@dataclass(frozen=True, slots=True)
class YearRow:
    """A year that a holiday list covers."""

    calendar: Calendar
    year: int


@dataclass(frozen=True, slots=True)
class SpecialRow:
    """A day's own hours.  `phases` empty: the regular ones when `regular`, else not known."""

    date: date
    exchanges: frozenset[Exchange]
    groups: frozenset[Group]
    kind: SessionKind
    regular: bool
    phases: tuple[PhaseStart, ...]


@dataclass(frozen=True, slots=True)
class SquareOffRow:
    """`at` applies where continuous trading ends at `session_close` (None: always)."""

    broker: str
    group: SquareOffGroup
    first: date | None
    last: date | None
    at: time | None
    minutes_before_close: int | None
    session_close: time | None
    entry_minutes_before_close: int | None

    def covers(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class Row:
    """Named fields of one row with its place, for errors that lead to it."""

    file: str
    place: str
    fields: Mapping[str, object]
    line: int | None = None

    def bad(self, column: str, reason: str, hint: str = "") -> BadInputError:
        return BadInputError(self.file, reason, line=self.line, column=f"{self.place}{column}", hint=hint)

    def only(self, *known: str) -> None:
        """Refuse a misspelt field: it would be ignored silently."""
        for name in self.fields:
            if name not in known:
                raise self.bad(name, "is not a known field", f"known: {', '.join(known)}")

    def text(self, column: str) -> str:
        value = self.fields.get(column)
        if not isinstance(value, str) or not value:
            raise self.bad(column, "must be a text")
        return value

    def whole(self, column: str) -> int:
        value = self.fields.get(column)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.bad(column, f"{value!r} is not a whole number")
        return value

    def day(self, column: str) -> date:
        value = self.fields.get(column)
        if type(value) is date:
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError as error:
            raise self.bad(column, f"{value!r} is not a date", "write it as 2026-11-08") from error

    def clock(self, column: str) -> time:
        value = self.fields.get(column)
        if isinstance(value, time):
            return value
        try:
            return time.fromisoformat(str(value))
        except ValueError as error:
            raise self.bad(column, f"{value!r} is not a time of day", "write it as 15:20") from error

    def has(self, column: str) -> bool:
        return self.fields.get(column) not in (None, "")

    def word(self, column: str, words: type[_Word]) -> _Word:
        value = self.fields.get(column)
        try:
            return words(str(value))
        except ValueError as error:
            raise self.bad(column, f"{value!r} is not known", f"one of: {', '.join(words)}") from error

    def listed(self, column: str) -> tuple[str, ...]:
        value = self.fields.get(column)
        if not isinstance(value, list) or not value or not all(isinstance(x, str) for x in value):
            raise self.bad(column, "must be a list of texts")
        return tuple(value)

    def words(self, column: str, words: type[_Word]) -> frozenset[_Word]:
        return frozenset(
            Row(self.file, self.place, {column: x}).word(column, words) for x in self.listed(column)
        )


def toml_rows(text: str, file: str) -> dict[str, list[Row]]:
    """The arrays of tables of a TOML text.  Errors: `BadInputError` when it is not TOML or holds anything else."""
    try:
        content: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(file, f"is not TOML: {error}") from error
    found: dict[str, list[Row]] = {}
    for name, tables in content.items():
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise BadInputError(file, f"{name!r} must be written as [[{name}]]")
        found[name] = [Row(file, f"{name}[{i}].", table) for i, table in enumerate(tables, 1)]
    return found


def phase_starts(row: Row, column: str = "phases") -> tuple[PhaseStart, ...]:
    """Phases of a day from lines such as `09:08 preopen_matching`; they start at 00:00 and ascend."""
    starts: list[PhaseStart] = []
    for line in row.listed(column):
        found = _PHASE_LINE.fullmatch(line)
        if not found or found[3] not in _PHASES:
            raise row.bad(
                column,
                f"{line!r} is not a time and a phase",
                f"example: '09:15 continuous'; phases: {', '.join(Phase)}",
            )
        random = int(found[4]) * 60 + int(found[5]) if found[4] else None
        starts.append(PhaseStart(int(found[1]) * 60 + int(found[2]), Phase(found[3]), random))
    minutes = [start.minute for start in starts]
    if minutes[0] != 0 or minutes != sorted(set(minutes)):
        raise row.bad(column, "times must start at 00:00 and ascend")
    if not any(start.phase is Phase.CONTINUOUS for start in starts):
        raise row.bad(column, "has no continuous trading")
    for start, end in zip(starts, [*minutes[1:], 24 * 60], strict=True):
        if start.random_minute is not None and not start.minute <= start.random_minute < end:
            raise row.bad(column, f"random end of {start.phase} is not within the phase")
    return tuple(starts)


def windows_of(starts: Sequence[PhaseStart], midnight_ns: int) -> tuple[PhaseWindow, ...]:
    """Windows of a day that begins at `midnight_ns`; they tile it."""
    edges = [midnight_ns + start.minute * NANOSECONDS_PER_MINUTE for start in starts]
    edges.append(midnight_ns + NANOSECONDS_PER_DAY)
    return tuple(
        PhaseWindow(
            start.phase,
            edges[i],
            edges[i + 1],
            None
            if start.random_minute is None
            else midnight_ns + start.random_minute * NANOSECONDS_PER_MINUTE,
        )
        for i, start in enumerate(starts)
    )


def holiday_row(row: Row) -> HolidayRow:
    row.only("date", "calendar", "closed", "name", "source", "confidence")
    closed = row.word("closed", Closed) if row.has("closed") else Closed.DAY
    calendar = row.word("calendar", Calendar)
    if closed is not Closed.DAY and calendar is not Calendar.MCX:
        raise row.bad("closed", f"only MCX has half days, not {calendar}")
    name = row.text("name") if row.has("name") else ""
    return HolidayRow(row.day("date"), calendar, closed, name)


def year_row(row: Row) -> YearRow:
    row.only("calendar", "year", "source", "confidence")
    return YearRow(row.word("calendar", Calendar), row.whole("year"))


def special_row(row: Row) -> SpecialRow:
    row.only("date", "exchanges", "groups", "kind", "regular", "phases", "source", "confidence")
    regular = row.fields.get("regular", False)
    if not isinstance(regular, bool):
        raise row.bad("regular", "must be true or false")
    phases = phase_starts(row) if row.has("phases") else ()
    if regular and phases:
        raise row.bad("phases", "a regular day has no phases of its own")
    return SpecialRow(
        row.day("date"),
        row.words("exchanges", Exchange),
        row.words("groups", Group),
        row.word("kind", SessionKind),
        regular,
        phases,
    )


def square_off_row(row: Row) -> SquareOffRow:
    row.only(
        "broker", "group", "from", "to", "at", "minutes_before_close", "session_close",
        "entry_minutes_before_close", "source", "confidence",
    )  # fmt: skip
    if row.has("at") == row.has("minutes_before_close"):
        raise row.bad("at", "write either a time or minutes_before_close")
    return SquareOffRow(
        row.text("broker"),
        row.word("group", SquareOffGroup),
        row.day("from") if row.has("from") else None,
        row.day("to") if row.has("to") else None,
        row.clock("at") if row.has("at") else None,
        row.whole("minutes_before_close") if row.has("minutes_before_close") else None,
        row.clock("session_close") if row.has("session_close") else None,
        row.whole("entry_minutes_before_close") if row.has("entry_minutes_before_close") else None,
    )
