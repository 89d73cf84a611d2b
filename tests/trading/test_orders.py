"""The order book ends where the broker is, whatever the messengers did, and never makes an order twice."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.brokers.orders import Accepted, BrokerOrder, BrokerTrade, Refused, Unknown
from trademantra.core.errors import IllegalTransitionError, InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.order import Order, OrderStatus, OrderType, Product, Side, Validity
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.orders import OrderBook, PlannedOrder, PositionKey
from trademantra.trading.terms import order_from_json, terms_to_json

TCS = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="TCS")
CALL = Instrument(
    exchange=Exchange.NSE, segment=Segment.EQUITY_OPTIONS, kind=InstrumentKind.OPTION, symbol="NIFTY26N2324500CE",
    underlying="NIFTY", expiry=date(2026, 11, 23), strike=Decimal(24500), right=OptionRight.CALL, lot_size=Decimal(65),
)  # fmt: skip
CHARGE = Decimal("0.25")


def intent_of(quantity=100, intent_id="i1", side=Side.BUY, strategy="s1"):
    return OrderIntent(
        intent_id=intent_id, account_id="a1", strategy_id=strategy, instrument=TCS, side=side,
        quantity=Decimal(quantity), product=Product.MIS, purpose=Purpose.ENTRY, decided_ns=1,
    )  # fmt: skip


def order_of(intent, order_id="o1", quantity=None):
    return Order(
        order_id=order_id, instrument=intent.instrument, side=intent.side, quantity=quantity or intent.quantity,
        order_type=OrderType.MARKET, product=intent.product,
    )  # fmt: skip


def book_with(quantity=100, side=Side.BUY, status=OrderStatus.SENT):
    book = OrderBook("a1", lambda order, execution: CHARGE)
    intent = intent_of(quantity, side=side)
    book.create(intent, [PlannedOrder(order_of(intent), "tag1")], 1)
    if status is OrderStatus.SENT:
        book.sending("o1", 2)
    return book


def told(status, filled=0, average=None, quantity=100, tag="tag1", side=Side.BUY):
    return BrokerOrder(
        broker_order_id="b1", instrument=TCS, side=side, quantity=Decimal(quantity), order_type=OrderType.MARKET,
        product=Product.MIS, status=status, raw_status=status.value, filled_quantity=Decimal(filled),
        average_price=average, tag=tag,
    )  # fmt: skip


def trade(number, quantity, price, side=Side.BUY):
    return BrokerTrade(
        trade_id=f"t{number}", broker_order_id="b1", exchange_order_id=None, instrument=TCS, side=side,
        product=Product.MIS, quantity=Decimal(quantity), price=price, at_ns=5,
    )  # fmt: skip


PRICES = st.integers(100_00, 110_00).map(lambda paise: Decimal(paise) / 100)


@st.composite
def lives(draw):
    """What a broker would tell of an order of 100 from its answer to its end: messages in order, and the truth."""
    parts = draw(st.lists(st.tuples(st.integers(1, 40), PRICES), max_size=4))
    side = draw(st.sampled_from(Side))
    messages, filled, value = [told(OrderStatus.OPEN, side=side)], 0, Decimal(0)
    for number, (quantity, price) in enumerate(parts):
        quantity = min(quantity, 100 - filled)
        if not quantity:
            break
        filled, value = filled + quantity, value + quantity * price
        average = (value / filled).quantize(Decimal("0.01"))
        status = OrderStatus.FILLED if filled == 100 else OrderStatus.PARTLY_FILLED
        messages += [trade(number, quantity, price, side), told(status, filled, average, side=side)]
    end = OrderStatus.FILLED
    if filled < 100:
        end = OrderStatus.CANCELLED
        average = (value / filled).quantize(Decimal("0.01")) if filled else None
        messages.append(told(OrderStatus.CANCELLED, filled, average, side=side))
    return side, messages, Decimal(filled), value, end


@settings(max_examples=300)
@given(lives(), st.data())
def test_late_repeated_and_mixed_messages_end_at_the_truth(life, data):
    side, messages, filled, value, end = life
    again = data.draw(st.lists(st.sampled_from(messages), max_size=6))
    heard = data.draw(st.permutations(messages + again))
    book = book_with(side=side)
    book.answered("o1", Accepted("b1"), 3)
    cash, executions, finals = Decimal(0), [], set()
    for message in heard:
        hear = book.hear_trade if isinstance(message, BrokerTrade) else book.hear_order
        for booking in hear(message, 4).booked:
            cash -= side.sign * booking.value + booking.charges
            executions.append(booking.execution)
        status = book["o1"].order.status
        if status.is_final:
            finals.add(status)
    managed = book["o1"]
    assert managed.order.status is end
    assert finals == {end}
    assert (managed.order.filled_quantity, managed.order.filled_value) == (filled, value)
    position = book.positions.get(PositionKey("s1", TCS.key, Product.MIS))
    assert (position.quantity if position else 0) == side.sign * filled
    charged = CHARGE * sum(1 for execution in executions if execution.quantity)
    assert cash == -side.sign * value - charged


def test_an_answer_that_is_lost_is_unknown_until_the_broker_is_asked():
    book = book_with()
    book.answered("o1", Unknown("timeout"), 3)
    assert book["o1"].order.status is OrderStatus.UNKNOWN
    changes = book.hear_order(told(OrderStatus.FILLED, 100, Decimal(101)), 4)  # found by its tag
    assert book["o1"].order.status is OrderStatus.FILLED
    assert book["o1"].order.broker_order_id == "b1"
    assert len(changes.booked) == 1


def test_an_order_that_the_broker_never_had_is_absent_and_stays_so():
    book = book_with()
    book.answered("o1", Unknown("timeout"), 3)
    book.absent("o1", "not in the order book", 4)
    assert book["o1"].order.status is OrderStatus.ABSENT
    late = book.hear_order(told(OrderStatus.FILLED, 100, Decimal(101)), 5)
    assert book["o1"].order.status is OrderStatus.ABSENT
    assert late.booked[0].late  # but its money moved, and a person is told
    assert book.held(PositionKey("s1", TCS.key, Product.MIS)) == 100


def test_a_refusal_ends_it_but_not_after_an_update_was_faster():
    refused, faster = book_with(), book_with()
    refused.answered("o1", Refused("no margin"), 3)
    assert (refused["o1"].order.status, refused["o1"].order.reason) == (OrderStatus.REJECTED, "no margin")
    faster.hear_order(told(OrderStatus.FILLED, 100, Decimal(101)), 3)
    assert not faster.answered("o1", Unknown("timeout"), 4)
    assert faster["o1"].order.status is OrderStatus.FILLED


def test_an_intent_is_taken_once_and_can_be_taken_back_while_nothing_was_sent():
    book = OrderBook("a1", lambda order, execution: CHARGE)
    intent = intent_of()
    changes = book.create(intent, [PlannedOrder(order_of(intent), "tag1")], 1)
    with pytest.raises(InvalidValueError, match="taken before"):
        book.create(intent, [PlannedOrder(order_of(intent, "o2"), "tag2")], 2)
    with pytest.raises(InvalidValueError, match="made before"):
        book.create(intent_of(intent_id="i2"), [PlannedOrder(order_of(intent, "o2"), "tag1")], 2)
    book.forget(changes)
    assert not book.working()
    assert book.create(intent, [PlannedOrder(order_of(intent), "tag1")], 3)


def test_after_a_restart_what_may_have_been_sent_is_unknown():
    old = book_with()
    fresh = OrderBook("a1", lambda order, execution: CHARGE)
    fresh.restore(old["o1"])
    assert fresh["o1"].order.status is OrderStatus.UNKNOWN
    fresh.hear_order(told(OrderStatus.OPEN), 4)
    assert fresh["o1"].order.status is OrderStatus.OPEN


def test_what_is_not_the_desks_is_refused_and_more_than_ordered_is_marked():
    book = book_with()
    with pytest.raises(InvalidValueError, match="not made by the desk"):
        book.hear_order(replace(told(OrderStatus.OPEN), broker_order_id="b9", tag="other"), 3)
    with pytest.raises(InvalidValueError, match="no order of the desk"):
        book.hear_trade(replace(trade(1, 5, Decimal(100)), broker_order_id="b9"), 3)
    book.hear_order(told(OrderStatus.FILLED, 120, Decimal(100)), 4)
    assert book["o1"].overfilled
    assert book.net(TCS, Product.MIS) == 120


def test_nothing_fills_before_it_is_sent():
    book = book_with(status=OrderStatus.JOURNALED)
    with pytest.raises(IllegalTransitionError):
        book.hear_order(told(OrderStatus.FILLED, 100, Decimal(100)), 3)


@pytest.mark.parametrize("instrument", [TCS, CALL])
@pytest.mark.parametrize("kind", OrderType)
def test_terms_are_read_back_as_they_were(instrument, kind):
    order = Order(
        order_id="o1", instrument=instrument, side=Side.SELL, quantity=Decimal(65), order_type=kind,
        product=Product.NRML, price=Decimal("101.05") if kind.has_limit else None,
        trigger_price=Decimal("101.10") if kind.has_trigger else None, validity=Validity.IOC,
    )  # fmt: skip
    assert order_from_json("o1", terms_to_json(order)) == order


def grown(status, filled=0, average=None):
    """The order of 100 as the broker shows it after it was changed to 150."""
    return told(status, filled, average, quantity=150)


def test_an_order_that_grows_is_not_filled_by_what_it_had_before():
    """The change came through and 100 filled before anybody heard of it: 50 are still at work."""
    book = book_with()
    book.hear_order(told(OrderStatus.OPEN), 3)
    book.changing("o1", OrderStatus.MODIFYING, 4)
    book.hear_trade(trade(1, 100, Decimal(101)), 5)
    assert book["o1"].order.status is OrderStatus.MODIFYING
    book.hear_order(grown(OrderStatus.PARTLY_FILLED, 100, Decimal(101)), 6)
    assert (book["o1"].order.status, book["o1"].order.open_quantity) == (OrderStatus.MODIFYING, 50)
    book.unchanged("o1", 6)  # no answer came; the broker's book was asked
    assert book["o1"].order.status is OrderStatus.PARTLY_FILLED
    book.hear_order(grown(OrderStatus.FILLED, 150, Decimal(101)), 7)
    assert book["o1"].order.status is OrderStatus.FILLED
    assert not book["o1"].overfilled


def test_a_change_that_nobody_answered_shows_in_the_row_that_ends_the_order():
    """After a restart the desk knows of no change; the last word of the broker has the new terms and the fill."""
    book = book_with()
    book.hear_order(told(OrderStatus.OPEN), 3)
    book.hear_order(grown(OrderStatus.FILLED, 150, Decimal(101)), 4)
    assert (book["o1"].order.status, book["o1"].order.quantity) == (OrderStatus.FILLED, 150)
    assert not book["o1"].overfilled


def test_a_refused_change_of_an_order_that_filled_meanwhile_leaves_it_filled():
    book = book_with()
    book.hear_order(told(OrderStatus.OPEN), 3)
    book.changing("o1", OrderStatus.MODIFYING, 4)
    book.hear_trade(trade(1, 100, Decimal(101)), 5)
    book.unchanged("o1", 6)
    assert book["o1"].order.status is OrderStatus.FILLED


def test_news_from_before_a_change_does_not_end_it():
    """What the change adds must count until its answer, or the broker's book, says what holds."""
    book = book_with()
    book.hear_order(told(OrderStatus.OPEN), 3)
    book.changing("o1", OrderStatus.MODIFYING, 4)
    book.hear_order(told(OrderStatus.PARTLY_FILLED, 30, Decimal(101)), 5)
    assert book["o1"].order.status is OrderStatus.MODIFYING
    book.hear_order(told(OrderStatus.CANCELLED, 30, Decimal(101)), 6)
    assert book["o1"].order.status is OrderStatus.CANCELLED


def test_a_change_that_somebody_else_makes_passes_by():
    book = book_with()
    book.hear_order(told(OrderStatus.OPEN), 3)
    book.hear_order(told(OrderStatus.MODIFYING), 4)
    assert book["o1"].order.status is OrderStatus.OPEN
    book.hear_order(grown(OrderStatus.OPEN), 5)
    assert book["o1"].order.quantity == 150
