"""The life of an order: the table is the only road, and quantities never go wrong on it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.errors import IllegalTransitionError, InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import LEGAL_TRANSITIONS, Fill, Order, OrderStatus, OrderType, Product, Side

RELIANCE = Instrument(
    exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="RELIANCE"
)


def order(**terms: object) -> Order:
    return Order(
        **{
            "order_id": "o1",
            "instrument": RELIANCE,
            "side": Side.BUY,
            "quantity": Decimal(10),
            "order_type": OrderType.MARKET,
            "product": Product.MIS,
            **terms,
        }
    )


def fill(quantity: int, price: str = "100.05", **terms: object) -> Fill:
    return Fill(
        **{
            "fill_id": "f1",
            "order_id": "o1",
            "side": Side.BUY,
            "quantity": Decimal(quantity),
            "price": Decimal(price),
            "at_ns": 1,
            **terms,
        }
    )


def on_the_way(*statuses: OrderStatus) -> Order:
    walked = order()
    for status in statuses:
        walked = walked.with_status(status)
    return walked


@given(st.sampled_from(OrderStatus), st.sampled_from(OrderStatus))
def test_only_the_table_is_legal(here: OrderStatus, there: OrderStatus) -> None:
    filled = {OrderStatus.FILLED: Decimal(10), OrderStatus.PARTLY_FILLED: Decimal(4)}.get(there, Decimal(0))
    placed = order(status=here, filled_quantity=filled, filled_value=filled * 100)
    if there in LEGAL_TRANSITIONS[here]:
        assert placed.with_status(there).status is there
    else:
        with pytest.raises(IllegalTransitionError, match="does not lead to"):
            placed.with_status(there)


def test_every_status_has_a_row_and_every_final_one_is_reachable() -> None:
    assert set(LEGAL_TRANSITIONS) == set(OrderStatus)
    reached, frontier = {OrderStatus.CREATED}, [OrderStatus.CREATED]
    while frontier:
        for status in LEGAL_TRANSITIONS[frontier.pop()] - reached:
            reached.add(status)
            frontier.append(status)
    assert reached == set(OrderStatus)
    assert {status for status in OrderStatus if status.is_final} == {
        OrderStatus.REFUSED,
        OrderStatus.FILLED,
        OrderStatus.CANCELLED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
        OrderStatus.ABSENT,
    }


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_fills_add_up_and_never_exceed_the_order(quantities: list[int]) -> None:
    placed = on_the_way(OrderStatus.JOURNALED, OrderStatus.SENT, OrderStatus.OPEN)
    done = 0
    for quantity in quantities:
        if not placed.status.may_fill:
            with pytest.raises(IllegalTransitionError):
                placed.with_fill(fill(quantity))
            break
        if done + quantity > 10:
            with pytest.raises(InvalidValueError, match="exceeds the open"):
                placed.with_fill(fill(quantity))
            break
        placed = placed.with_fill(fill(quantity))
        done += quantity
        assert placed.filled_quantity == done
        assert placed.average_price == Decimal("100.05")
        assert placed.open_quantity == 10 - done
        assert placed.status is (OrderStatus.FILLED if done == 10 else OrderStatus.PARTLY_FILLED)


def test_a_fill_during_a_cancel_counts_and_the_cancel_stays() -> None:
    cancelling = on_the_way(OrderStatus.JOURNALED, OrderStatus.SENT, OrderStatus.OPEN, OrderStatus.CANCELLING)
    partly = cancelling.with_fill(fill(4))
    assert (partly.status, partly.filled_quantity) == (OrderStatus.CANCELLING, 4)
    assert partly.with_status(OrderStatus.CANCELLED).open_quantity == 0
    assert partly.with_fill(fill(6, fill_id="f2")).status is OrderStatus.FILLED


def test_filled_is_refused_while_something_is_open() -> None:
    with pytest.raises(IllegalTransitionError, match="0 of 10 filled"):
        on_the_way(OrderStatus.JOURNALED, OrderStatus.SENT).with_status(OrderStatus.FILLED)


def test_a_lost_reply_may_end_in_absent_but_a_confirmed_order_may_not() -> None:
    lost = on_the_way(OrderStatus.JOURNALED, OrderStatus.SENT, OrderStatus.UNKNOWN)
    assert lost.with_status(OrderStatus.ABSENT).status.is_final
    with pytest.raises(IllegalTransitionError):
        on_the_way(OrderStatus.JOURNALED, OrderStatus.SENT, OrderStatus.OPEN).with_status(OrderStatus.ABSENT)


@pytest.mark.parametrize(
    "terms",
    [
        {"quantity": Decimal(0)},
        {"order_type": OrderType.LIMIT},
        {"price": Decimal(5)},
        {"order_type": OrderType.SL, "price": Decimal(5)},
        {"order_type": OrderType.SL_M, "price": Decimal(5), "trigger_price": Decimal(5)},
        {"order_type": OrderType.LIMIT, "price": Decimal(-1)},
        {"filled_quantity": Decimal(11)},
    ],
)
def test_contradictory_terms_are_refused(terms: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError, match="o1"):
        order(**terms)


def test_another_orders_fill_is_refused() -> None:
    placed = on_the_way(OrderStatus.JOURNALED, OrderStatus.SENT)
    with pytest.raises(InvalidValueError, match="does not belong"):
        placed.with_fill(fill(1, order_id="o2"))
    with pytest.raises(InvalidValueError, match="does not belong"):
        placed.with_fill(fill(1, side=Side.SELL))


def test_orders_are_hashable_values() -> None:
    assert len({order(), order(), order(quantity=Decimal(11))}) == 2
