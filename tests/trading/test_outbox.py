"""Exits overtake entries; nothing leaves faster than allowed or without ownership."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.core.time import ManualClock
from trademantra.kit.lease import Lease
from trademantra.kit.limiter import RateLimiter, Window
from trademantra.kit.timer import ClockTimer, ManualTimer
from trademantra.trading.outbox import Outbox, Rank


def lease(clock, expires_ns=10**18):
    return Lease("a", "me", 1, expires_ns, clock, 1)


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def fail(error):
    raise AssertionError("nothing here is at fault") from error


def sending(sent, timer, name):
    async def send():
        sent.append((timer.now_ns() // SECOND, name))

    return send


@given(st.lists(st.sampled_from(Rank), min_size=1, max_size=30), st.integers(1, 5), st.integers(0, 30))
def test_what_may_overtake_overtakes_and_the_limit_holds(ranks, limit, late):
    async def scenario():
        timer, sent = ManualTimer(0), []
        outbox = Outbox(RateLimiter([Window(limit, SECOND)], timer), lease(timer), timer, fail)
        for number, rank in enumerate(ranks[: len(ranks) - late if late < len(ranks) else 1]):
            outbox.put(rank, sending(sent, timer, (rank, number)))
        task = asyncio.create_task(outbox.run())
        await settle()
        for number, rank in enumerate(ranks[len(ranks) - late if late < len(ranks) else 1 :]):
            outbox.put(rank, sending(sent, timer, (rank, 100 + number)))
        for second in range(1, 40):
            timer.advance_to(second * SECOND)
            await settle()
        task.cancel()
        assert not len(outbox)
        return sent

    sent = asyncio.run(scenario())
    assert len(sent) == len(ranks)
    for second in {at for at, _ in sent}:
        assert sum(1 for at, _ in sent if at == second) <= limit
    later = [name for at, name in sent if at >= 1]  # from here on everything was waiting together
    assert later == sorted(later)


@given(st.integers(1, 12), st.integers(0, 3), st.integers(1, 999))
def test_an_exit_leaves_at_once_while_entries_use_up_the_limit(limit, more, milliseconds):
    """As many as slots are kept for them, whenever in the second they come."""

    async def scenario():
        timer, sent = ManualTimer(0), []
        outbox = Outbox(RateLimiter([Window(limit, SECOND)], timer), lease(timer), timer, fail)
        for number in range(200):
            outbox.put(Rank.ENTRY, sending(sent, timer, (Rank.ENTRY, number)))
        task = asyncio.create_task(outbox.run())
        await settle()
        timer.advance_to(milliseconds * SECOND // 1000)
        await settle()
        for number in range(more):
            outbox.put(Rank.EXIT, sending(sent, timer, (Rank.EXIT, number)))
        await settle()
        first = list(sent)
        for second in range(1, 4):
            timer.advance_to(second * SECOND)
            await settle()
        task.cancel()
        return first, sent

    first, sent = asyncio.run(scenario())
    kept = min(2, limit // 4)
    assert [name[0] for _, name in first] == [Rank.ENTRY] * (limit - kept) + [Rank.EXIT] * min(more, kept)
    for second in range(1, 4):
        gone = [name for at, name in sent if at == second]
        assert len(gone) <= limit
        late = max(0, more - kept) if second == 1 else 0
        assert gone[:late] == [(Rank.EXIT, kept + number) for number in range(min(late, limit))]


def test_nothing_leaves_once_the_lease_has_run_out_and_all_goes_on_when_it_is_renewed():
    async def scenario():
        timer, sent = ManualTimer(0), []
        held = Lease("a", "me", 1, 3 * SECOND, timer, 3 * SECOND)  # nothing leaves in its last second
        outbox = Outbox(RateLimiter([Window(1, SECOND)], timer), held, timer, fail)
        for name in ("first", "second", "third", "fourth"):
            outbox.put(Rank.EXIT, sending(sent, timer, name))
        task = asyncio.create_task(outbox.run())
        for second in range(10):
            timer.advance_to(second * SECOND)
            await settle()
        assert [name for _, name in sent] == ["first", "second"]
        held.expires_ns = 12 * SECOND
        timer.advance_to(10 * SECOND)
        await settle()
        assert sent[2:] == [(10, "third")]
        held.lost, held.expires_ns = True, 0
        timer.advance_to(11 * SECOND)
        await settle()
        assert task.done()
        return len(outbox)

    assert asyncio.run(scenario()) == 1


def test_a_slow_reply_holds_nobody_up():
    async def scenario():
        timer, sent = ManualTimer(0), []
        outbox, reply = Outbox(RateLimiter([], timer), lease(timer), timer, fail), asyncio.Event()

        async def slow():
            sent.append("slow")
            await reply.wait()
            sent.append("replied")

        outbox.put(Rank.ENTRY, slow)
        outbox.put(Rank.ENTRY, sending(sent, timer, "next"))
        task = asyncio.create_task(outbox.run())
        await settle()
        reply.set()
        await settle()
        task.cancel()
        return sent

    assert asyncio.run(scenario()) == ["slow", (0, "next"), "replied"]


def test_a_manual_timer_wakes_in_order_and_a_real_one_when_its_clock_is_there():
    async def scenario():
        timer, woken = ManualTimer(0), []

        async def wait(instant):
            await timer.until(instant)
            woken.append(instant)

        tasks = [asyncio.create_task(wait(instant)) for instant in (30, 10, 20, 0)]
        await settle()
        timer.advance_to(20)
        await settle()
        assert woken == [0, 10, 20]
        tasks[0].cancel()
        timer.advance_to(40)
        await settle()
        await ClockTimer(ManualClock(5)).until(5)
        return woken

    assert asyncio.run(scenario()) == [0, 10, 20]
