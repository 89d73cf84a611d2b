"""Modified orders, partial fills, and exits of an account that is under water."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.brokers.paper.account.making import order, request, share, trade
from trademantra.brokers.paper.account.account import Account
from trademantra.brokers.paper.account.rejections import AccountRejectionError
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.core.errors import InvalidValueError
from trademantra.core.order import OrderStatus, Product, Side

INFY = share()


def account(cash: int = 100_000) -> Account:
    return Account("AB1234", Decimal(cash), MarginSettings(tariff="none"))


def test_a_modification_holds_the_new_amount_or_keeps_the_old_one() -> None:
    one = account()
    terms = request(INFY, Side.BUY, 50, Product.CNC, price="1500")
    one.check_and_block(order("1", INFY, terms), Decimal(1500))
    one.reblock(order("1", INFY, replace(terms, quantity=Decimal(40))), Decimal(1500))
    assert one.available == 40_000
    with pytest.raises(
        AccountRejectionError, match=r"Required margin is 105000.00 but available margin is 100000.00"
    ):
        one.reblock(order("1", INFY, replace(terms, quantity=Decimal(70))), Decimal(1500))
    assert (one.blocked("1"), one.available) == (60_000, 40_000)


def test_a_partial_fill_holds_the_rest_however_often_it_is_told() -> None:
    one = account()
    terms = request(INFY, Side.BUY, 50, Product.CNC, price="1500")
    one.check_and_block(order("1", INFY, terms), Decimal(1500))
    one.book(trade("t", INFY, Side.BUY, 20, "1490", Product.CNC, order_id="1"))
    assert (one.blocked("1"), one.available) == (45_000, 100_000 - 29_800 - 45_000)
    one.reblock(order("1", INFY, terms, filled=20), Decimal(1480))
    assert one.blocked("1") == 45_000
    done = replace(
        order("1", INFY, terms, filled=20), status=OrderStatus.CANCELLED, cancelled_quantity=Decimal(30)
    )
    one.reblock(done, Decimal(1480))
    assert (one.blocked("1"), one.available) == (0, 70_200)


def test_an_account_under_water_may_leave_its_positions_and_nothing_else() -> None:
    one = account(20_000)
    one.book(trade("1", INFY, Side.BUY, 60, "1500", Product.MIS))
    tcs = share("TCS", 2953217)
    one.book(trade("2", tcs, Side.BUY, 10, "1000", Product.MIS))
    one.book(trade("3", tcs, Side.SELL, 10, "100", Product.MIS))
    assert one.available == 20_000 - 18_000 - 9_000
    one.check_and_block(order("a", INFY, request(INFY, Side.SELL, 60, Product.MIS)), Decimal(1000))
    one.reblock(order("a", INFY, request(INFY, Side.SELL, 60, Product.MIS, price="990")), Decimal(1000))
    one.reblock(
        order("a", INFY, request(INFY, Side.SELL, 60, Product.MIS, price="990"), filled=10), Decimal(1000)
    )
    with pytest.raises(AccountRejectionError, match=r"available margin is -7000.00"):
        one.check_and_block(order("b", tcs, request(tcs, Side.BUY, 1, Product.MIS)), Decimal(1000))


def test_averages_follow_the_open_quantity() -> None:
    one = account()
    one.book(trade("1", INFY, Side.BUY, 10, "100", Product.MIS))
    one.book(trade("2", INFY, Side.BUY, 30, "120", Product.MIS))
    one.book(trade("3", INFY, Side.SELL, 20, "130", Product.MIS))
    (row,) = one.positions(lambda token: Decimal(125)).net
    assert (row.average_price, row.buy_price, row.sell_price) == (115, 115, 130)
    assert (row.value, row.pnl, row.realised, row.unrealised) == (-2_000, 500, 300, 200)
    one.book(trade("4", INFY, Side.SELL, 50, "110", Product.MIS))
    (row,) = one.positions(lambda token: Decimal(105)).net
    assert (row.quantity, row.average_price, row.realised, row.unrealised) == (-30, 110, 200, 150)
    assert one.open_quantity(INFY.token, Product.MIS) == -30
    (row,) = one.positions(lambda token: None).net
    assert (row.last_price, row.pnl, row.m2m, row.unrealised) == (None, None, None, None)


def test_a_position_takes_over_the_newest_listing() -> None:
    one = account()
    one.book(trade("1", INFY, Side.BUY, 10, "100", Product.MIS))
    one.book(trade("2", share(close="99"), Side.BUY, 10, "100", Product.MIS))
    assert [row.close_price for row in one.positions(lambda token: None).net] == [99]


def test_a_filled_order_costs_what_it_held() -> None:
    for product, asked in ((Product.CNC, 90_000), (Product.MIS, 18_000), (Product.MTF, 22_500)):
        one = account()
        one.check_and_block(order("1", INFY, request(INFY, Side.BUY, 60, product)), Decimal(1500))
        before = one.available
        assert before == 100_000 - asked
        one.book(trade("t", INFY, Side.BUY, 60, "1500", product, order_id="1"))
        assert one.available == before


def test_settings_refuse_what_cannot_be() -> None:
    for wrong in ({"intraday": Decimal(5)}, {"mtf": Decimal(-1)}, {"own_intraday": {"INFY": Decimal(0)}}):
        with pytest.raises(InvalidValueError):
            MarginSettings(**wrong)
