"""`tm paper`: a strategy on paper, through the whole desk; over stored bars, or on the prices of now."""

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli import run_options as o
from trademantra.cli.places import DatabaseOption
from trademantra.cli.text_files import text_of
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Segment
from trademantra.core.time import NANOSECONDS_PER_SECOND

if TYPE_CHECKING:
    import asyncio

    from trademantra.trading.risk.limits import RiskLimits
    from trademantra.trading.session.plan import ReplayPlan
    from trademantra.trading.session.replay import ReplayOutcome

_EPILOG = (
    "Examples: [bold]tm paper supertrend --replay ~/.trademantra --symbol INFY[/bold] · "
    "[bold]tm paper supertrend --replay bars.parquet --timeframe 5m --stop 1% --speed 60[/bold] · "
    "[bold]tm paper my_strategy.py --replay ~/.trademantra --json[/bold]"
)
_LONGEST_WAIT = 1.0  # seconds: a night takes no longer when it is watched


def register(app: typer.Typer) -> None:
    """Add `paper` to the commands."""
    app.command(rich_help_panel="Trade", epilog=_EPILOG)(paper)


def paper(
    strategy: o.StrategyName,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay",
            metavar="PATH",
            help="Intraday bars: a file, a bar store or a data folder.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(
            min=0,
            max=1_000_000,
            help="60 plays a minute in a second; 0 as fast as it goes.",
            rich_help_panel=o.DATA,
        ),
    ] = 0.0,
    symbol: o.SymbolOption = None,
    timeframe: o.TimeframeOption = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DATE",
            help="First day that is played; default: the last day. Earlier bars warm up.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    last: o.LastOption = None,
    exchange: o.ExchangeOption = None,
    timezone: o.TimezoneOption = None,
    raw: o.RawOption = False,
    data_dir: o.DataDirOption = None,
    settings: o.SetOption = None,
    cash: o.CashOption = 1_000_000.0,
    costs: o.CostsOption = "none",
    slippage: o.SlippageOption = "none",
    limit_fill: o.LimitFillOption = o.LimitFill.THROUGH,
    size: o.SizeOption = None,
    stop: o.StopOption = None,
    target: o.TargetOption = None,
    trail: o.TrailOption = None,
    short: o.ShortOption = None,
    lot: o.LotOption = None,
    tick: Annotated[
        str,
        typer.Option(
            "--tick", help="Price step of the instruments: orders lie on it.", rich_help_panel=o.TRADING
        ),
    ] = "0.05",
    margin: o.MarginOption = None,
    participation: o.ParticipationOption = 0.0,
    time_exit: o.TimeExitOption = None,
    intraday: o.IntradayOption = False,
    account: Annotated[
        str | None,
        typer.Option(
            "--account",
            metavar="NAME",
            help="A paper account: trade on the prices of now, until Ctrl-C.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            metavar="NAME",
            help="With --account: go on with one that was interrupted.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    database: DatabaseOption = None,
    limits: Annotated[
        Path | None,
        typer.Option(
            "--limits", metavar="FILE", help="Risk limits in JSON; docs/risk.md.", rich_help_panel=o.TRADING
        ),
    ] = None,
    start_seconds: Annotated[
        float,
        typer.Option(
            "--start-seconds",
            metavar="N",
            help="With --replay: so long a strategy may take to load and warm up.",
            rich_help_panel=o.TRADING,
        ),
    ] = 30.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="The last line is one JSON object.", rich_help_panel=o.OUTPUT)
    ] = False,
) -> None:
    """Trade a strategy on paper through the whole desk: risk gate, journal, orders, simulated exchange.

    With --replay the prices are stored bars; what came of it is kept as a session, which `tm parity` compares with a
    back-test of the same prices.
    """
    from trademantra.cli.backtest import announce_compilation
    from trademantra.cli.replay_plan import replay_plan
    from trademantra.data.home import chosen_home

    if replay is None and account is None:
        raise InvalidValueError(
            "name the prices to trade on",
            hint="--replay PATH, a file of bars or a bar store; or --account NAME for the prices of now",
        )
    if replay is None:
        from trademantra.cli.live import run_desk
        from trademantra.cli.planned_session import Planned, SessionOptions, live_options

        words = SessionOptions(
            symbol=symbol, timeframe=timeframe, settings=settings, cash=cash, costs=costs, size=size, stop=stop,
            target=target, trail=trail, short=short,
        )  # fmt: skip
        chosen = live_options(strategy, words, data_dir, margin=margin, time_exit=time_exit)
        planned = Planned(chosen, str(account), session, False)
        run_desk(chosen_home(data_dir), [planned], database, as_json=as_json)
        return
    if account is not None:
        raise InvalidValueError("--replay and --account are two markets", hint="leave one of them out")
    announce_compilation()
    tick_size = _tick(tick)
    options = o.RunOptions(
        strategy=strategy, bars=(), symbols=tuple(symbol or ()), timeframe=timeframe, first=first, last=last,
        exchange=exchange, timezone=timezone, raw=raw, data_dir=data_dir, settings=tuple(settings or ()), cash=cash,
        costs=costs, fill=o.Fill.NEXT_OPEN, limit_fill=limit_fill, slippage=slippage, size=size, stop=stop, target=target,
        trail=trail, short=short, lot=lot, tick=float(tick_size), margin=margin, participation=participation, time_exit=time_exit,
        segment=Segment.EQUITY, intraday=intraday, risk_free=0.0, benchmark=None,
    )  # fmt: skip
    folder, session_id = _new_session(chosen_home(data_dir) / "sessions", strategy)
    plan, notes = replay_plan(
        options,
        replay.expanduser(),
        session_id=session_id,
        folder=folder,
        tick_size=tick_size,
        limits=_limits(limits),
    )
    outcome = _play(plan, speed, start_seconds)
    if as_json:
        import json

        from trademantra.cli.paper_view import outcome_object

        typer.echo(json.dumps(outcome_object(plan, outcome, notes), allow_nan=False))
    else:
        from trademantra.cli.paper_view import show

        show(plan, outcome, notes)
    if outcome.stopped:
        raise typer.Exit(1)


