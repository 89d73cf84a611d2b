"""What dies is blamed or forgiven, and what goes on decides as if nothing had happened."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.trading.runner.scene import (
    CALM,
    OPEN_NS,
    SESSION,
    bar_at,
    closed,
    own,
    scene,
    shipped,
    strategy_file,
)
from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.core.time import NANOSECONDS_PER_MINUTE as MINUTE
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import Enter, LiveFill
from trademantra.engine.records import Reason
from trademantra.engine.timeline import by_days
from trademantra.trading.runner.events import StopReason, StrategyDiverged, StrategyStopped, WorkerRestarted
from trademantra.trading.runner.run_log import NO_HISTORY, RunLog, WarmUp, from_line, to_line
from trademantra.trading.runner.workers import StrategyWorkers


def bought(symbol, quantity, price, minute):
    return LiveFill(symbol, 1, quantity, price, Reason.ENTRY, OPEN_NS + minute * MINUTE)


def history(minutes=60):
    """Yesterday's last hour."""
    bars = [bar_at(minute) for minute in range(minutes)]
    ts = np.array([bar.start_ns - NANOSECONDS_PER_DAY for bar in bars])
    columns = ([getattr(bar, name) for bar in bars] for name in ("open", "high", "low", "close", "volume"))
    made = Bars.of(ts, *columns)
    return WarmUp({"A": made}, {"A": by_days(ts)})


async def trade(it, minutes, run_ids):
    """Decide minute by minute and fill what is entered at the next open; all decisions."""
    decisions = []
    for minute in minutes:
        wants = await it.workers.decide(closed(minute, ("A", "B")))
        decisions.append(wants)
        for run_id in run_ids:
            for want in wants[run_id]:
                if isinstance(want, Enter):
                    fill = LiveFill(
                        want.symbol, want.side, want.quantity, bar_at(minute + 1, want.symbol).open, Reason.ENTRY,
                        OPEN_NS + (minute + 1) * MINUTE,
                    )  # fmt: skip
                else:
                    held = (await it.workers.query(run_id)).positions[want.symbol]
                    fill = LiveFill(
                        want.symbol, -1 if held > 0 else 1, abs(held), bar_at(minute + 1, want.symbol).open,
                        want.reason, OPEN_NS + (minute + 1) * MINUTE,
                    )  # fmt: skip
                decisions.append(await it.workers.fill(run_id, fill))
    return decisions


class OneProcess(StrategyWorkers):
    """All runs in the shared process, also those of files: the library has no strategy that fails on request."""

    def _worker_for(self, spec):
        return self._shared


def three(folder):
    file = strategy_file(folder, CALM)
    return (
        shipped("one", fast=2, slow=4),
        shipped("two", "rsi_reversion", ("B",), length=3),
        own("mine", file, ("A", "B")),
    )


async def play(folder, kill_at):
    """A market of an hour for three runs in one process, which is killed at minute 20, or left alone."""
    specs = three(folder)
    names = [spec.run_id for spec in specs]
    async with scene(folder, OneProcess, readable=(folder,)) as it:
        for spec in specs:
            await it.workers.start(spec, history() if spec.symbols == ("A",) else NO_HISTORY)
        await it.workers.begin_session(dict.fromkeys(names, SESSION))
        decisions = await trade(it, range(20), names)
        logs = [it.workers.log(name) for name in names]
        pid = it.state("one").pid
        if kill_at == "between":
            os.kill(pid, signal.SIGKILL)
            await it.heard(WorkerRestarted)
        if kill_at == "while it answers":
            os.kill(pid, signal.SIGSTOP)
            asking = asyncio.create_task(it.workers.decide(closed(20, ("A", "B"))))
            for _ in range(10):  # it is sent, and nobody reads it
                await asyncio.sleep(0)
            os.kill(pid, signal.SIGKILL)
            decisions.append(await asking)
        else:
            decisions.append(await it.workers.decide(closed(20, ("A", "B"))))
        decisions += await trade(it, range(21, 60), names)
        states = [await it.workers.query(name) for name in names]
        assert not [each for each in it.told if isinstance(each, StrategyStopped | StrategyDiverged)]
        assert (it.state("one").pid != pid) == (kill_at != "never")
        return decisions, states, [it.workers.log(name).decisions for name in names], logs


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    decisions, states, digests, logs = asyncio.run(play(tmp_path_factory.mktemp("calm"), "never"))
    assert sum(len(state.trades) for state in states) > 5
    return decisions, states, digests, logs


@pytest.mark.parametrize("moment", ["between", "while it answers"])
def test_after_the_death_of_a_shared_worker_all_decide_as_if_nothing_was(tmp_path, undisturbed, moment):
    assert asyncio.run(play(tmp_path, moment))[:3] == undisturbed[:3]


