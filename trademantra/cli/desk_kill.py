"""`tm desk kill` and `release`: the kill switch by hand.  No database, and as few imports as can be: it must be quick."""

import getpass
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli.delete import is_person
from trademantra.cli.desk_options import DeskCommand, add
from trademantra.cli.places import AsJson, DataDirectory
from trademantra.core.errors import InvalidValueError, TradeMantraError

if TYPE_CHECKING:
    from trademantra.trading.risk.kill_files import Kill, KillScope

_LEFT_ALONE = 1

ScopeAccount = Annotated[str | None, typer.Option("--account", metavar="NAME", help="One account.")]
ScopeStrategy = Annotated[
    str | None, typer.Option("--strategy", metavar="ID", help="One strategy, in every account.")
]
ScopeUser = Annotated[str | None, typer.Option("--user", metavar="ID", help="All accounts of one user.")]

_KILL = (
    "Examples: [bold]tm desk kill[/bold] (everything) · [bold]tm desk kill --flatten --why 'odd fills'[/bold] · "
    "[bold]tm desk kill --account asha[/bold] · [bold]tm desk kill --strategy orb[/bold]"
)
_RELEASE = (
    "Examples: [bold]tm desk release --why 'it was the feed'[/bold] · "
    "[bold]tm desk release --account asha --why 'checked by hand' --yes[/bold]"
)


def register(desk_app: typer.Typer) -> None:
    """Add these commands to `tm desk`; calling it again adds nothing twice."""
    add(desk_app, DeskCommand("kill", kill, _KILL), DeskCommand("release", release, _RELEASE))


def kill(
    account: ScopeAccount = None,
    strategy: ScopeStrategy = None,
    user: ScopeUser = None,
    flatten: Annotated[bool, typer.Option("--flatten", help="Also close the positions at market.")] = False,
    why: Annotated[str, typer.Option("--why", help="The reason, for the audit file.")] = "by hand",
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
) -> None:
    """Stop entries now and cancel working ones: of everything, or of one account, strategy or user.

    Asks nothing and needs no database and no running desk: it writes to the data folder, where every desk looks ten
    times a second, also after a restart.  Exits still go out.  It holds until `tm desk release`.
    """
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.risk.kill import KillNotSavedError, KillSwitch
    from trademantra.trading.risk.kill_files import KILL_NAME

    home, now_ns = chosen_home(data_dir), SystemClock().now_ns()
    scope, name = _scope(account, strategy, user)
    try:
        made = KillSwitch(home, now_ns).engage(
            scope, name, who=who_asks(), why=why or "by hand", now_ns=now_ns, flatten=flatten
        )
    except (KillNotSavedError, OSError) as error:
        _kill_by_file(home / KILL_NAME, error)
        return
    if as_json:
        typer.echo(json.dumps(kill_json(made)))
        return
    typer.secho(str(made), fg="red")
    what = "cancels working entries and closes positions" if flatten else "cancels working entries"
    typer.echo(
        f"no entry goes out; a desk that runs {what} at once. It ends by: {_release_words(scope, name)}"
    )


def release(
    account: ScopeAccount = None,
    strategy: ScopeStrategy = None,
    user: ScopeUser = None,
    why: Annotated[str, typer.Option("--why", help="The reason, for the audit file.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
) -> None:
    """Lift one kill, the one of everything unless another is named.  Others stay.  It is audited.

    While the file KILL is in the data folder nothing is released: remove it first.
    """
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.risk.kill import KillSwitch

    home, now_ns = chosen_home(data_dir), SystemClock().now_ns()
    scope, name = _scope(account, strategy, user)
    if not why.strip():
        raise InvalidValueError("say why it may go on", hint="--why 'checked by hand, the feed is back'")
    switch = KillSwitch(home, now_ns)
    if not yes:
        show_kills(switch.in_force())
        if not is_person():
            raise InvalidValueError(
                "nothing was released: there is nobody to ask", hint="add --yes to release"
            )
        if not typer.confirm(f"Release {_words(scope, name)}? Entries go out again"):
            typer.echo("nothing was released")
            raise typer.Exit(_LEFT_ALONE)
    switch.release(scope, name, who=who_asks(), why=why, now_ns=now_ns)
    left = switch.in_force()
    if as_json:
        told = {"released": [scope.value, name], "still": [kill_json(each) for each in left]}
        typer.echo(json.dumps(told))
        return
    typer.echo(f"released: {_words(scope, name)}")
    if left:
        show_kills(left)


def kill_json(kill: "Kill") -> dict[str, object]:
    """A kill for programs."""
    return {
        "scope": kill.scope.value, "id": kill.name, "flatten": kill.flatten, "who": kill.who, "why": kill.why,
        "source": kill.source.value, "at_ns": kill.at_ns,
    }  # fmt: skip


def show_kills(kills: "Sequence[Kill]") -> None:
    """Kills for people."""
    if not kills:
        typer.echo("nothing is killed")
    for kill in kills:
        typer.secho(f"KILLED: {kill}", fg="red")


def _scope(account: str | None, strategy: str | None, user: str | None) -> "tuple[KillScope, str]":
    from trademantra.trading.risk.kill_files import KillScope

    named = {KillScope.ACCOUNT: account, KillScope.STRATEGY: strategy, KillScope.USER: user}
    given = [(scope, name) for scope, name in named.items() if name is not None]
    if len(given) > 1:
        raise InvalidValueError("name one account, one strategy or one user", hint="one call for each")
    if not given:
        return KillScope.ALL, ""
    scope, name = given[0]
    if not name.strip():
        raise InvalidValueError(f"the {scope} has no name")
    return scope, name.strip()


def _words(scope: "KillScope", name: str) -> str:
    return f"{scope.value} {name}".strip()


def _release_words(scope: "KillScope", name: str) -> str:
    return "tm desk release --why …" if not name else f"tm desk release --{scope} {name} --why …"


def who_asks() -> str:
    """For the audit file."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (OSError, KeyError):  # no such user on this machine
        return "the command line"


def _kill_by_file(path: Path, error: Exception) -> None:
    """The switch could not be written: an empty file, which needs no room, kills everything.

    Errors: `TradeMantraError` when even that cannot be made.
    """
    try:
        path.touch()
    except OSError as failure:
        raise TradeMantraError(
            f"NOTHING IS KILLED: {error}; and {path} cannot be made: {failure.strerror}",
            hint="stop the desk itself, and cancel at the broker",
        ) from failure
    typer.secho(f"the kill switch could not be written ({error}),", err=True, fg="red")
    typer.echo(f"so {path} was made: EVERYTHING is killed until that file is removed and released", err=True)
