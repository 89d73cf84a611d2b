"""Ticks reach the strategies that hear them, and no others; their log builds a run again; one that raises harms nobody."""

import asyncio
import os
import signal
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.runner.scene import CALM, OPEN_NS, SESSION, closed, own, scene, shipped, strategy_file
from tests.trading.runner.test_recovery import OneProcess
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.engine.live.wants import Enter, Leave, LiveFill
from trademantra.engine.records import Reason
from trademantra.engine.ticks import Tick
from trademantra.trading.runner.events import StopReason, StrategyStopped, WorkerRestarted
from trademantra.trading.runner.run_log import RunLog, TicksTold, from_line, to_line
from trademantra.trading.runner.wire import ProtocolError

DIPS = """
def on_start(self, context):
    self.highest, self.seen = 0.0, 0

def on_tick(self, context, tick):
    self.highest = max(self.highest, tick.price)
    self.seen += 1
    if context.position() == 0.0 and tick.price < self.highest * 0.98:
        context.buy(stop=tick.price * 0.95, quantity=1.0 + self.seen)
        self.highest = tick.price
    elif context.position() != 0.0 and self.seen % 7 == 0:
        context.exit()
"""
RAISES = "def on_tick(self, context, tick):\n    raise ZeroDivisionError('a mistake of its writer')\n"


def pictures(number, symbol="A"):
    """A price that falls and comes back."""
    price = 100.0 + (number * 7 % 11) * 0.55 - (number % 5) * 0.9
    return TicksTold(
        number * 3, (Tick(symbol, OPEN_NS + number * SECOND, price, price - 0.05, nan, 10.0 * number),)
    )


