"""The pace of the clock, with a wall that the test moves."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.sandbox.kite.market_making import INFY, OPENING, Script, listings, ticks
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.host import ExchangeHost
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import ManualClock
from trademantra.sandbox.kite.pump import Pump

SECOND = 10**9
KNOWN = listings()


class Wall:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def pumped(
    speed: float, prices: list[float], test: Callable[[Pump, ManualClock, Wall, list[int]], Awaitable[None]]
) -> None:
    async def run() -> None:
        clock, wall, seen = ManualClock(OPENING - SECOND), Wall(), []
        host = ExchangeHost(lambda snapshot, entries, sink: Exchange(KNOWN, clock, sink=sink))
        source = Script()
        if prices:
            source.add(EventBatch.of(KNOWN, ticks(INFY, prices)))
        pump = Pump(host, clock, source, speed, wall, lambda batch, rows: seen.extend(batch.at_ns.tolist()))
        task = asyncio.create_task(pump.run())
        try:
            await asyncio.wait_for(test(pump, clock, wall, seen), 20)
        finally:
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(run())


async def until(done: Callable[[], bool]) -> None:
    while not done():
        await asyncio.sleep(0)


def test_prices_come_when_they_are_due() -> None:
    async def test(pump: Pump, clock: ManualClock, wall: Wall, seen: list[int]) -> None:
        wall.seconds += 0.2  # ten times real time: two seconds
        await until(lambda: clock.now_ns() == OPENING + SECOND)
        assert seen == [OPENING, OPENING + SECOND]
        pump.set_pace(speed=1.0)
        wall.seconds += 1.5
        await until(lambda: clock.now_ns() == OPENING + 2 * SECOND + SECOND // 2)
        assert seen[2:] == [OPENING + 2 * SECOND]

    pumped(10.0, [1.0, 2.0, 3.0, 4.0], test)


def test_a_paused_clock_stands_still_and_loses_nothing() -> None:
    async def test(pump: Pump, clock: ManualClock, wall: Wall, seen: list[int]) -> None:
        pump.set_pace(paused=True)
        wall.seconds += 3600
        await asyncio.sleep(0.01)
        assert clock.now_ns() == OPENING - SECOND
        pump.set_pace(paused=False)
        wall.seconds += 1
        await until(lambda: clock.now_ns() == OPENING)
        assert seen == [OPENING]

    pumped(1.0, [1.0, 2.0], test)


def test_as_fast_as_it_goes_and_then_at_the_pace_of_the_wall() -> None:
    count = 20_000

    async def test(pump: Pump, clock: ManualClock, wall: Wall, seen: list[int]) -> None:
        await until(lambda: len(seen) == count)
        end = OPENING + (count - 1) * SECOND
        assert clock.now_ns() == end
        wall.seconds += 2
        await until(lambda: clock.now_ns() == end + 2 * SECOND)

    pumped(0.0, [100.0] * count, test)


def test_an_advance_feeds_all_that_lies_between_and_never_goes_back() -> None:
    async def test(pump: Pump, clock: ManualClock, wall: Wall, seen: list[int]) -> None:
        pump.set_pace(paused=True)
        await pump.advance_to(OPENING + SECOND)
        assert seen == [OPENING, OPENING + SECOND]
        with pytest.raises(InvalidValueError):
            await pump.advance_to(OPENING)
        with pytest.raises(InvalidValueError):
            pump.set_pace(speed=-1)

    pumped(1.0, [1.0, 2.0, 3.0], test)


def test_the_time_is_told_between_the_steps_of_the_clock_too() -> None:
    async def test(pump: Pump, clock: ManualClock, wall: Wall, seen: list[int]) -> None:
        before = clock.now_ns()
        wall.seconds += 0.04  # at 60 times real time 2.4 s, and the clock was not moved yet
        assert clock.now_ns() == before
        assert pump.time_ns == pytest.approx(before + 2.4 * SECOND, abs=10)
        pump.set_pace(paused=True)
        wall.seconds += 1
        assert pump.time_ns == clock.now_ns()

    pumped(60.0, [1.0, 2.0], test)
