"""`tm data sample`: data to try everything with, offline."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli.data import DataDirectory, data_app
from trademantra.cli.data import register as register_data
from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.time import parse_date

if TYPE_CHECKING:
    from trademantra.data.sample.install import Installed, SampleRequest

_EPILOG = (
    "Examples: [bold]tm data sample[/bold] · [bold]tm data sample --symbols 20 --days 240 --seed 11[/bold] · "
    "[bold]tm data sample --only real[/bold]"
)


class Only(StrEnum):
    REAL = "real"
    SYNTHETIC = "synthetic"


def register(app: typer.Typer) -> None:
    """Add `tm data sample` to `app`; calling it again adds nothing twice."""
    register_data(app)
    if all(command.callback is not sample for command in data_app.registered_commands):
        data_app.command("sample", epilog=_EPILOG)(sample)


def sample(
    data_dir: DataDirectory = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed invents another market.")] = 7,
    symbols: Annotated[int, typer.Option(min=1, max=400, help="How many invented shares.")] = 10,
    days: Annotated[int, typer.Option(min=1, help="How many NSE trading days of 1-minute bars.")] = 60,
    first: Annotated[
        str, typer.Option("--from", metavar="DATE", help="First day, YYYY-MM-DD.")
    ] = "2026-01-01",
    only: Annotated[Only | None, typer.Option(help="Make one kind only.")] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace another sample market, and other data stored under the same names."
        ),
    ] = False,
) -> None:
    """Make sample data, offline: real daily prices of five US shares, and a SYNTHETIC Indian market.

    The synthetic market (exchange SYNTH) is invented: shares in sectors that move together, an index of them,
    1-minute bars on NSE's calendar, a day of ticks and an option chain.  The same seed always makes the same
    data.  Running it again changes nothing.  One synthetic market is stored at a time: another seed or number of
    shares is refused, or replaces the whole of it with --force.
    """
    from trademantra.data.home import chosen_home
    from trademantra.data.sample.install import SampleRequest, Which

    root = chosen_home(data_dir)
    request = SampleRequest(
        seed=seed,
        shares=symbols,
        days=days,
        first=parse_date(first),
        only=Which(only.value) if only else None,
        force=force,
    )
    _report(_made(root, request), root, data_dir)


def _made(root: Path, request: "SampleRequest") -> list["Installed"]:
    """Install with a progress bar, which shows on a terminal only."""
    from rich.console import Console
    from rich.progress import Progress

    from trademantra.data.sample.install import install_sample, pieces

    console = Console(stderr=True, emoji=False)
    done = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("sample data", total=pieces(request))
        try:
            for piece in install_sample(root, request):
                progress.update(task, advance=1, description=piece.name)
                done.append(piece)
        except MissingFactError as error:
            error.hint = f"take fewer --days or another --from: {error.hint}"
            raise
        except OSError as error:
            raise InvalidValueError(
                f"cannot write below {root}: {error.strerror}", hint="choose another folder with --data-dir"
            ) from error
    return done


def _report(done: list["Installed"], root: Path, stated: Path | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from trademantra.data.sample.install import Outcome

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("data", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("kind")
    table.add_column("")
    for piece in done:
        kind = "[yellow]SYNTHETIC[/yellow]" if piece.synthetic else "real"
        table.add_row(piece.name, f"{piece.rows:,}", kind, piece.outcome.value)
    console = Console(emoji=False)
    console.print(table)
    if any(piece.synthetic for piece in done):
        console.print("SYNTHETIC prices are invented: good for trying things, worthless as evidence.")
    kept = [piece for piece in done if piece.outcome is Outcome.KEPT]
    if kept:
        console.print(
            f"{len(kept)} kept as they were: other data, or a sample of other settings, is stored under these names; "
            "--force replaces it."
        )
    console.print(f"stored in {root}", soft_wrap=True)
    example = next((piece.name for piece in done if piece.synthetic), done[0].name)
    place = "" if stated is None else f" --data-dir {shlex.quote(str(stated))}"
    console.print(f"next: tm data list{place}, or tm data show {example}{place}", soft_wrap=True)
