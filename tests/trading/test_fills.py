"""Whatever the messengers do, the same fills are booked once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.trading.fills import OrderFills

PRICES = st.integers(1, 10_000_00).map(lambda paise: Decimal(paise) / 100)
TRADES = st.lists(st.tuples(st.integers(1, 500).map(Decimal), PRICES), min_size=1, max_size=6)


def messages_of(trades):
    """All that a broker could tell of these trades, in the order of happening: totals (average in paise) and trades."""
    told, quantity, value = [], Decimal(0), Decimal(0)
    for number, (units, price) in enumerate(trades):
        quantity, value = quantity + units, value + units * price
        told.append(("trade", f"t{number}", units, price))
        told.append(("totals", quantity, max((value / quantity).quantize(Decimal("0.01")), Decimal("0.01"))))
    return told


def hear(fills, message, at_ns):
    if message[0] == "trade":
        return fills.hear_trade(message[1], message[2], message[3], at_ns)
    return fills.hear_totals(message[1], message[2], at_ns)


@given(TRADES, st.data())
def test_in_any_order_and_number_the_end_is_the_sum_of_the_trades(trades, data):
    told = messages_of(trades)
    heard = data.draw(st.permutations(told + data.draw(st.lists(st.sampled_from(told), max_size=8))))
    fills, booked = OrderFills("o"), []
    for at_ns, message in enumerate(heard):
        before = fills.filled
        made = hear(fills, message, at_ns)
        assert fills.filled >= before
        if made is not None:
            booked.append(made)
            assert (made.filled_after, made.value_after) == (fills.filled, fills.value)
    assert fills.filled == sum(units for units, _ in trades)
    assert fills.value == sum(units * price for units, price in trades)
    assert sum(each.quantity for each in booked) == fills.filled
    assert sum(each.value for each in booked) == fills.value
    assert [each.sequence for each in booked] == list(range(1, len(booked) + 1))


@given(TRADES, st.data())
def test_what_is_booked_is_never_more_than_was_told(trades, data):
    told = messages_of(trades)
    fills = OrderFills("o")
    vouched_totals, vouched_trades = Decimal(0), {}
    for message in data.draw(st.lists(st.sampled_from(told), max_size=10)):
        hear(fills, message, 0)
        if message[0] == "trade":
            vouched_trades[message[1]] = message[2]
        else:
            vouched_totals = max(vouched_totals, message[1])
        assert fills.filled == max(vouched_totals, sum(vouched_trades.values(), Decimal(0)))


def test_totals_alone_are_booked_at_their_average():
    fills = OrderFills("o")
    first = fills.hear_totals(Decimal(10), Decimal("100.00"), 1)
    second = fills.hear_totals(Decimal(30), Decimal("100.40"), 2)
    assert (first.price, second.quantity, second.price) == (Decimal(100), Decimal(20), Decimal("100.6"))
    assert fills.hear_totals(Decimal(10), Decimal("100.00"), 3) is None


@pytest.mark.parametrize(
    "tell",
    [
        lambda fills: fills.hear_totals(Decimal(5), None, 1),
        lambda fills: fills.hear_totals(Decimal(5), Decimal(0), 1),
        lambda fills: fills.hear_trade("t", Decimal(0), Decimal(1), 1),
        lambda fills: fills.hear_trade("t", Decimal(1), Decimal(-1), 1),
        lambda fills: (
            fills.hear_trade("t", Decimal(1), Decimal(1), 1),
            fills.hear_trade("t", Decimal(2), Decimal(1), 1),
        ),
    ],
)
def test_what_cannot_be_is_refused(tell):
    with pytest.raises(InvalidValueError):
        tell(OrderFills("o"))
