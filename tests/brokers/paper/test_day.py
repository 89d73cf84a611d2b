"""The day of the exchange: phases, after-market orders, square-off, the end of the day."""

from datetime import date
from decimal import Decimal

from tests.brokers.paper.market import ACCOUNT, TOKEN, Fixture, market, share
from trademantra.brokers.orders import Variety
from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.brokers.paper.terms import Stage
from trademantra.core.order import OrderStatus, OrderType, Product

MONDAY = date(2026, 11, 23)
PLAIN = share(has_derivatives=False)  # continuous until 15:30


def message(m: Fixture, order_id: str) -> str:
    return m.order(order_id).status_message or ""


def test_outside_hours_an_order_is_rejected_and_an_amo_waits_for_the_open() -> None:
    m = market(start=(8, 0))
    rejected = m.buy(1, OrderType.LIMIT, price="99.00")
    assert m.order(rejected).stage is Stage.REJECTED
    assert "closed" in message(m, rejected)
    waiting = m.buy(1, OrderType.LIMIT, price="99.00", variety=Variety.AMO)
    assert m.stages(waiting) == ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "AMO REQ RECEIVED"]
    m.at(8, 59, 59)
    assert m.order(waiting).stage is Stage.AMO_RECEIVED
    m.at(9, 0)
    assert m.order(waiting).stage is Stage.OPEN
    m.at(9, 20)
    late = m.buy(1, OrderType.LIMIT, price="99.00", variety=Variety.AMO)
    assert "regular order" in message(m, late)


def test_an_amo_of_friday_evening_trades_on_monday() -> None:
    m = market(start=(15, 0), instrument=PLAIN)
    m.tick(100.0)
    m.at(18, 0)
    waiting = m.buy(1, product=Product.CNC, variety=Variety.AMO)
    m.at(9, 15, day=MONDAY)
    m.tick(101.0)
    assert m.fills == [("BUY", 1, 101.0)]
    assert [one.order_id for one in m.exchange.orders(ACCOUNT)] == [waiting]


def test_the_opening_auction_collects_and_the_open_fills() -> None:
    m = market(start=(9, 1))
    market_order = m.buy(5)
    better = m.buy(5, OrderType.LIMIT, price="102.00")
    m.at(9, 6)
    assert "Only limit orders" in message(m, m.buy(5))
    m.tick(103.0)  # an indicative price is no trade
    assert m.fills == []
    m.at(9, 13)
    assert "closed" in message(m, m.buy(5, OrderType.LIMIT, price="99.00"))
    m.at(9, 15)
    m.tick(101.0)
    assert m.fills == [("BUY", 5, 101.0), ("BUY", 5, 101.0)]
    assert {m.order(one).stage for one in (market_order, better)} == {Stage.COMPLETE}


def test_the_closing_auction_cancels_stops_and_takes_limit_orders() -> None:
    m = market(start=(15, 0))
    m.tick(100.0)
    stop = m.buy(1, OrderType.SL_M, trigger="105.00", product=Product.CNC)
    limit = m.buy(1, OrderType.LIMIT, price="99.00", product=Product.CNC)
    m.at(15, 16)
    assert m.order(stop).stage is Stage.CANCELLED
    assert m.order(limit).stage is Stage.OPEN
    m.at(15, 22)
    auction = m.buy(1, OrderType.LIMIT, price="101.00", product=Product.CNC)
    refused = m.buy(1, OrderType.SL_M, trigger="105.00", product=Product.CNC)
    assert "closing auction" in message(m, refused)
    m.tick(98.0)  # indicative
    assert m.fills == []
    m.at(15, 31)
    m.tick(100.5)  # the auction's price
    assert m.fills == [("BUY", 1, 100.5)]
    assert m.order(auction).stage is Stage.COMPLETE
    m.at(15, 36)
    assert (m.order(limit).stage, m.order(limit).status) == (Stage.CANCELLED, OrderStatus.EXPIRED)


def test_orders_of_the_day_end_with_trading() -> None:
    m = market(start=(15, 0), instrument=PLAIN)
    m.tick(100.0)
    order_id = m.buy(1, OrderType.LIMIT, price="99.00", product=Product.CNC)
    m.at(15, 29, 59)
    assert m.order(order_id).stage is Stage.OPEN
    m.at(15, 30)
    assert m.order(order_id).status is OrderStatus.EXPIRED


def test_intraday_positions_are_squared_off_by_the_broker() -> None:
    m = market(ExchangeSettings(square_off="zerodha"), start=(15, 0))
    m.tick(100.0)
    m.buy(10, stop="95.00", target="110.00")
    resting = m.buy(5, OrderType.LIMIT, price="99.00")
    delivery = m.buy(3, product=Product.CNC)
    m.tick(100.0)
    m.at(15, 11, 59)
    assert m.held == 13
    m.at(15, 12)  # shares of the closing auction (specs/india-markets.md 3.6)
    m.tick(99.5)
    assert m.fills[-1] == ("SELL", 10, 99.5)
    assert m.held == 3
    assert m.order(resting).stage is Stage.CANCELLED
    assert m.order(delivery).stage is Stage.COMPLETE
    assert all(one.stage in (Stage.COMPLETE, Stage.CANCELLED) for one in m.exchange.orders(ACCOUNT))
    assert "square-off time" in message(m, m.buy(1))
    m.at(9, 0, day=MONDAY)
    texts = " ".join(entry.text for entry in m.exchange.account(ACCOUNT).ledger())
    assert "brokerage 50.60" in texts  # 0.03% of 1,995 and the charge of 50 for the square-off


def test_a_new_day_begins_with_empty_books_and_yesterdays_close() -> None:
    m = market(start=(15, 0), instrument=PLAIN)
    m.tick(100.0)
    m.buy(10, product=Product.CNC)
    m.tick(102.0)
    m.at(9, 0, day=MONDAY)
    assert m.exchange.orders(ACCOUNT) == ()
    assert m.exchange.trades(ACCOUNT) == ()
    quote = m.exchange.quote(TOKEN)
    assert quote is not None
    assert (quote.previous_close, quote.open, quote.volume) == (Decimal(102), None, 0)
    [holding] = m.exchange.holdings(ACCOUNT)
    assert holding.t1_quantity + holding.quantity == 10
    m.at(9, 16, day=MONDAY)
    m.sell(10, OrderType.LIMIT, price="101.00", product=Product.CNC)
    m.tick(103.0)
    assert m.fills[-1] == ("SELL", 10, 103.0)


def test_unknown_hours_reject_with_the_reason() -> None:
    m = market(instrument=share("UNHEARDOF", has_derivatives=None), start=(15, 16))
    order_id = m.buy(1, OrderType.LIMIT, price="99.00", product=Product.CNC)
    assert m.order(order_id).stage is Stage.REJECTED
    assert "has_derivatives" in message(m, order_id)
