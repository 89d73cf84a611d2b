"""How a desk is seen and asked, on both databases."""

import asyncio
from dataclasses import replace

import pytest

from trademantra.kit.database import Database
from trademantra.kit.timer import ManualTimer
from trademantra.trading.control.models import RequestRow
from trademantra.trading.control.requests import (
    DeskAnswer,
    DeskRequest,
    NoAnswerError,
    RequestFailedError,
    RequestKind,
    RequestStore,
)
from trademantra.trading.control.state import FRESH_NS, DeskState, StateStore

SECOND = 10**9
NOW = 1_795_152_600 * SECOND
ASKED = DeskRequest(
    request_id="r1", account_id="a1", kind=RequestKind.PAUSE, asked_ns=NOW, expires_ns=NOW + 5 * SECOND,
    arguments={"strategy": "orb"},
)  # fmt: skip


class SteppingTimer(ManualTimer):
    """Time moves only when somebody waits for it; `waited` is called each time."""

    def __init__(self, waited):
        super().__init__(NOW)
        self._waited = waited

    async def until(self, instant_ns):
        self.advance_to(max(instant_ns, self.now_ns()))
        await self._waited(self.now_ns())


def run(url, story):
    async def told():
        database = await Database.open(url)
        try:
            return await story(database)
        finally:
            await database.close()

    return asyncio.run(told())


def test_the_last_state_of_each_account(url):
    async def story(database):
        store = StateStore(database)
        assert await store.states() == {}
        await store.write([])
        await store.write([DeskState("a1", {"n": 1}, NOW), DeskState("a2", {}, NOW)])
        await store.write([DeskState("a1", {"n": 2, "held": ["x"]}, NOW + SECOND)])
        states = await store.states()
        assert states["a1"] == DeskState("a1", {"n": 2, "held": ["x"]}, NOW + SECOND)
        assert set(states) == {"a1", "a2"}
        assert states["a2"].is_fresh(NOW + FRESH_NS)
        assert not states["a2"].is_fresh(NOW + FRESH_NS + 1)
        assert not states["a2"].is_fresh(NOW - FRESH_NS - 1)  # a clock that was set back
        await store.forget("a1")
        await store.forget("a1")
        assert set(await store.states()) == {"a2"}

    run(url, story)


def test_a_desk_takes_and_answers_a_request_once(url):
    async def story(database):
        store = RequestStore(database)
        seen = []

        async def desk(now_ns):
            assert await store.take(["other"], now_ns) == ()
            for request in await store.take(["a1", "a2"], now_ns):
                seen.append(request)
                await store.answer(request.request_id, DeskAnswer(True, "paused", {"orders": 2}), now_ns)
                await store.answer(request.request_id, DeskAnswer(False, "again"), now_ns)

        answer = await store.ask(ASKED, SteppingTimer(desk))
        assert (answer, seen) == (DeskAnswer(True, "paused", {"orders": 2}), [ASKED])
        assert await store.take(["a1"], NOW) == ()

    run(url, story)


def test_a_request_that_nobody_took_is_void(url):
    async def story(database):
        store = RequestStore(database)

        async def nobody(_):
            pass

        with pytest.raises(NoAnswerError, match="pause of account a1: no desk took the request within 5 s"):
            await store.ask(ASKED, SteppingTimer(nobody))
        assert await store.take(["a1"], NOW) == ()  # also for a desk whose clock is behind
        later = replace(ASKED, request_id="r2", kind=RequestKind.CLOSE_ALL)

        async def takes(now_ns):
            await store.take(["a1"], now_ns)

        with pytest.raises(
            NoAnswerError, match=r"close all of account a1: a desk took the request, but.*may be done"
        ):
            await store.ask(later, SteppingTimer(takes))

    run(url, story)


def test_what_was_wanted_yesterday_is_not_done_today(url):
    async def story(database):
        store = RequestStore(database)
        asking = asyncio.create_task(store.ask(ASKED, ManualTimer(NOW)))
        while not await store_has(database):
            await asyncio.sleep(0)
        asking.cancel()  # who asked was killed: nobody takes the request back
        await asyncio.gather(asking, return_exceptions=True)
        assert await store.take(["a1"], ASKED.expires_ns) == ()
        assert await store.take(["a1"], ASKED.expires_ns - 1) == [ASKED]

    run(url, story)


