"""`tm sweep`: every combination of some parameters."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli import run_options as o
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Segment

if TYPE_CHECKING:
    from trademantra.engine.strategy import SignalStrategy
    from trademantra.engine.sweep import SweepResult
    from trademantra.engine.validation.luck import Luck
    from trademantra.research.inputs import Prepared

_EPILOG = (
    "Example: [bold]tm sweep sma_cross --bars RELIANCE --grid fast=5:50:5 --grid slow=60:200:10 "
    "--costs zerodha:CNC --objective sharpe --html sweep.html[/bold]"
)
_JUDGED_UNASKED = (
    100_000_000  # bars x combinations that are run a second time for their session returns: seconds
)


def register(app: typer.Typer) -> None:
    """Add `sweep` to the commands."""
    app.command(rich_help_panel="Research", epilog=_EPILOG)(sweep)


def sweep(
    strategy: o.StrategyName,
    grid: Annotated[
        list[str],
        typer.Option(
            "--grid", metavar="NAME=A:B:STEP", help="Values of a parameter, or of stop, target, trail, size."
        ),
    ],
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
    objective: Annotated[
        str, typer.Option("--objective", help="The score to rank by.", rich_help_panel=o.OUTPUT)
    ] = "sharpe",
    top: Annotated[
        int, typer.Option("--top", min=1, help="How many to show.", rich_help_panel=o.OUTPUT)
    ] = 20,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE.parquet", help="Write every combination.", rich_help_panel=o.OUTPUT
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write a report that opens offline.", rich_help_panel=o.OUTPUT
        ),
    ] = None,
    overfitting: Annotated[
        bool | None,
        typer.Option(
            "--overfitting/--no-overfitting",
            help="Judge how much of the best is luck; by default where that takes no longer than a few seconds.",
            rich_help_panel=o.OUTPUT,
        ),
    ] = None,
    as_json: o.JsonOption = False,
) -> None:
    """Run every combination of a grid and rank them: the best of many is luck until it is validated."""
    from trademantra.cli.backtest import announce_compilation, context_of, only_signal
    from trademantra.cli.progress import counted
    from trademantra.engine.sweep import parse_grid
    from trademantra.engine.sweep import sweep as run

    announce_compilation()
    options = o.RunOptions(
        strategy=strategy, bars=tuple(bars or ()), symbols=tuple(symbol or ()), timeframe=timeframe, first=first,
        last=last, exchange=exchange, timezone=timezone, raw=raw, data_dir=data_dir, settings=tuple(settings or ()),
        cash=cash, costs=costs, fill=fill, limit_fill=limit_fill, slippage=slippage, size=size, stop=stop,
        target=target, trail=trail, short=short, lot=lot, tick=tick, margin=margin, participation=participation,
        time_exit=time_exit, segment=segment, intraday=intraday, risk_free=risk_free, benchmark=None,
    )  # fmt: skip
    swept: dict[str, tuple[float, ...]] = {}
    for text in grid:
        name, values = parse_grid(text)
        if name in swept:
            raise InvalidValueError(f"--grid names {name} twice")
        swept[name] = values
    chosen = only_signal(options.load_strategy(), "a sweep")
    prepared = options.prepare(chosen)
    with counted("combinations") as progress:
        result = run(
            chosen,
            prepared.given,
            swept,
            options.parameters(),
            options.rules(chosen, prepared),
            progress=progress,
        )
    luck = None
    [bars_run] = prepared.given.bars.values()
    if overfitting or (overfitting is None and len(result) * len(bars_run) <= _JUDGED_UNASKED):
        luck = _luck(chosen, prepared, swept, options, result)
    order = result.order(objective)
    if out:
        _write(out, result)
    if html:
        from trademantra.reports.html.sweep_page import write_sweep_page

        write_sweep_page(html, result, context_of(chosen, prepared, options), objective, luck=luck)
    if as_json:
        import json

        from trademantra.reports.sweep_json import sweep_object

        context = context_of(chosen, prepared, options)
        made = sweep_object(result, context, objective, top=top, luck=luck)
        typer.echo(json.dumps(made, indent=1, allow_nan=False))
        return
    _show(result, order[:top], objective)
    if luck is not None:
        from trademantra.reports.luck import luck_lines

        for line in luck_lines(luck):
            typer.echo(line)
    elif overfitting is None and len(result) > 1:
        typer.secho("how much of the best is luck: --overfitting", dim=True)
    for note in prepared.notes:
        typer.secho(f"note: {note}", fg="yellow")
    for written in (out, html):
        if written:
            typer.echo(f"wrote {written}")


def _luck(
    strategy: "SignalStrategy",
    prepared: "Prepared",
    swept: dict[str, tuple[float, ...]],
    options: o.RunOptions,
    result: "SweepResult",
) -> "Luck | None":
    """None where there is only one combination: nothing was chosen."""
    from trademantra.cli.progress import counted
    from trademantra.engine.validation.luck import luck_of
    from trademantra.engine.validation.session_returns import session_matrix

    if len(result) < 2:
        return None
    with counted("combinations judged") as progress:
        rules = options.rules(strategy, prepared)
        matrix = session_matrix(strategy, prepared.given, swept, options.parameters(), rules, progress)
        return luck_of(matrix)


def _write(out: Path, result: "SweepResult") -> None:
    """All combinations as Parquet, parameters first; the file appears whole or not at all."""
    import io

    import polars as pl

    from trademantra.data.durable import replace_file

    buffer = io.BytesIO()
    pl.DataFrame({**result.parameters, **result.scores}).write_parquet(buffer, compression="zstd")
    replace_file(out.absolute(), buffer.getvalue())


def _show(result: "SweepResult", order: Sequence[int], objective: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from trademantra.cli.backtest_view import number, percent

    skipped = f", {result.skipped:,} refused by the strategy" if result.skipped else ""
    table = Table(title=f"{result.strategy}: best {len(order)} of {len(result):,} by {objective}{skipped}")
    shown = dict.fromkeys(
        ("total_return", "sharpe", "max_drawdown", "trades", "win_rate", "profit_factor", objective)
    )
    for name in (*result.parameters, *shown):
        table.add_column(name.replace("_", " "), justify="right")
    for position in order:
        row = result.row(position)
        cells = [f"{row[name]:g}" for name in result.parameters]
        for name in shown:
            fraction = name in ("total_return", "cagr", "max_drawdown", "win_rate", "volatility", "exposure")
            whole = name in ("trades", "longest_losing_run")
            value = row[name]
            cells.append(percent(value) if fraction else f"{value:,.0f}" if whole else number(value))
        table.add_row(*cells)
    Console(emoji=False).print(table)
