"""The page of a sweep: where the good combinations lie, and whether they stand alone."""

from pathlib import Path

import numpy as np

from trademantra.engine.bars import Int64Array
from trademantra.engine.sweep import LOWER_IS_BETTER, SweepResult
from trademantra.engine.validation.luck import Luck
from trademantra.reports.context import RunContext
from trademantra.reports.html.figures import count, percent
from trademantra.reports.html.markup import Markup, element, joined
from trademantra.reports.html.metric_words import words_of
from trademantra.reports.html.page import Page, rendered, write_page
from trademantra.reports.html.parts import Tile, card, chart, empty, notes, pairs, table, tiles
from trademantra.reports.html.sweep_data import SweepLimits, levels_of, neighbours, sweep_data
from trademantra.reports.luck import luck_lines
from trademantra.reports.rule_words import plain

_SHOWN_LEVELS = 12


def write_sweep_page(
    path: Path,
    result: SweepResult,
    context: RunContext,
    objective: str = "sharpe",
    *,
    top: int = 50,
    luck: Luck | None = None,
) -> None:
    """Put the report of a sweep at `path`, whole or not at all."""
    write_page(path, sweep_page(result, context, objective, top=top, luck=luck))


def sweep_page(
    result: SweepResult,
    context: RunContext,
    objective: str = "sharpe",
    *,
    top: int = 50,
    limits: SweepLimits | None = None,
    luck: Luck | None = None,
) -> str:
    """The report of a sweep as one HTML file, ranked by `objective`, with a table of the best `top`.

    Errors: `InvalidValueError` for an unknown objective.
    """
    data, notices = sweep_data(result, context, objective, top, limits or SweepLimits())
    best = np.array(result.order(objective)[:1], np.int64)
    return rendered(
        Page(
            title=f"Sweep of {context.title}, {len(result):,} combinations",
            header=_header(result, context),
            sections=(
                ("overview", "Overview", _overview(result, context, objective, best, notices, luck)),
                ("map", "Map of two parameters", _map(result)),
                ("stability", "Stability", _stability(objective)),
                ("parallel", "All at once", _parallel()),
                ("best", "Best combinations", _best(result, objective)),
                ("run", "Grid and data", _run(result, context)),
            ),
            scripts=("sweep_map.js", "sweep_charts.js", "sweep.js"),
            data=data,
        )
    )


def _header(result: SweepResult, context: RunContext) -> Markup:
    facts = (
        *(context.series[:3] or (result.strategy,)),
        f"{context.timeframe} bars",
        f"{result.sessions:,} sessions",
        f"{len(result):,} combinations",
    )
    return joined(
        (
            element("h1", f"Sweep of {context.title}"),
            element("p", *(element("span", fact) for fact in facts), class_="facts"),
            *([element("p", context.idea, class_="idea")] if context.idea else []),
            notes(context.notes),
        )
    )


def _overview(
    result: SweepResult,
    context: RunContext,
    objective: str,
    best: Int64Array,
    notices: tuple[str, ...],
    luck: Luck | None,
) -> Markup:
    words, scores = words_of(objective), result.scores[objective]
    known = scores[np.isfinite(scores)]
    row = result.row(int(best[0]))
    at = ", ".join(f"{name} {plain(row[name])}" for name in result.parameters)
    beside = neighbours(result, objective, best)
    gains = float(np.mean(result.scores["total_return"] > 0.0))
    traded = float(np.mean(result.scores["trades"] > 0.0))

    def text(value: float) -> str:
        return words.text(value, context.currency)

    middle = text(float(np.median(known))) if len(known) else text(float("nan"))
    shown = (
        Tile(f"Best {words.label}", text(row[objective]), at),
        Tile(
            "Its neighbours",
            text(float(beside.means[0])),
            f"mean of {count(float(beside.counts[0]))} one step away",
        ),
        Tile(f"Median {words.label}", middle, f"of {len(known):,} combinations"),
        Tile("With a gain", percent(gains), f"{percent(traded)} traded at all"),
    )
    said = (
        f"The best of {len(result):,} tries looks better than it is. Believe a region of good neighbours, not a peak, and "
        "test it on data that the sweep has not seen (tm walkforward)."
    )
    return joined(
        (
            tiles(shown),
            element("p", said, class_="summary"),
            *([card("How much of the best is luck", _luck(luck))] if luck else []),
            card(
                f"Distribution of {words.label}",
                chart("distribution", f"How many combinations had which {words.label}", size="low")
                if len(known) > 1 and known.max() > known.min()
                else empty(
                    "All combinations score the same." if len(known) else "No combination has this score."
                ),
            ),
            *(element("p", notice, class_="quiet left-out") for notice in notices),
        )
    )


def _luck(luck: Luck) -> Markup:
    return joined(tuple(element("p", f"{line[0].upper()}{line[1:]}.") for line in luck_lines(luck)))


def _map(result: SweepResult) -> Markup:
    if sum(len(values) > 1 for values in levels_of(result).values()) < 2:
        return empty("A map needs two parameters with at least two values each.")
    return joined(
        (
            element("div", id="map-tools", class_="tools spaced"),
            chart("heat-map", "Score by two parameters", size="tall"),
            element("p", "", id="map-said", class_="quiet help", aria_live="polite"),
        )
    )


def _stability(objective: str) -> Markup:
    return joined(
        (
            element(
                "p",
                f"{words_of(objective).label} by the value of each parameter, over all values of the others: the line is the "
                "median, the band the middle half, the dots the best. A flat, broad line is stable.",
                class_="quiet",
            ),
            element("div", id="stability-charts", class_="cards"),
        )
    )


def _parallel() -> Markup:
    return joined(
        (
            element("div", id="parallel-tools", class_="tools spaced"),
            element(
                "div",
                chart(
                    "parallel-plot",
                    "Each line is a combination, across its parameters and scores",
                    size="tall large",
                ),
                class_="scroll",
            ),
            element(
                "p",
                "Drag along an axis to keep the lines that pass there; click the axis to let go.",
                class_="quiet help",
            ),
        )
    )


def _best(result: SweepResult, objective: str) -> Markup:
    explained = (
        f"Ranked by {words_of(objective).label}"
        f"{', the lower the better' if objective in LOWER_IS_BETTER else ''}. Neighbours: the mean of the combinations one "
        "step away in one parameter."
    )
    return joined((element("p", explained, class_="quiet"), element("div", id="best-list")))


def _run(result: SweepResult, context: RunContext) -> Markup:
    rows = [
        (name, _level_words(values.tolist()), f"{len(values):,}")
        for name, values in levels_of(result).items()
    ]
    data = [
        ("Series", ", ".join(context.series) or "not named"),
        ("Timeframe", str(context.timeframe)),
        ("Sessions", f"{result.sessions:,}, {plain(result.sessions_per_year)} a year"),
        ("Costs", context.costs or "none"),
        ("Combinations", f"{len(result):,} run, {result.skipped:,} refused by the strategy"),
    ]
    return joined(
        (
            element(
                "div",
                card(
                    "Grid",
                    table(
                        ("Parameter", "Values", "Count"),
                        rows,
                        caption="Every combination of these",
                        text_columns=2,
                    ),
                ),
                card("Data", pairs(data, words=True)),
                class_="cards",
            ),
            *(
                [element("h3", "Run it again"), element("pre", context.command_line)]
                if context.command_line
                else []
            ),
        )
    )


def _level_words(values: list[float]) -> str:
    if len(values) <= _SHOWN_LEVELS:
        return ", ".join(plain(value) for value in values)
    return f"{', '.join(plain(value) for value in values[:4])} … {plain(values[-1])}"
