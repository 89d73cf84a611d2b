"""Requests to one broker on their way out: exits first, never faster than the limits, never without ownership.

Invariants:
- an exit, a cancellation of an entry or a change of an exit that is ready leaves before any entry that is still waiting;
- within a rank, requests leave in the order in which they came;
- slots of every window are kept for exits: one that comes while entries use up the limit leaves at once;
- no request leaves outside the limiter's windows, nor while the lease does not hold.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from enum import IntEnum
from itertools import count

from trademantra.kit.lease import Lease
from trademantra.kit.limiter import RateLimiter
from trademantra.kit.timer import Timer

_KEPT_FOR_EXITS = 2
"""Slots of each window that only exits may use, where it is not a small one: of 9 a second 2, of 5 one, of 3 none."""

_LOOKS = 30  # in a lease's length, while it has run out


class Rank(IntEnum):
    """Lower goes first."""

    EXIT = 0
    CANCEL = 1
    ENTRY = 2


class Outbox:
    """One account's queue.  `run` sends until it is cancelled or the lease is lost for good; replies do not hold up what follows."""

    def __init__(
        self, limiter: RateLimiter, lease: Lease, timer: Timer, failed: Callable[[BaseException], None]
    ) -> None:
        """`failed` hears of what a `send` raised, which is always a fault of the program."""
        self._limiter, self._lease, self._timer, self._failed = limiter, lease, timer, failed
        self._waiting: list[tuple[Rank, int, Callable[[], Awaitable[None]]]] = []
        self._order = count()
        self._arrived = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._pause: asyncio.Future[None] | None = None

    def put(self, rank: Rank, send: Callable[[], Awaitable[None]]) -> None:
        """Send when it is its turn.  `send` handles the errors that a broker can cause."""
        heapq.heappush(self._waiting, (rank, next(self._order), send))
        self._arrived.set()
        if rank is Rank.EXIT and self._pause is not None:
            self._pause.cancel()  # there may be a slot for it

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_busy(self) -> bool:
        """Whether anything waits or is on its way."""
        return bool(self._waiting or self._under_way)

    async def run(self) -> None:
        while True:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            is_exit = self._waiting[0][0] is Rank.EXIT
            wait_ns = self._limiter.wait_ns(0 if is_exit else _KEPT_FOR_EXITS)
            if wait_ns > 0:  # whatever comes meanwhile may still overtake
                await self._pause_until(self._timer.now_ns() + wait_ns)
                continue
            if self._lease.lost:
                return
            if (
                not self._lease.may_send
            ):  # the database does not answer: the lease may be renewed, or be lost for good
                await self._timer.until(self._timer.now_ns() + self._lease.length_ns // _LOOKS)
                continue
            self._limiter.reserve()
            _, _, send = heapq.heappop(self._waiting)
            task = asyncio.ensure_future(send())
            self._under_way.add(task)
            task.add_done_callback(self._done)
            await asyncio.sleep(0)  # its request is on the wire before the next is looked at

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    async def _pause_until(self, instant_ns: int) -> None:
        """Or until an exit comes."""
        self._pause = asyncio.ensure_future(self._timer.until(instant_ns))
        try:
            await asyncio.wait({self._pause})
        finally:
            self._pause.cancel()
            self._pause = None
