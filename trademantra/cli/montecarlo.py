"""`tm montecarlo`: what else could have happened to a strategy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli import run_options as o
from trademantra.core.instrument import Segment

if TYPE_CHECKING:
    from rich.console import Console

    from trademantra.engine.backtest import BacktestResult, Strategy
    from trademantra.engine.validation.monte_carlo import Simulated
    from trademantra.engine.validation.random_entry import RandomEntry
    from trademantra.research.inputs import Prepared

_EPILOG = (
    "Example: [bold]tm montecarlo supertrend --bars RELIANCE --timeframe 15m --costs zerodha:MIS --paths 10000 "
    "--seed 7[/bold]"
)
_PANEL = "Validation"
_FRACTIONS = frozenset({"max_drawdown", "total_return", "cagr"})
_SHOWN = (5.0, 25.0, 50.0, 75.0, 95.0)


def register(app: typer.Typer) -> None:
    """Add `montecarlo` to the commands."""
    app.command(rich_help_panel="Research", epilog=_EPILOG)(montecarlo)


def montecarlo(
    strategy: o.StrategyName,
    paths: Annotated[
        int, typer.Option("--paths", min=1, max=1_000_000, help="How many histories.", rich_help_panel=_PANEL)
    ] = 10_000,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, help="The same seed gives the same result.", rich_help_panel=_PANEL),
    ] = 7,
    block: Annotated[
        float,
        typer.Option(
            "--block",
            min=0.0,
            help="Mean block of sessions; 0: their cube root.",
            rich_help_panel=_PANEL,
        ),
    ] = 0.0,
    ruin: Annotated[
        float,
        typer.Option("--ruin", help="Loss of opening cash that counts as ruin.", rich_help_panel=_PANEL),
    ] = 0.5,
    jitter: Annotated[
        float,
        typer.Option(
            "--jitter",
            min=0.0,
            max=100.0,
            help="Vary parameters by so many percent; 0: not.",
            rich_help_panel=_PANEL,
        ),
    ] = 20.0,
    variants: Annotated[
        int,
        typer.Option(
            "--variants", min=1, max=100_000, help="How many parameter sets.", rich_help_panel=_PANEL
        ),
    ] = 300,
    bars: o.BarsOption = None,
    symbol: o.SymbolOption = None,
    timeframe: o.TimeframeOption = None,
    first: o.FirstOption = None,
    last: o.LastOption = None,
    exchange: o.ExchangeOption = None,
    timezone: o.TimezoneOption = None,
    raw: o.RawOption = False,
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
    as_json: o.JsonOption = False,
) -> None:
    """How much of a result is luck: trades in another order, other histories, other parameters, random entries."""
    from trademantra.cli.backtest import announce_compilation
    from trademantra.engine.backtest import backtest

    announce_compilation()
    options = o.RunOptions(
        strategy=strategy, bars=tuple(bars or ()), symbols=tuple(symbol or ()), timeframe=timeframe, first=first,
        last=last, exchange=exchange, timezone=timezone, raw=raw, data_dir=data_dir, settings=tuple(settings or ()),
        cash=cash, costs=costs, fill=fill, limit_fill=limit_fill, slippage=slippage, size=size, stop=stop,
        target=target, trail=trail, short=short, lot=lot, tick=tick, margin=margin, participation=participation,
        time_exit=time_exit, segment=segment, intraday=intraday, risk_free=risk_free, benchmark=None,
    )  # fmt: skip
    chosen = options.load_strategy()
    prepared = options.prepare(chosen)
    result = backtest(chosen, prepared.given, options.parameters(), options.rules(chosen, prepared))
    simulated, entries, notes = _simulate(chosen, result, paths, seed, block, ruin, jitter / 100.0, variants)
    notes += prepared.notes
    if as_json:
        import json

        typer.echo(json.dumps(_object(result, seed, simulated, entries, notes), indent=1, allow_nan=False))
        return
    _show(result, prepared, simulated, entries, notes)


def _simulate(
    strategy: "Strategy",
    result: "BacktestResult",
    paths: int,
    seed: int,
    block: float,
    ruin: float,
    jitter: float,
    variants: int,
) -> "tuple[dict[str, Simulated], RandomEntry | None, tuple[str, ...]]":
    """Every method that the run allows, and why the others were left out.  Each has a generator of its own."""
    import numpy as np

    from trademantra.cli.progress import counted
    from trademantra.engine.metrics import session_returns
    from trademantra.engine.strategy import SignalStrategy
    from trademantra.engine.validation.monte_carlo import (
        bootstrap_sessions,
        jitter_parameters,
        shuffle_trades,
        trade_returns,
    )
    from trademantra.engine.validation.random_entry import LEAST_TRADES, random_entry_test

    given, cash = result.given, result.rules.cash
    streams = np.random.SeedSequence(seed).spawn(4)
    one, two, three, four = (np.random.default_rng(stream) for stream in streams)
    made: dict[str, Simulated] = {}
    notes: list[str] = []
    entries: RandomEntry | None = None
    if len(result.trades) >= LEAST_TRADES:
        made["trade_shuffle"] = shuffle_trades(trade_returns(result.trades, cash), paths, one, ruin)
        entries = random_entry_test(result, paths, two)
    else:
        notes.append(
            f"{len(result.trades)} closed trades: too few to shuffle or to compare with random entries"
        )
    made["session_bootstrap"] = bootstrap_sessions(
        session_returns(result.curve, result.ends, cash), paths, three, block=block,
        sessions_per_year=given.sessions_per_year, risk_free_rate=given.risk_free_rate, ruin=ruin,
    )  # fmt: skip
    if jitter > 0.0 and isinstance(strategy, SignalStrategy) and strategy.parameters:
        with counted("parameter sets") as progress:
            made["parameter_jitter"] = jitter_parameters(
                strategy, given, result.parameters, variants, four, spread=jitter, rules=result.rules, progress=progress,
            )  # fmt: skip
    elif jitter > 0.0:
        notes.append("parameters are varied for signal strategies only")
    return made, entries, tuple(notes)


def _object(
    result: "BacktestResult",
    seed: int,
    simulated: "Mapping[str, Simulated]",
    entries: "RandomEntry | None",
    notes: tuple[str, ...],
) -> dict[str, object]:
    """The JSON schema `trademantra.montecarlo/1` (docs/validation.md)."""
    from trademantra.reports.json_values import number

    return {
        "schema": "trademantra.montecarlo/1",
        "strategy": result.strategy,
        "symbols": list(result.symbols),
        "parameters": dict(result.parameters),
        "seed": seed,
        "methods": {
            key: {
                "method": one.method,
                "paths": one.paths,
                "probability_of_loss": number(one.probability_of_loss),
                "probability_of_ruin": number(one.probability_of_ruin),
                "ruin": one.ruin,
                "actual": {name: number(value) for name, value in one.actual.items()},
                "percentiles": {
                    name: {f"{level:g}": number(value) for level, value in row.items()}
                    for name, row in one.percentiles().items()
                },
            }
            for key, one in simulated.items()
        },
        "random_entry": entries
        and {
            "paths": len(entries.mean_returns),
            "trades": entries.trades,
            "mean_trade_return": number(entries.actual),
            "mean_random_return": number(float(entries.mean_returns.mean())),
            "p_value": number(entries.p_value),
        },
        "notes": list(notes),
    }


def _show(
    result: "BacktestResult",
    prepared: "Prepared",
    simulated: "Mapping[str, Simulated]",
    entries: "RandomEntry | None",
    notes: tuple[str, ...],
) -> None:
    from rich.console import Console

    from trademantra.cli.backtest_view import percent

    console = Console()
    parameters = ", ".join(f"{name}={value:g}" for name, value in result.parameters.items())
    console.print(
        f"{result.strategy} {parameters} · {', '.join(prepared.series[:4])} · {len(result.trades):,} trades in "
        f"{result.metrics.sessions:,} sessions",
        highlight=False,
        markup=False,
    )
    for one in simulated.values():
        _table(console, one)
    if entries is not None:
        better = "better than chance" if entries.p_value < 0.05 else "not better than chance"
        console.print(
            f"random entry: the average trade made {percent(entries.actual)}, entered at random "
            f"{percent(float(entries.mean_returns.mean()))}; p = {entries.p_value:.4f}, {better}",
            highlight=False,
        )
    for note in notes:
        console.print(f"note: {note}", style="yellow", markup=False, highlight=False)


def _table(console: "Console", one: "Simulated") -> None:
    from rich.table import Table

    from trademantra.cli.backtest_view import number, percent

    table = Table("", title=f"{one.method}, {one.paths:,} paths", title_justify="left")
    for level in _SHOWN:
        table.add_column(f"{level:g} %", justify="right")
    table.add_column("the run", justify="right")
    for name, row in one.percentiles().items():
        cells = [row[level] for level in _SHOWN] + [one.actual[name]]
        fraction = name in _FRACTIONS
        whole = name not in _FRACTIONS and name != "sharpe"
        table.add_row(
            name.replace("_", " "),
            *(
                percent(cell) if fraction else f"{cell:,.0f}" if whole and cell == cell else number(cell)
                for cell in cells
            ),
        )
    console.print(table)
    known = one.probability_of_ruin == one.probability_of_ruin
    ruin = f", of losing {one.ruin:.0%} of the opening cash on the way {percent(one.probability_of_ruin)}"
    console.print(
        f"probability of a loss {percent(one.probability_of_loss)}{ruin if known else ''}", highlight=False
    )
