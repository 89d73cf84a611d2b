"""Recorded ticks: the files of a day, and how they are read again.

A day that is over is one Parquet file, `2026-11-20.parquet`.  A day that is being recorded is the folder `2026-11-20`:
`ticks.log` (blocks of about half a second, each a small Parquet file behind its length, number and checksum) and
`part-N.parquet` (what was in the log before, up to block N).  A reader finds the same ticks in either, also after the
writer was killed: a block that was cut off is left out and said so.
"""

import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trademantra.core.errors import BadInputError, NotFoundError
from trademantra.core.instrument import Instrument
from trademantra.engine.bars import Int64Array
from trademantra.trading.feeds.ticks import LEVELS, DepthColumns, InstrumentTable, TickBatch
from trademantra.trading.terms import instrument_of_words, instrument_words

LOG = "ticks.log"
PART = "part-{:08d}.parquet"
_PARTS = "part-*.parquet"
_BLOCK = struct.Struct("<4sIIQ")  # magic, length, checksum, number
_MAGIC = b"TMT1"
_FOOTER = "trademantra.ticks"
_BATCH_ROWS = 65_536
_DEPTH = tuple(field.name for field in fields(DepthColumns))
_COLUMNS = {
    "row": pl.UInt32,
    "at_ns": pl.Int64,
    "trade_ns": pl.Int64,
    "received_ns": pl.Int64,
    "price": pl.Float64,
    "total": pl.Float64,
    "quantity": pl.Float64,
    "open_interest": pl.Float64,
    "origin": pl.UInt8,
}


@dataclass(frozen=True, slots=True)
class Footer:
    """Number of the last block that is inside, and the instruments by row number of the file."""

    number: int
    instruments: dict[int, Instrument]

    def metadata(self) -> dict[str, str]:
        words = {str(row): instrument_words(each) for row, each in self.instruments.items()}
        return {_FOOTER: json.dumps({"number": self.number, "instruments": words})}

    @classmethod
    def read(cls, source: Path | bytes, name: Path) -> "Footer":
        """Errors: `BadInputError` when it is no recording."""
        try:
            found = json.loads(pl.read_parquet_metadata(source)[_FOOTER])
            instruments = {
                int(row): instrument_of_words(words) for row, words in found["instruments"].items()
            }
            return cls(int(found["number"]), instruments)
        except (
            pl.exceptions.PolarsError,
            KeyError,
            ValueError,
            TypeError,
            ArithmeticError,
            AttributeError,
        ) as error:
            raise BadInputError(name, f"not a recording of ticks: {error}", hint="name a day's file or folder") from error  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogBlock:
    number: int
    content: bytes


def frame_of(batch: TickBatch, file_row: Int64Array) -> pl.DataFrame:
    """Ticks as the columns of a file; `file_row` gives the file's number for each of the table's."""
    columns = {name: pl.Series(name, getattr(batch, name), dtype=kind) for name, kind in _COLUMNS.items() if name != "row"}  # fmt: skip
    frame = pl.DataFrame({"row": pl.Series("row", file_row[batch.row], dtype=pl.UInt32), **columns})
    if batch.depth is not None:
        depth = batch.depth
        frame = frame.with_columns(
            pl.Series(name, getattr(depth, name), dtype=pl.Array(_depth_type(name), LEVELS))
            for name in _DEPTH
        )
    return frame


def batch_from(frame: pl.DataFrame, table_row: Int64Array) -> TickBatch:
    """Inverse of `frame_of`: `table_row` gives the table's number for each of the file's."""
    depth = None
    if _DEPTH[0] in frame.columns and frame[_DEPTH[0]].null_count() < frame.height:
        depth = DepthColumns(
            _levels(frame, "bid_price").astype(np.float64),
            _levels(frame, "bid_quantity").astype(np.int64),
            _levels(frame, "bid_orders").astype(np.int64),
            _levels(frame, "ask_price").astype(np.float64),
            _levels(frame, "ask_quantity").astype(np.int64),
            _levels(frame, "ask_orders").astype(np.int64),
        )
    numbers = {name: frame[name].to_numpy() for name in _COLUMNS}
    return TickBatch(
        table_row[numbers["row"]],
        numbers["at_ns"],
        numbers["trade_ns"],
        numbers["received_ns"],
        numbers["price"],
        numbers["total"],
        numbers["quantity"],
        numbers["open_interest"],
        numbers["origin"],
        depth,
    )


def _depth_type(name: str) -> type[pl.DataType]:
    return pl.Float64 if name.endswith("price") else pl.Int64


