"""The end of a day, with the charges of the sheet's illustrations (specs/india-markets.md 1.6)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.brokers.paper.account.making import DAY, NEXT, future, option, order, request, share, trade
from trademantra.brokers.paper.account.account import Account
from trademantra.brokers.paper.account.rejections import AccountRejectionError
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.account.views import Marks, no_marks
from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import OptionRight
from trademantra.core.order import Product, Side

INFY = share()
NO_CHARGES = MarginSettings(tariff="none")
EXPIRY = date(2026, 11, 23)
AFTER = date(2026, 11, 25)


def account(cash: int = 500_000, settings: MarginSettings = NO_CHARGES) -> Account:
    return Account("AB1234", Decimal(cash), settings)


def at(price: str) -> Marks:
    return lambda token: Decimal(price)


def test_an_intraday_round_trip_with_its_contract_note() -> None:
    one = account(settings=MarginSettings())
    one.book(trade("1", INFY, Side.BUY, 400, "250", Product.MIS))
    one.book(trade("2", INFY, Side.SELL, 400, "253", Product.MIS))
    settled = one.settle(DAY, at("253"), NEXT)
    assert settled.charges == Decimal("82.73")
    assert [(e.text.split(":")[0], e.amount, e.balance) for e in settled.entries] == [
        ("Shares traded intraday", 1_200, 501_200),
        ("Charges", Decimal("-82.73"), Decimal("501117.27")),
    ]
    assert one.positions(at("253")).net == ()
    assert one.available == Decimal("501117.27")


def test_the_brokers_own_square_off_is_charged() -> None:
    one = account(settings=MarginSettings())
    one.book(trade("1", INFY, Side.BUY, 400, "250", Product.MIS))
    one.book(trade("2", INFY, Side.SELL, 400, "253", Product.MIS), auto_square_off=True)
    assert one.settle(DAY, at("253"), NEXT).charges == Decimal("82.73") + 59  # 50 and 18% GST


def test_shares_bought_are_positions_then_undelivered_then_delivered() -> None:
    one = account()
    one.book(trade("1", INFY, Side.BUY, 10, "1500", Product.CNC))
    assert one.holdings(at("1510")) == ()
    one.settle(DAY, at("1510"), NEXT)
    assert one.cash == 485_000
    assert one.positions(at("1510")).net == ()
    (row,) = one.holdings(at("1530"))
    assert (row.quantity, row.t1_quantity, row.opening_quantity, row.average_price) == (0, 10, 10, 1500)
    assert (row.pnl, row.close_price, row.day_change) == (300, 1510, 20)
    one.settle(NEXT, at("1530"), AFTER)
    (row,) = one.holdings(no_marks)
    assert (row.quantity, row.t1_quantity, row.pnl) == (10, 0, None)


def test_delivered_shares_give_their_money_at_once_and_others_the_next_day() -> None:
    one = account()
    one.book(trade("1", INFY, Side.BUY, 10, "1500", Product.CNC))
    one.settle(DAY, at("1500"), NEXT)
    one.book(trade("2", INFY, Side.BUY, 5, "1500", Product.CNC))
    assert one.available == 477_500
    one.settle(NEXT, at("1500"), AFTER)  # ten delivered, five not
    one.check_and_block(order("a", INFY, request(INFY, Side.SELL, 12, Product.CNC)), Decimal(1600))
    one.book(trade("3", INFY, Side.SELL, 12, "1600", Product.CNC, order_id="a"))
    assert one.available == 477_500 + 16_000
    (row,) = one.holdings(at("1600"))
    assert row.used_quantity == 12
    assert one.sellable(INFY, Product.CNC) == 3
    margin = one.margins(at("1600"))["equity"]
    assert (margin.utilised.holding_sales, margin.utilised.delivery) == (19_200, -16_000)
    one.settle(AFTER, at("1600"), AFTER + timedelta(days=1))
    assert one.available == 477_500 + 19_200
    (row,) = one.holdings(at("1600"))
    assert (row.quantity, row.average_price, row.pnl) == (3, 1500, 300)


def test_shares_sold_and_bought_back_the_same_day_stay() -> None:
    one = account()
    one.book(trade("1", INFY, Side.BUY, 10, "1500", Product.CNC))
    one.settle(DAY, at("1500"), NEXT)
    one.book(trade("2", INFY, Side.SELL, 10, "1520", Product.CNC))
    one.book(trade("3", INFY, Side.BUY, 10, "1510", Product.CNC))
    one.settle(NEXT, at("1510"), AFTER)
    (row,) = one.holdings(at("1510"))
    assert (row.opening_quantity, row.average_price) == (10, 1500)
    assert one.cash == 485_000 + 100


def test_funded_shares_cost_their_own_part_and_interest() -> None:
    one = account(100_000)
    one.check_and_block(order("a", INFY, request(INFY, Side.BUY, 100, Product.MTF)), Decimal(1000))
    assert one.blocked("a") == 25_000
    one.book(trade("1", INFY, Side.BUY, 100, "1000", Product.MTF, order_id="a"))
    assert one.available == 75_000
    one.settle(DAY, at("1000"), NEXT)  # Friday to Monday: 75,000 x 0.04% x 3
    assert one.cash == 75_000 - 90
    (row,) = one.holdings(at("1100"))
    assert (row.mtf.quantity, row.mtf.value, row.mtf.initial_margin) == (100, 100_000, 25_000)
    assert (row.product, row.quantity) == (Product.MTF, 0)
    with pytest.raises(AccountRejectionError):  # they are not the client's to sell as CNC
        one.check_and_block(order("b", INFY, request(INFY, Side.SELL, 1, Product.CNC)), Decimal(1100))
    one.settle(NEXT, at("1100"), AFTER)
    before = one.cash
    assert before == 74_910 - 60
    one.book(trade("2", INFY, Side.SELL, 40, "1100", Product.MTF))
    assert one.available == before + 44_000 - 30_000  # two fifths of the loan go back
    one.settle(AFTER, at("1100"), AFTER + timedelta(days=1))
    assert one.cash == before + 14_000 - 18  # 45,000 x 0.04%
    (row,) = one.holdings(at("1100"))
    assert (row.mtf.quantity, row.mtf.value, row.mtf.initial_margin) == (60, 60_000, 15_000)


def test_futures_are_marked_to_market_every_day() -> None:
    one = account()
    nifty = future(date(2026, 12, 29))
    one.book(trade("1", nifty, Side.BUY, 65, "24600", Product.NRML))
    one.settle(DAY, at("24650"), NEXT)
    assert one.cash == 503_250
    assert one.available == 503_250 - Decimal(24_650) * 65 * Decimal("0.12")
    (row,) = one.positions(at("24700")).net
    assert (row.overnight_quantity, row.average_price, row.close_price) == (65, 24_600, 24_650)
    assert (row.pnl, row.m2m, row.buy_value, row.value) == (6_500, 3_250, 1_599_000, -1_599_000)
    assert one.positions(at("24700")).day == ()
    one.book(trade("1", nifty, Side.SELL, 65, "24700", Product.NRML))
    (row,) = one.positions(at("24700")).net
    assert (row.quantity, row.pnl, row.m2m, row.realised, row.unrealised) == (0, 6_500, 3_250, 6_500, 0)
    one.settle(NEXT, at("24700"), AFTER)
    assert one.cash == 506_500


def test_a_future_without_a_price_is_not_marked() -> None:
    one = account()
    one.book(trade("1", future(date(2026, 12, 29)), Side.BUY, 65, "24600", Product.NRML))
    settled = one.settle(DAY, no_marks, NEXT)
    assert one.cash == 500_000
    assert "not marked to market" in settled.warnings[0]


def test_premium_is_settled_and_the_option_carried() -> None:
    one = account()
    call = option(24500, OptionRight.CALL, expiry=date(2026, 12, 29))
    one.book(trade("1", call, Side.SELL, 65, "120", Product.NRML))
    one.settle(DAY, at("130"), NEXT)
    assert one.cash == 507_800
    assert one.available == 507_800 - 191_100  # settled premium is money like any other
    (row,) = one.positions(at("125")).net
    assert (row.pnl, row.m2m) == (-325, 325)


@pytest.mark.parametrize(
    ("side", "right", "final", "worth"),
    [
        (Side.BUY, OptionRight.CALL, "24650", 9_750),
        (Side.SELL, OptionRight.CALL, "24650", -9_750),
        (Side.BUY, OptionRight.PUT, "24650", 0),
        (Side.SELL, OptionRight.PUT, "24400", -6_500),
    ],
)
def test_index_options_end_in_cash(side: Side, right: OptionRight, final: str, worth: int) -> None:
    one = account()
    one.book(trade("1", option(24500, right, expiry=EXPIRY), side, 65, "100", Product.NRML))
    one.settle(DAY, at("100"), NEXT)
    before = one.cash
    one.settle(EXPIRY, at("100"), AFTER, {"NIFTY": Decimal(final)})
    assert one.cash == before + worth
    assert one.positions(no_marks).net == ()


def test_exercise_is_taxed_on_what_the_option_is_worth() -> None:
    one = account(settings=MarginSettings())
    call = option(24500, OptionRight.CALL, expiry=EXPIRY)
    one.book(trade("1", call, Side.BUY, 65, "100", Product.NRML))
    one.settle(DAY, at("100"), NEXT)
    settled = one.settle(EXPIRY, at("150"), AFTER, {"NIFTY": Decimal(24_650)})
    assert (
        settled.entries[-1].text == "Charges: stt 15.00" or "stt 15" in settled.entries[-1].text
    )  # 0.15% of 9,750


def test_a_stock_future_ends_in_money_and_is_charged_as_delivery() -> None:
    one = account(settings=MarginSettings())
    one.book(
        trade("1", future(EXPIRY, underlying="INFY", lot=400, token=77), Side.BUY, 400, "1500", Product.NRML)
    )
    one.settle(DAY, at("1500"), NEXT)
    before = one.cash
    settled = one.settle(EXPIRY, at("1490"), AFTER, {"INFY": Decimal(1_490)})
    assert settled.entries[0].amount == -4_000
    assert "stt 596" in settled.entries[-1].text  # 0.1% of 596,000
    assert one.cash == before - 4_000 - settled.charges


@pytest.mark.parametrize(
    ("side", "right", "stamp"),
    [
        (Side.BUY, OptionRight.CALL, True),
        (Side.BUY, OptionRight.PUT, False),
        (Side.SELL, OptionRight.PUT, True),
    ],
)
def test_who_receives_the_shares_of_a_stock_option_pays_the_stamp(
    side: Side, right: OptionRight, stamp: bool
) -> None:
    one = account(settings=MarginSettings())
    held = option(1500, right, underlying="INFY", expiry=EXPIRY, lot=400)
    one.book(trade("1", held, side, 400, "20", Product.NRML))
    one.settle(DAY, at("20"), NEXT)
    final = Decimal(1_540) if right is OptionRight.CALL else Decimal(1_460)
    settled = one.settle(EXPIRY, at("40"), AFTER, {"INFY": final})
    assert settled.entries[0].amount == side.sign * 16_000
    assert "stt 600" in settled.entries[-1].text  # 0.1% of 400 x 1,500, from either
    assert ("stamp 90" in settled.entries[-1].text) is stamp  # 0.015%


def test_an_expired_contract_without_any_price_stays_and_says_so() -> None:
    one = account()
    call = option(24500, OptionRight.CALL, expiry=EXPIRY)
    one.book(trade("1", call, Side.BUY, 65, "100", Product.NRML))
    one.settle(DAY, at("100"), NEXT)
    settled = one.settle(EXPIRY, no_marks, AFTER)
    assert "expired without a final price" in settled.warnings[0]
    assert one.open_quantity(call.token, Product.NRML) == 65
    one.settle(AFTER, no_marks, AFTER + timedelta(days=1), {"NIFTY": Decimal(24_400)})
    assert one.open_quantity(call.token, Product.NRML) == 0


def test_intraday_shares_left_open_are_kept_or_closed_out() -> None:
    one = account()
    tcs = share("TCS", 2953217)
    one.book(trade("1", INFY, Side.BUY, 10, "1500", Product.MIS))
    one.book(trade("2", tcs, Side.SELL, 10, "1000", Product.MIS))
    settled = one.settle(DAY, at("1000"), NEXT)
    assert [row.opening_quantity for row in one.holdings(no_marks)] == [10]
    assert one.cash == 500_000 - 15_000 - 2_000  # closed out 20% above the close
    assert len(settled.warnings) == 2


def test_a_sale_that_was_booked_without_shares_is_closed_out() -> None:
    one = account()
    one.book(trade("1", INFY, Side.SELL, 10, "1500", Product.CNC))
    assert one.available == 500_000  # nothing of it may be used
    settled = one.settle(DAY, at("1500"), NEXT)
    assert "sold and not delivered" in settled.warnings[0]
    assert one.cash == 500_000 - 3_000


def test_a_day_without_rates_changes_nothing() -> None:
    one = account(settings=MarginSettings())
    one.book(trade("1", INFY, Side.BUY, 10, "1500", Product.CNC))
    before = one.to_json()
    with pytest.raises(MissingFactError):
        one.settle(date(1999, 1, 4), at("1500"), date(1999, 1, 5))
    with pytest.raises(InvalidValueError):
        one.settle(DAY, at("1500"), DAY)
    assert one.to_json() == before


def test_conversion_blocks_for_the_new_product_and_changes_the_note() -> None:
    one = account(100_000, MarginSettings())
    one.book(trade("1", INFY, Side.BUY, 100, "900", Product.MIS))
    assert one.available == 82_000
    one.convert(INFY, Side.BUY, Decimal(60), Product.MIS, Product.CNC, overnight=False)
    assert one.available == 100_000 - 54_000 - 7_200
    assert (one.open_quantity(INFY.token, Product.CNC), one.open_quantity(INFY.token, Product.MIS)) == (
        60,
        40,
    )
    one.book(trade("2", INFY, Side.SELL, 40, "900", Product.MIS))
    settled = one.settle(DAY, at("900"), NEXT)
    # stt: 0.1% of 54,000 bought for delivery, 0.025% of 36,000 sold intraday
    assert "stt 63" in settled.entries[-1].text
    assert [row.t1_quantity for row in one.holdings(no_marks)] == [60]


def test_a_conversion_that_cannot_be_paid_is_refused_and_changes_nothing() -> None:
    one = account(20_000)
    one.book(trade("1", INFY, Side.BUY, 100, "900", Product.MIS))
    before = one.to_json()
    with pytest.raises(
        AccountRejectionError, match=r"Required margin is 72000.00 but available margin is 2000.00"
    ):
        one.convert(INFY, Side.BUY, Decimal(100), Product.MIS, Product.CNC, overnight=False)
    assert one.to_json() == before
    assert one.available == 2_000
    for quantity, side in ((101, Side.BUY), (1, Side.SELL)):
        with pytest.raises(AccountRejectionError, match="more than the open quantity"):
            one.convert(INFY, side, Decimal(quantity), Product.MIS, Product.CNC, overnight=False)
    with pytest.raises(AccountRejectionError, match="more than the open quantity"):
        one.convert(INFY, Side.BUY, Decimal(1), Product.MIS, Product.CNC, overnight=True)
    with pytest.raises(InvalidValueError):
        one.convert(INFY, Side.BUY, Decimal(0), Product.MIS, Product.CNC, overnight=False)


def test_a_short_sale_turns_into_delivery_only_with_shares() -> None:
    one = account()
    one.book(trade("1", INFY, Side.SELL, 10, "900", Product.MIS))
    with pytest.raises(AccountRejectionError, match="holdings"):
        one.convert(INFY, Side.SELL, Decimal(10), Product.MIS, Product.CNC, overnight=False)


def test_a_carried_contract_is_converted_as_it_was_carried() -> None:
    one = account()
    nifty = future(date(2026, 12, 29))
    one.book(trade("1", nifty, Side.BUY, 130, "24600", Product.NRML))
    one.settle(DAY, at("24650"), NEXT)
    before = one.available
    one.convert(nifty, Side.BUY, Decimal(65), Product.NRML, Product.MIS, overnight=True)
    assert one.available == before
    rows = one.positions(at("24700")).net
    assert [(r.product, r.overnight_quantity, r.pnl, r.m2m) for r in rows] == [
        (Product.NRML, 65, 6_500, 3_250),
        (Product.MIS, 65, 6_500, 3_250),
    ]
