"""How long the next price waits for decisions on ticks: as long as it takes on paper, a moment at a real broker."""

import asyncio
from math import nan
from types import SimpleNamespace

import pytest

from tests.trading.feeds.tick_making import ONE_MINUTE, share
from trademantra.core.bar import Bar
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.engine.live.wants import Drop, Enter, Leave, Protection
from trademantra.engine.records import EntryKind, Reason
from trademantra.engine.rules import Level
from trademantra.trading.accounts.settings import Broker
from trademantra.trading.feeds.bar_rules import BarClosed
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch
from trademantra.trading.house.deciding import Deciding
from trademantra.trading.house.market import _overtaken
from trademantra.trading.house.pictures import Pictures, TickSettings
from trademantra.trading.house.too_late import LATE

BEGIN = 1_000 * SECOND
ENTERS = Enter(
    "INFY", 1, 5.0, EntryKind.MARKET, nan, Protection(nan, nan, Level(), Level(), Level(), nan), 100.0
)


class Workers:
    """One strategy that answers when it is let."""

    def __init__(self):
        self.may, self.asked = asyncio.Event(), []

    async def decide(self, bars, run_ids):
        return {run_id: [Leave("INFY", Reason.SIGNAL), ENTERS] for run_id in run_ids}

    async def entry_gone(self, run_id, symbol, why):
        self.asked.append((symbol, why))
        return []

    async def tick(self, run_id, told):
        self.asked.append(told.ticks)
        await self.may.wait()
        return [Drop("INFY")]


class Room:
    def __init__(self, broker):
        self.account = SimpleNamespace(broker=broker, feed="feed")
        self.conductor = self
        self.carried = []

    async def carry_out(self, decided):
        self.carried.append(decided)


class Session:
    """In its hours, with one run that hears ticks of one instrument."""

    spec = SimpleNamespace(account_id="a", session_id="s")
    tape, hearing, stopped, is_open = None, ("run",), (), True

    def __init__(self, logs):
        self._logs, self.late = logs, []

    def is_in_hours(self, now_ns):
        return now_ns > 0

    run_ids = ("run",)

    def fresh(self, closed):
        return closed

    def hears(self, run_id):
        return True

    def rows_of(self, run_id):
        return {0}

    def keeps_back(self, decided):
        return False

    def came_late(self, run_id, ended_ns):
        self.late.append((run_id, ended_ns))

    def keep_logs(self):
        self._logs.append("kept")


def scene(broker):
    table = InstrumentTable()
    table.add(share("INFY"))
    logs = []
    session = Session(logs)
    room, workers, now = Room(broker), Workers(), [0.0]
    run_of = {"run": session}
    deciding = Deciding({"a": room}, run_of, workers, None, lambda: now[0])
    settings = TickSettings(waits_seconds=0.01)
    deciding.hear_ticks("feed", Pictures(table, lambda row: (1.0, 2.0), settings, lambda: now[0]))
    return deciding, room, workers, run_of, now, logs


def batch(second):
    at = BEGIN + second * SECOND
    return TickBatch.of([0], [at], [100.0 + second], received_ns=[at])


def test_on_paper_the_next_price_waits_until_it_is_carried_out():
    async def play():
        deciding, room, workers, _, _, logs = scene(Broker.PAPER)
        telling = asyncio.create_task(deciding.ticks("feed", batch(1)))
        await asyncio.wait({telling}, timeout=0.05)
        assert not telling.done()
        workers.may.set()
        assert await telling
        assert room.carried == [{"run": [Drop("INFY")]}]
        assert logs == ["kept"]

    asyncio.run(play())


