"""Positions neither make nor lose money by themselves."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.money import is_multiple
from trademantra.core.order import Side
from trademantra.trading.fills import Execution
from trademantra.trading.positions import HeldPosition

MOVES = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(0, 300), st.integers(1, 500_00), st.integers(0, 100)),
    max_size=12,
)


def execution(quantity, value):
    return Execution("o", 1, Decimal(quantity), Decimal(value), Decimal(0), Decimal(0), 0)


@given(MOVES, st.sampled_from([Decimal(1), Decimal(75), Decimal("0.1")]))
def test_cash_and_cost_and_result_balance(moves, multiplier):
    position, cash, units = HeldPosition(), Decimal(0), Decimal(0)
    for side, quantity, paise, charge in moves:
        value = Decimal(paise) / 100 * (quantity or 1) * (1 if quantity else Decimal("0.001"))
        cash += position.book(side, execution(quantity, value), multiplier, Decimal(charge) / 100)
        units += side.sign * quantity
    assert position.quantity == units
    if units == 0:
        assert position.cost == 0
    assert cash + position.charges + position.cost - position.realised == 0
    assert all(is_multiple(amount, Decimal("0.0001")) for amount in (cash, position.cost, position.realised))


def test_a_reversal_realises_the_old_and_opens_the_new_at_its_price():
    position = HeldPosition()
    position.book(Side.BUY, execution(10, 1000), Decimal(1))
    cash = position.book(Side.SELL, execution(15, 1800), Decimal(1), Decimal("3.50"))
    assert (position.quantity, position.cost, position.realised) == (Decimal(-5), Decimal(-600), Decimal(200))
    assert cash == Decimal("1796.50")
    assert position.average == Decimal(120)
    assert position.unrealised(Decimal(110), Decimal(1)) == Decimal(50)


def test_a_correction_of_the_value_goes_where_the_fill_went():
    opened, closed = HeldPosition(), HeldPosition()
    opened.book(Side.BUY, execution(10, 1000), Decimal(1))
    opened.book(Side.BUY, execution(0, 2), Decimal(1))
    assert (opened.cost, opened.realised) == (Decimal(1002), Decimal(0))
    closed.book(Side.SELL, execution(10, 1000), Decimal(1))
    closed.book(Side.BUY, execution(10, 900), Decimal(1))
    closed.book(Side.BUY, execution(0, 2), Decimal(1))
    assert (closed.quantity, closed.realised) == (Decimal(0), Decimal(98))
