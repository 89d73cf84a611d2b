"""The desk's strategy workers: runs are started, told, asked and stopped here, and no run can harm another."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import ClassVar, TypeVar

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError, NotFoundError, TradeMantraError
from trademantra.engine.live.wants import Enter, LiveFill, Want
from trademantra.trading.runner.answers import LiveState
from trademantra.trading.runner.decisions import Decisions
from trademantra.trading.runner.events import RunnerEvent, StopReason, StrategyStopped
from trademantra.trading.runner.process import WorkerProcess
from trademantra.trading.runner.requests import block_row
from trademantra.trading.runner.run_log import (
    NO_HISTORY,
    ClockTold,
    EntryGone,
    FillTold,
    LogEntry,
    RunLog,
    SessionBegan,
    TicksTold,
    WarmUp,
)
from trademantra.trading.runner.runs import Batch, ClosedBar, Kept, Run, RunState, RunStatus, Worker, kept
from trademantra.trading.runner.settings import RunnerSettings
from trademantra.trading.runner.spec import RunSpec
from trademantra.trading.runner.supervision import Supervisor

T = TypeVar("T")

_PAUSED = "the strategy is paused: it may not enter"
_MOST_ROUNDS = 4  # a paused strategy that answers each refusal with another entry


class RunRefusedError(TradeMantraError):
    """The run could not be started; `stopped` holds the strategy's own traceback, if it raised."""

    code: ClassVar[str] = "run_refused"

    def __init__(self, run_id: str, stopped: StrategyStopped) -> None:
        super().__init__(f"run {run_id} was not started: {stopped.text}", hint=stopped.hint)
        self.stopped = stopped


