"""`tm run`: the main job, in one go on a fresh machine."""

from pathlib import Path
from typing import Annotated

import typer

from trademantra.core.errors import DataConflictError

_STRATEGY = "sma_cross"
_SYMBOL = "NASDAQ:AAPL:1d"
_COSTS = "flat:0.001"


def register(app: typer.Typer) -> None:
    """Add `run` to the commands."""
    app.command(
        rich_help_panel="Start here", epilog="Example: [bold]tm run --out my-first-report.html[/bold]"
    )(run)


def run(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write the report.")] = Path(
        "trademantra-report.html"
    ),
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Folder of your data; default: TRADEMANTRA_HOME or ~/.trademantra."),
    ] = None,
) -> None:
    """Make the sample data, run a back-test on it and write its report: everything at work, in one go."""
    from trademantra.cli.backtest import backtest
    from trademantra.cli.sample import Only, sample

    try:
        sample(data_dir=data_dir)
    except DataConflictError as error:
        typer.echo(f"{error.message}: it stays as it is")
        sample(data_dir=data_dir, only=Only.REAL)
    typer.echo()
    backtest(_STRATEGY, bars=[_SYMBOL], costs=_COSTS, html=out, data_dir=data_dir)
    typer.echo(f"open {out} in a browser, then try: tm strategies, tm backtest --help, tm data import --help")
