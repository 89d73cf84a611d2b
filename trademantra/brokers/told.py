"""Broker events on their way to their one reader: each state of an order and each trade is told once.

Of an order that ended and of a trade only a number of 64 bits is kept, so that a day of thousands stays small.
"""

import asyncio
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Iterable

from trademantra.brokers.events import BrokerEvent, OrderUpdate, TradeUpdate
from trademantra.brokers.orders import BrokerOrder, BrokerTrade


class ToldEvents(AsyncIterator[BrokerEvent]):
    """What has been told and what waits to be read.  Ends after `close`."""

    def __init__(self) -> None:
        self._waiting: deque[BrokerEvent] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._orders: dict[str, BrokerOrder] = {}  # that have not ended, as they were told last
        self._ended = _Digests()
        self._trades = _Digests()

    def order(self, order: BrokerOrder) -> None:
        """Tell a state, unless it was the last that was told of this order."""
        number = order.broker_order_id
        if self._orders.get(number) == order:
            return
        if not order.status.is_final:
            self._orders[number] = order
        elif self._ended.add(hash(order)):
            self._orders.pop(number, None)
        else:
            return
        self.tell(OrderUpdate(order))

    def trade(self, trade: BrokerTrade) -> None:
        """Tell an execution, unless it was told."""
        if self._trades.add(hash((trade.broker_order_id, trade.trade_id))):
            self.tell(TradeUpdate(trade))

    def books(self, orders: Iterable[BrokerOrder], trades: Iterable[BrokerTrade]) -> None:
        """Tell what the books of the day show and was not told; what they do not show any more is forgotten."""
        for trade in trades:
            self.trade(trade)
        shown = {order.broker_order_id: order for order in orders}
        for order in shown.values():
            self.order(order)
        self._orders = {name: order for name, order in self._orders.items() if name in shown}

    def tell(self, event: BrokerEvent) -> None:
        self._waiting.append(event)
        self._changed.set()

    @property
    def is_read(self) -> bool:
        """Whether the reader has taken everything."""
        return not self._waiting

    def close(self) -> None:
        """The reader gets what is waiting, then the end."""
        self._closed = True
        self._changed.set()

    async def __anext__(self) -> BrokerEvent:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()


class _Digests:
    """Numbers of 64 bits, 8 bytes each."""

    def __init__(self) -> None:
        self._sorted = array("Q")

    def add(self, number: int) -> bool:
        """Whether it is a new one."""
        number &= 2**64 - 1
        at = bisect_left(self._sorted, number)
        if at < len(self._sorted) and self._sorted[at] == number:
            return False
        self._sorted.insert(at, number)
        return True
