"""Playing events into an exchange: as fast as it goes, or at a multiple of their own pace."""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import numpy as np

from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock, ManualClock


def slices(batch: EventBatch, every_ns: int) -> Iterator[EventBatch]:
    """A batch in time order cut into parts of `every_ns` of its own time; parts without events are left out."""
    if every_ns <= 0:
        raise InvalidValueError(f"a slice of {every_ns} ns is not possible")
    cuts = np.flatnonzero(np.diff(batch.at_ns // every_ns)) + 1
    bounds = [0, *cuts.tolist(), len(batch)]
    for start, stop in itertools.pairwise(bounds):
        if stop > start:
            yield EventBatch(*(getattr(batch, name)[start:stop] for name in EventBatch.__slots__))


def play_at_once(exchange: Exchange, clock: ManualClock, batch: EventBatch) -> None:
    """All events now.  The clock ends at the last one, if it is not past it already."""
    exchange.feed_batch(batch)
    if len(batch):
        clock.advance_to(max(clock.now_ns(), int(batch.at_ns[-1])))


@dataclass(frozen=True, slots=True)
class Pace:
    """`speed` 1 plays a second in a second, 60 a minute in a second, 0 as fast as it goes.

    `wall` and `sleep` are the time outside, passed in; `every_ns` how much time of the events one step feeds.
    """

    speed: float
    wall: Clock
    sleep: Callable[[float], Awaitable[None]]
    every_ns: int = NANOSECONDS_PER_SECOND // 4

    def __post_init__(self) -> None:
        if not 0.0 <= self.speed <= 1e6:
            raise InvalidValueError(f"a speed of {self.speed:g} is not within 0 and 1,000,000")


async def play(
    batch: EventBatch, feed: Callable[[EventBatch], Awaitable[None]], clock: ManualClock, pace: Pace
) -> None:
    """Feed events in time order at a pace, and move the clock behind them.

    Events before the clock's time are left out, so a restarted exchange goes on where it was.  A gap (a night) takes
    no longer than a second outside.
    """
    begin = int(np.searchsorted(batch.at_ns, clock.now_ns(), side="right"))
    rest = EventBatch(*(getattr(batch, name)[begin:] for name in EventBatch.__slots__))
    before_ns: int | None = None
    due_ns = pace.wall.now_ns()
    for part in slices(rest, pace.every_ns):
        at_ns = int(part.at_ns[-1])
        if pace.speed > 0.0:
            passed_ns = 0 if before_ns is None else int((at_ns - before_ns) / pace.speed)
            due_ns = max(due_ns, pace.wall.now_ns() - NANOSECONDS_PER_SECOND)
            due_ns += min(passed_ns, NANOSECONDS_PER_SECOND)
            wait_ns = due_ns - pace.wall.now_ns()
            if wait_ns > 0:
                await pace.sleep(wait_ns / NANOSECONDS_PER_SECOND)
        else:
            await pace.sleep(0.0)
        await feed(part)
        clock.advance_to(max(clock.now_ns(), at_ns))
        before_ns = at_ns
