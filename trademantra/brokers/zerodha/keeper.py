"""Keeps the order stream true: reads the books after every reconnect, hint and pause, and tells what is new."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from trademantra.brokers.errors import BrokerError
from trademantra.brokers.events import BrokerEvent, OrderUpdate, TradeUpdate
from trademantra.brokers.orders import BrokerOrder, BrokerTrade
from trademantra.brokers.zerodha.order_book import UPDATED
from trademantra.brokers.zerodha.updates import OrderMerge, Source
from trademantra.core.errors import UnknownInstrumentError
from trademantra.core.order import OrderStatus
from trademantra.core.time import Clock

_log = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.25
_PASSING = (OrderStatus.MODIFYING, OrderStatus.CANCELLING, OrderStatus.UNKNOWN)


class BookKeeper:
    """Merges what every source says of orders and trades into `tell`, and asks the books when there is reason to.

    `read_orders` and `read_trades` fetch a book; they raise `BrokerError` when it cannot be read.
    """

    __slots__ = (
        "_book_wanted",
        "_clock",
        "_failing",
        "_poll",
        "_read_orders",
        "_read_trades",
        "_tell",
        "_woken",
        "merge",
    )

    def __init__(
        self,
        clock: Clock,
        poll_seconds: float,
        tell: Callable[[BrokerEvent], None],
        read_orders: Callable[[], Awaitable[Sequence[BrokerOrder]]],
        read_trades: Callable[[], Awaitable[Sequence[BrokerTrade]]],
    ) -> None:
        self._clock = clock
        self._poll = poll_seconds
        self._tell = tell
        self._read_orders = read_orders
        self._read_trades = read_trades
        self._woken = asyncio.Event()
        self._book_wanted = True
        self._failing = False
        self.merge = OrderMerge()

    def heard(self, order: BrokerOrder) -> None:
        """A message of the stream.  After one that leaves the order's state open the book is asked."""
        if self.merge.offer(order, Source.MESSAGE, self._clock.now_ns()):
            self._tell(OrderUpdate(order))
            if order.status in _PASSING or order.raw_status == UPDATED:
                self.wake()
        if self.merge.lacks_trades():
            self._woken.set()

    def wake(self) -> None:
        """Read the book soon: the stream was away, a reply was lost, a postback came."""
        self._book_wanted = True
        self._woken.set()

    def read_orders_at(self, asked_ns: int, orders: Sequence[BrokerOrder]) -> None:
        """A book that was asked for at that instant."""
        for order in orders:
            if self.merge.offer(order, Source.BOOK, asked_ns):
                self._tell(OrderUpdate(order))

    def read_trades_of(self, trades: Sequence[BrokerTrade]) -> None:
        for trade in self.merge.offer_trades(trades):
            self._tell(TradeUpdate(trade))

    async def run(self) -> None:
        """Until cancelled.  A book that cannot be read is said in the log once, and once when it is back."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            self._woken.clear()
            try:
                if self._book_wanted:
                    self._book_wanted = False
                    self.read_orders_at(self._clock.now_ns(), await self._read_orders())
                if self.merge.lacks_trades():
                    self.read_trades_of(await self._read_trades())
            except (BrokerError, UnknownInstrumentError) as error:
                self._book_wanted = True
                if not self._failing:
                    _log.warning("zerodha: the order book cannot be read: %s", error.message)
                self._failing = True
            else:
                if self._failing:
                    _log.warning("zerodha: the order book is read again")
                self._failing = False
            hurry = self.merge.lacks_trades()  # the trade book runs behind the order's own word
            pause = min(2 * pause, self._poll) if hurry else _FIRST_PAUSE_SECONDS
            try:
                async with asyncio.timeout(min(pause, self._poll) if hurry else self._poll):
                    await self._woken.wait()
            except TimeoutError:
                self._book_wanted = True
