"""Algorithms in the database: rows for the journal, and what still had work at the last end of the desk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import sqlalchemy
from sqlalchemy import bindparam, insert, select, update

from trademantra.engine.records import Reason
from trademantra.kit.database import Database
from trademantra.trading.algos.kinds import kind_of, read_spec
from trademantra.trading.algos.models import AlgoRow
from trademantra.trading.algos.spec_json import from_json, to_json
from trademantra.trading.algos.view import AlgoSpec, Memory
from trademantra.trading.journal import Change

_ALGOS = cast(sqlalchemy.Table, AlgoRow.__table__)
_INSERT = insert(_ALGOS)
_REMEMBER = (
    update(_ALGOS)
    .where(_ALGOS.c.algo_id == bindparam("this_algo"))
    .values(state=bindparam("new_state"), ended=bindparam("new_ended"), ended_ns=bindparam("new_ended_ns"))
)


@dataclass(frozen=True, slots=True)
class StoredAlgo:
    """An algorithm as it was at the last end of the desk."""

    spec: AlgoSpec
    memory: Memory


def begun(spec: AlgoSpec, memory: Memory, now_ns: int) -> Sequence[Change]:
    """The rows of a new algorithm."""
    row = {
        "algo_id": spec.algo_id,
        "account_id": spec.account_id,
        "strategy_id": spec.strategy_id,
        "kind": kind_of(spec),
        "spec": to_json(spec),
        "state": to_json(memory),
        "ended": "",
        "started_ns": now_ns,
        "ended_ns": 0,
    }
    return [(_INSERT, row)]


def remembered(spec: AlgoSpec, memory: Memory, ended: str = "", ended_ns: int = 0) -> Sequence[Change]:
    """The rows of what an algorithm must not forget, or of its end."""
    row = {
        "this_algo": spec.algo_id,
        "new_state": to_json(memory),
        "new_ended": ended,
        "new_ended_ns": ended_ns,
    }
    return [(_REMEMBER, row)]


async def unfinished(database: Database, account_id: str) -> Sequence[StoredAlgo]:
    """The algorithms of an account that still have work, oldest first.  Errors: `BadInputError`."""
    async with database.reading() as session:
        rows = await session.scalars(
            select(AlgoRow)
            .where(AlgoRow.account_id == account_id, AlgoRow.ended_ns == 0)
            .order_by(AlgoRow.started_ns, AlgoRow.algo_id)
        )
        return [
            StoredAlgo(
                read_spec(row.kind, row.spec, row.algo_id),
                replace(from_json(Memory, row.state, f"algorithm {row.algo_id}"), restored=True),
            )
            for row in rows
        ]


async def leaving_of(database: Database, account_id: str, prefix: str) -> Mapping[str, Reason]:
    """Why positions were left, by algorithm whose name begins so, finished or not.  Errors: `BadInputError`."""
    async with database.reading() as session:
        rows = await session.execute(
            select(AlgoRow.algo_id, AlgoRow.state).where(
                AlgoRow.account_id == account_id, AlgoRow.algo_id.startswith(prefix, autoescape=True)
            )
        )
        return {algo_id: from_json(Memory, state, f"algorithm {algo_id}").leaving for algo_id, state in rows}


async def ids_since(database: Database, account_id: str, since_ns: int) -> frozenset[str]:
    """The names of all algorithms of an account that began since then, finished or not."""
    async with database.reading() as session:
        rows = await session.scalars(
            select(AlgoRow.algo_id).where(AlgoRow.account_id == account_id, AlgoRow.started_ns >= since_ns)
        )
        return frozenset(rows)
