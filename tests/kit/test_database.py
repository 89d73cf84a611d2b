"""The database does on SQLite what it does on PostgreSQL, and keeps what it promised."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import String, func, insert, select, text, update
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from trademantra.core.errors import InvalidValueError
from trademantra.kit.columns import Money, Quantity, UtcDateTime
from trademantra.kit.database import Database, DatabaseError
from trademantra.kit.models import LeaseRow

DIALECTS = (sqlite.dialect(), pg.dialect())


@given(st.decimals(min_value=-(10**14), max_value=10**14, places=4), st.sampled_from(DIALECTS))
def test_money_comes_back_as_it_went(amount, dialect):
    column = Money()
    assert column.process_result_value(column.process_bind_param(amount, dialect), dialect) == amount


@given(st.decimals(min_value=-(10**10), max_value=10**10, places=8), st.sampled_from(DIALECTS))
def test_a_quantity_comes_back_as_it_went(quantity, dialect):
    column = Quantity()
    assert column.process_result_value(column.process_bind_param(quantity, dialect), dialect) == quantity


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2199, 1, 1)),
    st.integers(-14, 14),
    st.sampled_from(DIALECTS),
)
def test_an_instant_comes_back_as_the_same_instant_in_utc(naive, hours, dialect):
    column, aware = UtcDateTime(), naive.replace(tzinfo=timezone(timedelta(hours=hours)))
    back = column.process_result_value(column.process_bind_param(aware, dialect), dialect)
    assert back == aware
    assert back.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Money(), Decimal("0.00001")),
        (Money(), Decimal(10) ** 16),
        (Quantity(), Decimal("0.000000001")),
        (Quantity(), Decimal(10) ** 12),
        (UtcDateTime(), datetime(2026, 11, 20)),  # no zone
    ],
)
def test_what_does_not_fit_is_refused_and_never_rounded(column, value):
    for dialect in DIALECTS:
        with pytest.raises(InvalidValueError):
            column.process_bind_param(value, dialect)


def test_a_block_that_raises_leaves_nothing(url):
    async def scenario():
        database = await Database.open(url)

        async def fail():
            async with database.writing() as session:
                session.add(LeaseRow(name="x", owner="me", token=1, expires_ns=1))
                await session.flush()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with database.reading() as session:
            count = await session.scalar(select(func.count()).select_from(LeaseRow))
        await database.close()
        return count

    assert asyncio.run(scenario()) == 0


def test_writers_at_the_same_time_wait_for_each_other(url):
    """Forty read-modify-write transactions lose no update (a lost one is what a deferred BEGIN would allow)."""

    async def scenario():
        database = await Database.open(url)
        async with database.writing() as session:
            session.add(LeaseRow(name="x", owner="me", token=0, expires_ns=1))

        async def add_one():
            async with database.writing() as session:
                row = await session.scalar(select(LeaseRow).where(LeaseRow.name == "x").with_for_update())
                await asyncio.sleep(0)
                row.token += 1

        await asyncio.gather(*(add_one() for _ in range(40)))
        async with database.reading() as session:
            token = (await session.get_one(LeaseRow, "x")).token
        await database.close()
        return token

    assert asyncio.run(scenario()) == 40


def test_opening_again_keeps_what_is_there_and_two_may_open_a_new_one_together(url):
    async def scenario():
        first, second = await asyncio.gather(Database.open(url), Database.open(url))
        async with first.writing() as session:
            session.add(LeaseRow(name="x", owner="me", token=1, expires_ns=1))
        await first.close()
        await second.close()
        again = await Database.open(url)
        async with again.reading() as session:
            owner = (await session.get_one(LeaseRow, "x")).owner
        await again.close()
        return owner

    assert asyncio.run(scenario()) == "me"


def test_many_processes_may_open_a_new_file_at_once(tmp_path):
    """Each in threads of its own: the switch to the write-ahead log waits for nobody by itself."""
    for number in range(8):
        url = f"sqlite:///{tmp_path / f'{number}.db'}"

        def opened(url=url):
            async def scenario():
                await (await Database.open(url)).close()

            asyncio.run(scenario())

        with ThreadPoolExecutor(4) as threads:
            for each in [threads.submit(opened) for _ in range(4)]:
                each.result()


def test_a_database_of_a_newer_version_is_left_alone(url):
    async def scenario():
        database = await Database.open(url)
        async with database.writing() as session:
            await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await database.close()
        with pytest.raises(DatabaseError, match="newer version"):
            await Database.open(url)

    asyncio.run(scenario())


def test_constraints_hold_on_both(url):
    async def scenario():
        database = await Database.open(url)

        async def add():
            async with database.writing() as session:
                session.add(LeaseRow(name="x", owner="me", token=1, expires_ns=1))

        await add()
        with pytest.raises(IntegrityError):
            await add()
        await database.close()

    asyncio.run(scenario())


def test_a_transaction_written_at_once_is_whole_or_not_at_all_and_waits_for_other_writers(url):
    async def scenario():
        database = await Database.open(url)
        await database.write_at_once(
            lambda connection: connection.execute(
                insert(LeaseRow), [{"name": "x", "owner": "me", "token": 0, "expires_ns": 1}]
            )
        )

        def add_one(connection):
            connection.execute(update(LeaseRow).values(token=LeaseRow.token + 1))

        def fail(connection):
            add_one(connection)
            connection.execute(insert(LeaseRow), [{"name": "x", "owner": "me", "token": 9, "expires_ns": 1}])

        async def add_two():
            async with database.writing() as session:
                row = await session.scalar(select(LeaseRow).where(LeaseRow.name == "x").with_for_update())
                await asyncio.sleep(0)
                row.token += 2

        async def refused():
            with pytest.raises(IntegrityError):
                await database.write_at_once(fail)

        await asyncio.gather(
            *(job() for _ in range(10) for job in (lambda: database.write_at_once(add_one), add_two, refused))
        )
        async with database.reading() as session:
            token = (await session.get_one(LeaseRow, "x")).token
        await database.close()
        return token

    assert asyncio.run(scenario()) == 30


def test_sqlite_syncs_each_commit(tmp_path):
    async def scenario():
        database = await Database.open(f"sqlite:///{tmp_path / 'deep' / 'tm.db'}")
        async with database.reading() as session:
            found = [
                (await session.execute(text(f"PRAGMA {name}"))).scalar()
                for name in ("synchronous", "journal_mode", "foreign_keys")
            ]

        def look(connection):
            found.extend(
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("synchronous", "journal_mode", "foreign_keys")
            )

        await database.write_at_once(look)
        await database.close()
        return found

    assert asyncio.run(scenario()) == [2, "wal", 1] * 2


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("nonsense", InvalidValueError),
        ("mysql://x/y", InvalidValueError),
        ("sqlite:////dev/null/x.db", (DatabaseError, OSError)),
        ("postgresql://nobody:hunter2@127.0.0.1:1/x", DatabaseError),
    ],
)
def test_an_address_that_cannot_be_used_is_named_without_its_password(url, error):
    with pytest.raises(error) as caught:
        asyncio.run(Database.open(url))
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "x.db").write_text("this is text " * 100)
    with pytest.raises(DatabaseError, match=r"x\.db"):
        asyncio.run(Database.open(f"sqlite:///{tmp_path / 'x.db'}"))
    assert "text" in (tmp_path / "x.db").read_text()


def test_what_was_committed_is_in_the_file(tmp_path):
    async def scenario():
        database = await Database.open(f"sqlite:///{tmp_path / 'tm.db'}")
        async with database.writing() as session:
            session.add(LeaseRow(name="x", owner="me", token=7, expires_ns=1))
        with sqlite3.connect(
            tmp_path / "tm.db"
        ) as other:  # another program, while the first still has it open
            row = other.execute("SELECT token FROM lease").fetchone()
        other.close()
        await database.close()
        return row

    assert asyncio.run(scenario()) == (7,)


def test_the_type_of_a_column_is_the_same_everywhere():
    assert isinstance(LeaseRow.__table__.c.name.type, String)
    assert UtcDateTime().process_result_value(datetime(2026, 1, 1), DIALECTS[0]).tzinfo is UTC
