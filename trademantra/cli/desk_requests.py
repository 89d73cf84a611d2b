"""`tm desk reconcile`, `cancel-all`, `close-all`, `pause`, `resume`, `stop`: asked of the desk that runs an account."""

from typing import Annotated

import typer

from trademantra.cli.desk_asking import DeskCall, ask_if_live
from trademantra.cli.desk_options import DeskCommand, StrategyOption, Yes, add


def register(desk_app: typer.Typer) -> None:
    """Add these commands to `tm desk`; calling it again adds nothing twice."""
    add(
        desk_app,
        DeskCommand("reconcile", reconcile, "Example: [bold]tm desk reconcile --account asha[/bold]"),
        DeskCommand("cancel-all", cancel_all, "Example: [bold]tm desk cancel-all --account asha[/bold]"),
        DeskCommand(
            "close-all",
            close_all,
            "Example: [bold]tm desk close-all --account asha --strategy orb --yes[/bold]",
        ),
        DeskCommand("pause", pause, "Example: [bold]tm desk pause --strategy orb[/bold]"),
        DeskCommand(
            "resume",
            resume,
            "Examples: [bold]tm desk resume --strategy orb[/bold] · [bold]tm desk resume --limit drawdown[/bold]",
        ),
        DeskCommand("stop", stop, "Example: [bold]tm desk stop 20261123-supertrend-7f3a[/bold]"),
    )


def reconcile(call: DeskCall) -> None:
    """Have the running desk read the broker's books now and settle every order whose state is not known."""
    from trademantra.trading.control.requests import RequestKind

    call.do(RequestKind.RECONCILE, {})


def cancel_all(call: DeskCall) -> None:
    """Have the running desk cancel every working entry.  Protective orders stay."""
    from trademantra.trading.control.requests import RequestKind

    call.do(RequestKind.CANCEL_ALL, {})


def close_all(
    strategy: StrategyOption = None,
    yes: Yes = False,
    *,
    call: DeskCall,
) -> None:
    """Have the running desk close every position of its strategies at market, and say what is still held.

    Strategies go on; to stop them, kill.
    """
    from trademantra.trading.control.requests import RequestKind

    if not yes:
        ask_if_live(call.served(), f"close all positions{f' of {strategy}' if strategy else ''} at market")
    call.do(RequestKind.CLOSE_ALL, _of(strategy))


def pause(strategy: StrategyOption = None, *, call: DeskCall) -> None:
    """Have the running desk take no entries of a strategy, or of all, until `tm desk resume`.  Exits go on."""
    from trademantra.trading.control.requests import RequestKind

    call.do(RequestKind.PAUSE, _of(strategy))


def resume(
    strategy: StrategyOption = None,
    limit: Annotated[
        str | None,
        typer.Option(
            "--limit", metavar="CODE", help="End what this limit stopped, such as drawdown; docs/risk.md."
        ),
    ] = None,
    *,
    call: DeskCall,
) -> None:
    """Have the running desk take entries again after a pause; with --limit after the stop of a limit.

    A limit that is released stays in force: it counts anew, or stops again where its loss is still there.
    """
    from trademantra.trading.control.requests import RequestKind

    call.do(RequestKind.RESUME, _of(strategy) | ({"limit": limit} if limit else {}))


def stop(
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="As tm desk run and tm desk status name it.")
    ],
    call: DeskCall,
) -> None:
    """Have the running desk end one session: it decides no more, what it holds stays protected, the others go on."""
    from trademantra.trading.control.requests import RequestKind

    call.do(RequestKind.STOP, {"session": session})


def _of(strategy: str | None) -> dict[str, object]:
    return {"strategy": strategy} if strategy else {}
