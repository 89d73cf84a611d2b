"""What scenarios share: a logged-in adapter, orders with tags, and waiting for what is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count, pairwise
from typing import TypeVar

import pytest

from tests.brokers.contract.venue import Fault, Venue
from trademantra.brokers.events import BrokerEvent, OrderUpdate, TradeUpdate
from trademantra.brokers.manifest import Feature
from trademantra.brokers.orders import (
    AUTOMATIC_PROTECTION,
    Accepted,
    BrokerOrder,
    BrokerTrade,
    OrderRequest,
    PlaceResult,
)
from trademantra.core.instrument import Instrument
from trademantra.core.order import OrderStatus, OrderType, Product, Side

Event = TypeVar("Event")

FINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED})


def needs_fault(venue: Venue, fault: Fault) -> None:
    if fault not in venue.faults:
        pytest.skip(f"{venue.adapter.manifest.name}: its venue cannot produce {fault}")


def needs_feature(venue: Venue, feature: Feature) -> None:
    if feature not in venue.adapter.manifest.features:
        pytest.skip(f"{venue.adapter.manifest.name}: its manifest does not declare {feature}")


def needs_type(venue: Venue, order_type: OrderType) -> None:
    if order_type not in venue.adapter.manifest.order_types:
        pytest.skip(f"{venue.adapter.manifest.name}: its manifest does not declare {order_type}")


class Story:
    """Everything that the adapter told, and the place to wait for more."""

    def __init__(self) -> None:
        self.events: list[BrokerEvent] = []
        self._changed = asyncio.Event()
        self.ended = False

    async def listen(self, events: AsyncIterator[BrokerEvent]) -> None:
        async for event in events:
            self.events.append(event)
            self._changed.set()
        self.ended = True
        self._changed.set()

    async def until(self, holds: Callable[["Story"], bool]) -> None:
        """Wait until it holds; the runner's time limit ends a wait in vain."""
        while not holds(self):
            assert not self.ended, f"the events ended before it held: {self.events}"
            self._changed.clear()
            await self._changed.wait()

    def orders(self, order_id: str) -> list[BrokerOrder]:
        """Every state of an order that was told, in order."""
        return [
            event.order
            for event in self.events
            if isinstance(event, OrderUpdate) and event.order.broker_order_id == order_id
        ]

    def trades(self, order_id: str) -> list[BrokerTrade]:
        return [
            event.trade
            for event in self.events
            if isinstance(event, TradeUpdate) and event.trade.broker_order_id == order_id
        ]

    def newest_orders(self) -> list[BrokerOrder]:
        """The last state that was told of each order."""
        return list(
            {e.order.broker_order_id: e.order for e in self.events if isinstance(e, OrderUpdate)}.values()
        )

    def of_tag(self, tag: str) -> list[BrokerOrder]:
        return [one for one in self.newest_orders() if one.tag == tag]

    def filled_of_tag(self, tag: str) -> Decimal:
        return sum((one.filled_quantity for one in self.of_tag(tag)), Decimal(0))

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def order_is(self, order_id: str, *statuses: OrderStatus) -> BrokerOrder:
        """Wait until the last state that was told of an order is one of these."""
        await self.until(lambda story: bool(told := story.orders(order_id)) and told[-1].status in statuses)
        return self.orders(order_id)[-1]

    async def filled(self, order_id: str, quantity: int) -> BrokerOrder:
        """Wait until that much is filled and all its trades are told."""
        await self.until(
            lambda story: (
                bool(told := story.orders(order_id))
                and told[-1].filled_quantity == quantity
                and sum(trade.quantity for trade in story.trades(order_id)) >= quantity
            )
        )
        return self.orders(order_id)[-1]

    def check(self) -> None:
        """What holds of every story: nothing twice, no way back from an end, trades add up."""
        for order_id in {e.order.broker_order_id for e in self.events if isinstance(e, OrderUpdate)}:
            told = self.orders(order_id)
            for before, after in pairwise(told):
                assert before != after, f"told twice: {after}"
                assert before.status not in FINAL, f"{after} after the end {before}"
                assert before.filled_quantity <= after.filled_quantity, f"{after} goes behind {before}"
            trades = self.trades(order_id)
            assert len({trade.trade_id for trade in trades}) == len(trades), f"a trade twice: {trades}"
            assert sum(trade.quantity for trade in trades) <= told[-1].quantity


@asynccontextmanager
async def logged_in(venue: Venue) -> AsyncIterator[Story]:
    """The adapter after its login, its instruments known, its events read, its stream open."""
    story = Story()
    adapter = venue.adapter
    await adapter.complete_login(await venue.login_answer())
    await adapter.instruments()
    reader = asyncio.create_task(story.listen(adapter.events()))
    try:
        yield story
    finally:
        await adapter.close()
        await reader
    story.check()


_TAGS = count(1)


def order(
    instrument: Instrument,
    side: Side = Side.BUY,
    quantity: int = 10,
    order_type: OrderType = OrderType.LIMIT,
    price: str | None = "100.00",
    trigger: str | None = None,
    product: Product = Product.MIS,
    **terms: object,
) -> OrderRequest:
    """A request with a tag of its own.  MARKET and SL-M are protected by the broker's slab, as since 2026-04-01."""
    return OrderRequest(
        instrument=instrument,
        side=side,
        quantity=Decimal(quantity),
        order_type=order_type,
        product=product,
        tag=f"contract{next(_TAGS)}",
        price=Decimal(price) if price is not None and order_type.has_limit else None,
        trigger_price=None if trigger is None else Decimal(trigger),
        market_protection=None if order_type.has_limit else AUTOMATIC_PROTECTION,
        **terms,  # type: ignore[arg-type]
    )


def accepted(result: PlaceResult) -> str:
    """The order's id; a refusal or an unknown fails the scenario."""
    assert isinstance(result, Accepted), result
    return result.broker_order_id
