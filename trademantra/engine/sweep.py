"""Sweeps: one signal strategy under every combination of some parameters."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from math import ceil

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Float64Array
from trademantra.engine.combinations import prepare, run_combinations
from trademantra.engine.finer import refuse_finer
from trademantra.engine.parameters import resolve
from trademantra.engine.records import LevelKind, RecordArray
from trademantra.engine.rules import Level, Size, TradingRules
from trademantra.engine.strategy import SignalStrategy

SCORES = (
    "final_equity", "total_return", "cagr", "sharpe", "sortino", "max_drawdown", "calmar", "volatility", "trades",
    "win_rate", "profit_factor", "expectancy", "longest_losing_run", "costs", "exposure",
)  # fmt: skip
FROM_EVERY_BAR = ("sharpe", "sortino", "max_drawdown", "calmar", "volatility")
LOWER_IS_BETTER = frozenset({"volatility", "longest_losing_run", "costs", "exposure"})
RULE_NAMES = (
    "stop",
    "target",
    "trail",
    "size",
)  # swept as percent of price, and in the unit of the size rule
_LARGEST = 5_000_000
_ROUNDING = 1e-12
_WORK_A_CHUNK = 2_000_000_000  # bars x combinations between two progress reports: about half a second


@dataclass(frozen=True, slots=True, eq=False)
class SweepResult:
    """Scores of every combination that the strategy accepts, in grid order.

    `parameters` and `scores` map a name to an array of shape (m,); `skipped` combinations were refused by the
    strategy (`fast` not below `slow`, say).  Session-based definitions as in `metrics`.
    """

    strategy: str
    parameters: Mapping[str, Float64Array]
    scores: Mapping[str, Float64Array]
    skipped: int
    sessions: int
    sessions_per_year: float

    def __len__(self) -> int:
        return len(next(iter(self.scores.values())))

    def order(self, objective: str) -> Sequence[int]:
        """Positions from best to worst; undefined scores last.  Errors: `InvalidValueError` for an unknown name."""
        if objective not in self.scores:
            raise InvalidValueError(f"no score {objective!r}", hint=f"there are: {', '.join(SCORES)}")
        values = self.scores[objective]
        ranked = values if objective in LOWER_IS_BETTER else -values
        best_first: list[int] = np.argsort(np.where(np.isnan(ranked), np.inf, ranked), kind="stable").tolist()
        return best_first

    def row(self, position: int) -> dict[str, float]:
        """Parameters and scores of one combination."""
        return {
            name: float(values[position])
            for part in (self.parameters, self.scores)
            for name, values in part.items()
        }


def parse_grid(text: str) -> tuple[str, tuple[float, ...]]:
    """`name=first:last:step` (last included when the steps reach it) or `name=a,b,c`.

    >>> parse_grid("fast=5:20:5")
    ('fast', (5.0, 10.0, 15.0, 20.0))
    """
    name, _, values = text.partition("=")
    try:
        parts = [float(part) for part in values.replace(":", ",").split(",")]
    except ValueError:
        parts = []
    if ":" in values:
        parts = _steps(*parts) if len(parts) == 3 and values.count(":") == 2 else []
    if not name.strip() or not parts or not all(np.isfinite(parts)):
        raise InvalidValueError(
            f"{text!r} is not a grid", hint="write fast=5:50:5 (first:last:step) or fast=5,10,20"
        )
    return name.strip(), tuple(parts)


def _steps(first: float, last: float, step: float) -> list[float]:
    if not step > 0.0 or not last >= first or (last - first) / step > _LARGEST:
        return []
    return [round(first + step * k, 10) for k in range(int((last - first) / step + 1e-9) + 1)]


def combinations(
    strategy: SignalStrategy,
    grid: Mapping[str, Sequence[float]],
    fixed: Mapping[str, float],
    rules: TradingRules,
) -> tuple[list[dict[str, float]], list[TradingRules], list[dict[str, float]], int]:
    """Every accepted point of the grid: strategy values, rules, the swept values alone; and how many were refused.

    Errors: `InvalidValueError` for a name that is neither a parameter nor a rule, a value out of range, a grid that
    is too large, or one in which nothing is accepted.
    """
    size = int(np.prod([len(values) for values in grid.values()], dtype=float)) if grid else 0
    if not 0 < size <= _LARGEST:
        raise InvalidValueError(
            f"the grid has {size:,} combinations", hint=f"give between 1 and {_LARGEST:,}"
        )
    own = {parameter.name: parameter for parameter in strategy.parameters}
    for name, numbers in grid.items():
        if name in own:
            for number in numbers:
                own[name].checked(f"strategy {strategy.name}", number)
        elif name not in RULE_NAMES:
            raise InvalidValueError(
                f"strategy {strategy.name} has no parameter {name!r}",
                hint=f"it has: {', '.join(own)}; rules that can be swept: {', '.join(RULE_NAMES)}",
            )
    resolve(f"strategy {strategy.name}", strategy.parameters, fixed)
    values, each_rules, points, skipped = [], [], [], 0
    defaults = {name: parameter.default for name, parameter in own.items()} | dict(fixed)
    for chosen in product(*grid.values()):
        point = dict(zip(grid, chosen, strict=True))
        mine = defaults | {name: value for name, value in point.items() if name in own}
        if strategy.refuse(mine):
            skipped += 1
            continue
        values.append(mine)
        points.append(point)
        each_rules.append(_with_rules(rules, point, own.keys()))
    if not values:
        raise InvalidValueError(
            f"strategy {strategy.name} accepts none of the {size} combinations of the grid"
        )
    return values, each_rules, points, skipped


def sweep(
    strategy: SignalStrategy,
    given: BacktestInput,
    grid: Mapping[str, Sequence[float]],
    fixed: Mapping[str, float] | None = None,
    rules: TradingRules | None = None,
    *,
    scores: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SweepResult:
    """Run every combination of `grid`; `progress(done, total)` is called now and then.

    `scores=False` leaves out what needs the equity at every bar (drawdown, Sharpe …), which are NaN then.
    The result does not depend on `workers`.
    """
    if len(given.bars) != 1:
        raise InvalidValueError(
            f"a sweep of {strategy.name} runs on one instrument, {len(given.bars)} were given"
        )
    refuse_finer({**given.finer, **given.laid}, f"a sweep of {strategy.name}")
    values, each_rules, points, skipped = combinations(strategy, grid, fixed or {}, rules or strategy.rules)
    [bars], [timeline] = given.bars.values(), given.timelines.values()
    market = prepare(
        bars, timeline, given.charges, given.bands, given.sessions_per_year, given.risk_free_rate
    )
    parts = []
    for start, stop in _chunks(len(values), len(bars)):
        parts.append(
            run_combinations(
                strategy, market, values[start:stop], each_rules[start:stop], score=scores, workers=workers
            ).accounts
        )
        if progress is not None:
            progress(stop, len(values))
    accounts = np.concatenate(parts)
    cash = np.array([each.cash for each in each_rules])
    table = scores_of(accounts, cash, len(bars), len(timeline.ends), given.sessions_per_year)
    return SweepResult(
        strategy.name,
        {name: np.array([point[name] for point in points]) for name in grid},
        table if scores else table | {name: np.full(len(values), np.nan) for name in FROM_EVERY_BAR},
        skipped,
        len(timeline.ends),
        given.sessions_per_year,
    )


def scores_of(
    accounts: RecordArray, cash: Float64Array, bars: int, sessions: int, sessions_per_year: float
) -> dict[str, Float64Array]:
    """Scores (m,) from account records (m,) and their opening cash (m,)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        growth = accounts["equity"] / cash
        years = sessions / sessions_per_year
        mean = accounts["sum_return"] / sessions
        spread = accounts["sum_square"] - sessions * mean**2
        spread[spread <= _ROUNDING * accounts["sum_square"]] = 0.0  # equal returns leave a residue
        deviation = np.sqrt(spread / (sessions - 1)) if sessions > 1 else np.full(len(mean), np.nan)
        yearly = np.sqrt(sessions_per_year)
        cagr = np.where(growth > 0.0, np.maximum(growth, 0.0) ** (1.0 / years) - 1.0, -1.0)
        trades = accounts["trades"].astype(np.float64)
        open_since = np.where(accounts["quantity"] != 0.0, bars - accounts["entry_index"], 0)
        return {
            "final_equity": accounts["equity"].copy(),
            "total_return": growth - 1.0,
            "cagr": cagr,
            "sharpe": _ratio(mean, deviation) * yearly,
            "sortino": _ratio(mean, np.sqrt(accounts["sum_downside"] / sessions)) * yearly,
            "max_drawdown": accounts["drawdown"].copy(),
            "calmar": _ratio(cagr, -accounts["drawdown"]),
            "volatility": deviation * yearly,
            "trades": trades,
            "win_rate": accounts["wins"] / trades,
            "profit_factor": _ratio(accounts["gross_profit"], -accounts["gross_loss"]),
            "expectancy": (accounts["gross_profit"] + accounts["gross_loss"]) / trades,
            "longest_losing_run": accounts["longest_losing_run"].astype(np.float64),
            "costs": accounts["costs"].copy(),
            "exposure": (accounts["bars_held"] + open_since) / bars,
        }


def _ratio(above: Float64Array, below: Float64Array) -> Float64Array:
    """As `metrics` has it: infinite without anything below, undefined without anything at all."""
    nothing = np.where((above > 0.0) & (below <= 0.0), np.inf, np.nan)
    return np.where(below > 0.0, above / below, nothing)


def _chunks(count: int, bars: int) -> Iterator[tuple[int, int]]:
    pieces = max(1, ceil(count * bars / _WORK_A_CHUNK))
    return pairwise(sorted({count * k // pieces for k in range(pieces + 1)}))


def _with_rules(rules: TradingRules, point: Mapping[str, float], own: Container[str]) -> TradingRules:
    levels = {n: v for n, v in point.items() if n in ("stop", "target", "trail") and n not in own}
    changed: dict[str, Level | Size] = {
        name: Level(LevelKind.PERCENT, value) if value > 0.0 else Level() for name, value in levels.items()
    }
    if "size" in point and "size" not in own:
        changed["size"] = Size(rules.size.kind, point["size"])
    return replace(rules, **changed) if changed else rules  # type: ignore[arg-type]
