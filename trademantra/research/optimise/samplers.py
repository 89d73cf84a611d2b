"""Who chooses the next points: the grid, chance, or Optuna's TPE and NSGA-II.

The points depend on seed, batch size and the scores of earlier batches, never on the order in which workers answer:
a whole batch is chosen before any of it is run, and is told back, in order, when all of it is done.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf, isnan
from typing import TYPE_CHECKING, Protocol

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.sweep import LOWER_IS_BETTER, SCORES
from trademantra.research.optimise.space import Axis, Point, Space, grid_point, grid_size
from trademantra.research.optimise.trials import Trial

if TYPE_CHECKING:
    import optuna

_PLAIN_BATCH = 10_000  # trials whose points are fixed beforehand: only a matter of memory
TPE_BATCH = 10
LARGEST_POPULATION = 50


class Method(StrEnum):
    GRID = "grid"
    RANDOM = "random"
    TPE = "tpe"
    NSGA2 = "nsga2"

    @classmethod
    def of(cls, word: str | None, objectives: Sequence[str]) -> "Method":
        """The method of that name; without one, what suits the number of objectives.  Errors: `InvalidValueError`."""
        if word is None:
            return cls.TPE if len(objectives) == 1 else cls.NSGA2
        try:
            return cls(word.lower())
        except ValueError as error:
            raise InvalidValueError(f"no method {word!r}", hint=f"there are: {', '.join(cls)}") from error


@dataclass(frozen=True, slots=True)
class Batch:
    """Points to run next; what the sampler must remember of each, and of itself, as JSON."""

    points: tuple[Point, ...]
    attributes: tuple[str, ...]
    state: str = "{}"


class Sampler(Protocol):
    """Chooses points, a batch at a time."""

    def learn(self, trials: Iterable[Trial]) -> None:
        """Hear of all trials before the next batch that were not told yet, in order."""

    def propose(self, first: int, wanted: int) -> Batch:
        """Choose the batch that begins with trial `first`; a sampler that learns takes its own size over `wanted`."""


@dataclass(frozen=True, slots=True)
class GridSampler:
    """Every point of the grid, in order."""

    space: Space

    def learn(self, trials: Iterable[Trial]) -> None:
        """A grid does not learn."""

    def propose(self, first: int, wanted: int) -> Batch:
        count = min(wanted, _PLAIN_BATCH, grid_size(self.space) - first)
        return _plain([grid_point(self.space, first + place) for place in range(count)])


@dataclass(frozen=True, slots=True)
class RandomSampler:
    """Every point equally likely; trial n depends on seed and n alone."""

    space: Space
    seed: int

    def learn(self, trials: Iterable[Trial]) -> None:
        """Chance does not learn."""

    def propose(self, first: int, wanted: int) -> Batch:
        return _plain([self._point(first + place) for place in range(min(wanted, _PLAIN_BATCH))])

    def _point(self, number: int) -> Point:
        chance = np.random.default_rng((self.seed, number))
        return tuple(
            axis.value(int(chance.integers(axis.count)))
            if axis.count
            else float(chance.uniform(axis.low, axis.high))
            for axis in self.space
        )


class OptunaSampler:
    """TPE for one objective, NSGA-II for one or several, in Optuna's memory; the trials themselves are ours.

    Stepped axes are known to Optuna by the position of their value, so every value is exactly one of the grid.
    Undefined scores and refused points count as the worst.
    """

    def __init__(
        self, method: Method, space: Space, objectives: Sequence[str], seed: int, batch: int, state: str
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._method, self._space, self._seed, self._batch = method, space, seed, batch
        self._places = [SCORES.index(name) for name in objectives]
        self._worst = [inf if name in LOWER_IS_BETTER else -inf for name in objectives]
        self._distributions = {axis.name: _distribution(axis) for axis in space}
        self._storage = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(
            storage=self._storage,
            sampler=self._sampler(0),
            directions=["minimize" if name in LOWER_IS_BETTER else "maximize" for name in objectives],
        )
        self._id = self._storage.get_study_id_from_name(self._study.study_name)
        for name, value in json.loads(state).items():
            self._storage.set_study_system_attr(self._id, name, value)
        self._asked = 0  # trials that Optuna knows

    def learn(self, trials: Iterable[Trial]) -> None:
        import optuna

        for trial in trials:
            values = [
                worst if not trial.scores or isnan(trial.scores[place]) else trial.scores[place]
                for place, worst in zip(self._places, self._worst, strict=True)
            ]
            if trial.number < self._asked:
                self._study.tell(trial.number, values)
                continue
            self._study.add_trial(
                optuna.trial.create_trial(
                    values=values,
                    params={
                        axis.name: axis.position(value) if axis.count else value
                        for axis, value in zip(self._space, trial.point, strict=True)
                    },
                    distributions=self._distributions,
                    system_attrs=json.loads(trial.attributes),
                )
            )
            self._asked = trial.number + 1

    def propose(self, first: int, wanted: int) -> Batch:
        self._study.sampler = self._sampler(first)
        points = []
        for _ in range(self._batch):
            asked = self._study.ask(self._distributions)
            points.append(
                tuple(
                    axis.value(asked.params[axis.name]) if axis.count else float(asked.params[axis.name])
                    for axis in self._space
                )
            )
        self._asked = first + self._batch
        asked_now = self._study.get_trials(deepcopy=False)[first:]
        attributes = tuple(json.dumps(trial.system_attrs) for trial in asked_now)
        return Batch(tuple(points), attributes, json.dumps(self._storage.get_study_system_attrs(self._id)))

    def _sampler(self, first: int) -> "optuna.samplers.BaseSampler":
        """A sampler whose random numbers belong to one batch: a resumed study draws what an unbroken one draws."""
        import optuna

        seed = int(np.random.SeedSequence((self._seed, first)).generate_state(1)[0])
        if self._method is Method.TPE:
            return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        return optuna.samplers.NSGAIISampler(population_size=self._batch, seed=seed)


def sampler_of(
    method: Method, space: Space, objectives: Sequence[str], seed: int, batch: int, state: str
) -> Sampler:
    """The sampler of a study; `state` is what it left behind with its last batch."""
    if method is Method.GRID:
        return GridSampler(space)
    if method is Method.RANDOM:
        return RandomSampler(space, seed)
    return OptunaSampler(method, space, objectives, seed, batch, state)


def batch_size(method: Method, wanted: int | None, trials: int) -> int:
    """Trials that are chosen together: given, or 10 for TPE, and a population of a tenth of the trials for NSGA-II.

    Errors: `InvalidValueError`.
    """
    if method not in (Method.TPE, Method.NSGA2):
        if wanted is not None:
            raise InvalidValueError(f"--batch belongs to tpe and nsga2, not to {method}")
        return _PLAIN_BATCH
    least = 2 if method is Method.NSGA2 else 1
    if wanted is not None and wanted < least:
        raise InvalidValueError(f"--batch {wanted} is too small for {method}", hint=f"at least {least}")
    if wanted is not None:
        return wanted
    return TPE_BATCH if method is Method.TPE else min(LARGEST_POPULATION, max(10, trials // 10))


def _plain(points: list[Point]) -> Batch:
    return Batch(tuple(points), ("{}",) * len(points))


def _distribution(axis: Axis) -> "optuna.distributions.BaseDistribution":
    from optuna.distributions import FloatDistribution, IntDistribution

    return IntDistribution(0, axis.count - 1) if axis.count else FloatDistribution(axis.low, axis.high)
