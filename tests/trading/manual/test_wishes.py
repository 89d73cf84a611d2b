"""Words of people become orders that can be, or an error that names the word."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.trading.algos.schedule import ScheduleSpec
from trademantra.trading.algos.slices import Finish
from trademantra.trading.intents import MANUAL, Purpose
from trademantra.trading.manual.plans import Terms, algo_of, bracket_of, guard_of, intent_of, purpose_of
from trademantra.trading.manual.wishes import (
    MOST_ROWS,
    ORDER_WORDS,
    OrderWish,
    basket_wish,
    convert_wish,
    order_wish,
    protect_wish,
    target_wish,
)
from trademantra.trading.positions import HeldPosition

SHARE = Instrument(
    exchange=Exchange.NSE,
    segment=Segment.EQUITY,
    kind=InstrumentKind.SHARE,
    symbol="INFY",
    lot_size=Decimal(5),
)
PLAIN = {"symbol": "INFY", "side": "buy", "quantity": "10"}
_TEXTS = st.one_of(
    st.sampled_from(["buy", "SELL", "10", "0.5", "1%", "15pt", "3atr", "twap", "NaN", "-1", "1e30", "1e-9", "SL-M", "yes"]),
    st.text("aZ09 .:-%é€", max_size=8), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers(), max_size=2),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*ORDER_WORDS, "colour"]), _TEXTS))
def test_whatever_is_said_is_an_order_that_can_be_or_an_error(words):
    try:
        wish = order_wish(PLAIN | words)
    except InvalidValueError:
        return
    assert isinstance(wish, OrderWish)
    assert wish.quantity.is_finite()
    assert 0 < wish.quantity <= 10**9
    assert wish.order_type.has_limit == (wish.price is not None)
    assert wish.order_type.has_trigger == (wish.trigger is not None)
    assert not (wish.algo is not None and wish.levels.is_some)
    assert str(wish)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"quantity": "0"}, "quantity: must be above 0, got 0"),
        ({"quantity": "-3"}, "quantity: must be above 0, got -3"),
        ({"quantity": "NaN"}, "quantity: 'NaN' is no number"),
        ({"quantity": "1e30"}, "more than any exchange takes"),
        ({"side": "hold"}, "side: 'hold' is not known"),
        ({"symbol": " "}, "name the symbol"),
        ({"type": "LIMIT"}, "a LIMIT order needs a price"),
        ({"type": "MARKET", "price": "5"}, "a MARKET order has no price"),
        ({"price": "1.00001"}, "more than 4 decimal places"),
        ({"validity": "TTL"}, "validity: TTL"),
        ({"stop": "3atr"}, "no average range is known"),
        ({"stop": "1"}, "is not a distance"),
        ({"stop": "150%"}, "stop: 150% below the price is at or below zero"),
        ({"trail": "100%"}, "trail: 100% below"),
        ({"side": "sell", "target": "100%"}, "target: 100% below"),
        ({"quantity": "1_0"}, "quantity: '1_0' is no number"),
        ({"minutes": "5"}, "minutes belongs to an algorithm"),
        ({"algo": "twap"}, "twap needs minutes"),
        ({"algo": "twap", "minutes": "5", "shown": "1"}, "twap has no shown"),
        ({"algo": "twap", "minutes": "1e6"}, "longer than a day"),
        ({"algo": "twap", "minutes": "5", "stop": "1%"}, "twap does not protect"),
        ({"algo": "iceberg", "shown": "5"}, "iceberg needs a price"),
        ({"algo": "participation", "minutes": "5", "share": "101%"}, "more than all that trades"),
        ({"colour": "red"}, "'colour' is not known"),
    ],
)
def test_what_cannot_be_is_named(words, says):
    with pytest.raises(InvalidValueError) as caught:
        order_wish(PLAIN | words)
    assert says in str(caught.value)


def test_prices_say_what_kind_of_order_it_is():
    kinds = [
        order_wish(PLAIN | words).order_type
        for words in ({}, {"price": "5"}, {"trigger": "5"}, {"price": "5", "trigger": "6"})
    ]
    assert kinds == [OrderType.MARKET, OrderType.LIMIT, OrderType.SL_M, OrderType.SL]


def test_the_other_wishes_name_what_is_wrong():
    assert target_wish({"symbol": "INFY", "quantity": "-5"}).quantity == -5
    for quantity in ("", "NaN", "1e30", "-1e30"):
        with pytest.raises(InvalidValueError, match="quantity"):
            target_wish({"symbol": "INFY", "quantity": quantity})
    with pytest.raises(InvalidValueError, match="both MIS"):
        convert_wish({"symbol": "INFY", "from": "MIS", "to": "mis"})
    with pytest.raises(InvalidValueError, match="nothing to protect with"):
        protect_wish({"symbol": "INFY"})
    assert protect_wish({"symbol": "INFY", "trail": "1%"}).product is Product.MIS
    with pytest.raises(InvalidValueError, match=r"row 2: .*quantity.*; row 3: "):
        basket_wish([PLAIN, PLAIN | {"quantity": "x"}, 7])
    for rows in ([], None, [PLAIN] * (MOST_ROWS + 1)):
        with pytest.raises(InvalidValueError, match="rows"):
            basket_wish(rows)


@given(
    held=st.integers(-50, 50),
    lots=st.integers(1, 20),
    side=st.sampled_from(list(Side)),
    minutes=st.integers(1, 600),
)
def test_plans_are_exits_when_they_only_close_and_bear_the_name_of_the_request(held, lots, side, minutes):
    wish = order_wish({"symbol": "INFY", "side": side.value, "quantity": lots * 5})
    terms = Terms(
        name="manual.x", account_id="a", instrument=SHARE, held=Decimal(held), last=Decimal(100), now_ns=7
    )  # fmt: skip
    closes = held * side.sign < 0 and lots * 5 <= abs(held)
    assert (purpose_of(wish, terms.held) is Purpose.EXIT) == closes
    intent = intent_of(wish, terms)
    assert (intent.intent_id, intent.strategy_id, intent.quantity) == ("manual.x", MANUAL, lots * 5)
    twap = order_wish({**PLAIN, "side": side.value, "quantity": lots * 5, "algo": "twap", "minutes": minutes})
    spec = algo_of(twap, twap.algo, terms)
    assert isinstance(spec, ScheduleSpec)
    assert (spec.algo_id, spec.finish, spec.end_ns - spec.start_ns) == (
        "manual.x", Finish.CROSS, minutes * NANOSECONDS_PER_MINUTE,
    )  # fmt: skip
    assert len(spec.weights) == min(minutes, 500)
    guarded = order_wish(PLAIN | {"stop": "1%"})
    assert purpose_of(guarded, Decimal(-50)) is Purpose.ENTRY
    assert bracket_of(guarded, terms).algo_id == "manual.x"
    with pytest.raises(InvalidValueError, match="not a number of lots"):
        intent_of(order_wish(PLAIN | {"quantity": "7"}), terms)


def _terms(last):
    return Terms(name="manual.x", account_id="a", instrument=SHARE, held=Decimal(0), last=last, now_ns=7)


@given(
    side=st.sampled_from(list(Side)),
    word=st.sampled_from(["stop", "target", "trail"]),
    points=st.integers(1, 300),
    last=st.none() | st.integers(1, 200),
    limit=st.none() | st.integers(1, 200),
)
def test_a_bracket_is_refused_exactly_where_a_level_is_at_or_below_zero(side, word, points, last, limit):
    words = PLAIN | {"side": side.value, word: f"{points}pt"} | ({} if limit is None else {"price": limit})
    terms = _terms(None if last is None else Decimal(last))
    known = [price for price in (last, limit) if price is not None]
    downward = (side is Side.BUY) == (word != "target")
    fills = (min if side is Side.BUY else max)(known, default=10**9)
    if downward and fills - points <= 0:
        with pytest.raises(InvalidValueError, match=f"{word}: {points}pt below"):
            bracket_of(order_wish(words), terms)
    else:
        assert bracket_of(order_wish(words), terms).quantity == 10


@pytest.mark.parametrize(
    ("quantity", "levels", "says"),
    [
        (10, {"stop": "9000pt"}, "stop: 9000pt below 100.00 is -8900"),
        (10, {"stop": "150%"}, "stop: 150% below"),
        (10, {"trail": "100pt"}, "trail: 100pt below 100.00 is 0"),
        (-10, {"target": "100%"}, "target: 100% below"),
        (10, {"stop": "2pt"}, "stop: 98.00 must lie below the last price, 97"),
        (-10, {"target": "2pt"}, "target: 98.00 must lie below the last price, 97"),
        (-10, {"stop": "150%"}, ""),
        (10, {"target": "150%", "stop": "4pt"}, ""),
    ],
)
def test_a_position_is_protected_ahead_of_its_price_and_above_zero(quantity, levels, says):
    held = HeldPosition(quantity=Decimal(quantity), cost=Decimal(quantity * 100))
    wish = protect_wish({"symbol": "INFY"} | levels)
    if not says:
        assert guard_of(wish.levels, wish.product, held, _terms(Decimal(97))).quantity == 10
        return
    with pytest.raises(InvalidValueError) as caught:
        guard_of(wish.levels, wish.product, held, _terms(Decimal(97)))
    assert says in str(caught.value)
