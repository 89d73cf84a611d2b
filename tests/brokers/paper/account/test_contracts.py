"""Options and futures: premium, margins, spreads.  All numbers worked out by hand from the default settings."""

from datetime import date
from decimal import Decimal

import pytest

from tests.brokers.paper.account.making import future, option, order, request, share, trade
from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import Variety
from trademantra.brokers.paper.account.account import Account
from trademantra.brokers.paper.account.basket import PricedOrder
from trademantra.brokers.paper.account.rejections import AccountRejectionError
from trademantra.brokers.paper.account.settings import MarginSettings, RiskFractions
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.order import Product, Side

CALL = option(24500, OptionRight.CALL)
WING = option(24700, OptionRight.CALL)
PUT = option(24500, OptionRight.PUT)
NEAR = future(token=9000)
DISTANT = future(date(2026, 12, 29), token=9001)
SPAN, EXPOSURE = Decimal(159250), Decimal(31850)  # 10% and 2% of 24,500 x 65


def account(cash: int = 500_000, settings: MarginSettings | None = None) -> Account:
    return Account("AB1234", Decimal(cash), settings or MarginSettings())


def held(of: Account, listing: Listing, side: Side, quantity: int, price: str) -> None:
    number = len(of.positions(lambda token: None).net) * 1000 + quantity
    of.book(trade(f"h{number}{side}", listing, side, quantity, price, Product.NRML))


def needs(of: Account, listing: Listing, side: Side, quantity: int, price: str) -> Decimal:
    return of.required(
        listing, request(listing, side, quantity, Product.NRML, price=price), Decimal(price)
    ).total


def test_a_bought_option_costs_its_premium() -> None:
    one = account()
    margin = one.required(CALL, request(CALL, Side.BUY, 65, Product.NRML, price="120"), Decimal(118))
    assert (margin.option_premium, margin.span, margin.total) == (7_800, 0, 7_800)
    held(one, CALL, Side.BUY, 65, "120")
    assert one.available == 492_200
    assert needs(one, CALL, Side.SELL, 65, "130") == 0


def test_a_sold_option_needs_a_part_of_its_strike() -> None:
    one = account()
    margin = one.required(CALL, request(CALL, Side.SELL, 65, Product.NRML, price="120"), Decimal(118))
    assert (margin.span, margin.exposure, margin.total) == (SPAN, EXPOSURE, 191_100)
    held(one, CALL, Side.SELL, 65, "120")
    assert one.available == 500_000 - 191_100  # what was received buys options only
    assert one.funds().equity.premium_credit == 7_800


def test_premium_received_today_pays_for_options_only() -> None:
    one = account(200_000)
    held(one, CALL, Side.SELL, 65, "120")
    assert one.available == 8_900
    one.check_and_block(order("1", PUT, request(PUT, Side.BUY, 65, Product.NRML, price="240")), Decimal(240))
    assert one.available == 1_100  # 15,600: 7,800 from the premium, 7,800 from the rest
    infy = share()
    with pytest.raises(
        AccountRejectionError, match=r"Required margin is 1500.00 but available margin is 1100.00"
    ):
        one.check_and_block(order("2", infy, request(infy, Side.BUY, 1, Product.CNC)), Decimal(1500))
    one.release("1")
    with pytest.raises(
        AccountRejectionError, match=r"Required margin is 16705.00 but available margin is 16700.00"
    ):
        one.check_and_block(
            order("3", PUT, request(PUT, Side.BUY, 65, Product.NRML, price="257")), Decimal(257)
        )


def test_a_bought_wing_bounds_the_span_and_leaves_the_exposure() -> None:
    one = account()
    held(one, WING, Side.BUY, 65, "60")
    assert needs(one, CALL, Side.SELL, 65, "120") == 200 * 65 + EXPOSURE
    assert needs(one, CALL, Side.SELL, 130, "120") == 200 * 65 + 2 * EXPOSURE + SPAN  # one lot is naked
    assert needs(one, PUT, Side.SELL, 65, "120") == SPAN + EXPOSURE  # a call does not cover a put
    lower = option(24300, OptionRight.CALL)
    assert needs(one, lower, Side.SELL, 65, "250") == 400 * 65 + Decimal(24300) * 65 * Decimal("0.02")


def test_a_wing_that_is_not_bought_yet_helps_nothing() -> None:
    one = account()
    one.check_and_block(order("1", WING, request(WING, Side.BUY, 65, Product.NRML, price="60")), Decimal(60))
    assert needs(one, CALL, Side.SELL, 65, "120") == SPAN + EXPOSURE


def test_a_future_and_its_calendar_spread() -> None:
    one = account()
    held(one, NEAR, Side.BUY, 65, "24600")
    alone = Decimal(24_600) * 65 * Decimal("0.12")
    assert one.available == 500_000 - alone == 308_120
    assert needs(one, DISTANT, Side.SELL, 65, "24700") == 0  # it lowers what is blocked
    held(one, DISTANT, Side.SELL, 65, "24700")
    # 2% of the farther leg as SPAN, a third of its exposure: 32,110 + 10,703.33
    assert one.available == 500_000 - Decimal("42813.33")


