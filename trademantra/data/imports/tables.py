"""Tables in files, read in blocks: whatever the file is, rows come with their line and can be shown as written."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from trademantra.core.errors import BadInputError
from trademantra.data.imports.model import LINE, Block, Reject
from trademantra.data.imports.sources import Source

SAMPLE_ROWS = 2_000
_HEAD_BYTES = 65_536
_PARQUET_BLOCK_ROWS = 500_000


class Table(Protocol):
    """Rows under named columns.  `columns` are unique; without a header they are `1`, `2`, …"""

    @property
    def source(self) -> Source: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def has_header(self) -> bool: ...
    @property
    def sample(self) -> pl.DataFrame:
        """The first rows, without those of the wrong shape."""
        ...

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """All rows in file order, these columns only.  Errors: `BadInputError` for damage to the file itself."""
        ...


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Column names made unique by a number behind repeated ones, and `1`, `2` … where there is none.

    >>> unique_names(["Date", "", "Close", "Close"])
    ('Date', '2', 'Close', 'Close (2)')
    """
    seen: dict[str, int] = {}
    result: list[str] = []
    for number, raw in enumerate(names, 1):
        name = raw.strip() or str(number)
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(result)


def row_text(values: Sequence[object]) -> str:
    """One row as a CSV line, for rows that are not text in their file."""
    lines: list[str] = []

    class Collector:
        def write(self, text: str) -> None:
            lines.append(text)

    csv.writer(Collector(), lineterminator="").writerow(values)
    return "".join(lines)


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A Parquet file; a row's line is its number from 1."""

    source: Source
    columns: tuple[str, ...]
    rows: int
    sample: pl.DataFrame
    has_header: bool = True

    @classmethod
    def open(cls, source: Source) -> "ParquetTable":
        """Errors: `BadInputError` for a damaged or empty file."""
        path = source.path
        frame = _collected(source, lambda: pl.scan_parquet(path, glob=False).head(SAMPLE_ROWS).collect())
        counted = _collected(source, lambda: pl.scan_parquet(path, glob=False).select(pl.len()).collect())
        if frame.is_empty():
            raise BadInputError(source.name, "the file has columns but no rows")
        return cls(source, tuple(frame.columns), int(counted.item()), frame)

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        size = self.source.path.stat().st_size
        for begin in range(0, self.rows, _PARQUET_BLOCK_ROWS):
            frame = _collected(
                self.source, _slice_reader(self.source.path, list(columns), begin)
            ).with_columns((pl.int_range(pl.len(), dtype=pl.Int64) + begin + 1).alias(LINE))
            end = min(begin + _PARQUET_BLOCK_ROWS, self.rows)
            yield Block(frame, (), self._raw, size * end // self.rows, size)

    def _raw(self, lines: list[int]) -> list[str]:
        wanted = pl.DataFrame({LINE: lines}, schema={LINE: pl.Int64})
        scan = pl.scan_parquet(self.source.path, glob=False).with_row_index(LINE, offset=1)
        rows = scan.with_columns(pl.col(LINE).cast(pl.Int64)).join(wanted.lazy(), on=LINE, how="semi")
        frame = _collected(self.source, lambda: rows.sort(LINE).collect())
        return [row_text([str(value) for value in row[1:]]) for row in frame.iter_rows()]


def _slice_reader(path: Path, columns: list[str], begin: int) -> Callable[[], pl.DataFrame]:
    scan = pl.scan_parquet(path, glob=False).select(columns)
    return lambda: scan.slice(begin, _PARQUET_BLOCK_ROWS).collect()


def _collected(source: Source, read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    try:
        return read()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInputError(
            source.name,
            f"the Parquet file is damaged or cut off: {str(error).splitlines()[0]}",
            hint="copy or export it again",
        ) from error


@dataclass(frozen=True, slots=True)
class JsonTable:
    """Candles of a broker's history reply, or a JSON list of records; a row's line is its number from 1."""

    source: Source
    columns: tuple[str, ...]
    frame: pl.DataFrame
    raw_rows: tuple[str, ...]
    rejects: tuple[tuple[int, str], ...] = ()
    has_header: bool = True

    @property
    def sample(self) -> pl.DataFrame:
        return self.frame.head(SAMPLE_ROWS)

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        size = self.source.path.stat().st_size
        rejects = tuple(
            Reject(self.source.name, line, "", reason, self.raw_rows[line - 1])
            for line, reason in self.rejects
        )
        yield Block(self.frame.select([*columns, LINE]), rejects, self._raw, size, size)

    def _raw(self, lines: list[int]) -> list[str]:
        return [self.raw_rows[line - 1] for line in lines]


def json_records(source: Source) -> object:
    """The value in a JSON file.  Errors: `BadInputError` with the line for what is not JSON."""
    try:
        return json.loads(source.path.read_bytes())
    except json.JSONDecodeError as error:
        hint = "JSON Lines are not read; make it one list" if error.msg == "Extra data" else ""
        raise BadInputError(
            source.name, f"not valid JSON: {error.msg}", line=error.lineno, hint=hint
        ) from error
    except UnicodeDecodeError as error:
        raise BadInputError(source.name, f"not valid JSON: {error.reason}") from error
    except RecursionError as error:
        raise BadInputError(source.name, "not market data: lists within lists without end") from error


def cells(line: str, delimiter: str) -> list[str]:
    """One line of text cut into its fields.  A quote that never closes makes the rest one field."""
    return next(csv.reader((line.replace("\r", " "),), delimiter=delimiter), [])


def first_lines(source: Source, most: int = 50) -> list[str]:
    """The first lines that are not blank, without line ends and byte-order mark.

    Errors: `BadInputError` when the first of them is too long to be the head of a table.
    """
    with source.path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    text = head.decode("utf-8-sig", errors="replace")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if len(head) == _HEAD_BYTES and not any(line.strip() for line in lines[:-1]):
        raise BadInputError(
            source.name, f"the first line is longer than {_HEAD_BYTES} bytes: this is no table", line=1
        )
    whole = lines[:-1] if len(head) == _HEAD_BYTES else lines
    return [line for line in whole if line.strip()][:most]
