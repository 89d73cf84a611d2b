"""`tm walkforward`: would choosing the best have worked?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli import run_options as o
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Segment

if TYPE_CHECKING:
    from rich.console import Console

    from trademantra.engine.validation.cross_validation import CrossValidation
    from trademantra.engine.validation.luck import Luck
    from trademantra.engine.validation.session_returns import SessionReturns
    from trademantra.engine.validation.walk_forward import Step, WalkForward
    from trademantra.research.inputs import Prepared

_EPILOG = (
    "Example: [bold]tm walkforward sma_cross --bars RELIANCE --grid fast=5:50:5 --grid slow=60:200:20 "
    "--train 500 --test 125 --costs zerodha:CNC[/bold]"
)
_PANEL = "Validation"
_STEPS = 6  # tests that the default lengths make room for


def register(app: typer.Typer) -> None:
    """Add `walkforward` to the commands."""
    app.command(rich_help_panel="Research", epilog=_EPILOG)(walkforward)


def walkforward(
    strategy: o.StrategyName,
    grid: Annotated[
        list[str],
        typer.Option(
            "--grid", metavar="NAME=A:B:STEP", help="Values of a parameter, or of stop, target, trail, size."
        ),
    ],
    train: Annotated[
        int | None,
        typer.Option(
            "--train", min=1, help="Sessions to choose on; default 40 % of all.", rich_help_panel=_PANEL
        ),
    ] = None,
    test: Annotated[
        int | None,
        typer.Option(
            "--test",
            min=1,
            help="Sessions to trade the choice on; default: six tests in the rest.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    anchored: Annotated[
        bool,
        typer.Option(
            "--anchored/--rolling",
            help="Train on everything so far, or on the last --train.",
            rich_help_panel=_PANEL,
        ),
    ] = False,
    overfitting: Annotated[
        bool,
        typer.Option(
            "--overfitting/--no-overfitting",
            help="Cross-validation, deflated Sharpe and probability of overfitting too.",
            rich_help_panel=_PANEL,
        ),
    ] = True,
    folds: Annotated[
        int, typer.Option("--folds", min=2, help="Of the purged cross-validation.", rich_help_panel=_PANEL)
    ] = 5,
    groups: Annotated[
        int,
        typer.Option("--groups", min=3, help="Groups of the combinatorial one.", rich_help_panel=_PANEL),
    ] = 10,
    tests: Annotated[
        int, typer.Option("--test-groups", min=1, help="Of which are tested at once.", rich_help_panel=_PANEL)
    ] = 2,
    embargo: Annotated[
        float,
        typer.Option("--embargo", help="Fraction of sessions left out after a test.", rich_help_panel=_PANEL),
    ] = 0.01,
    objective: Annotated[
        str, typer.Option("--objective", help="The score to choose by.", rich_help_panel=o.OUTPUT)
    ] = "sharpe",
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
    """Choose parameters on the past, trade the next stretch with them, and again: the honest curve of a sweep.

    Each test starts flat, trades inside its own sessions only, and leaves at the open of its last bar.  With
    --overfitting the whole grid is judged as well: how likely is it that the best of it is luck?
    """
    from trademantra.cli.backtest import announce_compilation, only_signal
    from trademantra.cli.progress import counted
    from trademantra.engine.sweep import parse_grid
    from trademantra.engine.validation.session_returns import session_matrix
    from trademantra.engine.validation.walk_forward import walk_forward

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
    chosen = only_signal(options.load_strategy(), "a walk-forward")
    prepared = options.prepare(chosen)
    rules = options.rules(chosen, prepared)
    sessions = max(len(line.ends) for line in prepared.given.timelines.values())
    train = train or max(1, int(0.4 * sessions))
    test = test or max(1, (sessions - train) // _STEPS)
    with counted("walk-forward steps") as progress:
        result = walk_forward(
            chosen, prepared.given, swept, train=train, test=test, anchored=anchored, objective=objective,
            fixed=options.parameters(), rules=rules, progress=progress,
        )  # fmt: skip
    judged: _Judged | None = None
    if overfitting and result.combinations > 1:
        with counted("combinations") as progress:
            matrix = session_matrix(chosen, prepared.given, swept, options.parameters(), rules, progress)
        judged = _judge(matrix, objective, folds, groups, tests, embargo)
    if as_json:
        import json

        typer.echo(json.dumps(_object(result, judged), indent=1, allow_nan=False))
        return
    _show(result, judged, prepared)


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """What the whole grid looks like when it is judged as one."""

    k_fold: "CrossValidation"
    paths: "CrossValidation"
    luck: "Luck"


def _judge(
    matrix: "SessionReturns", objective: str, folds: int, groups: int, tests: int, embargo: float
) -> _Judged:
    from trademantra.engine.validation.cross_validation import OBJECTIVES, combinatorial, purged_k_fold
    from trademantra.engine.validation.luck import luck_of

    score = objective if objective in OBJECTIVES else "sharpe"  # the others need trades, not returns
    return _Judged(
        purged_k_fold(matrix, folds, embargo, score),
        combinatorial(matrix, groups, tests, embargo, score),
        luck_of(matrix),
    )


def _object(result: "WalkForward", judged: _Judged | None) -> dict[str, object]:
    """The JSON schema `trademantra.walkforward/1` (docs/validation.md)."""
    from trademantra.core.time import datetime_of
    from trademantra.reports.json_values import number
    from trademantra.reports.luck import luck_object

    made: dict[str, object] = {
        "schema": "trademantra.walkforward/1",
        "strategy": result.strategy,
        "objective": result.objective,
        "anchored": result.anchored,
        "combinations": result.combinations,
        "efficiency": number(result.efficiency),
        "objective_kept": number(result.objective_kept),
        "profitable_steps": number(result.profitable_steps),
        "metrics": result.metrics.as_dict(),
        "steps": [
            {
                "train_sessions": [step.fold.train.start, step.fold.train.stop],
                "test_sessions": [step.fold.test.start, step.fold.test.stop],
                "first": datetime_of(_time(result, step.first)).isoformat(),
                "last": datetime_of(_time(result, step.last)).isoformat(),
                "parameters": dict(step.parameters),
                "train": _finite(step.train),
                "test": _finite(step.test),
            }
            for step in result.steps
        ],
        "choices": {
            name: [{"value": value, "steps": count} for value, count in values.items()]
            for name, values in result.choices().items()
        },
    }
    if judged is not None:
        made["cross_validation"] = _cross_object(judged.k_fold)
        made["combinatorial"] = _cross_object(judged.paths)
        made |= luck_object(judged.luck)
    return made


def _cross_object(result: "CrossValidation") -> dict[str, object]:
    from trademantra.reports.json_values import number

    return {
        "objective": result.objective,
        "splits": len(result.choices),
        "paths": [number(float(score)) for score in result.path_scores],
        "probability_of_overfitting": number(result.probability_of_overfitting),
        "choices": [
            {
                "tests": [[window.start, window.stop] for window in choice.tests],
                "parameters": dict(choice.parameters),
                "train": number(choice.train),
                "test": number(choice.test),
                "rank": choice.rank,
                "purged_sessions": choice.purged,
            }
            for choice in result.choices
        ],
    }


def _time(result: "WalkForward", bar: int) -> int:
    """Start of a bar that counts in the whole series."""
    return int(result.ts[bar - result.steps[0].first])


def _finite(scores: Mapping[str, float]) -> dict[str, float | None]:
    from trademantra.reports.json_values import number

    return {name: number(value) for name, value in scores.items()}


def _show(result: "WalkForward", judged: _Judged | None, prepared: "Prepared") -> None:
    from rich.console import Console
    from rich.table import Table

    from trademantra.cli.backtest_view import number, percent

    console = Console()
    kind = "anchored" if result.anchored else "rolling"
    table = Table(
        title=f"{result.strategy}: {kind} walk-forward, best of {result.combinations:,} by {result.objective}"
    )
    for name in (
        "test",
        "sessions",
        "chosen",
        f"{result.objective} in training",
        "in the test",
        "return",
        "trades",
    ):
        table.add_column(name, justify="left" if name in ("test", "chosen") else "right")
    for step in result.steps:
        table.add_row(
            _span(result, step, prepared),
            f"{len(step.fold.test)}",
            " ".join(f"{name}={value:g}" for name, value in step.parameters.items())
            or "nothing traded: cash",
            number(step.train[result.objective]),
            number(step.test[result.objective]),
            percent(step.test["total_return"]),
            f"{step.test['trades']:,.0f}",
        )
    console.print(table)
    m = result.metrics
    console.print(
        f"out of sample: return {percent(m.total_return)}, CAGR {percent(m.cagr)}, Sharpe {number(m.sharpe)}, "
        f"drawdown {percent(m.max_drawdown)}, {m.trades:,} trades, {percent(result.profitable_steps)} of tests up",
        highlight=False,
    )
    console.print(
        f"walk-forward efficiency {percent(result.efficiency)} of the growth in training; "
        f"{percent(result.objective_kept)} of its {result.objective} kept",
        highlight=False,
    )
    idle = sum(1 for step in result.steps if step.test["trades"] == 0)
    if idle:
        console.print(
            f"note: {idle} of {len(result.steps)} tests did not trade: each starts flat and waits for an entry of its own; "
            "give slow strategies longer tests",
            style="yellow",
            highlight=False,
        )
    for name, values in result.choices().items():
        chosen = ", ".join(f"{value:g} ×{count}" for value, count in values.items())
        console.print(f"{name}: {chosen}", highlight=False, style="dim")
    if judged is not None:
        _show_judged(console, judged)
    for note in prepared.notes:
        console.print(f"note: {note}", style="yellow", markup=False, highlight=False)


def _show_judged(console: "Console", judged: _Judged) -> None:
    import numpy as np

    from trademantra.cli.backtest_view import number
    from trademantra.reports.luck import luck_lines

    paths = judged.paths
    console.print("[bold]the whole grid[/bold], every combination on all sessions", highlight=False)
    console.print(
        f"  purged {len(judged.k_fold.choices)}-fold: {judged.k_fold.objective} out of fold "
        f"{number(float(judged.k_fold.path_scores[0]))}; combinatorial: {paths.paths.shape[1]} paths, "
        f"median {number(float(np.nanmedian(paths.path_scores)))}, worst {number(float(np.nanmin(paths.path_scores)))}",
        highlight=False,
    )
    for line in luck_lines(judged.luck):
        console.print(f"  {line}", highlight=False)


def _span(result: "WalkForward", step: "Step", prepared: "Prepared") -> str:
    from trademantra.core.time import datetime_of

    first, last = (datetime_of(_time(result, bar), prepared.zone) for bar in (step.first, step.last))
    return f"{first:%Y-%m-%d} – {last:%Y-%m-%d}"
