"""How a command asks the desk that runs an account, and tells the answer."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from trademantra.cli.delete import is_person
from trademantra.cli.desk_options import OneAccount, RequestId, Timeout, Yes
from trademantra.cli.places import AsJson, DatabaseOption, DataDirectory, opened
from trademantra.core.errors import InvalidValueError

if TYPE_CHECKING:
    from trademantra.trading.control.requests import DeskAnswer, RequestKind

_LEFT_ALONE = 1
_NOT_ALL = 2
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskCall:
    """Whom a command asks, and how the answer is told."""

    account: OneAccount = None
    timeout: Timeout = 30.0
    as_json: AsJson = False
    data_dir: DataDirectory = None
    database: DatabaseOption = None

    @property
    def home(self) -> Path:
        from trademantra.data.home import chosen_home

        return chosen_home(self.data_dir)

    def served(self) -> "ServedAccount":
        """Errors: as `served_account`."""
        return served_account(self.home, self.database, self.account)

    def ask(self, kind: "RequestKind", arguments: Mapping[str, object]) -> "DeskAnswer":
        """Errors: as `ask_desk`."""
        return ask_desk(self.home, self.database, kind, self.served().account_id, self.timeout, arguments)

    def do(self, kind: "RequestKind", arguments: Mapping[str, object]) -> None:
        """Have the desk do it, and tell what came of it.  Errors: as `ask_desk`."""
        say_answer(self.ask(kind, arguments), as_json=self.as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandCall:
    """As `DeskCall`, for what moves money: it can be made safe to repeat, and asks first on a live account."""

    account: OneAccount = None
    request_id: RequestId = None
    yes: Yes = False
    timeout: Timeout = 30.0
    as_json: AsJson = False
    data_dir: DataDirectory = None
    database: DatabaseOption = None

    def call(self) -> DeskCall:
        return DeskCall(
            account=self.account, timeout=self.timeout, as_json=self.as_json, data_dir=self.data_dir, database=self.database
        )  # fmt: skip

    def do(self, kind: "RequestKind", arguments: Mapping[str, object], what: str) -> None:
        """Ask before it is done on a live account; then have the desk do it.  Ends with 2 when not all of it was done."""
        call = self.call()
        if self.request_id is not None and not _ID.fullmatch(self.request_id):
            raise InvalidValueError(
                f"--id {self.request_id!r}: 1 to 32 letters, digits, dots, dashes",
                hint="such as --id morning-1",
            )
        chosen = call.served()
        if not self.yes:
            ask_if_live(chosen, what)
        answer = ask_desk(
            call.home, self.database, kind, chosen.account_id, self.timeout, arguments, self.request_id
        )
        say_answer(answer, as_json=self.as_json)
        if answer.facts.get("outcome") not in (None, "accepted"):
            raise typer.Exit(_NOT_ALL)


@dataclass(frozen=True, slots=True)
class ServedAccount:
    """An account that a desk runs for."""

    account_id: str
    is_live: bool


def ask_if_live(chosen: ServedAccount, what: str) -> None:
    """Ask before something is done on a live account; ends when the answer is no.

    Errors: `InvalidValueError` when there is nobody to ask.
    """
    if not chosen.is_live:
        return
    if not is_person():
        raise InvalidValueError(
            f"nothing was sent: {chosen.account_id} is live, and there is nobody to ask", hint="add --yes"
        )
    typer.secho(f"LIVE account {chosen.account_id}: {what}", fg="red", err=True)
    if not typer.confirm("Do it?", err=True):
        typer.echo("nothing was sent", err=True)
        raise typer.Exit(_LEFT_ALONE)


def served_account(home: Path, database: str | None, account: str | None) -> ServedAccount:
    """The account that is meant.  Errors: `NoAnswerError` when no desk runs for it; `InvalidValueError` for several."""
    running = served_accounts(home, database, None if account is None else [account])
    if len(running) > 1:
        names = ", ".join(each.account_id for each in running)
        raise InvalidValueError(f"desks run for {names}", hint="name the account: --account NAME")
    return running[0]


def served_accounts(
    home: Path, database: str | None, accounts: Sequence[str] | None
) -> Sequence[ServedAccount]:
    """Those of `accounts` that desks run for; None: all.  Errors: `NoAnswerError` for one without, and when none runs."""
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.accounts.settings import AccountMode
    from trademantra.trading.accounts.store import AccountStore
    from trademantra.trading.control.requests import NoAnswerError
    from trademantra.trading.control.state import StateStore

    async def work() -> Sequence[ServedAccount]:
        async with opened(home, database) as opened_database:
            now_ns = SystemClock().now_ns()
            states = await StateStore(opened_database).states()
            modes = {each.account_id: each.mode for each in await AccountStore(opened_database).accounts()}
        running = [name for name, state in states.items() if state.is_fresh(now_ns)]
        wanted = running if accounts is None else list(dict.fromkeys(accounts))
        silent = next((name for name in wanted if name not in running), None)
        if silent is not None or not wanted:
            seen = states.get(silent or "")
            last = "" if seen is None else f" ({seen.age_text(now_ns)})"
            raise NoAnswerError(
                f"no desk runs for account {silent}{last}" if silent else "no desk runs",
                hint="tm paper and tm live start one; tm desk run --account NAME does without a strategy; "
                "orders and positions are shown without",
            )
        return [ServedAccount(name, modes.get(name) is AccountMode.LIVE) for name in wanted]

    return asyncio.run(work())


def ask_desk(
    home: Path,
    database: str | None,
    kind: "RequestKind",
    account_id: str,
    timeout: float,
    arguments: Mapping[str, object],
    request_id: str | None = None,
) -> "DeskAnswer":
    """Ask the desk of an account (`served_account`); the same `request_id` again is the same request.

    Errors: those of `RequestStore.ask`.
    """
    from secrets import token_hex

    from trademantra.core.time import NANOSECONDS_PER_SECOND
    from trademantra.kit.clock import SystemClock
    from trademantra.kit.timer import ClockTimer
    from trademantra.trading.control.requests import DeskRequest, RequestStore

    timer = ClockTimer(SystemClock())

    async def work() -> "DeskAnswer":
        async with opened(home, database) as opened_database:
            now_ns = timer.now_ns()
            request = DeskRequest(
                request_id=request_id or token_hex(8),
                account_id=account_id,
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
