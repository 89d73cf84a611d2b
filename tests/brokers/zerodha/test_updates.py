"""However messages arrive, the merged stream is in order, says nothing twice and ends with the truth."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trademantra.brokers.orders import BrokerOrder, BrokerTrade
from trademantra.brokers.zerodha.updates import OrderMerge, Source
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import OrderStatus, OrderType, Product, Side

SHARE = Instrument(
    exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY", series="EQ"
)
SECOND = 10**9
STATUSES = {
    "PUT ORDER REQ RECEIVED": OrderStatus.SENT,
    "VALIDATION PENDING": OrderStatus.SENT,
    "OPEN PENDING": OrderStatus.SENT,
    "TRIGGER PENDING": OrderStatus.TRIGGER_PENDING,
    "OPEN": OrderStatus.OPEN,
    "MODIFY PENDING": OrderStatus.MODIFYING,
    "CANCEL PENDING": OrderStatus.CANCELLING,
    "COMPLETE": OrderStatus.FILLED,
    "CANCELLED": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
}


def state(raw: str, at: int, filled: int = 0, price: str = "100", order_id: str = "1") -> BrokerOrder:
    status = STATUSES[raw]
    return BrokerOrder(
        broker_order_id=order_id,
        instrument=SHARE,
        side=Side.BUY,
        quantity=Decimal(10),
        order_type=OrderType.LIMIT,
        product=Product.MIS,
        status=OrderStatus.PARTLY_FILLED if status is OrderStatus.OPEN and filled else status,
        raw_status=raw,
        price=Decimal(price),
        filled_quantity=Decimal(filled),
        updated_ns=at * SECOND,
    )


@st.composite
def lives(draw: st.DrawFn) -> list[BrokerOrder]:
    """A true life of an order: many of its states share a second, as the broker's clock shows whole ones."""
    at, filled, price = 100, 0, 100
    life = []
    for raw in ("PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN"):
        at += draw(st.integers(0, 1))
        life.append(state(raw, at))
    for _ in range(draw(st.integers(0, 4))):
        # A change takes longer than the second that the broker's clock can show.
        at += 1
        if draw(st.booleans()) and filled < 8:
            filled += draw(st.integers(1, 2))
        else:
            life.append(state("MODIFY PENDING", at, filled, str(price)))
            price += 1
            at += 1
        life.append(state("OPEN", at, filled, str(price)))
    end = draw(st.sampled_from(["COMPLETE", "CANCELLED", "none"]))
    if end == "COMPLETE":
        life.append(state(end, at + draw(st.integers(0, 1)), 10, str(price)))
    elif end == "CANCELLED":
        life.append(state(end, at + draw(st.integers(0, 1)), filled, str(price)))
    return life


@given(lives(), st.data())
def test_any_order_and_any_copies_end_with_the_true_state(
    life: list[BrokerOrder], data: st.DataObject
) -> None:
    heard = data.draw(st.permutations(life + data.draw(st.lists(st.sampled_from(life), max_size=6))))
    merge = OrderMerge()
    told = [order for number, order in enumerate(heard) if merge.offer(order, Source.MESSAGE, number)]
    assert merge.order("1") == told[-1] == life[-1]
    assert len(set(told)) == len(told)
    filled = [order.filled_quantity for order in told]
    assert filled == sorted(filled)
    assert [order.status.is_final for order in told[:-1]] == [False] * (len(told) - 1)


@given(lives(), st.data())
def test_the_book_sets_right_what_messages_left_open(life: list[BrokerOrder], data: st.DataObject) -> None:
    heard = data.draw(st.lists(st.sampled_from(life), max_size=10))
    merge = OrderMerge()
    for number, order in enumerate(heard):
        merge.offer(order, Source.MESSAGE, number)
    merge.offer(life[-1], Source.BOOK, 1_000)
    assert merge.order("1") == life[-1]


def test_a_late_message_never_undoes_an_end() -> None:
    for end in ("COMPLETE", "CANCELLED", "REJECTED"):
        merge = OrderMerge()
        last = state(end, 105, 10 if end == "COMPLETE" else 3)
        assert merge.offer(last, Source.MESSAGE, 1)
        for late in (state("OPEN", 104, 3), state("OPEN", 107, 2), state("CANCEL PENDING", 110, 3)):
            assert not merge.offer(late, Source.MESSAGE, 2)
            assert not merge.offer(late, Source.BOOK, 9)
        assert merge.order("1") == last


def test_what_is_filled_never_goes_back_even_when_a_message_claims_to_be_newer() -> None:
    merge = OrderMerge()
    merge.offer(state("OPEN", 105, 4), Source.MESSAGE, 1)
    for source in Source:
        assert not merge.offer(state("OPEN", 110, 2), source, 5)


def test_a_cancel_that_filled_more_than_was_told_is_news() -> None:
    merge = OrderMerge()
    merge.offer(state("CANCELLED", 105, 3), Source.MESSAGE, 1)
    assert merge.offer(state("CANCELLED", 105, 5), Source.BOOK, 2)


def test_a_book_that_was_asked_before_the_last_message_does_not_overrule_it() -> None:
    merge = OrderMerge()
    merge.offer(state("OPEN", 100, price="100"), Source.MESSAGE, 1)
    merge.offer(state("OPEN", 100, price="101"), Source.MESSAGE, 5)
    assert not merge.offer(state("OPEN", 100, price="100"), Source.BOOK, 4)
    assert merge.offer(state("OPEN", 100, price="100"), Source.BOOK, 6)


def trade(number: int, quantity: int, order_id: str = "1") -> BrokerTrade:
    return BrokerTrade(
        trade_id=str(number),
        broker_order_id=order_id,
        exchange_order_id=None,
        instrument=SHARE,
        side=Side.BUY,
        product=Product.MIS,
        quantity=Decimal(quantity),
        price=Decimal(100),
        at_ns=number,
    )


@given(st.lists(st.lists(st.integers(1, 5))))
def test_each_trade_is_told_once(books: list[list[int]]) -> None:
    merge = OrderMerge()
    told = [one.trade_id for book in books for one in merge.offer_trades(trade(number, 1) for number in book)]
    assert sorted(told) == sorted({str(number) for book in books for number in book})


def test_one_exchange_number_may_stand_on_two_orders() -> None:
    merge = OrderMerge()
    assert len(merge.offer_trades([trade(1, 1, "buy"), trade(1, 1, "sell")])) == 2


def test_knows_when_trades_are_missing() -> None:
    merge = OrderMerge()
    merge.offer(state("OPEN", 100), Source.MESSAGE, 1)
    assert not merge.lacks_trades()
    merge.offer(state("OPEN", 101, 4), Source.MESSAGE, 2)
    assert merge.lacks_trades()
    merge.offer_trades([trade(1, 1), trade(2, 3)])
    assert not merge.lacks_trades()
    assert merge.order("1") == state("OPEN", 101, 4)
