"""What happens when a worker fails: who is to blame is stopped, the innocent go on where they were."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from trademantra.engine.live.wants import Want
from trademantra.trading.runner.answers import Failure, LiveState, Outcome, Ready, Replayed, Wanted
from trademantra.trading.runner.decisions import Decisions
from trademantra.trading.runner.events import (
    RunnerEvent,
    StopReason,
    StrategyDiverged,
    StrategyPrinted,
    StrategyStopped,
    WorkerRestarted,
)
from trademantra.trading.runner.folders import WorkerFolders
from trademantra.trading.runner.process import FailureKind, Request, WorkerFailedError, WorkerProcess
from trademantra.trading.runner.requests import plain_load, plain_warm_up
from trademantra.trading.runner.run_log import LogEntry, plain_entry
from trademantra.trading.runner.runs import Batch, Kept, Run, RunState, Worker, kept
from trademantra.trading.runner.settings import RunnerSettings
from trademantra.trading.runner.wire import body_of

T = TypeVar("T")

_REPLAYED_AT_ONCE = 2_000  # entries in one request: its time limit starts anew with each


class Supervisor:
    """Keeps workers alive.  Callers hold the worker's lock."""

    def __init__(self, folder: Path, settings: RunnerSettings, tell: Callable[[RunnerEvent], None]) -> None:
        self._folder, self._settings, self._tell = folder, settings, tell
        self._mourning: set[asyncio.Task[None]] = set()
        self.closed = False

    # ------------------------------------------------------------ what callers want

    async def bring(self, worker: Worker, run: Run) -> None:
        """Load a run, warm it up, and tell it again all that it was told.  It is running then, or stopped."""

        async def load(process: WorkerProcess) -> None:
            if run.state is RunState.STARTING:  # else it came with the whole worker
                await self._load(worker, process, run)

        worker.runs[run.number] = run
        await self._insist(worker, load)

    async def ask(self, worker: Worker, batch: Batch) -> dict[Run, list[Want]]:
        """The wants of every run of the batch that still lives afterwards."""

        async def put(process: WorkerProcess) -> dict[Run, list[Want]]:
            living = batch.living
            outcomes = await process.ask(self._request(batch, living)) if living else {}
            wants: dict[Run, list[Want]] = {}
            for run, entry in living:
                outcome = outcomes.get(run.number, Wanted([]))
                run.inputs.append(kept(entry))
                if isinstance(outcome, Wanted):
                    assert run.decisions is not None
                    run.decisions.add(outcome.wants)
                    wants[run] = outcome.wants
                else:
                    self._raised(worker, run, outcome)
            return wants

        return await self._insist(worker, put) or {}

    async def query(self, worker: Worker, run: Run) -> LiveState | None:
        """None when the run stops before it answers."""

        async def look(process: WorkerProcess) -> LiveState | None:
            outcome = (
                await self._one(process, run, "query", self._settings.decision_seconds) if run.lives else None
            )
            if isinstance(outcome, LiveState):
                return outcome
            if outcome is not None:
                self._raised(worker, run, outcome)
            return None

        return await self._insist(worker, look)

    async def stop(self, worker: Worker, run: Run, why: StrategyStopped) -> None:
        """Stop a run and tell why.  The process of a user's file ends; a shared one forgets the run."""
        if not run.lives:
            return
        self._end_run(worker, run, why)
        await self._let_go(worker)
        if worker.process is None:
            return

        async def unload(process: WorkerProcess) -> None:
            await self._one(process, run, "unload", self._settings.decision_seconds)

        await self._insist(worker, unload)

    async def close(self, workers: Collection[Worker]) -> None:
        """End all processes, whatever they do."""
        self.closed = True
        for worker in workers:
            process, worker.process = worker.process, None
            if process is not None:
                await process.end()
        for task in tuple(self._mourning):
            task.cancel()
        await asyncio.gather(*self._mourning, return_exceptions=True)

    # ------------------------------------------------------------ restarting

    async def _insist(self, worker: Worker, work: Callable[[WorkerProcess], Awaitable[T]]) -> T | None:
        """Do something with a worker's process; when that fails, with a new one, for as long as a run lives in it."""
        for _ in range(self._settings.restarts + 1):
            if not worker.runs or self.closed:
                return None
            try:
                process = worker.process or await self._revive(worker)
                done = await work(process)
            except WorkerFailedError as failure:
                worker.process = None
                if self.closed:
                    return None
                self._blame(worker, failure)
            else:
                worker.suspect = None
                await self._let_go(worker)
                return done
        for run in worker.living():
            text = f"its worker failed {self._settings.restarts + 1} times in a row"
            self._end_run(worker, run, StrategyStopped(run.spec.run_id, StopReason.DIED, text))
        await self._let_go(worker)
        return None

    async def _let_go(self, worker: Worker) -> None:
        """End the process of a worker in which no run is left."""
        process = worker.process
        if not worker.runs and process is not None:
            worker.process = None
            await process.end()

    def _blame(self, worker: Worker, failure: WorkerFailedError) -> None:
        """Stop the run that made its process fail.  A death alone may have come from outside: the second one counts."""
        if worker.source is not None:
            guilty = worker.living()
        else:
            certain = failure.kind is not FailureKind.DIED or failure.run == worker.suspect
            guilty = [run for run in worker.living() if run.number == failure.run and certain]
            worker.suspect = failure.run
        for run in guilty:
            self._end_run(
                worker,
                run,
                StrategyStopped(
                    run.spec.run_id, StopReason(failure.kind.value), failure.message, trace=failure.printed
                ),
            )
        if worker.runs:
            self._tell(WorkerRestarted(worker.run_ids, failure.message))

    async def _revive(self, worker: Worker) -> WorkerProcess:
        """A new process with all living runs of the worker in their present state."""
        try:
            folders = await asyncio.to_thread(WorkerFolders.make, self._folder, worker.source)
        except OSError as error:
            raise WorkerFailedError(
                FailureKind.DIED, f"no folder for its process: {error}", None, ""
            ) from error
        process = await WorkerProcess.start(
            self._settings,
            folders,
            worker.source,
            lambda text: self._tell(StrategyPrinted(worker.run_ids, text)),
            lambda ended: self._mourn(worker, ended),
        )
        try:
            for run in worker.living():
                await self._load(worker, process, run)
            worker.process = process
        finally:
            if worker.process is None:
                await process.end()
        return process

    async def _load(self, worker: Worker, process: WorkerProcess, run: Run) -> None:
        body, raw = plain_load(run.spec, run.streams)
        outcome = await self._one(process, run, "load", self._settings.loading_seconds, {"spec": body}, raw)
        if isinstance(outcome, Ready):
            run.hears_ticks = outcome.hears_ticks
            arrays, raw = plain_warm_up(run.warm_up)
            seconds = self._settings.loading_seconds
            outcome = await self._one(process, run, "warm_up", seconds, {"arrays": arrays}, raw)
        digest = "0:"
        for start in range(0, len(run.inputs), _REPLAYED_AT_ONCE):
            if isinstance(outcome, Failure):
                break
            outcome = await self._replay(process, run, run.inputs[start : start + _REPLAYED_AT_ONCE])
            digest = outcome.digest if isinstance(outcome, Replayed) else digest
        if isinstance(outcome, Failure):
            self._end_run(worker, run, _stopped(run, outcome))
            return
        if run.decisions is not None and run.decisions.digest != digest:
            self._tell(StrategyDiverged(run.spec.run_id))
        run.decisions = Decisions(digest)
        if run.state is RunState.STARTING:
            run.state = RunState.RUNNING

    async def _replay(self, process: WorkerProcess, run: Run, inputs: Sequence[Kept]) -> Outcome:
        entries = [_plain_input(each) for each in inputs]
        raw = b"".join(each for each in inputs if isinstance(each, bytes))
        return await self._one(
            process, run, "replay", self._settings.loading_seconds, {"entries": entries}, raw
        )

    async def _one(
        self,
        process: WorkerProcess,
        run: Run,
        word: str,
        seconds: float,
        more: dict[str, object] | None = None,
        raw: bytes = b"",
    ) -> Outcome:
        """Ask for something about one run."""
        body = {"do": word, "run": run.number, **(more or {})}
        outcomes = await process.ask(Request(body, raw, {run.number: run.spec.symbols}, seconds))
        outcome = outcomes.get(run.number)
        if outcome is None:
            raise await process.fail(FailureKind.RUBBISH, f"no answer about the run after {word}")
        return outcome

    def _request(self, batch: Batch, living: Sequence[tuple[Run, LogEntry | bytes]]) -> Request:
        symbols_of = {run.number: run.spec.symbols for run, _ in living}
        seconds, steps = self._settings.decision_seconds, len(living)
        if batch.block:
            return Request({"do": "bars"}, batch.block, symbols_of, seconds, steps)
        entries = [[run.number, plain_entry(entry)] for run, entry in living if not isinstance(entry, bytes)]
        return Request({"do": "tell", "entries": entries}, b"", symbols_of, seconds, steps)

    # ------------------------------------------------------------ ends

    def _raised(self, worker: Worker, run: Run, outcome: Outcome) -> None:
        """The worker has unloaded the run already."""
        why = outcome if isinstance(outcome, Failure) else Failure("it answered what was not asked", "", "")
        self._end_run(worker, run, _stopped(run, why))

    def _end_run(self, worker: Worker, run: Run, why: StrategyStopped) -> None:
        run.state, run.stopped = RunState.STOPPED, why
        worker.runs.pop(run.number, None)
        self._tell(why)

    def _mourn(self, worker: Worker, ended: WorkerProcess) -> None:
        """A process ended.  When nobody had asked it anything, nobody else will notice."""
        if not self.closed:
            task = asyncio.create_task(self._after_death(worker, ended), name=f"death of worker {ended.pid}")
            self._mourning.add(task)
            task.add_done_callback(self._mourning.discard)

    async def _after_death(self, worker: Worker, ended: WorkerProcess) -> None:
        async with worker.lock:
            if worker.process is not ended:
                return  # whoever had asked it has seen to it
            worker.process = None
            self._blame(worker, await ended.bury())

            async def nothing(_process: WorkerProcess) -> None:
                """To be alive is enough."""

            await self._insist(worker, nothing)


def _plain_input(told: Kept) -> object:
    if isinstance(told, bytes):
        return len(told)
    return body_of(told.encode()) if isinstance(told, str) else plain_entry(told)


def _stopped(run: Run, why: Failure) -> StrategyStopped:
    return StrategyStopped(run.spec.run_id, StopReason.RAISED, why.message, why.hint, why.trace)
