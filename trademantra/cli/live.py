"""`tm live`, and `tm paper` on the prices of now: one strategy at a running desk, until Ctrl-C."""

import asyncio
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli import run_options as o
from trademantra.cli.places import DatabaseOption, opened
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Segment
from trademantra.core.order import Product
from trademantra.core.plural import counted

if TYPE_CHECKING:
    from trademantra.core.time import Clock
    from trademantra.engine.backtest import Strategy
    from trademantra.engine.records import RecordArray
    from trademantra.kit.database import Database
    from trademantra.trading.accounts.account import Account
    from trademantra.trading.house.parts import SessionPlan
    from trademantra.trading.house.session_spec import SessionSpec
    from trademantra.trading.house.strategies import StrategySession

_EPILOG = (
    "Examples: [bold]tm live supertrend --account asha --symbol INFY --timeframe 5m --costs zerodha:MIS[/bold] · "
    "[bold]tm live orb.py --account asha --symbol NSE:TCS --size risk:0.005 --stop 0.5%[/bold]"
)
_BEFORE_BROKER = 5  # minutes before the broker's own square-off, which costs extra


def register(app: typer.Typer) -> None:
    """Add `live` to the commands."""
    app.command(rich_help_panel="Trade", epilog=_EPILOG)(live)


def live(
    strategy: o.StrategyName,
    account: Annotated[
        str, typer.Option("--account", metavar="NAME", help="The account; tm account list shows them.")
    ],
    symbol: o.SymbolOption = None,
    timeframe: o.TimeframeOption = "5m",
    settings: o.SetOption = None,
    cash: o.CashOption = 1_000_000.0,
    costs: o.CostsOption = "zerodha:MIS",
    size: o.SizeOption = None,
    stop: o.StopOption = None,
    target: o.TargetOption = None,
    trail: o.TrailOption = None,
    short: o.ShortOption = None,
    margin: o.MarginOption = None,
    time_exit: o.TimeExitOption = None,
    session: Annotated[
        str | None,
        typer.Option("--session", metavar="NAME", help="Go on with a session that was interrupted."),
    ] = None,
    data_dir: o.DataDirOption = None,
    database: DatabaseOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The last line is one JSON object.", rich_help_panel=o.OUTPUT)
    ] = False,
) -> None:
    """Trade a strategy with real orders, through the desk: readiness, go-live gate, risk limits, journal, broker.

    It runs until Ctrl-C: then it decides no more, entries are taken back, and what is held stays protected by the orders
    that rest at the broker.  `tm desk kill` stops it from another terminal, `tm desk status` shows it.
    """
    from trademantra.data.home import chosen_home

    options = live_options(
        strategy,
        symbol,
        timeframe,
        settings,
        cash,
        costs,
        size,
        stop,
        target,
        trail,
        short,
        margin,
        time_exit,
        data_dir,
    )
    run_desk(chosen_home(data_dir), [Planned(options, account, session, True)], database, as_json=as_json)


