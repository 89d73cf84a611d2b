"""Brings prices to the exchange at the pace of its clock, and tells everybody who follows the market."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from trademantra.brokers.paper.host import ExchangeHost
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_SECOND, ManualClock
from trademantra.sandbox.kite.packets import IntArray

MOST_EVENTS = 5_000
"""Events in one step: bounds how long a request waits for the market."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 0.05
FASTEST = 0.0
_FOREVER = 2**62


class PriceSource(Protocol):
    """Prices in time order."""

    def next_ns(self) -> int | None:
        """When the next price comes; None when there is none any more."""
        ...

    def take(self, until_ns: int, most: int) -> EventBatch:
        """The next prices that come until then, at most so many; possibly none."""
        ...

    def skip_to(self, from_ns: int) -> None:
        """Leave out what comes until then: after a restart the exchange has it already."""
        ...


@dataclass(slots=True)
class _Anchor:
    """A moment of the exchange and the moment of the wall at which it was."""

    exchange_ns: int
    wall_seconds: float


class Pump:
    """Moves the clock and the market together.

    `speed` 1 is the pace of the wall, 60 a minute in a second, 0 as fast as it goes.  After the last price the clock
    goes on at the pace of the wall.  `on_prices` is told each batch and its distinct rows after the exchange took it.
    """

    def __init__(
        self,
        host: ExchangeHost,
        clock: ManualClock,
        source: PriceSource,
        speed: float,
        read_seconds: Callable[[], float],
        on_prices: Callable[[EventBatch, IntArray], None],
    ) -> None:
        self._host = host
        self._clock = clock
        self._source = source
        self._now = read_seconds
        self._on_prices = on_prices
        self._speed = speed
        self._paused = False
        self._anchor = _Anchor(clock.now_ns(), read_seconds())
        self._changed = asyncio.Event()
        self._moving = asyncio.Lock()
        self.events = 0

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def time_ns(self) -> int:
        """The time of the exchange for whoever follows it: its clock moves in steps, and the time between them too."""
        return self._clock.now_ns() if self._paused or self._speed == FASTEST else self._due_ns()

    @property
    def source(self) -> PriceSource:
        return self._source

    def set_pace(self, *, speed: float | None = None, paused: bool | None = None) -> None:
        """Go on at another pace from the present moment.  Errors: `InvalidValueError` for a negative speed."""
        if speed is not None and not 0 <= speed <= 1_000_000:
            raise InvalidValueError(f"speed {speed:g} is not within 0 and 1 000 000")
        self._speed = self._speed if speed is None else speed
        self._paused = self._paused if paused is None else paused
        self._anchor_here()
        self._changed.set()

    async def advance_to(self, until_ns: int) -> None:
        """Go there at once, with all prices on the way.  Errors: `InvalidValueError` for a time that is over."""
        if until_ns < self._clock.now_ns():
            raise InvalidValueError("a clock cannot go back")
        await self._move(until_ns)
        self._anchor_here()

    async def run(self) -> None:
        """Keep the pace until cancelled."""
        while True:
            pause = _LONGEST_PAUSE
            if not self._paused and self._speed == FASTEST and self._source.next_ns() is not None:
                await self._leap()
                pause = 0.0
            elif not self._paused:
                await self._move(self._due_ns())
                pause = self._pause()
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(
                    pause
                ):  # wait_for of Python 3.11 loses a cancel that comes with the change
                    await self._changed.wait()

    def _due_ns(self) -> int:
        """Where the clock should be now."""
        passed = (self._now() - self._anchor.wall_seconds) * (self._speed or 1.0) * NANOSECONDS_PER_SECOND
        return max(self._clock.now_ns(), self._anchor.exchange_ns + int(passed))

    def _pause(self) -> float:
        """Until the next price is due, within bounds: the clock moves on between prices too."""
        upcoming = self._source.next_ns()
        if upcoming is None:
            return _LONGEST_PAUSE
        wait = (upcoming - self._due_ns()) / NANOSECONDS_PER_SECOND / (self._speed or 1.0)
        return min(max(wait, _SHORTEST_PAUSE), _LONGEST_PAUSE)

    async def _leap(self) -> None:
        """The next prices, whenever they come; requests have their turn between leaps."""
        async with self._moving:
            await self._feed(self._source.take(_FOREVER, MOST_EVENTS))
            await self._host.advance()
            self._anchor_here()

    async def _move(self, until_ns: int) -> None:
        async with self._moving:
            while (upcoming := self._source.next_ns()) is not None and upcoming <= until_ns:
                await self._feed(self._source.take(until_ns, MOST_EVENTS))
                await asyncio.sleep(0)
            self._clock.advance_to(max(self._clock.now_ns(), until_ns))
            await self._host.advance()

    async def _feed(self, batch: EventBatch) -> None:
        if not len(batch):
            return
        self._clock.advance_to(max(self._clock.now_ns(), int(batch.at_ns[-1])))
        await self._host.feed_batch(batch)
        self.events += len(batch)
        self._on_prices(batch, np.unique(batch.token_row))
        await self._host.commit()

    def _anchor_here(self) -> None:
        self._anchor = _Anchor(self._clock.now_ns(), self._now())
