"""`tm desk basket`: several orders of a file, checked together, told one by one."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from trademantra.cli.desk_asking import HandCall
from trademantra.cli.desk_options import DeskCommand, Timeout, add
from trademantra.cli.text_files import text_of
from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.core.plural import counted

_LARGEST = 1_000_000  # bytes
_EPILOG = "Examples: [bold]tm desk basket orders.csv[/bold] · [bold]tm desk basket orders.json --skip-refused --json[/bold]"


def register(desk_app: typer.Typer) -> None:
    """Add `basket` to `tm desk`; calling it again adds nothing twice."""
    add(desk_app, DeskCommand("basket", basket, _EPILOG))


@dataclass(frozen=True, slots=True, kw_only=True)
class BasketCall(HandCall):
    """Many orders take longer."""

    timeout: Timeout = 45.0


def basket(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV with a head line, or a JSON list: symbol, side, quantity, product, price …",
        ),
    ],
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Send the rows that pass, though others are refused.")
    ] = False,
    *,
    call: BasketCall,
) -> None:
    """Have the running desk place the orders of a file, up to 100: all of them, or none.

    Each row is checked first (symbol, lots, price, limits, each by itself); when one would be refused nothing is sent, and
    every reason is told.  What the broker, or a limit on all of them together, refuses after that is told by row.  Rows
    that only close are sent first.  Columns: symbol, side, quantity, and as in tm desk place product, type, price,
    trigger, validity.
    """
    from trademantra.trading.control.requests import RequestKind
    from trademantra.trading.manual.wishes import basket_wish

    rows = rows_of(file)
    try:
        wishes = basket_wish(rows)
    except InvalidValueError as error:
        raise BadInputError(file, str(error)) from error
    what = "\n  ".join([counted(len(rows), "order"), *(str(wish) for wish in wishes)])
    call.do(RequestKind.BASKET, {"rows": rows, "skip_refused": skip_refused}, what)


def rows_of(file: Path) -> Sequence[dict[str, object]]:
    """The rows of a CSV or JSON file, by name; empty fields are left out.  Errors: `BadInputError`."""
    if file.is_file() and file.stat().st_size > _LARGEST:
        raise BadInputError(file, "is too large for a basket")
    text = text_of(file)
    if file.suffix.lower() == ".json":
        return _json_rows(file, text)
    lines = [line for line in text.splitlines() if line.strip()]
    reader = csv.DictReader(lines, skipinitialspace=True, strict=True)
    try:
        names = [str(name).strip().lower() for name in reader.fieldnames or ()]
        double = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
        if double:
            raise BadInputError(file, f"has the column {double[0]!r} more than once")
        found = list(reader)
    except csv.Error as error:
        raise BadInputError(file, f"is no CSV: {error}") from error
    if any(None in row for row in found):
        raise BadInputError(file, "a row has more fields than the head line has names")
    return [_given(row) for row in found]


def _json_rows(file: Path, text: str) -> Sequence[dict[str, object]]:
    try:
        plain = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except ValueError as error:
        raise BadInputError(file, f"is no JSON: {error}") from error
    if not isinstance(plain, list) or not all(isinstance(row, dict) for row in plain):
        raise BadInputError(
            file, "must be a list of objects", hint='[{"symbol": "INFY", "side": "buy", "quantity": 10}]'
        )
    return [_given(row) for row in plain]


def _given(row: dict[str, object]) -> dict[str, object]:
    return {str(name).strip().lower(): value for name, value in row.items() if value not in (None, "")}