def test_logs_restore_runs_in_another_desk(tmp_path, undisturbed):
    """Their lines on disk are enough: what they decide from then on, and what they hold, is the same."""
    decisions, states, digests, logs = undisturbed

    async def go_on():
        async with scene(tmp_path, OneProcess, readable=(tmp_path,)) as it:
            specs = three(tmp_path)
            for spec, log in zip(specs, logs, strict=True):
                lines = [to_line(entry) for entry in log.entries]
                read = RunLog(log.warm_up, [from_line(line) for line in lines], log.decisions)
                await it.workers.restore(spec, read)
            assert it.told == []
            names = [spec.run_id for spec in specs]
            first = await it.workers.decide(closed(20, ("A", "B")))
            after = [first, *await trade(it, range(21, 60), names)]
            assert after == decisions[-len(after) :]
            assert [await it.workers.query(name) for name in names] == states
            assert [it.workers.log(name).decisions for name in names] == digests

    asyncio.run(go_on())


def test_one_that_decides_by_chance_is_told_as_such(tmp_path):
    body = "def on_bar(self, context, bar):\n    context.buy(bar.symbol, quantity=1.0, limit=random.uniform(50.0, 60.0))\n"
    spec = own("dice", strategy_file(tmp_path, body, "import random\n"))

    async def play():
        async with scene(tmp_path) as it:
            await it.start(spec)
            await it.decide(range(3))
            log = it.workers.log("dice")
        async with scene(tmp_path) as it:
            await it.workers.restore(spec, log)
            assert it.told == [StrategyDiverged("dice")]
            assert "dice" in await it.workers.decide(closed(3))

    asyncio.run(play())


def test_the_process_of_a_file_that_dies_unasked_is_noticed(tmp_path):
    async def play():
        async with scene(tmp_path) as it:
            await it.start(own("mine", strategy_file(tmp_path, CALM)), shipped("good"))
            os.kill(it.state("mine").pid, signal.SIGKILL)
            event = await it.heard(StrategyStopped)
            assert (event.run_id, event.reason) == ("mine", StopReason.DIED)
            assert "SIGKILL" in event.text
            assert await it.workers.fill("mine", bought("A", 10.0, 100.0, 1)) == []
            assert set(await it.workers.decide(closed(0))) == {"good"}

    asyncio.run(play())


DESK = """
import asyncio, sys
from pathlib import Path
from tests.trading.runner.scene import closed, own, scene
from trademantra.trading.runner.events import StrategyPrinted
async def play():
    async with scene(Path(sys.argv[1])) as it:
        await it.start(own("mine", Path(sys.argv[2])))
        asking = asyncio.create_task(it.workers.decide(closed(0)))
        await it.heard(StrategyPrinted)
        print(it.state("mine").pid, flush=True)
        await asking
asyncio.run(play())
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a worker ends at the next request, not at once"
)
def test_a_worker_ends_with_its_desk(tmp_path):
    """Also in the middle of a strategy that never answers."""
    file = strategy_file(
        tmp_path, "def on_bar(self, context, bar):\n    print('here')\n    while True: pass\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", DESK, str(tmp_path), str(file)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as desk:
        pid = int(desk.stdout.readline())
        handle = os.pidfd_open(pid)
        desk.kill()
        assert select.select([handle], [], [], 60)[0] == [handle]  # readable once the process has ended
        os.close(handle)


@pytest.mark.parametrize(
    ("line", "reason", "restarts"),
    [
        ("while True: pass", StopReason.LATE, 1),
        ("__import__('os')._exit(1)", StopReason.DIED, 2),
        ("for _ in range(50): print('x' * (1 << 16))", StopReason.FLOODED, 1),
        ("raise ValueError", StopReason.RAISED, 0),
    ],
)
def test_in_a_shared_process_only_the_guilty_run_stops(tmp_path, line, reason, restarts):
    """The bar at which it fails is decided by the others all the same, and as if they were alone."""
    bad = strategy_file(
        tmp_path, f"def on_bar(self, context, bar):\n    if bar.index == 3:\n        {line}\n", name="bad"
    )
    turns = (
        "def on_bar(self, context, bar):\n    (context.sell if bar.index % 2 else context.buy)(bar.symbol)\n"
    )
    good = strategy_file(tmp_path, turns, name="good")

    async def fail():
        async with scene(tmp_path, OneProcess, decision_seconds=2.0, readable=(tmp_path,)) as it:
            await it.start(own("before", good), own("bad", bad), own("after", good))
            decisions = await it.decide(range(6))
            stopped = [each for each in it.told if isinstance(each, StrategyStopped)]
            assert sum(isinstance(each, WorkerRestarted) for each in it.told) == restarts
            return decisions, stopped

    decisions, stopped = asyncio.run(fail())
    for wants in decisions:
        assert wants["before"] == wants["after"]
    assert [w.side for wants in decisions for w in wants["after"] if isinstance(w, Enter)] == [1, -1] * 3
    assert [(each.run_id, each.reason) for each in stopped] == [("bad", reason)]
