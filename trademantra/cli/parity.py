"""`tm parity`: a recorded session replayed as a back-test, trade by trade."""

from pathlib import Path
from typing import Annotated

import typer

from trademantra.core.errors import NotFoundError

_MOST = 20
_EPILOG = "Example: [bold]tm parity 20261120-supertrend-7f3a[/bold] · [bold]tm parity ./sessions/my-session --json[/bold]"


def register(app: typer.Typer) -> None:
    """Add `parity` to the commands."""
    app.command(rich_help_panel="Trade", epilog=_EPILOG)(parity)


def parity(
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="Name or folder of a session of tm paper.")
    ],
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Folder of your data; default: TRADEMANTRA_HOME or ~/.trademantra."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Replay a recorded paper session as a back-test and compare the two, trade by trade.

    The last line says `identical`, or how many trades differ; then the exit code is 1.
    """
    from trademantra.cli.backtest import announce_compilation
    from trademantra.trading.session import parity as compare

    announce_compilation()
    found = compare.parity(session_folder(session, data_dir))
    count = len(found.differences)
    verdict = (
        "identical" if found.is_identical else "1 trade differs" if count == 1 else f"{count} trades differ"
    )
    if as_json:
        import json

        differences = [each.text for each in found.differences]
        typer.echo(
            json.dumps(
                {
                    "session": found.session_id, "runs": found.runs, "trades": found.trades,
                    "identical": found.is_identical, "differences": differences,
                    "not_comparable": [each.text for each in found.away], "away": list(found.gaps),
                    "bars": found.bars, "late_bars": found.late_bars,
                }
            )
        )  # fmt: skip
    else:
        typer.echo(
            f"{found.session_id}: {found.trades} trades of {found.runs} runs against a back-test of the same prices"
        )
        for gap in found.gaps:
            typer.echo(f"  {gap}")
        for each in found.away[:_MOST]:
            typer.echo(f"  not comparable: {each.text}")
        if found.late_bars:
            typer.echo(
                f"  {found.late_bars} of {found.bars} bars are not what their ticks make by arrival: some came late, or were no "
                "trades"
            )
        for each in found.differences[:_MOST]:
            typer.echo(f"  {each.text}")
        if count > _MOST:
            typer.echo(f"  … and {count - _MOST} more")
        typer.echo(verdict)
    if count:
        raise typer.Exit(1)


def session_folder(session: str, data_dir: Path | None) -> Path:
    """The folder of a session: a path, or a name below the data folder.  Errors: `NotFoundError` naming the last ones."""
    from trademantra.data.home import chosen_home
    from trademantra.trading.session.facts import FILE

    as_path = Path(session).expanduser()
    if (as_path / FILE).is_file():
        return as_path
    root = chosen_home(data_dir) / "sessions"
    if (root / session / FILE).is_file() and Path(session).name == session:
        return root / session
    there = (
        sorted((file.parent.name for file in root.glob(f"*/{FILE}")), reverse=True)[:5]
        if root.is_dir()
        else []
    )
    raise NotFoundError(
        f"there is no session {session!r} in {root}",
        hint=f"the last ones: {', '.join(there)}" if there else "tm paper STRATEGY --replay PATH makes one",
    )
