"""`tm data delete`: take a stored symbol away."""

import sys
from typing import Annotated

import typer

from trademantra.cli.data import DataDirectory, data_app
from trademantra.cli.data import register as register_data
from trademantra.core.bar import Timeframe
from trademantra.core.errors import AmbiguousInstrumentError, InvalidValueError

_EPILOG = "Examples: [bold]tm data delete NSE:RELIANCE[/bold] · [bold]tm data delete RELIANCE --timeframe 5m --yes[/bold]"
_LEFT_ALONE = 1


def register(app: typer.Typer) -> None:
    """Add `tm data delete` to `app`; calling it again adds nothing twice."""
    register_data(app)
    if all(command.callback is not delete for command in data_app.registered_commands):
        data_app.command("delete", epilog=_EPILOG)(delete)


def delete(
    symbol: Annotated[str, typer.Argument(help="RELIANCE, NSE:RELIANCE or NSE:RELIANCE:5m.")],
    timeframe: Annotated[
        str | None, typer.Option(help="Only bars of this length; default: all of the symbol.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDirectory = None,
) -> None:
    """Delete the bars of one symbol, also damaged ones.  What is deleted is listed first; there is no way back.

    Splits and bonuses on file stay.  The exit code is 1 when you answer no.
    """
    from trademantra.data.find import find_all, names_of
    from trademantra.data.home import chosen_home
    from trademantra.data.store import BarStore

    store = BarStore(chosen_home(data_dir) / "bars")
    wanted = Timeframe.parse(timeframe) if timeframe else None
    asked = symbol.strip().upper()
    found = [
        series for series in store.names() if asked in names_of(series) and wanted in (None, series.timeframe)
    ]
    if not found:
        find_all(store.series([]), symbol, wanted)  # says what is stored under like names
    if len({(series.exchange, series.symbol) for series in found}) > 1:
        raise AmbiguousInstrumentError(
            f"{symbol!r} is stored more than once: {', '.join(map(str, found))}",
            hint=f"name one of them, such as {found[0].exchange}:{found[0].symbol}",
        )
    rows = {entry.series: entry.rows for entry in store.series([])}
    for series in found:
        count = f"{rows[series]:,} bars" if series in rows else "damaged"
        typer.echo(f"{series}: {count}")
    if not yes:
        if not is_person():
            raise InvalidValueError("nothing was deleted: there is nobody to ask", hint="add --yes to delete")
        if not typer.confirm("Delete?"):
            typer.echo("nothing was deleted")
            raise typer.Exit(_LEFT_ALONE)
    for series in found:
        store.delete(series)
    typer.echo(f"deleted from {store.root}")


def is_person() -> bool:
    """Whether somebody sits at the terminal who can be asked."""
    return sys.stdin.isatty()
