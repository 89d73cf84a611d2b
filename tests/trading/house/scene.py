"""A desk process in this one: a Kite sandbox whose day runs fast, accounts at it and fed by it, strategies from files."""

import asyncio
import http.client
import textwrap
import threading
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random
from urllib.parse import parse_qsl, urlsplit

from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.core.bar import Timeframe
from trademantra.core.order import Product
from trademantra.core.time import datetime_of
from trademantra.engine.rules import Size, TradingRules
from trademantra.kit.clock import SystemClock
from trademantra.kit.database import Database
from trademantra.kit.secrets import KeyFile, Secret, SecretsBox
from trademantra.sandbox.kite.accounts import default_account
from trademantra.sandbox.kite.invented_market import invented_market
from trademantra.sandbox.kite.server import Sandbox, Wiring, listen, root_of
from trademantra.sandbox.kite.settings import KiteSettings
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.adapters import AdapterParts, adapter_for
from trademantra.trading.accounts.sandbox_clock import read_sandbox_clock
from trademantra.trading.accounts.settings import (
    AccountMode,
    Broker,
    PaperAccountSettings,
    ZerodhaAccountSettings,
)
from trademantra.trading.house.house import open_house
from trademantra.trading.house.parts import HouseParts, Wanted
from trademantra.trading.house.session_spec import SessionSpec
from trademantra.trading.runner.settings import RunnerSettings
from trademantra.trading.runner.spec import StrategySource

DAY = date(2026, 11, 20)
SPEED = 60.0
LONGEST = 300.0  # seconds: patience with a busy machine, never a measure

BUSY = """
def on_bar(self, context, bar):
    if context.position(bar.symbol) == 0.0:
        context.buy(bar.symbol, quantity=10, stop=bar.close * 0.9985, target=bar.close * 1.0015)
    elif bar.index % 5 == 0:
        context.exit(bar.symbol)
"""
HOLDS = """
def on_bar(self, context, bar):
    if context.position(bar.symbol) == 0.0:
        context.buy(bar.symbol, quantity=10, stop=bar.close * 0.9, target=bar.close * 1.1)
"""
RAISES = """
def on_bar(self, context, bar):
    if context.position(bar.symbol) != 0.0:
        raise ZeroDivisionError("a mistake of its writer")
    context.buy(bar.symbol, quantity=10, stop=bar.close * 0.9985, target=bar.close * 1.0015)
"""
_FILE = """
from trademantra.engine.events import EventStrategy

class Mine(EventStrategy):
    name = title = idea = source = market = "{name}"
"""


@contextmanager
def sandbox(speed=SPEED, api_key="testkey"):
    """A sandbox's root; its day begins just before the open."""
    listener = listen("127.0.0.1", 0)
    root = root_of(listener)
    ready, made = threading.Event(), []

    async def serve():
        server = Sandbox(
            root=root,
            accounts=[replace(default_account(root), api_key=api_key)],
            settings=KiteSettings(rate_limits=False, auto_login=True),
            market=invented_market(DAY, seed=7, shares=4, settings=ExchangeSettings()),
            wiring=Wiring(wall=SystemClock(), report=lambda text: None),
            journal=None,
            speed=speed,
        )
        made.append((server, asyncio.get_running_loop()))
        await server.serve(listener, ready.set)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30), "the sandbox did not start"
    try:
        yield root
    finally:
        server, loop = made[0]
        loop.call_soon_threadsafe(server.stop)
        thread.join(20)


def kite_account(root, name="kite", settings=None, **more):
    settings = settings or ZerodhaAccountSettings(api_key="testkey", root=root)
    return Account(account_id=name, broker=Broker.ZERODHA, mode=AccountMode.PAPER, settings=settings, **more)


def paper_account(name="practice", source="kite", **more):
    settings = PaperAccountSettings(cash=Decimal(1_000_000))
    return Account(
        account_id=name, broker=Broker.PAPER, mode=AccountMode.PAPER, settings=settings, data_sources=(source,) if isinstance(source, str) else source, **more
    )  # fmt: skip


def strategy_file(folder, name, body):
    file = folder / f"{name}.py"
    file.write_text(_FILE.format(name=name) + textwrap.indent(body, "    "))
    return file


