"""One ticker socket: what waits to be sent, and the task that sends it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from trademantra.sandbox.kite.packets import Mode
from trademantra.sandbox.kite.sessions import Session

RowMask: TypeAlias = npt.NDArray[np.bool_]
SendText: TypeAlias = Callable[[str], Awaitable[None]]
SendBytes: TypeAlias = Callable[[bytes], Awaitable[None]]


class TickerSocket:
    """At most one frame and one set of missed rows wait, however slow the client is; texts wait in order.

    `abort` drops the connection at once.  `read_seconds` gives a monotonic time.
    """

    __slots__ = ("__weakref__", "_abort", "_frame", "_missed", "_read_seconds", "_send_bytes", "_send_text", "_texts",
                 "_wake", "modes", "sent_at", "session", "stuck_since")  # fmt: skip

    def __init__(
        self,
        session: Session,
        send_text: SendText,
        send_bytes: SendBytes,
        abort: Callable[[], None],
        read_seconds: Callable[[], float],
    ) -> None:
        self.session = session
        self.modes: Mapping[int, Mode] = {}
        self.sent_at = read_seconds()
        self.stuck_since: float | None = None
        self._send_text = send_text
        self._send_bytes = send_bytes
        self._abort = abort
        self._read_seconds = read_seconds
        self._wake = asyncio.Event()
        self._frame = b""
        self._missed: RowMask | None = None
        self._texts: deque[str] = deque()

    @property
    def ready(self) -> bool:
        """Whether a frame that is offered now goes out at once."""
        return not self._frame and self._missed is None and self.stuck_since is None

    @property
    def waiting_texts(self) -> int:
        return len(self._texts)

    def offer(self, frame: bytes) -> None:
        """Send a frame.  Only while `ready`."""
        self._frame = frame
        self._wake.set()

    def miss(self, rows: RowMask) -> None:
        """Send the newest state of these rows when it is their turn."""
        if self._missed is None:
            self._missed = rows.copy()
        elif len(self._missed) >= len(rows):
            self._missed[: len(rows)] |= rows
        else:
            grown = rows.copy()
            grown[: len(self._missed)] |= self._missed
            self._missed = grown
        self._wake.set()

    def say(self, text: str) -> None:
        self._texts.append(text)
        self._wake.set()

    def cut(self) -> None:
        """Drop the connection without a goodbye."""
        self._abort()

    async def run(self, catch_up: Callable[["TickerSocket", RowMask], bytes]) -> None:
        """Send what waits, until cancelled or until the client is gone."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._texts or self._frame or self._missed is not None:
                self.stuck_since = self._read_seconds()
                if self._texts:
                    await self._send_text(self._texts.popleft())
                elif self._frame:
                    frame, self._frame = self._frame, b""
                    await self._send_bytes(frame)
                elif self._missed is not None:
                    missed, self._missed = self._missed, None
                    frame = catch_up(self, missed)
                    if frame:
                        await self._send_bytes(frame)
                self.stuck_since = None
                self.sent_at = self._read_seconds()