class StrategyWorkers:
    """Runs of strategies in processes of their own below `folder`; `tell` hears what happens to them, at once.

    Strategies of the library share one process; each run of a user's file has its own.  A run that is late, dies,
    answers rubbish or raises is stopped, the others go on.  Calls for different runs may overlap; those for one worker
    are carried out in the order in which they came.
    """

    def __init__(self, folder: Path, settings: RunnerSettings, tell: Callable[[RunnerEvent], None]) -> None:
        self._settings, self._tell = settings, tell
        self._supervisor = Supervisor(folder, settings, tell)
        self._runs: dict[str, Run] = {}
        self._worker_of: dict[str, Worker] = {}
        self._shared = Worker(None)
        self._streams: dict[Timeframe, dict[str, int]] = {}
        self._exchanges: set[asyncio.Task[object]] = set()
        self._numbers = 0
        self._stream_numbers = 0

    # ------------------------------------------------------------ starting and stopping

    async def start(self, spec: RunSpec, warm_up: WarmUp = NO_HISTORY) -> RunStatus:
        """Start a run on history.  Errors: `RunRefusedError`; `InvalidValueError` while one of that id runs."""
        return await self._start(spec, warm_up, [], Decisions())

    async def restore(self, spec: RunSpec, log: RunLog) -> RunStatus:
        """Start a run where its log ends; nothing is wanted anew.  `StrategyDiverged` is told when it decides otherwise.

        Errors: as `start`.
        """
        known = Decisions(log.decisions) if log.decisions else None
        return await self._start(spec, log.warm_up, [kept(entry) for entry in log.entries], known)

    async def stop(self, run_id: str) -> None:
        """It decides no more.  A run that has stopped stays so."""
        run, worker = self._find(run_id), self._worker_of[run_id]
        why = StrategyStopped(run_id, StopReason.ASKED, "stopped on request")
        await self._alone(worker, lambda: self._supervisor.stop(worker, run, why))

    def pause(self, run_id: str) -> None:
        """From now on what it wants to enter is dropped, and it is told so.  Its working entries are the desk's to cancel.

        Errors: `InvalidValueError` for a run that has stopped.
        """
        self._living(run_id).state = RunState.PAUSED

    def resume(self, run_id: str) -> None:
        """Errors: as `pause`."""
        self._living(run_id).state = RunState.RUNNING

    async def close(self) -> None:
        """End all processes.  Logs can still be read."""
        await self._supervisor.close({self._shared, *self._worker_of.values()})

    # ------------------------------------------------------------ telling and asking

    async def decide(
        self, closed: Sequence[ClosedBar], run_ids: Collection[str] | None = None
    ) -> dict[str, list[Want]]:
        """Tell the bars that closed at one instant; the wants of each run that was told any, all asked at the same time.

        `run_ids`: those whose bars they are, where symbols alone do not say it (two exchanges, two sources of prices).
        """
        chosen = None if run_ids is None else frozenset(run_ids)
        rows: dict[int, bytes] = {}
        for each in closed:
            stream = self._streams.get(each.timeframe, {}).get(each.symbol)
            if stream is not None:
                rows[stream] = block_row(stream, each.bar)
        batches: list[tuple[Worker, Batch]] = []
        for worker in self._workers():
            told = [
                run
                for run in worker.living()
                if (chosen is None or run.spec.run_id in chosen) and not rows.keys().isdisjoint(run.streams)
            ]
            if told:
                needed = {stream for run in told for stream in run.streams}
                block = b"".join(row for stream, row in rows.items() if stream in needed)
                batches.append((worker, Batch([(run, block) for run in told], block)))
        return await self._deliver_all(batches)

    async def begin_session(self, sessions: Mapping[str, SessionBegan]) -> dict[str, list[Want]]:
        """Tell runs, by id, that their trading day begins.  Runs that have stopped are passed over."""
        return await self._tell_each(dict(sessions))

    async def clock(self, now_ns: int, run_ids: Sequence[str] | None = None) -> dict[str, list[Want]]:
        """Tell the time to some runs, or to all: strategies that act at given minutes do now."""
        ids = [name for name, run in self._runs.items() if run.lives] if run_ids is None else run_ids
        return await self._tell_each(dict.fromkeys(ids, ClockTold(now_ns)))

    def hears_ticks(self, run_id: str) -> bool:
        """Whether the run's strategy overrides `on_tick`, and it has not stopped."""
        run = self._find(run_id)
        return run.hears_ticks and run.lives

    async def tick(self, run_id: str, told: TicksTold) -> list[Want]:
        """Tell a run of the newest prices of its instruments.  One that hears no ticks, or has stopped, wants nothing.

        Errors: `InvalidValueError` for another instrument.
        """
        for each in told.ticks:
            self._own_symbol(run_id, each.symbol)
        if not told.ticks or not self.hears_ticks(run_id):
            return []
        return (await self._tell_each({run_id: told})).get(run_id, [])

    async def fill(self, run_id: str, fill: LiveFill) -> list[Want]:
        """Tell a run of its execution.  A run that has stopped wants nothing.

        Errors: `InvalidValueError` for another instrument's fill, or one without a positive quantity and price.
        """
        self._own_symbol(run_id, fill.symbol)
        if not (0.0 < fill.quantity < inf and 0.0 < fill.price < inf):
            raise InvalidValueError(f"run {run_id}: a fill of {fill.quantity} {fill.symbol} at {fill.price}")
        return (await self._tell_each({run_id: FillTold(fill)})).get(run_id, [])

    async def entry_gone(self, run_id: str, symbol: str, text: str) -> list[Want]:
        """Tell a run that what is left of its entry will not fill.  Errors: as `fill`."""
        self._own_symbol(run_id, symbol)
        return (await self._tell_each({run_id: EntryGone(symbol, text)})).get(run_id, [])

    async def query(self, run_id: str) -> LiveState:
        """What the run's model holds.  Errors: `InvalidValueError` for a run that has stopped."""
        run, worker = self._living(run_id), self._worker_of[run_id]
        state = await self._alone(worker, lambda: self._supervisor.query(worker, run))
        if state is None:
            raise InvalidValueError(f"run {run_id} has stopped", hint="its trades are in the ledger")
        return state

    # ------------------------------------------------------------ looking

    def log(self, run_id: str, since: int = 0) -> RunLog:
        """All that the run was told and has answered, from entry `since` on.  Errors: `NotFoundError`."""
        run = self._find(run_id)
        return RunLog(run.warm_up, run.entries(since), run.decisions.digest if run.decisions else "")

    def status(self) -> tuple[RunStatus, ...]:
        return tuple(self._status(run) for run in self._runs.values())

    # ------------------------------------------------------------ inside

    async def _start(
        self,
        spec: RunSpec,
        warm_up: WarmUp,
        inputs: list[Kept],
        decisions: Decisions | None,
    ) -> RunStatus:
        old = self._runs.get(spec.run_id)
        if self._supervisor.closed:
            raise InvalidValueError(f"run {spec.run_id}: the workers are closed")
        if old is not None and old.lives:
            raise InvalidValueError(f"run {spec.run_id} runs already", hint="stop it first")
        self._numbers += 1
        run = Run(self._numbers, spec, self._streams_of(spec), warm_up, inputs, decisions)
        worker = self._worker_for(spec)
        self._runs[spec.run_id], self._worker_of[spec.run_id] = run, worker
        await self._alone(worker, lambda: self._supervisor.bring(worker, run))
        if run.stopped is not None:
            del self._runs[spec.run_id], self._worker_of[spec.run_id]
            raise RunRefusedError(spec.run_id, run.stopped)
        return self._status(run)

    def _worker_for(self, spec: RunSpec) -> Worker:
        return Worker(spec.strategy) if spec.strategy.is_file else self._shared

    def _streams_of(self, spec: RunSpec) -> tuple[int, ...]:
        known = self._streams.setdefault(spec.timeframe, {})
        for symbol in spec.symbols:
            if symbol not in known:
                self._stream_numbers += 1
                known[symbol] = self._stream_numbers
        return tuple(known[symbol] for symbol in spec.symbols)

    def _workers(self) -> list[Worker]:
        return list(dict.fromkeys(self._worker_of.values()))

    async def _tell_each(self, entries: Mapping[str, LogEntry]) -> dict[str, list[Want]]:
        together: dict[Worker, list[tuple[Run, LogEntry | bytes]]] = {}
        for run_id, entry in entries.items():
            run = self._find(run_id)
            if run.lives:
                together.setdefault(self._worker_of[run_id], []).append((run, entry))
        return await self._deliver_all([(worker, Batch(told)) for worker, told in together.items()])

    async def _deliver_all(self, batches: Sequence[tuple[Worker, Batch]]) -> dict[str, list[Want]]:
        deliveries = [self._alone(worker, partial(self._deliver, worker, batch)) for worker, batch in batches]
        heard = await asyncio.gather(*deliveries)
        return {run.spec.run_id: wants for each in heard for run, wants in each.items()}

    async def _deliver(self, worker: Worker, batch: Batch) -> dict[Run, list[Want]]:
        """Tell, and answer for a paused run's entries until it asks for no more."""
        wants = await self._supervisor.ask(worker, batch)
        asked = wants
        for _ in range(_MOST_ROUNDS):
            refused = [
                (run, EntryGone(want.symbol, _PAUSED))
                for run, each in asked.items()
                if run.state is RunState.PAUSED
                for want in each
                if isinstance(want, Enter)
            ]
            if not refused:
                break
            asked = {}
            for entry in refused:  # one by one: a request holds one entry a run
                for run, more in (await self._supervisor.ask(worker, Batch([entry]))).items():
                    asked.setdefault(run, []).extend(more)
            for run, more in asked.items():
                wants[run].extend(more)
        for run, each in wants.items():
            if run.state is RunState.PAUSED:
                each[:] = [want for want in each if not isinstance(want, Enter)]
        return {run: each for run, each in wants.items() if run.lives}

    def _find(self, run_id: str) -> Run:
        run = self._runs.get(run_id)
        if run is None:
            raise NotFoundError(
                f"no run {run_id!r}", hint=f"there are: {', '.join(list(self._runs)[:8]) or 'none'}"
            )
        return run

    def _own_symbol(self, run_id: str, symbol: str) -> None:
        if symbol not in self._find(run_id).spec.symbols:
            raise InvalidValueError(f"run {run_id} does not trade {symbol!r}")

    async def _alone(self, worker: Worker, work: Callable[[], Awaitable[T]]) -> T:
        """Do something with a worker when its turn has come.

        It is carried through also when the caller is cancelled: half an answer would stand in the way of the next.
        """

        async def locked() -> T:
            async with worker.lock:
                return await work()

        task = asyncio.create_task(locked())
        self._exchanges.add(task)
        task.add_done_callback(self._exchanges.discard)
        return await asyncio.shield(task)

    def _living(self, run_id: str) -> Run:
        run = self._find(run_id)
        if run.stopped is not None:
            raise InvalidValueError(f"run {run_id} has stopped: {run.stopped.text}", hint="start it again")
        return run

    def _status(self, run: Run) -> RunStatus:
        process: WorkerProcess | None = self._worker_of[run.spec.run_id].process if run.lives else None
        return RunStatus(
            run.spec.run_id,
            run.state,
            run.spec.parameters_hash,
            len(run.inputs),
            process.pid if process else None,
            process.confinement if process else None,
            run.stopped,
        )
