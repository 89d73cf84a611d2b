"""Runs are started, told, paused, stopped and restored, each without touching the others."""

import asyncio
from dataclasses import replace

import pytest

from tests.trading.runner.scene import (
    CALM,
    OPEN_NS,
    RULES,
    bar_at,
    closed,
    own,
    scene,
    shipped,
    strategy_file,
)
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.time import NANOSECONDS_PER_MINUTE as MINUTE
from trademantra.engine.live.wants import LiveFill
from trademantra.engine.records import Reason
from trademantra.trading.runner.events import StopReason
from trademantra.trading.runner.run_log import BarsClosed, to_line
from trademantra.trading.runner.runs import RunState
from trademantra.trading.runner.workers import RunRefusedError

ALWAYS = "def on_bar(self, context, bar):\n    context.buy(bar.symbol)\n"


def bought(symbol, quantity, price, minute):
    return LiveFill(symbol, 1, quantity, price, Reason.ENTRY, OPEN_NS + minute * MINUTE)


def test_many_runs_of_the_library_share_one_process_and_files_do_not(tmp_path):
    async def play():
        file = strategy_file(tmp_path, CALM)
        async with scene(tmp_path) as it:
            await it.start(
                shipped("one", fast=3, slow=8), shipped("two", "supertrend", ("A", "B")[:1]), own("mine", file),
                own("again", file),
            )  # fmt: skip
            pids = {each.run_id: each.pid for each in it.workers.status()}
            assert pids["one"] == pids["two"]
            assert len(set(pids.values())) == 3
            assert all(each.confinement.memory for each in it.workers.status())
            for minute in range(3):
                assert set(await it.workers.decide(closed(minute))) == {"one", "two", "mine", "again"}
            assert {each.entries for each in it.workers.status()} == {4}
            assert await it.workers.decide(closed(3, ("Z",))) == {}
            await it.workers.stop("mine")
            await it.workers.stop("one")
            assert set(await it.workers.decide(closed(3))) == {"two", "again"}
            assert [event.reason for event in it.told] == [StopReason.ASKED] * 2
            with pytest.raises(InvalidValueError, match="runs already"):
                await it.workers.start(own("again", file))
            await it.workers.start(own("mine", file))
            with pytest.raises(NotFoundError, match="there are: "):
                it.workers.log("nobody")
        assert list((tmp_path / "runner").glob("worker-*")) == []

    asyncio.run(play())


def test_what_a_run_holds_is_what_it_was_told(tmp_path):
    async def play():
        async with scene(tmp_path) as it:
            await it.start(own("mine", strategy_file(tmp_path, CALM)))
            wants = (await it.workers.decide(closed(0)))["mine"]
            assert [(want.symbol, want.side, want.quantity) for want in wants] == [("A", 1, 10.0)]
            await it.workers.fill("mine", bought("A", 10.0, 105.0, 1))
            state = await it.workers.query("mine")
            assert state.positions == {"A": 10.0}
            assert state.equity == RULES.cash + 10.0 * (bar_at(0).close - 105.0)
            assert state.trades == ()

    asyncio.run(play())


def test_a_paused_run_sees_all_and_enters_nothing(tmp_path):
    async def play():
        async with scene(tmp_path) as it:
            await it.start(
                own("mine", strategy_file(tmp_path, ALWAYS)), own("free", strategy_file(tmp_path, ALWAYS))
            )
            it.workers.pause("mine")
            first = await it.workers.decide(closed(0))
            assert first["mine"] == []
            assert len(first["free"]) == 1
            told = [to_line(entry) for entry in it.workers.log("mine").entries]
            assert [line for line in told if "paused" in line] == [
                '["gone","A","the strategy is paused: it may not enter"]'
            ]
            assert it.state("mine").state is RunState.PAUSED
            it.workers.resume("mine")
            assert len((await it.workers.decide(closed(1)))["mine"]) == 1

    asyncio.run(play())


def test_a_run_that_cannot_start_says_why(tmp_path):
    async def play():
        async with scene(tmp_path) as it:
            with pytest.raises(RunRefusedError, match="nonsense"):
                await it.workers.start(shipped("wrong", nonsense=3))
            file = strategy_file(tmp_path, CALM)
            spec = own("mine", file)
            strategy_file(tmp_path, ALWAYS)
            with pytest.raises(RunRefusedError, match="was changed since"):
                await it.workers.start(spec)
            file.write_text("1 / 0\n", encoding="utf-8")
            with pytest.raises(RunRefusedError, match="ZeroDivisionError"):
                await it.workers.start(own("mine", file))
            assert it.workers.status() == ()
            await it.start(shipped("good"))

    asyncio.run(play())


def test_the_hash_of_a_run_is_that_of_what_decides_its_trades(tmp_path):
    file = strategy_file(tmp_path, CALM)
    spec = own("mine", file)
    assert spec.parameters_hash == replace(spec, run_id="other", bars_per_year=10.0).parameters_hash
    others = [
        replace(spec, symbols=("B",)),
        replace(spec, symbols=("A", "B")),
        replace(spec, values={"length": 3.0}),
        replace(spec, timeframe=type(spec.timeframe).parse("5m")),
        replace(spec, rules=replace(RULES, max_entries=2)),
        shipped("ema_cross"),
        own("mine", strategy_file(tmp_path, ALWAYS)),
    ]
    hashes = {spec.parameters_hash, *(each.parameters_hash for each in others)}
    assert len(hashes) == len(others) + 1
    for wrong in ({"symbols": ()}, {"symbols": ("A", "A")}, {"timeframe": type(spec.timeframe).parse("1w")}):
        with pytest.raises(InvalidValueError):
            replace(spec, **wrong)


def test_bars_are_told_in_the_order_of_the_run(tmp_path):
    body = "def on_bar(self, context, bar):\n    context.buy(bar.symbol)\n"

    async def play():
        async with scene(tmp_path) as it:
            await it.start(own("mine", strategy_file(tmp_path, body), ("B", "A")))
            wants = (await it.workers.decide(closed(0, ("A", "B"))))["mine"]
            assert [want.symbol for want in wants] == ["B", "A"]
            entry = it.workers.log("mine").entries[1]
            assert entry == BarsClosed((("A", bar_at(0, "A")), ("B", bar_at(0, "B"))))

    asyncio.run(play())


def test_a_call_that_is_given_up_leaves_no_half_answer(tmp_path):
    async def play():
        async with scene(tmp_path) as it:
            await it.start(shipped("good"))
            asking = asyncio.create_task(it.workers.decide(closed(0)))
            for _ in range(5):
                await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await it.workers.decide(closed(1)) == {"good": []}
            assert it.state("good").entries == 3
            assert it.told == []

    asyncio.run(play())


def test_fills_that_cannot_be_are_refused_before_the_model_hears_them(tmp_path):
    async def play():
        async with scene(tmp_path) as it:
            await it.start(shipped("good"))
            for wrong in (
                bought("B", 1.0, 100.0, 0),
                bought("A", 0.0, 100.0, 0),
                bought("A", 1.0, float("nan"), 0),
            ):
                with pytest.raises(InvalidValueError):
                    await it.workers.fill("good", wrong)
            with pytest.raises(InvalidValueError, match="does not trade"):
                await it.workers.entry_gone("good", "B", "rejected")
            assert it.state("good").entries == 1

    asyncio.run(play())
