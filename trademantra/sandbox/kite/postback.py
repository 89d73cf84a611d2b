"""Posts order updates to an app's registered URL: at least once, beside the order path (specs/brokers.md 1.10)."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import httpx2

from trademantra.core.errors import TradeMantraError

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 5.0
MOST_WAITING = 10_000


class PostbackRefusedError(TradeMantraError):
    """The app's server did not take an update."""

    code = "postback_refused"


class Poster(Protocol):
    """Sends one body to one URL.  Errors: `PostbackRefusedError`."""

    async def post(self, url: str, body: bytes) -> None: ...

    async def close(self) -> None: ...


class HttpPoster:
    """Over real HTTP; any 2xx is a receipt."""

    def __init__(self) -> None:
        self._client = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)

    async def post(self, url: str, body: bytes) -> None:
        try:
            reply = await self._client.post(url, content=body, headers={"content-type": "application/json"})
        except httpx2.HTTPError as error:
            raise PostbackRefusedError(f"postback to {url} failed: {error}") from error
        if not reply.is_success:
            raise PostbackRefusedError(f"postback to {url} was answered with {reply.status_code}")

    async def close(self) -> None:
        await self._client.aclose()


@dataclass(frozen=True, slots=True)
class _Waiting:
    url: str
    body: bytes


@dataclass(slots=True)
class PostbackCounts:
    """How it went so far, for `GET /sandbox/state`."""

    delivered: int = 0
    failed: int = 0
    dropped: int = 0


class Postbacks:
    """A bounded queue and one sender.  `put` never waits; when the queue is full the oldest update is dropped.

    A post that is not received is tried `ATTEMPTS` times, with a pause that doubles.
    """

    def __init__(self, poster: Poster, *, first_pause_seconds: float = FIRST_PAUSE_SECONDS) -> None:
        self._poster = poster
        self._pause = first_pause_seconds
        self._queue: deque[_Waiting] = deque()
        self._sending: _Waiting | None = None
        self._wake = asyncio.Event()
        self.counts = PostbackCounts()

    @property
    def waiting(self) -> int:
        """Updates that are not delivered yet."""
        return len(self._queue) + (self._sending is not None)

    def put(self, url: str, body: bytes) -> None:
        """Queue an update."""
        if len(self._queue) >= MOST_WAITING:
            self._queue.popleft()
            self.counts.dropped += 1
        self._queue.append(_Waiting(url, body))
        self._wake.set()

    async def run(self, report: Callable[[str], None]) -> None:
        """Send until cancelled.  `report` is told once of every update that was given up."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    self._sending = self._queue.popleft()
                    await self._deliver(self._sending, report)
                    self._sending = None
        finally:
            with contextlib.suppress(RuntimeError):  # the loop may be closing already
                await self._poster.close()

    async def _deliver(self, waiting: _Waiting, report: Callable[[str], None]) -> None:
        for attempt in range(ATTEMPTS):
            try:
                await self._poster.post(waiting.url, waiting.body)
            except PostbackRefusedError as error:
                if attempt == ATTEMPTS - 1:
                    self.counts.failed += 1
                    report(f"{error.message}; given up after {ATTEMPTS} attempts")
                else:
                    await asyncio.sleep(self._pause * 2**attempt)
            else:
                self.counts.delivered += 1
                return
