"""A broker on the other side of the hub: says what the test tells it to."""

import asyncio
from decimal import Decimal
from functools import wraps

from trademantra.brokers.errors import BrokerUnavailableError
from trademantra.brokers.events import StreamState
from trademantra.brokers.market import Quote
from trademantra.core.time import ns_of
from trademantra.engine.bars import Bars


class FakeBroker:
    def __init__(self):
        self.stream = StreamState.CONNECTED
        self.subscribed, self.left, self.asked, self.asked_history = [], [], [], []
        self.refuses = False
        self.known_quotes = {}
        self.past = lambda instrument, timeframe: Bars.empty()
        self.coming = asyncio.Queue()

    async def subscribe(self, instruments, mode):
        self._refuse()
        self.subscribed.append(([each.symbol for each in instruments], mode.value))

    async def unsubscribe(self, instruments):
        self.left.append([each.symbol for each in instruments])

    async def quotes_stream(self):
        while (quotes := await self.coming.get()) is not None:
            yield quotes

    async def quotes(self, instruments):
        self.asked.append([each.symbol for each in instruments])
        self._refuse()
        return {each: self.known_quotes[each] for each in instruments if each in self.known_quotes}

    async def history(self, instrument, timeframe, first, last):
        self.asked_history.append((instrument.symbol, str(timeframe), ns_of(first), ns_of(last)))
        self._refuse()
        return self.past(instrument, timeframe).between(ns_of(first), ns_of(last) + 1)

    def _refuse(self):
        if self.refuses:
            raise BrokerUnavailableError("no answer")


def quote(instrument, at_ns, price, volume=None, **more):
    return Quote(instrument=instrument, at_ns=at_ns, last_price=Decimal(str(price)), volume=volume, **more)


def runs(test):
    """A test that is a coroutine, in an event loop of its own."""

    @wraps(test)
    def run():
        asyncio.run(test())

    return run