@pytest.mark.parametrize("ended", [False, True])
def test_at_a_broker_it_does_not_and_the_orders_come_late(ended):
    """`ended`: the session was ended meanwhile, and nothing is carried out any more."""

    async def play():
        deciding, room, workers, run_of, now, logs = scene(Broker.ZERODHA)
        assert await deciding.ticks("feed", batch(1))
        assert room.carried == []
        now[0] += 60.0
        assert not await deciding.ticks("feed", batch(2)), (
            "it is asked once, and gets the newest when it has answered"
        )
        assert not await deciding.ticks("feed", batch(3))
        if ended:
            run_of.clear()
        workers.may.set()
        async with asyncio.timeout(30):
            while deciding._late and not all(task.done() for task in deciding._late):
                await asyncio.sleep(0)
        assert (room.carried, logs) == (([], []) if ended else ([{"run": [Drop("INFY")]}], ["kept"]))
        if not ended:
            now[0] += 1_000.0  # it took a minute: it is asked less often
            assert deciding.news_waits("feed")
            assert await deciding.ticks("feed", None)
            assert [each.price for ticks in workers.asked for each in ticks] == [101.0, 103.0]

    asyncio.run(play())


@pytest.mark.parametrize(("minutes", "enters"), [(1, True), (10, True), (11, False), (300, False)])
def test_on_bars_from_before_a_long_silence_nothing_is_entered_and_what_is_to_be_left_is(minutes, enters):
    async def play():
        deciding, room, workers, run_of, _, _ = scene(Broker.ZERODHA)
        run_of["run"].spec = SimpleNamespace(
            account_id="a", session_id="s", timeframe=ONE_MINUTE, instruments={"INFY": share("INFY")}
        )
        workers.may.set()
        await deciding.ticks("feed", batch(minutes * 60))
        ends_ns = BEGIN
        bar = Bar(ends_ns - 60 * SECOND, 1.0, 1.0, 1.0, 1.0, 1.0)
        room.carried.clear()
        workers.asked.clear()
        await deciding.bars("feed", [BarClosed(share("INFY"), ONE_MINUTE, bar, ends_ns, True, 1)])
        leave = Leave("INFY", Reason.SIGNAL)
        assert room.carried == [{"run": [leave, ENTERS] if enters else [leave]}]
        assert workers.asked == ([] if enters else [("INFY", LATE)])

    asyncio.run(play())


def closed(symbol, minute, ticks=0):
    start_ns = BEGIN + (minute - 1) * 60 * SECOND
    bar = Bar(start_ns, 1.0, 1.0, 1.0, 1.0, 1.0)
    return BarClosed(share(symbol), ONE_MINUTE, bar, start_ns + 60 * SECOND, True, ticks)


def test_of_the_bars_that_a_silent_feed_brought_back_only_the_newest_is_entered_on():
    async def play():
        deciding, room, workers, run_of, _, _ = scene(Broker.ZERODHA)
        run_of["run"].spec = SimpleNamespace(
            account_id="a", session_id="s", timeframe=ONE_MINUTE, instruments={"INFY": share("INFY")}
        )
        workers.may.set()
        await deciding.ticks("feed", batch(5 * 60))
        room.carried.clear()
        workers.asked.clear()
        came = [closed("INFY", minute) for minute in (1, 2, 3)] + [closed("TCS", 1)]
        overtaken = _overtaken(sorted(came, key=lambda each: each.end_ns))
        assert [(each.instrument.symbol, each.end_ns) for each in overtaken] == [
            ("INFY", BEGIN + minute * 60 * SECOND) for minute in (1, 2)
        ]
        for each in came[:3]:
            await deciding.bars("feed", [each], overtaken)
        leave = Leave("INFY", Reason.SIGNAL)
        assert room.carried == [{"run": [leave]}, {"run": [leave]}, {"run": [leave, ENTERS]}]
        assert workers.asked == [("INFY", LATE)] * 2
        assert run_of["run"].late == [("run", each.end_ns) for each in came[:2]]

    asyncio.run(play())


def test_bars_of_the_feed_itself_are_never_overtaken():
    """A desk that is a moment behind decides on each of them, as a back-test does."""
    assert not _overtaken([closed("INFY", minute, ticks=3) for minute in (1, 2, 3)])
    assert not _overtaken([closed("INFY", 1), closed("TCS", 2)])
