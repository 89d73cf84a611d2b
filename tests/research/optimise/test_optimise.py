"""A study in one process: the same numbers as a sweep, kept, continued, extended, never mixed with another."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.research.optimise.studies import content, doom, follow, input_of, plan_of
from trademantra.core.errors import BadInputError, DataConflictError, InvalidValueError, NotFoundError
from trademantra.engine.backtest import backtest
from trademantra.engine.rules import Level
from trademantra.engine.sweep import SCORES, parse_grid, sweep
from trademantra.research.inputs import charges_for
from trademantra.research.optimise.executors import InProcess
from trademantra.research.optimise.input_file import fingerprint, read_input, write_input
from trademantra.research.optimise.optimise import optimise
from trademantra.research.optimise.samplers import Method
from trademantra.research.optimise.space import Point
from trademantra.research.optimise.study import StudyPlan, StudyResult, code_digest
from trademantra.research.optimise.trials import TrialState, TrialStore, only_runner
from trademantra.strategies.registry import load_strategy

GIVEN = input_of()


def run(folder: Path, plan: StudyPlan, **words: object) -> StudyResult:
    return optimise(plan, GIVEN, folder, **{"workers": 1, "name": "s", **words})  # type: ignore[arg-type]


def test_a_grid_has_the_numbers_of_a_sweep(tmp_path: Path) -> None:
    ranges = ("fast=3:15:3", "slow=6:30:6", "stop=0:4:2")
    found = run(tmp_path, plan_of(ranges=ranges, method=Method.GRID))
    swept = sweep(load_strategy("sma_cross"), GIVEN, dict(map(parse_grid, ranges)))  # type: ignore[arg-type]
    assert len(found) == 5 * 5 * 3
    assert found.refused == swept.skipped > 0
    ran = np.array([not reason for reason in found.reasons])
    for place, name in enumerate(SCORES):
        np.testing.assert_array_equal(found.scores[ran, place], swept.scores[name], err_msg=name)
    assert np.isnan(found.scores[~ran]).all()
    best = [found.row(position)["sharpe"] for position in found.best()]
    assert best == sorted(best, reverse=True)
    assert best[0] == np.nanmax(swept.scores["sharpe"])


def test_an_event_study_has_the_numbers_of_its_backtests(tmp_path: Path) -> None:
    file = follow(tmp_path)
    found = run(tmp_path, plan_of(file, ("length=5:8",), Method.GRID, {"hold": 2}))
    strategy_class = plan_of(file, ("length=5:8",)).strategy
    assert found.plan.strategy == strategy_class
    from trademantra.strategies.registry import load_strategy_file

    for position, length in enumerate((5, 6, 7, 8)):
        metrics = backtest(load_strategy_file(file), GIVEN, {"length": length, "hold": 2}).metrics
        assert found.row(position) == {
            "length": length,
            **{name: pytest.approx(float(getattr(metrics, name)), nan_ok=True, abs=0) for name in SCORES},
        }


def test_a_rotation_is_optimised_too(tmp_path: Path) -> None:
    plan = plan_of("dual_momentum", ("lookback=20:60:20", "top=1:2"), Method.GRID, {"every": 21})
    given_two = input_of(400, symbols=("A", "B", "C"))
    found = optimise(plan, given_two, tmp_path, workers=1)
    assert found.refused == 0
    metrics = backtest(
        load_strategy("dual_momentum"), given_two, {"lookback": 40, "top": 1, "every": 21}
    ).metrics
    assert found.row(2)["sharpe"] == metrics.sharpe


class Stopping(InProcess):
    """Like its parent, but Ctrl-C is pressed after so many slices; the rest of the batch is lost."""

    def __init__(self, runner: InProcess, slices: int) -> None:
        super().__init__(runner._runner)
        self._left = slices
        self.workers = 3  # small slices

    def run(self, slices):  # type: ignore[no-untyped-def]
        for each in super().run(slices):
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
            yield each


@pytest.mark.parametrize(
    ("method", "objectives"),
    [
        (Method.GRID, ("sharpe",)),
        (Method.TPE, ("calmar",)),
        (Method.NSGA2, ("sharpe", "max_drawdown", "trades")),
    ],
)
@settings(max_examples=4, deadline=None)
@given(stops=st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_interrupted_and_resumed_is_the_same_as_never_interrupted(
    tmp_path_factory: pytest.TempPathFactory, method: Method, objectives: tuple[str, ...], stops: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("stops")
    trials = None if method is Method.GRID else 30
    plan = plan_of(method=method, objectives=objectives, trials=trials, batch=None if trials is None else 6)
    whole = run(folder, plan, name="whole")
    assert len(whole) == plan.total
    kept = 0
    for place, slices in enumerate(stops):
        from trademantra.research.optimise.evaluate import Runner, strategy_named

        runner = Runner.of(
            strategy_named(plan.strategy), GIVEN, tuple(axis.name for axis in plan.space), {}, plan.rules
        )
        part = run(folder, plan, name="cut", resume=place > 0, executor=Stopping(InProcess(runner), slices))
        assert len(part) >= kept
        kept = len(part)
        assert part.interrupted == (kept < plan.total)
    assert content(run(folder, plan, name="cut", resume=True)) == content(whole)


def test_a_finished_study_can_be_extended(tmp_path: Path) -> None:
    plan = plan_of(method=Method.TPE, trials=25, batch=10)
    run(tmp_path, plan, name="grown")
    grown = run(tmp_path, replace(plan, trials=40, batch=None), name="grown", resume=True)
    assert content(grown) == content(run(tmp_path, replace(plan, trials=40), name="whole"))
    less = run(tmp_path, replace(plan, trials=25), name="grown", resume=True)
    assert less.numbers.tolist() == list(range(25))


def test_threads_and_slices_do_not_matter(tmp_path: Path) -> None:
    plan = plan_of(method=Method.NSGA2, objectives=("sharpe", "max_drawdown"), trials=30, batch=10)
    whole = run(tmp_path, plan, name="a")
    from trademantra.research.optimise.evaluate import Runner, strategy_named

    names = tuple(axis.name for axis in plan.space)
    runner = Runner.of(strategy_named(plan.strategy), GIVEN, names, {}, plan.rules)
    assert content(run(tmp_path, plan, name="b", executor=InProcess(runner, threads=1))) == content(whole)
    never = Stopping(InProcess(runner), 10**6)
    assert content(run(tmp_path, plan, name="c", executor=never)) == content(whole)


def test_a_study_is_never_mixed_with_another(tmp_path: Path) -> None:
    plan = plan_of(method=Method.TPE, trials=10)
    run(tmp_path, plan)
    with pytest.raises(DataConflictError, match="is there already"):
        run(tmp_path, plan)
    stop = replace(plan, rules=replace(plan.rules, stop=Level.parse("2%")))
    for what, other in (
        ("rules", stop),
        ("ranges", plan_of(ranges=("fast=3:16",), method=Method.TPE, trials=10)),
        ("method", plan_of(trials=10)),
        ("objectives", replace(plan, objectives=("calmar",))),
        ("seed", replace(plan, seed=8)),
        ("batch size", replace(plan, batch=5)),
        ("strategy and code", plan_of("ema_cross", method=Method.TPE, trials=10)),
    ):
        with pytest.raises(DataConflictError, match=f"made with other {what} "):
            run(tmp_path, other, resume=True)
    with pytest.raises(
        DataConflictError, match=r"\(rules stop=.*'value': 0.0\}, now stop=.*'value': 2.0\}\)"
    ):
        run(tmp_path, stop, resume=True)
    with pytest.raises(DataConflictError, match="made with other costs "):
        run(tmp_path, plan, resume=True, costs="flat:0.001")
    with pytest.raises(DataConflictError, match=r"made with other data \(data \w{8}, now \w{8}\)"):
        optimise(plan, input_of(seed=2), tmp_path, name="s", resume=True)
    with pytest.raises(NotFoundError, match="no study t"):
        run(tmp_path, plan, resume=True, name="t")
    with pytest.raises(InvalidValueError, match="cannot be used"):
        run(tmp_path, plan, name="../t")
    assert len(run(tmp_path, plan, resume=True)) == 10


def test_a_strategy_file_that_was_changed_is_other_code(tmp_path: Path) -> None:
    file = follow(tmp_path)
    plan = plan_of(file, ("length=5:8",), Method.GRID)
    run(tmp_path, plan)
    file.write_text(file.read_text().replace("context.exit()", "pass"))
    with pytest.raises(DataConflictError, match="made with other code "):
        run(tmp_path, plan, resume=True)


def test_only_one_process_runs_a_study(tmp_path: Path) -> None:
    plan = plan_of(trials=5)
    with only_runner(tmp_path / "s.sqlite3"), pytest.raises(DataConflictError, match="another process"):
        run(tmp_path, plan)
    assert len(run(tmp_path, plan)) == 5


def test_a_point_that_was_run_is_not_run_again(tmp_path: Path) -> None:
    ran: list[Point] = []

    class Counting(Stopping):
        def run(self, slices):  # type: ignore[no-untyped-def]
            ran.extend(point for each in slices for point in each.points)
            yield from super().run(slices)

    from trademantra.research.optimise.evaluate import Runner, strategy_named

    plan = plan_of(ranges=("fast=3:5",), fixed={"slow": 20}, trials=40)
    runner = Runner.of(strategy_named(plan.strategy), GIVEN, ("fast",), {"slow": 20}, plan.rules)
    found = run(tmp_path, plan, executor=Counting(InProcess(runner), 10**6))
    assert sorted(ran) == [(3.0,), (4.0,), (5.0,)]
    assert (len(found), found.reused, found.refused) == (40, 37, 0)
    assert len(found.best()) == 3


def test_what_raises_is_named_and_what_finished_is_kept(tmp_path: Path) -> None:
    file = follow(tmp_path)
    doom(tmp_path, 7, "raise")
    plan = plan_of(file, ("length=5:8",), Method.GRID)
    with pytest.raises(
        InvalidValueError, match=r"follow raised ZeroDivisionError: .* with length=7"
    ) as caught:
        run(tmp_path, plan)
    assert "follow.py, line" in str(caught.value)
    with closing(TrialStore(tmp_path / "s.sqlite3")) as store:
        assert store.count(TrialState.FINISHED) == 2
    assert len(run(tmp_path, plan, resume=True)) == 4


def test_points_without_room_to_warm_up_are_refused_with_the_reason(tmp_path: Path) -> None:
    found = run(tmp_path, plan_of(ranges=("slow=394:404:1",), method=Method.GRID, fixed={"fast": 5}))
    allowed = []
    for slow in range(394, 405):
        try:
            backtest(load_strategy("sma_cross"), GIVEN, {"fast": 5, "slow": slow})
        except InvalidValueError:
            allowed.append(False)
        else:
            allowed.append(True)
    assert [not reason for reason in found.reasons] == allowed
    assert len(set(allowed)) == 2
    assert "bars to warm up" in found.reasons[-1]
    with pytest.raises(InvalidValueError, match="all 2 trials were refused, the first: needs more than"):
        run(tmp_path, plan_of(ranges=("slow=500,600",), fixed={"fast": 5}, trials=2), name="t")


def test_the_front_is_what_nothing_else_beats(tmp_path: Path) -> None:
    plan = plan_of(
        ranges=("fast=3:15", "slow=16:60:4"),
        method=Method.GRID,
        objectives=("trades", "longest_losing_run"),
    )
    found = run(tmp_path, plan)
    columns = [SCORES.index(name) for name in plan.objectives]
    goodness = found.scores[:, columns] * (1.0, -1.0)
    beaten = [any((other >= mine).all() and (other > mine).any() for other in goodness) for mine in goodness]
    assert sorted(found.best()) == [i for i, lost in enumerate(beaten) if not lost]


def test_plans_that_cannot_be_are_refused() -> None:
    for fault, words in (
        ("no score 'sharp'", {"objectives": ("sharp",)}),
        ("each objective once", {"objectives": ("sharpe", "sharpe")}),
        ("tpe takes one objective", {"objectives": ("sharpe", "calmar"), "method": Method.TPE}),
        ("a grid runs all", {"method": Method.GRID, "trials": 5}),
    ):
        with pytest.raises(InvalidValueError, match=fault):
            plan_of(**words)  # type: ignore[arg-type]


def test_the_input_file_holds_all_that_a_run_reads(tmp_path: Path) -> None:
    two = input_of(50, symbols=("A", "B"))
    charges = charges_for("zerodha:CNC", "NSE", two.bars)
    full = replace(two, charges=charges, benchmark=two.bars["A"].close, risk_free_rate=0.06)
    for given_one in (two, full):
        write_input(tmp_path / "i.npz", given_one)
        again = read_input(tmp_path / "i.npz")
        assert fingerprint(again) == fingerprint(given_one)
        assert again.symbols == given_one.symbols
        if charges is not None and again.charges is not None:
            assert again.charges.dtype == charges.dtype
    moved = replace(full, charges=charges_for("flat:0.001", "NSE", two.bars))
    assert len({fingerprint(each) for each in (two, full, moved, replace(full, risk_free_rate=0.0))}) == 4


def test_rubbish_in_the_place_of_a_study_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite3").write_bytes(b"not a database, but long enough to be read as one" * 40)
    with pytest.raises(BadInputError, match="is not a study"):
        run(tmp_path, plan_of(trials=5), resume=True)
    (tmp_path / "s.sqlite3").unlink()
    with closing(sqlite3.connect(tmp_path / "s.sqlite3")) as other:
        other.execute("CREATE TABLE study (identity, command)")
    with pytest.raises(BadInputError, match="another version"):
        run(tmp_path, plan_of(trials=5), resume=True)


def test_the_code_digest_knows_the_strategy(tmp_path: Path) -> None:
    assert code_digest("sma_cross") == code_digest("sma_cross") != code_digest("ema_cross")
