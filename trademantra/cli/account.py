"""`tm account`: broker accounts, their settings, limits and secrets."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli.delete import is_person
from trademantra.cli.places import AsJson, DatabaseOption, DataDirectory, with_database
from trademantra.cli.text_files import text_of
from trademantra.core.errors import DataConflictError, InvalidValueError

if TYPE_CHECKING:
    from trademantra.kit.database import Database
    from trademantra.kit.secrets import Secret, SecretsBox
    from trademantra.trading.accounts.account import Account

account_app = typer.Typer(
    name="account",
    help="Broker accounts: add, log in, check, limits, go live.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account; tm account list shows them.")]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--api-secret-file",
        metavar="FILE",
        help="File with the app's api_secret; - reads it from standard input.",
    ),
]

_ADD = (
    "Examples: [bold]tm account add practice --set cash=500000[/bold] · "
    "[bold]tm account add asha --broker zerodha --mode live --set api_key=abc123 --set user_id=AB1234[/bold] · "
    "[bold]tm account add kite --broker zerodha --mode paper --set api_key=testkey "
    "--set root=http://127.0.0.1:8700[/bold]"
)
_SET = (
    "Examples: [bold]tm account set practice title='First steps'[/bold] · "
    "[bold]tm account set asha registered_address=203.0.113.7 order_proxy=http://203.0.113.7:3128[/bold] · "
    "[bold]tm account set practice data_source=asha[/bold] · [bold]tm account set asha go_live.days=30[/bold]"
)
_LIMITS = (
    "Examples: [bold]tm account limits asha[/bold] · [bold]tm account limits asha --from limits.json[/bold] · "
    "[bold]tm account limits asha --json > limits.json[/bold]"
)


def register(app: typer.Typer) -> None:
    """Add `tm account` with its commands to `app`; calling it again adds nothing twice."""
    from trademantra.cli import account_checks, account_sectors

    account_checks.register(account_app)
    account_sectors.register(account_app)
    if all(group.typer_instance is not account_app for group in app.registered_groups):
        app.add_typer(account_app, rich_help_panel="Trade")


@account_app.command("add", epilog=_ADD)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits, - and _.")],
    broker: Annotated[str, typer.Option(help="paper or zerodha.")] = "paper",
    mode: Annotated[
        str | None,
        typer.Option(help="paper or live; fixed for ever. Default: paper, for the paper broker alone."),
    ] = None,
    title: Annotated[str, typer.Option(help="What people call it.")] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of this broker; docs/accounts.md."),
    ] = None,
    limits: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Limits in JSON; docs/risk.md. - reads standard input."),
    ] = None,
    data_source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Account whose prices it sees; own: its own. Again for the next one, heard while the first fails.",
        ),
    ] = None,
    api_secret_file: SecretFile = None,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Add an account.  Whether it is paper or live is decided here, once.

    A zerodha account needs the app's api_secret: it is asked for, or read from a file, and kept in the secrets box.
    """
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.accounts.account import Account, parse_sources
    from trademantra.trading.accounts.changes import broker_of, mode_of, settings_with_proxy
    from trademantra.trading.accounts.secret_files import open_box, put_api_secret
    from trademantra.trading.accounts.settings import Broker
    from trademantra.trading.accounts.store import AccountStore
    from trademantra.trading.risk.limits import RiskLimits
    from trademantra.trading.risk.limits_json import limits_from_json

    home = chosen_home(data_dir)
    at = broker_of(broker)
    if mode is None and at is not Broker.PAPER:
        raise InvalidValueError(
            f"say whether account {name} is for paper or for real money",
            hint="add --mode live, or --mode paper for the sandbox; it cannot be changed later",
        )
    parsed, proxy = settings_with_proxy(at, _pairs(settings or ()))
    made = Account(
        account_id=name,
        broker=at,
        mode=mode_of(mode or "paper"),
        settings=parsed,
        title=title,
        data_sources=parse_sources(",".join(data_source or ())),
        limits=RiskLimits() if limits is None else limits_from_json(_text(limits)),
        created_ns=SystemClock().now_ns(),
    )
    secret, box = None, None
    if at is not Broker.PAPER:
        box = open_box(home, os.environ)
        secret = _secret(made, box, api_secret_file)

    async def work(opened_database: "Database") -> None:
        await AccountStore(opened_database).add(made)

    with_database(home, database, work)
    if box is not None:
        if secret is not None:
            put_api_secret(made, secret, box)
        _keep_proxy(made, proxy, box)
    typer.echo(f"added {made.mode} account {made.shown} at {made.broker}")
    if made.mode.value == "live":
        typer.echo("orders of this account are real. Set limits first: tm account limits --help")
    if at is Broker.ZERODHA:
        typer.echo(f"next: tm account login {name}")
    else:
        typer.echo(f"next: tm account show {name}")