def _play(plan: "ReplayPlan", speed: float, start_seconds: float) -> "ReplayOutcome":
    import asyncio
    import shutil

    from trademantra.cli.progress import counted
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.runner.settings import RunnerSettings
    from trademantra.trading.session.parity import STRATEGY_FILE
    from trademantra.trading.session.replay import ReplaySession
    from trademantra.trading.session.trades import write_trades

    plan.folder.mkdir(parents=True, exist_ok=True)
    if plan.strategy.is_file:
        shutil.copyfile(plan.strategy.path, plan.folder / STRATEGY_FILE)
    try:
        with counted(f"{plan.strategy.name} on paper") as progress:
            runner = RunnerSettings(loading_seconds=start_seconds)
            session = ReplaySession(plan, SystemClock(), runner=runner, progress=progress, pace=_pace(speed))
            outcome = asyncio.run(session.run())
    except KeyboardInterrupt:
        shutil.rmtree(plan.folder, ignore_errors=True)
        typer.echo("interrupted: nothing of this replay is kept; the same command plays it again", err=True)
        raise
    write_trades(plan.folder, outcome.trades)
    return outcome


def _pace(speed: float) -> "Callable[[int], asyncio.Future[None] | None]":
    """Waits until a step is due at a multiple of its own time."""
    import asyncio

    if speed == 0.0:
        return lambda at_ns: None
    due, before = time.monotonic(), 0

    def wait(at_ns: int) -> "asyncio.Future[None] | None":
        nonlocal due, before
        if before:
            due = max(due, time.monotonic() - _LONGEST_WAIT)
            due += min((at_ns - before) / NANOSECONDS_PER_SECOND / speed, _LONGEST_WAIT)
        before = at_ns
        left = due - time.monotonic()
        return asyncio.ensure_future(asyncio.sleep(left)) if left > 0.0 else None

    return wait


def _new_session(root: Path, strategy: str) -> tuple[Path, str]:
    """A name that nobody has: the day, the strategy, and a mark."""
    import secrets
    from datetime import datetime

    from trademantra.core.time import IST

    name = Path(strategy).stem.lower()
    session_id = f"{datetime.now(IST):%Y%m%d-%H%M%S}-{name[:24]}-{secrets.token_hex(2)}"
    return root / session_id, session_id


def _tick(text: str) -> Decimal:
    from trademantra.core.money import decimal_of

    tick = decimal_of(text, "--tick")
    if tick <= 0:
        raise InvalidValueError(f"--tick {text} is no price step", hint="write 0.05, or 0.01")
    return tick


def _limits(file: Path | None) -> "RiskLimits":
    from trademantra.trading.risk.limits import RiskLimits
    from trademantra.trading.risk.limits_json import limits_from_json

    if file is None:
        return RiskLimits()
    return limits_from_json(text_of(file, hint="docs/risk.md shows a file"))
