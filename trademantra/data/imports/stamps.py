"""Times as files write them: the format found in the data, ambiguity refused, then read in bulk."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

import polars as pl

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_DAY

Order: TypeAlias = Literal["ymd", "dmy", "mdy"]

_TIME = r"(?P<clock>\d{1,2}:\d{2})(?P<seconds>:\d{2})?(?P<fraction>[.]\d+)?(?P<half> ?[AaPp][Mm])?"
_ZONE = r"(?P<zone> ?(?:Z|UTC|GMT|IST|[+-]\d{2}(?::?\d{2})?))"
_REST = re.compile(rf"(?P<gap>[T ]+)(?:{_TIME}|(?P<compact>\d{{4}}(?:\d{{2}})?)){_ZONE}?")
_DATES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\d{4}(?P<mark>[-/.])\d{1,2}(?P=mark)\d{1,2}"), "ymd"),
    (
        re.compile(
            r"(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})(?!\d)"
        ),
        "numeric",
    ),
    (
        re.compile(r"\d{1,2}(?P<mark>[- /]?)[A-Za-z]{3,9}(?P<mark2>[- /]?)(?P<year>\d{4}|\d{2})(?!\d)"),
        "named",
    ),
    (re.compile(r"[A-Za-z]{3,9} \d{1,2}(?P<comma>,?) \d{4}"), "month first"),
    (re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"), "compact"),
)
_EPOCH = re.compile(r"\d{9,19}(?:\.\d+)?")
_RUN_TOGETHER = re.compile(
    r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?"
)
_NUMERIC = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})(?!\d)")
# Magnitudes that tell seconds from milli-, micro- and nanoseconds apart for all times from 1973 to 5138.
_EPOCH_UNITS = ((10**11, 10**9, "seconds"), (10**14, 10**6, "milliseconds"), (10**17, 10**3, "microseconds"))
_EARLIEST_YEAR, _LATEST_YEAR = 1950, 2100
# 1950-01-01 and 2100-01-01 UTC: what lies outside was misread.
_EARLIEST_NS, _LATEST_NS = -7_305 * NANOSECONDS_PER_DAY, 47_482 * NANOSECONDS_PER_DAY


class StampKind(StrEnum):
    """How much a written time says: an instant, a clock reading of an unnamed place, or a calendar date."""

    EPOCH = "epoch"
    OFFSET = "offset"
    LOCAL = "local"
    DATE = "date"

    @property
    def needs_zone(self) -> bool:
        return self is StampKind.LOCAL


@dataclass(frozen=True, slots=True)
class StampFormat:
    """How the times of one file are written.

    `formats` are tried in turn (strftime letters, as polars reads them); none for `EPOCH`.  `described` is for
    people.  `native` says that the column is not text: its values are times already.
    """

    kind: StampKind
    formats: tuple[str, ...]
    described: str
    native: bool = False


@dataclass(frozen=True, slots=True)
class DateFields:
    """The largest first, second and last number seen in dates such as 05/01/2024; 0 where none was seen."""

    first: int = 0
    second: int = 0
    year: int = 0
    four_digit_year: bool = False

    def joined(self, values: Iterable[str]) -> "DateFields":
        """With more dates looked at."""
        first, second, year, four = self.first, self.second, self.year, self.four_digit_year
        for value in values:
            if found := _NUMERIC.match(value.strip()):
                first, second = max(first, int(found[1])), max(second, int(found[2]))
                year, four = max(year, int(found[3])), four or len(found[3]) == 4
        return replace(self, first=first, second=second, year=year, four_digit_year=four)

    @property
    def orders(self) -> tuple[Order, ...]:
        """The orders of day, month and year that all dates seen allow."""
        possible: list[Order] = []
        if self.second <= 12 and self.first <= 31:
            possible.append("dmy")
        if self.first <= 12 and self.second <= 31:
            possible.append("mdy")
        if not self.four_digit_year and self.second <= 12 and self.year <= 31:
            possible.append("ymd")
        return tuple(possible)


def order_of(text: str) -> Order:
    """The order of day, month and year in `dd-mm-yyyy`, `mm/dd/yy`, `ymd` and the like.

    Errors: `InvalidValueError`.

    >>> order_of("DD-MM-YYYY")
    'dmy'
    """
    letters = re.sub(r"(.)\1*", r"\1", re.sub(r"[^dmy]", "", text.lower()))
    if letters == "dmy":
        return "dmy"
    if letters == "mdy":
        return "mdy"
    if letters == "ymd":
        return "ymd"
    raise InvalidValueError(
        f"{text!r} is not a date format", hint="write dd-mm-yyyy, mm/dd/yyyy or %d.%m.%Y %H:%M"
    )


def has_numeric_dates(values: Iterable[str]) -> bool:
    """Whether some of these are dates of three numbers that do not start with a four-digit year."""
    return any(_NUMERIC.match(value.strip()) for value in values)


def detect(values: Sequence[str], orders: Sequence[Order]) -> StampFormat:
    """The format of written times; `orders` are those that all dates of the file allow.

    Errors: `InvalidValueError` for values that are no times, that mix kinds, or whose day and month cannot be
    told apart.

    >>> detect(["2024-01-05T09:15:00+0530"], []).kind.value
    'offset'
    """
    formats: dict[str, None] = {}
    kinds: dict[StampKind, str] = {}
    units: dict[str, None] = {}
    midnight_only = True
    for value in dict.fromkeys(value.strip() for value in values):
        if not value:
            continue
        if _EPOCH.fullmatch(value) and not _RUN_TOGETHER.fullmatch(value):
            kinds.setdefault(StampKind.EPOCH, value)
            units[_epoch_unit(float(value))] = None
            continue
        shape = _shape(value, orders)
        if shape is None:
            continue
        kinds.setdefault(shape.kind, value)
        formats[shape.format] = None
        midnight_only &= shape.midnight
    if not kinds:
        shown = next((value for value in values if value.strip()), "")
        raise InvalidValueError(
            f"{shown!r} is not a time in a form that is known",
            hint="name its form: --date-format '%d.%m.%Y %H:%M'",
        )
    if len(kinds) > 1:
        shown = " and ".join(repr(value) for value in kinds.values())
        raise InvalidValueError(f"times are written in different ways: {shown}", hint="make them alike")
    kind = next(iter(kinds))
    if kind is StampKind.EPOCH:
        return StampFormat(kind, (), f"{' and '.join(units)} since 1970, UTC")
    if kind is StampKind.LOCAL and midnight_only:
        kind = StampKind.DATE
    return StampFormat(kind, tuple(formats), " or ".join(readable(form) for form in formats))


def stated(form: str) -> StampFormat:
    """The format that the user wrote with strftime letters.  Errors: `InvalidValueError` for a `%` that is unknown."""
    letters = set(re.findall(r"%[-_0]?(\.?[A-Za-z]|\.\d?f)", form))
    if not letters & set("YymdBbjDFsHIMTSe"):
        raise InvalidValueError(f"{form!r} is not a date format", hint="write dd-mm-yyyy or %d.%m.%Y %H:%M")
    if "z" in letters:
        kind = StampKind.OFFSET
    elif letters & set("HIMTSR"):
        kind = StampKind.LOCAL
    else:
        kind = StampKind.DATE
    return StampFormat(kind, (form,), readable(form))


def native_format(dtype: pl.DataType) -> StampFormat | None:
    """How a typed column tells time; None for text and for numbers, which are read as text."""
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone:
            return StampFormat(StampKind.OFFSET, (), f"times in {dtype.time_zone}", native=True)
        return StampFormat(StampKind.LOCAL, (), "times without a zone", native=True)
    if isinstance(dtype, pl.Date):
        return StampFormat(StampKind.DATE, (), "dates", native=True)
    return None


def read(stamps: pl.Series, form: StampFormat, zone: ZoneInfo | None) -> pl.Series:
    """Instants as int64 ns UTC; null where a value does not fit the format, or names no or two instants in `zone`.

    Dates become their midnight in `zone`, which must be given unless the values say their offset.
    """
    if form.kind is StampKind.EPOCH:
        found = _epochs(stamps)
    elif form.native:
        found = stamps.cast(
            pl.Datetime("ns", stamps.dtype.time_zone if isinstance(stamps.dtype, pl.Datetime) else None)
        )
    else:
        found = _written(stamps, form)
    if form.kind in (StampKind.LOCAL, StampKind.DATE):
        assert zone is not None, "a time without offset reached the reader without a zone"
        midnight = (found.cast(pl.Int64) % NANOSECONDS_PER_DAY == 0) | (form.kind is not StampKind.DATE)
        found = found.zip_with(midnight.fill_null(value=False), pl.Series([None], dtype=found.dtype))
        found = found.dt.replace_time_zone(zone.key, ambiguous="null", non_existent="null")
    ns = found.cast(pl.Int64)
    return ns.zip_with(
        ns.is_between(_EARLIEST_NS, _LATEST_NS).fill_null(value=False), pl.Series([None], dtype=pl.Int64)
    )


def readable(form: str) -> str:
    """A strftime format in the letters of people.

    >>> readable("%d-%m-%Y %H:%M:%S")
    'dd-mm-yyyy hh:mm:ss'
    """
    letters = {
        "%Y": "yyyy", "%y": "yy", "%m": "mm", "%d": "dd", "%B": "month", "%b": "mon", "%H": "hh", "%I": "hh",
        "%M": "mm", "%S": "ss", "%.f": ".fff", "%p": "am/pm", "%z": "+hh:mm",
    }  # fmt: skip
    for letter, words in letters.items():
        form = form.replace(letter, words)
    return form


@dataclass(frozen=True, slots=True)
class _Shape:
    format: str
    kind: StampKind
    midnight: bool


def _shape(value: str, orders: Sequence[Order]) -> _Shape | None:
    """The format of one written time; None when it is no time."""
    if found := _RUN_TOGETHER.fullmatch(value):
        tail = "%H%M%S" if len(value) == 14 else "%H%M"
        return _Shape("%Y%m%d" + tail, StampKind.LOCAL, found[0][8:].strip("0") == "")
    for pattern, name in _DATES:
        if (found := pattern.match(value)) is None:
            continue
        day = _date_format(name, found, orders)
        if found.end() == len(value):
            return _Shape(day, StampKind.DATE, midnight=True)
        if rest := _REST.fullmatch(value, found.end()):
            return _with_time(day, rest)
    return None


def _date_format(name: str, found: re.Match[str], orders: Sequence[Order]) -> str:
    if name == "ymd":
        return f"%Y{found['mark']}%m{found['mark']}%d"
    if name == "compact":
        return "%Y%m%d"
    if name == "month first":
        return f"%B %d{found['comma']} %Y"
    year = "%Y" if len(found["year"]) == 4 else "%y"
    if name == "named":
        return f"%d{found['mark']}%B{found['mark2']}{year}"
    if len(orders) != 1:
        why = (
            "day and month cannot be told apart"
            if orders
            else "no order of day, month and year fits all dates"
        )
        raise InvalidValueError(
            f"{found[0]!r}: {why}", hint="say which: --date-format dd-mm-yyyy or --date-format mm-dd-yyyy"
        )
    letters = {"y": year, "m": "%m", "d": "%d"}
    return found["mark"].join(letters[letter] for letter in orders[0])


def _with_time(day: str, rest: re.Match[str]) -> _Shape:
    if rest["compact"]:
        clock = "%H%M%S" if len(rest["compact"]) == 6 else "%H%M"
        digits = rest["compact"]
    else:
        clock = "%I:%M" if rest["half"] else "%H:%M"
        clock += (":%S" if rest["seconds"] else "") + ("%.f" if rest["fraction"] else "")
        if rest["half"]:
            clock += " %p"
        digits = rest["clock"] + (rest["seconds"] or "") + (rest["fraction"] or "")
    zoned = rest["zone"] is not None
    form = f"{day}{'T' if 'T' in rest['gap'] else ' '}{clock}{'%z' if zoned else ''}"
    midnight = not zoned and not rest["half"] and not re.search(r"[1-9]", digits)
    return _Shape(form, StampKind.OFFSET if zoned else StampKind.LOCAL, midnight)


def _epoch_unit(value: float) -> str:
    return next((name for below, _, name in _EPOCH_UNITS if abs(value) < below), "nanoseconds")


def _epochs(stamps: pl.Series) -> pl.Series:
    number = stamps if stamps.dtype.is_integer() else _whole(stamps)
    number = number.cast(pl.Int64, strict=False)
    size = number.abs()
    return pl.select(
        pl.when(size < _EPOCH_UNITS[0][0]).then(number * _EPOCH_UNITS[0][1])
        .when(size < _EPOCH_UNITS[1][0]).then(number * _EPOCH_UNITS[1][1])
        .when(size < _EPOCH_UNITS[2][0]).then(number * _EPOCH_UNITS[2][1])
        .otherwise(number)
    ).to_series()  # fmt: skip


def _whole(stamps: pl.Series) -> pl.Series:
    """Text or floats without their fraction; a fraction that is not zero is no whole number of units."""
    if stamps.dtype == pl.String:
        return stamps.str.strip_chars().str.replace(r"\.0*$", "")
    return stamps.zip_with(stamps.round() == stamps, pl.Series([None], dtype=stamps.dtype))


def _written(stamps: pl.Series, form: StampFormat) -> pl.Series:
    text = stamps.str.strip_chars()
    if form.kind is StampKind.OFFSET:
        text = (
            text.str.replace(r" ?(Z|UTC|GMT)$", "+00:00")
            .str.replace(r" ?IST$", "+05:30")
            .str.replace(r" ?([+-]\d{2})$", "${1}:00")
            .str.replace(r" ([+-]\d{2}:?\d{2})$", "$1")
        )
    if any("%p" in each for each in form.formats):
        text = text.str.replace(r" ?([AaPp][Mm])", " $1")
    if any(" " in each for each in form.formats):
        text = text.str.replace_all(r"\s+", " ")
    # Microseconds hold any year that four digits can write; nanoseconds would wrap around for year 24.
    dtype = pl.Datetime("us", "UTC" if form.kind is StampKind.OFFSET else None)
    result = pl.Series(stamps.name, [None], dtype=dtype).new_from_index(0, len(stamps))
    for each in form.formats:
        if re.search(r"%[HIMSTR]", each):
            found = text.str.strptime(pl.Datetime("us"), each, strict=False).cast(dtype)
        else:
            found = text.str.strptime(pl.Date, each, strict=False).cast(dtype)
        # A four-digit year reads `24` as the year 24: the next format may know better.
        found = found.zip_with(
            found.dt.year().is_between(_EARLIEST_YEAR, _LATEST_YEAR).fill_null(value=False), result
        )
        result = result.zip_with(result.is_not_null(), found)
    return result.cast(pl.Datetime("ns", dtype.time_zone))
