"""Where a desk dies: at an instant that its killer chooses, or at a point inside itself that is hard to hit from outside."""

import os
import signal
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from sqlalchemy import event
from sqlalchemy.engine import Engine

from trademantra.brokers.orders import OrderRequest, PlaceResult
from trademantra.brokers.zerodha.adapter import ZerodhaAdapter
from trademantra.trading.journal import OrderJournal

POINTS: Mapping[str, int] = {
    "statement": 40,  # before the n-th SQL statement, at most this n
    "commit": 10,  # before the n-th commit: the rows are written and not durable
    "committed": 10,  # durable, and nobody was told
    "placing": 4,  # taken off the outbox, nothing written to the socket
    "placed": 4,  # the broker answered, the answer was not used
    "cancelling": 2,
}
LONGEST_LIFE = 0.5


@dataclass(frozen=True, slots=True)
class Death:
    """`after_seconds`: killed from outside then, at the latest; `point` and `count`: kills itself there.

    `works_first`: the seconds count from the instant at which the desk said that it works, however slow the machine is.
    """

    after_seconds: float
    point: str = ""
    count: int = 0
    works_first: bool = False


def some_death(chance: Random) -> Death:
    """Half of them at a random instant, some of those in the first milliseconds; the others at a point inside."""
    if chance.random() < 0.5:
        works_first = chance.random() < 0.6
        return Death(chance.uniform(0, 0.25 if works_first else 0.1), works_first=works_first)
    point = chance.choice(list(POINTS))
    return Death(LONGEST_LIFE, point, chance.randint(1, POINTS[point]), works_first=True)


@dataclass(slots=True)
class Fate:
    """Counts a process's way to its death."""

    death: Death
    passed: dict[str, int] = field(default_factory=dict)

    def at(self, point: str) -> None:
        """Die here, if it is time: no handler runs, nothing is flushed."""
        self.passed[point] = self.passed.get(point, 0) + 1
        if point == self.death.point and self.passed[point] >= self.death.count:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_sql(self) -> None:
        event.listen(Engine, "before_cursor_execute", lambda *_: self.at("statement"))
        event.listen(Engine, "commit", lambda _: self.at("commit"))
        event.listen(Engine, "connect", lambda connection, _: self._watch_driver(connection))

    def _watch_driver(self, connection: object) -> None:
        """What the journal hands to SQLite's driver as it is (`kit.prepared`)."""
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(lambda _: self.at("statement"))


class MortalJournal(OrderJournal):
    """The journal, which may die between the disk and the news of it."""

    fate: Fate

    async def _commit(self, group: Sequence[object]) -> None:
        await super()._commit(group)
        self.fate.at("committed")


class MortalAdapter(ZerodhaAdapter):
    """The adapter, which may die before and after each order call."""

    fate: Fate

    async def place(self, request: OrderRequest) -> PlaceResult:
        self.fate.at("placing")
        result = await super().place(request)
        self.fate.at("placed")
        return result

    async def cancel(self, broker_order_id: str) -> PlaceResult:
        self.fate.at("cancelling")
        return await super().cancel(broker_order_id)
