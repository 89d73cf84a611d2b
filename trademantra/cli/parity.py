"""`tm parity`: a recorded session replayed as a back-test, trade by trade."""

from pathlib import Path
from typing import Annotated

import typer

from trademantra.core.errors import NotFoundError

_MOST = 20
_MOST_SESSIONS = 20
_EPILOG = (
    "Examples: [bold]tm parity[/bold] lists the sessions · [bold]tm parity 20261120-101500-supertrend-7f3a[/bold] · "
    "[bold]tm parity ./sessions/my-session --json[/bold]"
)


def register(app: typer.Typer) -> None:
    """Add `parity` to the commands."""
    app.command(rich_help_panel="Trade", epilog=_EPILOG)(parity)


def parity(
    session: Annotated[
        str | None,
        typer.Argument(
            metavar="[SESSION]", help="Name or folder of a session of tm paper; without it they are listed."
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Folder of your data; default: TRADEMANTRA_HOME or ~/.trademantra."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Replay a recorded paper session as a back-test and compare the two, trade by trade.

    The last line says `identical`, or how many trades differ; then the exit code is 1.
    """
    if session is None:
        _list(data_dir, as_json=as_json)
        return
    from trademantra.cli.backtest import announce_compilation
    from trademantra.trading.session import parity as compare

    announce_compilation()
    found = compare.parity(session_folder(session, data_dir))
    count = len(found.differences)
    if not found.is_identical:
        verdict = "1 trade differs" if count == 1 else f"{count} trades differ"
    elif found.away:
        verdict = f"identical where it can be compared, {_counted(len(found.away), 'trade')} cannot"
    else:
        verdict = "identical"
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
                    "stopped": list(found.stopped),
                }
            )
        )  # fmt: skip
    else:
        trades, runs = _counted(found.trades, "trade"), _counted(found.runs, "run")
        typer.echo(f"{found.session_id}: {trades} of {runs} against a back-test of the same prices")
        for run_id in found.stopped:
            typer.echo(f"  {run_id} was stopped in the session and is not compared")
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
    there = [each.parent.name for each in _session_files(root)[:5]]
    raise NotFoundError(
        f"there is no session {session!r} in {root}",
        hint=f"the last ones: {', '.join(there)}" if there else "tm paper STRATEGY --replay PATH makes one",
    )


def _session_files(root: Path) -> list[Path]:
    """`session.json` of each session in a folder, the newest first: names begin with the time."""
    from trademantra.trading.session.facts import FILE

    return sorted(root.glob(f"*/{FILE}"), reverse=True)


def _list(data_dir: Path | None, *, as_json: bool) -> None:
    """The sessions of a data folder; one that cannot be read says so."""
    import json

    from trademantra.data.home import chosen_home

    root = chosen_home(data_dir) / "sessions"
    rows = [_row(file.parent) for file in _session_files(root)]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    if not rows:
        typer.echo(f"there are no sessions in {root}; make one: tm paper STRATEGY --replay PATH")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("session", no_wrap=True)
    table.add_column("day", no_wrap=True)
    for name in ("instruments", "trades", "net"):
        table.add_column(name, justify="right")
    for row in rows[:_MOST_SESSIONS]:
        net = row["net"]
        table.add_row(
            str(row["session"]),
            str(row["day"]),
            str(row["instruments"]),
            str(row["state"] if row["trades"] is None else row["trades"]),
            "" if not isinstance(net, float) else f"{net:,.2f}",
        )
    console = Console(emoji=False)
    console.print(table)
    if len(rows) > _MOST_SESSIONS:
        console.print(f"the newest {_MOST_SESSIONS} of {len(rows)}; --json has all", style="dim")


def _row(folder: Path) -> dict[str, object]:
    from trademantra.core.errors import BadInputError
    from trademantra.core.time import IST, datetime_of
    from trademantra.trading.session.facts import SessionFacts
    from trademantra.trading.session.trades import FILE, read_trades

    row: dict[str, object] = {
        "session": folder.name,
        "day": "",
        "instruments": "",
        "trades": None,
        "net": None,
    }
    try:
        facts = SessionFacts.read(folder)
        row["day"] = datetime_of(facts.begin_ns, IST).date().isoformat()
        row["instruments"] = len(facts.instruments)
        if not (folder / FILE).exists():
            return row | {"state": "not ended"}
        trades = [trade for made in read_trades(folder).values() for trade in made]
    except BadInputError:
        return row | {"state": "damaged"}
    return row | {"state": "ended", "trades": len(trades), "net": sum((trade.net for trade in trades), 0.0)}


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
