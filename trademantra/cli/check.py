"""`tm check`: may this strategy be believed?"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli import run_options as o
from trademantra.core.instrument import Segment

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from trademantra.engine.backtest import BacktestInput, Strategy
    from trademantra.engine.rules import TradingRules
    from trademantra.engine.validation.causality import Finding
    from trademantra.engine.validation.stability import HeatMap, Stability

_EPILOG = (
    "Examples: [bold]tm check supertrend[/bold] · [bold]tm check my_strategy.py --bars RELIANCE --timeframe 5m "
    "--set length=20[/bold]"
)
_PANEL = "Validation"
_FAILED = 1
_BLOCKS = "▁▂▃▄▅▆▇█"
_MARKS = {"passed": "[green]✓[/green]", "failed": "[red]✗[/red]", "unproven": "[red]?[/red]"}
_SHADES = ("grey23", "dark_red", "dark_orange3", "gold3", "chartreuse3", "green3")


def register(app: typer.Typer) -> None:
    """Add `check` to the commands."""
    app.command(rich_help_panel="Research", epilog=_EPILOG)(check)


def check(
    strategy: o.StrategyName,
    cuts: Annotated[
        int,
        typer.Option(
            "--cuts", min=1, max=10_000, help="Places at which the future is changed.", rich_help_panel=_PANEL
        ),
    ] = 24,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Other places, other bars.", rich_help_panel=_PANEL)
    ] = 7,
    objective: Annotated[
        str, typer.Option("--objective", help="The score of the stability plot.", rich_help_panel=_PANEL)
    ] = "sharpe",
    within: Annotated[
        float,
        typer.Option(
            "--within",
            min=0.0,
            max=100.0,
            help="A neighbour at most so many percent worse is as good.",
            rich_help_panel=_PANEL,
        ),
    ] = 25.0,
    least_stable: Annotated[
        float | None,
        typer.Option(
            "--require-stable",
            min=0.0,
            max=100.0,
            help="Fail when fewer percent of the neighbours are as good.",
            rich_help_panel=_PANEL,
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
    costs: o.CostsOption = "none",
    as_json: o.JsonOption = False,
) -> None:
    """Prove that a strategy does not look ahead, that its warm-up is what it says, and show how stable it is.

    Without --bars it runs on invented bars, which prove the rule but not its worth.  Leaves with exit code 1 when
    something fails or cannot be proven.
    """
    import numpy as np

    from trademantra.cli.backtest import announce_compilation
    from trademantra.cli.progress import counted
    from trademantra.engine.validation.causality import Finding, Verdict, check_strategy
    from trademantra.engine.validation.stability import parameter_stability

    announce_compilation()
    options = o.RunOptions(
        strategy=strategy, bars=tuple(bars or ()), symbols=tuple(symbol or ()), timeframe=timeframe, first=first,
        last=last, exchange=exchange, timezone=timezone, raw=raw, data_dir=data_dir, settings=tuple(settings or ()),
        cash=1_000_000.0, costs=costs, fill=o.Fill.NEXT_OPEN, limit_fill=o.LimitFill.THROUGH, slippage="none",
        size=None, stop=None, target=None, trail=None, short=None, lot=None, tick=None, margin=None,
        participation=0.0, time_exit=None, segment=Segment.EQUITY, intraday=False, risk_free=0.0, benchmark=None,
    )  # fmt: skip
    chosen = options.load_strategy()
    bars_stream, cuts_stream = (np.random.default_rng(each) for each in np.random.SeedSequence(seed).spawn(2))
    given, rules, where = _input(options, chosen, bars_stream)
    parameters = options.parameters()
    with counted("cuts") as progress:
        findings = check_strategy(chosen, given, parameters, cuts_stream, cuts=cuts, progress=progress)
    stability = None
    if chosen.parameters and not any(each.verdict is Verdict.FAILED for each in findings):
        with counted("parameter sets") as progress:
            stability = parameter_stability(
                chosen,
                given,
                parameters,
                rules,
                objective=objective,
                within=within / 100.0,
                progress=progress,
            )
        if least_stable is not None:
            share = 100.0 * stability.stable
            good = share >= least_stable  # not when the share is undefined
            findings += (
                Finding(
                    "stability",
                    Verdict.PASSED if good else Verdict.FAILED,
                    f"{share:.0f} % of {stability.neighbours} neighbours are as good, {least_stable:g} % are required",
                ),
            )
    failed = any(each.verdict in (Verdict.FAILED, Verdict.UNPROVEN) for each in findings)
    if as_json:
        import json

        typer.echo(
            json.dumps(_object(chosen, where, seed, failed, findings, stability), indent=1, allow_nan=False)
        )
    else:
        _show(chosen, where, findings, stability, costs)
    if failed:
        sys.exit(_FAILED)


def _input(
    options: o.RunOptions, strategy: "Strategy", generator: "np.random.Generator"
) -> "tuple[BacktestInput, TradingRules, str]":
    """The bars that were named, or invented ones; the rules; what to call them."""
    from trademantra.engine.validation.synthetic import synthetic_input

    if not options.bars and not options.symbols:
        given = synthetic_input(strategy, generator)
        return given, strategy.rules, f"invented bars ({len(given.bars)} instruments)"
    prepared = options.prepare(strategy)
    where = f"{', '.join(prepared.series[:4])}, {prepared.timeframe} bars"
    return prepared.given, options.rules(strategy, prepared), where


def _object(
    strategy: "Strategy",
    where: str,
    seed: int,
    failed: bool,
    findings: "Sequence[Finding]",
    stability: "Stability | None",
) -> dict[str, object]:
    """The JSON schema `trademantra.check/1` (docs/validation.md)."""
    from trademantra.core.time import datetime_of
    from trademantra.reports.json_values import number, numbers

    made: dict[str, object] = {
        "schema": "trademantra.check/1",
        "strategy": strategy.name,
        "bars": where,
        "seed": seed,
        "passed": not failed,
        "findings": [
            {
                "check": each.check,
                "verdict": each.verdict.value,
                "words": each.words,
                "hint": each.hint,
                "bar": each.bar if each.bar >= 0 else None,
                "time": datetime_of(each.time_ns).isoformat() if each.bar >= 0 else None,
            }
            for each in findings
        ],
        "stability": None,
    }
    if stability is not None:
        heat = stability.heat
        made["stability"] = {
            "objective": stability.objective,
            "score": number(stability.score),
            "within": stability.within,
            "neighbours": stability.neighbours,
            "stable": number(stability.stable),
            "lines": [
                {"parameter": line.name, "values": numbers(line.values), "scores": numbers(line.scores)}
                for line in stability.lines
            ],
            "heat": heat
            and {
                "rows": {"parameter": heat.row_name, "values": numbers(heat.row_values)},
                "columns": {"parameter": heat.column_name, "values": numbers(heat.column_values)},
                "scores": [numbers(row) for row in heat.scores],
            },
        }
    return made


def _show(
    strategy: "Strategy",
    where: str,
    findings: "Sequence[Finding]",
    stability: "Stability | None",
    costs: str,
) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    console.print(
        f"[bold]{escape(strategy.title)}[/bold] ({strategy.name}) on {escape(where)}", highlight=False
    )
    for each in findings:
        mark = _MARKS.get(each.verdict.value, "[dim]–[/dim]")
        console.print(
            f"{mark} [bold]{each.check}[/bold] {each.verdict.value}: {escape(each.words)}", highlight=False
        )
        if each.hint:
            console.print(f"    {escape(each.hint)}", style="dim", highlight=False)
    if stability is None:
        return
    _show_stability(console, stability)
    if where.startswith("invented"):
        console.print("note: scores on invented bars say nothing about worth: give --bars", style="yellow")
    elif costs == "none":
        console.print("note: scores before costs; real ones are lower, see --costs", style="yellow")


def _show_stability(console: "Console", stability: "Stability") -> None:
    from rich.table import Table

    from trademantra.cli.backtest_view import number, percent

    console.print(
        f"stability: {stability.objective} {number(stability.score)}; {percent(stability.stable)} of "
        f"{stability.neighbours} neighbours are at most {stability.within:.0%} worse",
        highlight=False,
    )
    lines = Table("parameter", "values", "", "from", "to", "chosen", box=None, padding=(0, 2, 0, 0))
    for line in stability.lines:
        lines.add_row(
            line.name,
            f"{line.values[0]:g} … {line.values[-1]:g}",
            _sparkline(line.scores.tolist()),
            *(number(float(each)) for each in _ends(line.scores.tolist())),
            f"{line.values[line.chosen]:g}: {number(float(line.scores[line.chosen]))}",
        )
    console.print(lines)
    if stability.heat is not None:
        _show_heat(console, stability.heat)


def _ends(scores: list[float]) -> tuple[float, float]:
    known = [score for score in scores if score == score]
    return (min(known), max(known)) if known else (float("nan"), float("nan"))


def _sparkline(scores: list[float]) -> str:
    """One block a score, a dot where it is undefined; the scale begins at zero where all are above it."""
    low, high = _ends(scores)
    low = min(low, 0.0)
    spread = (high - low) or 1.0
    return "".join(
        "·" if score != score else _BLOCKS[min(7, max(0, int((score - low) / spread * 7.999)))]
        for score in scores
    )


def _show_heat(console: "Console", heat: "HeatMap") -> None:
    from rich.table import Table

    from trademantra.cli.backtest_view import number

    low, high = _ends(heat.scores.ravel().tolist())
    spread = (high - low) or 1.0
    table = Table(f"{heat.row_name} ↓ {heat.column_name} →", box=None, padding=(0, 1, 0, 0))
    for value in heat.column_values:
        table.add_column(f"{value:g}", justify="right")
    for value, row in zip(heat.row_values, heat.scores, strict=True):
        cells = []
        for score in row.tolist():
            shade = _SHADES[min(5, int((score - low) / spread * 5.999))] if score == score else "default"
            cells.append(f"[{shade}]{number(score)}[/{shade}]")
        table.add_row(f"{value:g}", *cells)
    console.print(table)
