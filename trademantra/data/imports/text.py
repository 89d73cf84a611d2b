"""Delimited text: the delimiter and header found, then blocks of rows with exact line numbers, any file size."""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trademantra.core.errors import BadInputError
from trademantra.data.imports.model import LINE, Block, Reject
from trademantra.data.imports.sources import Source
from trademantra.data.imports.tables import SAMPLE_ROWS, cells, first_lines, unique_names

_BLOCK_BYTES = 16 * 1024 * 1024
_LONGEST_LINE_BYTES = 1024 * 1024
_SAMPLE_BYTES = 512 * 1024
_DELIMITERS = (",", "\t", ";", "|")
_LEAST_COLUMNS = 3
_NUMBER_LIKE = re.compile(r"[-+]?[\d,]*\.?\d+([eE][-+]?\d+)?")
_NEWLINE, _RETURN, _QUOTE = 10, 13, 34


@dataclass(frozen=True, slots=True)
class TextTable:
    """A CSV file or one of its kin.  `body_start` is where the rows begin, `body_line` the line of the first."""

    source: Source
    delimiter: str
    columns: tuple[str, ...]
    has_header: bool
    body_start: int
    body_line: int
    sample: pl.DataFrame

    @classmethod
    def open(cls, source: Source) -> "TextTable":
        """Errors: `BadInputError` when no delimiter makes columns, or when there is no row under the header."""
        lines = first_lines(source)
        declared = re.fullmatch(r"sep=(.)", lines[0]) if lines else None
        if declared:
            lines = lines[1:]
        if not lines:
            raise BadInputError(source.name, "the file holds nothing but blanks")
        delimiter = declared[1] if declared else _delimiter(source, lines)
        first = cells(lines[0], delimiter)
        has_header = not any(_NUMBER_LIKE.fullmatch(cell.strip()) for cell in first)
        while len(first) > 1 and not first[-1].strip() and has_header:
            first.pop()
        names = unique_names(first if has_header else [""] * len(first))
        start, line = _body(source, skip=int(declared is not None) + int(has_header))
        empty = cls(source, delimiter, names, has_header, start, line, pl.DataFrame())
        sample = empty._first_rows()
        if sample.is_empty() and empty._is_blank():
            raise BadInputError(
                source.name,
                "there is a header but no row under it",
                line=line,
                hint="export it again, with a range that has data",
            )
        return cls(source, delimiter, names, has_header, start, line, sample)

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        size = self.source.path.stat().st_size
        with self.source.path.open("rb") as file:
            file.seek(self.body_start)
            done, line, carry = self.body_start, self.body_line, b""
            while piece := file.read(_BLOCK_BYTES):
                done += len(piece)
                data = carry + piece
                if done == size and not data.endswith(b"\n"):
                    data += b"\n"
                cut = data.rfind(b"\n") + 1
                carry = data[cut:]
                if len(carry) > _LONGEST_LINE_BYTES:
                    raise BadInputError(
                        self.source.name,
                        f"the line is longer than {_LONGEST_LINE_BYTES} bytes: this is no table",
                        line=line + data.count(b"\n", 0, cut),
                    )
                if cut:
                    block = data[:cut]
                    yield self._block(block, line, columns, done, size)
                    line += block.count(b"\n")

    def _first_rows(self) -> pl.DataFrame:
        with self.source.path.open("rb") as file:
            file.seek(self.body_start)
            head = file.read(_SAMPLE_BYTES)
            if len(head) == _SAMPLE_BYTES:
                head = head[: head.rfind(b"\n") + 1]
        if not head.strip():
            return pl.DataFrame(schema=dict.fromkeys((*self.columns, LINE), pl.String))
        return self._block(head + b"\n", self.body_line, self.columns, 0, 1).frame.head(SAMPLE_ROWS)

    def _is_blank(self) -> bool:
        with self.source.path.open("rb") as file:
            file.seek(self.body_start)
            return not any(piece.strip() for piece in iter(lambda: file.read(_SAMPLE_BYTES), b""))

    def _block(self, data: bytes, first_line: int, columns: Sequence[str], done: int, size: int) -> Block:
        text = np.frombuffer(data.replace(b"\r\n", b"\n"), np.uint8)
        shape = _Shape.of(text, ord(self.delimiter))
        expected = len(self.columns) - 1
        spare = (shape.delimiters == expected + 1) & shape.ends_with_delimiter
        good = shape.filled & ~shape.open_quote & ((shape.delimiters == expected) | spare)
        bad = shape.filled & ~good
        raw = _RawLines(text, shape.starts, shape.ends, first_line)
        rejects = [self._misshapen(shape, raw, int(i), first_line) for i in np.flatnonzero(bad)]
        kept = text if good.all() else text[np.repeat(good, shape.ends - shape.starts + 1)]
        try:
            frame = self._parsed(kept.tobytes(), columns, quoted=bool(shape.quoted))
        except pl.exceptions.PolarsError:
            valid = _valid_utf8(text, shape, good)
            rejects += [
                Reject(self.source.name, first_line + int(i), "", "not UTF-8 text", raw.one(int(i)))
                for i in np.flatnonzero(good & ~valid)
            ]
            good &= valid
            kept = text[np.repeat(good, shape.ends - shape.starts + 1)]
            frame = self._parsed(kept.tobytes(), columns, quoted=bool(shape.quoted))
        lines = pl.Series(LINE, np.flatnonzero(good) + first_line, pl.Int64)
        assert frame.height == len(lines), "a line became more or less than one row"
        return Block(frame.with_columns(lines), tuple(rejects), raw, done, size)

    def _parsed(self, data: bytes, columns: Sequence[str], *, quoted: bool) -> pl.DataFrame:
        places = [self.columns.index(name) for name in columns]
        if not data:
            return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        frame = pl.read_csv(
            data,
            has_header=False,
            separator=self.delimiter,
            quote_char='"' if quoted else None,
            schema=dict.fromkeys(self.columns, pl.String),
            columns=sorted(places),
            truncate_ragged_lines=True,
            extra_columns="ignore",
            empty_string_is_null=False,
        )
        return frame.select(pl.col(name).fill_null("").str.strip_chars() for name in columns)

    def _misshapen(self, shape: "_Shape", raw: "_RawLines", i: int, first_line: int) -> Reject:
        fields = int(shape.delimiters[i]) + 1
        reason = (
            "a quote is not closed on its line"
            if shape.open_quote[i]
            else f"{fields} {'field' if fields == 1 else 'fields'} where {len(self.columns)} belong"
        )
        return Reject(self.source.name, first_line + i, "", reason, raw.one(i))


