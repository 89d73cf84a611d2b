"""One worker process from the desk's side: started, asked, watched, ended."""

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from trademantra.core.errors import TradeMantraError
from trademantra.trading.runner.answers import Outcome, outcomes_of
from trademantra.trading.runner.confine import Confinement, confinement_of, plain_terms
from trademantra.trading.runner.folders import WorkerFolders
from trademantra.trading.runner.patience import Patience, usage_of
from trademantra.trading.runner.settings import RunnerSettings
from trademantra.trading.runner.spec import StrategySource
from trademantra.trading.runner.wire import (
    HEADER,
    FrameKind,
    Header,
    ProtocolError,
    body_of,
    header_of,
    packed,
)

_READ_SIZE = 1 << 16
_LAST_WORDS = 2_000  # characters of what a dying process printed


class FailureKind(StrEnum):
    """How a worker failed the desk."""

    LATE = "late"
    DIED = "died"
    RUBBISH = "rubbish"
    FLOODED = "flooded"
    """It printed more than anybody reads."""


class WorkerFailedError(TradeMantraError):
    """The process gives no (more) answers and was ended.  `run` is the run whose strategy was asked last, if any."""

    code: ClassVar[str] = "worker_failed"

    def __init__(self, kind: FailureKind, reason: str, run: int | None, printed: str) -> None:
        super().__init__(reason)
        self.kind, self.run, self.printed = kind, run, printed


@dataclass(frozen=True, slots=True)
class Request:
    """`symbols_of` holds the instruments of the runs that are asked, by number; `steps` is how often one is asked."""

    body: Mapping[str, object]
    raw: bytes
    symbols_of: Mapping[int, Collection[str]]
    seconds: float
    steps: int = 1


