"""`tm account sectors`: the sectors that limits of all accounts go by."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from trademantra.cli.places import AsJson, DataDirectory
from trademantra.core.errors import NotFoundError

_HELP = (
    "Examples: [bold]tm account sectors --from ind_nifty50list.csv[/bold] · [bold]tm account sectors[/bold] · "
    "[bold]tm account sectors --json[/bold]"
)


def register(account_app: typer.Typer) -> None:
    """Add the command to `tm account`; calling it again adds nothing twice."""
    if all(command.callback is not sectors for command in account_app.registered_commands):
        account_app.command("sectors", epilog=_HELP)(sectors)


def sectors(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Check this CSV (Symbol,Sector) and put it in the data folder."
        ),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
) -> None:
    """Show the sectors that sector limits go by, or put others in their place.  docs/desk.md says what the file is."""
    import json

    from trademantra.data.durable import replace_file
    from trademantra.data.home import chosen_home
    from trademantra.trading.house.sectors import NAME, read_sectors

    file = chosen_home(data_dir) / NAME
    if source is None and not file.exists():
        raise NotFoundError(
            f"there is no {file}: sector limits count all instruments as one sector",
            hint="tm account sectors --from FILE, a CSV with Symbol and Sector",
        )
    found = read_sectors(file if source is None else source.expanduser())
    if source is not None:
        replace_file(file, source.expanduser().read_bytes())
    if as_json:
        typer.echo(json.dumps(dict(found), ensure_ascii=False))
        return
    _show(found)
    if source is not None:
        typer.echo(f"put into {file}; a desk that runs takes them at its next start")


def _show(found: Mapping[str, str]) -> None:
    companies = {key.partition(":")[2]: sector for key, sector in found.items()}
    counts = Counter(companies.values())
    width = max(len(sector) for sector in counts)
    for sector, count in sorted(counts.items()):
        names = sorted(symbol for symbol, its in companies.items() if its == sector)
        more = " …" if count > 4 else ""
        typer.echo(f"{sector:<{width}}  {count:>4}  {' '.join(names[:4])}{more}")
