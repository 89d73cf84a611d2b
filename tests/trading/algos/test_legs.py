"""Structures of several legs: bought legs first, and a leg that fails undoes the others in the right order."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.brokers.contract.simulated import START_NS
from tests.trading.algos.board import Board
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.engine.records import Reason
from trademantra.trading.algos.kinds import read_spec
from trademantra.trading.algos.legs import Leg, LegsSpec
from trademantra.trading.algos.slices import Finish
from trademantra.trading.algos.spec_json import to_json
from trademantra.trading.algos.view import Place

S = OrderStatus


def option(strike, right=OptionRight.CALL):
    return Instrument(
        exchange=Exchange.NSE, segment=Segment.EQUITY_OPTIONS, kind=InstrumentKind.OPTION, symbol=f"NIFTY{strike}{right}",
        underlying="NIFTY", expiry=date(2026, 11, 24), strike=Decimal(strike), right=right, lot_size=Decimal(65),
    )  # fmt: skip


def condor(**more):
    """Two legs that are sold, two further out that cover them; the sold ones are named first."""
    legs = (
        Leg(instrument=option(25000), side=Side.SELL, quantity=Decimal(65), price=Decimal(100)),
        Leg(instrument=option(24000, OptionRight.PUT), side=Side.SELL, quantity=Decimal(65)),
        Leg(instrument=option(25500), side=Side.BUY, quantity=Decimal(65), price=Decimal(20)),
        Leg(instrument=option(23500, OptionRight.PUT), side=Side.BUY, quantity=Decimal(65)),
    )
    return LegsSpec(**{
        "algo_id": "l1", "account_id": "paper", "strategy_id": "s1", "legs": legs, "product": Product.NRML,
        "decided_ns": START_NS, "timeout_ns": 10 * SECOND, **more,
    })  # fmt: skip


def net(board, number):
    leg = board.spec.legs[number]
    entered = board.orders[f"leg{number}"].filled_quantity if f"leg{number}" in board.orders else Decimal(0)
    undone = sum((order.filled_quantity for name, order in board.orders.items() if name.partition(".")[0] == f"undo{number}"),
                 Decimal(0))  # fmt: skip
    return leg.side.sign * (entered - undone)


def fill(board, name):
    if board.orders[name].status is S.SENT:
        board.settle(name, "yes")
    board.fill(name, Decimal(1000), Decimal(50))


def test_bought_legs_come_first_and_the_sold_ones_when_all_of_them_are_filled():
    board = Board(condor(), START_NS)
    board.step()
    assert set(board.orders) == {"leg2", "leg3"}
    fill(board, "leg2")
    assert not board.step()
    fill(board, "leg3")
    board.step()
    assert set(board.orders) == {"leg0", "leg1", "leg2", "leg3"}
    fill(board, "leg0")
    fill(board, "leg1")
    board.step()
    assert board.ended == "filled"


def test_a_leg_that_is_late_crosses_once_and_then_everything_is_undone():
    board = Board(condor(), START_NS)
    board.step()
    fill(board, "leg3")
    board.settle("leg2", "yes")
    board.price(option(25500), 22.0, 21.9, 22.1)
    board.now_ns = START_NS + 10 * SECOND
    board.step()
    board.settle("leg2", "yes")
    assert board.orders["leg2"].order_type is OrderType.MARKET
    board.now_ns = START_NS + 20 * SECOND
    board.settle_all()
    assert board.orders["undo3"].side is Side.SELL
    fill(board, "undo3")
    board.settle_all()
    assert board.ended == "undone"
    assert any("did not fill in time" in text for text in board.persons)


def test_what_was_sold_is_bought_back_before_its_cover_is_sold():
    board = Board(condor(on_timeout=Finish.GIVE_UP), START_NS)
    board.step()
    fill(board, "leg2")
    fill(board, "leg3")
    board.step()
    fill(board, "leg1")
    board.settle("leg0", "no")
    board.step()
    assert [name for name in board.orders if name.startswith("undo")] == ["undo1"]
    fill(board, "undo1")
    board.step()
    assert {name for name in board.orders if name.startswith("undo")} == {"undo1", "undo2", "undo3"}


def test_a_structure_that_is_held_can_be_left_in_the_right_order():
    board = Board(condor(holds=True), START_NS)
    board.step()
    fill(board, "leg2")
    fill(board, "leg3")
    board.step()
    fill(board, "leg0")
    fill(board, "leg1")
    board.settle_all()
    assert not board.ended
    board.memory = replace(board.memory, leaving=Reason.TIME)
    board.step()
    assert {name for name in board.orders if name.startswith("undo")} == {"undo0", "undo1"}
    for name in ("undo0", "undo1"):
        fill(board, name)
    board.step()
    for name in ("undo2", "undo3"):
        fill(board, name)
    board.settle_all()
    assert board.ended == "undone"


def test_legs_are_not_sent_by_a_new_process_that_finds_none():
    board = Board(condor(), START_NS)
    board.memory = replace(board.memory, restored=True)
    assert not board.spec.step(board.memory, board.view()).actions
    assert board.spec.step(board.memory, board.view()).ended


@settings(max_examples=200, deadline=None)
@given(finish=st.sampled_from(list(Finish)), data=st.data())
def test_nothing_sold_is_ever_left_without_cover(finish, data):
    board = Board(condor(on_timeout=finish), START_NS)
    draw = data.draw
    for leg in board.spec.legs:
        board.price(leg.instrument, 50.0, 49.9, 50.1)
    board.now_ns = START_NS
    for _ in range(draw(st.integers(0, 30))):
        board.now_ns += draw(st.sampled_from([0, SECOND, 5 * SECOND]))
        short_before = sum(-net(board, n) for n in (0, 1))
        for action in board.step():
            if isinstance(action, Place) and action.name in ("leg0", "leg1"):
                assert net(board, 2) == net(board, 3) == 65, "sold before its cover was there"
            if isinstance(action, Place) and action.name.startswith(("undo2", "undo3")):
                assert short_before == 0, "the cover went before what it covers"
        what = draw(st.sampled_from(["settle", "settle", "fill", "fill", "end", "drop"]))
        if what == "settle" and board.pending():
            board.settle(
                draw(st.sampled_from(board.pending())), draw(st.sampled_from(["yes", "yes", "no", "lost"]))
            )
        elif what == "fill" and board.working():
            board.fill(
                draw(st.sampled_from(board.working())), Decimal(draw(st.sampled_from([10, 65]))), Decimal(50)
            )
        elif what == "end" and board.working() and draw(st.booleans()):
            board.end(draw(st.sampled_from(board.working())), S.CANCELLED)
        elif what == "drop" and draw(st.integers(0, 4)) == 0:
            board.memory = replace(board.memory, dropped=True)
    for _ in range(100):
        for name in board.pending():
            board.settle(name, "yes")
        for name in board.working():
            board.fill(name, Decimal(1000), Decimal(50))
        board.now_ns += 31 * SECOND
        board.step()
        if board.ended and not board.working():
            break
    assert board.ended in ("filled", "undone")
    nets = [net(board, number) for number in range(4)]
    assert nets == ([0, 0, 0, 0] if board.ended == "undone" else [-65, -65, 65, 65])


def test_the_spec_comes_back_from_its_json_and_nonsense_is_refused():
    spec = condor(holds=True)
    assert read_spec("legs", to_json(spec), "l1") == spec
    with pytest.raises(InvalidValueError, match="two legs in one contract"):
        condor(legs=(spec.legs[0], spec.legs[0]))
    with pytest.raises(InvalidValueError, match="lots"):
        condor(legs=(replace(spec.legs[0], quantity=Decimal(10)),))
