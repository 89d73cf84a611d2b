"""`tm desk algos`, `algo-stop`: what algorithms run in an account, how far they are, and their end."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, cast

import typer

from trademantra.cli.delete import is_person
from trademantra.cli.desk_asking import HandCall, ask_desk, served_accounts
from trademantra.cli.desk_options import DeskCommand, SomeAccounts, Timeout, add
from trademantra.cli.places import AsJson, DatabaseOption, DataDirectory
from trademantra.core.errors import InvalidValueError

if TYPE_CHECKING:
    from pathlib import Path

_ALGOS = "Examples: [bold]tm desk algos[/bold] · [bold]tm desk algos --account asha[/bold]"
_STOP = "Examples: [bold]tm desk algo-stop manual.3f2a91c0d4e5b677[/bold] · [bold]tm desk algo-stop ID --leave[/bold]"
_LEFT_ALONE = 1


def register(desk_app: typer.Typer) -> None:
    """Add these commands to `tm desk`; calling it again adds nothing twice."""
    add(desk_app, DeskCommand("algos", algos, _ALGOS), DeskCommand("algo-stop", algo_stop, _STOP))


def algos(
    account: SomeAccounts = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """What algorithms run, those of strategies too: brackets, TWAPs, icebergs …, and how far each is."""
    import json

    from trademantra.data.home import chosen_home

    running = _running(chosen_home(data_dir), database, account, timeout)
    if as_json:
        typer.echo(json.dumps(running))
    elif running:
        _show(running)
    else:
        typer.echo("no algorithm runs")


def algo_stop(
    name: Annotated[str, typer.Argument(metavar="ID", help="As tm desk algos shows it.")],
    leave: Annotated[bool, typer.Option("--leave", help="Also close at market what it holds.")] = False,
    *,
    call: HandCall,
) -> None:
    """Have an algorithm take back what it has not done yet.  What a bracket holds stays protected.

    Of one that only protects (tm desk protect) the stop goes with it and the position stays without: it asks first.
    """
    from dataclasses import replace

    from trademantra.trading.control.requests import RequestKind

    accounts = None if call.account is None else [call.account]
    found = [
        each
        for each in _running(call.call().home, call.database, accounts, call.timeout)
        if each["id"] == name
    ]
    if len(found) == 1:
        call = replace(call, account=str(found[0]["account"]))
    what = f"{'close and end' if leave else 'end'} {name}"
    arguments: dict[str, object] = {"id": name, "leave": leave}
    if not leave and len(found) == 1 and found[0].get("protects"):
        arguments["unprotect"] = call.yes or _may_unprotect(found[0])
    call.do(RequestKind.ALGO_STOP, arguments, what)


def _may_unprotect(algo: "Mapping[str, object]") -> bool:
    """Asks; ends when the answer is no.  Errors: `InvalidValueError` when there is nobody to ask."""
    words = (
        f"the stop of {algo['quantity']} {algo['instrument']} goes with it: the position stays UNPROTECTED"
    )
    if not is_person():
        raise InvalidValueError(
            f"nothing was done: {words}", hint="add --yes, or --leave to close the position too"
        )
    typer.secho(words, fg="red", err=True)
    if not typer.confirm("Do it?", err=True):
        typer.echo("nothing was done", err=True)
        raise typer.Exit(_LEFT_ALONE)
    return True


def _running(
    home: "Path", database: str | None, accounts: "Sequence[str] | None", timeout: float
) -> "Sequence[Mapping[str, object]]":
    """The algorithms of these accounts, or of all that desks run for, each with its account."""
    from trademantra.trading.control.requests import RequestKind

    found: list[Mapping[str, object]] = []
    for each in served_accounts(home, database, accounts or None):
        answer = ask_desk(home, database, RequestKind.ALGOS, each.account_id, timeout, {})
        told = cast("Sequence[Mapping[str, object]]", answer.facts["algos"])
        found += [{"account": each.account_id, **facts} for facts in told]
    return found


def _show(running: "Sequence[Mapping[str, object]]") -> None:
    from trademantra.cli.tables import Cell, Column, print_table
    from trademantra.core.plural import counted

    several = len({each["account"] for each in running}) > 1
    columns = [
        *([Column("account", wraps=True)] if several else []),
        Column("algorithm", wraps=True), Column("strategy", wraps=True), Column("order", wraps=True, least=12),
        Column("filled", wraps=True, is_number=True, least=0), Column("closed", is_number=True),
        Column("working", wraps=True, is_number=True, least=0), Column("ends in", wraps=True, least=0),
    ]  # fmt: skip
    rows: list[Sequence[Cell]] = []
    for each in running:
        average = each["average_price"]
        ends = each.get("ends_in_seconds")
        working = cast("Sequence[object]", each["working"])
        order = f"{each.get('side', '')} {each['quantity']} {each['instrument']} {each['product']}".strip()
        rows.append(
            (
                *([str(each["account"])] if several else []),
                f"{each['kind']} {each['id']}",
                str(each["strategy"]),
                order,
                f"{each['filled']}{f' at {average}' if average else ''}",
                str(each["closed"]),
                counted(len(working), "order"),
                "" if ends is None else f"{ends} s",
            )
        )
    print_table(columns, rows)
