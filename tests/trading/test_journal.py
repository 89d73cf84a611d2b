"""The desk's journal: on the disk when it says so, whole or not at all, and never by a process that lost its lease."""

import asyncio
import sqlite3
from decimal import Decimal

import pytest
from sqlalchemy import func, insert, select

from trademantra.core.time import ManualClock
from trademantra.kit.database import Database
from trademantra.kit.lease import LeaseLostError, take_lease
from trademantra.trading.journal import JournalFailedError, OrderJournal
from trademantra.trading.models import CashRow

INSERT = insert(CashRow)
LENGTH = 1_000


def cash(number, kind="test"):
    return {
        "account_id": "a",
        "strategy_id": "s",
        "order_id": None,
        "kind": kind,
        "amount": Decimal(number),
        "at_ns": number,
    }


def run(url, scenario):
    async def whole():
        database = await Database.open(url)
        try:
            lease = await take_lease(database, "a", "me", ManualClock(1), length_ns=LENGTH)
            return await scenario(database, lease)
        finally:
            await database.close()

    return asyncio.run(whole())


async def amounts(database):
    async with database.reading() as session:
        return [int(each) for each in await session.scalars(select(CashRow.amount).order_by(CashRow.cash_id))]


def test_calls_that_wait_share_a_commit_and_keep_their_order(url):
    async def scenario(database, lease):
        async with OrderJournal(database) as journal:
            await asyncio.gather(
                *(journal.write([(INSERT, cash(n)), (INSERT, cash(n + 1))], lease) for n in range(0, 200, 2))
            )
            return journal.commits, await amounts(database)

    commits, found = run(url, scenario)
    assert found == list(range(200))
    assert commits <= 3


def test_what_was_written_is_there_for_others_at_once(tmp_path):
    async def scenario(database, lease):
        async with OrderJournal(database) as journal:
            await journal.write([(INSERT, cash(7))], lease)
            other = sqlite3.connect(tmp_path / "tm.db")
            row = other.execute("SELECT amount FROM desk_cash").fetchone()
            other.close()
            return row

    assert run(f"sqlite:///{tmp_path / 'tm.db'}", scenario) == (70_000,)


def test_a_bad_call_is_told_and_harms_no_other(url):
    async def scenario(database, lease):
        async with OrderJournal(database) as journal:
            bad = [(INSERT, cash(100)), (INSERT, cash(101) | {"order_id": "no such order"})]
            return await asyncio.gather(
                journal.write([(INSERT, cash(1))], lease),
                journal.write(bad, lease),
                journal.write([(INSERT, cash(2))], lease),
                return_exceptions=True,
            ), await amounts(database)

    (first, second, third), found = run(url, scenario)
    assert first is third is None
    assert isinstance(second, JournalFailedError)
    assert found == [1, 2]


@pytest.mark.parametrize(
    "impossible",
    [{"at_ns": -62_135_596_800 * 10**9}, {"strategy_id": "\ud800"}],
    ids=["a time beyond 64 bits", "a text that is no UTF-8"],
)
def test_what_the_driver_cannot_take_fails_alone_and_the_journal_goes_on(url, impossible):
    async def scenario(database, lease):
        async with OrderJournal(database) as journal:
            async with asyncio.timeout(10):
                with pytest.raises(JournalFailedError):
                    await journal.write([(INSERT, cash(1) | impossible)], lease)
                await journal.write([(INSERT, cash(2))], lease)
            return await amounts(database)

    assert run(url, scenario) == [2]


def test_nobody_waits_for_a_journal_that_has_ended(url):
    async def scenario(database, lease):
        journal = OrderJournal(database)
        await journal.__aenter__()

        async def falls_over(work):
            raise KeyError("a fault of the program")

        database.write_at_once = falls_over
        async with asyncio.timeout(10):
            for number in range(2):  # what was under way, and what comes later
                with pytest.raises(JournalFailedError):
                    await journal.write([(INSERT, cash(number))], lease)
        with pytest.raises(KeyError):
            await journal.__aexit__()

    run(url, scenario)


def test_nothing_is_written_once_the_lease_moved(url):
    async def scenario(database, lease):
        clock = ManualClock(1 + LENGTH)
        mine = await take_lease(database, "b", "me", clock, length_ns=LENGTH)
        await take_lease(database, "a", "somebody else", clock, length_ns=LENGTH)
        async with OrderJournal(database) as journal:
            return await asyncio.gather(
                journal.write([(INSERT, cash(1))], lease),
                journal.write([(INSERT, cash(2))], mine),
                return_exceptions=True,
            ), await amounts(database)

    (lost, kept), found = run(url, scenario)
    assert isinstance(lost, LeaseLostError)
    assert kept is None
    assert found == [2]


def test_a_caller_that_gives_up_does_not_undo_a_write(url):
    async def scenario(database, lease):
        async with OrderJournal(database) as journal:
            task = asyncio.create_task(journal.write([(INSERT, cash(1))], lease))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with database.reading() as session:
            return await session.scalar(select(func.count()).select_from(CashRow))

    assert run(url, scenario) == 1


def test_a_closed_journal_takes_nothing(url):
    async def scenario(database, lease):
        async with OrderJournal(database) as journal:
            pass
        with pytest.raises(JournalFailedError):
            await journal.write([(INSERT, cash(1))], lease)

    run(url, scenario)
