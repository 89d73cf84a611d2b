"""One owner at a time: a lease in the database with a fencing token.

Invariants:
- of two owners of one name, the later has the higher token, for ever;
- a transaction in which `guard` passed commits only if nobody took the lease over before that commit: it holds the
  lease's row, and whoever takes over has to wait for that row.

So a process that slept while its lease moved cannot write; what it may send is bounded by `holds`, which looks at the
clock and not at the database.
"""

from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from trademantra.core.errors import TradeMantraError
from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock
from trademantra.kit.database import Database
from trademantra.kit.models import LeaseRow


class LeaseHeldError(TradeMantraError):
    """Another process owns this; it must stop, or its lease run out, first."""

    code: ClassVar[str] = "lease_held"


class LeaseLostError(TradeMantraError):
    """This process owns it no more: another took over.  Nothing was written."""

    code: ClassVar[str] = "lease_lost"


@dataclass(slots=True)
class Lease:
    """Ownership of `name` until `expires_ns`, as far as this process knows."""

    name: str
    owner: str
    token: int
    expires_ns: int
    _clock: Clock
    _length_ns: int

    @property
    def holds(self) -> bool:
        """Whether this process may still send: false from the moment the lease could have moved."""
        return self._clock.now_ns() < self.expires_ns

    async def guard(self, session: AsyncSession) -> None:
        """First statement of every transaction of the owner.  Errors: `LeaseLostError`."""
        row = await session.scalar(select(LeaseRow).where(LeaseRow.name == self.name).with_for_update())
        if row is None or row.token != self.token:
            raise LeaseLostError(
                f"{self.name} is owned by {row.owner if row else 'nobody'} now",
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


async def take_lease(database: Database, name: str, owner: str, clock: Clock, *, length_ns: int) -> Lease:
    """Become the owner of `name` for `length_ns`.

    Errors: `LeaseHeldError` while another owner's lease runs.
    """
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
