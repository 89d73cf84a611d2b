"""Delimited text: what becomes a row, and on which line it stands."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import BadInputError
from trademantra.data.imports import text as text_module
from trademantra.data.imports.model import LINE
from trademantra.data.imports.sources import Kind, Source
from trademantra.data.imports.text import TextTable

Write = Callable[[str, str | bytes], Path]

CELL = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\x00", exclude_categories=("Cs",)), max_size=8
)


def table(path: Path) -> TextTable:
    return TextTable.open(Source(path.name, path, path.stem, Kind.TEXT))


@given(
    rows=st.lists(
        st.tuples(CELL, CELL, CELL, st.sampled_from(["", "", "", "\n", ",,\n", "a,b\n", 'x,"y,z\n'])),
        max_size=12,
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    crlf=st.booleans(),
    final_newline=st.booleans(),
    block=st.sampled_from([40, 97, 1 << 20]),
)
@settings(max_examples=120, deadline=None)
def test_every_line_is_a_row_a_reject_or_blank(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str, str]],
    delimiter: str,
    *,
    crlf: bool,
    final_newline: bool,
    block: int,
) -> None:
    """Whatever the cells hold, and wherever blocks are cut: the cells of each line come back, with its number."""
    end = "\r\n" if crlf else "\n"
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["when", "open price", "note"])
    writer.writerow(["first", "row", "here"])
    expected = {2: ("first", "row", "here")}
    bad: set[int] = set()
    line = 2
    for *cells, after in rows:
        line += 1
        writer.writerow(cells)
        if any(cell.strip() for cell in cells):
            expected[line] = tuple(cells)
        if after:
            line += 1
            out.write(after.replace(",", delimiter))
            if after not in ("\n", ",,\n"):
                bad.add(line)
    body = out.getvalue().replace("\n", end)
    path = tmp_path_factory.mktemp("text") / "file.csv"
    path.write_bytes((body if final_newline else body.removesuffix(end)).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "_BLOCK_BYTES", block)
        opened = table(path)
        found: dict[int, tuple[str, ...]] = {}
        rejected: set[int] = set()
        for each in opened.blocks(opened.columns):
            for row in each.frame.select(LINE, *opened.columns).iter_rows():
                found[row[0]] = row[1:]
            rejected |= {reject.line for reject in each.rejects}
    if opened.delimiter != delimiter:
        return  # cells full of another delimiter may look more like columns
    assert rejected == bad
    assert {at: tuple(cell.strip() for cell in row) for at, row in expected.items()} == {
        at: tuple(cell.strip() for cell in row)
        for at, row in found.items()
        if any(cell.strip() for cell in row)
    }


def test_raw_rows_are_as_written(write: Write) -> None:
    opened = table(write("a.csv", 'a,b,c\r\n1,2,3\r\n\r\n"x, y",5,6\r\n'))
    (block,) = opened.blocks(["b"])
    assert block.frame.to_dict(as_series=False) == {"b": ["2", "5"], LINE: [2, 4]}
    assert block.raw([4, 2]) == ['"x, y",5,6', "1,2,3"]


def test_excel_tells_its_delimiter(write: Write) -> None:
    opened = table(write("a.csv", "﻿sep=;\na;b,b;c\n1;2;3\n"))
    assert (opened.delimiter, opened.columns) == (";", ("a", "b,b", "c"))


def test_headers_are_made_unique_and_the_trailing_delimiter_goes(write: Write) -> None:
    assert table(write("a.csv", "a, ,Close,Close,\n1,2,3,4,\n")).columns == ("a", "2", "Close", "Close (2)")


def test_numbers_in_the_first_line_mean_no_header(write: Write) -> None:
    opened = table(write("a.csv", "NIFTY,20240105,09:15,1.5,2,1,2\n"))
    assert (opened.has_header, opened.columns) == (False, tuple("1234567"))


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        ("ts:open:high:low\n1:2:3:4\n", "no columns found in 'ts:open:high:low'", "comma, tab, semicolon"),
        ("ts,open,high,low,close\n", "a header but no row", "export it again"),
        ("ts,open,high,low,close\n\n\n  \n", "a header but no row", "export it again"),
        ("just words\n", "no columns found", "comma"),
    ],
)
def test_a_file_without_a_table_says_so(write: Write, content: str, message: str, hint: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        table(write("a.csv", content))
    assert hint in caught.value.hint


def test_text_that_is_not_utf8_is_a_bad_row(write: Write) -> None:
    opened = table(write("a.csv", b"a,b,c\n1,2,3\n4,caf\xe9,6\n7,8,9\n"))
    (block,) = opened.blocks(opened.columns)
    assert block.frame["a"].to_list() == ["1", "7"]
    assert [(reject.line, reject.reason) for reject in block.rejects] == [(3, "not UTF-8 text")]


def test_a_line_without_end_is_no_table(write: Write) -> None:
    opened = table(write("a.csv", "a,b,c\n1,2,3\n" + "x" * 3_000_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "_BLOCK_BYTES", 1 << 20)
        with pytest.raises(BadInputError, match=r"line 3.*longer than"):
            list(opened.blocks(opened.columns))
