"""CNC and MIS shares: what is blocked, refused, booked.  All numbers worked out by hand."""

from decimal import Decimal

import pytest

from tests.brokers.paper.account.making import order, request, share, trade
from trademantra.brokers.paper.account.account import Account
from trademantra.brokers.paper.account.rejections import AccountRejectionError
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.terms import Refusal
from trademantra.core.order import Product, Side

INFY = share()


@pytest.fixture
def account() -> Account:
    return Account("AB1234", Decimal(100_000), MarginSettings())


def test_delivery_blocks_the_whole_value(account: Account) -> None:
    account.check_and_block(
        order("1", INFY, request(INFY, Side.BUY, 60, Product.CNC, price="1500")), Decimal(1510)
    )
    assert account.blocked("1") == 90_000
    assert account.available == 10_000
    account.release("1")
    assert account.available == 100_000


def test_intraday_blocks_a_fifth(account: Account) -> None:
    account.check_and_block(order("1", INFY, request(INFY, Side.SELL, 300, Product.MIS)), Decimal(1500))
    assert account.blocked("1") == 90_000  # 300 x 1500 / 5
    account.book(trade("t1", INFY, Side.SELL, 300, "1500", Product.MIS, order_id="1"))
    assert account.blocked("1") == 0
    assert account.available == 10_000
    account.book(trade("t2", INFY, Side.BUY, 300, "1510", Product.MIS))
    assert account.available == 97_000  # a loss of 3,000 counts at once


def test_todays_profit_is_not_used_today(account: Account) -> None:
    account.book(trade("t1", INFY, Side.BUY, 100, "1500", Product.MIS))
    account.book(trade("t2", INFY, Side.SELL, 100, "1510", Product.MIS))
    assert account.available == 100_000


def test_too_little_money_in_the_brokers_words(account: Account) -> None:
    with pytest.raises(AccountRejectionError) as refused:
        account.check_and_block(
            order("1", INFY, request(INFY, Side.BUY, 67, Product.CNC, price="1500")), Decimal(1500)
        )
    assert refused.value.kind is Refusal.MARGIN
    assert refused.value.message == (
        "Insufficient funds. Required margin is 100500.00 but available margin is 100000.00. "
        "Check the orderbook for open orders."
    )
    assert account.available == 100_000


def test_an_exit_needs_nothing_even_when_all_is_used(account: Account) -> None:
    account.book(trade("t1", INFY, Side.BUY, 330, "1500", Product.MIS))
    assert account.available == 1_000
    account.check_and_block(
        order("1", INFY, request(INFY, Side.SELL, 330, Product.MIS, trigger="1490")), Decimal(1500)
    )
    assert account.blocked("1") == 0
    with pytest.raises(AccountRejectionError):  # a second full exit would open a short position
        account.check_and_block(order("2", INFY, request(INFY, Side.SELL, 330, Product.MIS)), Decimal(1500))


def test_a_stop_and_its_target_count_once(account: Account) -> None:
    account.book(trade("t1", INFY, Side.BUY, 330, "1500", Product.MIS))
    stop = order("1", INFY, request(INFY, Side.SELL, 330, Product.MIS, trigger="1490"))
    target = order("2", INFY, request(INFY, Side.SELL, 330, Product.MIS, price="1550"))
    account.check_and_block(stop, Decimal(1500), one_cancels_other="e1")
    account.check_and_block(target, Decimal(1500), one_cancels_other="e1")
    assert account.available == 1_000


def test_shares_that_are_not_there_cannot_be_sold(account: Account) -> None:
    with pytest.raises(AccountRejectionError) as refused:
        account.check_and_block(order("1", INFY, request(INFY, Side.SELL, 1, Product.CNC)), Decimal(1500))
    assert refused.value.kind is Refusal.HOLDING
    assert refused.value.raw.startswith("RMS:Rule: Check holdings")
    account.book(trade("t1", INFY, Side.BUY, 10, "1500", Product.CNC))
    account.check_and_block(order("1", INFY, request(INFY, Side.SELL, 10, Product.CNC)), Decimal(1500))
    with pytest.raises(AccountRejectionError):
        account.check_and_block(order("2", INFY, request(INFY, Side.SELL, 1, Product.CNC)), Decimal(1500))


def test_a_trade_is_booked_once(account: Account) -> None:
    bought = trade("t1", INFY, Side.BUY, 10, "1500", Product.CNC)
    account.book(bought)
    account.book(bought)
    assert account.open_quantity(INFY.token, Product.CNC) == 10
    assert account.available == 85_000
