"""The day's book answers alike whether an order that ended was packed or not."""

from dataclasses import replace
from datetime import time
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.brokers.paper.market import DAY, INFY, TOKEN
from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.orders import OrderRequest
from trademantra.brokers.paper.day_book import DayBook
from trademantra.brokers.paper.terms import ExchangeOrder, ExchangeTrade, Stage
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_MINUTE, ist_ns

LISTING = Listing("NSE", "INFY", TOKEN, INFY)
ACCOUNTS = ("one", "two")
OPENS = ist_ns(DAY, time(9, 15))


def order_of(number, now_ns):
    request = OrderRequest(
        instrument=INFY, side=Side.BUY, quantity=Decimal(10 + number), order_type=OrderType.LIMIT, product=Product.MIS,
        tag=f"tag{number}", price=Decimal("1500.05"),
    )  # fmt: skip
    return ExchangeOrder(
        order_id=f"261120{number:09}", account_id=ACCOUNTS[number % 2], listing=LISTING, request=request,
        stage=Stage.RECEIVED, status=OrderStatus.SENT, placed_ns=now_ns, updated_ns=now_ns, pending_quantity=request.quantity,
    )  # fmt: skip


def trade_of(number, order):
    return ExchangeTrade(
        trade_id=str(number), order_id=order.order_id, exchange_order_id=f"1{order.order_id}", account_id=order.account_id,
        listing=LISTING, side=Side.BUY, product=Product.MIS, quantity=Decimal(1), price=Decimal("1500.05"),
        at_ns=order.updated_ns,
    )  # fmt: skip


def answers(book, names):
    return [
        [book.orders(account) for account in ACCOUNTS],
        [list(book.names(account)) for account in ACCOUNTS],
        [book.trades(account) for account in ACCOUNTS],
        [book.find(name) for name in [*names, "261120999999999"]],
        [list(book.stages(name)) for name in names],
        [list(book.trades_of(name)) for name in names],
    ]


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 40)), max_size=90),
    next_day=st.booleans(),
)
def test_orders_stages_and_trades_of_the_day_are_told_alike_packed_or_not(steps, next_day):
    books = [DayBook(Listings.of([LISTING])) for _ in range(2)]
    for book in books:
        for account in ACCOUNTS:
            book.open_account(account)
    orders, now_ns, trades = [], OPENS, 0
    for kind, which, minutes in steps:
        now_ns += minutes * NANOSECONDS_PER_MINUTE
        open_ones = [order for order in orders if not order.status.is_final]
        if kind == 0 or not open_ones:
            orders.append(order_of(len(orders), now_ns))
            told = orders[-1]
        else:
            before = open_ones[which % len(open_ones)]
            if kind == 1:
                trades += 1
                for book in books:
                    book.keep_trade(trade_of(trades, before))
                continue
            stage, status = (
                (Stage.OPEN, OrderStatus.OPEN), (Stage.COMPLETE, OrderStatus.FILLED), (Stage.REJECTED, OrderStatus.REJECTED)
            )[kind - 2]  # fmt: skip
            told = replace(
                before, stage=stage, status=status, updated_ns=now_ns, status_message="it says\tso"
            )
            orders[orders.index(before)] = told
        for book in books:
            book.keep(told)
        books[0].pack(now_ns)
    names = [order.order_id for order in orders]
    for _ in orders:
        books[0].pack(now_ns + 61 * NANOSECONDS_PER_MINUTE)
    assert answers(books[0], names) == answers(books[1], names)
    live = {order.order_id for order in orders if not order.status.is_final}
    assert books[0]._entries.keys() == live
    if next_day:
        for book in books:
            book.begin_day(live)
        assert answers(books[0], sorted(live)) == answers(books[1], sorted(live))
        shown = [order.order_id for account in ACCOUNTS for order in books[0].orders(account)]
        assert sorted(shown) == sorted(live)
