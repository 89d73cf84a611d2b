"""Prepared statements store what SQLAlchemy stores, and fail as it fails."""

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from trademantra.kit.database import Database
from trademantra.kit.models import LeaseRow
from trademantra.kit.prepared import PreparedStatements
from trademantra.trading.models import PositionRow
from trademantra.trading.order_store import _upsert_position

POSITION = {"account_id": "a", "strategy_id": "s", "instrument_key": "k", "product": "MIS"}


def run(url, *steps):
    """Each step in a transaction of its own; answers how each ended and all positions, as both ways left them."""

    async def whole(prepared):
        database = await Database.open(url(prepared))
        statements, ended = PreparedStatements(), []
        for statement, rows in steps:

            def work(connection, statement=statement, rows=rows):
                if prepared:
                    statements.execute(connection, statement(database), rows)
                else:
                    connection.execute(statement(database), rows)

            try:
                await database.write_at_once(work)
                ended.append("written")
            except SQLAlchemyError:
                ended.append("refused")
        async with database.reading() as session:
            found = (
                await session.execute(select(*PositionRow.__table__.c).order_by(PositionRow.strategy_id))
            ).all()
            leases = (await session.execute(select(*LeaseRow.__table__.c))).all()
        await database.close()
        return ended, found, leases

    return asyncio.run(whole(prepared=True)), asyncio.run(whole(prepared=False))


@pytest.fixture
def two(tmp_path):
    """Two databases: one for each way."""
    return lambda prepared: f"sqlite:///{tmp_path / str(prepared)}"


def amounts(**words):
    named = {
        "quantity": "1.00000001",
        "cost": "-2.0001",
        "realised": "0",
        "charges": "900000000000.9999",
    } | words
    return {name: Decimal(value) for name, value in named.items()}


def test_both_ways_leave_the_same(two):
    put = {}

    def upsert(database):
        return put.setdefault(id(database), _upsert_position(sqlite_dialect=database.is_sqlite))

    moved = update(PositionRow.__table__).where(PositionRow.strategy_id == bindparam("which"))
    moved = moved.values(cost=bindparam("new_cost"))
    ours, theirs = run(
        two,
        (upsert, [POSITION | amounts(), POSITION | {"strategy_id": "t"} | amounts(cost="7")]),
        (upsert, [POSITION | amounts(quantity="5")]),
        (upsert, [POSITION | amounts(cost="0.00001")]),  # finer than the column
        (lambda _: moved, [{"which": "t", "new_cost": Decimal("8.5")}]),
        (lambda _: insert(PositionRow.__table__), [POSITION | amounts()]),  # there already
        (lambda _: insert(LeaseRow), [{"name": "x", "owner": "o", "token": 2**40, "expires_ns": 1}]),
    )
    assert ours == theirs
    assert ours[0] == ["written", "written", "refused", "written", "refused", "written"]
    assert len(ours[1]) == 2


def test_columns_that_have_defaults_are_left_to_sqlalchemy(two):
    from sqlalchemy import Column, Integer, MetaData, String, Table

    table = Table("t", MetaData(), Column("a", Integer), Column("b", String, default="told by the column"))

    async def scenario():
        database, statements = await Database.open(two(True)), PreparedStatements()
        statement, found = insert(table), []

        def work(connection):
            table.create(connection)
            statements.execute(connection, statement, [{"a": 1}])
            found.extend(connection.execute(select(table)).all())

        await database.write_at_once(work)
        await database.close()
        return found

    assert asyncio.run(scenario()) == [(1, "told by the column")]
