"""Parameter stability: a good setting stands on a plateau, a lucky one on a needle.

Around the chosen parameters one is moved at a time, then the two that matter most together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput, Strategy, backtest
from trademantra.engine.bars import Float64Array
from trademantra.engine.combinations import run_combinations
from trademantra.engine.panel import AllocationStrategy
from trademantra.engine.parameters import Parameter
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.sweep import LOWER_IS_BETTER, SCORES, scores_of
from trademantra.engine.validation.windows import market_of

WITHIN = 0.25  # a neighbour whose score is at most this much worse is as good
_REACH = 4  # steps to either side of a line
_NEAR = 2  # of which these are the neighbours
_HEAT = 3  # steps to either side of the heat map
_STEP_FRACTION = 0.1  # of the chosen value, where the declared step is smaller


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One parameter moved, the others as chosen: `scores` (k,) at `values` (k,), NaN where refused or undefined.

    `chosen` is the position of the chosen value.
    """

    name: str
    values: Float64Array
    scores: Float64Array
    chosen: int


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """Two parameters moved together: `scores` (rows, columns)."""

    row_name: str
    row_values: Float64Array
    column_name: str
    column_values: Float64Array
    scores: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """How the score changes around the chosen parameters.

    `neighbours`: how many of the nearest settings (up to two steps along each parameter) were scored;
    `stable`: the share of them that is at most `within` worse than the chosen one (relative); NaN where the chosen
    score is undefined.  `heat` is there for strategies of two parameters or more, event strategies excepted.
    """

    objective: str
    score: float
    within: float
    lines: tuple[Line, ...]
    heat: HeatMap | None
    neighbours: int
    stable: float


def parameter_stability(
    strategy: Strategy,
    given: BacktestInput,
    parameters: Mapping[str, float],
    rules: TradingRules | None = None,
    *,
    objective: str = "sharpe",
    within: float = WITHIN,
    progress: Callable[[int, int], None] | None = None,
) -> Stability:
    """Score the neighbourhood of `parameters` (defaults where none are given).

    Errors: `InvalidValueError` for an unknown objective, or parameters that the strategy does not take.
    """
    if objective not in SCORES:
        raise InvalidValueError(f"no score {objective!r}", hint=f"there are: {', '.join(SCORES)}")
    chosen = _values(strategy, parameters)
    own = rules or strategy.rules
    steps = {p.name: _around(p, chosen[p.name], _REACH) for p in strategy.parameters}
    sets = [dict(chosen)]
    sets += [chosen | {name: value} for name, values in steps.items() for value in values]
    scored = _scores(strategy, given, sets, own, objective, progress)
    score, at, lines = float(scored[0]), 1, []
    for name, values in steps.items():
        lines.append(Line(name, np.array(values), scored[at : at + len(values)], values.index(chosen[name])))
        at += len(values)
    heat = None
    if len(lines) >= 2 and isinstance(strategy, SignalStrategy | AllocationStrategy):
        heat = _heat(strategy, given, chosen, own, objective, lines)
    near = [
        float(line.scores[k])
        for line in lines
        for k in range(max(0, line.chosen - _NEAR), min(len(line.values), line.chosen + _NEAR + 1))
        if k != line.chosen and not np.isnan(line.scores[k])
    ]
    good = [_as_good(each, score, within, objective) for each in near]
    stable = float(np.mean(good)) if near and not np.isnan(score) else float("nan")
    return Stability(objective, score, within, tuple(lines), heat, len(near), stable)


def _heat(
    strategy: SignalStrategy | AllocationStrategy,
    given: BacktestInput,
    chosen: Mapping[str, float],
    rules: TradingRules,
    objective: str,
    lines: Sequence[Line],
) -> HeatMap:
    """The two parameters whose lines move the score most."""
    moves = [
        float(np.nanmax(line.scores) - np.nanmin(line.scores)) if _known(line) else -1.0 for line in lines
    ]
    first, second = sorted(np.argsort(moves, kind="stable")[::-1][:2].tolist())
    declared = {p.name: p for p in strategy.parameters}
    names = (lines[first].name, lines[second].name)
    rows, columns = (_around(declared[name], chosen[name], _HEAT) for name in names)
    sets = [dict(chosen) | {names[0]: a, names[1]: b} for a, b in product(rows, columns)]
    scored = _scores(strategy, given, sets, rules, objective, None)
    return HeatMap(
        names[0], np.array(rows), names[1], np.array(columns), scored.reshape(len(rows), len(columns))
    )


def _known(line: Line) -> bool:
    return bool(np.isfinite(line.scores).sum() >= 2)


def _values(strategy: Strategy, parameters: Mapping[str, float]) -> dict[str, float]:
    if isinstance(strategy, SignalStrategy | AllocationStrategy):
        return strategy.values(parameters)
    return strategy(**parameters).values


def _around(parameter: Parameter, centre: float, reach: int) -> list[float]:
    """The values `reach` steps to either side that are in range, with `centre` itself."""
    step = max(parameter.step, _STEP_FRACTION * abs(centre))
    if parameter.integer:
        step = max(1.0, round(step))
    values = (round(centre + k * step, 10) if k else centre for k in range(-reach, reach + 1))
    return [value for value in values if parameter.low <= value <= parameter.high]


def _as_good(score: float, reference: float, within: float, objective: str) -> bool:
    worse = score - reference if objective in LOWER_IS_BETTER else reference - score
    return worse <= within * abs(reference)


def _scores(
    strategy: Strategy,
    given: BacktestInput,
    sets: Sequence[Mapping[str, float]],
    rules: TradingRules,
    objective: str,
    progress: Callable[[int, int], None] | None,
) -> Float64Array:
    """The objective of each set, NaN for those that the strategy refuses or that the bars do not suffice for."""
    scored = np.full(len(sets), np.nan)
    if isinstance(strategy, SignalStrategy):
        market = market_of(strategy, given)
        room = len(market.bars) - 2
        taken = [
            i for i, one in enumerate(sets) if not strategy.refuse(one) and strategy.warm_up(one) <= room
        ]
        if not taken:
            return scored
        accounts = run_combinations(strategy, market, [sets[i] for i in taken], [rules] * len(taken)).accounts
        made = scores_of(
            accounts, np.full(len(taken), rules.cash), len(market.bars), len(market.timeline.ends),
            given.sessions_per_year,
        )  # fmt: skip
        scored[taken] = np.where(accounts["fills"] > 0, made[objective], np.nan)
        return scored
    for i, one in enumerate(sets):
        try:
            metrics = backtest(strategy, given, one, rules).metrics
        except InvalidValueError:  # these parameters do not go together, or need more bars than there are
            continue
        scored[i] = getattr(metrics, objective) if metrics.fills else np.nan
        if progress is not None:
            progress(i + 1, len(sets))
    return scored
