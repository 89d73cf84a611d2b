"""`tm backtest`: one strategy on real bars, with costs, in one line."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli import run_options as o
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Segment

if TYPE_CHECKING:
    from trademantra.engine.backtest import BacktestInput, BacktestResult, Strategy
    from trademantra.engine.strategy import SignalStrategy
    from trademantra.reports.context import RunContext
    from trademantra.research.inputs import Prepared

_EPILOG = (
    "Examples: [bold]tm backtest supertrend --bars RELIANCE --timeframe 15m --costs zerodha:MIS[/bold] · "
    "[bold]tm backtest sma_cross --bars prices.csv --set fast=10 --stop 2% --html report.html[/bold] · "
    "[bold]tm backtest supertrend --bars RELIANCE --timeframe 15m --finer-timeframe 1m --stop 1% --target 2%[/bold]"
)


def register(app: typer.Typer) -> None:
    """Add `backtest` to the commands."""
    app.command(rich_help_panel="Research", epilog=_EPILOG)(backtest)


def backtest(
    strategy: o.StrategyName,
    bars: o.BarsOption = None,
    symbol: o.SymbolOption = None,
    timeframe: o.TimeframeOption = None,
    first: o.FirstOption = None,
    last: o.LastOption = None,
    exchange: o.ExchangeOption = None,
    timezone: o.TimezoneOption = None,
    raw: o.RawOption = False,
    finer: o.FinerOption = None,
    finer_timeframe: o.FinerTimeframeOption = None,
    data_dir: o.DataDirOption = None,
    settings: o.SetOption = None,
    cash: o.CashOption = 1_000_000.0,
    costs: o.CostsOption = "none",
    fill: o.FillOption = o.Fill.NEXT_OPEN,
    limit_fill: o.LimitFillOption = o.LimitFill.THROUGH,
    slippage: o.SlippageOption = "none",
    size: o.SizeOption = None,
    stop: o.StopOption = None,
    target: o.TargetOption = None,
    trail: o.TrailOption = None,
    short: o.ShortOption = None,
    lot: o.LotOption = None,
    tick: o.TickOption = None,
    margin: o.MarginOption = None,
    participation: o.ParticipationOption = 0.0,
    time_exit: o.TimeExitOption = None,
    segment: o.SegmentOption = Segment.EQUITY,
    intraday: o.IntradayOption = False,
    risk_free: o.RiskFreeOption = 0.0,
    benchmark: o.BenchmarkOption = None,
    as_json: o.JsonOption = False,
    curve: Annotated[
        bool, typer.Option("--curve", help="With --json: the equity curve too.", rich_help_panel=o.OUTPUT)
    ] = False,
    trades: Annotated[
        Path | None,
        typer.Option("--trades", metavar="FILE.csv", help="Write the trades.", rich_help_panel=o.OUTPUT),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write a report that opens offline.", rich_help_panel=o.OUTPUT
        ),
    ] = None,
) -> None:
    """Run a strategy on bars: fills at the next open, costs to the paisa, every assumption stated.

    A strategy of one instrument runs once for each symbol that is named, each with the full cash.
    """
    options = o.RunOptions(
        strategy=strategy, bars=tuple(bars or ()), symbols=tuple(symbol or ()), timeframe=timeframe, first=first,
        last=last, exchange=exchange, timezone=timezone, raw=raw, data_dir=data_dir, settings=tuple(settings or ()),
        cash=cash, costs=costs, fill=fill, limit_fill=limit_fill, slippage=slippage, size=size, stop=stop,
        target=target, trail=trail, short=short, lot=lot, tick=tick, margin=margin, participation=participation,
        time_exit=time_exit, segment=segment, intraday=intraday, risk_free=risk_free, benchmark=benchmark,
        finer=tuple(finer or ()), finer_timeframe=finer_timeframe,
    )  # fmt: skip
    runs = run_each(options)
    if len(runs) > 1 and (trades or html):
        raise InvalidValueError(
            f"--trades and --html take one run, {len(runs)} symbols were run", hint="name one --symbol"
        )
    result, context = runs[0]
    if trades:
        from trademantra.reports.trades_csv import write_trades_csv

        write_trades_csv(trades, result, context)
    if html:
        from trademantra.reports.html.backtest_page import write_backtest_page
        from trademantra.reports.restated_costs import restated_run

        write_backtest_page(html, result, context, restated_run(result, context, segment))
    if as_json:
        import json

        from trademantra.reports.backtest_json import result_object

        objects = [result_object(each, its, curve=curve) for each, its in runs]
        typer.echo(json.dumps(objects if len(objects) > 1 else objects[0], indent=1, allow_nan=False))
        return
    from trademantra.cli.backtest_view import show

    show(runs)
    for written in (trades, html):
        if written:
            typer.echo(f"wrote {written}")


def run_each(options: o.RunOptions) -> "list[tuple[BacktestResult, RunContext]]":
    """The run, or one run a symbol for strategies of one instrument."""
    announce_compilation()
    from dataclasses import replace

    from trademantra.core.order import Product
    from trademantra.engine.backtest import backtest as run
    from trademantra.engine.strategy import SignalStrategy

    strategy = options.load_strategy()
    prepared = options.prepare(strategy)
    rules = options.rules(strategy, prepared)
    if prepared.product in (Product.CNC, Product.MTF) and rules.allow_short:
        note = f"{prepared.product} cannot be sold short overnight in India: shorts of this run are not possible live"
        prepared = replace(prepared, notes=(*prepared.notes, note))
    inputs = [prepared.given]
    if isinstance(strategy, SignalStrategy) and len(prepared.given.bars) > 1:
        inputs = [_alone(prepared.given, name) for name in prepared.given.bars]
    results = [run(strategy, given, options.parameters(), rules) for given in inputs]
    if options.size is not None and any(result.own_sizes for result in results):
        note = f"{strategy.name} sizes its entries itself: --size {options.size} did not change them"
        prepared = replace(prepared, notes=(*prepared.notes, note))
    return [(result, context_of(strategy, prepared, options, result.symbols)) for result in results]


def _alone(given: "BacktestInput", name: str) -> "BacktestInput":
    """The input of one symbol out of several: its own bars, and the benchmark at their times."""
    from dataclasses import replace

    import numpy as np

    bars = given.bars[name]
    benchmark = given.benchmark
    if benchmark is not None:
        clock = np.unique(np.concatenate([each.ts for each in given.bars.values()]))
        benchmark = benchmark[np.searchsorted(clock, bars.ts)]
    finer = {name: given.finer[name]} if name in given.finer else {}
    timelines = {name: given.timelines[name]}
    return replace(given, bars={name: bars}, timelines=timelines, benchmark=benchmark, finer=finer)


def context_of(
    strategy: "Strategy", prepared: "Prepared", options: o.RunOptions, symbols: tuple[str, ...] = ()
) -> "RunContext":
    """What a report says about a run besides its numbers."""
    from trademantra.reports.context import RunContext

    return RunContext(
        title=strategy.title,
        idea=strategy.idea,
        series=_of(prepared.series, symbols),
        finer=_of(prepared.finer_series, symbols) if len(prepared.given.bars) > 1 else prepared.finer_series,
        timeframe=prepared.timeframe,
        costs=options.costs,
        notes=prepared.notes,
        zone=prepared.zone,
        currency=prepared.currency,
        benchmark=options.benchmark or "",
        command_line=shlex.join(["tm", *sys.argv[1:]]),
    )


def _of(series: tuple[str, ...], symbols: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        each for each in series if not symbols or each.split(":", 1)[1].rpartition(":")[0] in symbols
    )


def only_signal(strategy: "Strategy", what: str) -> "SignalStrategy":
    """The strategy if it is a compiled rule on one instrument.  Errors: `InvalidValueError`."""
    from trademantra.engine.strategy import SignalStrategy

    if not isinstance(strategy, SignalStrategy):
        raise InvalidValueError(
            f"{what} runs signal strategies, {strategy.name} is of another kind",
            hint="tm optimise runs every kind",
        )
    return strategy


def announce_compilation() -> None:
    """Say why the very first run takes long: the engine is compiled once, then kept on disk."""
    from trademantra.engine.compile import is_compiled

    if not is_compiled():
        typer.echo("compiling the engine (once after an install or update, about 20 seconds) …", err=True)
