"""A running desk tells ticks: what a strategy traded on them is what its back-test trades, also after the desk was ended and begun again."""

import asyncio

from tests.trading.house import scene as s
from trademantra.core.order import OrderStatus
from trademantra.core.time import NANOSECONDS_PER_MINUTE as MINUTE
from trademantra.trading.house.pictures import TickSettings
from trademantra.trading.runner.run_log import TicksTold, from_line
from trademantra.trading.session.parity import parity
from trademantra.trading.session.told import log_file

DIPS = """
def on_start(self, context):
    self.before, self.seen = {}, 0

def on_tick(self, context, tick):
    name = tick.symbol
    change = tick.price / self.before.setdefault(name, tick.price) - 1.0
    self.before[name] = tick.price
    self.seen += 1
    if context.position(name) == 0.0 and change < 0.0:
        context.buy(name, quantity=5.0 + self.seen % 4, stop=tick.price * 0.997)
    elif context.position(name) != 0.0 and change > 0.0 and self.seen % 2:
        context.exit(name)
"""
RAISES = """
def on_tick(self, context, tick):
    if context.position(tick.symbol) != 0.0:
        raise ZeroDivisionError("a mistake of its writer")
    context.buy(tick.symbol, quantity=10, stop=tick.price * 0.9996, target=tick.price * 1.0004)
"""
SPEED = (
    20.0  # at the usual sixty a machine that is busy for half a second has prices that the gate finds too old
)
QUICK = TickSettings(per_second=50.0, latest_ns=30 * MINUTE)  # the sandbox's day is fast


def test_ticks_of_a_running_desk_are_compared_and_one_that_raises_harms_nobody(tmp_path):
    dips, bad = s.strategy_file(tmp_path, "dips", DIPS), s.strategy_file(tmp_path, "bad", RAISES)
    calm = s.strategy_file(tmp_path, "calm", s.HOLDS)

    def filled(scene, name):
        return sum(order.status is OrderStatus.FILLED for order in scene.orders(name))

    async def play(root, others):
        accounts = [s.kite_account(root), s.paper_account()]
        if others:
            accounts.append(s.paper_account("second"))
        sessions = [s.session(dips, "practice", ["SYNBANK1", "SYNIT1"], session_id="ticks")]
        if others:
            sessions += [s.session(bad, "second", ["SYNAUTO1"]), s.session(calm, "second", ["SYNBANK1"])]
        async with s.running(tmp_path, root, accounts, sessions, ticks=QUICK) as scene:
            before = filled(scene, "practice")
            await scene.until(lambda: filled(scene, "practice") >= before + 8, "eight more fills")
            if others:
                await scene.until(
                    lambda: scene.house.sessions["bad-second"].stopped, "the bad strategy is stopped"
                )
                assert any("a mistake of its writer" in line for line in scene.said)
                await scene.until(
                    lambda: "NSE:SYNAUTO1" not in scene.held("second"), "its exit fills without it"
                )
                assert not scene.house.sessions["calm-second"].hearing
                assert scene.house.sessions["ticks"].hearing == ["ticks:all"]
            await scene.agrees("practice")

    with s.sandbox(SPEED) as root:
        asyncio.run(play(root, others=True))
        folder = tmp_path / "sessions" / "ticks"
        first = parity(folder)
        assert first.is_identical, [each.text for each in first.differences]
        assert first.trades >= 3
        asyncio.run(play(root, others=False))  # another process goes on with it
    told = [from_line(line) for line in log_file(folder, "ticks:all").read_text().splitlines()]
    ticks = [each for each in told if isinstance(each, TicksTold)]
    assert len(ticks) > 16
    assert any(tick.bid < tick.ask for each in ticks for tick in each.ticks)
    assert any(tick.volume > 0.0 for each in ticks for tick in each.ticks)
    both = parity(folder)
    assert both.is_identical, [each.text for each in both.differences]
    assert both.trades > first.trades
