"""Positions that go to another product: limits, closing room and results go with them."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.risk.scene import INFY, TCS, Scene
from trademantra.core.errors import NotFoundError
from trademantra.core.order import Product, Side
from trademantra.trading.conversion import joined, split
from trademantra.trading.intents import Purpose
from trademantra.trading.orders import PositionKey
from trademantra.trading.positions import HeldPosition
from trademantra.trading.risk.decisions import Outcome
from trademantra.trading.risk.limits import Scope
from trademantra.trading.risk.state import RiskState

MIS, CNC = Product.MIS, Product.CNC
SIGNED = st.integers(-60, 60).filter(bool)


def key(product):
    return PositionKey("s1", TCS.key, product)


def convert(scene, quantity, old=MIS, new=CNC):
    here = scene.state.held("a1", "s1", TCS.key, old)
    there = scene.state.held("a1", "s1", TCS.key, new)
    stays, goes = split(here.held, Decimal(quantity))
    held_there = joined(replace(there.held) if there is not None else HeldPosition(), goes)
    scene.state.converted("a1", key(old), stays, key(new), held_there)


RESULTS = ((Scope.STRATEGY, "s1"), (Scope.ACCOUNT, ""), (Scope.USER, ""))


def books(state):
    return {name: state.book(name[0], "a1", name[1]) for name in (*RESULTS, (Scope.INSTRUMENT, TCS.key))}


def test_what_was_converted_is_closed_under_its_new_product_only():
    scene = Scene({"account": {"max_open_positions": 1}})
    scene.hold(100, product=MIS)
    convert(scene, 100)
    assert scene.ask(Side.SELL, 100, purpose=Purpose.EXIT, product=CNC).outcome is Outcome.ALLOW
    assert scene.ask(Side.SELL, 1, purpose=Purpose.EXIT, product=MIS).rule == "nothing_to_exit"
    assert scene.ask(Side.BUY, 1, INFY).rule == "open_positions"  # it is one position still
    assert scene.ask(Side.BUY, 1, product=CNC).outcome is Outcome.ALLOW


def test_a_part_is_two_positions_and_each_closes_its_own():
    scene = Scene({"account": {"max_open_positions": 2}})
    scene.hold(100, product=MIS)
    convert(scene, 40)
    assert scene.ask(Side.SELL, 100, purpose=Purpose.EXIT, product=MIS).quantity == 60
    assert scene.ask(Side.SELL, 100, purpose=Purpose.EXIT, product=CNC).quantity == 40
    assert scene.ask(Side.BUY, 1, INFY).rule == "open_positions"


def test_exits_that_work_under_the_new_product_count_against_what_came():
    scene = Scene({})
    scene.hold(100, product=MIS)
    scene.hold(10, product=CNC)
    scene.take(Side.SELL, 10, purpose=Purpose.EXIT, product=CNC)
    convert(scene, 100)
    assert scene.ask(Side.SELL, 500, purpose=Purpose.EXIT, product=CNC).quantity == 100


def test_a_loss_goes_on_over_a_conversion():
    scene = Scene({"account": {"max_daily_loss_marked": 500}})
    scene.hold(100, product=MIS)
    scene.price(TCS, 97)
    convert(scene, 100)
    assert scene.ask(Side.BUY, 1).outcome is Outcome.ALLOW
    scene.price(TCS, "94.9")
    assert scene.ask(Side.BUY, 1).rule == "daily_loss_marked"


def test_what_nobody_holds_is_not_converted():
    with pytest.raises(NotFoundError):
        Scene({}).state.converted("a1", key(MIS), HeldPosition(), key(CNC), HeldPosition())


@given(
    trades=st.lists(st.tuples(st.sampled_from((MIS, CNC)), SIGNED), min_size=1, max_size=6),
    prices=st.lists(st.integers(80, 120), min_size=7, max_size=7),
    parts=st.lists(st.tuples(st.booleans(), st.integers(1, 60)), min_size=1, max_size=3),
    is_priced=st.booleans(),
)
def test_sums_are_those_of_the_positions_and_no_result_appears_or_vanishes(trades, prices, parts, is_priced):
    scene = Scene({})
    for (product, quantity), price in zip(trades, prices, strict=False):
        scene.price(TCS, price)
        scene.hold(quantity, product=product)
    if not is_priced:
        scene.state.price_lost(TCS.key)
    before = {name: book.result_today for name, book in books(scene.state).items()}
    for to_cnc, part in parts:
        old, new = (MIS, CNC) if to_cnc else (CNC, MIS)
        held = scene.state.held("a1", "s1", TCS.key, old)
        if held is not None and part <= abs(held.held.quantity):
            convert(scene, part, old, new)
    after = books(scene.state)
    for name in RESULTS:
        assert abs(after[name].result_today - before[name]) < Decimal("0.001"), name
    fresh = RiskState()
    fresh.account_opened("a1", "u1")
    for product in (MIS, CNC):
        held = scene.state.held("a1", "s1", TCS.key, product)
        if held is not None:
            fresh.restore_position("a1", "s1", TCS, product, replace(held.held))
    if is_priced:
        fresh.price(TCS.key, scene.state.market(TCS.key).price, scene.now_ns)
    for name, book in books(fresh).items():
        mine = after[name]
        assert (mine.quantity, mine.exposure, mine.unpriced) == (book.quantity, book.exposure, book.unpriced)
        assert {each.key for each in mine.open} == {each.key for each in book.open}
    for product in (MIS, CNC):
        mine, theirs = (state.held("a1", "s1", TCS.key, product) for state in (scene.state, fresh))
        if mine is not None:
            assert mine.free_to_close() == theirs.free_to_close()
