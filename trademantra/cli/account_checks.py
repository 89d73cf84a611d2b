"""`tm account login`, `check` and `go-live`: is an account ready, and is a strategy."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli.places import AsJson, DatabaseOption, DataDirectory, opened, with_database
from trademantra.core.errors import InvalidValueError, NotFoundError

if TYPE_CHECKING:
    from trademantra.brokers.zerodha.adapter import ZerodhaAdapter
    from trademantra.core.time import Clock
    from trademantra.kit.database import Database
    from trademantra.trading.accounts.account import Account
    from trademantra.trading.readiness.report import ReadinessReport
    from trademantra.trading.record.store import RecordStore

NOT_READY = 1
_LOGIN = (
    "Examples: [bold]tm account login asha[/bold] · [bold]tm account login asha --paste[/bold] · "
    "[bold]tm account login asha --request-token 8Gk2…[/bold]"
)
_CHECK = (
    "Examples: [bold]tm account check[/bold] · [bold]tm account check asha --fetch-instruments[/bold] · "
    "[bold]tm account check --json[/bold]"
)
_GO_LIVE = (
    "Examples: [bold]tm account go-live orb --account asha[/bold] · "
    "[bold]tm account go-live orb --account asha --parameters 9f3ac1 --override "
    "--why 'ran two years at another broker, see journal'[/bold]"
)


def register(account_app: typer.Typer) -> None:
    """Add these commands to `tm account`; calling it again adds nothing twice."""
    known = {command.callback for command in account_app.registered_commands}
    for name, command, epilog in (
        ("login", login, _LOGIN),
        ("check", check, _CHECK),
        ("go-live", go_live, _GO_LIVE),
    ):
        if command not in known:
            account_app.command(name, epilog=epilog)(command)


def login(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")],
    request_token: Annotated[
        str | None,
        typer.Option(
            "--request-token", metavar="TOKEN", help="What the redirect carried; waits for nothing."
        ),
    ] = None,
    paste: Annotated[
        bool,
        typer.Option("--paste", help="Ask for the address on which the login ended, wait for no browser."),
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for the browser.")] = 300.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Log in for today: prints the broker's link, waits for the browser to come back, keeps the session.

    The app's registered redirect address must be http://127.0.0.1:8710/ (setting login_port); otherwise use --paste.
    A desk that runs finds the new login by itself.
    """
    from trademantra.data.home import chosen_home
    from trademantra.trading.accounts.login import answer_of
    from trademantra.trading.accounts.settings import ZerodhaAccountSettings

    home = chosen_home(data_dir)
    answer: Mapping[str, str] | None = None if request_token is None else answer_of(request_token)

    async def work() -> "tuple[Account, int | None]":
        async with opened(home, database) as opened_database:
            account = await _open_account(opened_database, name)
        settings = account.settings
        if not isinstance(settings, ZerodhaAccountSettings):
            return account, None
        adapter = _adapter(account, home)
        try:
            if answer is not None:
                await adapter.complete_login(answer)
            elif paste:
                typer.echo(f"log in here: {adapter.login_url()}", err=True)
                typer.echo("then paste the address of the page on which it ended:", err=True)
                await adapter.complete_login(answer_of(await asyncio.to_thread(sys.stdin.readline)))
            else:
                await _wait(adapter, settings.login_port, timeout)
            return account, adapter.session_ends_ns
        finally:
            await adapter.close()

    account, ends_ns = asyncio.run(work())
    _say_login(account, ends_ns, as_json=as_json)


