"""Where slices run: in this process, in a pool of processes, on a Dask cluster.  None of them loses one.

This module imports nothing heavy: a worker process reads it before it knows how many threads it may use.
"""

import logging
import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from trademantra.core.errors import InvalidValueError

if TYPE_CHECKING:
    from distributed import Client

    from trademantra.research.optimise.evaluate import Fault, Outcome, Runner, Slice

_DEATHS = 2  # in a row, with no slice finished in between: then it is the slice that kills
_RETRIES = 3
_SECONDS_TO_CONNECT = 10
_SECONDS_OF_PATIENCE = 15  # without any result, before the workers are counted again


class Executor(Protocol):
    """Runs slices and hands each back with its outcome, in whatever order they end.  A context manager.

    `workers`: how many slices run at once; `threads`: the cores that each may use.
    """

    workers: int
    threads: int

    def run(self, slices: Sequence["Slice"]) -> Iterator[tuple["Slice", "Outcome | Fault"]]: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class InProcess:
    """One after the other, here; compiled strategies still use all cores as threads."""

    def __init__(self, runner: "Runner", threads: int | None = None) -> None:
        self.workers = 1
        self.threads = threads or cores()
        self._runner = runner

    def run(self, slices: Sequence["Slice"]) -> Iterator[tuple["Slice", "Outcome | Fault"]]:
        for each in slices:
            yield each, self._runner.run(each.points, self.threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""


class ProcessPool:
    """Processes on this machine, each with its share of the cores.  One that dies is replaced, its slice run again."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.threads = max(1, cores() // workers)
        self._pool: ProcessPoolExecutor | None = None

    def run(self, slices: Sequence["Slice"]) -> Iterator[tuple["Slice", "Outcome | Fault"]]:
        from trademantra.research.optimise.evaluate import run_slice

        left, deaths = dict(enumerate(slices)), 0
        while left:
            pool = self._started()
            futures: dict[Future[Outcome | Fault], int] = {}
            try:
                for place, each in left.items():
                    futures[pool.submit(run_slice, each)] = place
                for future in as_completed(futures):
                    outcome = future.result()
                    deaths = 0
                    yield left.pop(futures[future]), outcome
            except BrokenProcessPool as error:
                # What had ended before the break is still in its future; the rest runs again in fresh processes.
                deaths += 1
                if deaths > _DEATHS:
                    raise InvalidValueError(
                        "worker processes keep dying (out of memory?)",
                        hint="finished trials are kept; go on with --resume and fewer --workers",
                    ) from error
                self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers,
                mp_context=multiprocessing.get_context("spawn"),  # GNU OpenMP does not survive a fork
                initializer=begin_worker,
                initargs=(self.threads,),
            )
        return self._pool

    def _stop(self) -> None:
        """End the processes now: whatever they still do is not wanted."""
        if self._pool is None:
            return
        running = list((self._pool._processes or {}).values())  # noqa: SLF001  (public from Python 3.14 on)
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in running:
            process.kill()
        self._pool.shutdown(wait=True)
        self._pool = None


def begin_worker(threads: int) -> None:
    """First thing in a worker process: its share of the cores, and an end when its parent ends, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    if "numba" not in sys.modules:
        os.environ["NUMBA_NUM_THREADS"] = str(threads)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


class Cluster:
    """Workers of a Dask scheduler.  Dask itself moves the slices of a dead worker to the others."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = _client(address)
        try:
            known = self._check_workers()
        except InvalidValueError:
            self._client.close()  # type: ignore[no-untyped-call]  # so is most of Dask's client
            raise
        self.workers = len(known)
        self.threads = min(each["nthreads"] for each in known.values())

    def run(self, slices: Sequence["Slice"]) -> Iterator[tuple["Slice", "Outcome | Fault"]]:
        from distributed import KilledWorker
        from distributed import as_completed as completed

        left = {self._client.submit(run_alone, each, pure=False, retries=_RETRIES): each for each in slices}
        try:
            while left:
                try:
                    for future, outcome in completed(  # type: ignore[no-untyped-call]
                        list(left), with_results=True, loop=self._client.loop, timeout=_SECONDS_OF_PATIENCE
                    ):
                        if isinstance(outcome, BaseException):  # the scheduler is gone
                            raise _gave_up(outcome)
                        yield left.pop(future), outcome
                except TimeoutError:  # a long trial, or nobody left to run it
                    self._check_workers()
        except (KilledWorker, OSError) as error:
            raise _gave_up(error) from error
        finally:
            if left:
                self._client.cancel(list(left), force=True)  # type: ignore[no-untyped-call]

    def _check_workers(self) -> "dict[str, dict[str, int]]":
        """What the scheduler knows of its workers.  Errors: `InvalidValueError` when there are none."""
        known: dict[str, dict[str, int]] = self._client.scheduler_info(n_workers=-1)["workers"]
        if not known:
            raise InvalidValueError(
                f"no workers are connected to {self._address}",
                hint=f"start some: dask worker {self._address} --nthreads 1; finished trials are kept",
            )
        return known

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()  # type: ignore[no-untyped-call]


def _gave_up(error: BaseException) -> InvalidValueError:
    return InvalidValueError(
        f"the cluster gave up: {str(error).partition(chr(10))[0]}",
        hint="finished trials are kept; go on with --resume",
    )


def run_alone(task: "Slice") -> "Outcome | Fault":
    """Run a slice in a Dask worker, whose threads take turns: a compiled slice uses all of them at once."""
    from trademantra.research.optimise.evaluate import run_slice

    with _turn():
        return run_slice(task)


@cache
def _turn() -> threading.Lock:
    return threading.Lock()


def _client(address: str) -> "Client":
    if not re.fullmatch(r"(tcp|tls)://\S+:\d+", address):
        raise InvalidValueError(f"{address!r} is no address", hint="write --cluster tcp://HOST:8786")
    try:
        from distributed import Client
    except ImportError as error:
        raise InvalidValueError(
            "--cluster needs Dask",
            hint=".venv/bin/python -m uv pip install -r pyproject.toml --extra cluster",
        ) from error
    for name in ("distributed.client", "distributed.utils", "distributed.core", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # their troubles become errors of ours
    try:
        return Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InvalidValueError(
            f"no Dask scheduler answers at {address}",
            hint="start one: dask scheduler; then give tcp://HOST:8786",
        ) from error


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