def _levels(frame: pl.DataFrame, name: str) -> NDArray[np.generic]:
    kind = _depth_type(name)
    empty = pl.lit([0] * LEVELS, dtype=pl.Array(kind, LEVELS))
    return frame.select(pl.col(name).fill_null(empty)).to_series().to_numpy().reshape(frame.height, LEVELS)


def encoded(frame: pl.DataFrame, footer: Footer) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", metadata=footer.metadata(), row_group_size=_BATCH_ROWS)
    return buffer.getvalue()


def block_of(number: int, content: bytes) -> bytes:
    """A block of the log."""
    return _BLOCK.pack(_MAGIC, len(content), zlib.crc32(content), number) + content


def read_log(path: Path) -> tuple[list[LogBlock], int, int]:
    """Whole blocks of a log, the bytes that they take, and how many bytes after them are no block."""
    content = path.read_bytes() if path.exists() else b""
    blocks, at = [], 0
    while at + _BLOCK.size <= len(content):
        magic, length, checksum, number = _BLOCK.unpack_from(content, at)
        body = content[at + _BLOCK.size : at + _BLOCK.size + length]
        if magic != _MAGIC or len(body) < length or zlib.crc32(body) != checksum:
            break
        blocks.append(LogBlock(number, body))
        at += _BLOCK.size + length
    return blocks, at, len(content) - at


def parts_of(folder: Path) -> list[Path]:
    """The parts of a day that is being recorded, oldest first."""
    return sorted(folder.glob(_PARTS))


class Recording:
    """The ticks of one recorded day, in the order in which they came.

    `table` numbers the instruments of its batches.  `lost_bytes`: the end of a log that was cut off, 0 as a rule.
    """

    def __init__(self, path: Path, table: InstrumentTable) -> None:
        self.path, self.table = path, table
        self.lost_bytes = 0
        self._files: list[Path] = []
        self._blocks: list[LogBlock] = []
        self._instruments: dict[int, Instrument] = {}
        self.number_in_files = 0
        """Number of the last block that is in a file; those up to it that are still in the log were left by a crash."""
        finished = path if path.is_file() else path.with_name(f"{path.name}.parquet")
        for file in (*([finished] if finished.is_file() else []), *(parts_of(path) if path.is_dir() else [])):
            footer = Footer.read(file, file)
            if footer.number > self.number_in_files:
                self.number_in_files = footer.number
                self._files.append(file)
                self._instruments |= footer.instruments
        if path.is_dir():
            blocks, _, self.lost_bytes = read_log(path / LOG)
            self._blocks = [block for block in blocks if block.number > self.number_in_files]
            for block in self._blocks:
                self._instruments |= Footer.read(block.content, path / LOG).instruments
        if not self._files and not self._blocks:
            raise NotFoundError(
                f"{path} holds no recorded ticks",
                hint="name a day's file or folder, such as recordings/2026-11-20.parquet",
            )
        for each in self._instruments.values():
            table.add(each)

    @property
    def last_number(self) -> int:
        """Number of the last block."""
        return self._blocks[-1].number if self._blocks else self.number_in_files

    @property
    def instruments(self) -> Mapping[int, Instrument]:
        """By row number of the file."""
        return self._instruments

    @property
    def files(self) -> list[Path]:
        """Files that hold ticks, in order, without the log."""
        return list(self._files)

    def batches(self) -> Iterator[TickBatch]:
        """All ticks.  Errors: `BadInputError` for a file that is damaged."""
        table_row = np.zeros(max(self._instruments, default=-1) + 1, np.int64)
        for row, each in self._instruments.items():
            table_row[row] = self.table.row_of(each)
        for frame in self._frames():
            yield batch_from(frame, table_row)

    def _frames(self) -> Iterator[pl.DataFrame]:
        try:
            for file in self._files:
                ticks = pl.scan_parquet(file)
                rows = ticks.select(pl.len()).collect().item()
                for begin in range(0, rows, _BATCH_ROWS):
                    yield ticks.slice(begin, _BATCH_ROWS).collect()
            for block in self._blocks:
                yield pl.read_parquet(block.content)
        except pl.exceptions.PolarsError as error:
            raise BadInputError(self.path, f"a recording that is damaged: {error}") from error


def read_recording(path: Path, table: InstrumentTable | None = None) -> Recording:
    """A recorded day: the file of a finished one, or the folder of one that is being recorded or was cut off.

    Errors: `NotFoundError`, `BadInputError`.
    """
    return Recording(path, InstrumentTable() if table is None else table)
