"""`tm desk reconcile`, `cancel-all`, `close-all`, `pause`, `resume`: asked of the desk that runs an account."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli.delete import is_person
from trademantra.cli.places import AsJson, DatabaseOption, DataDirectory, opened
from trademantra.core.errors import InvalidValueError

if TYPE_CHECKING:
    from trademantra.trading.control.requests import DeskAnswer, RequestKind

_LEFT_ALONE = 1

OneAccount = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help="The account; not needed when one desk runs.")
]
Timeout = Annotated[float, typer.Option(min=0.5, help="Seconds to wait for the desk's answer.")]
StrategyOption = Annotated[
    str | None, typer.Option("--strategy", metavar="ID", help="Only this one; default: all.")
]


def register(desk_app: typer.Typer) -> None:
    """Add these commands to `tm desk`; calling it again adds nothing twice."""
    known = {command.callback for command in desk_app.registered_commands}
    for name, command, epilog in (
        ("reconcile", reconcile, "Example: [bold]tm desk reconcile --account asha[/bold]"),
        ("cancel-all", cancel_all, "Example: [bold]tm desk cancel-all --account asha[/bold]"),
        (
            "close-all",
            close_all,
            "Example: [bold]tm desk close-all --account asha --strategy orb --yes[/bold]",
        ),
        ("pause", pause, "Example: [bold]tm desk pause --strategy orb[/bold]"),
        ("resume", resume, "Example: [bold]tm desk resume --strategy orb[/bold]"),
        ("stop", stop, "Example: [bold]tm desk stop 20261123-supertrend-7f3a[/bold]"),
    ):
        if command not in known:
            desk_app.command(name, epilog=epilog)(command)


def reconcile(
    account: OneAccount = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Have the running desk read the broker's books now and settle every order whose state is not known."""
    from trademantra.data.home import chosen_home
    from trademantra.trading.control.requests import RequestKind

    answer = ask_desk(chosen_home(data_dir), database, RequestKind.RECONCILE, account, timeout, {})
    say_answer(answer, as_json=as_json)


