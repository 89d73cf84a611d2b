"""A book that packs what ended, at any instant, is told from one that never does by nothing that it answers."""

from dataclasses import fields, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.test_orders import CALL, TCS
from trademantra.brokers.orders import Accepted, BrokerOrder, BrokerTrade, OrderChange, Refused, Unknown
from trademantra.core.errors import TradeMantraError
from trademantra.core.order import Order, OrderStatus, OrderType, Product, Side
from trademantra.trading.ended_orders import EndedOrders
from trademantra.trading.fills import OrderFills
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.managed_order import ManagedOrder
from trademantra.trading.orders import OrderBook, PlannedOrder

NAMES = ("a/1", "a/2", "b")
PARTS = 2
HOUR = 3600 * 10**9

PACK, CREATE, SEND, ANSWER, HEAR, TRADE, END, CHANGE, ASK = range(9)
events = st.tuples(
    st.sampled_from(
        [PACK, PACK, CREATE, SEND, ANSWER, HEAR, HEAR, HEAR, TRADE, TRADE, TRADE, END, CHANGE, ASK]
    ),
    st.integers(0, len(NAMES) - 1),
    st.integers(0, PARTS - 1),
    st.integers(0, 11),
    st.integers(0, 3),
)


def intent_of(name):
    instrument, side = (CALL, Side.SELL) if name == "b" else (TCS, Side.BUY)
    return OrderIntent(
        intent_id=name, account_id="a1", strategy_id="s1", instrument=instrument, side=side, quantity=Decimal(100),
        product=Product.MIS, purpose=Purpose.EXIT if name == "b" else Purpose.ENTRY, decided_ns=1, exit_with="x" if name == "b" else "",
        order_type=OrderType.LIMIT, price=Decimal("100.05"),
    )  # fmt: skip


def planned(intent, part):
    name = f"{intent.intent_id}.{part}"
    order = Order(
        order_id=name, instrument=intent.instrument, side=intent.side, quantity=Decimal(50), order_type=OrderType.LIMIT,
        product=intent.product, price=intent.price,
    )  # fmt: skip
    return PlannedOrder(order, name if part else f"tag{name}")  # the desk's own tags are the order's id


TOLD = (
    OrderStatus.OPEN, OrderStatus.PARTLY_FILLED, OrderStatus.FILLED, OrderStatus.FILLED, OrderStatus.CANCELLED,
    OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.CANCELLING, OrderStatus.UNKNOWN, OrderStatus.FILLED,
    OrderStatus.CANCELLED, OrderStatus.OPEN,
)  # fmt: skip


def told(intent, part, number, filled, *, stranger=False):
    quantity = Decimal((0, 20, 50, 70)[filled])  # the last: more than was ordered
    return BrokerOrder(
        broker_order_id=f"B{intent.intent_id}.{part}", instrument=intent.instrument, side=intent.side, quantity=Decimal(50),
        order_type=OrderType.LIMIT, product=intent.product, price=intent.price, status=TOLD[number], raw_status="",
        filled_quantity=quantity, average_price=Decimal("100.01") if quantity else None,
        tag="" if stranger else planned(intent, part).tag, message="late" if number % 2 else "",
    )  # fmt: skip


def trade(intent, part, number):
    return BrokerTrade(
        trade_id=f"T{number % 4}", broker_order_id=f"B{intent.intent_id}.{part}", exchange_order_id=None,
        instrument=intent.instrument, side=intent.side, product=intent.product, quantity=Decimal(10 + 10 * (number % 3)),
        price=Decimal(100) + number % 2, at_ns=number,
    )  # fmt: skip


def done(book, event, now_ns):
    """What the book answers to one event, errors too."""
    kind, which, part, number, filled = event
    intent = intent_of(NAMES[which])
    order_id = planned(intent, part).order.order_id
    try:
        match kind:
            case 1:
                answer = book.create(intent, [planned(intent, each) for each in range(PARTS)], now_ns)
            case 2:
                answer = book.sending(order_id, now_ns)
            case 3:
                result = (Accepted(f"B{intent.intent_id}.{part}"), Refused("no"), Unknown("lost"))[number % 3]
                answer = book.answered(order_id, result, now_ns)
            case 4:
                answer = book.hear_order(told(intent, part, number, filled, stranger=number == 11), now_ns)
            case 5:
                answer = book.hear_trade(trade(intent, part, number), now_ns)
            case 6:
                answer = book.changing(
                    order_id, (OrderStatus.CANCELLED, OrderStatus.EXPIRED)[number % 2], now_ns
                )
            case 7:
                if number % 3 == 0:
                    answer = book.changing(order_id, OrderStatus.MODIFYING, now_ns)
                elif number % 3 == 1:
                    answer = book.changed(order_id, OrderChange(quantity=Decimal(60)), now_ns)
                else:
                    answer = book.unchanged(order_id, now_ns)
            case _:
                answer = (
                    book.of_intent(intent.intent_id), book.find(told(intent, part, number, 0)), book.count,
                    book.knows_broker_order(f"B{intent.intent_id}.{part}"), book.instrument(intent.instrument.key),
                )  # fmt: skip
    except (TradeMantraError, KeyError) as error:
        return repr(error)
    return repr(answer)