@account_app.command("list", epilog="Example: [bold]tm account list --all[/bold]")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also accounts that were removed.")] = False,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """The accounts, and whether they were ready when they were checked last."""
    from trademantra.cli import account_views, desk_views
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.accounts.store import AccountStore
    from trademantra.trading.readiness.store import ReadinessStore

    async def work(opened_database: "Database") -> account_views.Listed:
        accounts = await AccountStore(opened_database).accounts(closed=everything)
        return account_views.Listed(
            accounts, await ReadinessStore(opened_database).last(), desk_views.sandbox_accounts(accounts)
        )

    listed = with_database(chosen_home(data_dir), database, work)
    if as_json:
        account_views.print_json([account_views.account_json(each) for each in listed.accounts])
    else:
        account_views.show_list(listed, SystemClock().now_ns())


@account_app.command("show", epilog="Example: [bold]tm account show asha --json[/bold]")
def show(
    name: Name, as_json: AsJson = False, data_dir: DataDirectory = None, database: DatabaseOption = None
) -> None:
    """Everything about one account.  Secrets are never shown, only whether they are there."""
    from trademantra.cli import account_views
    from trademantra.data.home import chosen_home
    from trademantra.trading.accounts.secret_files import missing_secret, open_box
    from trademantra.trading.accounts.settings import Broker

    home = chosen_home(data_dir)
    account = with_database(home, database, lambda it: _get(it, name))
    missing = "" if account.broker is Broker.PAPER else missing_secret(account, open_box(home, os.environ))
    if as_json:
        account_views.print_json(account_views.account_json(account) | {"missing": missing})
    else:
        account_views.show_account(account, missing)


@account_app.command("set", epilog=_SET)
def set_(
    name: Name,
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE…",
            help="title, data_source, outside_hours, rest_target, go_live.…, or a setting of the broker.",
        ),
    ] = None,
    api_secret_file: SecretFile = None,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Change an account.  Its broker and its mode cannot be changed: make a new one."""
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.accounts.account import OWNER
    from trademantra.trading.accounts.changes import changed
    from trademantra.trading.accounts.secret_files import open_box, put_api_secret
    from trademantra.trading.accounts.settings import Broker
    from trademantra.trading.accounts.store import AccountStore
    from trademantra.trading.go_live_overrides import GoLiveOverrides

    home = chosen_home(data_dir)
    pairs = _pairs(changes or ())
    if not pairs and api_secret_file is None:
        raise InvalidValueError("nothing is to be changed", hint="tm account set --help shows examples")

    async def work(opened_database: "Database") -> "tuple[Account, str]":
        store = AccountStore(opened_database)
        present = await store.get_open(name)
        wanted, proxy = changed(present, pairs)
        if wanted.go_live != present.go_live:
            GoLiveOverrides(home).note_thresholds(
                present, wanted.go_live, who=OWNER, now_ns=SystemClock().now_ns()
            )
        await store.change(wanted)
        return wanted, proxy

    account, proxy = with_database(home, database, work)
    if account.broker is not Broker.PAPER:
        box = open_box(home, os.environ)
        if api_secret_file is not None:
            put_api_secret(account, _secret_of(api_secret_file), box)
        if "order_proxy" in pairs:
            _keep_proxy(account, proxy, box)
    typer.echo(f"changed {account.shown}; a desk that runs takes it at its next start")