async def store_has(database):
    async with database.reading() as session:
        return await session.get(RequestRow, "r1") is not None


def test_the_desks_no_is_an_error_in_its_words(url):
    async def story(database):
        store = RequestStore(database)

        async def desk(now_ns):
            for request in await store.take(["a1"], now_ns):
                await store.answer(request.request_id, DeskAnswer(False, "no strategy orb runs here"), now_ns)

        with pytest.raises(RequestFailedError, match="pause of account a1: no strategy orb runs here"):
            await store.ask(ASKED, SteppingTimer(desk))

    run(url, story)


def test_two_desks_never_take_one_request(url):
    async def story(database):
        store = RequestStore(database)
        other = await Database.open(url)

        async def both(now_ns):
            taken = await asyncio.gather(*(s.take(["a1"], now_ns) for s in (store, RequestStore(other))))
            assert sorted(map(len, taken)) == [0, 1]
            await store.answer("r1", DeskAnswer(True, "done"), now_ns)

        await store.ask(ASKED, SteppingTimer(both))
        await other.close()

    run(url, story)


PLACED = replace(ASKED, kind=RequestKind.PLACE, arguments={"symbol": "INFY", "side": "buy", "quantity": "10"})
AGAIN = replace(PLACED, asked_ns=NOW + 60 * SECOND, expires_ns=NOW + 65 * SECOND)


class LaterTimer(SteppingTimer):
    def __init__(self, waited):
        super().__init__(waited)
        self.advance_to(AGAIN.asked_ns)


@pytest.mark.parametrize("first", ["unknown", "desk died", "asker died"])
def test_what_was_never_settled_is_looked_at_again_when_it_is_asked_again(url, first):
    async def story(database):
        store = RequestStore(database)

        async def desk(now_ns):
            taken = await store.take(["a1"], now_ns)
            if first == "unknown" and taken:
                await store.answer("r1", DeskAnswer(True, "?", {"outcome": "unknown"}), now_ns)

        async def nobody(_):
            pass

        if first == "unknown":
            assert (await store.ask(PLACED, SteppingTimer(desk))).text == "?"
        else:
            asking = asyncio.create_task(store.ask(PLACED, ManualTimer(NOW)))
            while not await store_has(database):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            if first == "desk died":
                assert await store.take(["a1"], NOW) == [PLACED]
                assert await store.left_behind(["a2"], NOW) == []
                assert [each.request_id for each in await store.left_behind(["a1"], NOW + SECOND)] == ["r1"]
        assert await store.take(["a1"], NOW + 30 * SECOND) == (), (
            "nobody waits for it: it is not done by itself"
        )
        # asked again while no desk takes it, it is not void for ever: it may have placed something
        with pytest.raises(NoAnswerError, match="no desk took"):
            await store.ask(AGAIN, LaterTimer(nobody))
        assert await store.take(["a1"], AGAIN.expires_ns) == ()
        seen = []

        async def settles(now_ns):
            for request in await store.take(["a1"], now_ns):
                seen.append(request.request_id)
                await store.answer("r1", DeskAnswer(False, "absent", {"outcome": "refused"}), now_ns)

        for number in (1, 2):  # once it is settled it stays so
            again = replace(AGAIN, asked_ns=AGAIN.asked_ns + number)
            with pytest.raises(RequestFailedError, match="absent"):
                await store.ask(again, LaterTimer(settles))
        assert seen == ["r1"]

    run(url, story)


def test_what_may_not_be_done_twice_is_told_when_its_desk_died(url):
    async def story(database):
        store = RequestStore(database)
        asked = replace(PLACED, kind=RequestKind.CONVERT)

        async def dies(now_ns):
            if await store.take(["a1"], now_ns):
                await store.left_behind(["a1"], now_ns)

        with pytest.raises(RequestFailedError, match="it may be done or not"):
            await store.ask(asked, SteppingTimer(dies))
        assert await store.take(["a1"], NOW) == ()

    run(url, story)
