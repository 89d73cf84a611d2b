"""Daily bars at a running desk, over days and nights of a Kite sandbox: decided after the close, done at the open."""

import asyncio
from datetime import date, datetime, timedelta

from tests.trading.house import nights as n
from tests.trading.house import scene as s
from trademantra.core.time import IST, NANOSECONDS_PER_SECOND, ist_date
from trademantra.trading.house.daily_history import DAY, day_of
from trademantra.trading.house.daily_session import DailySession
from trademantra.trading.intents import Purpose
from trademantra.trading.runner.run_log import BarsClosed, SessionBegan, from_line
from trademantra.trading.session.parity import parity

MONDAY = """
def on_bar(self, context, bar):
    if context.position(bar.symbol) == 0.0:
        context.buy(bar.symbol, quantity=10, stop=bar.close * 0.9)
    elif bar.ts // 86_400_000_000_000 % 7 == 4:  # the bar of a Monday
        context.exit(bar.symbol)
"""


def told(home, kind):
    """What the run was told, by its log."""
    file = home / "sessions" / "one" / "all.log"
    entries = [from_line(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [each for each in entries if isinstance(each, kind)]


def made(scene, purpose):
    return [each for each in scene.room("kite").desk.book.all() if each.purpose is purpose]


def trading_day_after(instrument, day):
    day += timedelta(days=1)
    while day_of(instrument, day) is None:
        day += timedelta(days=1)
    return day


def test_entered_at_an_open_carried_protected_again_and_left_though_the_desk_was_away(tmp_path):
    file = s.strategy_file(tmp_path, "monday", MONDAY)

    async def play(days):
        accounts = [s.kite_account(days.root)]
        sessions = [n.daily(file, "kite", ["SYNBANK1"], session_id="one")]
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            await scene.until(
                lambda: scene.held("kite") == {"NSE:SYNBANK1": 10}, "the position of Friday's open"
            )
            await scene.until(lambda: len(scene.exits("kite")) == 1, "its stop")
            instrument = scene.exits("kite")[0].order.instrument
            await days.until("2026-11-20T15:32")
            await scene.until(lambda: any("carried overnight" in line for line in scene.said), "the night")
            await scene.until(lambda: not scene.exits("kite"), "the end of its stop")
            await days.until("2026-11-23T09:14:52")
            await n.log_in_again(scene, "kite")
            await scene.until(lambda: len(scene.exits("kite")) == 1, "its stop of Monday")
            await scene.until(lambda: len(told(tmp_path, BarsClosed)) == 2, "Friday's bar")
            assert (len(made(scene, Purpose.ENTRY)), len(made(scene, Purpose.EXIT))) == (1, 2)
            await scene.agrees("kite")
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:  # the same morning
            assert scene.held("kite") == {"NSE:SYNBANK1": 10}
            await scene.until(lambda: len(scene.exits("kite")) == 1, "its stop, still")
            await passing(scene, days, 20)
            assert (len(made(scene, Purpose.ENTRY)), len(made(scene, Purpose.EXIT))) == (1, 2)
        away = trading_day_after(instrument, date(2026, 11, 23))
        back = trading_day_after(instrument, away)
        await days.until(f"{back}T09:14:52")
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            await scene.until(lambda: scene.held("kite") == {}, "the way out that Monday decided")
            history = await scene.room("kite").adapter.history(
                instrument,
                DAY,
                datetime(2026, 11, 19, tzinfo=IST),
                datetime.combine(away, datetime.max.time(), IST),
            )
        bars = [bar for each in told(tmp_path, BarsClosed) for _, bar in each.bars]
        assert [bar.close for bar in bars] == history.close.tolist()
        assert [ist_date(bar.start_ns) for bar in bars] == [
            date(2026, 11, 19),
            date(2026, 11, 20),
            date(2026, 11, 23),
            away,
        ]
        began = [each.session.day for each in told(tmp_path, SessionBegan)]
        assert len(began) == len(set(began)) == 5
        assert began == sorted(began)
        found = parity(tmp_path / "sessions" / "one")
        assert found.is_identical
        assert (found.trades, found.bars) == (1, 4)

    with n.sandbox_of_days() as days:
        asyncio.run(play(days))


BUYS = """
def on_bar(self, context, bar):
    if context.position(bar.symbol) == 0.0:
        context.buy(bar.symbol, quantity=10, stop=bar.close * 0.9)
"""


def test_what_was_decided_and_not_ordered_before_a_crash_is_decided_again_in_time_and_never_twice(
    tmp_path, monkeypatch
):
    file = s.strategy_file(tmp_path, "buys", BUYS)

    async def play(days):
        accounts = [s.kite_account(days.root)]
        sessions = [n.daily(file, "kite", ["SYNBANK1"], session_id="one")]
        with monkeypatch.context() as crash:  # it dies between the log and the order
            crash.setattr(DailySession, "_carry_out_what_waits", nothing)
            async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
                await scene.until(lambda: told(tmp_path, SessionBegan)[1:], "the decision of Friday's open")
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            await scene.until(lambda: scene.held("kite") == {"NSE:SYNBANK1": 10}, "the order after all")
            await scene.until(lambda: len(scene.exits("kite")) == 1, "its stop")
        assert len(told(tmp_path, BarsClosed)) == 1
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            await passing(scene, days, 20)
            assert len(made(scene, Purpose.ENTRY)) == 1
        assert len(told(tmp_path, BarsClosed)) == 1

    with n.sandbox_of_days() as days:
        asyncio.run(play(days))


def test_while_the_broker_has_no_bar_of_the_last_day_nothing_is_entered_and_the_owner_is_told(tmp_path):
    file = s.strategy_file(tmp_path, "buys", BUYS)

    async def play(days):
        accounts = [s.kite_account(days.root)]
        sessions = [n.daily(file, "kite", ["SYNBANK1"], session_id="one")]
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            adapter = scene.room("kite").adapter
            has_it, history = [], adapter.history

            async def late(instrument, timeframe, first, last):
                bars = await history(instrument, timeframe, first, last)
                return bars if has_it else bars.slice(0, len(bars) - 1)

            adapter.history = late
            await passing(scene, days, 30)
            assert not scene.held("kite")
            assert not told(tmp_path, BarsClosed)
            await days.until("2026-11-20T09:25:30")
            await scene.until(
                lambda: any("has no bar of the last day" in line for line in scene.said), "word"
            )
            has_it.append(True)
            await days.until("2026-11-20T09:31:30")
            await scene.until(lambda: told(tmp_path, BarsClosed), "Thursday's bar, late")
            await passing(scene, days, 20)
            assert not made(scene, Purpose.ENTRY)
            await days.until("2026-11-23T09:14:52")
            await n.log_in_again(scene, "kite")
            await scene.until(lambda: scene.held("kite") == {"NSE:SYNBANK1": 10}, "Monday's entry")
        assert len(told(tmp_path, BarsClosed)) == 2

    with n.sandbox_of_days() as days:
        asyncio.run(play(days))


async def nothing(*_):
    """In the place of what a crash left out."""


async def passing(scene, days, seconds):
    """Some looks of the desk."""
    until_ns = days.now_ns() + seconds * NANOSECONDS_PER_SECOND
    await scene.until(lambda: days.now_ns() > until_ns, "some time")


def test_a_session_that_begins_late_is_told_that_and_nothing_of_missing_bars(tmp_path):
    file = s.strategy_file(tmp_path, "buys", BUYS)

    async def play(days):
        accounts = [s.kite_account(days.root)]
        sessions = [n.daily(file, "kite", ["SYNBANK1"], session_id="late")]
        await days.until("2026-11-20T09:41:00")
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            adapter = scene.room("kite").adapter
            history = adapter.history

            async def slow(*words):  # the bars are asked for, and take some looks to come
                until_ns = days.now_ns() + 20 * NANOSECONDS_PER_SECOND
                await scene.until(lambda: days.now_ns() >= until_ns, "some looks")
                return await history(*words)

            adapter.history = slow
            await scene.until(lambda: any("too late for the open" in line for line in scene.said), "why")
            assert not any("has no bar" in line for line in scene.said)
            assert not made(scene, Purpose.ENTRY)

    with n.sandbox_of_days() as days:
        asyncio.run(play(days))
