"""`tm charges`: what a day's executed orders cost, from JSON."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.core.errors import InvalidValueError, NotFoundError

if TYPE_CHECKING:
    from trademantra.markets.charges.note import ChargeDetail, ContractNote

_EPILOG = (
    'Example: echo \'{"broker":"zerodha","trade_date":"2026-11-20","orders":[{"exchange":"NSE",'
    '"segment":"equity","product":"MIS","side":"BUY","symbol":"TCS","quantity":400,"price":250}]}\' | tm charges'
)


def register(app: typer.Typer) -> None:
    """Add `charges` to the commands."""
    app.command(rich_help_panel="Market facts", epilog=_EPILOG)(charges)


def charges(
    file: Annotated[
        Path | None,
        typer.Argument(help="JSON file with one request or a list; standard input when left out or -."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON with decimal strings instead of a table.")
    ] = False,
) -> None:
    """Brokerage, taxes and exchange charges of executed orders, as the contract note states them.

    A request has broker, trade_date, rounding (unrounded, calculator or contract_note) and orders with exchange,
    segment, product, side, symbol, quantity and price; optional fields and settings are in docs/charges.md.
    Warnings go to standard error.  MTF interest is not included.
    """
    from trademantra.markets.charges.json_form import note_object, read_requests

    requests, many = read_requests(_read(file))
    notes = [request.note() for request in requests]
    for note in notes:
        for warning in note.warnings:
            typer.secho(f"warning: {warning}", err=True, fg="yellow")
    if as_json:
        import json

        objects = [note_object(note) for note in notes]
        typer.echo(json.dumps(objects if many else objects[0], indent=2))
        return
    for note in notes:
        _print(note)


def _read(file: Path | None) -> str:
    try:
        if file is None or str(file) == "-":
            if sys.stdin.isatty():
                raise InvalidValueError(
                    "charges: no input",
                    hint="pipe JSON into it or name a file; tm charges --help shows an example",
                )
            return sys.stdin.buffer.read().decode("utf-8-sig")
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidValueError(
            f"the input is not UTF-8 text: {error.reason} at byte {error.start}"
        ) from error
    except OSError as error:
        raise NotFoundError(f"{file}: {error.strerror}", hint="name a JSON file, or pipe it in") from error


def _print(note: "ContractNote") -> None:
    from rich.console import Console
    from rich.table import Table

    from trademantra.markets.charges.json_form import note_object

    texts = note_object(note)
    table = Table(
        title=f"{note.broker}, {note.trade_date}, {note.rounding.replace('_', ' ')} ({note.currency})",
        show_footer=True,
    )
    table.add_column("charge", footer="total")
    table.add_column("amount", justify="right", footer=texts["total"])
    table.add_column("how")
    for levy in note.lines:
        parts = [d for d in note.details if d.levy is levy]
        how = "; ".join(_how(part) for part in parts).replace("[", r"\[")
        table.add_row(levy.value, texts[levy.value], how)
    Console(emoji=False).print(table)


def _how(part: "ChargeDetail") -> str:
    """Where a part of a line comes from, in words; the confidence of a rate that is not sure stands behind it."""
    from trademantra.markets.charges.json_form import plain_amount

    doubt = "" if part.confidence in ("high", "user") else f" [{part.confidence}]"
    what = plain_amount(part.amount)
    if part.rate and part.base.is_per_order:
        orders = plain_amount(part.counted_on)
        what = f"{plain_amount(part.rate * 100)}% of each of {orders} orders, within floor and cap: {what}"
    elif part.rate:
        what = f"{plain_amount(part.rate * 100)}% of {plain_amount(part.counted_on)}"
    return f"{part.table.replace('_', ' ')}: {what}{doubt}"
