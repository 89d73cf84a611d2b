"""`tm charges`: what a day's executed orders cost, from JSON."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.core.errors import InvalidValueError, NotFoundError, TradeMantraError

if TYPE_CHECKING:
    from trademantra.markets.charges.json_form import NoteRequest
    from trademantra.markets.charges.note import ChargeDetail, ContractNote

_SATURDAY = 5
_EPILOG = (
    'Example: echo \'{"broker":"zerodha","trade_date":"2026-11-20","orders":[{"exchange":"NSE",'
    '"segment":"equity","product":"MIS","side":"BUY","symbol":"TCS","quantity":400,"price":250}]}\' | tm charges'
)


def register(app: typer.Typer) -> None:
    """Add `charges` to the commands."""
    app.command(rich_help_panel="Data and facts", epilog=_EPILOG)(charges)


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

    text = _read(file)
    _refuse_doubled_names(text)
    requests, many = read_requests(text)
    for place, request in enumerate(requests):
        _refuse_nothing(request, f"[{place}]." if many else "")
        for warning in _closed_markets(request):
            typer.secho(f"warning: {warning}", err=True, fg="yellow")
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


def _refuse_doubled_names(text: str) -> None:
    """A name given twice in one object: JSON readers take the last value without a word.

    Errors: `InvalidValueError`.  What is not JSON at all is for the reader of requests to tell.
    """
    import json

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise InvalidValueError(
                    f"the input gives {name!r} twice in one object", hint="keep the one that is meant"
                )
        return dict(pairs)

    with suppress(ValueError, RecursionError):
        json.loads(text, object_pairs_hook=once)


def _refuse_nothing(request: "NoteRequest", where: str) -> None:
    if not request.orders:
        raise InvalidValueError(
            f"{where}orders is empty", hint="a day without an executed order has no contract note"
        )


def _closed_markets(request: "NoteRequest") -> "list[str]":
    """Markets of the orders that were closed on the day; what is not known of a day is not said."""
    from trademantra.markets.sessions import holiday_name, is_trading_day

    day = request.trade_date
    told = []
    for exchange, segment in dict.fromkeys((order.exchange, order.segment) for order in request.orders):
        try:
            if is_trading_day(day, exchange, segment):
                continue
            holiday = holiday_name(day, exchange, segment)
        except TradeMantraError:
            continue
        why = holiday or (f"a {day:%A}" if day.weekday() >= _SATURDAY else "a holiday")
        told.append(
            f"{exchange} {segment.replace('_', ' ')} was closed on {day} ({why}): is trade_date right?"
        )
    return told


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
    table.add_column("amount", justify="right", footer=_grouped(texts["total"], note.currency))
    table.add_column("how")
    for levy in note.lines:
        parts = [d for d in note.details if d.levy is levy]
        how = "; ".join(_how(part, note.currency) for part in parts).replace("[", r"\[")
        table.add_row(levy.value, _grouped(texts[levy.value], note.currency), how)
    Console(emoji=False).print(table)


def _grouped(text: str, currency: str) -> str:
    """A decimal as it is written, its whole digits grouped as readers of the currency do."""
    from trademantra.reports.html.figures import grouped

    whole, point, fraction = text.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{grouped(whole.removeprefix('-'), currency)}{point}{fraction}"


def _how(part: "ChargeDetail", currency: str) -> str:
    """Where a part of a line comes from, in words; the confidence of a rate that is not sure stands behind it."""
    from trademantra.markets.charges.json_form import plain_amount

    doubt = "" if part.confidence in ("high", "user") else f" [{part.confidence}]"
    what = _grouped(plain_amount(part.amount), currency)
    if part.rate and part.base.is_per_order:
        orders = plain_amount(part.counted_on)
        what = f"{plain_amount(part.rate * 100)}% of each of {orders} orders, within floor and cap: {what}"
    elif part.rate:
        what = f"{plain_amount(part.rate * 100)}% of {_grouped(plain_amount(part.counted_on), currency)}"
    return f"{part.table.replace('_', ' ')}: {what}{doubt}"
