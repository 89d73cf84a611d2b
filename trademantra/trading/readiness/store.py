"""The last check of each account, in the database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from trademantra.kit.database import Database
from trademantra.trading.control.models import ReadinessRow
from trademantra.trading.readiness.report import AccountReadiness


@dataclass(frozen=True, slots=True)
class KeptReadiness:
    """`told`: as `AccountReadiness.as_json`."""

    told: Mapping[str, object]
    at_ns: int


class ReadinessStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, readiness: AccountReadiness, at_ns: int) -> None:
        """Keep a check in place of the one before."""
        async with self._database.writing() as session:
            row = await session.get(ReadinessRow, readiness.account_id)
            text = json.dumps(readiness.as_json())
            if row is None:
                session.add(ReadinessRow(account_id=readiness.account_id, report=text, at_ns=at_ns))
            else:
                row.report, row.at_ns = text, at_ns

    async def last(self) -> Mapping[str, KeptReadiness]:
        """By account."""
        async with self._database.reading() as session:
            rows = await session.scalars(select(ReadinessRow))
            return {row.account_id: KeptReadiness(json.loads(row.report), row.at_ns) for row in rows}