def state(book):
    return sorted(map(repr, book.all())), [repr(each) for each in book.working()], repr(book.positions)


@settings(max_examples=400, deadline=None)
@given(stream=st.lists(events, max_size=60), instants=st.sets(st.integers(0, 60)), begun=st.booleans())
def test_packing_at_any_instant_changes_nothing_that_late_and_repeated_messages_lead_to(
    stream, instants, begun
):
    books = [OrderBook("a1", lambda order, execution: execution.value / 1000) for _ in range(2)]
    if begun:  # all orders are there and sent: most of the stream is about their ends then
        before = [(CREATE, which, 0, 0, 0) for which in range(len(NAMES))]
        before += [(SEND, which, part, 0, 0) for which in range(len(NAMES)) for part in range(PARTS)]
        stream = before + stream
    for at, event in enumerate(stream):
        if at in instants or event[0] == PACK:
            books[0].pack_ended(at * HOUR, kept_ns=event[3] % 3 * HOUR)
        if event[0] != PACK:
            first, second = (done(book, event, at * HOUR) for book in books)
            assert first == second
    books[0].pack_ended(100 * HOUR)
    books[0].pack_ended(200 * HOUR)
    assert state(books[0]) == state(books[1])
    final = [each for each in books[1].all() if each.order.status.is_final]
    whole = {each.intent_id for each in books[1].working()}
    assert len(books[0]._ended) == sum(each.intent_id not in whole for each in final)


def ended(**words):
    order = Order(
        order_id="o1", instrument=CALL, side=Side.SELL, quantity=Decimal("65.0"), order_type=OrderType.SL,
        product=Product.NRML, price=Decimal("1.05"), trigger_price=Decimal("1.10"), status=OrderStatus.CANCELLED,
        filled_quantity=Decimal(10), filled_value=Decimal("10.5000"), broker_order_id="b1", reason='so "they" said\n',
    )  # fmt: skip
    fills = OrderFills("o1")
    fills.hear_trade("t1", Decimal(10), Decimal("1.05"), 1)
    fills.hear_totals(Decimal(12), Decimal("1.06"), 2)
    whole = ManagedOrder(
        order, "a1", "s1", "i1", 3, Purpose.EXIT, "tag1", 5, 7, fills, overfilled=True, exit_with="other"
    )
    return replace(whole, **words)


def test_every_field_comes_out_as_it_was_put_in():
    packed, whole = EndedOrders("a1"), ended()
    packed.put([whole])
    found = packed.find("tag1", lambda each: True)
    assert found is not whole
    assert found == whole
    assert repr(found) == repr(whole)
    for one, other in ((found.order, whole.order), (found.fills, whole.fills), (found, whole)):
        default = Order(
            order_id="", instrument=TCS, side=Side.BUY, quantity=Decimal(1), order_type=OrderType.MARKET, product=Product.MIS
        )  # fmt: skip
        for field in fields(one):
            assert getattr(one, field.name) == getattr(other, field.name)
            if isinstance(one, Order) and field.name != "validity":  # so that a field that is forgotten shows
                assert getattr(one, field.name) != getattr(default, field.name)


@pytest.mark.parametrize("name", ["i1", "o1", "tag1", "b1"])
def test_what_is_packed_is_found_by_each_of_its_names_and_taken_out_once(name):
    packed = EndedOrders("a1")
    packed.put([ended()])
    assert packed.find("else", lambda each: True) is None
    found = packed.find(name, lambda each: True)
    assert packed.find(name, lambda each: True) is found
    assert not packed.is_changed(found)
    found.order = replace(found.order, broker_order_id="b2")
    assert packed.is_changed(found)
    assert packed.take(found) == [found]
    assert packed.find(name, lambda each: True) is None
    assert (len(packed), list(packed)) == (0, [])