def test_two_waiting_futures_do_not_help_each_other() -> None:
    one = account()
    one.check_and_block(order("1", NEAR, request(NEAR, Side.BUY, 65, Product.NRML)), Decimal(24_600))
    assert needs(one, DISTANT, Side.SELL, 65, "24700") == Decimal(24_700) * 65 * Decimal("0.12")


def test_a_basket_shows_each_order_and_all_together() -> None:
    orders = [
        PricedOrder(WING, request(WING, Side.BUY, 65, Product.NRML, price="60"), Decimal(60)),
        PricedOrder(CALL, request(CALL, Side.SELL, 65, Product.NRML, price="120"), Decimal(120)),
    ]
    basket = account().basket(orders, consider_positions=True, day=date(2026, 11, 20))
    assert basket.initial.total == 3_900 + 191_100
    assert basket.final.total == 3_900 + 13_000 + EXPOSURE
    assert [row.total for row in basket.orders] == [3_900, 191_100]
    assert basket.charges.brokerage == 40
    assert basket.charges.total == sum(row.charges.total for row in basket.orders)


def test_a_basket_beside_what_is_held() -> None:
    one = account()
    held(one, WING, Side.BUY, 65, "60")
    sale = [PricedOrder(CALL, request(CALL, Side.SELL, 65, Product.NRML, price="120"), Decimal(120))]
    assert one.basket(sale, consider_positions=True).final.total == 13_000 + EXPOSURE
    assert one.basket(sale, consider_positions=False).final.total == 191_100


def test_a_basket_says_what_is_added_to_what_is_blocked() -> None:
    one = account()
    held(one, CALL, Side.SELL, 65, "120")
    again = [PricedOrder(PUT, request(PUT, Side.SELL, 65, Product.NRML, price="120"), Decimal(120))]
    assert one.basket(again, consider_positions=True).final.total == 191_100


def test_a_waiting_sale_below_the_market_is_margined_at_the_market() -> None:
    assert needs(account(), NEAR, Side.SELL, 65, "20000") == Decimal(20_000) * 65 * Decimal("0.12")
    low = request(NEAR, Side.SELL, 65, Product.NRML, price="20000")
    assert account().required(NEAR, low, Decimal(24_600)).total == Decimal(24_600) * 65 * Decimal("0.12")


def test_stock_contracts_and_own_fractions() -> None:
    stock = future(underlying="INFY", lot=400, token=77)
    assert needs(account(), stock, Side.BUY, 400, "1500") == Decimal(600_000) * Decimal("0.195")
    own = MarginSettings(own_fractions={"INFY": RiskFractions(Decimal("0.3"), Decimal("0.05"))})
    assert needs(account(settings=own), stock, Side.BUY, 400, "1500") == 210_000


def test_a_cover_order_gets_the_set_benefit_while_its_stop_works() -> None:
    infy = share()
    one = account(100_000, MarginSettings(cover=Decimal("0.5")))
    entry = request(infy, Side.BUY, 100, Product.MIS, trigger="1480", variety=Variety.COVER)
    one.check_and_block(order("1", infy, entry), Decimal(1500))
    assert one.blocked("1") == 15_000  # 150,000 x 20% x 0.5
    one.book(trade("t", infy, Side.BUY, 100, "1500", Product.MIS, order_id="1"))
    assert one.available == 70_000
    stop = request(infy, Side.SELL, 100, Product.MIS, trigger="1480", variety=Variety.COVER)
    one.check_and_block(order("2", infy, stop, parent="1"), Decimal(1500))
    assert one.available == 85_000


def test_commodities_draw_on_the_same_money_and_show_apart() -> None:
    crude = Listing(
        "MCX",
        "CRUDEOIL26DECFUT",
        55,
        Instrument(
            exchange=Exchange.MCX,
            segment=Segment.COMMODITY_FUTURES,
            kind=InstrumentKind.FUTURE,
            symbol="CRUDEOIL26DECFUT",
            underlying="CRUDEOIL",
            expiry=date(2026, 12, 18),
            lot_size=Decimal(100),
        ),
    )
    one = account()
    held(one, crude, Side.SELL, 100, "6000")
    margins = one.margins(lambda token: Decimal(6010))
    assert margins["commodity"].utilised.span == 60_000
    assert margins["commodity"].utilised.exposure == 7_500
    assert margins["commodity"].utilised.m2m_unrealised == 1_000  # a loss
    assert margins["equity"].utilised.debits == 0
    assert (margins["equity"].available.cash, margins["commodity"].available.cash) == (500_000, 0)
    assert margins["equity"].net == margins["commodity"].net == 432_500
    assert one.margins(lambda token: None)["commodity"].utilised.m2m_unrealised is None


def test_products_that_do_not_exist_are_refused() -> None:
    infy = share()
    for listing, product in ((infy, Product.NRML), (CALL, Product.CNC), (CALL, Product.MTF)):
        with pytest.raises(AccountRejectionError, match=f"Product {product} is not available"):
            account().check_and_block(
                order("1", listing, request(listing, Side.BUY, 65, product)), Decimal(1)
            )
