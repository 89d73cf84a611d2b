"""Samplers choose the same points whatever happens between two batches."""

from contextlib import closing
from math import nan
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.engine.sweep import SCORES
from trademantra.research.optimise.samplers import Method, batch_size, sampler_of
from trademantra.research.optimise.space import Axis, Point
from trademantra.research.optimise.trials import Trial, TrialState, TrialStore, create_study

SPACE = (Axis("a", 0, 50, 1), Axis("b", 0, 1), Axis("c", 1, 9, choices=(1, 3, 9)))
SHARPE, DRAWDOWN = SCORES.index("sharpe"), SCORES.index("max_drawdown")


def landscape(point: Point) -> Trial:
    """A hill for the Sharpe ratio at a = 30, b = 0.25, c = 3; a valley and a cliff; the drawdown wants a small."""
    a, b, c = point
    scores = [nan] * len(SCORES)
    if a > 45:
        return Trial(0, TrialState.REFUSED, point, reason="too long", scores=tuple(scores))
    scores[SHARPE] = nan if a < 2 else -(((a - 30) / 10) ** 2) - 4 * (b - 0.25) ** 2 - abs(c - 3)
    scores[DRAWDOWN] = -float(a // 8)  # many are equal
    return Trial(0, TrialState.FINISHED, point, scores=tuple(scores))


def search(
    folder: Path, method: Method, objectives: tuple[str, ...], count: int, batch: int, cuts: set[int]
) -> list[Point]:
    """Run `count` trials, each batch backwards, and drop everything but the file before the trials of `cuts`."""
    path = folder / "s.sqlite3"
    path.unlink(missing_ok=True)
    create_study(path, {}, "")
    sampler, learned = None, 0
    store = TrialStore(path)
    for ran in range(10_000):
        if ran in cuts:
            store.close()
            store, sampler, learned = TrialStore(path), None, 0
        waiting = store.waiting(count)
        if waiting:
            trial = waiting[-1]
            made = landscape(trial.point)
            store.finish([Trial(trial.number, made.state, made.point, "", made.reason, made.scores)])
            continue
        first = store.count()
        if first >= count:
            break
        sampler = sampler or sampler_of(method, SPACE, objectives, 7, batch, store.sampler())
        sampler.learn(store.done(learned))
        learned = first
        made_batch = sampler.propose(first, count - first)
        store.propose(made_batch.points, made_batch.attributes, made_batch.state)
    with closing(store):
        return [trial.point for trial in store.done()]


@pytest.mark.parametrize(
    ("method", "objectives"),
    [
        (Method.RANDOM, ("sharpe",)),
        (Method.TPE, ("sharpe",)),
        (Method.NSGA2, ("sharpe", "max_drawdown")),
    ],
)
@settings(max_examples=4, deadline=None)
@given(cuts=st.sets(st.integers(0, 60), min_size=1, max_size=6))
def test_a_study_that_was_cut_anywhere_chooses_the_same_points(
    tmp_path_factory: pytest.TempPathFactory, method: Method, objectives: tuple[str, ...], cuts: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    whole = search(folder, method, objectives, 36, 6, set())
    assert search(folder, method, objectives, 36, 6, cuts) == whole
    assert len(whole) == 36


@pytest.mark.parametrize("method", [Method.RANDOM, Method.TPE, Method.NSGA2])
def test_a_longer_study_begins_with_the_trials_of_a_shorter_one(tmp_path: Path, method: Method) -> None:
    short = search(tmp_path, method, ("sharpe",), 14, 6, set())
    assert search(tmp_path, method, ("sharpe",), 20, 6, set())[:14] == short


def test_every_point_lies_in_the_space(tmp_path: Path) -> None:
    for method in (Method.RANDOM, Method.TPE, Method.NSGA2):
        for a, b, c in search(tmp_path, method, ("sharpe",), 30, 10, set()):
            assert a in range(51)
            assert 0.0 <= b <= 1.0
            assert c in (1, 3, 9)


@pytest.mark.parametrize("method", [Method.TPE, Method.NSGA2])
def test_searching_beats_chance(tmp_path: Path, method: Method) -> None:
    def late(chosen: Method) -> float:
        points = search(tmp_path, chosen, ("sharpe",), 80, 10, set())[-30:]
        return sorted(-9.0 if s != s else s for s in (landscape(p).scores[SHARPE] for p in points))[15]

    assert late(method) > late(Method.RANDOM) + 0.5


def test_batches_have_a_size_that_suits_the_method() -> None:
    assert batch_size(Method.TPE, None, 1000) == 10
    assert [batch_size(Method.NSGA2, None, trials) for trials in (30, 300, 3000)] == [10, 30, 50]
    assert batch_size(Method.NSGA2, 8, 3000) == 8
    with pytest.raises(InvalidValueError, match="too small"):
        batch_size(Method.NSGA2, 1, 100)
    with pytest.raises(InvalidValueError, match="belongs to"):
        batch_size(Method.GRID, 5, 100)
    assert Method.of(None, ("a", "b")) is Method.NSGA2
    with pytest.raises(InvalidValueError, match="no method"):
        Method.of("annealing", ("a",))
