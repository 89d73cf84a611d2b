"""What a wire and a broker do wrong: each scenario is one of the safety rules (specs/brokers.md 12)."""

import asyncio
from collections import Counter
from decimal import Decimal

import pytest

from tests.brokers.contract.story import FINAL, accepted, logged_in, needs_fault, order
from tests.brokers.contract.venue import Fault, Venue
from trademantra.brokers.errors import BrokerError, RateLimitedError, SessionExpiredError
from trademantra.brokers.market import StreamMode
from trademantra.brokers.orders import Accepted, OrderChange, Refused, Unknown
from trademantra.core.order import OrderStatus, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND


async def a_lost_reply_is_unknown_and_found_by_its_tag_exactly_once(venue: Venue) -> None:
    needs_fault(venue, Fault.LOSE_REPLY)
    adapter = venue.adapter
    async with logged_in(venue) as story:
        await venue.inject(Fault.LOSE_REPLY)
        request = order(venue.share, price="90.00")
        assert isinstance(await adapter.place(request), Unknown)
        [found] = await adapter.orders_by_tag(request.tag)
        [there] = await venue.orders_there()
        assert found.broker_order_id == there.order_id
        await story.order_is(found.broker_order_id, OrderStatus.OPEN)

        await venue.inject(Fault.LOSE_REPLY)
        assert isinstance(await adapter.cancel(there.order_id), Unknown)
        await story.order_is(found.broker_order_id, OrderStatus.CANCELLED)


async def a_lost_request_is_unknown_and_not_found(venue: Venue) -> None:
    needs_fault(venue, Fault.LOSE_REQUEST)
    adapter = venue.adapter
    async with logged_in(venue):
        resting = accepted(await adapter.place(order(venue.share, price="90.00")))
        await venue.inject(Fault.LOSE_REQUEST)
        request = order(venue.share, price="91.00")
        assert isinstance(await adapter.place(request), Unknown)
        assert list(await adapter.orders_by_tag(request.tag)) == []
        for change in (OrderChange(quantity=request.quantity * 2), None):
            await venue.inject(Fault.LOSE_REQUEST)
            result = await (adapter.modify(resting, change) if change else adapter.cancel(resting))
            assert isinstance(result, Unknown), result
        [there] = await venue.orders_there()
        assert (there.order_id, there.status, there.quantity) == (resting, OrderStatus.OPEN, Decimal(10))


async def an_order_refused_for_its_rate_is_not_there(venue: Venue) -> None:
    needs_fault(venue, Fault.REFUSE_RATE)
    adapter = venue.adapter
    async with logged_in(venue):
        await venue.inject(Fault.REFUSE_RATE)
        try:
            result = await adapter.place(order(venue.share))
        except RateLimitedError:
            pass
        else:
            assert isinstance(result, Refused), result
        assert not await venue.orders_there()
        accepted(await adapter.place(order(venue.share)))


async def a_burst_stays_below_the_limit_of_orders(venue: Venue) -> None:
    adapter = venue.adapter
    per_second = [limit.count for limit in adapter.manifest.limits.get("orders", ()) if limit.seconds == 1]
    if not per_second:
        pytest.skip(f"{adapter.manifest.name}: its manifest declares no limit of orders a second")
    async with logged_in(venue):
        burst = [order(venue.share, quantity=1, price="90.00") for _ in range(per_second[0] + 3)]
        results = await asyncio.gather(*map(adapter.place, burst), return_exceptions=True)
        assert all(isinstance(result, Accepted | Refused | RateLimitedError) for result in results), results
        there = await venue.orders_there()
        assert Counter(one.tag for one in there) == Counter(
            request.tag
            for request, result in zip(burst, results, strict=True)
            if isinstance(result, Accepted)
        )
        seconds = Counter(one.received_ns // NANOSECONDS_PER_SECOND for one in there)
        assert max(seconds.values()) <= per_second[0]


async def a_book_that_cannot_be_read_is_an_error(venue: Venue) -> None:
    needs_fault(venue, Fault.FAIL_READS)
    adapter = venue.adapter
    async with logged_in(venue) as story:
        bought = accepted(await adapter.place(order(venue.share)))
        await venue.move(venue.share, "99.00")
        await story.filled(bought, 10)
        await venue.inject(Fault.FAIL_READS)
        for read in (adapter.orders, adapter.trades, adapter.positions, adapter.holdings, adapter.funds):
            with pytest.raises(BrokerError) as caught:
                await read()
            assert not isinstance(caught.value, SessionExpiredError)
        with pytest.raises(BrokerError):
            await adapter.orders_by_tag("any")
        await venue.clear_faults()
        [position] = await adapter.positions()
        assert position.quantity == 10


async def what_happened_while_the_stream_was_down_is_told_once(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue) as story:
        await adapter.subscribe([venue.share], StreamMode.LTP)
        resting = accepted(await adapter.place(order(venue.share, price="99.00")))
        await story.order_is(resting, OrderStatus.OPEN)
        async with venue.stream_down():
            await venue.move(venue.share, "98.00")
            later = accepted(await adapter.place(order(venue.share, Side.SELL, price="105.00")))
        await story.filled(resting, 10)
        await story.order_is(later, OrderStatus.OPEN)
        await venue.move(venue.share, "106.00")
        await story.filled(later, 10)


async def updates_that_come_twice_are_told_once(venue: Venue) -> None:
    needs_fault(venue, Fault.DUPLICATE_UPDATES)
    await _a_busy_minute(venue, Fault.DUPLICATE_UPDATES)


async def updates_that_overtake_each_other_never_undo_an_end(venue: Venue) -> None:
    needs_fault(venue, Fault.REORDER_UPDATES)
    await _a_busy_minute(venue, Fault.REORDER_UPDATES)


async def _a_busy_minute(venue: Venue, fault: Fault) -> None:
    """Fills in parts, changes and cancels; `Story.check` judges what was told."""
    adapter = venue.adapter
    async with logged_in(venue) as story:
        await adapter.subscribe([venue.share], StreamMode.LTP)
        await venue.inject(fault)
        filled, cancelled = [], []
        for _ in range(3):
            filled.append(accepted(await adapter.place(order(venue.share, quantity=30, price="100.00"))))
            cancelled.append(accepted(await adapter.place(order(venue.share, quantity=5, price="80.00"))))
        for _ in range(5):
            await venue.move(venue.share, "99.00", volume=18)
        for order_id in cancelled:
            accepted(await adapter.modify(order_id, OrderChange(quantity=order(venue.share).quantity)))
            accepted(await adapter.cancel(order_id))
        for order_id in filled:
            await story.filled(order_id, 30)
        for order_id in cancelled:
            await story.order_is(order_id, OrderStatus.CANCELLED)
        await venue.clear_faults()
        last = accepted(await adapter.place(order(venue.share, price="70.00")))
        await story.order_is(last, OrderStatus.OPEN)
        assert all(story.orders(order_id)[-1].status in FINAL for order_id in filled + cancelled)


SCENARIOS = (
    a_lost_reply_is_unknown_and_found_by_its_tag_exactly_once,
    a_lost_request_is_unknown_and_not_found,
    an_order_refused_for_its_rate_is_not_there,
    a_burst_stays_below_the_limit_of_orders,
    a_book_that_cannot_be_read_is_an_error,
    what_happened_while_the_stream_was_down_is_told_once,
    updates_that_come_twice_are_told_once,
    updates_that_overtake_each_other_never_undo_an_end,
)
