"""What the scripts of a sweep's page draw: levels of the parameters and scores, combination by combination."""

from dataclasses import dataclass

import numpy as np

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.sweep import LOWER_IS_BETTER, SweepResult
from trademantra.reports.context import RunContext
from trademantra.reports.html.metric_words import Unit, words_of
from trademantra.reports.html.sampling import histogram
from trademantra.reports.json_values import Json, numbers

_SEED = 7  # of the choice of combinations to draw when there are too many


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepLimits:
    """How much a page holds: `combinations` for maps and stability, `lines` of the parallel plot."""

    combinations: int = 20_000
    lines: int = 1_500


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For some combinations: how many differ by one step of one parameter, and their mean score."""

    counts: Int64Array
    means: Float64Array


def levels_of(result: SweepResult) -> dict[str, Float64Array]:
    """The different values of each parameter, ascending."""
    return {name: np.unique(values) for name, values in result.parameters.items()}


def neighbours(result: SweepResult, objective: str, positions: Int64Array) -> Neighbours:
    """How the combinations next to each of `positions` did: a peak that stands alone is luck."""
    levels = levels_of(result)
    shape = [len(values) for values in levels.values()]
    places = np.stack([np.searchsorted(levels[name], values) for name, values in result.parameters.items()])
    keys = np.ravel_multi_index(tuple(places), shape)
    order = np.argsort(keys)
    scores = result.scores[objective]
    counts, sums = np.zeros(len(positions), np.int64), np.zeros(len(positions))
    for axis, size in enumerate(shape):
        for step in (-1, 1):
            moved = places[:, positions].copy()
            moved[axis] += step
            inside = (moved[axis] >= 0) & (moved[axis] < size)
            moved[axis] = np.clip(moved[axis], 0, size - 1)
            wanted = np.ravel_multi_index(tuple(moved), shape)
            at = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
            found = inside & (keys[at] == wanted) & np.isfinite(scores[at])
            counts += found
            sums += np.where(found, scores[at], 0.0)
    with np.errstate(invalid="ignore"):
        return Neighbours(counts, np.where(counts > 0, sums / counts, np.nan))


def sweep_data(
    result: SweepResult, context: RunContext, objective: str, top: int, limits: SweepLimits
) -> tuple[dict[str, Json], tuple[str, ...]]:
    """The data, and what was left out of it, in words."""
    notices: list[str] = []
    ranked = np.array(result.order(objective), np.int64)
    drawn = np.arange(len(result))
    if len(result) > limits.combinations:
        chosen = np.random.default_rng(_SEED).choice(len(result), limits.combinations, replace=False)
        drawn = np.sort(chosen)
        notices.append(
            f"Map, stability and distribution are drawn from {limits.combinations:,} of {len(result):,} "
            "combinations, chosen by chance; the table ranks all of them."
        )
    lines = ranked
    if len(ranked) > limits.lines:
        best = limits.lines // 3
        rest = ranked[best:][np.linspace(0, len(ranked) - best - 1, limits.lines - best).astype(np.int64)]
        lines = np.concatenate((ranked[:best], rest))
        notices.append(
            f"The parallel plot has {limits.lines:,} lines: the best {best:,} and an even choice of the others."
        )
    table = ranked[:top]
    beside = neighbours(result, objective, table)
    levels = levels_of(result)
    found = histogram(result.scores[objective][drawn])
    # a sweep for the final equity alone leaves the other scores undefined
    scored = [
        name for name, values in result.scores.items() if name == objective or np.isfinite(values).any()
    ]
    data: dict[str, Json] = {
        "currency": context.currency,
        "intraday": False,
        "objective": objective,
        "parameters": [{"name": name, "levels": numbers(values)} for name, values in levels.items()],
        "scores": [
            {
                "name": name,
                "label": words_of(name).label,
                "unit": words_of(name).unit.value,
                "lower": name in LOWER_IS_BETTER,
            }
            for name in scored
        ],
        "drawn": _columns(result, levels, scored, drawn),
        "lines": _columns(result, levels, scored, lines),
        "top": _columns(result, levels, scored, table)
        | {"neighbours": _rounded(beside.means, objective), "beside": beside.counts.tolist()},
        "distribution": None
        if found is None
        else {"edges": numbers(found.edges, 8), "counts": found.counts.tolist()},
    }
    return data, tuple(notices)


def _columns(
    result: SweepResult, levels: dict[str, Float64Array], scored: list[str], positions: Int64Array
) -> dict[str, Json]:
    """Levels (by their place) and scores of some combinations, column by column."""
    return {
        "levels": [
            np.searchsorted(levels[name], values[positions]).tolist()
            for name, values in result.parameters.items()
        ],
        "scores": [_rounded(result.scores[name][positions], name) for name in scored],
    }


def _rounded(values: Float64Array, name: str) -> Json:
    unit = words_of(name).unit
    decimals = {Unit.PERCENT: 5, Unit.RATIO: 4, Unit.MONEY: 2, Unit.COUNT: 0}[unit]
    return numbers(values, decimals)
