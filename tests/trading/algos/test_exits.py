"""The exits of a position, whatever becomes of its orders: protected, never closed twice, the same after a restart."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.brokers.contract.simulated import CONTRACT, SHARE, START_NS
from tests.trading.algos.board import CLOSING, Board
from tests.trading.algos.scene import bracket
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.engine import matching
from trademantra.engine.compile import uncompiled
from trademantra.engine.records import Reason
from trademantra.engine.rules import Level
from trademantra.trading.algos.bracket import GuardSpec
from trademantra.trading.algos.levels import Protection, exit_levels, on_tick
from trademantra.trading.algos.pairs import STOP
from trademantra.trading.algos.view import Place, Price, base_name

S = OrderStatus
BOTH = Protection(stop_rule=Level.parse("2%"), target_rule=Level.parse("3%"))
LEVELS = st.sampled_from(["none", "1%", "2.5pt", "2atr"]).map(Level.parse)
PROTECTIONS = st.builds(
    Protection,
    stop=st.sampled_from([float("nan"), 97.03]),
    stop_rule=LEVELS,
    target_rule=LEVELS,
    trail=LEVELS,
    atr=st.just(0.83),
)


@st.composite
def specs(draw):
    side = draw(st.sampled_from(list(Side)))
    protection = draw(PROTECTIONS)
    if side is Side.SELL and protection.stop == protection.stop:
        protection = Protection(104.02, protection.target, protection.stop_rule, protection.target_rule,
                                protection.trail, protection.atr)  # fmt: skip
    return bracket(side=side, quantity=100, protection=protection, rest_target=draw(st.booleans()))


def happen(draw, board):
    """One thing of the many that can happen; answers with whether the owner asked to leave."""
    what = draw(
        st.sampled_from(
            ["settle", "settle", "settle", "fill", "fill", "price", "price", "end", "leave", "drop"]
        )
    )
    working = board.working()
    if what == "settle" and board.pending():
        answer = draw(st.sampled_from(["yes", "yes", "yes", "no", "lost"]))
        board.settle(draw(st.sampled_from(board.pending())), answer)
    elif what == "fill" and working:
        board.fill(
            draw(st.sampled_from(working)),
            Decimal(draw(st.integers(1, 100))),
            Decimal(draw(st.integers(1980, 2020))) / 20,
        )
    elif what == "price":
        board.price(SHARE, draw(st.integers(1900, 2100)) / 20)
    elif what == "end" and working:
        board.end(draw(st.sampled_from(working)), draw(st.sampled_from([S.CANCELLED, S.EXPIRED])))
    elif what == "leave" and draw(st.integers(0, 3)) == 0:
        leave(board, draw(st.sampled_from([Reason.SIGNAL, Reason.SQUARE_OFF])))
    elif what == "drop" and draw(st.integers(0, 3)) == 0:
        board.memory = type(board.memory)(**{**fields_of(board.memory), "dropped": True})


def fields_of(memory):
    return {name: getattr(memory, name) for name in type(memory).__dataclass_fields__}


def leave(board, reason):
    if board.memory.leaving is Reason.NONE:
        board.memory = type(board.memory)(**{**fields_of(board.memory), "leaving": reason})


def held(board):
    entered = board.filled("entry")
    return entered - board.filled(*CLOSING) + board.filled("surplus")


def closes_no_more_than_held(board):
    """A step, with the invariant that what it places fits into what is held and not yet being closed."""
    before = board.may_close()
    actions = board.step()
    if any(isinstance(action, Place) and base_name(action.name) in CLOSING for action in actions):
        assert board.may_close() <= max(before, held(board))
        assert board.may_close() <= held(board)


@settings(max_examples=300, deadline=None)
@given(spec=specs(), data=st.data())
def test_whatever_happens_exits_never_close_more_than_is_held_and_the_end_is_flat(spec, data):
    board = Board(spec, START_NS)
    board.price(SHARE, 100.0)
    board.step()
    for _ in range(data.draw(st.integers(0, 30))):
        happen(data.draw, board)
        closes_no_more_than_held(board)
    board.settle_all()
    quantity = held(board)
    protection = spec.protection
    if (
        quantity > 0
        and board.memory.leaving is Reason.NONE
        and not any("no stop" in text for text in board.persons)
    ):
        levels = exit_levels(protection, SHARE, spec.side, 100.0, board.memory.peak)
        resting = sum((board.left(name) for name in board.working() if base_name(name) == STOP), Decimal(0))
        if levels.stop is not None:
            assert resting == quantity, "a protected position has its stop at the broker"
        elif levels.target is not None:
            assert (
                sum((board.left(name) for name in board.working() if base_name(name) == "target"), Decimal(0))
                == quantity
            )
    leave(board, Reason.SIGNAL)
    for _ in range(20):
        board.settle_all()
        for name in board.working():
            board.fill(name, Decimal(1000), Decimal(100))
        if board.ended:
            break
        board.step()
    assert held(board) == 0
    assert not board.working()
    assert board.ended


@settings(max_examples=100, deadline=None)
@given(
    side=st.sampled_from(list(Side)),
    rule=LEVELS,
    trail=LEVELS,
    moves=st.lists(st.integers(1900, 2100).map(lambda steps: steps / 20), max_size=25),
)
def test_a_stop_follows_the_price_and_never_moves_against_the_position(side, rule, trail, moves):
    spec = bracket(side=side, quantity=100, protection=Protection(stop_rule=rule, trail=trail, atr=0.5))
    board = Board(spec, START_NS)
    board.step()
    board.settle("entry", "yes")
    board.fill("entry", Decimal(100), Decimal("100.00"))
    board.settle_all()
    best = 100.0
    last = None
    for move in moves:
        if board.memory.leaving is not Reason.NONE:
            break
        board.price(SHARE, move)
        best = max(best, move) if side is Side.BUY else min(best, move)
        board.settle_all()
        stops = [board.orders[name] for name in board.working() if base_name(name) == STOP]
        if not stops:
            assert exit_levels(spec.protection, SHARE, side, 100.0, best).stop is None
            continue
        [stop] = stops
        if stop.trigger_price is None:
            break
        assert stop.trigger_price == exit_levels(spec.protection, SHARE, side, 100.0, best).stop
        assert last is None or side.sign * (stop.trigger_price - last) >= 0
        last = stop.trigger_price


@given(
    level=st.floats(0.01, 5000.0),
    tick=st.sampled_from(["0.05", "0.01", "0.10", "0.0025", "1"]),
    side=st.sampled_from(list(Side)),
)
def test_levels_lie_on_the_same_tick_as_the_engine_s(level, tick, side):
    instrument = replace(SHARE, tick_size=Decimal(tick))
    assert float(on_tick(instrument, side, level)) == uncompiled(matching.on_tick)(
        float(tick), side.sign, level
    )


def test_a_position_that_is_carried_is_protected_again_every_morning_for_as_long_as_it_is_held():
    board = Board(bracket(side=Side.BUY, quantity=100, protection=BOTH), START_NS)
    board.step()
    board.settle("entry", "yes")
    board.fill("entry", Decimal(100), Decimal("100.00"))
    for day in range(100):
        board.now_ns = max(board.now_ns, START_NS + day * NANOSECONDS_PER_DAY)
        board.continuous = True
        if (
            day % 10 == 3
        ):  # a morning on which the broker turns everything down; the desk watches the level itself
            for _ in range(12):
                board.step()
                for name in board.pending():
                    board.settle(name, "no")
                board.now_ns += 31 * 10**9
            assert any("no stop order" in text for text in board.persons)
        else:
            board.settle_all()
            assert sorted(base_name(name) for name in board.working()) == [STOP, "target"]
            assert {board.left(name) for name in board.working()} == {Decimal(100)}
        board.continuous = False
        for name in board.working():
            board.end(name, S.EXPIRED if day % 2 else S.CANCELLED)
        board.step()
        assert not board.working(), "no exchange takes a stop at night"


def guard(quantity=100, protection=None, **words):
    return GuardSpec(
        algo_id="g1", account_id="paper", strategy_id="s1", instrument=SHARE, side=Side.BUY, quantity=Decimal(quantity),
        product=Product.MIS, decided_ns=START_NS, average=100.0,
        protection=protection or BOTH, **words,
    )  # fmt: skip


def test_a_fill_of_one_exit_makes_the_other_smaller():
    board = Board(guard(), START_NS)
    board.step()
    board.settle_all()
    board.fill("target", Decimal(30), Decimal(103))
    board.settle_all()
    assert (board.left("stop"), board.left("target")) == (70, 70)
    board.fill("stop", Decimal(70), Decimal(98))
    board.settle_all()
    assert board.ended == "flat"
    assert board.orders["target"].status is S.CANCELLED


def test_leaving_turns_the_stop_into_a_market_order_and_ends_the_target():
    board = Board(guard(), START_NS)
    board.step()
    board.settle_all()
    leave(board, Reason.SQUARE_OFF)
    board.settle_all()
    assert board.orders["stop"].order_type is OrderType.MARKET
    assert board.left("stop") == 100
    assert board.orders["target"].status is S.CANCELLED
    assert set(board.orders) == {"stop", "target"}


def test_without_a_stop_the_target_is_turned():
    board = Board(guard(protection=Protection(target=103.0)), START_NS)
    board.step()
    board.settle_all()
    leave(board, Reason.SIGNAL)
    board.settle_all()
    assert board.orders["target"].order_type is OrderType.MARKET
    assert set(board.orders) == {"target"}


def test_a_stop_that_takes_no_change_is_replaced_with_its_target():
    board = Board(guard(protection=Protection(trail=Level.parse("1pt"), target=110.0)), START_NS)
    board.step()
    board.settle_all()
    for number in range(2):
        board.price(SHARE, 101.0 + number)
        board.step()
        board.settle("stop", "no")
    board.settle_all()
    assert board.orders["stop"].status is S.CANCELLED
    assert board.orders["target"].status is S.CANCELLED
    assert board.orders["stop.1"].trigger_price == 101
    assert board.left("stop.1") == board.left("target.1") == 100


def test_an_exit_that_takes_no_change_is_ended_and_the_position_leaves_by_a_new_order():
    board = Board(guard(), START_NS)
    board.step()
    board.settle_all()
    leave(board, Reason.SIGNAL)
    for _ in range(2):
        board.step()
        board.settle("stop", "no")
        if board.orders["target"].status is S.CANCELLING:
            board.settle("target", "yes")
    board.settle_all()
    assert board.orders["stop"].status is S.CANCELLED
    assert board.orders["exit"].order_type is OrderType.MARKET
    assert board.left("exit") == 100


def test_both_exits_filled_is_closed_again_at_once_and_a_person_is_called():
    board = Board(guard(), START_NS)
    board.step()
    board.settle_all()
    board.fill("stop", Decimal(100), Decimal(98))
    board.fill("target", Decimal(40), Decimal(103))
    board.step()
    surplus = board.orders["surplus"]
    assert (surplus.side, surplus.quantity, surplus.order_type) == (Side.BUY, 40, OrderType.MARKET)
    assert any("more than was held" in text for text in board.persons)
    board.settle_all()
    board.fill("surplus", Decimal(40), Decimal(100))
    board.settle_all()
    assert board.ended == "flat"


def test_a_stop_that_is_rejected_again_and_again_is_watched_here_and_a_person_is_called():
    board = Board(guard(), START_NS)
    for number in range(3):
        board.step()
        board.settle("stop" if not number else f"stop.{number}", "no")
        board.step()
        for name in board.pending():
            if name.startswith("target"):
                board.settle(name, "yes")
    assert any("watches its level" in text for text in board.persons)
    board.price(SHARE, 97.9)
    board.settle_all()
    assert board.memory.leaving is Reason.STOP
    leaving = [order for order in board.orders.values() if not order.status.is_final]
    assert [(order.order_type, order.open_quantity) for order in leaving] == [(OrderType.MARKET, 100)]


def rejected_thrice(protection):
    """The broker took no order three times, and the desk watches the level."""
    board = Board(guard(protection=protection), START_NS)
    for _ in range(3):
        board.step()
        for name in board.pending():
            board.settle(name, "no")
    board.step()
    assert any("watches its level" in text for text in board.persons)
    assert not any(name.startswith("stop") for name in board.working())
    return board


@pytest.mark.parametrize("protection", [BOTH, Protection(stop_rule=Level.parse("2%"))], ids=["pair", "stop"])
def test_a_stop_that_was_rejected_thrice_rests_once_the_broker_takes_it_again(protection):
    board = rejected_thrice(protection)
    board.settle_all()
    stops = [board.orders[name] for name in board.working() if name.startswith("stop")]
    assert [(order.side, order.open_quantity, order.status) for order in stops] == [
        (Side.SELL, 100, S.TRIGGER_PENDING)
    ]


@pytest.mark.parametrize("role", ["stop", "target"])
def test_orders_behind_a_pair_without_a_stop_are_counted_and_go_with_the_position(role):
    board = rejected_thrice(BOTH)
    board.settle_all()
    assert "stop.3" not in board.orders
    stop, target = sorted(board.working())
    assert (stop, target) == ("stop.4", "target.4")
    board.fill(f"{role}.4", Decimal(100), Decimal(103 if role == "target" else 98))
    board.settle_all()
    assert not board.working()
    assert board.ended == "flat"


def test_a_watched_target_turns_the_stop_when_it_is_reached():
    board = Board(guard(rest_target=False), START_NS)
    board.step()
    board.settle_all()
    assert set(board.orders) == {"stop"}
    board.price(SHARE, 103.0)
    board.settle_all()
    assert board.memory.leaving is Reason.TARGET
    assert board.orders["stop"].order_type is OrderType.MARKET


def test_what_the_day_ended_is_placed_anew_when_trading_begins():
    board = Board(guard(), START_NS)
    board.step()
    board.settle_all()
    board.continuous = False
    board.end("stop", S.EXPIRED)
    board.end("target", S.EXPIRED)
    board.settle_all()
    assert not board.working()
    board.continuous = True
    board.settle_all()
    assert (board.left("stop.1"), board.left("target.1")) == (100, 100)


def two_pairs():
    """40 entered in two fills, of which one order may close 20 (the freeze quantity)."""
    board = Board(bracket(quantity=40, instrument=CONTRACT, protection=BOTH), START_NS)
    board.step()
    board.settle("entry", "yes")
    for _ in range(2):
        board.fill("entry", Decimal(20), Decimal(1000))
        board.settle_all()
    assert [board.left(name) for name in ("stop", "target", "stop.1", "target.1")] == [20, 20, 20, 20]
    return board


def test_a_fill_makes_the_other_side_of_its_own_pair_smaller():
    board = two_pairs()
    board.fill("target", Decimal(5), Decimal(1030))
    board.settle_all()
    assert [board.left(name) for name in ("stop", "target", "stop.1", "target.1")] == [15, 15, 20, 20]


def test_when_both_sides_fill_in_part_what_is_left_closes_the_rest():
    board = Board(guard(), START_NS)
    board.step()
    board.settle_all()
    board.fill("stop", Decimal(40), Decimal(98))
    board.fill("target", Decimal(10), Decimal(103))
    board.settle_all()
    assert (board.left("stop"), board.left("target")) == (50, 50)


def test_nothing_is_placed_for_what_an_order_that_is_yet_to_shrink_may_close():
    board = Board(bracket(quantity=40, instrument=CONTRACT, protection=BOTH), START_NS)
    board.step()
    board.settle("entry", "yes")
    board.fill("entry", Decimal(20), Decimal(1000))
    board.settle_all()
    board.fill("stop", Decimal(5), Decimal(980))
    board.fill("entry", Decimal(10), Decimal(1000))
    board.step()
    assert held(board) == board.may_close() == 25
    board.settle_all()
    assert held(board) == board.may_close() == 25


def test_a_stop_that_a_person_moved_nearer_stays_there():
    board = Board(guard(), START_NS)
    board.step()
    board.settle_all()
    board.orders["stop"] = replace(board.orders["stop"], trigger_price=Decimal(99))
    board.settle_all()
    assert board.orders["stop"].trigger_price == 99
    board.orders["stop"] = replace(board.orders["stop"], trigger_price=Decimal(97))
    board.settle_all()
    assert board.orders["stop"].trigger_price == 98


def test_the_event_of_the_first_fill_does_not_raise_the_trail():
    board = Board(bracket(quantity=10, protection=Protection(trail=Level.parse("1pt"))), START_NS)
    board.step()
    board.settle("entry", "yes")
    board.now_ns += 10**9
    board.fill("entry", Decimal(10), Decimal(100))
    for high, at_ns, expected in ((105.0, board.now_ns, 99), (101.0, board.now_ns + 1, 100)):
        event = Price(100.0, high, 99.5, 1.0, float("nan"), float("nan"), at_ns)
        board.memory = board.spec.heard(board.memory, event)
        board.settle_all()
        assert board.orders["stop"].trigger_price == expected
