"""What a running desk tells of each account, and how old that is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import sqlalchemy
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from trademantra.core.time import NANOSECONDS_PER_SECOND, datetime_of
from trademantra.kit.database import Database
from trademantra.trading.control.models import StateRow

FRESH_NS = 5 * NANOSECONDS_PER_SECOND
"""A desk writes every second; what is older was written by one that runs no more, or is stuck."""


@dataclass(frozen=True, slots=True)
class DeskState:
    """`told`: plain JSON values, whatever the desk has to say of the account; `at_ns`: when it said so."""

    account_id: str
    told: Mapping[str, object]
    at_ns: int

    def is_fresh(self, now_ns: int) -> bool:
        return abs(now_ns - self.at_ns) <= FRESH_NS

    def age_text(self, now_ns: int) -> str:
        """How current this is, for people.

        >>> DeskState("a", {}, 1795146300_000000000).age_text(1795146301_000000000)
        'running'
        >>> DeskState("a", {}, 1795146300_000000000).age_text(1795149901_000000000)
        'not running; as of 2026-11-20 09:15:00'
        """
        if self.is_fresh(now_ns):
            return "running"
        return f"not running; as of {datetime_of(self.at_ns):%Y-%m-%d %H:%M:%S}"


class StateStore:
    """The states in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = cast(sqlalchemy.Table, StateRow.__table__)
        made = sqlite.insert(table) if database.is_sqlite else postgresql.insert(table)
        self._put = made.on_conflict_do_update(
            index_elements=("account_id",), set_={"told": made.excluded.told, "at_ns": made.excluded.at_ns}
        )

    async def write(self, states: Sequence[DeskState]) -> None:
        """What the desk tells now, for all its accounts in one transaction."""
        if not states:
            return
        rows = [
            {"account_id": each.account_id, "told": json.dumps(each.told), "at_ns": each.at_ns}
            for each in states
        ]
        async with self._database.writing() as session:
            await session.execute(self._put, rows)

    async def states(self) -> Mapping[str, DeskState]:
        """By account; what was told last, however long ago."""
        async with self._database.reading() as session:
            rows = await session.scalars(select(StateRow).order_by(StateRow.account_id))
            return {
                row.account_id: DeskState(row.account_id, json.loads(row.told), row.at_ns) for row in rows
            }

    async def forget(self, account_id: str) -> None:
        """The desk stopped in an orderly way: nothing runs there."""
        async with self._database.writing() as session:
            row = await session.get(StateRow, account_id)
            if row is not None:
                await session.delete(row)
