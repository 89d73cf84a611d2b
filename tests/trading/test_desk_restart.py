"""What a new process makes of orders that the old one left half done: hours later, a day later, or too early."""

from decimal import Decimal

from tests.brokers.contract.simulated import SHARE, trade
from tests.trading.test_account_desk import check, intent, status
from trademantra.brokers.paper.link import Mishap, RequestKind
from trademantra.core.order import OrderStatus, OrderType, Product
from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.trading.desk_events import PersonNeeded
from trademantra.trading.policy import OrderPolicy

RESTING = {"order_type": OrderType.LIMIT, "price": Decimal(95)}


def test_a_restored_order_may_have_left_in_the_last_instant_before_the_restart(url):
    """Journaled, and then half a minute in the outbox: it counts from the restart, not from when it was journaled."""

    async def scenario(made):
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REQUEST)
        [managed] = await made.desk.submit(intent("i1", **RESTING))
        await made.die()
        made.timer.advance_to(made.timer.now_ns() + 30 * SECOND)
        await made.start()
        await made.wait(8)
        assert status(made, managed.order.order_id) is OrderStatus.UNKNOWN
        await made.wait(12)
        assert status(made, managed.order.order_id) is OrderStatus.ABSENT

    check(scenario, url)


def test_a_cancellation_that_was_acknowledged_is_carried_out_after_a_restart(url):
    async def scenario(made):
        [managed] = await made.desk.submit(intent("i1", **RESTING))
        await made.settle()
        for number in range(9):  # the second is full: the cancellation waits in the outbox
            await made.desk.submit(intent(f"e{number}", **RESTING))
        await made.desk.cancel(managed.order.order_id)
        assert status(made, managed.order.order_id) is OrderStatus.CANCELLING
        await made.die()
        await made.start()
        await made.wait(5)
        assert status(made, managed.order.order_id) is OrderStatus.CANCELLED
        assert made.orders_there()[0].status is OrderStatus.CANCELLED

    check(scenario, url)


def test_what_an_order_of_yesterday_filled_is_a_question_for_a_person(url):
    async def scenario(made):
        [rests] = await made.desk.submit(intent("rests", **RESTING))
        await made.settle()
        made.link.cut_stream()
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REPLY)
        [unknown] = await made.desk.submit(intent("unknown", order_type=OrderType.LIMIT, price=Decimal(94)))
        await made.settle()
        assert status(made, unknown.order.order_id) is OrderStatus.UNKNOWN
        await made.die()
        made.link.mend_stream()
        await made.host.feed([trade(SHARE, "94.50", 1000, made.timer.now_ns())])  # nobody hears of it
        made.timer.advance_to(made.timer.now_ns() + NANOSECONDS_PER_DAY)
        await made.host.advance()
        calls = made.bus.subscribe(PersonNeeded)
        await made.start()
        await made.wait(30)
        for managed in (rests, unknown):
            assert status(made, managed.order.order_id) is OrderStatus.EXPIRED
        calls.close()
        called = {call.subject: call.reason async for call in calls}
        assert "BUY 10 NSE:CONTRACTED may have filled" in called[rests.order.order_id]
        assert "unknown then" in called[unknown.order.order_id]

    check(scenario, url)


def test_an_order_that_appears_after_it_was_given_up_is_ended_and_told(url):
    async def scenario(made):
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REQUEST)
        wanted = intent("i1", **RESTING)
        [managed] = await made.desk.submit(wanted)
        await made.wait(20)
        assert status(made, managed.order.order_id) is OrderStatus.ABSENT
        calls = made.bus.subscribe(PersonNeeded)
        policy = OrderPolicy(made.adapter.manifest, made.timer)
        await made.adapter.place(policy.request(policy.plan(wanted)[0], ""))  # the request was only very late
        await made.wait(3)
        assert [order.status for order in made.orders_there()] == [OrderStatus.CANCELLED]
        assert not made.held_there().get((SHARE.key, Product.MIS))
        calls.close()
        assert ["given up as absent" in call.reason async for call in calls] == [True]

    check(scenario, url)
