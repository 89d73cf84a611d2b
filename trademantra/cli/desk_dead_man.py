"""`tm desk dead-man`, `alive`: what is killed when nobody says for a while that he is there.  No desk needs to run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli.desk_kill import ScopeAccount, who_asks
from trademantra.cli.desk_options import DeskCommand, add
from trademantra.cli.places import DatabaseOption, DataDirectory, with_database
from trademantra.core.errors import InvalidValueError, NotFoundError, TradeMantraError

if TYPE_CHECKING:
    from trademantra.kit.database import Database
    from trademantra.trading.risk.kill_files import DeadMan, KillScope

_NANOSECONDS_PER_MINUTE = 60_000_000_000
_LONGEST_MINUTES = 7 * 24 * 60
_DEAD_MAN = (
    "Examples: [bold]tm desk dead-man --account asha --minutes 15[/bold] · "
    "[bold]tm desk dead-man --minutes 30 --flatten[/bold] (everything) · [bold]tm desk dead-man --account asha --off[/bold]"
)
_ALIVE = (
    "Example: [bold]tm desk alive[/bold] (by hand, or every few minutes from the machine that you sit at)"
)


def register(desk_app: typer.Typer) -> None:
    """Add these commands to `tm desk`; calling it again adds nothing twice."""
    add(desk_app, DeskCommand("dead-man", dead_man, _DEAD_MAN), DeskCommand("alive", alive, _ALIVE))


def dead_man(
    account: ScopeAccount = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="How long nobody need say that he is there.")
    ] = None,
    flatten: Annotated[bool, typer.Option("--flatten", help="Also close the positions at market.")] = False,
    off: Annotated[bool, typer.Option("--off", help="Take the timer away.")] = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Kill an account, or everything, when tm desk alive was not called for so many minutes.

    A desk that runs counts, day and night, and says so five minutes before (a third of the time, where that is less).
    Then it does what tm desk kill does: entries are blocked and cancelled, exits pass, until tm desk release.  The timer
    stays over restarts, and counts anew from the start of a desk, a release and each tm desk alive.
    """
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.risk.kill import KillSwitch
    from trademantra.trading.risk.kill_files import KillScope

    home, now_ns = chosen_home(data_dir), SystemClock().now_ns()
    if off == (minutes is not None):
        raise InvalidValueError("say for how long, or that it is over", hint="--minutes 15, or --off")
    scope, name = (KillScope.ALL, "") if account is None else (KillScope.ACCOUNT, account.strip())
    if account is not None and not name:
        raise InvalidValueError("the account has no name")
    switch = KillSwitch(home, now_ns)
    if off:
        if (scope, name) not in switch.dead_men:
            raise NotFoundError(
                f"no dead-man timer of {_what(scope, name)} is armed", hint="tm desk status shows them"
            )
        switch.disarm(who=who_asks(), why="by hand", now_ns=now_ns, scope=scope, name=name)
        typer.echo(f"the dead-man timer of {_what(scope, name)} is off")
        return
    period_ns = _period_ns(minutes or 0.0)
    if account is not None:  # a timer for a name that nobody has would never save anybody
        with_database(home, database, lambda found: _check_account(found, name))
    switch.arm(
        period_ns, who=who_asks(), why="by hand", now_ns=now_ns, flatten=flatten, scope=scope, name=name
    )
    show_timers([switch.dead_men[scope, name]])
    typer.echo("it counts while a desk runs; each tm desk alive begins it anew, --off takes it away")


def alive(data_dir: DataDirectory = None) -> None:
    """Say that you are there: every dead-man timer begins anew.  Needs no database and no answer."""
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.risk.dead_man import ALIVE_NAME
    from trademantra.trading.risk.kill import KillSwitch

    home = chosen_home(data_dir)
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / ALIVE_NAME).touch()
    except OSError as error:
        raise TradeMantraError(
            f"NOBODY HEARD YOU: {home / ALIVE_NAME} cannot be written: {error.strerror}",
            hint="tm desk dead-man --off takes a timer away",
        ) from error
    timers = list(KillSwitch(home, SystemClock().now_ns()).dead_men.values())
    if timers:
        show_timers(timers)
    else:
        typer.echo("heard; no dead-man timer is armed")


def show_timers(timers: "Sequence[DeadMan]") -> None:
    """Timers for people."""
    from trademantra.trading.risk.dead_man import minutes

    for timer in timers:
        closed = ", positions closed" if timer.flatten else ""
        typer.echo(
            f"dead-man timer: {_what(timer.scope, timer.name)} is killed{closed} {minutes(timer.period_ns)} "
            "after the last tm desk alive"
        )


def timers_json(timers: "Sequence[DeadMan]") -> dict[str, object]:
    """Timers for programs."""
    return {
        "dead_men": [
            {"scope": each.scope.value, "id": each.name, "period_ns": each.period_ns, "flatten": each.flatten}
            for each in timers
        ]
    }


def _period_ns(minutes: float) -> int:
    if not 0.5 <= minutes <= _LONGEST_MINUTES:
        raise InvalidValueError(f"--minutes {minutes:g}: half a minute to {_LONGEST_MINUTES:,} (a week)")
    return int(minutes * _NANOSECONDS_PER_MINUTE)


async def _check_account(database: "Database", name: str) -> None:
    """Errors: `NotFoundError`."""
    from trademantra.trading.accounts.store import AccountStore

    await AccountStore(database).get_open(name)


def _what(scope: "KillScope", name: str) -> str:
    return f"{scope} {name}" if name else "everything"
