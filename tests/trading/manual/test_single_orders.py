"""Single orders that a person ends or changes at a running desk: by hand freely, nothing behind an owner's back."""

import asyncio
from decimal import Decimal

import pytest

from tests.trading.house import scene as s
from tests.trading.manual.test_manual_desk import PLACE, desk
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.trading.control.requests import DeskRequest, RequestFailedError, RequestKind

CANCEL, MODIFY = RequestKind.CANCEL, RequestKind.MODIFY
_SPEED = 60.0


class Straight:
    """Asks without the database between, which costs half a second a request; refusals are raised as `tm` does."""

    def __init__(self, scene):
        self.scene, self.number = scene, 0

    async def __call__(self, account_id, kind, request_id=None, **arguments):
        self.number += 1
        request = DeskRequest(
            request_id=request_id or f"r{self.number}", account_id=account_id, kind=kind, asked_ns=0, expires_ns=2**62,
            arguments=arguments,
        )  # fmt: skip
        house = self.scene.house
        answers = house._manual if house._manual.answers(kind) else house.overseer
        told = await answers.answer(request)
        if not told.done:
            raise RequestFailedError(told.text)
        return told


def placed(told):
    """The id of the order that an answer tells of."""
    return told.facts["legs"][0]["orders"][0]["order_id"]


async def by_hand(scene, asked, ask, name):
    """A limit, a market order and a stop of one account; `asked` through the database."""
    room = scene.room(name)
    book = room.desk.book
    order_id = placed(await ask(name, PLACE, symbol="SYNBANK1", side="buy", quantity="10", price="151"))
    await scene.until(lambda: book[order_id].order.status is OrderStatus.OPEN, "it rests")
    told = await ask(name, MODIFY, order=order_id, price="152.03", quantity="12")
    assert (told.facts["outcome"], told.facts["orders"][0]["quantity"]) == ("accepted", "12")
    assert told.text == (
        "BUY 12 NSE:SYNBANK1 LIMIT MIS at 152.03: it was BUY 10 NSE:SYNBANK1 LIMIT MIS at 151"
    )
    there = await room.adapter.orders()
    mine = [each for each in there if each.broker_order_id == book[order_id].order.broker_order_id]
    assert [(each.quantity, each.price) for each in mine] == [(12, Decimal("152.03"))]
    # the same terms again are not sent, nor are terms that the order cannot have, nor more than the account's
    assert "it has these terms" in (await ask(name, MODIFY, order=order_id, price="152.03")).text
    for words, says in (
        ({"trigger": "99"}, "has no trigger"),
        ({"quantity": "0"}, "quantity: must be above 0"),
        ({"quantity": "2.5"}, "is not a multiple of the lot"),
        ({"quantity": "100000000"}, "hand_order_percent"),
        ({"price": "0.001"}, "below one tick"),
        ({}, "nothing to change"),
    ):
        with pytest.raises(RequestFailedError, match=says):
            await ask(name, MODIFY, order=order_id, **words)
    number = book[order_id].order.broker_order_id
    told = await asked(name, CANCEL, f"c-{name}", orders=[number])
    assert told.text == "BUY 12 NSE:SYNBANK1 LIMIT MIS at 152.03: it was cancelled"
    assert book[order_id].order.status is OrderStatus.CANCELLED
    assert (await asked(name, CANCEL, f"c-{name}", orders=[number])) == told
    assert "nothing to cancel: it was cancelled" in (await ask(name, CANCEL, orders=[order_id])).text
    with pytest.raises(RequestFailedError, match="cannot be changed: it was cancelled"):
        await ask(name, MODIFY, order=order_id, price="102")
    done = placed(await ask(name, PLACE, symbol="SYNBANK1", side="buy", quantity="10"))
    await scene.until(lambda: book[done].order.status is OrderStatus.FILLED, "it filled")
    with pytest.raises(RequestFailedError, match="too late: it filled, 10 at "):
        await ask(name, CANCEL, orders=[done])
    # a stop by hand protects what is held: it moves freely, and goes where that was said
    stop = placed(
        await ask(name, PLACE, symbol="SYNBANK1", side="sell", quantity="10", trigger="145", price="144")
    )
    await scene.until(lambda: book[stop].order.status is OrderStatus.TRIGGER_PENDING, "it rests")
    told = await ask(name, MODIFY, order=stop, trigger="146")
    assert (book[stop].order.trigger_price, book[stop].order.price) == (146, 145)
    for kind, words in ((CANCEL, {"orders": [stop]}), (MODIFY, {"order": stop, "quantity": "4"})):
        with pytest.raises(RequestFailedError, match=r"is the stop of 10 NSE:SYNBANK1.*UNPROTECTED"):
            await ask(name, kind, **words)
    assert book[stop].order.quantity == 10
    told = await ask(name, RequestKind.CANCEL_ALL)
    assert book[stop].order.status is OrderStatus.TRIGGER_PENDING, told
    told = await ask(name, MODIFY, order=stop, quantity="4", unprotect=True)
    assert (told.facts["outcome"], book[stop].order.quantity) == ("accepted", 4)
    await ask(name, CANCEL, orders=[stop], unprotect=True)
    assert book[stop].order.status is OrderStatus.CANCELLED
    await ask(name, RequestKind.TARGET, symbol="SYNBANK1", quantity="0")
    with pytest.raises(RequestFailedError, match="has no order 'nosuch'"):
        await ask(name, CANCEL, orders=["nosuch"])
    await scene.agrees(name)


