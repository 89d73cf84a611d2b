"""Telling never waits; what a slow listener misses is counted."""

import asyncio
from dataclasses import dataclass

from trademantra.kit.bus import Bus


@dataclass
class Happened:
    number: int


class Special(Happened):
    pass


def test_events_arrive_in_order_at_everybody_who_asked_for_their_kind():
    async def scenario():
        bus = Bus()
        every, special = bus.subscribe(Happened), bus.subscribe(Special)

        async def read(subscription):
            return [event.number async for event in subscription]

        readers = asyncio.gather(read(every), read(special))
        for number in range(6):
            bus.tell(Special(number) if number % 3 == 0 else Happened(number))
            await asyncio.sleep(0)
        bus.tell("something else")
        every.close()
        special.close()
        bus.tell(Happened(99))
        return await readers

    assert asyncio.run(scenario()) == [[0, 1, 2, 3, 4, 5], [0, 3]]


def test_a_slow_listener_loses_the_oldest_and_holds_nobody_up():
    async def scenario():
        bus = Bus()
        slow = bus.subscribe(Happened, longest=3)
        for number in range(10):
            bus.tell(Happened(number))
        slow.close()
        return slow.lost, [event.number async for event in slow]

    assert asyncio.run(scenario()) == (7, [7, 8, 9])
