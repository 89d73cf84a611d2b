"""A sweep as JSON: schema `trademantra.sweep/1`, described in docs/reports.md."""

from trademantra.engine.sweep import SweepResult
from trademantra.engine.validation.luck import Luck
from trademantra.reports.context import RunContext
from trademantra.reports.json_values import Json, number
from trademantra.reports.luck import luck_object

SCHEMA = "trademantra.sweep/1"


def sweep_object(
    result: SweepResult,
    context: RunContext,
    objective: str,
    *,
    top: int | None = 20,
    luck: Luck | None = None,
) -> dict[str, Json]:
    """The best `top` combinations (all with None), best first, each with its parameters and scores.

    With `luck` the members `deflated_sharpe` and `overfitting` say how much of the best is luck; null without.
    Errors: `InvalidValueError` for an unknown objective.
    """
    best = result.order(objective)[:top]
    return {
        "schema": SCHEMA,
        "strategy": result.strategy,
        "title": context.title,
        "series": [*context.series],
        "timeframe": str(context.timeframe),
        "objective": objective,
        "combinations": len(result),
        "skipped": result.skipped,
        "sessions": result.sessions,
        "sessions_per_year": result.sessions_per_year,
        "grid": {
            name: [number(value) for value in sorted(set(values.tolist()))]
            for name, values in result.parameters.items()
        },
        "top": [
            {
                "parameters": {name: number(values[k]) for name, values in result.parameters.items()},
                "scores": {name: number(values[k]) for name, values in result.scores.items()},
            }
            for k in best
        ],
        **({"deflated_sharpe": None, "overfitting": None} if luck is None else luck_object(luck)),
        "costs_description": context.costs,
        "notes": [*context.notes],
        "command_line": context.command_line or None,
    }
