"""A broker that says "too many requests" took nothing: what closes a position is sent again, in the order's own name."""

from decimal import Decimal

from tests.brokers.contract.simulated import SHARE
from tests.trading.test_account_desk import check, intent, status
from trademantra.brokers.orders import OrderChange
from trademantra.brokers.paper.link import Mishap, RequestKind
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.trading.desk_events import ChangeRefused
from trademantra.trading.intents import Purpose

STOP = {"order_type": OrderType.SL_M, "trigger_price": Decimal(95)}


async def held(made):
    await made.desk.submit(intent("held"))
    await made.price(SHARE, "100.00")
    assert made.held_here() == {(SHARE.key, Product.MIS): 10}


def way_out(name="out", **words):
    return intent(name, Side.SELL, purpose=Purpose.EXIT, **words)


def test_an_exit_that_came_too_fast_is_sent_again_and_once(url):
    async def scenario(made):
        await held(made)
        made.link.plan(RequestKind.ORDERS, Mishap.REFUSE_RATE, 3)
        [out] = await made.desk.submit(way_out())
        await made.settle()
        assert status(made, out.order.order_id) is OrderStatus.SENT
        await made.wait(6)  # after 1, 1 and 2 seconds
        await made.price(SHARE, "100.00")
        assert status(made, out.order.order_id) is OrderStatus.FILLED
        assert len(made.orders_there()) == 2
        assert not made.held_here()

    check(scenario, url)


def test_at_last_it_is_rejected_and_whoever_sent_it_hears_so(url):
    async def scenario(made):
        await held(made)
        made.link.plan(RequestKind.ORDERS, Mishap.REFUSE_RATE, 4)
        [out] = await made.desk.submit(way_out())
        await made.wait(6)
        assert status(made, out.order.order_id) is OrderStatus.REJECTED
        assert "too many" in out.order.reason

    check(scenario, url)


def test_one_that_waits_to_be_sent_again_can_be_cancelled_and_survives_a_death(url):
    async def scenario(made):
        await held(made)
        made.link.plan(RequestKind.ORDERS, Mishap.REFUSE_RATE, 1)
        [out] = await made.desk.submit(way_out())
        await made.settle()
        await made.desk.cancel(out.order.order_id)
        await made.wait(2)
        assert status(made, out.order.order_id) is OrderStatus.CANCELLED
        made.link.plan(RequestKind.ORDERS, Mishap.REFUSE_RATE, 1)
        [out] = await made.desk.submit(way_out("out again"))
        await made.settle()
        await made.die()
        await made.start()
        await made.wait(30)
        assert status(made, out.order.order_id) is OrderStatus.ABSENT
        assert len(made.orders_there()) == 1

    check(scenario, url)


def test_an_entry_that_came_too_fast_is_refused_at_once(url):
    async def scenario(made):
        made.link.plan(RequestKind.ORDERS, Mishap.REFUSE_RATE, 1)
        [entry] = await made.desk.submit(intent("i1"))
        await made.settle()
        assert status(made, entry.order.order_id) is OrderStatus.REJECTED

    check(scenario, url)


def test_a_change_of_an_exit_that_came_too_fast_is_sent_again(url):
    async def scenario(made):
        heard = []
        made.desk.listen(heard.append)
        await held(made)
        [stop] = await made.desk.submit(way_out("stop", **STOP))
        await made.settle()
        made.link.plan(RequestKind.ORDERS, Mishap.REFUSE_RATE, 2)
        await made.desk.modify(stop.order.order_id, OrderChange(trigger_price=Decimal(96)))
        await made.settle()
        assert status(made, stop.order.order_id) is OrderStatus.MODIFYING
        await made.wait(5)
        assert status(made, stop.order.order_id) is OrderStatus.TRIGGER_PENDING
        assert stop.order.trigger_price == 96
        assert not [each for each in heard if isinstance(each, ChangeRefused)]

    check(scenario, url)
