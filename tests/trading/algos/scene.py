"""An account's desk with its algorithms against the simulated exchange; desks die, the exchange does not."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

from tests.brokers.contract.simulated import SHARE, START_NS, first_prices, open_market, trade
from tests.trading.test_account_desk import ACCOUNT, World
from trademantra.core.order import Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.trading.algos.bracket import BracketSpec
from trademantra.trading.algos.events import AlgoFill
from trademantra.trading.algos.host import AlgoBook, AlgoParts


class AlgoWorld(World):
    """`told` is what the owner heard, over all lives."""

    def __init__(self, url):
        super().__init__(url)
        self.algos = None
        self.told = []

    async def start(self):
        await super().start()
        parts = AlgoParts(
            database=self.database, journal=self.journal, lease=self.lease, timer=self.timer, bus=self.bus,
            owner=self.told.append,
        )  # fmt: skip
        self.algos = AlgoBook(self.desk, parts)
        await self.algos.__aenter__()

    async def die(self):
        await self.algos.__aexit__(None, None, None)
        await super().die()

    async def price(self, instrument, price, volume=1_000_000):
        """One trade: it meets the exchange's orders, then the desk hears of it."""
        await super().price(instrument, price, volume)
        at = float(price)
        self.algos.on_price(instrument, at, at, at, float(volume), at, at, self.timer.now_ns())
        await self.settle()

    async def price_there(self, instrument, price, volume=1_000_000):
        """A trade that the desk does not hear of."""
        self.timer.advance_to(self.timer.now_ns() + SECOND)
        await self.host.feed([trade(instrument, str(price), volume, self.timer.now_ns())])

    async def prices(self, *prices, instrument=SHARE, volume=1_000_000):
        for price in prices:
            await self.price(instrument, price, volume)

    async def during(self, work):
        """The answer of something that waits, while time passes."""
        task = asyncio.ensure_future(work)
        for _ in range(1000):
            await self.settle()
            if task.done():
                return await task
            self.timer.advance_to(self.timer.now_ns() + SECOND // 50)
            await self.host.advance()
        raise AssertionError("it waits for ever")

    def fills(self):
        """Reason, side, quantity and price of each fill, as the owner was told."""
        return [
            (told.reason.name, told.side, told.quantity, told.price)
            for told in self.told
            if isinstance(told, AlgoFill)
        ]

    def fills_of(self, algo_id):
        """The same of one algorithm."""
        return [
            (told.reason.name, told.side, told.quantity, told.price)
            for told in self.told
            if isinstance(told, AlgoFill) and told.algo_id == algo_id
        ]

    def told_of(self, kind):
        return [told for told in self.told if isinstance(told, kind)]

    def working(self):
        """What rests at the exchange: side, type, open quantity and level."""
        return sorted(
            (
                order.request.side.value,
                order.request.order_type.value,
                order.pending_quantity,
                order.request.trigger_price or order.request.price,
            )
            for order in self.orders_there()
            if not order.status.is_final
        )

    def persons(self):
        """Subjects and reasons that a person was called for so far."""
        return [(call.subject, call.reason) for call in list(self.called._waiting)]


@asynccontextmanager
async def algo_world(url):
    made = AlgoWorld(url)
    await made.host.run(open_market)
    await made.host.feed(first_prices())
    await made.start()
    try:
        yield made
    finally:
        await made.die()
        made.host.close()


def run(scenario, url):
    async def whole():
        async with algo_world(url) as made:
            await scenario(made)

    asyncio.run(whole())


def bracket(name="b1", side=Side.BUY, quantity=10, instrument=SHARE, **words):
    product = Product.MIS if instrument is SHARE else Product.NRML
    return BracketSpec(
        algo_id=name, account_id=ACCOUNT, strategy_id="s1", instrument=instrument, side=side, quantity=Decimal(quantity),
        product=product, decided_ns=START_NS, reference_price=Decimal(100 if instrument is SHARE else 1000), **words,
    )  # fmt: skip
