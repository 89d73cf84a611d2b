"""What the gate knows of orders and positions is what the order book knows, whatever the messengers did."""

from copy import copy
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.risk.scene import TCS as SHARE
from tests.trading.risk.scene import Scene
from tests.trading.test_orders import CHARGE, TCS, intent_of, lives, order_of, told
from trademantra.brokers.orders import BrokerOrder
from trademantra.core.errors import InvalidValueError
from trademantra.core.order import OrderStatus, Product, Side
from trademantra.trading.intents import Purpose
from trademantra.trading.orders import OrderBook, PlannedOrder
from trademantra.trading.risk.follow import follow, forget
from trademantra.trading.risk.limits import Scope
from trademantra.trading.risk.state import RiskState


def fresh():
    state = RiskState()
    state.account_opened("a1", "u1")
    state.price(TCS.key, Decimal(100), 1)
    return state


def hear(book, message, now_ns):
    try:
        return (
            book.hear_order(message, now_ns)
            if isinstance(message, BrokerOrder)
            else book.hear_trade(message, now_ns)
        )
    except InvalidValueError:  # a trade that came before the order's number is known
        return None


@given(st.data(), lives())
def test_the_state_stands_where_the_book_stands(data, life):
    side, messages = life[:2]
    heard = data.draw(
        st.permutations([*messages, *data.draw(st.lists(st.sampled_from(messages), max_size=4))])
    )
    book, state = OrderBook("a1", lambda order, execution: CHARGE), fresh()
    intent = intent_of(100, side=side)
    follow(state, book.create(intent, [PlannedOrder(order_of(intent), "tag1")], 1), 1, intent)
    book.sending("o1", 2)
    restarted_at = data.draw(st.integers(0, len(heard)))
    for number, message in enumerate([*heard, *heard]):
        if number == restarted_at and book["o1"].order.status.is_final:
            state = fresh()  # a process that knows the position, and not the order that made it
            for key, position in book.positions.items():
                state.restore_position("a1", key.strategy_id, TCS, key.product, copy(position))
        changes = hear(book, message, number + 3)
        if changes is not None:
            follow(state, changes, number + 3)
        holding = state.holding("a1", "s1", TCS, Product.MIS)
        mine = next(iter(book.positions.values()), None)
        if mine is not None:
            assert holding.held == mine
        assert holding.buying + holding.selling == book["o1"].order.open_quantity


def test_forgotten_orders_free_what_they_held():
    book, state = OrderBook("a1", lambda order, execution: CHARGE), fresh()
    intent = intent_of(100)
    changes = book.create(intent, [PlannedOrder(order_of(intent), "tag1")], 1)
    follow(state, changes, 1, intent)
    assert state.book(Scope.ACCOUNT, "a1").exposure == 10_000
    forget(state, changes)
    assert state.book(Scope.ACCOUNT, "a1").exposure == 0
    assert state.book(Scope.ACCOUNT, "a1").trades_today == 0


@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.REJECTED])
def test_an_order_without_fills_ends(status):
    book, state = OrderBook("a1", lambda order, execution: CHARGE), fresh()
    intent = intent_of(100)
    follow(state, book.create(intent, [PlannedOrder(order_of(intent), "tag1")], 1), 1, intent)
    book.sending("o1", 2)
    follow(state, book.hear_order(told(status), 3), 3)
    assert not state.book(Scope.ACCOUNT, "a1").open


def test_an_hour_after_its_end_an_order_is_forgotten_and_its_late_fill_still_moves_the_position():
    book, state = OrderBook("a1", lambda order, execution: CHARGE), fresh()
    hour = 3600 * 10**9
    for number, at_ns in ((1, 1), (2, hour), (3, hour + 1)):
        intent = intent_of(100, f"i{number}")
        planned = PlannedOrder(order_of(intent, f"o{number}"), f"tag{number}")
        follow(state, book.create(intent, [planned], at_ns), at_ns, intent)
        if number == 1:
            book.sending("o1", 2)
            follow(state, book.hear_order(told(OrderStatus.CANCELLED), 3), 3)
            assert state.knows_order("o1")
        assert state.knows_order("o1") == (number < 3)
    assert state.knows_order("o2")  # what works is never forgotten
    before = state.holding("a1", "s1", TCS, Product.MIS)
    assert (before.held.quantity, before.buying) == (0, 200)
    follow(state, book.hear_order(told(OrderStatus.CANCELLED, 30, Decimal(100)), hour + 5), hour + 5)
    after = state.holding("a1", "s1", TCS, Product.MIS)
    assert (after.held.quantity, after.buying) == (30, 200)
    assert after.held == book.positions[next(iter(book.positions))]


def test_pairs_and_trades_of_forgotten_orders_leave_no_trace():
    scene = Scene({"account": {"max_trades_per_day": 3}})
    for hour in range(3):
        scene.now = hour * 3601.0
        scene.price(SHARE, 100)
        scene.trade(Side.BUY, 10, 100)
        scene.trade(Side.SELL, 10, 100, purpose=Purpose.EXIT)
    assert scene.ask(Side.BUY, 10).rule == "trades_per_day"  # the count is the day's, not the memory's
    assert len(scene.state._orders) == 2
    assert len(scene.state._trades) == 1