class WorkerProcess:
    """A running worker.  One request at a time.  `printed` is told what it prints, in short; `ended` that it ended."""

    def __init__(
        self,
        settings: RunnerSettings,
        folders: WorkerFolders,
        child: asyncio.subprocess.Process,
        link: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        printed: Callable[[str], None],
        ended: Callable[["WorkerProcess"], None],
    ) -> None:
        self._settings, self._folders, self._child = settings, folders, child
        self._reader, self._writer = link
        self._printed, self._ended = printed, ended
        self._number = 0
        self._bytes_printed = 0
        self._tail: deque[str] = deque(maxlen=8)
        self._failure: tuple[FailureKind, str] | None = None
        self.confinement = Confinement(False, False, False, False, False)
        self._listening = asyncio.create_task(self._listen(), name=f"prints of worker {child.pid}")

    @classmethod
    async def start(
        cls,
        settings: RunnerSettings,
        folders: WorkerFolders,
        source: StrategySource | None,
        printed: Callable[[str], None],
        ended: Callable[["WorkerProcess"], None],
    ) -> "WorkerProcess":
        """Start and confine a worker for the file `source`, or for strategies of the library.

        The operating system ends it with the thread that calls this.  Errors: `WorkerFailedError`.
        """
        ours, theirs = socket.socketpair()
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "trademantra.trading.runner.worker", str(theirs.fileno()), str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                env=folders.environment(dict(os.environ)),
                cwd=folders.home,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise WorkerFailedError(
                FailureKind.DIED, f"its process did not start: {error}", None, ""
            ) from error
        finally:
            theirs.close()
        worker = cls(settings, folders, child, await asyncio.open_connection(sock=ours), printed, ended)
        try:
            body = await worker._answer(
                packed(FrameKind.REQUEST, 0, plain_terms(folders.terms(settings, source))),
                settings.loading_seconds,
                0,
            )
            worker.confinement = confinement_of(body)
        except ProtocolError as error:
            raise await worker.fail(FailureKind.RUBBISH, error.message) from error
        return worker

    @property
    def pid(self) -> int:
        return self._child.pid

    async def ask(self, request: Request) -> dict[int, Outcome]:
        """The outcomes of a request.  Errors: `WorkerFailedError`; the process has ended then."""
        self._number += 1
        self._bytes_printed = 0
        frame = packed(FrameKind.REQUEST, self._number, request.body, request.raw)
        body = await self._answer(frame, request.seconds, request.steps)
        try:
            return outcomes_of(body, request.symbols_of)
        except ProtocolError as error:
            raise await self.fail(FailureKind.RUBBISH, error.message) from error

    async def bury(self) -> WorkerFailedError:
        """What to say of a worker that ended while nothing was asked of it."""
        return await self.fail(FailureKind.DIED, "")

    async def fail(self, kind: FailureKind, text: str, run: int | None = None) -> WorkerFailedError:
        """End it, and what to say of it: a flood or a death that was the cause counts before `kind`."""
        if self._failure is not None:
            kind, text = self._failure
        elif kind is FailureKind.DIED:
            text = await self._obituary()
        await self.end()
        return WorkerFailedError(kind, text, run, "".join(self._tail)[-_LAST_WORDS:])

    async def end(self) -> None:
        """Kill it, with all that it started, and wait until it is gone."""
        if self._child.returncode is None or not self.confinement.processes:
            with suppress(ProcessLookupError):  # its group is empty
                os.killpg(self._child.pid, signal.SIGKILL)
        await self._child.wait()
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
        await asyncio.wait({self._listening}, timeout=self._settings.decision_seconds)
        self._listening.cancel()  # what it started and what got away holds its output open
        await asyncio.to_thread(self._folders.remove)

    async def _answer(self, frame: bytes, seconds: float, steps: int) -> object:
        """Send, and read until the answer of this request.  A run that is asked gets its full time from then on."""
        run: int | None = None
        try:
            async with asyncio.timeout(None) as limit:
                times = self._settings.starved_times
                patience = Patience(limit, seconds, times, lambda: usage_of(self._child.pid))
                try:
                    self._writer.write(frame)
                    await self._writer.drain()
                    while (header := await self._header(steps)).kind is FrameKind.AT:
                        run, steps = header.number, steps - 1
                        patience.again()
                    return body_of(await self._reader.readexactly(header.body_length))
                finally:
                    patience.end()
        except TimeoutError as error:
            raise await self.fail(FailureKind.LATE, f"no answer within {seconds:g} s", run) from error
        except ProtocolError as error:
            raise await self.fail(FailureKind.RUBBISH, error.message, run) from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise await self.fail(FailureKind.DIED, "", run) from error

    async def _header(self, steps: int) -> Header:
        """The next header: of the answer, or of one of at most `steps` runs that are asked."""
        data = await self._reader.readexactly(HEADER.size)
        header = header_of(data, largest=self._settings.answer_bytes)
        if header.kind is FrameKind.AT and steps > 0 and not header.body_length and not header.raw_length:
            return header
        if header.kind is not FrameKind.ANSWER or header.raw_length or header.number != self._number:
            raise ProtocolError(f"a frame of kind {header.kind.name}, number {header.number}, out of order")
        return header

    async def _obituary(self) -> str:
        """Why it died.  It may have closed its socket without dying: then it is not waited for."""
        try:
            async with asyncio.timeout(self._settings.decision_seconds):
                code = await self._child.wait()
        except TimeoutError:
            return "its process closed the connection"
        if code < 0:
            return f"its process was killed by {signal.Signals(-code).name}"
        return f"its process ended with exit status {code}"

    async def _listen(self) -> None:
        """Read what it prints; kill it when that is more than anybody reads.  Ends with the process."""
        assert self._child.stdout is not None
        while data := await self._child.stdout.read(_READ_SIZE):
            before = self._bytes_printed
            self._bytes_printed += len(data)
            text = data[-_LAST_WORDS * 4 :].decode("utf-8", "replace")
            self._tail.append(text[-_LAST_WORDS:])
            if before < self._settings.printed_kept:
                told = data[: self._settings.printed_kept - before].decode("utf-8", "replace")
                self._printed(told + (" […]" if self._bytes_printed > self._settings.printed_kept else ""))
            if self._bytes_printed > self._settings.printed_most and self._failure is None:
                text = f"it printed more than {self._settings.printed_most:,} bytes at once"
                self._failure = (FailureKind.FLOODED, text)
                with suppress(ProcessLookupError):
                    os.killpg(self._child.pid, signal.SIGKILL)
        await self._child.wait()
        self._ended(self)