async def trade(it, run_id, numbers):
    """What the run wants at each of these; every want comes true at once."""
    decisions = []
    for number in numbers:
        told = pictures(number)
        wants = await it.workers.tick(run_id, told)
        decisions.append(wants)
        for want in wants:
            side = want.side if isinstance(want, Enter) else -1
            quantity = (
                want.quantity if isinstance(want, Enter) else (await it.workers.query(run_id)).positions["A"]
            )
            reason = want.reason if isinstance(want, Leave) else Reason.ENTRY
            fill = LiveFill("A", side, quantity, told.ticks[0].price, reason, told.ticks[0].ts)
            decisions.append(await it.workers.fill(run_id, fill))
        if number % 60 == 59:
            decisions.append(await it.workers.decide(closed(number // 60)))
    return decisions


def test_only_strategies_that_ask_for_ticks_are_told_any(tmp_path):
    async def play():
        async with scene(tmp_path) as it:
            dips = own("dips", strategy_file(tmp_path, DIPS, name="dips"))
            await it.start(dips, own("calm", strategy_file(tmp_path, CALM)), shipped("shipped"))
            assert [it.workers.hears_ticks(name) for name in ("dips", "calm", "shipped")] == [
                True,
                False,
                False,
            ]
            for name in ("calm", "shipped"):
                assert await it.workers.tick(name, pictures(1)) == []
                assert len(it.workers.log(name).entries) == 1, "its session and nothing else"
            wants = await trade(it, "dips", range(30))
            assert [each for each in wants if each]
            with pytest.raises(InvalidValueError, match="does not trade"):
                await it.workers.tick("dips", pictures(30, "Z"))
            it.workers.pause("dips")
            assert not any(
                isinstance(want, Enter) for each in await trade(it, "dips", range(30, 60)) for want in each
            )
            await it.workers.stop("dips")
            assert await it.workers.tick("dips", pictures(61)) == []
            assert not it.workers.hears_ticks("dips")

    asyncio.run(play())


def test_one_that_raises_in_a_tick_is_stopped_alone(tmp_path):
    async def play():
        async with scene(tmp_path) as it:
            raises = own("raises", strategy_file(tmp_path, RAISES, name="raises"))
            await it.start(raises, own("dips", strategy_file(tmp_path, DIPS, name="dips")))
            assert await it.workers.tick("raises", pictures(1)) == []
            [stopped] = it.told
            assert isinstance(stopped, StrategyStopped)
            assert (stopped.run_id, stopped.reason) == ("raises", StopReason.RAISED)
            assert "a mistake of its writer" in stopped.text
            assert await it.workers.tick("raises", pictures(2)) == []
            assert any(await trade(it, "dips", range(30)))

    asyncio.run(play())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return asyncio.run(_whole(tmp_path_factory.mktemp("calm")))


async def _whole(folder, kill_at=None):
    spec = own("dips", strategy_file(folder, DIPS))
    async with scene(folder, OneProcess, readable=(folder,)) as it:
        await it.start(spec)
        decisions = await trade(it, "dips", range(90))
        log = it.workers.log("dips")
        if kill_at is not None:
            os.kill(it.state("dips").pid, signal.SIGKILL)
            await it.heard(WorkerRestarted)
        decisions += await trade(it, "dips", range(90, 180))
        assert not [each for each in it.told if not isinstance(each, WorkerRestarted)]
        return decisions, await it.workers.query("dips"), it.workers.log("dips").decisions, log


def test_after_a_kill_it_decides_as_if_nothing_was(tmp_path, undisturbed):
    assert len(undisturbed[1].trades) > 5
    assert asyncio.run(_whole(tmp_path, kill_at=90))[:3] == undisturbed[:3]


def test_lines_on_disk_restore_it_in_another_desk(tmp_path, undisturbed):
    decisions, state, digest, log = undisturbed

    async def go_on():
        spec = own("dips", strategy_file(tmp_path, DIPS))
        async with scene(tmp_path) as it:
            lines = [to_line(entry) for entry in log.entries]
            await it.workers.restore(
                spec, RunLog(log.warm_up, [from_line(line) for line in lines], log.decisions)
            )
            assert it.told == []
            after = await trade(it, "dips", range(90, 180))
            assert after == decisions[-len(after) :]
            assert await it.workers.query("dips") == state
            assert it.workers.log("dips").decisions == digest

    asyncio.run(go_on())


NUMBER = st.floats(0.01, 1e9) | st.just(nan)


@given(
    st.integers(0, 2**40),
    st.lists(st.tuples(st.integers(0, 2**62), st.floats(0.01, 1e9), NUMBER, NUMBER, NUMBER), max_size=4),
)
def test_lines_of_ticks_come_back_to_the_bit(fed, rows):
    told = TicksTold(fed, tuple(Tick("NIFTY24NOVFUT", *row) for row in rows))
    read = from_line(to_line(told))
    assert repr(read) == repr(told)  # NaN is not equal to itself
    assert from_line(to_line(SESSION)) == SESSION


def test_a_line_is_short(tmp_path):
    """The most of them come every quarter of a second: what a day of one instrument takes is in docs/desk.md."""
    line = to_line(
        TicksTold(1_234_567, (Tick("RELIANCE", 1_763_696_700_250_000_000, 1500.05, 1500.0, 1500.1, 8e6),))
    )
    assert line == '["ticks",1234567,[["RELIANCE",1763696700250000000,1500.05,1500,1500.1,8000000]]]'


@pytest.mark.parametrize(
    "line",
    [
        '["ticks",-1,[]]',
        '["ticks",0,[["A",5,0,1,1,1]]]',
        '["ticks",0,[["A",5,"1",1,1,1]]]',
        '["ticks",0,[["A",5,1,1,1]]]',
        '["ticks",0,[["A",5.5,1,1,1,1]]]',
        '["ticks",0,[["A",5,1,-1,1,1]]]',
        '["ticks",0,[["A",5,1e999,1,1,1]]]',
        '["ticks",[]]',
    ],
)
def test_lines_that_are_none(line):
    with pytest.raises(ProtocolError):
        from_line(line)
