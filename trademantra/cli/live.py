"""`tm live`, and `tm paper` on the prices of now: one strategy at a running desk, until Ctrl-C."""

import asyncio
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli import run_options as o
from trademantra.cli.desk_options import SessionOption
from trademantra.cli.option_groups import grouped
from trademantra.cli.places import DatabaseOption, opened
from trademantra.cli.planned_session import Planned, SessionOptions, live_options, spec_of
from trademantra.core.errors import InvalidValueError
from trademantra.core.plural import counted

if TYPE_CHECKING:
    from trademantra.core.time import Clock
    from trademantra.kit.database import Database
    from trademantra.trading.accounts.account import Account
    from trademantra.trading.house.parts import SessionPlan
    from trademantra.trading.house.session_spec import SessionSpec
    from trademantra.trading.house.strategies import StrategySession

_EPILOG = (
    "Examples: [bold]tm live supertrend --account asha --symbol INFY --timeframe 5m --costs zerodha:MIS[/bold] · "
    "[bold]tm live orb.py --account asha --symbol NSE:TCS --size risk:0.005 --stop 0.5%[/bold]"
)


def register(app: typer.Typer) -> None:
    """Add `live` to the commands."""
    app.command("live", rich_help_panel="Trade", epilog=_EPILOG)(grouped(live))


def live(
    strategy: o.StrategyName,
    account: Annotated[
        str, typer.Option("--account", metavar="NAME", help="The account; tm account list shows them.")
    ],
    margin: o.MarginOption = None,
    time_exit: o.TimeExitOption = None,
    session: SessionOption = None,
    data_dir: o.DataDirOption = None,
    database: DatabaseOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The last line is one JSON object.", rich_help_panel=o.OUTPUT)
    ] = False,
    *,
    words: SessionOptions,
) -> None:
    """Trade a strategy with real orders, through the desk: readiness, go-live gate, risk limits, journal, broker.

    It runs until Ctrl-C: then it decides no more, entries are taken back, and what is held stays protected by the orders
    that rest at the broker.  `tm desk kill` stops it from another terminal, `tm desk status` shows it.
    """
    from trademantra.data.home import chosen_home

    options = live_options(strategy, words, data_dir, margin=margin, time_exit=time_exit)
    run_desk(chosen_home(data_dir), [Planned(options, account, session, True)], database, as_json=as_json)


def run_desk(
    home: Path,
    planned: Sequence[Planned],
    database: str | None,
    *,
    served: Sequence[str] = (),
    as_json: bool = False,
) -> None:
    """Open the accounts with their feeds, run the strategies, until it is interrupted; a summary last.

    `served`: accounts that are opened also without a strategy.
    """
    from trademantra.cli.compile_ahead import compile_ahead

    compile_ahead()

    async def work() -> None:
        async with opened(home, database) as found:
            await _run(home, planned, served, found, as_json=as_json)

    asyncio.run(work())


async def _run(
    home: Path, planned: Sequence[Planned], served: Sequence[str], database: "Database", *, as_json: bool
) -> None:
    import os
    from random import SystemRandom

    from trademantra.kit.clock import SystemClock
    from trademantra.trading.accounts.secret_files import open_box
    from trademantra.trading.house.house import open_house
    from trademantra.trading.house.parts import HouseParts, Wanted

    wall = SystemClock()
    accounts: dict[str, Account] = {}
    for each in planned:
        accounts |= await _accounts(database, each.account_id, wants_live=each.wants_live)
    for name in served:
        accounts |= await _accounts(database, name, wants_live=None)
    clock = _clock(accounts.values(), wall)
    specs = [await spec_of(each, accounts[each.account_id], database, home, clock) for each in planned]
    parts = HouseParts(
        home=home, database=database, box=open_box(home, os.environ), clock=clock, wall=wall, random=SystemRandom(),
        say=_say, plan=_plan_later(database, home, clock),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(parts, Wanted(accounts, specs, served)))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, house.stop)
        sessions = list(house.sessions.values())
        _say("running; Ctrl-C ends the strategies, tm desk kill stops everything")
        await house.run()
        if house.rooms:
            _say("ending: entries are taken back, exits stay armed")
        else:  # each was told when another process took it over
            _say("ending: orders and positions are left as they are, for whoever serves the account now")
    _summary(sessions, as_json=as_json)


def _summary(sessions: "Sequence[StrategySession]", *, as_json: bool) -> None:
    """What came of each session, and how to go on with it."""
    import json
    from dataclasses import asdict

    made = []
    for session in sessions:
        trades = session.trades
        net, costs = sum(trade.net for trade in trades), sum(trade.costs for trade in trades)
        spec = session.spec
        made.append(
            {
                "session": spec.session_id, "account": spec.account_id, "strategy": spec.strategy.name,
                "trades": [asdict(trade) | {"reason": trade.reason.name.lower()} for trade in trades],
                "net": round(net, 2), "charges": round(costs, 2), "stopped": sorted(session.stopped),
            }
        )  # fmt: skip
        _say(
            f"{spec.account_id} {spec.strategy.name}: {counted(len(trades), 'trade')}, net {net:.2f}, charges {costs:.2f}; "
            f"session {spec.session_id}"
        )
    if as_json:
        typer.echo(json.dumps({"sessions": made}, allow_nan=False))


async def _accounts(
    database: "Database", account_id: str, *, wants_live: bool | None
) -> "dict[str, Account]":
    """The account and those whose prices it hears.  Errors: `NotFoundError`, `InvalidValueError`."""
    from trademantra.trading.accounts.account import OWN
    from trademantra.trading.accounts.settings import AccountMode, Broker
    from trademantra.trading.accounts.store import AccountStore

    store = AccountStore(database)
    account = await store.get_open(account_id)
    if wants_live is True and account.mode is not AccountMode.LIVE:
        raise InvalidValueError(
            f"account {account_id} is on paper", hint=f"tm paper … --account {account_id}"
        )
    if wants_live is False and account.mode is not AccountMode.PAPER:
        raise InvalidValueError(f"account {account_id} is live", hint="tm live …, or a paper account")
    found = {account_id: account}
    for name in account.prices_from:
        found[name] = account if name == account_id else await store.get_open(name)
    if account.broker is Broker.PAPER and OWN in account.data_sources:
        raise InvalidValueError(
            f"paper account {account_id} has no prices of its own",
            hint=f"tm account set {account_id} data_source=NAME of an account whose feed it hears",
        )
    return found


def _plan_later(database: "Database", home: Path, clock: "Clock") -> "SessionPlan":
    """How the desk reads what `tm desk start` asks for."""
    from trademantra.cli.desk_run import planned_from

    async def plan(account: "Account", table: "Mapping[str, object]") -> "SessionSpec":
        words = dict(table) | {"account": account.account_id}
        return await spec_of(
            planned_from(Path("tm desk start"), 1, words, home), account, database, home, clock
        )

    return plan


def _clock(accounts: "Iterable[Account]", wall: "Clock") -> "Clock":
    """The wall's, or that of the sandbox that one of the accounts trades at."""
    from trademantra.trading.accounts.sandbox_clock import clock_of

    clocks = [clock_of(account, wall) for account in accounts]
    return next((clock for clock in clocks if clock is not wall), wall)


def _say(text: str) -> None:
    """One line with the time, at once."""
    import sys
    from datetime import datetime

    from trademantra.core.time import IST

    typer.echo(f"{datetime.now(IST):%H:%M:%S} {text}")
    sys.stdout.flush()
