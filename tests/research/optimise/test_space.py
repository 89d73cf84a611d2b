"""What may vary, and how it is written."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.engine.rules import Level, Size, TradingRules
from trademantra.research.optimise.space import (
    Axis,
    Space,
    grid_point,
    grid_size,
    parse_wish,
    rules_at,
    space_of,
)
from trademantra.strategies.registry import load_strategy

SMA = load_strategy("sma_cross")

axes = st.builds(
    lambda low, steps, step: Axis("x", low / 8, (low + steps * step) / 8, step / 8),
    st.integers(-40, 40),
    st.integers(0, 5),
    st.integers(1, 16),
)


@given(st.lists(axes, min_size=1, max_size=3))
def test_the_grid_is_the_product_of_its_axes_in_order(many: list[Axis]) -> None:
    space = tuple(many)
    expected = list(product(*([axis.value(k) for k in range(axis.count)] for axis in space)))
    assert [grid_point(space, number) for number in range(grid_size(space))] == expected


@given(axes)
def test_a_value_finds_its_position_again(axis: Axis) -> None:
    assert [axis.position(axis.value(k)) for k in range(axis.count)] == list(range(axis.count))
    assert axis.value(axis.count - 1) == pytest.approx(axis.high)


def ranges(*texts: str, grid: bool = False, fixed: dict[str, float] | None = None) -> str:
    return " ".join(map(str, space_of(SMA, [parse_wish(text) for text in texts], fixed or {}, grid=grid)))


def test_steps_are_ones_for_whole_numbers_and_the_declared_ones_for_a_grid() -> None:
    assert ranges("fast=5:50", "slow=60:200") == "fast=5:50:1 slow=60:200:1"
    assert ranges("fast=5:50", "slow=60:200", grid=True) == "fast=5:50:1 slow=60:200:5"
    assert ranges("stop=0.5:3", "slow=200,50") == "stop=0.5:3 slow=50,200"
    assert ranges(fixed={"fast": 10}) == "slow=3:2000:1"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("fast", "cannot be read"),
        ("fast=", "cannot be read"),
        ("=1:2", "cannot be read"),
        ("fast=1:2:0", "cannot be read"),
        ("fast=9:2", "cannot be read"),
        ("fast=1:2:3:4", "cannot be read"),
        ("fast=nan:2", "cannot be read"),
        ("fast=1,2:3", "cannot be read"),
        ("fast=1:50", "fast = 1 is out of range"),
        ("fast=2:501", "fast = 501 is out of range"),
        ("fast=2.5:50", "must be a whole number"),
        ("fast=2:50:0.5", "its step 0.5 is none"),
        ("quick=2:50", "no parameter 'quick'"),
        ("stop=-1:2", "must be positive"),
        ("size=0:1", "must be positive"),
    ],
)
def test_a_range_that_cannot_be_is_refused_by_name(text: str, fault: str) -> None:
    with pytest.raises(InvalidValueError, match=fault):
        ranges(text)


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="twice"):
        ranges("fast=2:5", "fast=6:9")
    with pytest.raises(InvalidValueError, match="set and varied"):
        ranges("fast=2:5", fixed={"fast": 3})
    with pytest.raises(InvalidValueError, match="nothing is left"):
        ranges(fixed={"fast": 3, "slow": 9})
    with pytest.raises(InvalidValueError, match="no parameter 'fats'"):
        ranges("fast=2:5", fixed={"fats": 3})
    with pytest.raises(InvalidValueError, match="needs a step for stop"):
        grid_size(space_of(SMA, [parse_wish("stop=1:2")], {}))
    with pytest.raises(InvalidValueError, match="points"):
        grid_size(tuple(Axis(name, 1, 1000, 1) for name in "abc"))


def test_a_rotation_has_no_stops_to_vary() -> None:
    rotation = load_strategy("dual_momentum")
    with pytest.raises(InvalidValueError, match="no parameter 'stop'"):
        space_of(rotation, [parse_wish("stop=1:5")], {})
    only: Space = space_of(rotation, [parse_wish("size=0.5:1:0.25")], {})
    assert [only[0].value(k) for k in range(only[0].count)] == [0.5, 0.75, 1.0]


def test_rules_take_what_the_strategy_does_not_claim_itself() -> None:
    rules = TradingRules(stop=Level.parse("3%"))
    assert rules_at(rules, {"stop": 2.0, "size": 0.5}, ("stop",)) == TradingRules(
        stop=Level.parse("3%"), size=Size(rules.size.kind, 0.5)
    )
    assert rules_at(rules, {"stop": 0.0, "trail": 1.5}, ()) == TradingRules(trail=Level.parse("1.5%"))
