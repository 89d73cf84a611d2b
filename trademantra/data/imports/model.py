"""What an import is asked, what it found and what it did."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

import polars as pl

from trademantra.core.bar import Timeframe
from trademantra.data.imports.stamps import StampFormat
from trademantra.data.series import Series

STAMP, SYMBOL, VOLUME = "ts", "symbol", "volume"
PRICES = ("open", "high", "low", "close")
FIELDS = (STAMP, *PRICES, VOLUME, SYMBOL)
LINE = "line"
# What `Layout.prepare` may add: units of one counted lot, by which the volume column is multiplied.
LOT = "lot"

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with a file's name, the bytes of it that are done and its size."""


class Stamp(StrEnum):
    """Which instant of a bar the file's time column names."""

    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the user states.  What is None or empty is taken from the data, or refused where that cannot be.

    `mapping` gives the columns of a field, joined by a space where there are several; `decimal` is the decimal
    mark; `series` are the NSE series taken from a cash bhavcopy; `lot_sizes` are units by underlying, for old
    F&O files that do not prove theirs; `adjusted` says whether prices are adjusted for splits already; `only` are the
    symbols (or underlyings) to take, all when empty.  `exchange_if_unnamed` and `symbol_if_unnamed` serve for a file
    that neither the user nor its own content names, where the caller can do with less than an import into the store.
    """

    exchange: str | None = None
    symbol: str | None = None
    symbol_from_name: bool = False
    timeframe: Timeframe | None = None
    mapping: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    timezone: ZoneInfo | None = None
    stamp: Stamp | None = None
    date_format: str | None = None
    decimal: str = "."
    series: tuple[str, ...] = ("EQ", "BE", "BZ")
    lot_sizes: Mapping[str, int] = field(default_factory=dict)
    adjusted: bool | None = None
    only: tuple[str, ...] = ()
    exchange_if_unnamed: str | None = None
    symbol_if_unnamed: str | None = None
    replace: bool = False
    skip_bad: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be stored: its place, the column at fault, why, and the row as it stands in the file."""

    file: str
    line: int
    column: str
    reason: str
    row: str


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of a table: `frame` has the asked columns and `line`; `rejects` are rows of the wrong shape.

    `raw` gives back rows as they stand in the file, by line; `done` of `size` bytes of the file are read.
    """

    frame: pl.DataFrame
    rejects: tuple[Reject, ...]
    raw: Callable[[list[int]], list[str]]
    done: int
    size: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows in our columns, still as the file writes them.

    `left_out` and `changed` count, by reason, rows that were left out or altered on purpose; `rejects` are line,
    column and reason of rows that cannot be used.
    """

    frame: pl.DataFrame
    left_out: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    rejects: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the columns of one file become bars.

    `columns` are theirs by our field; `exchange` and `symbol` are fixed for the file where they are not None;
    `prepare` derives our columns where a plain renaming does not do.
    """

    format: str
    source: str
    columns: Mapping[str, tuple[str, ...]]
    stamps: StampFormat
    exchange: str
    symbol: str | None = None
    timeframe: Timeframe | None = None
    zone: ZoneInfo | None = None
    adjusted: bool = False
    reads: tuple[str, ...] = ()
    prepare: Callable[[pl.DataFrame], Prepared] | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownField:
    """One row of the table that shows how a file is read."""

    field: str
    column: str
    sample: str
    read_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What one file held: how it was read, rows that became bars, rejected and left out rows, and remarks."""

    file: str
    format: str
    fields: tuple[ShownField, ...]
    exchange: str
    timeframe: Timeframe
    timeframe_from: str
    stamp: Stamp
    zone: str
    adjusted: bool
    rows: int
    rejected: int
    left_out: Mapping[str, int]
    changed: Mapping[str, int]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesReport:
    """What one series got: bars in the files, of which new, the same as stored, and changed by `replace`."""

    series: Series
    bars: int
    first_ns: int
    last_ns: int
    new: int
    same: int
    changed: int


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The whole import: bad rows `rejected`, rows dropped as exact `doubles`.  `written` is False for a dry run."""

    files: tuple[FileReport, ...]
    series: tuple[SeriesReport, ...]
    rejected: int
    doubles: int
    written: bool
