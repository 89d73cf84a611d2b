"""The ledger's charges: however an order fills, it costs what the contract note says of it whole."""

from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.test_orders import TCS
from trademantra.core.order import Order, OrderType, Product, Side
from trademantra.core.time import ist_ns
from trademantra.markets.charges.note import Rounding, contract_note
from trademantra.markets.charges.orders import AssetKind, ExecutedOrder
from trademantra.markets.charges.tariffs import tariff_of
from trademantra.trading.charges import ExecutionCharges
from trademantra.trading.fills import OrderFills

DAY = date(2026, 11, 20)
NOON = ist_ns(DAY, time(12))


def order(side, product):
    return Order(
        order_id="o1",
        instrument=TCS,
        side=side,
        quantity=Decimal(10_000),
        order_type=OrderType.MARKET,
        product=product,
    )


@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(20_000, 20_400)), min_size=1, max_size=6),
    st.sampled_from(Side),
    st.sampled_from([Product.MIS, Product.CNC]),
)
def test_the_charges_of_all_fills_add_up_to_those_of_the_order(parts, side, product):
    unknown = []
    charges = ExecutionCharges(tariff_of("zerodha"), lambda order, text: unknown.append(text))
    fills, total = OrderFills("o1"), Decimal(0)
    for number, (quantity, price) in enumerate(parts):
        execution = fills.hear_trade(f"t{number}", Decimal(quantity), Decimal(price) / 20, NOON)
        total += charges(order(side, product), execution)
    whole = contract_note(
        [
            ExecutedOrder(
                exchange=TCS.exchange, segment=TCS.segment, product=product, side=side, symbol=TCS.symbol,
                quantity=fills.filled, price=fills.value / fills.filled, order_id="o1", kind=AssetKind.SHARE,
            )
        ],
        "zerodha", DAY, Rounding.UNROUNDED,
    ).total  # fmt: skip
    assert not unknown
    assert abs(total - whole) <= Decimal("0.0001") * len(parts)
    assert total > 0


@pytest.mark.parametrize("day", [date(1990, 1, 2)])
def test_a_fill_of_a_day_without_rates_is_booked_and_told(day):
    unknown = []
    charges = ExecutionCharges(tariff_of("zerodha"), lambda order, text: unknown.append(text))
    execution = OrderFills("o1").hear_trade("t1", Decimal(5), Decimal(100), ist_ns(day, time(12)))
    assert charges(order(Side.BUY, Product.MIS), execution) == 0
    assert len(unknown) == 1