@dataclass(frozen=True, slots=True)
class _Shape:
    """Of each line of a block: where it starts and ends, its delimiters outside quotes, whether it has content."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    delimiters: NDArray[np.int64]
    ends_with_delimiter: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    open_quote: NDArray[np.bool_]
    quoted: bool

    @classmethod
    def of(cls, text: NDArray[np.uint8], delimiter: int) -> "_Shape":
        ends = np.flatnonzero(text == _NEWLINE)
        starts = np.concatenate([[0], ends[:-1] + 1])
        is_delimiter = text == delimiter
        is_quote = text == _QUOTE
        quoted = bool(is_quote.any())
        open_quote = np.zeros(len(ends), np.bool_)
        if quoted:
            open_quote = _counted(is_quote, ends) % 2 == 1
            is_quote[np.repeat(open_quote, ends - starts + 1)] = False
            is_delimiter &= ~np.logical_xor.accumulate(is_quote)
        delimiters = _counted(is_delimiter, ends)
        last = text[np.maximum(ends - 1, 0)] == delimiter
        blank = (text == 32) | (text == 9) | (text == delimiter) | (text == _NEWLINE) | (text == _RETURN)
        filled = _counted(~blank, ends) > 0
        return cls(starts, ends, delimiters, last & (ends > starts), filled, open_quote, quoted)


@dataclass(frozen=True, slots=True)
class _RawLines:
    """The lines of a block as they stand in the file."""

    text: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    first_line: int

    def one(self, i: int) -> str:
        return self.text[self.starts[i] : self.ends[i]].tobytes().decode("utf-8", errors="replace")

    def __call__(self, lines: list[int]) -> list[str]:
        return [self.one(line - self.first_line) for line in lines]


def _counted(mask: NDArray[np.bool_], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many True lie in each line."""
    return np.diff(np.searchsorted(np.flatnonzero(mask), ends, side="right"), prepend=0)


def _valid_utf8(text: NDArray[np.uint8], shape: _Shape, good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    valid = np.ones(len(good), np.bool_)
    for i in np.flatnonzero(good):
        try:
            text[shape.starts[i] : shape.ends[i]].tobytes().decode()
        except UnicodeDecodeError:
            valid[i] = False
    return valid


def _delimiter(source: Source, lines: list[str]) -> str:
    """The delimiter that cuts the first lines into the most columns, the same number on nearly each of them."""
    best, most = "", 0
    for delimiter in _DELIMITERS:
        counts = [len(cells(line, delimiter)) for line in lines]
        common = max(set(counts), key=lambda count: (counts.count(count), count))
        if common > most and counts.count(common) * 2 >= len(counts):
            best, most = delimiter, common
    if most < _LEAST_COLUMNS:
        raise BadInputError(
            source.name,
            f"no columns found in {lines[0][:60]!r}",
            line=1,
            hint="columns may be separated by a comma, tab, semicolon or |",
        )
    return best


def _body(source: Source, skip: int) -> tuple[int, int]:
    """Where the rows begin, after `skip` lines that are not blank: offset in bytes and line number."""
    with source.path.open("rb") as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        line = 1
        while skip:
            skip -= bool(file.readline().strip())
            line += 1
        return file.tell(), line
