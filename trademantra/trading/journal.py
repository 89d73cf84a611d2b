"""The desk's journal: what is to be written, written together, and known to be on the disk.

Invariants:
- `write` returns only after a commit that holds all of its rows, or raises and none of them is there;
- rows of one call become visible together;
- calls commit in the order in which they were made;
- nothing is committed for an account whose lease this process has lost;
- nobody waits for ever: when the journal itself ends, what waits and what comes later fails.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, Self, TypeAlias

from sqlalchemy import Connection, Executable
from sqlalchemy.exc import SQLAlchemyError

from trademantra.core.errors import TradeMantraError
from trademantra.kit.database import Database
from trademantra.kit.lease import Lease, LeaseLostError
from trademantra.kit.prepared import PreparedStatements, Row

Change: TypeAlias = tuple[Executable, Row]

_LARGEST_GROUP = 500
_NOT_WRITTEN = (SQLAlchemyError, LeaseLostError, OSError, OverflowError, ValueError)
"""The last two: drivers say so of a number beyond 64 bits, and of a text that is no UTF-8."""


class JournalFailedError(TradeMantraError):
    """The database did not take it: nothing was written, and nothing that depends on it may be done."""

    code: ClassVar[str] = "order_journal_failed"


@dataclass(slots=True)
class _Waiting:
    changes: Sequence[Change]
    lease: Lease
    done: asyncio.Future[None]


class OrderJournal:
    """Writes for the whole desk.  Calls that wait while a commit is under way share the next one.

    Use as an async context manager: leaving it writes what waits.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._under_way: list[_Waiting] = []
        self._closing = False
        self._prepared = PreparedStatements()
        self._task: asyncio.Task[None] | None = None
        self.commits = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_all(), name="order journal")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task

    async def write(self, changes: Sequence[Change], lease: Lease) -> None:
        """Make `changes` durable, in their order.

        Errors: `LeaseLostError`; `JournalFailedError`.  In both cases nothing of this call was written.
        """
        await asyncio.shield(self.enqueue(changes, lease))  # a caller that gives up does not undo a write

    @property
    def is_busy(self) -> bool:
        """Whether anything is not written yet."""
        return bool(self._waiting or self._under_way)

    async def drained(self) -> None:
        """Return when everything that was enqueued so far is written, or has failed."""
        waiting = [each.done for each in (*self._under_way, *self._waiting)]
        if waiting:
            await asyncio.wait(waiting)

    def enqueue(self, changes: Sequence[Change], lease: Lease) -> asyncio.Future[None]:
        """As `write`, without waiting: the future is done when the changes are durable, or has its error."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closing or self._task is None or self._task.done():
            done.set_exception(JournalFailedError("the order journal is closed", hint="start the desk anew"))
        else:
            self._waiting.append(_Waiting(changes, lease, done))
            self._arrived.set()
        return done

    async def _write_all(self) -> None:
        try:
            while self._waiting or not self._closing:
                if not self._waiting:
                    self._arrived.clear()
                    await self._arrived.wait()
                    continue
                self._under_way = self._waiting[:_LARGEST_GROUP]
                self._waiting = self._waiting[_LARGEST_GROUP:]
                await self._commit(self._under_way)
                self._under_way = []
        finally:  # nothing is left, unless the program itself is at fault
            for each in (*self._under_way, *self._waiting):
                _fail(each.done, RuntimeError("the journal itself has ended; start the desk anew"))

    async def _commit(self, group: Sequence[_Waiting]) -> None:
        """All of `group` in one transaction; when that fails, each call alone, so that one bad call harms no other."""
        try:
            await self._transaction(group)
        except _NOT_WRITTEN as error:
            if len(group) == 1:
                _fail(group[0].done, error)
                return
            for each in group:
                await self._commit([each])
            return
        for each in group:
            if not each.done.done():
                each.done.set_result(None)

    async def _transaction(self, group: Sequence[_Waiting]) -> None:
        leases = {id(each.lease): each.lease for each in group}.values()
        changes = [change for each in group for change in each.changes]
        prepared = self._prepared

        def write(connection: Connection) -> None:
            for lease in leases:
                lease.guard_at_once(connection)
            for _, same in groupby(changes, key=lambda change: id(change[0])):
                together = list(same)
                prepared.execute(connection, together[0][0], [row for _, row in together])

        await self._database.write_at_once(write)
        self.commits += 1


def _fail(done: asyncio.Future[None], error: Exception) -> None:
    if done.done():
        return
    if isinstance(error, LeaseLostError):
        done.set_exception(error)
        return
    cause = str(getattr(error, "orig", error)).splitlines()[0]
    failed = JournalFailedError(
        f"the order journal could not be written: {cause}", hint="nothing was sent; mend the database"
    )
    failed.__cause__ = error
    done.set_exception(failed)