def session(file, account_id, symbols, timeframe="1m", session_id=None, **more):
    return SessionSpec(
        session_id=session_id or f"{file.stem}-{account_id}", account_id=account_id,
        strategy=StrategySource.file(file), symbols=tuple(symbols), timeframe=Timeframe.parse(timeframe), values={},
        rules=TradingRules(as_live=True, size=Size.parse("quantity:10"), cash=1_000_000.0, lot=1.0, tick=0.05),
        product=Product.MIS, alone=False, **more,
    )  # fmt: skip


async def log_in(box, account, clock):
    """As the user does it in the morning."""
    box.put(account.settings.adapter_settings().secret_name, Secret("testsecret"))
    adapter = adapter_for(account, AdapterParts(clock=clock, random=Random(1), box=box))
    await adapter.complete_login(await asyncio.to_thread(redirected, adapter))
    await adapter.close()


def redirected(adapter):
    """What the login page sends back."""
    parts = urlsplit(adapter.login_url())
    line = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    line.request("GET", f"{parts.path}?{parts.query}")
    answer = dict(parse_qsl(urlsplit(line.getresponse().headers["location"]).query))
    line.close()
    return answer


def a_box(folder):
    key = KeyFile(folder / "key")
    if not key.path.exists():
        key.make()
    return SecretsBox(folder / "secrets", key)


class Scene:
    """A running house, and what it said.  `until` waits for a condition."""

    def __init__(self, house, database, said, task):
        self.house, self.database, self.said, self.task = house, database, said, task

    def room(self, name):
        return self.house.rooms[name]

    def held(self, name):
        return {
            key.instrument_key: int(position.quantity)
            for key, position in self.room(name).desk.book.positions.items()
            if position.quantity
        }

    def orders(self, name):
        return [managed.order for managed in self.room(name).desk.book.all()]

    def exits(self, name):
        """Orders at the broker that protect something."""
        return [
            managed
            for managed in self.room(name).desk.book.working()
            if managed.purpose.value == "exit" and managed.order.broker_order_id
        ]

    async def until(self, condition, what):
        deadline = asyncio.get_running_loop().time() + LONGEST
        while not condition():
            if self.task.done():
                self.task.result()
                raise AssertionError(f"the house ended before {what}: {self.said[-3:]}")
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"waited in vain for: {what}\n{self._state()}")
            await asyncio.sleep(0.02)

    def _state(self):
        """For whoever must find out why."""
        house = self.house
        lines = [f"clock {datetime_of(house.parts.clock.now_ns())}", *self.said]
        lines += [f"{name}: {m.hub.status()} {m.hub.builder.counts}" for name, m in house.markets.items()]
        for name in house.rooms:
            lines += [
                f"{name}: {order.instrument.symbol} {order.side} {order.order_type} {order.status}"
                for order in self.orders(name)
            ]
        return "\n".join(lines)

    async def agrees(self, name):
        """The book, and the broker, hold the same; fills that are on their way are waited for."""
        from trademantra.trading.house.position_watch import differences

        async with asyncio.timeout(LONGEST):
            while found := await differences(self.room(name)):
                await asyncio.sleep(0.05)
        assert not found


@asynccontextmanager
async def running(home, root, accounts, sessions, served=(), **parts):
    """Open the house with these and let it run; `served`: accounts without a session."""
    said = []
    clock = read_sandbox_clock(root, SystemClock())
    box = a_box(home)
    database = await Database.open(f"sqlite:///{home / 'desk.db'}")
    try:
        for account in accounts:
            if account.broker is Broker.ZERODHA:
                await log_in(box, account, clock)
        made = HouseParts(
            home=home, database=database, box=box, clock=clock, wall=SystemClock(), random=Random(5), say=said.append,
            runner=RunnerSettings(decision_seconds=30.0), record=False, **parts,
        )  # fmt: skip
        async with open_house(
            made, Wanted({each.account_id: each for each in accounts}, sessions, served)
        ) as house:
            task = asyncio.ensure_future(house.run())
            scene = Scene(house, database, said, task)
            try:
                yield scene
            finally:
                house.stop()
                await task
    finally:
        await database.close()
