"""Which column is which: the user's own mapping first, then the names that exporters use."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trademantra.core.errors import InvalidValueError
from trademantra.data.imports.model import FIELDS, PRICES, STAMP, SYMBOL, VOLUME
from trademantra.data.imports.tables import Table

NO_COLUMN = "-"

# Best name first, compared without case, blanks and punctuation.  "Adj Close" is no close: raw prices are stored.
_NAMES: Mapping[str, tuple[str, ...]] = {
    STAMP: (
        "timestamp", "datetime", "ts", "dateandtime", "datetimeist", "opentime", "starttime", "bartime", "candletime",
        "tradetime", "tradedate", "timeist", "timeutc", "date", "time", "dt", "index", "tstz",
    ),
    "open": ("open", "o", "openprice", "openingprice", "opnpric", "op"),
    "high": ("high", "h", "highprice", "hghpric", "hi", "max"),
    "low": ("low", "l", "lowprice", "lwpric", "lo", "min"),
    "close": ("close", "c", "closeprice", "closingprice", "clspric", "cl", "price", "ltp"),
    VOLUME: (
        "volume", "vol", "v", "tradedvolume", "totaltradedquantity", "tradedquantity", "ttltradgvol", "quantity",
        "qty", "shares", "tickvolume", "tickvol",
    ),
    SYMBOL: ("symbol", "ticker", "tradingsymbol", "scrip", "scripname", "stock", "instrument", "pair", "tic", "name"),
}  # fmt: skip
_ADJUSTED = ("adjclose", "adjustedclose", "closeadj", "adjcloseprice")
_DATE_NAMES = ("date", "day", "tradedate", "dateist")
_TIME_NAMES = ("time", "timeofday", "tradetime", "timeist", "clock")


def plain_name(name: str) -> str:
    """A column name without case, blanks and punctuation.

    >>> plain_name("<TICKVOL>"), plain_name("Open Price")
    ('tickvol', 'openprice')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def parse_mapping(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The `--map` options, such as `open=O`, `ts=Date+Time` and `volume=-`, by field.

    Errors: `InvalidValueError` for an unknown field or a field named twice.

    >>> parse_mapping(["ts=Date+Time", "open=O"])
    {'ts': ('Date', 'Time'), 'open': ('O',)}
    """
    mapping: dict[str, tuple[str, ...]] = {}
    for text in texts:
        field, equals, columns = text.partition("=")
        field = field.strip().lower()
        if not equals or not columns.strip():
            raise InvalidValueError(f"--map {text!r} is not FIELD=COLUMN", hint="for example --map open=O")
        if field not in FIELDS:
            raise InvalidValueError(
                f"--map {text!r}: there is no field {field!r}", hint=f"fields: {', '.join(FIELDS)}"
            )
        if field in mapping:
            raise InvalidValueError(f"--map names the field {field!r} twice")
        if field in PRICES and columns.strip() == NO_COLUMN:
            raise InvalidValueError(
                f"--map {text!r}: a bar needs {field!r}", hint="only volume and symbol can be absent"
            )
        # A column whose own name has a plus wins over the reading as two columns; `mapped` sees to it.
        mapping[field] = (
            tuple(part.strip() for part in columns.split("+")) if field == STAMP else (columns.strip(),)
        )
    return mapping


@dataclass(frozen=True, slots=True)
class Mapped:
    """Columns by field, and what a reader should know of how they were found."""

    columns: Mapping[str, tuple[str, ...]]
    notices: tuple[str, ...]


def mapped(table: Table, stated: Mapping[str, tuple[str, ...]], *, symbol_wanted: bool) -> Mapped:
    """The column of each field, stated or guessed.  `symbol_wanted` is False where the user names the symbol.

    Errors: `InvalidValueError` naming the fields without a column, and all columns there are.
    """
    found: dict[str, tuple[str, ...]] = {}
    notices: list[str] = []
    for field, columns in stated.items():
        if columns != (NO_COLUMN,):
            found[field] = _stated(table, field, columns)
    taken = {column for columns in found.values() for column in columns}
    if STAMP not in found:
        guessed = _guessed_stamp(table, taken)
        if guessed:
            found[STAMP] = guessed
            taken.update(guessed)
    wanted = [*PRICES, VOLUME, *([SYMBOL] if symbol_wanted else [])]
    for field in wanted:
        if field in found or field in stated:
            continue
        column = _guessed(table, field, taken)
        if column is not None:
            found[field] = (column,)
            taken.add(column)
            if field == VOLUME and plain_name(column).startswith("tick"):
                notices.append(
                    f"{column!r} counts price changes, not units traded: it is stored as volume all the same"
                )
    adjusted = [name for name in table.columns if plain_name(name) in _ADJUSTED and name not in taken]
    if adjusted and "close" in found:
        notices.append(
            f"close is {found['close'][0]!r}; {adjusted[0]!r} is left out, as its open, high and low are not adjusted"
        )
    missing = [field for field in (STAMP, *PRICES) if field not in found]
    if missing:
        what = (
            "the file has no header" if not table.has_header else f"no column found for {', '.join(missing)}"
        )
        if adjusted and missing == ["close"]:
            raise InvalidValueError(
                f"the only close is {adjusted[0]!r}, which is adjusted where open, high and low are not",
                hint="take a file that has the close as it was traded too",
            )
        example = f"{missing[0]}={table.columns[0]}"
        raise InvalidValueError(
            f"{what}; its columns are {', '.join(table.columns)}",
            hint=f"say which is which: --map {example}"
            + (f"; the first row is {_first_row(table)}" if not table.has_header else ""),
        )
    if VOLUME not in found:
        notices.append("no volume column: volume is stored as 0, as for an index")
    return Mapped({field: found[field] for field in FIELDS if field in found}, tuple(notices))


def _stated(table: Table, field: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    whole = "+".join(columns)
    if (exact := _column(table, whole)) is not None:
        return (exact,)
    found = [_column(table, column) for column in columns]
    missing = [asked for asked, column in zip(columns, found, strict=True) if column is None]
    if missing:
        raise InvalidValueError(
            f"--map {field}={whole}: there is no column {missing[0]!r}",
            hint=f"columns: {', '.join(table.columns)}",
        )
    return tuple(column for column in found if column is not None)


def _column(table: Table, asked: str) -> str | None:
    if asked in table.columns:
        return asked
    same = [
        column for column in table.columns if plain_name(column) == plain_name(asked) and plain_name(asked)
    ]
    return same[0] if len(same) == 1 else None


def _guessed(table: Table, field: str, taken: set[str]) -> str | None:
    if not table.has_header:
        return None
    for name in _NAMES[field]:
        same = [column for column in table.columns if plain_name(column) == name and column not in taken]
        # A repeated heading is told apart by a number: "Close (2)" is "close2" and never found here, but two
        # spellings of one name are a choice that only the user can make.
        if len(same) > 1:
            raise InvalidValueError(
                f"columns {same[0]!r} and {same[1]!r} could both be {field!r}",
                hint=f"say which: --map {field}={same[0]}",
            )
        if same:
            return same[0]
    return None


def _guessed_stamp(table: Table, taken: set[str]) -> tuple[str, ...] | None:
    """One column of times, or a date beside a time of day; an unnamed first column is an index of times."""
    if not table.has_header:
        return None
    by_name = {plain_name(column): column for column in table.columns if column not in taken}
    day = next((by_name[name] for name in _DATE_NAMES if name in by_name), None)
    clock = next((by_name[name] for name in _TIME_NAMES if name in by_name), None)
    if day is not None and clock is not None and day != clock and _is_clock(table, clock):
        return day, clock
    guessed = _guessed(table, STAMP, taken)
    if guessed is not None:
        return (guessed,)
    first = table.columns[0]
    if first in ("1", "__index_level_0__") and first not in taken:
        return (first,)
    return None


def _is_clock(table: Table, column: str) -> bool:
    """Whether a column's first values are times of day without a date."""
    values = [str(value) for value in table.sample[column].head(5)]
    return bool(values) and all(re.fullmatch(r"\d{1,2}:\d{2}.*|\d{3,6}", value.strip()) for value in values)


def _first_row(table: Table) -> str:
    row = table.sample.select(table.columns).row(0) if table.sample.height else ()
    return ", ".join(f"{name}={value}" for name, value in zip(table.columns, row, strict=False))
