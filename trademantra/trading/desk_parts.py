"""What an account's desk is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from trademantra.brokers.orders import OrderChange
from trademantra.brokers.port import BrokerAdapter
from trademantra.core.instrument import Instrument
from trademantra.kit.bus import Bus
from trademantra.kit.lease import Lease
from trademantra.kit.limiter import RateLimiter
from trademantra.kit.timer import Timer
from trademantra.trading.intents import OrderIntent
from trademantra.trading.journal import OrderJournal
from trademantra.trading.order_store import OrderStore
from trademantra.trading.orders import Changes, ManagedOrder, OrderBook
from trademantra.trading.policy import OrderPolicy


class OrderGate(Protocol):
    """The limits of one account, in step with its book (`trading.risk.road`)."""

    def restore(self, book: OrderBook) -> None:
        """Positions and working orders as they were before the start."""
        ...

    def check(self, intent: OrderIntent) -> OrderIntent:
        """The intent, perhaps cut.  Errors: `RefusedIntentError`."""
        ...

    def check_change(self, managed: ManagedOrder, change: OrderChange) -> OrderChange:
        """The change, perhaps with a smaller quantity or none.  Errors: `RefusedIntentError`."""
        ...

    def follow(self, changes: Changes, intent: OrderIntent | None = None) -> None:
        """What the book did; `intent` is what new orders were made of."""
        ...

    def forget(self, changes: Changes) -> None:
        """Orders that the journal did not take."""
        ...

    def message_sent(self, managed: ManagedOrder) -> None:
        """A change or a cancellation leaves."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskParts:
    """What an account's desk is made of.  `last_price` of an instrument, None where it is not known."""

    adapter: BrokerAdapter
    policy: OrderPolicy
    store: OrderStore
    journal: OrderJournal
    lease: Lease
    limiter: RateLimiter
    timer: Timer
    bus: Bus
    gate: OrderGate
    last_price: Callable[[Instrument], Decimal | None] = lambda instrument: None
