"""A Kite sandbox whose time is moved by hand over days and nights, and a desk that lives in that time."""

import asyncio
import threading
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime
from random import Random

from tests.trading.house import scene as s
from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.core.order import Product
from trademantra.core.time import IST, ns_of
from trademantra.kit.clock import SystemClock
from trademantra.kit.database import Database
from trademantra.sandbox.kite.accounts import default_account
from trademantra.sandbox.kite.invented_market import invented_market
from trademantra.sandbox.kite.server import Sandbox, Wiring, listen, root_of
from trademantra.sandbox.kite.settings import KiteSettings
from trademantra.trading.house.house import open_house
from trademantra.trading.house.parts import HouseParts, Wanted
from trademantra.trading.runner.settings import RunnerSettings

SPEED = 15.0


class Days:
    """The clock of a sandbox, and the hand that moves it."""

    def __init__(self, server, loop, root):
        self._server, self._loop, self.root = server, loop, root

    def now_ns(self):
        return self._server.desk.clock.now_ns()

    async def until(self, text):
        """Go there at once, with all prices on the way."""
        at_ns = ns_of(datetime.fromisoformat(text).replace(tzinfo=IST))
        moved = asyncio.run_coroutine_threadsafe(self._server.desk.pump.advance_to(at_ns), self._loop)
        await asyncio.wrap_future(moved)
        self._loop.call_soon_threadsafe(self._server.desk.sessions.end_expired)


@contextmanager
def sandbox_of_days(shares=2, speed=SPEED):
    listener = listen("127.0.0.1", 0)
    root = root_of(listener)
    ready, made = threading.Event(), []

    async def serve():
        server = Sandbox(
            root=root,
            accounts=[default_account(root)],
            settings=KiteSettings(rate_limits=False, auto_login=True),
            market=invented_market(s.DAY, seed=7, shares=shares, settings=ExchangeSettings()),
            wiring=Wiring(wall=SystemClock(), report=lambda text: None),
            journal=None,
            speed=speed,
        )
        made.append((server, asyncio.get_running_loop()))
        await server.serve(listener, ready.set)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30), "the sandbox did not start"
    server, loop = made[0]
    try:
        yield Days(server, loop, root)
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(20)


def daily(file, account_id, symbols, **more):
    return replace(s.session(file, account_id, symbols, "1d", **more), product=Product.CNC)


@asynccontextmanager
async def desk_in(days, home, accounts, sessions):
    """A desk from now on; its accounts are logged in."""
    said = []
    box = s.a_box(home)
    database = await Database.open(f"sqlite:///{home / 'desk.db'}")
    try:
        for account in accounts:
            if account.broker is s.Broker.ZERODHA:
                await s.log_in(box, account, days)
        made = HouseParts(
            home=home, database=database, box=box, clock=days, wall=SystemClock(), random=Random(5), say=said.append,
            runner=RunnerSettings(decision_seconds=30.0), record=False,
        )  # fmt: skip
        async with open_house(made, Wanted({each.account_id: each for each in accounts}, sessions)) as house:
            task = asyncio.ensure_future(house.run())
            try:
                yield s.Scene(house, database, said, task)
            finally:
                house.stop()
                await task
    finally:
        await database.close()


async def log_in_again(scene, account_id):
    """As the user does it in the morning, while the desk runs."""
    adapter = scene.room(account_id).adapter
    await adapter.complete_login(await asyncio.to_thread(s.redirected, adapter))
