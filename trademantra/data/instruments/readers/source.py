"""Instrument files as tables of text: CSV, JSON (both also gzipped) and Parquet."""

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from trademantra.core.errors import BadInputError, NotFoundError

SUFFIXES = (".csv", ".csv.gz", ".json", ".json.gz", ".parquet")
_FIRST_LINE = {"csv": 2, "json": 1, "parquet": 1}


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was left out, with its place in the file and why."""

    file: str
    line: int
    column: str
    reason: str

    def error(self) -> BadInputError:
        return BadInputError(
            self.file,
            self.reason,
            line=self.line,
            column=self.column or None,
            hint="mend the file, or import with --skip-bad to leave such rows out and list them",
        )


@dataclass(frozen=True, slots=True)
class TextTable:
    """A file as text.

    `rows`: one String column for each name that was asked for, stripped, null where the file has nothing, and
    `line` (Int64): the line of the file, counting the header; the record's number in JSON and Parquet.
    `rejects`: lines with more fields than the header.
    """

    file: str
    rows: pl.DataFrame
    rejects: tuple[Reject, ...]


def read_text_table(file: Path, required: Sequence[str], optional: Sequence[str] = ()) -> TextTable:
    """The named columns of a file, each as text; an optional one that is missing is all null.

    Errors: `NotFoundError`; `BadInputError` for an unknown suffix, a broken file or a missing column.
    """
    kind = _kind_of(file)
    wanted = [*required, *optional]
    rejects: tuple[Reject, ...] = ()
    try:
        if kind == "csv":
            table, rejects = _read_csv(file, wanted)
        elif kind == "json":
            table = pl.read_json(_content(file), schema=dict.fromkeys(wanted, pl.String))
        else:
            present = pl.read_parquet_schema(file)
            table = pl.read_parquet(file, columns=[name for name in wanted if name in present])
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {file}") from error
    except pl.exceptions.NoDataError as error:
        raise BadInputError(file, "the file is empty") from error
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        raise BadInputError(file, f"not a readable {kind} file: {_first_line(error)}") from error
    missing = [name for name in required if name not in table.columns]
    if kind == "json":
        missing = [name for name in required if table.height and table[name].null_count() == table.height]
    if missing:
        raise BadInputError(
            file,
            "the column is missing",
            column=missing[0],
            hint=f"is this the right --broker? the columns needed are {', '.join(required)}",
        )
    text = [
        (
            pl.col(name).cast(pl.String).str.strip_chars().replace("", None)
            if name in table.columns
            else pl.lit(None, pl.String)
        ).alias(name)
        for name in wanted
    ]
    rows = table.with_row_index("line", _FIRST_LINE[kind]).select(pl.col("line").cast(pl.Int64), *text)
    rows = rows.filter(pl.any_horizontal(pl.col(wanted).is_not_null()))
    if rejects:
        rows = rows.filter(~pl.col("line").is_in([reject.line for reject in rejects]))
    return TextTable(str(file), rows, rejects)


def has_column(file: Path, column: str) -> bool:
    """Whether a CSV or Parquet file has this column: tells two layouts of one broker apart."""
    kind = _kind_of(file)
    try:
        if kind == "parquet":
            return column in pl.read_parquet_schema(file)
        if kind == "csv":
            return column in pl.read_csv(file, n_rows=0, infer_schema=False).columns
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {file}") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInputError(file, f"not a readable {kind} file: {_first_line(error)}") from error
    return False


def _kind_of(file: Path) -> str:
    name = file.name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix.split(".")[1]
    raise BadInputError(file, "the file's kind is unknown", hint=f"known endings: {', '.join(SUFFIXES)}")


def is_json(file: Path) -> bool:
    return _kind_of(file) == "json"


def _content(file: Path) -> bytes:
    content = file.read_bytes()
    return gzip.decompress(content) if file.name.lower().endswith(".gz") else content


def _read_csv(file: Path, wanted: Sequence[str]) -> tuple[pl.DataFrame, tuple[Reject, ...]]:
    def read(*, truncate: bool) -> pl.DataFrame:
        table = pl.read_csv(file, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=truncate)
        return table.select(name for name in table.columns if name in wanted)

    try:
        return read(truncate=False), ()
    except pl.exceptions.ComputeError as error:
        long = _long_lines(file)
        if not long:
            raise BadInputError(file, f"not a readable csv file: {_first_line(error)}") from error
        return read(truncate=True), long


def _long_lines(file: Path) -> tuple[Reject, ...]:
    with io.StringIO(_content(file).decode("utf-8", "replace"), newline="") as text:
        lines = csv.reader(text)
        width = len(next(lines))
        return tuple(
            Reject(str(file), lines.line_num, "", f"{len(fields)} fields, the header has {width}")
            for fields in lines
            if len(fields) > width
        )


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