def live_options(
    strategy: str,
    symbol: list[str] | None,
    timeframe: str | None,
    settings: list[str] | None,
    cash: float,
    costs: str,
    size: str | None,
    stop: str | None,
    target: str | None,
    trail: str | None,
    short: bool | None,
    margin: float | None,
    time_exit: int | None,
    data_dir: Path | None,
) -> o.RunOptions:
    """The words of a session on the prices of now.  Errors: `InvalidValueError` where something must be said."""
    names = tuple(name.strip() for each in symbol or () for name in each.split(",") if name.strip())
    if not names:
        raise InvalidValueError(
            "name the instruments", hint="--symbol INFY, or --symbol NSE:INFY; may be repeated"
        )
    return o.RunOptions(
        strategy=strategy, bars=(), symbols=names, timeframe=timeframe or "5m", first=None, last=None, exchange=None,
        timezone=None, raw=False, data_dir=data_dir, settings=tuple(settings or ()), cash=cash, costs=costs,
        fill=o.Fill.NEXT_OPEN, limit_fill=o.LimitFill.THROUGH, slippage="none", size=size, stop=stop, target=target,
        trail=trail, short=short, lot=None, tick=None, margin=margin, participation=0.0, time_exit=time_exit,
        segment=Segment.EQUITY, intraday=False, risk_free=0.0, benchmark=None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planned:
    """One strategy of a desk, in the words of the command line.  `session`: one that was interrupted.

    `wants_live`: the mode that its account must have, None for either.  `leave`, `first_entry` and `last_entry`: times of
    the day.
    """

    options: o.RunOptions
    account_id: str
    session: str | None = None
    wants_live: bool | None = None
    leave: time | None = None
    last_entry: time | None = None
    first_entry: time | None = None


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
    specs = [await _wanted(each, accounts[each.account_id], database, home, clock) for each in planned]
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
        _say("ending: entries are taken back, exits stay armed")
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
    """The account and the one whose prices it hears.  Errors: `NotFoundError`, `InvalidValueError`."""
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
    if account.data_source != OWN:
        found[account.data_source] = await store.get_open(account.data_source)
    elif account.broker is Broker.PAPER:
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
        return await _wanted(
            planned_from(Path("tm desk start"), 1, words, home), account, database, home, clock
        )

    return plan


def _clock(accounts: "Iterable[Account]", wall: "Clock") -> "Clock":
    """The wall's, or that of the sandbox that one of the accounts trades at."""
    from trademantra.trading.accounts.sandbox_clock import clock_of

    clocks = [clock_of(account, wall) for account in accounts]
    return next((clock for clock in clocks if clock is not wall), wall)


async def _wanted(
    planned: Planned, account: "Account", database: "Database", home: Path, clock: "Clock"
) -> "SessionSpec":
    """The session of one strategy.  Errors: those of its words; where it may not trade live yet, why."""
    from trademantra.core.errors import TradeMantraError
    from trademantra.trading.accounts.store import AccountStore
    from trademantra.trading.go_live_overrides import GoLiveGate, GoLiveOverrides
    from trademantra.trading.record.store import RecordStore

    spec = _spec(planned, clock)
    gate = GoLiveGate(RecordStore(database), AccountStore(database), GoLiveOverrides(home))
    reason = await gate.why_not_live(account, spec.strategy.name, spec.parameters_hash)
    if reason is not None:
        raise TradeMantraError(
            reason, hint=f"tm account go-live {spec.strategy.name} --account {planned.account_id}"
        )
    return spec


def _spec(planned: Planned, clock: "Clock") -> "SessionSpec":
    import secrets
    from dataclasses import replace

    from trademantra.core.time import ist_date
    from trademantra.engine.backtest import is_intraday
    from trademantra.engine.panel import AllocationStrategy
    from trademantra.engine.rules import Level, Size
    from trademantra.engine.strategy import SignalStrategy
    from trademantra.trading.house.daily_session import check_daily
    from trademantra.trading.house.session_spec import SessionSpec
    from trademantra.trading.runner.spec import StrategySource

    options = planned.options
    strategy = options.load_strategy()
    timeframe = Timeframe.parse(options.timeframe or "5m")
    broker, _, word = options.costs.partition(":")
    product = Product(word.upper()) if word else Product.MIS
    changes: dict[str, object] = {
        "cash": options.cash, "as_live": True, "lot": 1.0, "tick": 0.05,
        "size": None if options.size is None else Size.parse(options.size),
        "stop": None if options.stop is None else Level.parse(options.stop),
        "target": None if options.target is None else Level.parse(options.target),
        "trail": None if options.trail is None else Level.parse(options.trail),
        "allow_short": options.short, "margin": options.margin, "time_exit": options.time_exit,
    }  # fmt: skip
    rules = replace(strategy.rules, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]
    intraday = is_intraday(strategy) or product is Product.MIS
    today = ist_date(clock.now_ns())
    values = options.parameters()
    leave = _leave_minute(broker, options.symbols[0], today) if intraday else None
    if isinstance(strategy, AllocationStrategy) and (planned.first_entry or planned.last_entry):
        raise InvalidValueError(
            f"{strategy.name} keeps target weights: it has no entries that first_entry or last_entry could hold back",
            hint="leave them out",
        )
    if planned.leave is not None:  # never after the broker's own
        leave = _since_open(planned.leave) if leave is None else min(leave, _since_open(planned.leave))
    made = SessionSpec(
        session_id=planned.session
        or f"{today:%Y%m%d}-{Path(options.strategy).stem.lower()[:24]}-{secrets.token_hex(3)}",
        account_id=planned.account_id,
        strategy=StrategySource.file(options.strategy)
        if options.strategy.endswith(".py")
        else StrategySource.shipped(options.strategy),
        symbols=options.symbols,
        timeframe=timeframe,
        values=values,
        rules=rules,
        product=product,
        alone=isinstance(strategy, SignalStrategy),
        weights=isinstance(strategy, AllocationStrategy),
        warm_up_bars=_longest(strategy, values),
        leave_minute=leave,
        last_entry_minute=None if planned.last_entry is None else _since_open(planned.last_entry),
        first_entry_minute=None if planned.first_entry is None else _since_open(planned.first_entry),
        begins_minute=_begins_minute(strategy),
        charges=_charges(broker, product, today),
    )
    check_daily(made)
    first, ends = made.first_entry_minute, made.last_entry_minute or made.leave_minute
    if first is not None and ends is not None and first >= ends:
        raise InvalidValueError(
            f"nothing could be entered: first_entry {planned.first_entry} is not before last_entry, or before positions leave",
            hint="give an earlier first_entry",
        )
    return made


def _longest(strategy: "Strategy", values: dict[str, float]) -> int:
    from trademantra.engine.strategy import SignalStrategy

    return strategy.warm_up(strategy.values(values)) if isinstance(strategy, SignalStrategy) else 0


def _begins_minute(strategy: "Strategy") -> int:
    """The first moment of its day, in minutes since the open; below zero before it."""
    return min((0, *strategy.times)) if isinstance(strategy, type) else 0


def _leave_minute(broker: str, symbol: str, today: date) -> int:
    """Some minutes before the broker squares off by itself, counted from 09:15."""
    from trademantra.core.errors import InvalidValueError as Unknown
    from trademantra.core.errors import MissingFactError
    from trademantra.markets.sessions import square_off_time
    from trademantra.research.inputs import instrument_of

    instrument = instrument_of("NSE", symbol.rpartition(":")[2], Segment.EQUITY)
    try:
        leave = square_off_time(broker, instrument, today)
    except (MissingFactError, Unknown):
        leave = square_off_time("default", instrument, today)
    return leave.hour * 60 + leave.minute - (9 * 60 + 15) - _BEFORE_BROKER


def _since_open(at: time) -> int:
    """Minutes from 09:15."""
    return at.hour * 60 + at.minute - (9 * 60 + 15)


def _charges(broker: str, product: Product, today: date) -> "RecordArray | None":
    from trademantra.core.instrument import Exchange
    from trademantra.markets.charges.numeric import numeric_rules
    from trademantra.markets.charges.orders import AssetKind

    if broker == "none":
        return None
    return numeric_rules(
        broker,
        Segment.EQUITY,
        product,
        Exchange.NSE,
        symbol="",
        kind=AssetKind.SHARE,
        first=today,
        last=today,
    )


def _say(text: str) -> None:
    """One line with the time, at once."""
    import sys
    from datetime import datetime

    from trademantra.core.time import IST

    typer.echo(f"{datetime.now(IST):%H:%M:%S} {text}")
    sys.stdout.flush()