def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Accounts; default: all that are open.")
    ] = None,
    fetch_instruments: Annotated[
        bool, typer.Option("--fetch-instruments", help="First bring the instrument master up to today.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Is each account ready for today: login, static IP, clock, instruments, feed, margin, disk, journal, kill switch.

    The exit code is 1 when one is not.  A running desk checks by itself; this looks from outside.
    """
    from trademantra.cli import account_views
    from trademantra.data.home import chosen_home
    from trademantra.trading.accounts.store import AccountStore

    home = chosen_home(data_dir)

    async def work(opened_database: "Database") -> "ReadinessReport":
        store = AccountStore(opened_database)
        if names:
            accounts = [await store.get_open(name) for name in dict.fromkeys(names)]
        else:
            accounts = list(await store.accounts())
        return await _inspect(opened_database, home, accounts, fetch_instruments=fetch_instruments)

    report = with_database(home, database, work)
    if as_json:
        account_views.print_json(report.as_json())
    elif not report.accounts:
        typer.echo("there is no account yet; make one: tm account add --help")
    else:
        account_views.show_report(report)
    if not report.is_ready:
        raise typer.Exit(NOT_READY)


def go_live(
    strategy: Annotated[str, typer.Argument(help="Name of the strategy.")],
    account: Annotated[str, typer.Option("--account", metavar="NAME", help="The live account.")],
    parameters: Annotated[
        str | None,
        typer.Option("--parameters", metavar="HASH", help="Which parameters; default: those that ran last."),
    ] = None,
    override: Annotated[
        bool, typer.Option("--override", help="Let it go live although the checklist is not met.")
    ] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take an override back.")] = False,
    why: Annotated[
        str, typer.Option("--why", help="The reason, at least 20 characters; it is kept for ever.")
    ] = "",
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="NAME", help="The account's name, typed; asked for when left out."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """What a strategy's paper record has and needs before it may trade here with real money.

    The exit code is 1 while it may not.  Replays do not count.  An override is for one strategy, one set of parameters
    and one account; it is written to an audit file that shows every change.
    """
    from trademantra.cli import account_views
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.accounts.account import OWNER
    from trademantra.trading.accounts.store import AccountStore
    from trademantra.trading.go_live import Checklist
    from trademantra.trading.go_live_overrides import GoLiveGate, GoLiveOverrides, Subject
    from trademantra.trading.record.store import RecordStore

    home, now_ns = chosen_home(data_dir), SystemClock().now_ns()
    overrides = GoLiveOverrides(home)
    if override and withdraw:
        raise InvalidValueError("an override is made or taken back, not both", hint="leave one option out")

    async def work(opened_database: "Database") -> "tuple[Account, Checklist]":
        found = await _open_account(opened_database, account)
        record = RecordStore(opened_database)
        chosen = parameters or await _last_parameters(record, strategy)
        gate = GoLiveGate(record, AccountStore(opened_database), overrides)
        return found, await gate.checklist(found, strategy, chosen)

    owned, checklist = with_database(home, database, work)
    subject = Subject(strategy, checklist.parameters_hash, owned.account_id)
    if not subject.parameters_hash and (override or withdraw):
        raise NotFoundError(
            f"{strategy} never ran, so its parameters are not known", hint="name them: --parameters HASH"
        )
    if override:
        overrides.make(
            checklist, owned, who=OWNER, why=why, typed_name=_confirmed(owned, confirm), now_ns=now_ns
        )
    if withdraw:
        overrides.withdraw(subject, who=OWNER, why=why or "no reason given", now_ns=now_ns)
    present = overrides.find(subject) if subject.parameters_hash else None
    if as_json:
        account_views.print_json(account_views.checklist_json(owned, checklist, present))
    else:
        account_views.show_checklist(owned, checklist, present)
    if owned.mode.value == "live" and not checklist.is_met and present is None:
        raise typer.Exit(NOT_READY)


async def _wait(adapter: "ZerodhaAdapter", port: int, timeout: float) -> None:
    """The browser's way: the link, the listener, and what came."""
    from secrets import token_hex

    from trademantra.trading.accounts.login import LoginTimeoutError, listening, login_link

    state = token_hex(8)
    async with listening(port, state, adapter.complete_login) as done:
        typer.echo(f"log in here: {login_link(adapter.login_url(), state)}", err=True)
        typer.echo(
            f"waiting at http://127.0.0.1:{port}/ for the browser to come back (Ctrl-C to stop)", err=True
        )
        try:
            async with asyncio.timeout(timeout):
                await done
        except TimeoutError:
            raise LoginTimeoutError(
                f"nobody logged in within {timeout:g} s",
                hint=f"is http://127.0.0.1:{port}/ the redirect address of the app? else use --paste",
            ) from None


def _say_login(account: "Account", ends_ns: int | None, *, as_json: bool) -> None:
    from trademantra.cli import account_views
    from trademantra.core.time import datetime_of

    if as_json:
        account_views.print_json({"account_id": account.account_id, "session_ends_ns": ends_ns})
        return
    if ends_ns is None:
        typer.echo(f"{account.shown} is at {account.broker}: no login is needed")
        return
    typer.echo(f"{account.shown} is logged in until {datetime_of(ends_ns):%Y-%m-%d %H:%M}")
    typer.echo(f"next: tm account check {account.account_id}")


async def _open_account(database: "Database", name: str) -> "Account":
    from trademantra.trading.accounts.store import AccountStore

    return await AccountStore(database).get_open(name)


def _adapter(account: "Account", home: Path) -> "ZerodhaAdapter":
    from random import SystemRandom

    from trademantra.kit.clock import SystemClock
    from trademantra.trading.accounts.adapters import AdapterParts, zerodha_for
    from trademantra.trading.accounts.sandbox_clock import clock_of
    from trademantra.trading.accounts.secret_files import missing_secret, open_box
    from trademantra.trading.accounts.settings import ZerodhaAccountSettings

    settings = account.settings
    if not isinstance(settings, ZerodhaAccountSettings):
        raise InvalidValueError(f"account {account.account_id} has no login")
    box = open_box(home, os.environ)
    if missing := missing_secret(account, box):
        raise NotFoundError(
            f"account {account.account_id}: {missing} is missing in the secrets box",
            hint=f"tm account set {account.account_id} --api-secret-file FILE",
        )
    clock = clock_of(account, SystemClock())
    return zerodha_for(account, settings, AdapterParts(clock=clock, random=SystemRandom(), box=box))


async def _inspect(
    database: "Database", home: Path, accounts: "list[Account]", *, fetch_instruments: bool
) -> "ReadinessReport":
    from trademantra.core.time import ist_date
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.accounts.sandbox_clock import clock_of
    from trademantra.trading.accounts.settings import Broker
    from trademantra.trading.accounts.store import AccountStore
    from trademantra.trading.lease_names import lease_name
    from trademantra.trading.readiness.inspect import (
        Candidate,
        Surroundings,
        inspect_account,
        last_close_ns,
        needs_master,
    )
    from trademantra.trading.readiness.report import ReadinessReport
    from trademantra.trading.risk.kill import KillSwitch

    wall = SystemClock()
    adapters = {each.account_id: _adapter(each, home) for each in accounts if each.broker is Broker.ZERODHA}
    everyone = {each.account_id: each for each in await AccountStore(database).accounts()}
    times: dict[str, Clock] = {}  # of each account's market; accounts at one sandbox have one
    for each in accounts:
        feeds = [everyone[name] for name in each.prices_from if name in everyone]
        times[each.account_id] = next(
            (t for t in (clock_of(feed, wall) for feed in feeds) if t is not wall), wall
        )

    def around(market: "Clock") -> Surroundings:
        return Surroundings(
            database=database,
            home=home,
            master=home / "instruments.sqlite3",
            kill_switch=KillSwitch(home, wall.now_ns()),
            clock=wall,
            market=market,
            read_seconds=time.perf_counter,
            lease_name=lease_name,
            needed_until_ns=last_close_ns(ist_date(market.now_ns())),
        )

    try:
        if fetch_instruments:
            real = [adapters[each.account_id] for each in accounts if needs_master(each)]
            await _fetch_instruments(real, home / "instruments.sqlite3")
        found = [
            await inspect_account(
                Candidate(each, adapters.get(each.account_id)), around(times[each.account_id])
            )
            for each in accounts
        ]
        return ReadinessReport(wall.now_ns(), found)
    finally:
        for adapter in adapters.values():
            await adapter.close()


async def _fetch_instruments(adapters: "list[ZerodhaAdapter]", master: Path) -> None:
    """The broker's file of today into the master."""
    from trademantra.brokers.events import SessionState
    from trademantra.brokers.zerodha.instruments import import_into_master
    from trademantra.core.time import ist_date
    from trademantra.kit.clock import SystemClock

    if not adapters:  # paper accounts and sandboxes need no master: nothing is wrong with them
        typer.echo(
            "no instruments were fetched: paper accounts and the sandbox need none; they trade what their data source lists",
            err=True,
        )
        return
    for adapter in adapters:
        if adapter.session is SessionState.ACTIVE:
            today = ist_date(SystemClock().now_ns())
            import_into_master(await adapter.instrument_file(), master, today)
            typer.echo(f"the instruments of {today} are in the master", err=True)
            return
    raise InvalidValueError(
        "nobody is logged in, so no instruments can be fetched",
        hint="tm account login NAME, of one at a broker",
    )


async def _last_parameters(record: "RecordStore", strategy: str) -> str:
    from trademantra.trading.record.store import SessionMode

    sessions = await record.sessions(strategy=strategy, mode=SessionMode.PAPER)
    return sessions[-1].parameters_hash if sessions else ""


def _confirmed(account: "Account", confirm: str | None) -> str:
    from trademantra.cli.delete import is_person

    if confirm is not None:
        return confirm
    if not is_person():
        raise InvalidValueError(
            "the override needs the account's name, typed", hint=f"--confirm {account.account_id}"
        )
    typer.echo(
        f"This lets the strategy trade with real money on {account.shown}, without the record it should have."
    )
    return str(typer.prompt("Type the account's name to confirm"))
