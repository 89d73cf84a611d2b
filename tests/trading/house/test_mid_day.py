"""A desk that starts in the middle of the day: the bars of the morning are known, none is missing, none comes twice."""

import asyncio

from tests.trading.house import scene as s
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.kit.clock import SystemClock
from trademantra.trading.accounts.sandbox_clock import read_sandbox_clock

SEES_ALL = """
def on_start(self, context):
    self.session, self.last = -1, 0

def on_bar(self, context, bar):
    if bar.session == self.session and bar.ts != self.last + 60_000_000_000:
        raise ValueError(f"after {self.last} came {bar.ts}")
    self.session, self.last = bar.session, bar.ts
    if context.position(bar.symbol) == 0.0:
        context.buy(bar.symbol, quantity=10, stop=bar.close * 0.9985, target=bar.close * 1.0015)
"""

LEAVES_ONCE = """
def on_start(self, context):
    self.entered, self.left = 0, False

def on_bar(self, context, bar):
    if bar.ts < {begins_ns} or self.left:
        return
    if context.position(bar.symbol) == 0.0:  # again where the desk was too late for it
        self.entered = bar.minute
        context.buy(bar.symbol, quantity=10, stop=bar.close * 0.9, target=bar.close * 1.1)
    elif bar.minute == self.entered + 6:
        self.left = True
        context.exit(bar.symbol)
"""


def test_a_session_that_begins_within_the_day_hears_every_bar_once(tmp_path):
    file = s.strategy_file(tmp_path, "sees", SEES_ALL)

    async def play(root):
        clock = read_sandbox_clock(root, SystemClock())
        opens_ns = clock.now_ns() // NANOSECONDS_PER_MINUTE * NANOSECONDS_PER_MINUTE
        while clock.now_ns() < opens_ns + 8 * NANOSECONDS_PER_MINUTE:
            await asyncio.sleep(0.05)
        sessions = [
            s.session(file, "practice", ["SYNBANK1", "SYNIT1"][n : n + 1], session_id=f"s{n}") for n in (0, 1)
        ]
        async with s.running(tmp_path, root, [s.kite_account(root), s.paper_account()], sessions) as scene:
            runs = scene.house.sessions
            await scene.until(lambda: all(len(runs[name].trades) >= 2 for name in runs), "two trades of each")
            assert not any(runs[name].stopped for name in runs), scene.said

    with s.sandbox() as root:
        asyncio.run(play(root))


def test_what_was_to_be_left_while_the_desk_was_away_is_left_when_it_comes_back(tmp_path):
    async def play(root):
        clock = read_sandbox_clock(root, SystemClock())
        file = s.strategy_file(tmp_path, "once", LEAVES_ONCE.replace("{begins_ns}", str(clock.now_ns())))
        accounts, sessions = (
            [s.kite_account(root), s.paper_account()],
            [s.session(file, "practice", ["SYNBANK1"])],
        )
        async with s.running(tmp_path, root, accounts, sessions) as scene:
            await scene.until(lambda: scene.held("practice"), "it holds something")
        away_ns = clock.now_ns()
        while clock.now_ns() < away_ns + 9 * NANOSECONDS_PER_MINUTE:
            await asyncio.sleep(0.05)
        async with s.running(tmp_path, root, accounts, sessions) as scene:
            await scene.until(lambda: not scene.held("practice"), "it is left")
            await scene.until(lambda: not scene.exits("practice"), "and nothing protects it any more")

    with s.sandbox() as root:
        asyncio.run(play(root))
