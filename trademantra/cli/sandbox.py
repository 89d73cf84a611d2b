"""`tm sandbox kite`: a simulated exchange that speaks Kite Connect."""

from contextlib import ExitStack
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import ist_date, parse_date

if TYPE_CHECKING:
    from trademantra.brokers.paper.settings import ExchangeSettings
    from trademantra.sandbox.kite.market import Market

sandbox_app = typer.Typer(
    help="Servers that speak a broker's protocol over a simulated exchange.", no_args_is_help=True
)

_EPILOG = (
    "Examples: [bold]tm sandbox kite[/bold] · [bold]tm sandbox kite --port 9000 --speed 10[/bold] · "
    "[bold]tm sandbox kite --replay ~/.trademantra/bars --day 2026-03-02[/bold] · "
    "[bold]tm sandbox kite --accounts accounts.json --journal desk.journal[/bold]"
)


class _Profile(StrEnum):
    CURRENT = "2026"
    LEGACY = "legacy"


class _Fills(StrEnum):
    STANDING = "standing"
    DEPTH = "depth"
    NEXT = "next"


def register(app: typer.Typer) -> None:
    """Add `tm sandbox` to `app`."""
    app.add_typer(sandbox_app, name="sandbox", rich_help_panel="Trade")


@sandbox_app.callback()
def sandbox() -> None:
    """Servers that speak a broker's protocol over a simulated exchange."""


@sandbox_app.command("kite", epilog=_EPILOG)
def kite(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where it listens; 0 takes a free port.")
    ] = 8700,
    host: Annotated[
        str, typer.Option(help="Address to listen at; other machines reach 0.0.0.0.")
    ] = "127.0.0.1",
    replay: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Replay the intraday bars of a bar store, or of a file (CSV, Parquet)."
        ),
    ] = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="An invented market (this is the default).")
    ] = False,
    speed: Annotated[
        float,
        typer.Option(
            min=0, max=1_000_000, help="1 is real time, 60 a minute a second, 0 as fast as it goes."
        ),
    ] = 1.0,
    day: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="The day to begin, YYYY-MM-DD. Default: today, or the last stored."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed invents another market.")] = 7,
    shares: Annotated[int, typer.Option(min=1, max=400, help="How many invented shares.")] = 20,
    accounts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Users, keys and money in JSON; docs/sandbox.md.")
    ] = None,
    profile: Annotated[
        _Profile, typer.Option(help="Rules since 2026-04-01, or those before.")
    ] = _Profile.CURRENT,
    auto_login: Annotated[
        bool | None,
        typer.Option(
            "--auto-login/--no-auto-login",
            help="Whether the login page lets everybody in at once. Default: without --accounts.",
        ),
    ] = None,
    no_rate_limits: Annotated[bool, typer.Option("--no-rate-limits", help="Count no requests.")] = False,
    fills: Annotated[
        _Fills,
        typer.Option(
            help="What an arriving order meets: the last price, the visible depth, or the next price as in a back-test."
        ),
    ] = _Fills.STANDING,
    journal: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep orders and accounts here; the next start goes on."),
    ] = None,
) -> None:
    """Serve Kite Connect v3 over a simulated exchange: REST and ticker at one port.

    A program written for Kite paper-trades here by changing its root URL.  Without --accounts there is one user,
    AB1234, with api_key testkey, api_secret testsecret and 10,00,000 rupees.  Ctrl-C ends it.
    """
    from trademantra.brokers.paper.journal import Journal
    from trademantra.kit.clock import SystemClock
    from trademantra.sandbox.kite.accounts import default_account, read_accounts
    from trademantra.sandbox.kite.replay_files import bar_store_of
    from trademantra.sandbox.kite.server import Sandbox, Wiring, listen, root_of, run
    from trademantra.sandbox.kite.settings import KiteSettings, Profile

    if synthetic and replay is not None:
        raise InvalidValueError("--replay and --synthetic are two markets", hint="leave one of them out")
    wall = SystemClock()
    chosen = Profile(profile.value)
    listener = listen(host, port)
    with listener, ExitStack() as cleanup:
        bars = None if replay is None else cleanup.enter_context(bar_store_of(replay.expanduser()))
        root = root_of(listener)
        users = (default_account(root),) if accounts is None else read_accounts(accounts.expanduser(), root)
        begin = None if day is None else parse_date(day)
        settings = _exchange(fills, legacy=chosen is Profile.LEGACY)
        market = _market(bars, begin, ist_date(wall.now_ns()), seed, shares, settings)
        server = Sandbox(
            root=root,
            accounts=users,
            settings=KiteSettings(
                profile=chosen,
                rate_limits=not no_rate_limits,
                auto_login=accounts is None if auto_login is None else auto_login,
            ),
            market=market,
            wiring=Wiring(wall=wall, report=lambda text: typer.secho(text, err=True, fg="yellow")),
            journal=None if journal is None else Journal.open(journal.expanduser()),
            speed=speed,
        )
        run(
            server,
            listener,
            lambda: typer.echo(
                _ready(root, users[0].api_key, server.desk.clock.now_ns(), len(market.listings))
            ),
        )
    typer.echo("stopped")


def _exchange(fills: _Fills, *, legacy: bool) -> "ExchangeSettings":
    from trademantra.brokers.paper.settings import ExchangeSettings, Liquidity, Meets

    return ExchangeSettings(
        unprotected_orders=legacy,
        meets=Meets.NEXT_PRICE if fills is _Fills.NEXT else Meets.STANDING,
        liquidity=Liquidity(visible_depth=fills is _Fills.DEPTH),
    )


def _market(
    replay: Path | None, day: date | None, today: date, seed: int, shares: int, settings: "ExchangeSettings"
) -> "Market":
    from trademantra.sandbox.kite.invented_market import invented_market
    from trademantra.sandbox.kite.replayed_market import replayed_market

    if replay is not None:
        return replayed_market(replay, day, settings)
    return invented_market(day or today, seed=seed, shares=shares, settings=settings)


def _ready(root: str, api_key: str, now_ns: int, instruments: int) -> str:
    """The one line that says that requests are taken."""
    from trademantra.core.time import datetime_of

    at = datetime_of(now_ns).strftime("%Y-%m-%d %H:%M")
    return f"Kite sandbox ready at {root} · login {root}/connect/login?v=3&api_key={api_key} · {instruments} instruments · {at} IST"
