"""`tm optimise`: search for parameters on all cores or a cluster, every trial kept, resumable at any time."""

import shlex
import sys
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli import run_options as o
from trademantra.core.instrument import Segment

if TYPE_CHECKING:
    from trademantra.research.optimise.study import StudyResult

SEARCH = "Search"
INTERRUPTED = 130
_EPILOG = (
    "Examples: [bold]tm optimise sma_cross --bars RELIANCE --vary fast=5:50 --vary slow=60:200 --trials 200[/bold] · "
    "[bold]tm optimise gap_open --bars SYNBANK1 --bars SYNIT1 --timeframe 1m --method nsga2 --objective sharpe "
    "--objective max_drawdown --study gaps[/bold]"
)


def register(app: typer.Typer) -> None:
    """Add `optimise` to the commands."""
    app.command(rich_help_panel="Research", epilog=_EPILOG)(optimise)


def optimise(
    strategy: o.StrategyName,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="NAME=LOW:HIGH[:STEP]",
            help="A parameter, or stop, target, trail (percent) or size; or NAME=A,B,C. Default: all parameters.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="grid|random|tpe|nsga2",
            help="How to choose; default: tpe, or nsga2 for several objectives.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective", metavar="SCORE", help="What to improve; may be repeated.", rich_help_panel=SEARCH
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=1, help="How many; default 100. A grid runs all.", rich_help_panel=SEARCH
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch", min=1, help="Trials that tpe and nsga2 choose together.", rich_help_panel=SEARCH
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of all chance.", rich_help_panel=SEARCH)] = 7,
    study: Annotated[
        str | None,
        typer.Option(
            "--study", metavar="NAME", help="Name to keep the trials under.", rich_help_panel=SEARCH
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with a study, or extend it.", rich_help_panel=SEARCH),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes; default: one a core.", rich_help_panel=SEARCH),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="tcp://HOST:PORT", help="A Dask scheduler instead.", rich_help_panel=SEARCH
        ),
    ] = None,
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
    top: Annotated[
        int, typer.Option("--top", min=1, help="How many to show.", rich_help_panel=o.OUTPUT)
    ] = 20,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.parquet", help="Write every trial.", rich_help_panel=o.OUTPUT),
    ] = None,
    as_json: o.JsonOption = False,
) -> None:
    """Search for parameters: the best of many trials is luck until it is validated on other bars.

    Every trial is kept in the data folder.  Ctrl-C, a crash or a power cut loses none: --resume goes on.
    """
    from trademantra.cli.backtest import announce_compilation
    from trademantra.cli.progress import counted

    announce_compilation()
    from trademantra.data.home import chosen_home
    from trademantra.research.optimise.evaluate import reference_of
    from trademantra.research.optimise.optimise import optimise as run
    from trademantra.research.optimise.samplers import Method
    from trademantra.research.optimise.space import parse_wish, space_of
    from trademantra.research.optimise.study import StudyPlan

    options = o.RunOptions(
        strategy=strategy, bars=tuple(bars or ()), symbols=tuple(symbol or ()), timeframe=timeframe, first=first,
        last=last, exchange=exchange, timezone=timezone, raw=raw, data_dir=data_dir, settings=tuple(settings or ()),
        cash=cash, costs=costs, fill=fill, limit_fill=limit_fill, slippage=slippage, size=size, stop=stop,
        target=target, trail=trail, short=short, lot=lot, tick=tick, margin=margin, participation=participation,
        time_exit=time_exit, segment=segment, intraday=intraday, risk_free=risk_free, benchmark=None,
    )  # fmt: skip
    objectives = tuple(objective or ("sharpe",))
    chosen_method = Method.of(method, objectives)
    chosen = options.load_strategy()
    fixed = options.parameters()
    wishes = [parse_wish(text) for text in vary or ()]
    plan = StudyPlan(
        strategy=reference_of(strategy),
        space=space_of(chosen, wishes, fixed, grid=chosen_method is Method.GRID),
        fixed=fixed,
        rules=chosen.rules,
        method=chosen_method,
        objectives=objectives,
        trials=trials,
        seed=seed,
        batch=batch,
    )
    prepared = options.prepare(chosen)
    root = chosen_home(data_dir)
    with counted("trials") as progress:
        result = run(
            plan.under(options.rules(chosen, prepared)),
            prepared.given,
            root / "studies",
            name=study,
            costs=costs,
            resume=resume,
            workers=workers,
            cluster=cluster,
            command=shlex.join(["tm", *sys.argv[1:]]),
            progress=progress,
        )
    if out:
        _write(out, result)
    if as_json:
        import json

        typer.echo(json.dumps(_object(result, top), indent=1, allow_nan=False))
    else:
        _show(result, top)
        for note in prepared.notes:
            typer.secho(f"note: {note}", fg="yellow")
        if out:
            typer.echo(f"wrote {out}")
    if result.interrupted:
        words = [word for word in sys.argv[1:] if word != "--resume"]
        typer.secho(
            f"tm: stopped: {len(result):,} of {result.plan.total:,} trials are kept in {result.path}",
            err=True,
            fg="red",
        )
        named = [] if study else ["--study", result.name]
        typer.echo(f"    go on with: {shlex.join(['tm', *words, *named, '--resume'])}", err=True)
        raise typer.Exit(INTERRUPTED)


