"""Waiting for an instant, by a clock that is passed in."""

import asyncio
import heapq
from itertools import count
from typing import Protocol

from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock, ManualClock


class Timer(Protocol):
    """A clock that can be waited for."""

    def now_ns(self) -> int: ...

    async def until(self, instant_ns: int) -> None:
        """Return once the clock shows `instant_ns` or later."""
        ...


class ClockTimer:
    """Waits in real time for a clock that runs at its pace."""

    __slots__ = ("_clock",)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now_ns(self) -> int:
        return self._clock.now_ns()

    async def until(self, instant_ns: int) -> None:
        while (left := instant_ns - self._clock.now_ns()) > 0:
            await asyncio.sleep(left / NANOSECONDS_PER_SECOND)


class ManualTimer:
    """For replays and tests: time moves when `advance_to` is called, and who waited for it wakes in order."""

    def __init__(self, now_ns: int) -> None:
        self.clock = ManualClock(now_ns)
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    def now_ns(self) -> int:
        return self.clock.now_ns()

    async def until(self, instant_ns: int) -> None:
        if instant_ns <= self.clock.now_ns():
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (instant_ns, next(self._order), woken))
        await woken

    def advance_to(self, now_ns: int) -> None:
        """Move on and wake everybody whose instant has come."""
        self.clock.advance_to(now_ns)
        while self._waiting and self._waiting[0][0] <= now_ns:
            woken = heapq.heappop(self._waiting)[2]
            if not woken.done():
                woken.set_result(None)
