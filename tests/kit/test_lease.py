"""One owner at a time, whatever sleeps or races."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests import databases
from trademantra.core.time import ManualClock
from trademantra.kit.database import Database
from trademantra.kit.lease import Keeper, LeaseHeldError, LeaseLostError, take_lease
from trademantra.kit.timer import ManualTimer

LENGTH = 1_000


def run(url, scenario):
    async def whole():
        database = await Database.open(url)
        try:
            return await scenario(database)
        finally:
            await database.close()

    return asyncio.run(whole())


def test_a_second_owner_is_refused_until_the_lease_ran_out(url):
    clock = ManualClock(10)

    async def scenario(database):
        first = await take_lease(database, "account 1", "desk A", clock, length_ns=LENGTH)
        with pytest.raises(LeaseHeldError, match="desk A"):
            await take_lease(database, "account 1", "desk B", clock, length_ns=LENGTH)
        other = await take_lease(database, "account 2", "desk B", clock, length_ns=LENGTH)
        clock.advance_to(10 + LENGTH)
        second = await take_lease(database, "account 1", "desk B", clock, length_ns=LENGTH)
        return first, other, second

    first, other, second = run(url, scenario)
    assert (first.token, other.token, second.token) == (1, 1, 2)
    assert not first.holds
    assert second.holds


def test_an_owner_that_slept_cannot_write_or_renew(url):
    clock = ManualClock(10)

    async def scenario(database):
        sleeper = await take_lease(database, "x", "A", clock, length_ns=LENGTH)
        clock.advance_to(10 + LENGTH)
        awake = await take_lease(database, "x", "B", clock, length_ns=LENGTH)

        async def write_as_sleeper():
            async with database.writing() as session:
                await sleeper.guard(session)
                await session.execute(text("UPDATE lease SET owner = 'A'"))

        with pytest.raises(LeaseLostError, match="owned by B"):
            await write_as_sleeper()
        with pytest.raises(LeaseLostError):
            await sleeper.renew(database)
        await sleeper.release(database)  # takes nothing from the new owner
        async with database.writing() as session:
            await awake.guard(session)
            return (await session.execute(text("SELECT owner FROM lease"))).scalar()

    assert run(url, scenario) == "B"


def test_renewing_keeps_it_and_releasing_frees_it_at_once(url):
    clock = ManualClock(10)

    async def scenario(database):
        lease = await take_lease(database, "x", "A", clock, length_ns=LENGTH)
        clock.advance_to(900)
        await lease.renew(database)
        clock.advance_to(1_500)
        assert lease.holds
        with pytest.raises(LeaseHeldError):
            await take_lease(database, "x", "B", clock, length_ns=LENGTH)
        await lease.release(database)
        assert not lease.holds
        return (await take_lease(database, "x", "B", clock, length_ns=LENGTH)).token

    assert run(url, scenario) == 2


def test_of_many_who_ask_at_once_one_gets_it(url):
    clock = ManualClock(10)

    async def scenario(database):
        asked = (take_lease(database, "x", f"desk {k}", clock, length_ns=LENGTH) for k in range(12))
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = run(url, scenario)
    won = [each for each in answers if not isinstance(each, Exception)]
    assert [lease.token for lease in won] == [1]
    assert all(isinstance(each, LeaseHeldError) for each in answers if isinstance(each, Exception))


def test_a_takeover_waits_for_a_write_that_was_guarded(url):
    """The guarded transaction commits before the lease moves, never after."""
    clock = ManualClock(10)

    async def scenario(database):
        lease = await take_lease(database, "x", "A", clock, length_ns=LENGTH)
        clock.advance_to(10 + LENGTH)
        order, guarded = [], asyncio.Event()

        async def write():
            async with database.writing() as session:
                await lease.guard(session)
                guarded.set()
                for _ in range(50):
                    await asyncio.sleep(0)
            order.append("written")

        async def take_over():
            await guarded.wait()
            await take_lease(database, "x", "B", clock, length_ns=LENGTH)
            order.append("taken")

        await asyncio.gather(write(), take_over())
        return order

    assert run(url, scenario) == ["written", "taken"]


def test_nothing_may_be_sent_in_the_last_third(url):
    clock = ManualClock(0)

    async def scenario(database):
        lease = await take_lease(database, "x", "A", clock, length_ns=900)
        clock.advance_to(599)
        lease.ensure_may_send()
        clock.advance_to(600)
        assert lease.holds
        with pytest.raises(LeaseLostError, match="nothing was sent"):
            lease.ensure_may_send()

    run(url, scenario)


async def pass_time(timer, until_ns, lease):
    """Third by third, with time for the database to answer."""
    while timer.now_ns() < until_ns:
        timer.advance_to(timer.now_ns() + 300)
        expected = timer.now_ns() + 900
        for _ in range(2000):
            if lease.lost or lease.expires_ns >= expected:
                break
            await asyncio.sleep(0.001)


def test_a_keeper_keeps_it_and_lets_go_of_it(url):
    timer = ManualTimer(0)

    async def scenario(database):
        lease = await take_lease(database, "x", "A", timer, length_ns=900)
        async with Keeper(lease, database, timer, pytest.fail):
            await asyncio.sleep(0)
            await pass_time(timer, 3_000, lease)
            assert lease.may_send
            with pytest.raises(LeaseHeldError):
                await take_lease(database, "x", "B", timer, length_ns=900)
        return (await take_lease(database, "x", "B", timer, length_ns=900)).token

    assert run(url, scenario) == 2


def test_a_keeper_tells_once_that_another_took_over(url):
    timer, told = ManualTimer(0), []

    async def scenario(database):
        lease = await take_lease(database, "x", "A", timer, length_ns=900)
        timer.advance_to(5_000)  # it slept
        taken = await take_lease(database, "x", "B", timer, length_ns=9_000)
        async with Keeper(lease, database, timer, told.append):
            await asyncio.sleep(0)
            await pass_time(timer, 6_000, lease)
            for _ in range(2000):
                if told:
                    break
                await asyncio.sleep(0.001)
        assert lease.lost
        assert not lease.holds
        async with database.writing() as session:
            await taken.guard(session)  # and took nothing from the new owner

    run(url, scenario)
    assert [type(error) for error in told] == [LeaseLostError]


class Silent:
    """A database that does not answer for a while."""

    def __init__(self, database, failures):
        self.database, self.failures = database, failures

    def writing(self):
        if self.failures:
            self.failures -= 1
            raise OperationalError("SELECT", {}, OSError("no answer"))
        return self.database.writing()


def test_a_keeper_goes_on_when_the_database_is_back(url):
    timer = ManualTimer(0)

    async def scenario(database):
        lease = await take_lease(database, "x", "A", timer, length_ns=900)
        silent = Silent(database, 4)
        async with Keeper(lease, silent, timer, pytest.fail):
            await asyncio.sleep(0)
            for _ in range(4):
                timer.advance_to(timer.now_ns() + 300)
                await asyncio.sleep(0.001)
            assert not lease.holds
            await pass_time(timer, 2_400, lease)
            assert lease.may_send

    run(url, scenario)


def test_a_database_that_another_process_keeps_locked_is_a_lease_that_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr("trademantra.kit.database._BUSY_MILLISECONDS", 1)

    async def scenario(database):
        with closing(sqlite3.connect(tmp_path / "tm.db")) as stopped:
            stopped.execute("BEGIN IMMEDIATE")
            with pytest.raises(LeaseHeldError, match="in the middle of a write"):
                await take_lease(database, "x", "A", ManualClock(0), length_ns=LENGTH)
        return (await take_lease(database, "x", "A", ManualClock(0), length_ns=LENGTH)).token

    assert run(f"sqlite:///{tmp_path / 'tm.db'}", scenario) == 1


def test_a_transaction_that_stands_still_does_not_keep_the_lease_for_ever(postgresql):
    async def scenario(database):
        async with database.reading() as session:
            return (await session.execute(text("SHOW idle_in_transaction_session_timeout"))).scalar()

    assert run(databases.fresh(postgresql), scenario) == "10s"
