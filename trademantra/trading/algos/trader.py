"""What algorithms need of an account.  `AccountDesk` is one."""

from collections.abc import Callable, Sequence
from typing import Protocol

from trademantra.brokers.orders import OrderChange
from trademantra.trading.desk_events import Heard
from trademantra.trading.intents import OrderIntent
from trademantra.trading.orders import ManagedOrder, OrderBook


class Trader(Protocol):
    """Orders of one account, with the words and promises of `AccountDesk`."""

    book: OrderBook

    @property
    def account_id(self) -> str: ...

    async def submit(self, intent: OrderIntent) -> Sequence[ManagedOrder]: ...

    async def cancel(self, order_id: str) -> None: ...

    async def modify(self, order_id: str, change: OrderChange) -> None: ...

    def listen(self, listener: Callable[[Heard], None]) -> None: ...
