"""An adapter that raises what it must not: no order is lost to it, and nothing new is opened behind it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.trading.test_account_desk import check, intent, status
from trademantra.brokers.orders import Accepted, OrderChange
from trademantra.brokers.paper.broker import PaperBroker
from trademantra.core.order import OrderStatus, OrderType, Side
from trademantra.trading.desk_events import RefusedIntentError
from trademantra.trading.intents import Purpose


@pytest.fixture
def faulty(monkeypatch):
    """The next call of a method does its work at the exchange and then falls over."""

    def make(method):
        real = getattr(PaperBroker, method)

        async def once(self, *words):
            monkeypatch.setattr(PaperBroker, method, real)
            await real(self, *words)
            raise KeyError("a column that the broker never sent before")

        monkeypatch.setattr(PaperBroker, method, once)

    return make


def limit(name, price=95):
    return intent(name, order_type=OrderType.LIMIT, price=Decimal(price))


def test_an_order_whose_sending_fell_over_is_found_by_its_tag_and_a_person_is_called(url, faulty):
    async def scenario(made):
        made.link.cut_stream()  # nobody tells of it
        faulty("place")
        [managed] = await made.desk.submit(limit("i1"))
        await made.settle()
        assert status(made, managed.order.order_id) is OrderStatus.UNKNOWN
        await made.wait(3)
        assert status(made, managed.order.order_id) is OrderStatus.OPEN
        assert len(made.orders_there()) == 1
        made.called.close()
        assert ["KeyError" in call.reason async for call in made.called] == [True]

    check(scenario, url)


def test_behind_a_fault_entries_are_refused_and_exits_pass(url, faulty):
    async def scenario(made):
        await made.desk.submit(intent("held"))
        await made.price(intent("held").instrument, "100.00")
        faulty("place")
        await made.desk.submit(limit("i1"))
        await made.wait(2)
        with pytest.raises(RefusedIntentError, match="nothing new is opened"):
            await made.desk.submit(limit("i2"))
        [out] = await made.desk.submit(intent("out", Side.SELL, purpose=Purpose.EXIT))
        await made.wait(2)
        await made.price(intent("held").instrument, "100.00")
        assert status(made, out.order.order_id) is OrderStatus.FILLED
        await made.die()
        await made.start()
        await made.desk.submit(limit("i3"))  # a new process begins without it

    check(scenario, url)


def test_a_change_that_fell_over_is_looked_up_and_the_order_can_be_changed_again(url, faulty):
    async def scenario(made):
        [managed] = await made.desk.submit(limit("i1"))
        await made.settle()
        faulty("modify")
        await made.desk.modify(managed.order.order_id, OrderChange(price=Decimal(96)))
        await made.wait(3)
        assert status(made, managed.order.order_id) is OrderStatus.OPEN
        assert managed.order.price == 96
        await made.desk.modify(managed.order.order_id, OrderChange(price=Decimal(97)))
        await made.wait(1)
        assert managed.order.price == 97

    check(scenario, url)


def test_a_cancellation_that_fell_over_is_looked_up(url, faulty):
    async def scenario(made):
        [managed] = await made.desk.submit(limit("i1"))
        await made.settle()
        made.link.cut_stream()
        faulty("cancel")
        await made.desk.cancel(managed.order.order_id)
        await made.wait(3)
        assert status(made, managed.order.order_id) is OrderStatus.CANCELLED

    check(scenario, url)


@pytest.mark.parametrize("average", [None, Decimal("1e24")], ids=["no price", "no number of money"])
def test_a_fill_that_cannot_be_is_left_out_and_told_once_and_everything_else_is_heard(url, average):
    async def scenario(made):
        made.link.cut_stream()
        [first] = await made.desk.submit(intent("i1"))
        [second] = await made.desk.submit(intent("i2"))
        await made.settle()
        await made.price(intent("i1").instrument, "100.00")
        told = {each.tag: each for each in await made.adapter.orders()}
        for _ in range(2):
            made.desk.hear_order(
                replace(told[first.tag], filled_quantity=Decimal("1e9"), average_price=average)
            )
        made.desk.hear_order(told[second.tag])
        assert status(made, second.order.order_id) is OrderStatus.FILLED
        made.desk.hear_order(told[first.tag])  # its next word puts it right
        assert status(made, first.order.order_id) is OrderStatus.FILLED
        assert made.held_here() == made.held_there()
        await made.settle()
        made.called.close()
        assert ["cannot be" in call.reason async for call in made.called] == [True]

    check(scenario, url)


def test_a_trade_that_cannot_be_does_not_end_the_listening(url):
    async def scenario(made):
        [held] = await made.desk.submit(intent("i1"))
        await made.price(intent("i1").instrument, "100.00")
        [trade] = await made.adapter.trades()
        made.desk.hear_trade(replace(trade, trade_id="another", price=Decimal(0)))
        [out] = await made.desk.submit(intent("out", Side.SELL, purpose=Purpose.EXIT))
        await made.price(intent("i1").instrument, "100.00")
        assert status(made, out.order.order_id) is OrderStatus.FILLED
        assert status(made, held.order.order_id) is OrderStatus.FILLED

    check(scenario, url)


def test_an_order_that_the_broker_took_and_never_shows_is_asked_for_and_called_absent(url, monkeypatch):
    async def scenario(made):
        async def took(self, request):
            return Accepted("999")

        monkeypatch.setattr(PaperBroker, "place", took)
        [managed] = await made.desk.submit(limit("i1"))
        await made.settle()
        made.desk.look()
        assert status(made, managed.order.order_id) is OrderStatus.SENT
        await made.wait(31)
        made.desk.look()
        assert status(made, managed.order.order_id) is OrderStatus.UNKNOWN
        await made.wait(15)
        assert status(made, managed.order.order_id) is OrderStatus.ABSENT

    check(scenario, url)


def test_an_order_whose_news_was_lost_is_found_without_any_gap(url):
    async def scenario(made):
        made.link.cut_stream()
        [managed] = await made.desk.submit(limit("i1"))
        await made.wait(31)
        assert status(made, managed.order.order_id) is OrderStatus.SENT
        made.desk.look()
        await made.wait(2)
        assert status(made, managed.order.order_id) is OrderStatus.OPEN

    check(scenario, url)
