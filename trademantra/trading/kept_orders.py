"""All orders of an account, found by their names: those that live as they are, those that ended long ago packed.

Invariants:
- an order that is packed comes out again whole: when it is asked for, or when what is told of it changes it;
- so nothing that is answered depends on when, or whether, `pack_ended` was called: not for a fill that is told an hour late or
  twice, not for an intent that comes again.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from trademantra.brokers.orders import BrokerOrder
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.trading.ended_orders import EndedOrders
from trademantra.trading.managed_order import ManagedOrder

KEPT_NS = 60 * NANOSECONDS_PER_MINUTE
"""So long an order that ended is kept as it is: most of what is told late comes within seconds."""


class KeptOrders:
    """The part of the order book that finds and forgets."""

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self._orders: dict[str, ManagedOrder] = {}
        self._by_tag: dict[str, str] = {}
        self._by_broker_id: dict[str, str] = {}
        self._by_intent: dict[str, list[str]] = {}
        self._instruments: dict[str, Instrument] = {}
        self._ended = EndedOrders(account_id)
        self._to_pack: deque[tuple[int, str]] = deque()  # when it ended, or was asked for again; the intent
        self._now_ns = 0

    def __getitem__(self, order_id: str) -> ManagedOrder:
        found = self._orders.get(order_id)
        if found is None:
            found = self._ended.find(order_id, lambda each: each.order.order_id == order_id)
            if found is None:
                raise KeyError(order_id)
            self._bring_back(found)
        return found

    def of_intent(self, intent_id: str) -> Sequence[ManagedOrder]:
        names = self._by_intent.get(intent_id)
        if names is not None:
            return [self._orders[order_id] for order_id in names]
        found = self._ended.find(intent_id, lambda each: each.intent_id == intent_id)
        return () if found is None else self._bring_back(found)

    def working(self) -> Sequence[ManagedOrder]:
        """Everything that is not final, oldest first."""
        return [each for each in self._orders.values() if not each.order.status.is_final]

    def all(self) -> Sequence[ManagedOrder]:
        """Those that ended long ago first, as they stand; for looks at the whole day, not for the road of an order."""
        return [*self._ended, *self._orders.values()]

    @property
    def count(self) -> int:
        """How many orders there are, packed ones among them."""
        return len(self._ended) + len(self._orders)

    def instrument(self, instrument_key: str) -> Instrument | None:
        """What the first order in it called so; None when no order of the book is in it."""
        return self._instruments.get(instrument_key)

    # -- by other names

    def find(self, told: BrokerOrder) -> ManagedOrder | None:
        """Whose order this is: by the broker's number, else by our tag; None when the desk did not make it."""
        return self.of_broker(told.broker_order_id) or self._of_tag(told.tag)

    def knows_broker_order(self, broker_order_id: str) -> bool:
        return self.of_broker(broker_order_id) is not None

    def pack_ended(self, now_ns: int, kept_ns: int = KEPT_NS, most: int | None = None) -> None:
        """Pack what ended, and was not asked for, for `kept_ns`; looks at no more than `most` intents."""
        self._now_ns = now_ns
        waiting = len(self._to_pack)
        for _ in range(waiting if most is None else min(most, waiting)):
            if now_ns - self._to_pack[0][0] < kept_ns:
                return
            _, intent_id = self._to_pack.popleft()
            orders = [self._orders[order_id] for order_id in self._by_intent.get(intent_id, ())]
            if any(not each.order.status.is_final or now_ns - each.updated_ns < kept_ns for each in orders):
                self._to_pack.append((now_ns, intent_id))
            elif orders:  # else packed with another part of it
                self._ended.put(orders)
                self.let_go(orders)

    # -- for the book that does the orders' life

    def keep(self, managed: ManagedOrder) -> None:
        order_id = managed.order.order_id
        self._orders[order_id] = managed
        self._by_tag[managed.tag] = order_id
        self._by_intent.setdefault(managed.intent_id, []).append(order_id)
        self._instruments.setdefault(managed.order.instrument.key, managed.order.instrument)
        if managed.order.broker_order_id:
            self._by_broker_id[managed.order.broker_order_id] = order_id

    def let_go(self, orders: Iterable[ManagedOrder]) -> None:
        """All orders of an intent."""
        for managed in orders:
            del self._orders[managed.order.order_id]
            del self._by_tag[managed.tag]
            self._by_broker_id.pop(managed.order.broker_order_id or "", None)
            self._by_intent.pop(managed.intent_id, None)

    def _bring_back(self, packed: ManagedOrder) -> Sequence[ManagedOrder]:
        """The orders of its intent live again, for as long as one that has just ended."""
        orders = self._ended.take(packed)
        for managed in orders:
            self.keep(managed)
        self._to_pack.append((self._now_ns, packed.intent_id))
        return orders

    @contextmanager
    def hearing(self, managed: ManagedOrder) -> Iterator[None]:
        """Something is told of an order: one that is packed comes back if that changes it.

        A broker tells its whole day again after every gap, which changes nothing.
        """
        try:
            yield
        finally:
            if managed.order.order_id not in self._orders and self._ended.is_changed(managed):
                self._bring_back(managed)

    def of_broker(self, broker_order_id: str) -> ManagedOrder | None:
        order_id = self._by_broker_id.get(broker_order_id)
        if order_id is not None:
            return self._orders[order_id]
        return self._ended.find(broker_order_id, lambda each: each.order.broker_order_id == broker_order_id)

    def _of_tag(self, tag: str) -> ManagedOrder | None:
        order_id = self._by_tag.get(tag)
        if order_id is not None:
            return self._orders[order_id]
        return self._ended.find(tag, lambda each: each.tag == tag)

    def is_known(self, order_id: str, tag: str) -> bool:
        if order_id in self._orders or self._of_tag(tag) is not None:
            return True
        return self._ended.find(order_id, lambda each: each.order.order_id == order_id) is not None

    def note_end(self, managed: ManagedOrder) -> None:
        if managed.order.status.is_final:
            self._to_pack.append((managed.updated_ns, managed.intent_id))

    def name(self, managed: ManagedOrder, broker_order_id: str) -> None:
        if managed.order.broker_order_id is None:
            managed.order = replace(managed.order, broker_order_id=broker_order_id)
            if managed.order.order_id in self._orders:  # else when it is brought back
                self._by_broker_id[broker_order_id] = managed.order.order_id
