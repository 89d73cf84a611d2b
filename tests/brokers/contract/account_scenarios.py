"""Positions, holdings, funds and conversion."""

from decimal import Decimal

import pytest

from tests.brokers.contract.story import accepted, logged_in, needs_feature, order
from tests.brokers.contract.venue import Venue
from trademantra.brokers.errors import BrokerError
from trademantra.brokers.manifest import Feature
from trademantra.core.order import Product, Side


async def a_fill_moves_positions_and_funds(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue) as story:
        assert list(await adapter.positions()) == []
        assert list(await adapter.holdings()) == []
        before = {one.segment: one for one in await adapter.funds()}
        assert max(one.available for one in before.values()) == venue.cash
        bought = accepted(await adapter.place(order(venue.share, quantity=100, product=Product.CNC)))
        await venue.move(venue.share, "99.00")
        done = await story.filled(bought, 100)
        assert done.average_price is not None
        [position] = await adapter.positions()
        assert (position.instrument, position.product, position.quantity) == (
            venue.share,
            Product.CNC,
            Decimal(100),
        )
        assert position.average_price == done.average_price
        assert position.buy_value == done.average_price * 100
        funds = {one.segment: one for one in await adapter.funds()}
        spent = [before[name].available - funds[name].available for name in funds]
        assert max(spent) == done.average_price * 100

        sold = accepted(
            await adapter.place(order(venue.share, Side.SELL, 100, price="101.00", product=Product.CNC))
        )
        await venue.move(venue.share, "102.00")
        done = await story.filled(sold, 100)
        [position] = await adapter.positions()
        assert position.quantity == 0
        assert position.realised == position.sell_value - position.buy_value > 0


async def a_position_is_converted(venue: Venue) -> None:
    needs_feature(venue, Feature.CONVERT)
    adapter = venue.adapter
    async with logged_in(venue) as story:
        bought = accepted(await adapter.place(order(venue.share, quantity=50)))
        await venue.move(venue.share, "99.00")
        await story.filled(bought, 50)
        await adapter.convert(venue.share, Side.BUY, Decimal(50), Product.MIS, Product.CNC, overnight=False)
        held = {one.product: one.quantity for one in await adapter.positions() if one.quantity}
        assert held == {Product.CNC: 50}
        with pytest.raises(BrokerError):
            await adapter.convert(
                venue.share, Side.BUY, Decimal(50), Product.MIS, Product.CNC, overnight=False
            )


SCENARIOS = (a_fill_moves_positions_and_funds, a_position_is_converted)
