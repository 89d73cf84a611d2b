"""Limits are read exactly, errors name the field, and of two owners the tighter wins."""

from dataclasses import fields
from datetime import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.risk.scene import TCS, Scene
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Segment
from trademantra.core.order import Product, Side
from trademantra.trading.risk.limit_kinds import Hours
from trademantra.trading.risk.limits import (
    DEFAULT_LIMITS,
    INDIA_LIVE_LIMITS,
    BookLimits,
    BreachAction,
    EffectiveLimits,
    InstrumentLimits,
    OrderLimits,
    RiskLimits,
    SectorLimits,
    tighter,
)
from trademantra.trading.risk.limits_json import limits_from_json, limits_to_json, parse_limits
from trademantra.trading.risk.rules.registry import RULES_BY_CODE

WINDOWS = st.tuples(st.integers(0, 22), st.integers(0, 22)).map(
    lambda hours: Hours(time(min(hours)), time(max(hours) + 1))
)
NUMBERS = st.integers(1, 60)
SPECIAL = {
    "require_price_band": st.booleans(),
    "allowed_products": st.frozensets(st.sampled_from(Product)),
    "allowed_segments": st.frozensets(st.sampled_from(Segment)),
    "allowed_hours": st.lists(WINDOWS, max_size=3).map(lambda windows: tuple(sorted(windows))),
    "correlation_from": st.decimals("0.1", 1, places=2),
}


def group(kind):
    def value(name, annotation):
        number = NUMBERS if "int" in str(annotation) else st.decimals(1, 60, places=2)
        return st.none() | SPECIAL.get(name, number)

    return st.builds(kind, **{each.name: value(each.name, each.type) for each in fields(kind)})


ALL = st.builds(
    RiskLimits, order=group(OrderLimits), account=group(BookLimits), user=group(BookLimits), strategy=group(BookLimits),
    instrument=group(InstrumentLimits), sector=group(SectorLimits),
    instruments=st.dictionaries(st.text(min_size=1, max_size=3), group(InstrumentLimits), max_size=2),
    actions=st.dictionaries(st.sampled_from(("exposure", "order_value")), st.sampled_from(BreachAction)),
)  # fmt: skip


@given(ALL)
def test_what_is_written_is_read_back_equal(limits):
    again = limits_from_json(limits_to_json(limits))
    assert again == limits


@given(group(OrderLimits), group(OrderLimits), st.integers(0, 23), st.sampled_from(Product))
def test_the_tighter_allows_what_both_allow(one, other, hour, product):
    both = tighter(one, other)
    assert tighter(other, one) == both

    def in_hours(limits):
        windows = limits.allowed_hours
        return windows is None or any(each.start <= time(hour) < each.end for each in windows)

    def allowed(limits):
        return limits.allowed_products is None or product in limits.allowed_products

    assert in_hours(both) == (in_hours(one) and in_hours(other))
    assert allowed(both) == (allowed(one) and allowed(other))
    for name, least in (
        ("max_order_value", min),
        ("max_price_age_seconds", min),
        ("duplicate_window_seconds", max),
    ):
        values = [value for value in (getattr(one, name), getattr(other, name)) if value is not None]
        assert getattr(both, name) == (least(values) if values else None)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"order": {"max_order_value": -1}}, "order.max_order_value"),
        ({"order": {"max_order_value": "lots"}}, "order.max_order_value"),
        ({"order": {"max_order_value": True}}, "order.max_order_value"),
        ({"order": {"max_order_value": float("nan")}}, "order.max_order_value"),
        ({"order": {"max_order_value": [1]}}, "order.max_order_value"),
        ({"order": {"max_ordr_value": 1}}, "order.max_ordr_value"),
        ({"order": 7}, "order"),
        ({"oder": {}}, "oder"),
        ([], "the limits"),
        ({"order": {"allowed_products": ["BO"]}}, "order.allowed_products"),
        ({"order": {"allowed_products": "MIS"}}, "order.allowed_products"),
        ({"order": {"allowed_hours": ["15:00-09:00"]}}, "order.allowed_hours"),
        ({"order": {"allowed_hours": ["09:15"]}}, "order.allowed_hours"),
        ({"order": {"require_price_band": 1}}, "order.require_price_band"),
        ({"account": {"max_open_positions": 1.5}}, "account.max_open_positions"),
        ({"account": {"profit_lock_percent": 101}}, "account.profit_lock_percent"),
        ({"account": {"correlation_from": 2}}, "account.correlation_from"),
        ({"instruments": {"NSE:TCS": {"max_position_value": 0}}}, "instruments.NSE:TCS.max_position_value"),
        ({"instrument": {"range_window_minutes": 61}}, "instrument.range_window_minutes"),
        ({"strategies": {"s1": {"account": {}}}}, "strategies.s1.account"),
        ({"strategies": {"s1": {"book": {"max_exposure": 0}}}}, "strategies.s1.book.max_exposure"),
        ({"actions": {"no_such": "refuse"}}, "actions.no_such"),
        ({"actions": {"duplicate": "reduce"}}, "actions.duplicate"),
        ({"actions": {"exposure": 1}}, "actions.exposure"),
    ],
)
def test_an_error_names_the_field(data, named):
    with pytest.raises(InvalidValueError, match=named):
        parse_limits(data)


