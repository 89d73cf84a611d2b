"""A study: points chosen, run on whatever workers there are, every trial kept, resumable at any time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.sweep import SCORES
from trademantra.research.optimise.evaluate import (
    Fault,
    Job,
    Outcome,
    Runner,
    Slice,
    strategy_named,
)
from trademantra.research.optimise.executors import Cluster, Executor, InProcess, ProcessPool, cores
from trademantra.research.optimise.input_file import fingerprint, write_input
from trademantra.research.optimise.samplers import Method, Sampler, batch_size, sampler_of
from trademantra.research.optimise.space import Point
from trademantra.research.optimise.study import StudyPlan, StudyResult, default_name, identity_of
from trademantra.research.optimise.trials import (
    Trial,
    TrialState,
    TrialStore,
    create_study,
    only_runner,
    same_study,
    study_path,
)

Progress = Callable[[int, int], None]
_WORK_A_SLICE = 100_000_000  # bars x combinations of a compiled strategy: about a second of one core
_WORTH_A_POOL = 2_000_000_000  # below this the pool's own start takes longer than the study
_ROUNDS = (
    4  # slices that each worker gets of a batch: small enough to even out, large enough to share columns
)


def optimise(
    plan: StudyPlan,
    given: BacktestInput,
    folder: Path,
    *,
    name: str | None = None,
    costs: str = "none",
    resume: bool = False,
    workers: int | None = None,
    cluster: str | None = None,
    command: str = "",
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> StudyResult:
    """Run a study, or the rest of it, and answer with all its trials.

    The study is the file `name` in `folder`; `resume` goes on with it, and with a larger `plan.trials` extends it.
    `workers` None: one process for a small study of a compiled strategy, else one a core; `cluster`: the address
    of a Dask scheduler instead.  `progress(done, total)` counts the trials of this run.  The trials do not depend on
    workers or interruptions.  Ctrl-C ends the study early: everything finished is kept and returned.
    Errors: `DataConflictError` when the study is there and not resumed, is being run elsewhere, or was made with other
    data, code, rules or ranges; `NotFoundError` when there is none to resume; `InvalidValueError`.
    """
    data = fingerprint(given)
    identity = identity_of(plan, data, costs)
    name = name or default_name(identity)
    path = study_path(folder, name)
    runner = Runner.of(
        strategy_named(plan.strategy), given, tuple(axis.name for axis in plan.space), plan.fixed, plan.rules
    )
    size = batch_size(plan.method, plan.batch, plan.total)
    with only_runner(path):
        if not resume and not _is_untouched(path):
            create_study(path, identity | {"batch size": str(size)}, command)
        with closing(TrialStore(path)) as store:
            if plan.batch is None:
                size = int(store.identity.get("batch size", size))
            same_study(store, name, identity | {"batch size": str(size)})
            job = Job(
                plan.strategy, identity["code"], path.with_suffix(".npz"), data, runner.names,
                tuple(plan.fixed.items()), plan.rules, 1,
            )  # fmt: skip
            work = _Work(plan, store, size, progress)
            interrupted = False
            if not work.is_done:
                try:
                    with executor or _executor(runner, plan, workers, cluster) as chosen:
                        if not isinstance(chosen, InProcess):
                            write_input(job.input, given)
                        work.run(
                            chosen, replace(job, threads=chosen.threads), len(next(iter(given.bars.values())))
                        )
                except KeyboardInterrupt:
                    interrupted = True
                finally:
                    with suppress(OSError):
                        job.input.unlink(missing_ok=True)
            result = _result(name, plan, data, store, work.reused, interrupted, path)
    if len(result) and result.refused == len(result) and not interrupted:
        raise InvalidValueError(
            f"all {len(result):,} trials were refused, the first: {result.reasons[0]}",
            hint="change the ranges (--vary), the period or the instruments, under another --study name",
        )
    return result


def _is_untouched(path: Path) -> bool:
    """Whether there is a study without one finished trial: its first start failed, and the next is as good."""
    if not path.exists():
        return False
    with closing(TrialStore(path)) as store:
        return store.count() == store.count(TrialState.WAITING)


class _Work:
    """The rest of a study: choose a batch, run it, learn, and again."""

    def __init__(self, plan: StudyPlan, store: TrialStore, batch: int, progress: Progress | None) -> None:
        self._plan, self._store, self._batch, self._progress = plan, store, batch, progress
        self._sampler: Sampler | None = None
        self._learned = 0
        self._known: dict[Point, Trial] = {}
        self._before = plan.total - self._open()
        self.reused = 0

    @property
    def is_done(self) -> bool:
        return self._open() == 0

    def _open(self) -> int:
        total = self._plan.total
        return (
            total
            - self._store.count(TrialState.FINISHED, total)
            - self._store.count(TrialState.REFUSED, total)
        )

    def run(self, executor: Executor, job: Job, bars: int) -> None:
        total = self._plan.total
        self._known = {trial.point: trial for trial in self._store.done()}
        compiled = _is_compiled(job)
        self._report()
        while True:
            waiting = self._answered(self._store.waiting(total))
            per_slice = _slice_size(len(waiting), bars, executor.workers) if compiled else 1
            for each, outcome in executor.run(list(_slices(job, waiting, per_slice))):
                if isinstance(outcome, Fault):
                    raise outcome.error()
                self._keep(each, outcome)
            if self._store.waiting(total):
                continue  # copies of points that were running
            first = self._store.count()
            if first >= total:
                return
            self._propose(first)

    def _propose(self, first: int) -> None:
        plan = self._plan
        if self._sampler is None:
            self._sampler = sampler_of(
                plan.method, plan.space, plan.objectives, plan.seed, self._batch, self._store.sampler()
            )
        if plan.method in (Method.TPE, Method.NSGA2):
            self._sampler.learn(self._store.done(self._learned))
            self._learned = first
        batch = self._sampler.propose(first, plan.total - first)
        self._store.propose(batch.points, batch.attributes, batch.state)

    def _answered(self, waiting: Sequence[Trial]) -> list[Trial]:
        """Give trials at points that were run before their known scores; return the others, each point once."""
        copies: list[Trial] = []
        fresh: dict[Point, Trial] = {}
        for trial in waiting:
            known = self._known.get(trial.point)
            if known is not None:
                copies.append(Trial(trial.number, known.state, trial.point, "", known.reason, known.scores))
            else:
                fresh.setdefault(trial.point, trial)
        if copies:
            self._store.finish(copies)
            self.reused += len(copies)
            self._report()
        return list(fresh.values())

    def _keep(self, each: Slice, outcome: Outcome) -> None:
        trials = [
            Trial(
                number,
                TrialState.REFUSED if reason else TrialState.FINISHED,
                point,
                "",
                reason,
                tuple(scores),
            )
            for number, point, scores, reason in zip(
                each.numbers, each.points, outcome.scores.tolist(), outcome.reasons, strict=True
            )
        ]
        self._store.finish(trials)
        self._known.update((trial.point, trial) for trial in trials)
        self._report()

    def _report(self) -> None:
        if self._progress is not None:
            total = self._plan.total - self._before
            self._progress(total - self._open(), total)


def _is_compiled(job: Job) -> bool:
    """Whether many points of this job are cheaper together."""
    return isinstance(strategy_named(job.strategy), SignalStrategy)


def _slice_size(count: int, bars: int, workers: int) -> int:
    even = -(-count // (workers * _ROUNDS))
    return max(1, min(even if workers > 1 else count, _WORK_A_SLICE // max(1, bars)))


def _slices(job: Job, waiting: Sequence[Trial], size: int) -> Iterator[Slice]:
    for start in range(0, len(waiting), size):
        part = waiting[start : start + size]
        yield Slice(job, tuple(trial.number for trial in part), tuple(trial.point for trial in part))


def _executor(runner: Runner, plan: StudyPlan, workers: int | None, cluster: str | None) -> Executor:
    if cluster is not None:
        if workers is not None:
            raise InvalidValueError("--workers and --cluster exclude each other")
        return Cluster(cluster)
    if workers is not None and workers < 1:
        raise InvalidValueError(f"--workers {workers}: at least one is needed")
    small = runner.market is not None and plan.total * len(runner.market.bars) < _WORTH_A_POOL
    count = workers or (1 if small else min(cores(), plan.total))
    return InProcess(runner) if count == 1 else ProcessPool(count)


def _result(
    name: str, plan: StudyPlan, data: str, store: TrialStore, reused: int, interrupted: bool, path: Path
) -> StudyResult:
    trials = [trial for trial in store.done() if trial.number < plan.total]
    return StudyResult(
        name,
        plan,
        data,
        np.array([trial.number for trial in trials], np.int64),
        np.array([trial.point for trial in trials]).reshape(len(trials), len(plan.space)),
        np.array([trial.scores for trial in trials]).reshape(len(trials), len(SCORES)),
        tuple(trial.reason for trial in trials),
        reused,
        interrupted,
        path,
    )
