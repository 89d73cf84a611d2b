"""A run on the desk's side: what it was told, what it answered, how it fares; and the worker that it sits in."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from trademantra.core.bar import Bar, Timeframe
from trademantra.trading.runner.confine import Confinement
from trademantra.trading.runner.decisions import Decisions
from trademantra.trading.runner.events import StrategyStopped
from trademantra.trading.runner.process import WorkerProcess
from trademantra.trading.runner.requests import bars_of
from trademantra.trading.runner.run_log import BarsClosed, LogEntry, TicksTold, WarmUp, from_line, to_line
from trademantra.trading.runner.spec import RunSpec, StrategySource


class RunState(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    """It sees all bars and may leave; what it wants to enter is dropped."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ClosedBar:
    """A bar of `symbol` that closed."""

    symbol: str
    timeframe: Timeframe
    bar: Bar


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How a run fares.  `pid` and `confinement` are those of its process, if it has one; `entries` were told to it."""

    run_id: str
    state: RunState
    parameters_hash: str
    entries: int
    pid: int | None
    confinement: Confinement | None
    stopped: StrategyStopped | None


Kept: TypeAlias = LogEntry | bytes | str
"""An input of a run as the desk keeps it."""


def kept(told: LogEntry | bytes) -> Kept:
    return to_line(told) if isinstance(told, TicksTold) else told


@dataclass(slots=True, eq=False)
class Run:
    """`inputs` holds entries; for bars the blocks that its worker was sent, shared with the worker's other runs; for ticks,
    of which there are many, their lines of the log.
    """

    number: int
    spec: RunSpec
    streams: tuple[int, ...]
    warm_up: WarmUp
    inputs: list[Kept]
    decisions: Decisions | None
    state: RunState = RunState.STARTING
    stopped: StrategyStopped | None = None
    hears_ticks: bool = False

    @property
    def lives(self) -> bool:
        return self.state is not RunState.STOPPED

    def entries(self, since: int) -> list[LogEntry]:
        return [self._entry(each) for each in self.inputs[since:]]

    def _entry(self, told: Kept) -> LogEntry:
        if isinstance(told, str):
            return from_line(told)
        if not isinstance(told, bytes):
            return told
        symbols = dict(zip(self.streams, self.spec.symbols, strict=True))
        return BarsClosed(tuple((symbols[s], bar) for s, bar in bars_of(told) if s in symbols))


@dataclass(slots=True, eq=False)
class Worker:
    """The place of one process: of a user's file (`source`), or of strategies of the library.

    `suspect` is the run that was asked when the process died; when it dies there again, that run is stopped.
    """

    source: StrategySource | None
    runs: dict[int, Run] = field(default_factory=dict)
    process: WorkerProcess | None = None
    suspect: int | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def living(self) -> list[Run]:
        return [run for run in self.runs.values() if run.lives]

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(run.spec.run_id for run in self.living())


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one request tells its runs: each the entry of its own, or all of them a block of bars."""

    told: Sequence[tuple[Run, LogEntry | bytes]]
    block: bytes = b""

    @property
    def living(self) -> list[tuple[Run, LogEntry | bytes]]:
        return [(run, entry) for run, entry in self.told if run.lives]
