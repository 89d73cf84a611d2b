"""A position goes to another product at the broker and in the ledger, or neither."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.brokers.contract.simulated import SHARE
from tests.trading.algos.scene import run
from tests.trading.test_account_desk import intent
from trademantra.brokers.errors import BrokerError
from trademantra.brokers.paper.link import Mishap, RequestKind
from trademantra.core.errors import InvalidValueError
from trademantra.core.order import OrderType, Product, Side
from trademantra.trading.conversion import ConversionParts, ConversionUnknownError, convert_product, split
from trademantra.trading.desk_events import RefusedIntentError
from trademantra.trading.intents import Purpose
from trademantra.trading.order_store import OrderStore
from trademantra.trading.orders import PositionKey
from trademantra.trading.positions import HeldPosition

OLD, NEW = PositionKey("s1", SHARE.key, Product.MIS), PositionKey("s1", SHARE.key, Product.CNC)


def converted(made, quantity, key=OLD, product=Product.CNC):
    def follow(old, stays, new, joined):
        made.moved = [(old, stays.quantity), (new, joined.quantity)]
        made.gate.converted(old, stays, new, joined)

    parts = ConversionParts(
        adapter=made.adapter, book=made.desk.book, store=OrderStore(made.database), journal=made.journal,
        lease=made.lease, bus=made.bus, converted=follow,
    )  # fmt: skip
    return convert_product(parts, SHARE, key, Decimal(quantity), product, overnight=False)


@given(
    quantity=st.integers(-500, 500).filter(bool),
    cost=st.integers(1, 10**9),
    part=st.integers(1, 500),
)
def test_nothing_of_quantity_and_cost_is_lost_in_a_split(quantity, cost, part):
    sign = 1 if quantity > 0 else -1
    position = HeldPosition(Decimal(quantity), sign * Decimal(cost).scaleb(-4), Decimal(7), Decimal(2))
    if part > abs(quantity):
        with pytest.raises(InvalidValueError):
            split(position, Decimal(part))
        return
    stays, goes = split(position, Decimal(part))
    assert (stays.quantity + goes.quantity, stays.cost + goes.cost) == (position.quantity, position.cost)
    assert (stays.realised, stays.charges) == (7, 2)
    assert abs(goes.quantity) == part


def test_a_part_goes_to_the_other_product_and_a_restart_finds_it_there(url):
    async def scenario(made):
        await made.desk.submit(intent("i1"))
        await made.settle()
        await made.prices("100.00")
        await converted(made, 4)
        assert made.moved == [(OLD, 6), (NEW, 4)]
        assert made.held_here() == made.held_there()
        await made.die()
        await made.start()
        positions = made.desk.book.positions
        assert (positions[OLD].quantity, positions[OLD].cost) == (6, 600)
        assert (positions[NEW].quantity, positions[NEW].cost) == (4, 400)
        assert made.held_here() == made.held_there()

    run(scenario, url)


def test_what_cannot_be_converted_changes_nothing(url):
    async def scenario(made):
        await made.desk.submit(intent("i1"))
        await made.settle()
        await made.prices("100.00")
        with pytest.raises(InvalidValueError, match="cannot be converted"):
            await converted(made, 11)
        with pytest.raises(InvalidValueError, match="already"):
            await converted(made, 1, product=Product.MIS)
        with pytest.raises(BrokerError):
            await converted(made, 1, product=Product.NRML)
        await made.desk.submit(intent("i2", order_type=OrderType.LIMIT, price=Decimal(90)))
        with pytest.raises(RefusedIntentError, match="orders work"):
            await converted(made, 1)
        assert made.held_here() == {(SHARE.key, Product.MIS): 10}

    run(scenario, url)


def test_what_is_sold_while_it_converts_is_booked_as_the_broker_has_it_and_a_person_is_called(url):
    async def scenario(made):
        await made.desk.submit(intent("i1"))
        await made.settle()
        await made.prices("100.00")
        convert = made.adapter.convert

        async def late(*words, **more):
            await convert(*words, **more)
            await made.desk.submit(intent("out", Side.SELL, 7, purpose=Purpose.EXIT))
            await made.settle()
            await made.prices("101.00")

        made.adapter.convert = late
        await converted(made, 10)
        assert made.held_here() == made.held_there() == {
            (SHARE.key, Product.MIS): -7, (SHARE.key, Product.CNC): 10,
        }  # fmt: skip
        assert made.moved == [(OLD, -7), (NEW, 10)]
        assert any("while they were sold" in reason for _, reason in made.persons())

    run(scenario, url)


def test_a_lost_reply_is_unknown_and_a_person_is_called(url):
    async def scenario(made):
        await made.desk.submit(intent("i1"))
        await made.settle()
        await made.prices("100.00")
        made.link.plan(RequestKind.BOOK, Mishap.LOSE_REPLY)
        with pytest.raises(ConversionUnknownError):
            await converted(made, 4)
        assert made.held_here() == {(SHARE.key, Product.MIS): 10}
        assert any("not known whether" in reason for _, reason in made.persons())

    run(scenario, url)
