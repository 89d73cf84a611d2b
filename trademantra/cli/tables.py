"""Tables that lose nothing on a narrow terminal: columns wrap down to what they need, then each row is told line by line."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_BETWEEN = 3  # spaces that a column of the table costs beside its own width
_AROUND = 1
_LEAST = 10

Cell = str | Text
"""A text without markup, or one with its colours."""


@dataclass(frozen=True, slots=True)
class Column:
    """`wraps`: it may be told in several lines, each at least `least` wide (0: as its longest word, so that no word is cut);
    else it stays whole, as numbers do."""

    name: str
    wraps: bool = False
    is_number: bool = False
    least: int = _LEAST


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, title: str = "") -> None:
    """As wide as the terminal lets it.  Empty cells of a row that is told line by line are left out."""
    console = Console(emoji=False, highlight=False)
    texts = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    widths = _widths(columns, texts, console.width)
    if title:
        console.print(Text(title, style="bold"))
    if widths is not None:
        console.print(_side_by_side(columns, texts, widths))
        return
    for row in texts:
        console.print(_line_by_line(columns, row, console.width))
        console.print()


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> Sequence[int] | None:
    """Of each column; None where they cannot stand side by side."""
    natural = [
        max([len(column.name), *(_longest(row[at]) for row in rows)]) for at, column in enumerate(columns)
    ]
    least = [
        min(
            natural[at],
            max(len(column.name), column.least or max((_longest_word(row[at]) for row in rows), default=0)),
        )
        if column.wraps
        else natural[at]
        for at, column in enumerate(columns)
    ]
    room = width - _BETWEEN * len(columns) - _AROUND
    if sum(least) > room:
        return None
    while sum(natural) > room:
        widest = max((at for at in range(len(columns)) if natural[at] > least[at]), key=natural.__getitem__)
        natural[widest] -= 1
    return natural


def _longest(cell: Text) -> int:
    return max((line.cell_len for line in cell.split()), default=0)


def _longest_word(cell: Text) -> int:
    return max(map(len, cell.plain.split()), default=0)


def _side_by_side(columns: Sequence[Column], rows: Sequence[Sequence[Text]], widths: Sequence[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            column.name, justify="right" if column.is_number else "left", width=width, overflow="fold",
        )  # fmt: skip
    for row in rows:
        table.add_row(*row)
    return table


def _line_by_line(columns: Sequence[Column], row: Sequence[Text], width: int) -> Table:
    names = max(len(column.name) for column in columns)
    table = Table.grid(padding=(0, 1))
    table.add_column(width=min(names, width // 3), overflow="fold")
    table.add_column(overflow="fold")
    for column, cell in zip(columns, row, strict=True):
        if cell.plain:
            table.add_row(Text(column.name, style="dim"), cell)
    return table
