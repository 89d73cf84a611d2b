"""The array for the engine means exactly what the unrounded note says."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.markets.charges.order_samples import INDIAN_BROKERS, MARKETS, PRICES, QUANTITIES, WORLD
from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product, Side
from trademantra.markets.charges.note import Rounding, contract_note
from trademantra.markets.charges.numeric import (
    BASES,
    CHARGE_RULE,
    charges_of,
    day_number,
    numeric_rules,
    numeric_warnings,
)
from trademantra.markets.charges.orders import ExecutedOrder, Liquidity
from trademantra.markets.charges.rules import Base
from trademantra.markets.charges.tariffs import tariff_of

LAST = date(2026, 12, 31)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, Exchange, Segment, Product, str, date, Liquidity]:
    if draw(st.booleans()):
        broker, exchange, segment, first = draw(st.sampled_from(WORLD))
        return broker, exchange, segment, Product.CNC, "X", first, draw(st.sampled_from(Liquidity))
    exchange, segment, products, symbols, first = draw(st.sampled_from(MARKETS))
    broker = draw(st.sampled_from((*INDIAN_BROKERS, "none", "flat:0.0007")))
    product = Product(draw(st.sampled_from(products)))
    return broker, exchange, segment, product, draw(st.sampled_from(symbols)), first, Liquidity.TAKER


@settings(max_examples=250)
@given(cases(), st.data(), st.sampled_from(Side), PRICES, QUANTITIES)
def test_the_array_equals_the_note(case, data, side: Side, price: Decimal, quantity: Decimal) -> None:
    broker, exchange, segment, product, symbol, first, liquidity = case
    day = data.draw(st.dates(first, LAST))
    rules = numeric_rules(
        broker, segment, product, exchange, symbol=symbol, liquidity=liquidity, first=first, last=LAST
    )
    order = ExecutedOrder(
        exchange=exchange,
        segment=segment,
        product=product,
        side=side,
        symbol=symbol,
        quantity=quantity,
        price=price,
        liquidity=liquidity,
    )
    note = contract_note([order], broker, day, Rounding.UNROUNDED)
    assert rules.dtype == CHARGE_RULE
    total = charges_of(
        rules, side, float(price), float(quantity), day_number(day), first_debit_of_day=side is Side.SELL
    )
    assert total == pytest.approx(float(note.total), rel=1e-9, abs=1e-9)
    warned = numeric_warnings(
        broker, segment, product, exchange, symbol=symbol, liquidity=liquidity, first=day, last=day
    )
    assert set(warned) <= set(note.warnings)


def test_gst_rows_are_split_where_the_rate_changed() -> None:
    rules = numeric_rules(
        "zerodha", Segment.EQUITY, Product.MIS, Exchange.NSE, symbol="TCS", first=date(2016, 1, 1), last=LAST
    )
    brokerage = rules[rules["base"] == BASES.index(Base.ORDER)]
    assert brokerage["gst"].tolist() == [0.145, 0.15, 0.18]
    assert brokerage["to_day"].tolist()[-1] == day_number(LAST)
    assert np.all(brokerage["from_day"][1:] == brokerage["to_day"][:-1] + 1)


def test_a_debit_is_a_row_of_its_own() -> None:
    rules = numeric_rules(
        "upstox", Segment.EQUITY, Product.CNC, Exchange.NSE, symbol="TCS", first=LAST, last=LAST
    )
    with_debit, without = (
        charges_of(rules, Side.SELL, 100.0, 10.0, day_number(LAST), first_debit_of_day=flag)
        for flag in (True, False)
    )
    assert with_debit - without == pytest.approx(20 * 1.18)


def test_a_gap_in_the_days_is_an_error() -> None:
    with pytest.raises(MissingFactError, match=r"exchange_bse_cash.*2022-11-01"):
        numeric_rules(
            "zerodha",
            Segment.EQUITY,
            Product.CNC,
            Exchange.BSE,
            symbol="TCS",
            first=date(2022, 11, 1),
            last=LAST,
        )


def test_settings_reach_the_array() -> None:
    forex = tariff_of("forex", {"forex.per_lot": "3.5", "forex.spread": "0.00008"})
    rules = numeric_rules(
        forex, Segment.FOREX, Product.MIS, Exchange.FOREX, symbol="EURUSD", first=LAST, last=LAST
    )
    assert charges_of(rules, Side.BUY, 1.1, 100_000.0, day_number(LAST)) == pytest.approx(3.5 + 4.0)
