"""One owner at a time: a lease in the database with a fencing token.

Invariants:
- of two owners of one name, the later has the higher token, for ever;
- a transaction in which `guard` passed commits only if nobody took the lease over before that commit: it holds the
  lease's row, and whoever takes over has to wait for that row.

So a process that slept while its lease moved cannot write.  What it sends to others no database can refuse: there it
looks at the clock, as late as it can (`ensure_may_send`), and stops a part of the length before the end, so that what it
sent last has arrived before the next owner looks.  What remains is a process that is stopped between that look and its
next system call.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from trademantra.core.errors import TradeMantraError
from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock
from trademantra.kit.database import Database
from trademantra.kit.models import LeaseRow
from trademantra.kit.timer import Timer

_OWNER = (
    select(LeaseRow.owner, LeaseRow.token).where(LeaseRow.name == bindparam("lease_name")).with_for_update()
)
_OWNER_TEXT = str(_OWNER.compile(dialect=sqlite.dialect()))
_PARTS = 3
"""A lease is renewed after one part of its length, and nothing is sent in its last part."""


class LeaseHeldError(TradeMantraError):
    """Another process owns this; it must stop, or its lease run out, first."""

    code: ClassVar[str] = "lease_held"


class LeaseLostError(TradeMantraError):
    """This process owns it no more: another took over, or may have.  Nothing was written or sent."""

    code: ClassVar[str] = "lease_lost"


@dataclass(slots=True)
class Lease:
    """Ownership of `name` until `expires_ns`, as far as this process knows.  `lost`: for good, another has it."""

    name: str
    owner: str
    token: int
    expires_ns: int
    _clock: Clock
    _length_ns: int
    lost: bool = False

    @property
    def length_ns(self) -> int:
        return self._length_ns

    @property
    def holds(self) -> bool:
        """Whether nobody else can have it yet."""
        return self._clock.now_ns() < self.expires_ns

    @property
    def may_send(self) -> bool:
        """Whether this process may still send: false already a part of the length before the lease can move."""
        return self._clock.now_ns() < self.expires_ns - self._length_ns // _PARTS

    def ensure_may_send(self) -> None:
        """To be called right before a request is written to a socket.  Errors: `LeaseLostError`."""
        if not self.may_send:
            raise LeaseLostError(
                f"{self.name}: the lease of {self.owner} ran out, or nearly; nothing was sent",
                hint="is the database reachable, and does no other process serve this account?",
            )

    def ensure_may_write(self) -> None:
        """To be called right before a file is written that the next owner goes on with.  Errors: `LeaseLostError`."""
        if not self.may_send:
            raise LeaseLostError(
                f"{self.name}: the lease of {self.owner} ran out, or nearly; nothing was written",
                hint="is the database reachable, and does no other process serve this account?",
            )

    async def guard(self, session: AsyncSession) -> None:
        """First statement of every transaction of the owner.  Errors: `LeaseLostError`."""
        await (await session.connection()).run_sync(self.guard_at_once)

    def guard_at_once(self, connection: Connection) -> None:
        """As `guard`, for `Database.write_at_once`."""
        row = _owner_of(connection, self.name)
        if row is None or row[1] != self.token:
            self.lost, self.expires_ns = True, 0
            raise LeaseLostError(
                f"{self.name} is owned by {row[0] if row else 'nobody'} now",
                hint="this process must stop; start it anew",
            )

    async def renew(self, database: Database) -> None:
        """Move the end of the lease.  Errors: `LeaseLostError` when another took over meanwhile."""
        async with database.writing() as session:
            await self.guard(session)
            row = await session.get_one(LeaseRow, self.name)
            row.expires_ns = self._clock.now_ns() + self._length_ns
        self.expires_ns = row.expires_ns

    async def release(self, database: Database) -> None:
        """Let go, so that the next owner need not wait.  One that was lost already stays lost."""
        async with database.writing() as session:
            row = await session.scalar(select(LeaseRow).where(LeaseRow.name == self.name).with_for_update())
            if row is not None and row.token == self.token:
                row.expires_ns = 0
        self.expires_ns = 0


def _owner_of(connection: Connection, name: str) -> tuple[str, int] | None:
    """Owner and token.  It stands before every commit of the journal: on SQLite the driver is asked without detours."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        row = connection.execute(_OWNER, {"lease_name": name}).one_or_none()
        return None if row is None else (row.owner, row.token)
    try:
        found: tuple[str, int] | None = raw.execute(_OWNER_TEXT, (name,)).fetchone()
    except sqlite3.Error as error:
        raise DBAPIError(_OWNER_TEXT, None, error) from error
    return found


async def take_lease(database: Database, name: str, owner: str, clock: Clock, *, length_ns: int) -> Lease:
    """Become the owner of `name` for `length_ns`.

    Errors: `LeaseHeldError` while another owner's lease runs, and while another process keeps the database locked: one
    that is stopped in the middle of a write keeps a SQLite file for as long as it lives.
    """
    try:
        return await _take(database, name, owner, clock, length_ns)
    except OperationalError as error:
        if "database is locked" not in str(error.orig):
            raise
        raise LeaseHeldError(
            f"{name} cannot be taken: another process is in the middle of a write, and stays there",
            hint="end that process (kill -9 is safe), or let it go on",
        ) from error


async def _take(database: Database, name: str, owner: str, clock: Clock, length_ns: int) -> Lease:
    insert = sqlite.insert if database.is_sqlite else postgresql.insert
    async with database.writing() as session:
        # a row that nobody owns, so that all who ask at once wait for the same row
        unowned = {"name": name, "owner": "", "token": 0, "expires_ns": 0}
        await session.execute(insert(LeaseRow).values(unowned).on_conflict_do_nothing())
        rows = await session.scalars(select(LeaseRow).where(LeaseRow.name == name).with_for_update())
        lease, now = rows.one(), clock.now_ns()
        if lease.expires_ns > now:
            left = (lease.expires_ns - now) / NANOSECONDS_PER_SECOND
            raise LeaseHeldError(
                f"{name} is in use by {lease.owner}",
                hint=f"stop that process, or wait {left:.0f} s until its lease runs out",
            )
        lease.owner, lease.token, lease.expires_ns = owner, lease.token + 1, now + length_ns
    return Lease(name, owner, lease.token, lease.expires_ns, clock, length_ns)


class Keeper:
    """Keeps a lease while its block runs, and lets go of it afterwards.

    A database that does not answer is asked again and again: the lease runs out meanwhile, nothing is sent, and it goes on
    where nobody else took it.  `on_lost` is called once, when another did: the process must stop serving `name`.
    """

    def __init__(
        self, lease: Lease, database: Database, timer: Timer, on_lost: Callable[[LeaseLostError], None]
    ) -> None:
        self.lease = lease
        self._database, self._timer, self._on_lost = database, timer, on_lost
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._renew(), name=f"lease of {self.lease.name}")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if not self.lease.lost:
            try:
                await self.lease.release(self._database)
            except (SQLAlchemyError, OSError):
                self.lease.expires_ns = 0  # it runs out by itself there

    async def _renew(self) -> None:
        while True:
            await self._timer.until(self._timer.now_ns() + self.lease.length_ns // _PARTS)
            try:
                await self.lease.renew(self._database)
            except LeaseLostError as error:  # seen here first, or by a write that was refused before
                self._on_lost(error)
                return
            except (SQLAlchemyError, OSError):
                continue
