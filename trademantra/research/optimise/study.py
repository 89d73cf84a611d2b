"""What a study asks, and what it found."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.rules import TradingRules
from trademantra.engine.sweep import LOWER_IS_BETTER, SCORES
from trademantra.research.optimise.evaluate import code_digest
from trademantra.research.optimise.samplers import Method
from trademantra.research.optimise.space import Space, grid_size

DEFAULT_TRIALS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """What is searched for.

    `strategy`: a library name or the absolute path of a file (`reference_of`).  `objectives`: one score, or several
    for a Pareto front.  `trials` None: 100, or the whole grid.  `batch` None: the method's own size, or that of the study that is resumed.
    """

    strategy: str
    space: Space
    fixed: Mapping[str, float]
    rules: TradingRules
    method: Method = Method.TPE
    objectives: tuple[str, ...] = ("sharpe",)
    trials: int | None = None
    seed: int = 7
    batch: int | None = None

    def __post_init__(self) -> None:
        for name in self.objectives:
            if name not in SCORES:
                raise InvalidValueError(f"no score {name!r}", hint=f"there are: {', '.join(SCORES)}")
        if not self.objectives or len(set(self.objectives)) < len(self.objectives):
            raise InvalidValueError("name each objective once", hint="for example --objective sharpe")
        if len(self.objectives) > 1 and self.method is Method.TPE:
            raise InvalidValueError("tpe takes one objective", hint="--method nsga2 takes several")
        if self.seed < 0 or (self.trials is not None and self.trials < 1):
            raise InvalidValueError("trials must be at least 1 and the seed not negative")
        if self.method is Method.GRID and self.trials is not None:
            raise InvalidValueError(
                "a grid runs all its points, --trials cannot limit it",
                hint="leave --trials out, take larger steps, or use --method random",
            )

    @property
    def total(self) -> int:
        """Trials of the finished study."""
        return grid_size(self.space) if self.method is Method.GRID else self.trials or DEFAULT_TRIALS

    def under(self, rules: TradingRules) -> "StudyPlan":
        """The same plan under other trading rules."""
        return replace(self, rules=rules)


@dataclass(frozen=True, slots=True, eq=False)
class StudyResult:
    """All trials that were run, in order: `numbers` (k,), `points` (k, axes), `scores` (k, s) as in `SCORES`.

    `reasons` (k,): why the strategy refused a point, or nothing.  `interrupted`: stopped before all were run.
    """

    name: str
    plan: StudyPlan
    data: str
    numbers: Int64Array
    points: Float64Array
    scores: Float64Array
    reasons: tuple[str, ...]
    reused: int
    interrupted: bool
    path: Path

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def refused(self) -> int:
        return sum(1 for reason in self.reasons if reason)

    def best(self) -> list[int]:
        """Positions from best to worst by the first objective, undefined scores left out; equal points once.

        With several objectives: those that no other trial beats in all of them (the Pareto front).
        """
        columns = [SCORES.index(name) for name in self.plan.objectives]
        signs = np.array([-1.0 if name in LOWER_IS_BETTER else 1.0 for name in self.plan.objectives])
        goodness = self.scores[:, columns] * signs
        defined = np.flatnonzero(~np.isnan(goodness).any(axis=1))
        if not len(defined):
            return []
        _, first = np.unique(self.points[defined], axis=0, return_index=True)
        kept = defined[np.sort(first)]
        if len(columns) > 1:
            kept = kept[_unbeaten(goodness[kept])]
        order: list[int] = kept[np.argsort(-goodness[kept, 0], kind="stable")].tolist()
        return order

    def row(self, position: int) -> dict[str, float]:
        """Varied values and scores of one trial."""
        names = (*(axis.name for axis in self.plan.space), *SCORES)
        values = (*self.points[position], *self.scores[position])
        return dict(zip(names, map(float, values), strict=True))


def identity_of(plan: StudyPlan, data: str, costs: str) -> dict[str, str]:
    """What makes two studies the same, by the words of an error message; the batch size is added when it is known."""
    return {
        "strategy": plan.strategy,
        "code": code_digest(plan.strategy),
        "data": data,
        "rules": json.dumps(asdict(plan.rules), sort_keys=True),
        "costs": costs,
        "parameters": json.dumps(dict(sorted(plan.fixed.items()))),
        "ranges": " ".join(map(str, plan.space)),
        "method": plan.method.value,
        "objectives": " ".join(plan.objectives),
        "seed": str(plan.seed),
    }


def default_name(identity: Mapping[str, str]) -> str:
    """A study's name when none is given: the same question on the same data finds the same study."""
    digest = hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()
    return f"{Path(identity['strategy']).stem}-{identity['method']}-{digest[:8]}"


def _unbeaten(goodness: Float64Array) -> Int64Array:
    """Rows (k,) of `goodness` (n, objectives) that no other row equals or betters everywhere and betters somewhere."""
    front: list[int] = []
    for i in np.lexsort(-goodness.T[::-1]).tolist():  # nothing that comes later beats what came before
        mine = goodness[i]
        if not any(
            bool((goodness[other] >= mine).all() and (goodness[other] > mine).any()) for other in front
        ):
            front.append(i)
    return np.array(sorted(front), np.int64)
