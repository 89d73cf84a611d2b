"""The fill rules that step and simulated exchange share: by hand, and compiled against plain Python to the bit."""

from fractions import Fraction
from math import ceil, floor, inf, isnan, nan, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.engine.compile import uncompiled
from trademantra.engine.matching import (
    limit_price,
    on_tick,
    rest_of,
    room_of,
    slipped,
    stop_price,
    whole_lots,
)
from trademantra.engine.records import SlippageKind

TICK = 0.05
PRICES = st.integers(1_990, 2_010).map(lambda ticks: ticks * TICK)
SIDES = st.sampled_from((1, -1))


@pytest.mark.parametrize(
    ("side", "level", "touch", "price"),
    [
        (1, 99.0, 0, 99.0),  # traded through
        (1, 98.0, 0, nan),  # touched only
        (1, 98.0, 1, 98.0),
        (1, 97.0, 1, nan),
        (1, 101.0, 0, 100.0),  # the open is better
        (-1, 102.0, 0, 102.0),
        (-1, 103.0, 0, nan),
        (-1, 103.0, 1, 103.0),
        (-1, 99.0, 0, 100.0),
        (1, nan, 1, nan),
    ],
)
def test_a_resting_limit(side: int, level: float, touch: int, price: float) -> None:
    """Bar: open 100, high 103, low 98."""
    found = limit_price(side, level, 100.0, 103.0, 98.0, touch)
    assert found == price or (isnan(found) and isnan(price))


@pytest.mark.parametrize(
    ("side", "level", "price"),
    [
        (1, 103.0, 103.0),  # touched: a stop is triggered
        (1, 103.05, nan),
        (1, 100.0, 100.0),
        (1, 99.0, 100.0),  # gapped: the open, not the level
        (-1, 98.0, 98.0),
        (-1, 97.95, nan),
        (-1, 101.0, 100.0),
        (-1, nan, nan),
    ],
)
def test_a_stop(side: int, level: float, price: float) -> None:
    found = stop_price(side, level, 100.0, 103.0, 98.0)
    assert found == price or (isnan(found) and isnan(price))


@given(SIDES, PRICES, PRICES)
def test_a_tick_fills_at_its_price_or_not_at_all(side: int, level: float, price: float) -> None:
    """A tick is a bar of one price: passed is better than the level, reached is at it."""
    for touch in (0, 1):
        found = limit_price(side, level, price, price, price, touch)
        fills = side * (price - level) < 0.0 or (touch == 1 and price == level)
        assert found == price if fills else isnan(found)
    found = stop_price(side, level, price, price, price)
    assert found == price if side * (price - level) >= 0.0 else isnan(found)


@given(SIDES, PRICES, PRICES, st.integers(0, 9), st.integers(0, 9))
def test_no_fill_lies_outside_the_bar(side: int, level: float, opening: float, up: int, down: int) -> None:
    high, low = opening + up * TICK, opening - down * TICK
    for found in (
        limit_price(side, level, opening, high, low, 0),
        stop_price(side, level, opening, high, low),
    ):
        assert isnan(found) or low <= found <= high
    limited = limit_price(side, level, opening, high, low, 1)
    assert isnan(limited) or side * (limited - level) <= 0.0  # never worse than the limit


@settings(deadline=None)  # the first example compiles
@given(
    SIDES,
    PRICES,
    st.sampled_from(SlippageKind),
    st.floats(0.0, 20.0),
    st.sampled_from((0.0, TICK)),
    st.integers(0, 9),
    st.one_of(st.just(0.0), st.floats(1e-3, 1e6)),
    st.floats(0.0, 1e6),
)
def test_compiled_and_plain_give_the_same_bits(
    side: int,
    price: float,
    kind: SlippageKind,
    value: float,
    tick: float,
    ticks: int,
    volume: float,
    quantity: float,
) -> None:
    high, low = price + ticks * TICK, price - TICK
    arguments = (int(kind), value, tick, side, price, high, low, volume, quantity)
    plain = uncompiled(slipped)(*arguments)
    assert plain == slipped(*arguments)
    assert type(plain) is float
    model = {
        SlippageKind.NONE: 0.0,
        SlippageKind.BPS: price * value / 10_000,
        SlippageKind.TICKS: value * tick,
        SlippageKind.RANGE: value * (high - low),
        SlippageKind.SQUARE_ROOT: price * value * sqrt(quantity / volume) if volume else 0.0,
    }[kind]
    exact = price + side * model
    if tick and kind is not SlippageKind.NONE and not (kind is SlippageKind.SQUARE_ROOT and not volume):
        exact = (ceil(exact / tick - 1e-6) if side > 0 else floor(exact / tick + 1e-6)) * tick
    if kind is not SlippageKind.NONE:
        exact = max(exact, tick if model else exact)
    assert plain == pytest.approx(exact, rel=1e-12)
    for touch in (0, 1):
        one = (side, price, high - TICK, high, low, touch)
        assert repr(uncompiled(limit_price)(*one)) == repr(limit_price(*one))
    assert repr(uncompiled(stop_price)(*one[:-1])) == repr(stop_price(*one[:-1]))
    assert uncompiled(whole_lots)(25.0, quantity) == whole_lots(25.0, quantity)
    assert uncompiled(room_of)(0.25, volume) == room_of(0.25, volume)
    assert uncompiled(rest_of)(volume, quantity) == rest_of(volume, quantity)


def test_lots_and_room() -> None:
    assert whole_lots(25.0, 99.0) == 75.0
    assert whole_lots(25.0, 100.0 - 1e-12) == 100.0  # a rounding residue costs no lot
    assert whole_lots(0.0, 1.5) == 1.5
    assert whole_lots(1.0, inf) == inf
    assert room_of(0.0, 5.0) == inf
    assert room_of(0.25, 1_000.0) == 250.0
    assert rest_of(250.0, 100.0) == 150.0
    assert rest_of(250.0, 250.0 - 1e-10) == 0.0
    assert rest_of(inf, 5.0) == inf


@settings(deadline=None)
@given(
    SIDES,
    st.sampled_from(("0.05", "0.01", "0.25", "0.0025", "1", "5")),
    st.integers(1, 400_000),
    st.floats(-0.49, 0.49),
)
def test_a_level_lies_on_the_tick_as_the_float_of_its_price(
    side: int, tick: str, steps: int, off: float
) -> None:
    """A buyer's goes down, a seller's up; noise moves nothing."""
    step = Fraction(tick)
    exact = float(steps * step)
    assert on_tick(float(tick), side, exact) == exact
    assert on_tick(float(tick), side, steps * float(tick)) == exact
    assert on_tick(float(tick), side, exact * (1.0 + 2e-13)) == exact
    if abs(off) > 1e-3:
        level = float((steps + Fraction(off)) * step)
        moved = steps + (floor(off) if side > 0 else ceil(off))
        assert on_tick(float(tick), side, level) == max(float(moved * step), float(tick))
    assert on_tick(0.0, side, -exact) == -exact
    assert isnan(on_tick(float(tick), side, nan))
