"""Named moments of a day at a running desk: the scan before the open, the entry at it, and those that are over."""

import asyncio

from tests.trading.house import nights as n
from tests.trading.house import scene as s
from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND
from trademantra.trading.intents import Purpose
from trademantra.trading.runner.run_log import SessionBegan, from_line

SLOW = 6.0  # ten seconds a minute: exact to the minute also on a busy machine
SCAN = """
times = (-1, 0, 2)

def on_session(self, context):
    self.quantity = 0

def on_time(self, context, minute):
    self.quantity += 10
    if minute == -1:
        context.buy("SYNBANK1", quantity=self.quantity)
    elif minute == 0:
        context.cancel("SYNBANK1")
        context.buy("SYNBANK1", quantity=self.quantity)
    else:
        context.buy("SYNIT1", quantity=self.quantity)
"""

SCAN_ONLY = """
times = (-1,)

def on_time(self, context, minute):
    context.buy("SYNBANK1", quantity=10)
"""


def test_a_scan_before_the_open_has_its_order_at_the_open_and_minutes_are_exact(tmp_path):
    file = s.strategy_file(tmp_path, "scan", SCAN)

    async def play(days):
        await days.until("2026-11-23T09:14:20")
        accounts = [s.kite_account(days.root)]
        words = {"begins_minute": -1, "first_entry_minute": 0, "leave_minute": 300}
        sessions = [s.session(file, "kite", ["SYNBANK1", "SYNIT1"], session_id="one", **words)]
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            await scene.until(
                lambda: scene.held("kite") == {"NSE:SYNBANK1": 20}, "the last word before the open"
            )
            await days.until("2026-11-23T09:16:58")
            await scene.until(lambda: scene.held("kite").get("NSE:SYNIT1") == 30, "the entry of 09:17")
            bank, tech = [
                each for each in scene.room("kite").desk.book.all() if each.purpose is Purpose.ENTRY
            ]
            open_ns = scene.house.sessions["one"].begins_ns
            assert 0 <= bank.created_ns - open_ns < NANOSECONDS_PER_MINUTE
            late_ns = tech.created_ns - open_ns - 2 * NANOSECONDS_PER_MINUTE
            assert 0 <= late_ns < NANOSECONDS_PER_MINUTE
            lines = (tmp_path / "sessions" / "one" / "all.log").read_text().splitlines()
            began = [each for each in map(from_line, lines) if isinstance(each, SessionBegan)]
            assert {each.session.first_entry_minute for each in began} == {0}

    with n.sandbox_of_days(speed=SLOW) as days:
        asyncio.run(play(days))


def test_a_moment_that_passed_while_no_desk_ran_is_passed_by(tmp_path):
    file = s.strategy_file(tmp_path, "scan", SCAN)

    async def play(days):
        await days.until("2026-11-23T09:14:20")
        accounts = [s.kite_account(days.root)]
        sessions = [s.session(file, "kite", ["SYNBANK1", "SYNIT1"], session_id="one", begins_minute=-1)]
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            await scene.until(lambda: scene.held("kite") == {"NSE:SYNBANK1": 20}, "the entry at the open")
        await days.until("2026-11-23T09:20:20")
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            await days.until("2026-11-23T09:21:30")
            until_ns = days.now_ns() + 20 * NANOSECONDS_PER_SECOND
            await scene.until(lambda: days.now_ns() > until_ns, "some looks of the desk")
            assert scene.held("kite") == {"NSE:SYNBANK1": 20}
            assert len(scene.orders("kite")) == 1
            assert not [line for line in scene.said if "not taken" in line], "nothing was asked for"

    with n.sandbox_of_days(speed=SLOW) as days:
        asyncio.run(play(days))


async def scanned(days, home, accounts, sessions):
    """A desk that ends between the scan and the open."""
    log = home / "sessions" / "one" / "all.log"
    await days.until("2026-11-23T09:14:20")
    async with n.desk_in(days, home, accounts, sessions) as scene:
        await scene.until(lambda: log.exists() and '["clock"' in log.read_text(), "the decision of 09:14")
        assert days.now_ns() < scene.house.sessions["one"].begins_ns
        assert scene.orders("kite") == []


def test_a_scan_that_was_never_ordered_is_decided_again_before_the_open(tmp_path):
    file = s.strategy_file(tmp_path, "scan", SCAN_ONLY)

    async def play(days):
        accounts = [s.kite_account(days.root)]
        sessions = [s.session(file, "kite", ["SYNBANK1"], session_id="one", begins_minute=-1)]
        await scanned(days, tmp_path, accounts, sessions)
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            await scene.until(lambda: scene.held("kite") == {"NSE:SYNBANK1": 10}, "the entry at the open")
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:  # within its minute, and ordered
            await scene.until(lambda: scene.room("kite").desk.has_read_books, "the books")
            assert len(scene.orders("kite")) == 1

    with n.sandbox_of_days(speed=SLOW) as days:
        asyncio.run(play(days))


def test_a_scan_that_was_never_ordered_is_told_when_it_is_too_late(tmp_path):
    file = s.strategy_file(tmp_path, "scan", SCAN_ONLY)

    async def play(days):
        accounts = [s.kite_account(days.root)]
        sessions = [s.session(file, "kite", ["SYNBANK1"], session_id="one", begins_minute=-1)]
        await scanned(days, tmp_path, accounts, sessions)
        await days.until("2026-11-23T09:20:20")
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            until_ns = days.now_ns() + 15 * NANOSECONDS_PER_SECOND
            await scene.until(lambda: days.now_ns() > until_ns, "some looks of the desk")
            assert scene.orders("kite") == []
            assert [each for each in scene.said if "too late for that now" in each]
        async with n.desk_in(days, tmp_path, accounts, sessions) as scene:
            assert not [each for each in scene.said if "too late for that now" in each], "it is told once"

    with n.sandbox_of_days(speed=SLOW) as days:
        asyncio.run(play(days))
