"""A zero too many: what an order by hand may be worth."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.feeds.tick_making import share
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.order import Side
from trademantra.trading.manual.size import check_size
from trademantra.trading.risk.limits import DEFAULT_LIMITS, OrderLimits
from trademantra.trading.risk.limits_json import parse_limits

LAKH = Decimal(100_000)
FUTURE = Instrument(
    exchange=Exchange.NSE, segment=Segment.EQUITY_FUTURES, kind=InstrumentKind.FUTURE, symbol="F", underlying="NIFTY",
    expiry=date(2026, 11, 23), lot_size=Decimal(65),
)  # fmt: skip
CALL = Instrument(
    exchange=Exchange.NSE, segment=Segment.EQUITY_OPTIONS, kind=InstrumentKind.OPTION, symbol="C", underlying="NIFTY",
    expiry=date(2026, 11, 23), strike=Decimal(25000), right=OptionRight.CALL, lot_size=Decimal(65),
)  # fmt: skip


def passes(instrument, side, quantity, price, capital, limits=DEFAULT_LIMITS.order):
    try:
        check_size(instrument, side, Decimal(quantity), Decimal(price), limits, capital)
    except InvalidValueError:
        return False
    return True


def test_twice_the_money_for_shares_ten_times_for_contracts():
    assert passes(share("INFY"), Side.BUY, 133, 1500, LAKH)  # 1,99,500
    assert not passes(share("INFY"), Side.BUY, 134, 1500, LAKH)
    assert not passes(share("INFY"), Side.SELL, 134, 1500, LAKH)
    assert passes(FUTURE, Side.BUY, 65, 25000, 2 * LAKH)  # a lot of 16,25,000
    assert not passes(FUTURE, Side.SELL, 130, 25000, 2 * LAKH)
    assert passes(CALL, Side.BUY, 650, 200, LAKH)  # the premium counts, 1,30,000
    assert not passes(CALL, Side.BUY, 1300, 200, LAKH)
    assert passes(CALL, Side.SELL, 65, 200, 2 * LAKH)  # the strike counts, 16,25,000
    assert not passes(CALL, Side.SELL, 650, 200, 2 * LAKH)


@given(st.integers(1, 10**9), st.integers(1, 10**5), st.integers(0, 10**8), st.integers(1, 5000))
def test_an_order_passes_up_to_its_share_of_the_money(quantity, price, capital, percent):
    limits = OrderLimits(hand_order_percent=Decimal(percent))
    allowed = 100 * quantity * price <= capital * percent
    assert passes(share("INFY"), Side.BUY, quantity, price, Decimal(capital), limits) == allowed
    assert passes(
        FUTURE, Side.BUY, quantity, price, Decimal(capital), limits
    )  # what is not set bounds nothing


def test_the_refusal_says_how_much_how_much_is_allowed_and_what_sets_it():
    with pytest.raises(InvalidValueError) as refused:
        check_size(share("INFY"), Side.BUY, Decimal(1000), Decimal(1500), DEFAULT_LIMITS.order, LAKH)
    assert "BUY 1000 NSE:INFY is worth 1,500,000, 15 times the 100,000" in refused.value.message
    assert "at most 200 % (hand_order_percent)" in refused.value.message
    assert parse_limits({"order": {"hand_order_percent": 1600}}).order.hand_order_percent == 1600