def cancel_all(
    account: OneAccount = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Have the running desk cancel every working entry.  Protective orders stay."""
    from trademantra.data.home import chosen_home
    from trademantra.trading.control.requests import RequestKind

    answer = ask_desk(chosen_home(data_dir), database, RequestKind.CANCEL_ALL, account, timeout, {})
    say_answer(answer, as_json=as_json)


def close_all(
    account: OneAccount = None,
    strategy: StrategyOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Have the running desk close every position of its strategies at market, and say what is still held.

    Strategies go on; to stop them, kill.
    """
    from trademantra.data.home import chosen_home
    from trademantra.trading.control.requests import RequestKind

    if not yes:
        if not is_person():
            raise InvalidValueError("nothing was closed: there is nobody to ask", hint="add --yes to close")
        whose = (
            f"{f' of strategy {strategy}' if strategy else ''}{f' in account {account}' if account else ''}"
        )
        if not typer.confirm(f"Close all positions{whose} at market?"):
            typer.echo("nothing was closed")
            raise typer.Exit(_LEFT_ALONE)
    arguments = {"strategy": strategy} if strategy else {}
    answer = ask_desk(chosen_home(data_dir), database, RequestKind.CLOSE_ALL, account, timeout, arguments)
    say_answer(answer, as_json=as_json)


def pause(
    account: OneAccount = None,
    strategy: StrategyOption = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Have the running desk take no entries of a strategy, or of all, until `tm desk resume`.  Exits go on."""
    from trademantra.data.home import chosen_home
    from trademantra.trading.control.requests import RequestKind

    arguments = {"strategy": strategy} if strategy else {}
    say_answer(
        ask_desk(chosen_home(data_dir), database, RequestKind.PAUSE, account, timeout, arguments),
        as_json=as_json,
    )


def stop(
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="As tm desk run and tm desk status name it.")
    ],
    account: OneAccount = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Have the running desk end one session: it decides no more, what it holds stays protected, the others go on."""
    from trademantra.data.home import chosen_home
    from trademantra.trading.control.requests import RequestKind

    arguments = {"session": session}
    say_answer(
        ask_desk(chosen_home(data_dir), database, RequestKind.STOP, account, timeout, arguments),
        as_json=as_json,
    )


def resume(
    account: OneAccount = None,
    strategy: StrategyOption = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Have the running desk take entries again."""
    from trademantra.data.home import chosen_home
    from trademantra.trading.control.requests import RequestKind

    arguments = {"strategy": strategy} if strategy else {}
    say_answer(
        ask_desk(chosen_home(data_dir), database, RequestKind.RESUME, account, timeout, arguments),
        as_json=as_json,
    )


@dataclass(frozen=True, slots=True)
class ServedAccount:
    """An account that a desk runs for."""

    account_id: str
    is_live: bool


def served_account(home: Path, database: str | None, account: str | None) -> ServedAccount:
    """The account that is meant.  Errors: `NoAnswerError` when no desk runs for it; `InvalidValueError` for several."""
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.accounts.settings import AccountMode
    from trademantra.trading.accounts.store import AccountStore
    from trademantra.trading.control.requests import NoAnswerError
    from trademantra.trading.control.state import StateStore

    async def work() -> ServedAccount:
        async with opened(home, database) as opened_database:
            now_ns = SystemClock().now_ns()
            states = await StateStore(opened_database).states()
            running = [name for name, state in states.items() if state.is_fresh(now_ns)]
            chosen = account or (running[0] if len(running) == 1 else None)
            if chosen is None and running:
                raise InvalidValueError(
                    f"desks run for {', '.join(running)}", hint="name the account: --account NAME"
                )
            if chosen is None or chosen not in running:
                whom = "no account" if chosen is None else f"account {chosen}"
                seen = states.get(chosen or "")
                last = "" if seen is None else f" ({seen.age_text(now_ns)})"
                raise NoAnswerError(
                    f"no desk runs for {whom}{last}" if chosen else "no desk runs",
                    hint="tm paper and tm live start one; tm desk run --account NAME does without a strategy; "
                    "orders and positions are shown without",
                )
            accounts = await AccountStore(opened_database).accounts()
            is_live = any(each.account_id == chosen and each.mode is AccountMode.LIVE for each in accounts)
            return ServedAccount(chosen, is_live)

    return asyncio.run(work())


def ask_desk(
    home: Path,
    database: str | None,
    kind: "RequestKind",
    account: str | None,
    timeout: float,
    arguments: Mapping[str, object],
    request_id: str | None = None,
) -> "DeskAnswer":
    """Ask the desk of an account; the same `request_id` again is the same request.

    Errors: those of `served_account` at once when none runs; those of `RequestStore.ask`.
    """
    from secrets import token_hex

    from trademantra.core.time import NANOSECONDS_PER_SECOND
    from trademantra.kit.clock import SystemClock
    from trademantra.kit.timer import ClockTimer
    from trademantra.trading.control.requests import DeskRequest, RequestStore

    chosen = served_account(home, database, account).account_id
    timer = ClockTimer(SystemClock())

    async def work() -> "DeskAnswer":
        async with opened(home, database) as opened_database:
            now_ns = timer.now_ns()
            request = DeskRequest(
                request_id=request_id or token_hex(8),
                account_id=chosen,
                kind=kind,
                asked_ns=now_ns,
                expires_ns=now_ns + int(timeout * NANOSECONDS_PER_SECOND),
                arguments=arguments,
            )
            return await RequestStore(opened_database).ask(request, timer)

    return asyncio.run(work())


def say_answer(answer: "DeskAnswer", *, as_json: bool) -> None:
    from trademantra.cli import desk_views

    if as_json:
        desk_views.print_json({"done": answer.done, "text": answer.text, "facts": dict(answer.facts)})
    else:
        typer.echo(answer.text)