def _object(result: "StudyResult", top: int) -> dict[str, object]:
    plan = result.plan
    return {
        "schema": "trademantra.optimise/1",
        "study": result.name,
        "file": str(result.path),
        "strategy": plan.strategy,
        "method": plan.method.value,
        "objectives": list(plan.objectives),
        "ranges": [str(axis) for axis in plan.space],
        "seed": plan.seed,
        "data": result.data,
        "trials": len(result),
        "wanted": plan.total,
        "refused": result.refused,
        "interrupted": result.interrupted,
        "best": [
            {
                "trial": int(result.numbers[position]),
                **{name: _finite(value) for name, value in result.row(position).items()},
            }
            for position in result.best()[:top]
        ],
    }


def _finite(value: float) -> float | None:
    """A number that JSON can hold."""
    return value if isfinite(value) else None


def _write(out: Path, result: "StudyResult") -> None:
    """All trials as Parquet; the file appears whole or not at all."""
    import io

    import polars as pl

    from trademantra.data.durable import replace_file
    from trademantra.engine.sweep import SCORES

    columns = {axis.name: result.points[:, place] for place, axis in enumerate(result.plan.space)}
    scores = {name: result.scores[:, place] for place, name in enumerate(SCORES)}
    buffer = io.BytesIO()
    pl.DataFrame(
        {"trial": result.numbers, **columns, **scores, "refused": list(result.reasons)}
    ).write_parquet(buffer, compression="zstd")
    replace_file(out.absolute(), buffer.getvalue())


def _short(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.4g}"


def _show(result: "StudyResult", top: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from trademantra.cli.backtest_view import number, percent

    plan = result.plan
    best = result.best()
    several = len(plan.objectives) > 1
    what = (
        f"{len(best)} unbeaten in {' and '.join(plan.objectives)}"
        if several
        else f"best by {plan.objectives[0]}"
    )
    refused = f", {result.refused:,} refused by the strategy" if result.refused else ""
    table = Table(
        title=f"{result.name}: {what}, of {len(result):,} trials{refused}",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    shown = dict.fromkeys((*plan.objectives, "total_return", "sharpe", "max_drawdown", "trades"))
    table.add_column("trial", justify="right")
    for name in (*(axis.name for axis in plan.space), *shown):
        table.add_column(name.replace("_", " "), justify="right", overflow="fold")
    fractions = ("total_return", "cagr", "max_drawdown", "win_rate", "volatility", "exposure")
    for position in best[:top]:
        row = result.row(position)
        cells = [str(result.numbers[position]), *(_short(row[axis.name]) for axis in plan.space)]
        for name in shown:
            whole = name in ("trades", "longest_losing_run")
            value = row[name]
            cells.append(percent(value) if name in fractions else f"{value:,.0f}" if whole else number(value))
        table.add_row(*cells)
    Console().print(table)
    if result.refused:
        first = next(reason for reason in result.reasons if reason)
        typer.secho(f"note: refused points, the first: {first}", fg="yellow")
    if not best:
        typer.secho("note: no trial has a defined score (no trades?)", fg="yellow")
