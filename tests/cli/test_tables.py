"""Tables on every width: no header and no digit is ever cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.cli.tables import Column, print_table

COLUMNS = [
    Column("time", wraps=True, least=0), Column("order", wraps=True, least=14),
    Column("average cost", is_number=True), Column("state", wraps=True, least=12),
]  # fmt: skip
ROWS = [
    ("11-20 09:34:31", "BUY 65 NSE:SYNINDEX:2026-11-23:FUT NRML", "20,401.50", "filled"),
    ("11-20 09:34:59", "BUY 100000000 NSE:SYNIT1 [MIS]", "1,23,45,67,890.12", "rejected: there is no money"),
]


def printed(capsys, monkeypatch, width, rows=ROWS):
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(COLUMNS, rows)
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [36, 40, 60, 80, 120, 200])
def test_nothing_is_cut(capsys, monkeypatch, width):
    shown = printed(capsys, monkeypatch, width)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width
    for column in COLUMNS:
        assert column.name in shown
    for row in ROWS:
        assert row[2] in shown  # a number is one word
        assert set("".join(row)) <= set(shown)
    together = re.sub(r"[\s─]", "", printed(capsys, monkeypatch, 36))
    for row in ROWS:
        assert re.sub(r"\s", "", row[1]) in together


def test_a_wide_terminal_has_one_line_a_row_and_a_narrow_one_a_line_a_value(capsys, monkeypatch):
    assert len(printed(capsys, monkeypatch, 200).strip().splitlines()) == 2 + len(ROWS)
    assert "average cost 20,401.50" in re.sub(" +", " ", printed(capsys, monkeypatch, 40))
    alone = printed(capsys, monkeypatch, 30, [("", "BUY 10 INFY", "", "")])
    assert alone.split() == ["order", "BUY", "10", "INFY"]


@given(
    st.integers(30, 160),
    st.lists(st.tuples(*[st.text("ab 19:", max_size=30)] * 4), min_size=1, max_size=4),
)
def test_every_letter_is_shown_at_any_width(width, rows):
    import io
    from contextlib import redirect_stdout
    from unittest.mock import patch

    out = io.StringIO()
    with patch.dict("os.environ", {"COLUMNS": str(width)}), redirect_stdout(out):
        print_table(COLUMNS, rows)
    shown = out.getvalue()
    for letter in "ab19":
        assert shown.count(letter) >= sum(cell.count(letter) for row in rows for cell in row)
    assert max(map(len, shown.splitlines())) <= width