@account_app.command("limits", epilog=_LIMITS)
def limits(
    name: Name,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Put these limits in force; - reads standard input."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Show the account's own limits, or put others in their place.  docs/risk.md lists them all."""
    from trademantra.cli import account_views
    from trademantra.data.home import chosen_home
    from trademantra.trading.accounts.store import AccountStore
    from trademantra.trading.risk.limits_json import limits_from_json

    text = None if source is None else _text(source)

    async def work(opened_database: "Database") -> "Account":
        store = AccountStore(opened_database)
        account = await store.get_open(name)
        if text is not None:
            account = replace(account, limits=limits_from_json(text))
            await store.change(account)
        return account

    account = with_database(chosen_home(data_dir), database, work)
    if as_json:
        account_views.print_json(account_views.limits_json(account))
        return
    if text is not None:
        typer.echo(f"limits of {account.shown} changed; a desk that runs takes them at its next start")
    account_views.show_limits(account)


@account_app.command("remove", epilog="Example: [bold]tm account remove practice --yes[/bold]")
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """End an account: nothing new is done in it, and its secrets are forgotten.  Orders and trades are kept.

    Its name is never given again.  Refused while it holds positions, has working orders, or a desk runs it.
    """
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.accounts.secret_files import forget_secrets, open_box
    from trademantra.trading.accounts.settings import Broker, ZerodhaAccountSettings
    from trademantra.trading.accounts.store import AccountStore
    from trademantra.trading.control import books
    from trademantra.trading.control.state import StateStore

    home, clock = chosen_home(data_dir), SystemClock()

    async def look(opened_database: "Database") -> "Account":
        account = await AccountStore(opened_database).get_open(name)
        state = (await StateStore(opened_database).states()).get(name)
        if state is not None and state.is_fresh(clock.now_ns()):
            raise DataConflictError(f"a desk runs account {name}", hint="stop it first")
        if held := await books.positions(opened_database, [name]):
            raise DataConflictError(
                f"account {name} holds {len(held)} positions",
                hint=f"close them; tm desk positions --account {name}",
            )
        if working := await books.orders(opened_database, [name]):
            raise DataConflictError(
                f"account {name} has {len(working)} working orders", hint=f"tm desk orders --account {name}"
            )
        return account

    account = with_database(home, database, look)
    if not yes:
        if not is_person():
            raise InvalidValueError("nothing was removed: there is nobody to ask", hint="add --yes to remove")
        if not typer.confirm(f"Remove {account.mode} account {account.shown}?"):
            typer.echo("nothing was removed")
            raise typer.Exit(1)

    async def work(opened_database: "Database") -> bool:
        store = AccountStore(opened_database)
        await store.close(name, clock.now_ns())
        key = getattr(account.settings, "api_key", "")
        return any(
            isinstance(each.settings, ZerodhaAccountSettings) and each.settings.api_key == key
            for each in await store.accounts()
        )

    shared = with_database(home, database, work)
    if account.broker is not Broker.PAPER:
        forget_secrets(account, open_box(home, os.environ), shared=shared)
    typer.echo(f"removed {account.shown}; its orders and trades are kept")


async def _get(database: "Database", name: str) -> "Account":
    from trademantra.trading.accounts.store import AccountStore

    return await AccountStore(database).get(name)


def _pairs(words: "list[str] | tuple[()]") -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name.strip():
            raise InvalidValueError(f"{word!r} is no NAME=VALUE", hint="such as cash=500000")
        if name.strip() in pairs:
            raise InvalidValueError(f"{name.strip()} is set twice")
        pairs[name.strip()] = value
    return pairs


def _text(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read()
    return text_of(file, hint="name a text file")


def _secret_of(file: Path) -> "Secret":
    from trademantra.kit.secrets import Secret

    text = _text(file).strip()
    if not text or any(letter.isspace() for letter in text):
        raise InvalidValueError(f"{file} does not hold one api_secret", hint="one line with the secret alone")
    return Secret(text)


def _secret(account: "Account", box: "SecretsBox", file: Path | None) -> "Secret | None":
    """The app's secret; None when the box has it already."""
    from trademantra.kit.secrets import Secret
    from trademantra.trading.accounts.secret_files import missing_secret

    if file is not None:
        return _secret_of(file)
    if not missing_secret(account, box):
        return None
    if not is_person():
        raise InvalidValueError(
            f"account {account.account_id} needs the api_secret of its app",
            hint="name a file with it: --api-secret-file FILE, or - for standard input",
        )
    return Secret(str(typer.prompt("api_secret of the app (not shown)", hide_input=True)).strip())


def _keep_proxy(account: "Account", proxy: str, box: "SecretsBox") -> None:
    """A proxy with a password goes into the box whole; one without needs no secret."""
    from trademantra.kit.secrets import Secret
    from trademantra.trading.accounts.secret_files import proxy_name

    if proxy:
        box.put(proxy_name(account.account_id), Secret(proxy))
    else:
        box.remove(proxy_name(account.account_id))