@pytest.mark.parametrize("text", ["", "{", '{"order": {"max_order_value": 1, "max_order_value": 2}}', "NaN", '{"a": 1e999999999}'])  # fmt: skip
def test_rubbish_is_no_limits(text):
    with pytest.raises(InvalidValueError):
        limits_from_json(text)


def test_numbers_are_exact():
    assert limits_from_json('{"order": {"max_order_value": 0.1}}').order.max_order_value == Decimal("0.1")


def test_what_is_named_replaces_but_a_strategy_cannot_loosen_its_orders():
    limits = parse_limits(
        {
            "order": {"max_order_value": 100}, "strategy": {"max_exposure": 100, "max_open_positions": 3},
            "strategies": {"s1": {"order": {"max_order_value": 500}, "book": {"max_exposure": 500}}},
        }
    )  # fmt: skip
    assert limits.of_orders("s1").max_order_value == 100
    assert limits.of_strategy("s1") == BookLimits(max_exposure=Decimal(500), max_open_positions=3)
    assert limits.of_strategy("s2").max_exposure == 100


class Plan:
    def limits_of(self, user_id):
        return parse_limits(
            {"account": {"max_open_positions": 1}, "actions": {"order_quantity": "pause_strategy"}}
        )


def test_the_tighter_of_account_plan_and_law_is_in_force():
    scene = Scene(
        {"account": {"max_open_positions": 5, "max_orders_per_second": 50}},
        owners=(INDIA_LIVE_LIMITS,),
        plans=Plan(),
    )
    assert scene.gate.limits("a1").account().max_orders_per_second == 9
    scene.hold(1)
    assert scene.ask(Side.BUY, 1, TCS, strategy="s2").rule == "open_positions"


def test_the_most_severe_action_wins():
    owners = [
        RiskLimits(actions={"exposure": action}) for action in (BreachAction.FLATTEN, BreachAction.REDUCE)
    ]
    assert EffectiveLimits(owners).action("exposure") is BreachAction.FLATTEN
    assert EffectiveLimits(owners).action("leverage") is None


def test_defaults_are_those_of_the_fact_sheet():
    assert DEFAULT_LIMITS.account.max_orders_per_second == 5
    assert INDIA_LIVE_LIMITS.account.max_orders_per_second == 9
    scene = Scene(DEFAULT_LIMITS)
    assert scene.ask().is_allowed


def test_the_page_names_every_limit_and_every_rule():
    page = (Path(__file__).parents[3] / "docs" / "risk.md").read_text(encoding="utf-8")
    names = {
        each.name
        for kind in (OrderLimits, BookLimits, InstrumentLimits, SectorLimits)
        for each in fields(kind)
    }
    assert [name for name in sorted(names | set(RULES_BY_CODE)) if f"`{name}`" not in page] == []
    example = page.split("```json")[1].split("```")[0]
    assert limits_from_json(example).of_strategy("orb").max_trades_per_day == 2
