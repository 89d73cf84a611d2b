"""Charges as the broker's API estimates them, against Kite's published samples."""

from datetime import date
from decimal import Decimal

import pytest

from tests.brokers.paper.account.making import option, request, share, trade
from trademantra.brokers.paper.account.account import Account
from trademantra.brokers.paper.account.charges import executed_order
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.account.settlement import delivery_date
from trademantra.brokers.paper.account.views import NoteOrder
from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import OptionRight
from trademantra.core.order import Product, Side
from trademantra.markets.charges.note import Rounding, contract_note
from trademantra.markets.charges.rules import Levy

INFY = share()


def account(tariff: str = "zerodha") -> Account:
    return Account("AB1234", Decimal(100_000), MarginSettings(tariff=tariff))


def test_one_share_bought_as_in_kites_sample_of_order_margins() -> None:
    # zerodha/kiteconnect-mocks order_margins.json, published in 2022
    asked = request(INFY, Side.BUY, 1, Product.CNC, price="1498")
    margin = account().required(INFY, asked, Decimal(1498), day=date(2022, 12, 1))
    charges = margin.charges
    assert (margin.var, margin.total, margin.leverage, margin.type) == (1498, 1498, 1, "equity")
    assert charges.transaction_tax == Decimal("1.498")
    assert charges.transaction_tax_type == "stt"
    assert charges.exchange_turnover_charge == Decimal("0.051681")
    assert charges.sebi_turnover_charge == Decimal("0.001498")
    assert round(charges.stamp_duty, 2) == Decimal("0.22")
    # the sample has a brokerage of 0.01 on delivery, taken before it was free, and GST on it
    assert charges.gst.total == Decimal("0.01137222") - Decimal("0.0018")


@pytest.mark.parametrize("day", [date(2025, 6, 2), date(2026, 11, 20)])
def test_an_order_is_charged_as_a_note_of_its_own(day: date) -> None:
    call = option(24500, OptionRight.CALL)
    for listing, product, quantity, price in ((INFY, Product.MIS, 400, 250), (call, Product.NRML, 65, 120)):
        asked = request(listing, Side.SELL, quantity, product)
        (row,) = account().charges(
            [NoteOrder(listing=listing, request=asked, average_price=Decimal(price))], day
        )
        alone = executed_order(listing, product, Side.SELL, Decimal(quantity), Decimal(price))
        note = contract_note([alone], "zerodha", day, Rounding.UNROUNDED)
        assert row.charges.total == note.total - note[Levy.IPFT]
        assert (row.tradingsymbol, row.exchange, row.price) == (listing.symbol, listing.venue, price)
        assert row.charges.gst.total == row.charges.gst.igst > 0


def test_the_dp_charge_is_no_part_of_an_estimate_and_stands_in_the_note() -> None:
    one = account()
    one.book(trade("1", INFY, Side.BUY, 10, "1500", Product.CNC))
    one.settle(date(2026, 11, 20), lambda token: Decimal(1500), date(2026, 11, 23))
    sale = NoteOrder(
        listing=INFY, request=request(INFY, Side.SELL, 10, Product.CNC), average_price=Decimal(1500)
    )
    (row,) = one.charges([sale], date(2026, 11, 23))
    assert row.charges.total < 17
    one.book(trade("2", INFY, Side.SELL, 10, "1500", Product.CNC))
    settled = one.settle(date(2026, 11, 23), lambda token: Decimal(1500), date(2026, 11, 25))
    assert "dp 15.34" in settled.entries[-1].text


def test_a_day_without_rates_is_an_error_and_no_day_means_no_charges() -> None:
    asked = request(INFY, Side.BUY, 1, Product.CNC, price="1498")
    assert account().required(INFY, asked, Decimal(1498)).charges.total == 0
    with pytest.raises(MissingFactError):
        account().required(INFY, asked, Decimal(1498), day=date(1999, 1, 4))


def test_shares_are_delivered_when_the_clearing_house_works() -> None:
    assert delivery_date(date(2025, 9, 4), date(2025, 9, 5)) == date(2025, 9, 9)
    assert delivery_date(date(2026, 11, 20), date(2026, 11, 23)) == date(2026, 11, 23)
    assert delivery_date(date(2016, 8, 1), date(2016, 8, 2)) == date(2016, 8, 2)
