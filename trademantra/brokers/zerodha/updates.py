"""Order updates from the stream, from postbacks and from the book, merged into one stream that tells each once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from trademantra.brokers.orders import BrokerOrder, BrokerTrade
from trademantra.core.order import OrderStatus


class Source(StrEnum):
    """Messages may come late and twice; the book is asked for, and answers with what is true when it is asked."""

    MESSAGE = "message"
    BOOK = "book"


# Times have whole seconds, so several states share one.  Among those the order on its road decides; a change or a
# cancel under way stands beside the road: it may follow and be followed by any working state.
_ROAD = MappingProxyType(
    {
        "PUT ORDER REQ RECEIVED": 0,
        "VALIDATION PENDING": 1,
        "AMO REQ RECEIVED": 1,
        "OPEN PENDING": 2,
        "TRIGGER PENDING": 3,
        "OPEN": 4,
    }
)


@dataclass(slots=True)
class _Known:
    """What was told last of an order; `road` is the furthest place reached; `told_ns` when, by our clock."""

    order: BrokerOrder
    seen: set[BrokerOrder]
    road: int
    told_ns: int


class OrderMerge:
    """Decides which updates are news.  Pure: no clock, no I/O.

    Rules, in this order (specs/brokers.md 12, rule 4):
    1. an exact copy of what was told before is no news, unless the book says it (3);
    2. a terminal state is never undone; a terminal state with more filled than the one told is news;
    3. the filled quantity and the broker's time never go back; at equal filled quantity and time a state further on
       the road wins, and the book, asked after the last word, overrules messages.
    """

    __slots__ = ("_known", "_traded")

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._traded: dict[str, dict[str, BrokerTrade]] = {}

    def offer(self, order: BrokerOrder, source: Source, at_ns: int) -> bool:
        """Whether this is news; then it is what the order is from now on.

        `at_ns`, by our clock: when the message came, or when the book was asked for.
        """
        known = self._known.get(order.broker_order_id)
        if known is None:
            road = _ROAD.get(order.raw_status, 0)
            self._known[order.broker_order_id] = _Known(order, {order}, road, at_ns)
            return True
        if not _is_news(known, order, source, at_ns):
            return False
        known.order = order
        known.seen.add(order)
        known.road = max(known.road, _ROAD.get(order.raw_status, 0))
        known.told_ns = max(known.told_ns, at_ns)
        return True

    def offer_trades(self, trades: Iterable[BrokerTrade]) -> Sequence[BrokerTrade]:
        """Those that were not told yet, in the order of their times."""
        news = []
        for trade in trades:
            told = self._traded.setdefault(trade.broker_order_id, {})
            if trade.trade_id not in told:
                told[trade.trade_id] = trade
                news.append(trade)
        return sorted(news, key=lambda trade: trade.at_ns)

    def lacks_trades(self) -> bool:
        """Whether an order says that it filled more than the trades which were told."""
        return any(
            known.order.filled_quantity
            > sum(trade.quantity for trade in self._traded.get(order_id, {}).values())
            for order_id, known in self._known.items()
            if known.order.filled_quantity
        )

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        """What was told last of an order."""
        known = self._known.get(broker_order_id)
        return None if known is None else known.order

    def forget(self) -> None:
        """A new day: order ids and trade ids begin anew."""
        self._known.clear()
        self._traded.clear()


def _is_news(known: _Known, order: BrokerOrder, source: Source, at_ns: int) -> bool:
    last = known.order
    if order == last or order.filled_quantity < last.filled_quantity:
        return False
    if last.status.is_final:
        return order.status.is_final and order.filled_quantity > last.filled_quantity
    if order.status.is_final or order.filled_quantity > last.filled_quantity:
        return True
    if order.updated_ns != last.updated_ns:
        return order.updated_ns > last.updated_ns
    if source is Source.BOOK and at_ns > known.told_ns:
        return True
    if order in known.seen:
        return False
    beside_the_road = order.status in (OrderStatus.MODIFYING, OrderStatus.CANCELLING)
    return beside_the_road or _ROAD.get(order.raw_status, known.road) >= known.road
