"""Back-test results on a terminal."""

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

from trademantra.reports.html.figures import grouped

if TYPE_CHECKING:
    from rich.console import Console

    from trademantra.engine.backtest import BacktestResult
    from trademantra.reports.context import RunContext


def show(runs: "Sequence[tuple[BacktestResult, RunContext]]") -> None:
    """One run as a page of scores; several as a table of the main ones."""
    from rich.console import Console

    console = Console(emoji=False)
    if len(runs) == 1:
        _show_one(console, *runs[0])
    else:
        _show_many(console, runs)
    for note in dict.fromkeys(note for _, context in runs for note in context.notes):
        console.print(f"note: {note}", style="yellow", markup=False, highlight=False)


def _show_one(console: "Console", result: "BacktestResult", context: "RunContext") -> None:
    from rich.table import Table

    from trademantra.reports.rule_words import finer_in_words, rules_in_words

    m = result.metrics
    parameters = ", ".join(f"{name}={value:g}" for name, value in result.parameters.items())
    console.print(f"[bold]{context.title}[/bold] ({result.strategy}) {parameters}", highlight=False)
    console.print(
        f"{', '.join(context.series[:4])}{' …' if len(context.series) > 4 else ''} · {context.timeframe} · "
        f"{len(result.ts):,} bars in {m.sessions:,} sessions · costs {context.costs}",
        highlight=False,
        markup=False,
    )
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    left = [
        ("total return", percent(m.total_return)),
        ("CAGR", percent(m.cagr)),
        ("volatility", percent(m.volatility)),
        ("Sharpe", number(m.sharpe)),
        ("Sortino", number(m.sortino)),
        ("Calmar", number(m.calmar)),
        ("max drawdown", percent(m.max_drawdown)),
        ("longest drawdown", f"{m.max_drawdown_bars:,} bars"),
        ("ulcer index", number(m.ulcer_index)),
        ("value at risk, 95 %", percent(m.value_at_risk)),
    ]
    right = [
        ("final equity", money(m.final_equity, context.currency)),
        ("trades", f"{m.trades:,}"),
        ("win rate", percent(m.win_rate)),
        ("profit factor", number(m.profit_factor)),
        ("expectancy a trade", money(m.expectancy, context.currency)),
        (
            "average win / loss",
            f"{money(m.average_win, context.currency)} / {money(m.average_loss, context.currency)}",
        ),
        ("longest losing run", f"{m.longest_losing_run}"),
        ("exposure", percent(m.exposure)),
        ("costs", money(m.costs, context.currency)),
        ("alpha / beta", f"{percent(m.alpha)} / {number(m.beta)}"),
    ]
    for (a, b), (c, d) in zip(left, right, strict=True):
        table.add_row(a, f"[bold]{b}[/bold]", c, f"[bold]{d}[/bold]")
    console.print(table)
    if result.levies:
        lines = ", ".join(
            f"{name} {money(amount, context.currency)}" for name, amount in result.levies.items()
        )
        console.print(f"costs by line: {lines}", highlight=False)
    _show_open(console, result, context.currency)
    finer = finer_in_words(result.given.finer, context.finer)
    console.print(
        "rules: " + "; ".join(f"{name}: {what}" for name, what in rules_in_words(result.rules, finer)),
        style="dim",
        highlight=False,
        markup=False,
    )
    if m.refused_entries:
        console.print(
            f"note: {m.refused_entries:,} entries were refused: the size rule gave less than one lot, margin did not "
            "cover it, or a stop had no distance yet; see --cash, --size, --margin and --lot",
            style="yellow",
            highlight=False,
            markup=False,
        )
    console.print(
        f"session returns, {m.sessions_per_year:g} sessions a year, risk-free rate {m.risk_free_rate:.2%}",
        style="dim",
        highlight=False,
    )


def _show_open(console: "Console", result: "BacktestResult", currency: str) -> None:
    """Positions that the run ended with: they are in the return, and not among the trades."""
    from trademantra.reports.trades import open_positions

    held = open_positions(result)
    if held:
        unrealised = result.metrics.final_equity - result.rules.cash - float(result.trades["net"].sum())
        what = "position" if len(held) == 1 else "positions"
        console.print(
            f"open at the end: {len(held)} {what}, unrealised {money(unrealised, currency)} after the costs of entering",
            highlight=False,
            markup=False,
        )


def _show_many(console: "Console", runs: "Sequence[tuple[BacktestResult, RunContext]]") -> None:
    from rich.table import Table

    table = Table("symbol", title=f"{runs[0][1].title} ({runs[0][0].strategy})")
    for name in ("return", "CAGR", "Sharpe", "drawdown", "trades", "win rate", "profit factor", "costs"):
        table.add_column(name, justify="right")
    for result, context in runs:
        m = result.metrics
        table.add_row(
            result.symbols[0], percent(m.total_return), percent(m.cagr), number(m.sharpe), percent(m.max_drawdown),
            f"{m.trades:,}", percent(m.win_rate), number(m.profit_factor), money(m.costs, context.currency),
        )  # fmt: skip
    console.print(table)


def percent(value: float) -> str:
    """A fraction in percent; a dash where it is undefined."""
    return f"{value:.2%}" if value == value else "–"


def number(value: float) -> str:
    return f"{value:,.2f}" if value == value else "–"


def money(value: float, currency: str) -> str:
    """An amount to the paisa (or cent), grouped as readers of the currency do.

    >>> money(123456.784, "INR"), money(-123456.784, "USD"), money(float("nan"), "INR")
    ('1,23,456.78', '-123,456.78', '–')
    """
    if not isfinite(value):
        return "–"
    whole, _, paise = f"{abs(value):.2f}".partition(".")
    sign = "-" if round(value, 2) < 0.0 else ""
    return f"{sign}{grouped(whole, currency)}.{paise}"
