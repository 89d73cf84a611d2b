"""The world of the crash test: one clock for every process, one share, one contract, prices that wander.

The clock begins in the middle of a trading day and runs `SPEED` times as fast as the wall, in all processes alike: what
takes the desk ten seconds (an order is ABSENT) takes the test one.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.brokers.contract.simulated import CONTRACT_TOKEN, SHARE_TOKEN, START_NS
from trademantra.brokers.listings import Listings
from trademantra.brokers.paper.market import EventBatch
from trademantra.brokers.paper.terms import PriceEvent
from trademantra.brokers.zerodha.settings import ZerodhaSettings
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND

SPEED = 10
ACCOUNT, USER = "zerodha-1", "CR0001"
API_KEY, API_SECRET = "crashkey", "crashsecret0"
STEP_NS = SECOND // 4
_MARKETS = {
    SHARE_TOKEN: (100.0, 0.05, 5.0),
    CONTRACT_TOKEN: (1000.0, 0.10, 50.0),
}  # first, tick, how far it goes


@dataclass(frozen=True, slots=True)
class FastClock:
    """The wall clock, faster; `began_ns` is the wall's time at which the day was at `START_NS`."""

    began_ns: int

    def now_ns(self) -> int:
        return START_NS + (time.time_ns() - self.began_ns) * SPEED


@dataclass(frozen=True, slots=True)
class FastTimer:
    clock: FastClock

    def now_ns(self) -> int:
        return self.clock.now_ns()

    async def until(self, instant_ns: int) -> None:
        while (left := instant_ns - self.now_ns()) > 0:
            await asyncio.sleep(left / SECOND / SPEED)


async def sleep(seconds: float) -> None:
    """`asyncio.sleep` by that clock."""
    await asyncio.sleep(seconds / SPEED)


@dataclass(frozen=True, slots=True)
class World:
    """What every process of a test knows."""

    root: str
    url: str
    folder: Path
    clock: FastClock
    seed: int

    def settings(self) -> ZerodhaSettings:
        return ZerodhaSettings(
            api_key=API_KEY,
            user_id=USER,
            root=self.root,
            login_page=f"{self.root}/connect/login",
            stream_root=self.root.replace("http", "ws"),
            orders_per_minute=100_000,  # the sandbox counts nothing here; 429s come from its faults
            orders_per_day=1_000_000,
            poll_seconds=5.0,
        )


class WanderingPrices:
    """`PriceSource` of the sandbox: a trade of both instruments each step, in small and large volumes."""

    def __init__(self, known: Listings, seed: int) -> None:
        self._known = known
        self._chance = Random(seed)
        self._next_ns = START_NS
        self._ticks = dict.fromkeys(_MARKETS, 0)

    def next_ns(self) -> int | None:
        return self._next_ns

    def skip_to(self, from_ns: int) -> None:
        self._next_ns = max(self._next_ns, from_ns)

    def take(self, until_ns: int, most: int) -> EventBatch:
        taken: list[PriceEvent] = []
        while self._next_ns <= until_ns and len(taken) < most:
            for token, (first, tick, far) in _MARKETS.items():
                moved = self._ticks[token] + self._chance.choice((-2, -1, -1, 0, 0, 1, 1, 2))
                self._ticks[token] = moved if abs(moved * tick) <= far else self._ticks[token]
                price = round(first + self._ticks[token] * tick, 2)
                volume = float(self._chance.choice((5, 40, 1000)))
                taken.append(PriceEvent(token, self._next_ns, price, price, price, price, volume))
            self._next_ns += STEP_NS
        return EventBatch.of(self._known, taken)
