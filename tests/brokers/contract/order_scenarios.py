"""Orders of every type, their changes and their ends."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial

import pytest

from tests.brokers.contract.story import FINAL, accepted, logged_in, needs_feature, needs_type, order
from tests.brokers.contract.venue import Venue
from trademantra.brokers.manifest import Feature
from trademantra.brokers.market import StreamMode
from trademantra.brokers.orders import Accepted, OrderChange, OrderRequest, Refused, Variety
from trademantra.core.order import OrderStatus, OrderType, Product, Side, Validity

Moves = tuple[str, ...]


def request_of(venue: Venue, order_type: OrderType, side: Side) -> tuple[OrderRequest, Moves]:
    """An order that does not fill at 100, and the prices that then fill it."""
    buys = side is Side.BUY
    match order_type:
        case OrderType.MARKET:
            return order(venue.share, side, order_type=order_type), ("100.00", "100.05")
        case OrderType.LIMIT:
            return order(venue.share, side, price="98.00" if buys else "102.00"), (
                "97.90" if buys else "102.10",
            )
        case OrderType.SL:
            price, trigger = ("102.50", "102.00") if buys else ("97.50", "98.00")
            moves = ("102.05", "102.10") if buys else ("97.95", "97.90")
            return order(venue.share, side, order_type=order_type, price=price, trigger=trigger), moves
        case OrderType.SL_M:
            moves = ("102.05", "102.10") if buys else ("97.95", "97.90")
            return order(
                venue.share, side, order_type=order_type, trigger="102.00" if buys else "98.00"
            ), moves


async def an_order_rests_and_fills(venue: Venue, order_type: OrderType, side: Side) -> None:
    needs_type(venue, order_type)
    adapter = venue.adapter
    async with logged_in(venue) as story:
        await venue.move(venue.share, "100.00")
        request, moves = request_of(venue, order_type, side)
        order_id = accepted(await adapter.place(request))
        if order_type is not OrderType.MARKET:
            resting = OrderStatus.TRIGGER_PENDING if order_type.has_trigger else OrderStatus.OPEN
            shown = await story.order_is(order_id, resting)
            assert (shown.price, shown.trigger_price) == (request.price, request.trigger_price)
        for price in moves:
            await venue.move(venue.share, price)
        done = await story.filled(order_id, 10)
        assert done.status is OrderStatus.FILLED
        assert (done.side, done.order_type, done.product, done.tag) == (
            side,
            order_type,
            Product.MIS,
            request.tag,
        )
        trades = story.trades(order_id)
        paid = sum(trade.price * trade.quantity for trade in trades)
        assert done.average_price == paid / sum(trade.quantity for trade in trades)
        assert all(trade.price % venue.share.tick_size == 0 and trade.side is side for trade in trades)
        [there] = await venue.orders_there()
        assert (there.order_id, there.tag, there.filled_quantity) == (order_id, request.tag, Decimal(10))
        [shown] = await adapter.orders_by_tag(request.tag)
        assert shown.status is OrderStatus.FILLED
        assert [trade.broker_order_id for trade in await adapter.trades()] == [order_id] * len(trades)


async def an_order_is_changed_and_cancelled(venue: Venue, order_type: OrderType) -> None:
    needs_type(venue, order_type)
    adapter = venue.adapter
    async with logged_in(venue) as story:
        await venue.move(venue.share, "100.00")
        request, _ = request_of(venue, order_type, Side.BUY)
        order_id = accepted(await adapter.place(request))
        resting = await story.order_is(order_id, OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING)
        price = Decimal("103.50") if order_type is OrderType.SL else Decimal("97.00")
        change = OrderChange(
            quantity=Decimal(20),
            price=price if order_type.has_limit else None,
            trigger_price=Decimal("103.00") if order_type.has_trigger else None,
        )
        accepted(await adapter.modify(order_id, change))
        await story.until(lambda s: s.orders(order_id)[-1].quantity == 20)
        changed = await story.order_is(order_id, resting.status)
        assert changed.trigger_price == change.trigger_price
        assert changed.price == change.price

        accepted(await adapter.cancel(order_id))
        ended = await story.order_is(order_id, OrderStatus.CANCELLED)
        assert (ended.filled_quantity, ended.cancelled_quantity) == (Decimal(0), Decimal(20))
        assert isinstance(await adapter.cancel(order_id), Refused)
        assert isinstance(await adapter.modify(order_id, change), Refused)
        await venue.move(venue.share, "90.00")
        await venue.move(venue.share, "110.00")
        [there] = await venue.orders_there()
        assert (there.status, there.filled_quantity) == (OrderStatus.CANCELLED, Decimal(0))


async def a_big_order_fills_in_parts(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue) as story:
        order_id = accepted(await adapter.place(order(venue.share, quantity=100, price="100.00")))
        await venue.move(venue.share, "99.00", volume=40)
        part = await story.filled(order_id, 40)
        assert part.status is OrderStatus.PARTLY_FILLED
        assert part.average_price == Decimal("99.00") or part.average_price == Decimal("100.00")
        await venue.move(venue.share, "98.00", volume=25)
        await story.filled(order_id, 65)
        accepted(await adapter.cancel(order_id))
        ended = await story.order_is(order_id, OrderStatus.CANCELLED)
        assert (ended.filled_quantity, ended.cancelled_quantity) == (Decimal(65), Decimal(35))
        assert sum(trade.quantity for trade in story.trades(order_id)) == 65


async def what_the_risk_system_rejects_is_no_refusal_but_a_rejected_order(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue) as story:
        many = int(venue.cash / 100 * 10)
        order_id = accepted(await adapter.place(order(venue.share, quantity=many, product=Product.CNC)))
        rejected = await story.order_is(order_id, OrderStatus.REJECTED)
        assert rejected.message
        assert rejected.filled_quantity == 0
        [there] = await venue.orders_there()
        assert there.status is OrderStatus.REJECTED


async def a_request_that_cannot_be_is_refused_and_leaves_nothing(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue):
        off_the_tick = await adapter.place(order(venue.share, price="100.03"))
        assert isinstance(off_the_tick, Refused), off_the_tick
        assert off_the_tick.reason
        part_of_a_lot = await adapter.place(
            order(venue.contract, quantity=1, price="1000.00", product=Product.NRML)
        )
        if isinstance(part_of_a_lot, Accepted):  # some risk systems take it and reject it
            [there] = await venue.orders_there()
            assert there.status is OrderStatus.REJECTED
        else:
            assert isinstance(part_of_a_lot, Refused), part_of_a_lot
            assert not await venue.orders_there()
        assert isinstance(await adapter.cancel("999999"), Refused)
        assert isinstance(await adapter.modify("999999", OrderChange(price=Decimal(99))), Refused)


async def a_market_order_without_protection_is_refused_or_protected(venue: Venue) -> None:
    if not venue.adapter.manifest.market_needs_protection:
        pytest.skip(f"{venue.adapter.manifest.name}: its manifest takes market orders without protection")
    adapter = venue.adapter
    async with logged_in(venue) as story:
        await venue.move(venue.share, "100.00")
        request = OrderRequest(
            instrument=venue.share,
            side=Side.BUY,
            quantity=Decimal(10),
            order_type=OrderType.MARKET,
            product=Product.MIS,
            tag="unprotected",
        )
        result = await adapter.place(request)
        if isinstance(result, Refused):
            assert not await venue.orders_there()
            return
        # A gap far beyond the slab must not fill it.
        await venue.move(venue.share, "140.00")
        [there] = await venue.orders_there()
        assert there.filled_quantity == 0
        await venue.move(venue.share, "100.00")
        await story.filled(accepted(result), 10)


async def an_immediate_order_leaves_nothing_behind(venue: Venue) -> None:
    adapter = venue.adapter
    if Validity.IOC not in adapter.manifest.validities:
        pytest.skip(f"{adapter.manifest.name}: its manifest does not declare IOC")
    async with logged_in(venue) as story:
        await venue.move(venue.share, "100.00")
        order_id = accepted(await adapter.place(order(venue.share, price="95.00", validity=Validity.IOC)))
        await venue.move(venue.share, "100.00")
        ended = await story.order_is(order_id, OrderStatus.CANCELLED, OrderStatus.EXPIRED)
        assert ended.filled_quantity == 0
        await venue.move(venue.share, "94.00")
        [there] = await venue.orders_there()
        assert there.filled_quantity == 0


async def an_order_for_minutes_ends_by_itself(venue: Venue) -> None:
    adapter = venue.adapter
    if Validity.TTL not in adapter.manifest.validities:
        pytest.skip(f"{adapter.manifest.name}: its manifest does not declare TTL")
    async with logged_in(venue) as story:
        await venue.move(venue.share, "100.00")
        order_id = accepted(
            await adapter.place(order(venue.share, price="95.00", validity=Validity.TTL, ttl_minutes=1))
        )
        await story.order_is(order_id, OrderStatus.OPEN)
        for _ in range(61):
            await venue.move(venue.share, "100.00")
        ended = await story.order_is(order_id, OrderStatus.CANCELLED, OrderStatus.EXPIRED)
        assert ended.filled_quantity == 0


async def an_iceberg_shows_one_leg_at_a_time(venue: Venue) -> None:
    adapter = venue.adapter
    if Variety.ICEBERG not in adapter.manifest.varieties:
        pytest.skip(f"{adapter.manifest.name}: its manifest does not declare icebergs")
    async with logged_in(venue) as story:
        await venue.move(venue.share, "100.00")
        # the smallest value that brokers take as an iceberg lies near one lakh rupees
        request = order(venue.share, quantity=2000, price="99.00", variety=Variety.ICEBERG, legs=2)
        accepted(await adapter.place(request))
        await story.until(lambda s: bool(s.of_tag(request.tag)))
        [leg] = await venue.orders_there()
        assert leg.quantity == 1000
        await venue.move(venue.share, "98.00")
        await story.until(lambda s: s.filled_of_tag(request.tag) >= 1000)
        await venue.move(venue.share, "98.00")
        await story.until(lambda s: s.filled_of_tag(request.tag) == 2000)
        assert [there.quantity for there in await venue.orders_there()] == [1000, 1000]


async def a_cover_order_brings_its_stop(venue: Venue) -> None:
    adapter = venue.adapter
    if Variety.COVER not in adapter.manifest.varieties:
        pytest.skip(f"{adapter.manifest.name}: its manifest does not declare cover orders")
    async with logged_in(venue) as story:
        await venue.move(venue.share, "100.00")
        request = order(venue.share, price="99.00", trigger="95.00", variety=Variety.COVER)
        entry = accepted(await adapter.place(request))
        await venue.move(venue.share, "98.00")
        await story.filled(entry, 10)
        await story.until(
            lambda s: any(
                one.parent_order_id == entry and one.status is OrderStatus.TRIGGER_PENDING
                for one in s.newest_orders()
            )
        )
        await venue.move(venue.share, "94.00")
        await venue.move(venue.share, "94.00")
        await story.until(
            lambda s: any(
                one.parent_order_id == entry and one.status is OrderStatus.FILLED for one in s.newest_orders()
            )
        )
        [position] = await adapter.positions()
        assert position.quantity == 0


async def an_order_above_the_freeze_quantity_is_sliced(venue: Venue) -> None:
    needs_feature(venue, Feature.SLICING)
    adapter = venue.adapter
    freeze, lot = venue.contract.freeze_quantity, venue.contract.lot_size
    assert freeze is not None
    async with logged_in(venue) as story:
        await venue.move(venue.contract, "1000.00")
        quantity = int(freeze * 2 + lot)
        request = order(
            venue.contract, quantity=quantity, price="990.00", product=Product.NRML, slice_automatically=True
        )
        result = await adapter.place(request)
        assert isinstance(result, Accepted), result
        there = {one.order_id: one for one in await venue.orders_there()}
        assert set(result.children) == set(there)
        assert len(result.children) == 3
        assert sum(one.quantity for one in there.values()) == quantity
        assert all(one.quantity <= freeze and one.quantity % lot == 0 for one in there.values())
        assert {one.tag for one in there.values()} == {request.tag}
        found = await adapter.orders_by_tag(request.tag)
        assert {one.broker_order_id for one in found} == set(result.children)
        for child in result.children:
            await story.order_is(child, OrderStatus.OPEN, *FINAL)


async def quantities_are_units(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue) as story:
        await venue.move(venue.contract, "1000.00")
        lot = int(venue.contract.lot_size)
        order_id = accepted(
            await adapter.place(
                order(venue.contract, quantity=2 * lot, price="1000.00", product=Product.NRML)
            )
        )
        await venue.move(venue.contract, "999.00")
        await story.filled(order_id, 2 * lot)
        [there] = await venue.orders_there()
        assert there.quantity == 2 * lot
        [position] = await adapter.positions()
        assert (position.instrument, position.quantity) == (venue.contract, Decimal(2 * lot))


async def a_tag_that_nobody_used_finds_nothing(venue: Venue) -> None:
    async with logged_in(venue):
        accepted(await venue.adapter.place(order(venue.share, price="90.00")))
        assert list(await venue.adapter.orders_by_tag("neverused")) == []
        await venue.adapter.subscribe([venue.share], StreamMode.LTP)


def _named(scenario: Callable[..., Awaitable[None]], *terms: str) -> Callable[[Venue], Awaitable[None]]:
    kinds = [OrderType(terms[0]), *(Side(side) for side in terms[1:])]
    made = partial(scenario, **dict(zip(("order_type", "side"), kinds, strict=False)))
    made.__name__ = f"{scenario.__name__}[{' '.join(terms)}]"  # type: ignore[attr-defined]
    return made


SCENARIOS = (
    *(
        _named(an_order_rests_and_fills, order_type, side)
        for order_type in ("MARKET", "LIMIT", "SL", "SL-M")
        for side in ("BUY", "SELL")
    ),
    *(_named(an_order_is_changed_and_cancelled, order_type) for order_type in ("LIMIT", "SL", "SL-M")),
    a_big_order_fills_in_parts,
    what_the_risk_system_rejects_is_no_refusal_but_a_rejected_order,
    a_request_that_cannot_be_is_refused_and_leaves_nothing,
    a_market_order_without_protection_is_refused_or_protected,
    an_immediate_order_leaves_nothing_behind,
    an_order_for_minutes_ends_by_itself,
    an_iceberg_shows_one_leg_at_a_time,
    a_cover_order_brings_its_stop,
    an_order_above_the_freeze_quantity_is_sliced,
    quantities_are_units,
    a_tag_that_nobody_used_finds_nothing,
)