def test_orders_by_hand_are_changed_and_ended_and_what_came_of_it_is_told(tmp_path):
    async def play(root):
        async with desk(tmp_path, root, s.kite_account(root), s.paper_account()) as (scene, ask):
            for name in ("kite", "practice"):
                await by_hand(scene, ask, Straight(scene), name)

    with s.sandbox(_SPEED) as root:
        asyncio.run(play(root))


def test_what_others_look_after_is_not_changed_behind_their_back(tmp_path):
    file = s.strategy_file(tmp_path, "holds", s.HOLDS)

    async def play(root):
        sessions = [s.session(file, "kite", ["NSE:SYNIT1"])]
        async with desk(tmp_path, root, s.kite_account(root), sessions=sessions) as (scene, _):
            ask = Straight(scene)
            book = scene.room("kite").desk.book
            await scene.until(lambda: len(scene.exits("kite")) == 2, "the strategy holds, and is protected")
            theirs = [each.order.order_id for each in scene.exits("kite")]
            told = await ask(
                "kite", PLACE, "b", symbol="SYNBANK1", side="buy", quantity="10", price="151", stop="1%"
            )
            entry = placed(told)
            free = placed(await ask("kite", PLACE, symbol="SYNBANK1", side="buy", quantity="1", price="151"))
            foreign = await by_another_program(scene.room("kite"))
            for name, says in (
                (theirs[0], "belongs to strategy .*tm desk close-all --account kite --strategy holds"),
                (entry, "belongs to the bracket manual.b: tm desk algo-stop manual.b --account kite"),
                (foreign, "was not made by this desk: it is left alone"),
            ):
                with pytest.raises(RequestFailedError, match=says):  # of several, none is ended
                    await ask("kite", CANCEL, orders=[free, name])
                with pytest.raises(RequestFailedError, match=says):
                    await ask("kite", MODIFY, order=name, price="99")
            for each in (*theirs, entry, free):
                assert not book[each].order.status.is_final
            told = await ask("kite", RequestKind.CANCEL_ALL)
            await scene.until(lambda: book[entry].order.status is OrderStatus.CANCELLED, "the entry went")
            assert book[free].order.status is OrderStatus.CANCELLED
            assert not any(book[each].order.status.is_final for each in theirs)

    with s.sandbox(_SPEED) as root:
        asyncio.run(play(root))


async def by_another_program(room):
    """An order at the broker that the desk did not make; its number, once the desk has heard of it."""
    from trademantra.brokers.orders import OrderRequest

    instrument = room.desk.book.instrument("NSE:SYNBANK1")
    made = await room.adapter.place(
        OrderRequest(
            instrument=instrument, side=Side.BUY, quantity=Decimal(1), order_type=OrderType.LIMIT, product=Product.MIS,
            tag="other", price=Decimal(150),
        )
    )  # fmt: skip
    async with asyncio.timeout(60):
        while not any(each.broker_order_id == made.broker_order_id for each in room.desk.foreign_orders()):
            await asyncio.sleep(0.02)
    return made.broker_order_id
