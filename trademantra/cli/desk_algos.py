"""`tm desk algos`, `algo-stop`: what algorithms run in an account, how far they are, and their end."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, cast

import typer

from trademantra.cli.desk_place import Yes, by_hand
from trademantra.cli.desk_requests import OneAccount, Timeout, ask_desk
from trademantra.cli.places import AsJson, DatabaseOption, DataDirectory

if TYPE_CHECKING:
    from rich.table import Table


def register(desk_app: typer.Typer) -> None:
    """Add these commands to `tm desk`; calling it again adds nothing twice."""
    known = {command.callback for command in desk_app.registered_commands}
    for name, command, epilog in (
        ("algos", algos, "Example: [bold]tm desk algos --account asha[/bold]"),
        (
            "algo-stop",
            algo_stop,
            "Examples: [bold]tm desk algo-stop manual.3f2a91c0d4e5b677[/bold] · [bold]tm desk algo-stop ID --leave[/bold]",
        ),
    ):
        if command not in known:
            desk_app.command(name, epilog=epilog)(command)


def algos(
    account: OneAccount = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """What algorithms run, those of strategies too: brackets, TWAPs, icebergs …, and how far each is."""
    import json

    from rich.console import Console

    from trademantra.data.home import chosen_home
    from trademantra.trading.control.requests import RequestKind

    answer = ask_desk(chosen_home(data_dir), database, RequestKind.ALGOS, account, timeout, {})
    running = cast("Sequence[Mapping[str, object]]", answer.facts["algos"])
    if as_json:
        typer.echo(json.dumps(running))
    elif running:
        Console(emoji=False).print(_table(running))
    else:
        typer.echo("no algorithm runs")


def algo_stop(
    name: Annotated[str, typer.Argument(metavar="ID", help="As tm desk algos shows it.")],
    leave: Annotated[bool, typer.Option("--leave", help="Also close at market what it holds.")] = False,
    account: OneAccount = None,
    yes: Yes = False,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Have an algorithm take back what it has not done yet.  What a bracket holds stays protected.

    Of one that only protects (tm desk protect) the exits are taken back, and the position stays without.
    """
    from trademantra.trading.control.requests import RequestKind

    what = f"{'close and end' if leave else 'end'} {name}"
    arguments = {"id": name, "leave": leave}
    by_hand(
        RequestKind.ALGO_STOP,
        arguments,
        what,
        account,
        None,
        timeout,
        data_dir,
        database,
        yes=yes,
        as_json=as_json,
    )


def _table(running: "Sequence[Mapping[str, object]]") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("algorithm", "strategy", "order"):
        table.add_column(name, overflow="fold")
    for name in ("filled", "closed", "working"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("ends in")
    for each in running:
        average = each["average_price"]
        ends = each.get("ends_in_seconds")
        working = cast("Sequence[object]", each["working"])
        table.add_row(
            escape(f"{each['kind']} {each['id']}"),
            escape(str(each["strategy"])),
            escape(
                f"{each.get('side', '')} {each['quantity']} {each['instrument']} {each['product']}".strip()
            ),
            f"{each['filled']}{f' at {average}' if average else ''}",
            str(each["closed"]),
            f"{len(working)} orders",
            "" if ends is None else f"{ends} s",
        )
    return table
