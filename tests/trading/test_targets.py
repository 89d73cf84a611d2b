"""Target positions, baskets, closing and cancelling, over the real desk and the simulated exchange."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.brokers.contract.simulated import CONTRACT, SHARE, START_NS
from tests.trading.algos.scene import bracket, run
from tests.trading.test_account_desk import ACCOUNT, intent
from trademantra.brokers.paper.link import Mishap, RequestKind
from trademantra.core.errors import InvalidValueError
from trademantra.core.order import OrderType, Product, Side
from trademantra.engine.records import Reason
from trademantra.engine.rules import Level
from trademantra.trading.algos.levels import Protection
from trademantra.trading.desk_events import RefusedIntentError
from trademantra.trading.intents import Purpose
from trademantra.trading.orders import PositionKey
from trademantra.trading.outcomes import Outcome, overall, submit_all
from trademantra.trading.targets import (
    Cancelled,
    TargetOrder,
    WorkingPart,
    cancel_all,
    close_all,
    close_one,
    move_to_target,
    plan_target,
)

KEY = PositionKey("s1", SHARE.key, Product.MIS)
BOTH = Protection(stop_rule=Level.parse("2%"), target_rule=Level.parse("3%"))


def target(name, quantity, **words):
    return TargetOrder(
        order_id=name, account_id=ACCOUNT, strategy_id="s1", instrument=SHARE, product=Product.MIS,
        target=Decimal(quantity), decided_ns=START_NS, reference_price=Decimal(100), **words,
    )  # fmt: skip


async def moved(made, name, quantity, **words):
    return await made.during(
        move_to_target(made.desk, made.algos, made.timer, target(name, quantity, **words))
    )


SIZES = st.integers(-50, 50).map(Decimal)


@given(
    goal=SIZES,
    held=SIZES,
    working=st.lists(st.tuples(SIZES.filter(bool), st.booleans()), max_size=5),
)
def test_after_a_plan_is_done_the_position_is_the_target_and_never_went_beyond(goal, held, working):
    parts = [WorkingPart(str(number), quantity, waits) for number, (quantity, waits) in enumerate(working)]
    plan = plan_target(goal, held, parts)
    kept = sum(
        (part.quantity for part in parts if part.order_id not in plan.cancel and not part.waits), Decimal(0)
    )
    assert held + kept + plan.side.sign * (plan.close + plan.open) == goal
    assert plan.close >= 0
    assert plan.open >= 0
    assert plan.close <= abs(held)
    assert not plan.close or held * plan.side.sign < 0
    assert plan.side.sign * kept >= 0
    for part in parts:
        if part.waits and part.order_id not in plan.cancel:  # it protects what is as wanted
            assert goal == held
            assert part.quantity * held < 0
            assert abs(part.quantity) <= abs(held)


def test_a_target_is_reached_from_flat_enlarged_reversed_and_left(url):
    async def scenario(made):
        for name, quantity, orders in (("t1", 10, 1), ("t2", 25, 1), ("t3", -5, 2), ("t4", 0, 1)):
            result = await moved(made, name, quantity)
            assert (result.outcome, len(result.legs)) == (Outcome.ACCEPTED, orders)
            await made.prices("100.00")
            assert made.desk.book.held(KEY) == quantity
        again = await moved(made, "t5", 0)
        assert (again.outcome, again.legs) == (Outcome.ACCEPTED, ())

    run(scenario, url)


def test_a_target_counts_what_works_towards_it_and_cancels_what_does_not(url):
    async def scenario(made):
        await made.desk.submit(intent("buys", quantity=6, order_type=OrderType.LIMIT, price=Decimal(99)))
        await made.desk.submit(intent("sells", Side.SELL, 4, order_type=OrderType.LIMIT, price=Decimal(101)))
        await made.settle()
        at = {"price": Decimal(99)}
        await moved(made, "t1", 10, **at)
        assert sorted(order[::2] for order in made.working()) == [("BUY", 4), ("BUY", 6)]
        await moved(made, "t1", 10, **at)  # the same order again
        assert sorted(order[::2] for order in made.working()) == [("BUY", 4), ("BUY", 6)]
        await made.prices("98.95")
        assert made.desk.book.held(KEY) == 10

    run(scenario, url)


@pytest.mark.parametrize("goal", [0, 4, -10, 15])
def test_a_stop_or_a_far_limit_that_rests_is_not_taken_for_the_way_to_a_target(url, goal):
    async def scenario(made):
        await made.desk.submit(intent("held", quantity=10))
        await made.settle()
        await made.prices("100.00")
        for name, terms in (
            ("stop", {"order_type": OrderType.SL_M, "trigger_price": Decimal(96)}),
            ("far", {"order_type": OrderType.LIMIT, "price": Decimal(104)}),
        ):
            await made.desk.submit(intent(name, Side.SELL, 5, purpose=Purpose.EXIT, **terms))
        await made.settle()
        assert len(made.working()) == 2
        assert (await moved(made, "t1", goal)).outcome is Outcome.ACCEPTED
        await made.prices("100.00")
        assert made.desk.book.held(KEY) == goal
        assert not made.working()

    run(scenario, url)


def test_a_target_that_is_told_again_leaves_the_stop_of_its_position(url):
    async def scenario(made):
        await moved(made, "t1", 10)
        await made.prices("100.00")
        stop = {"order_type": OrderType.SL_M, "trigger_price": Decimal(96)}
        await made.desk.submit(intent("stop", Side.SELL, 10, purpose=Purpose.EXIT, **stop))
        await made.settle()
        result = await moved(made, "t2", 10)
        assert (result.outcome, result.cancelled) == (Outcome.ACCEPTED, ())
        assert made.working() == [("SELL", "SL-M", 10, Decimal(96))]

    run(scenario, url)


def test_a_target_of_a_protected_position_is_refused_and_zero_leaves_it(url):
    async def scenario(made):
        await made.algos.start(bracket(protection=BOTH))
        await made.settle()
        await made.prices("100.00")
        with pytest.raises(RefusedIntentError, match="b1 works on"):
            await moved(made, "t1", 5)
        assert (await moved(made, "t2", 0)).outcome is Outcome.ACCEPTED
        await made.prices("100.00")
        assert not made.held_there()
        assert not made.working()
        assert made.fills()[1][0] == "SIGNAL"

    run(scenario, url)


def test_orders_that_cannot_be_cancelled_leave_the_target_unknown_and_nothing_is_sent(url):
    async def scenario(made):
        await made.desk.submit(intent("sells", Side.SELL, 4, order_type=OrderType.LIMIT, price=Decimal(101)))
        await made.settle()
        made.link.cut_stream()
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REQUEST, 50)
        made.link.plan(RequestKind.BOOK, Mishap.LOSE_REPLY, 500)
        result = await moved(made, "t1", 10)
        assert result.outcome is Outcome.UNKNOWN
        assert "not cancelled" in result.text
        assert len(made.desk.book.all()) == 1

    run(scenario, url)


def test_a_basket_tells_of_each_leg_and_is_no_success_when_one_failed(url):
    async def scenario(made):
        legs = [
            intent("good", order_type=OrderType.LIMIT, price=Decimal(99)),
            intent("above the circuit", order_type=OrderType.LIMIT, price=Decimal(151)),
            intent("off the lot", instrument=CONTRACT, quantity=3),
            intent("parts", instrument=CONTRACT, quantity=45, order_type=OrderType.LIMIT, price=Decimal(990)),
        ]
        results = await made.during(submit_all(made.desk, made.timer, legs))
        assert [leg.outcome.value for leg in results] == ["accepted", "refused", "refused", "accepted"]
        assert "circuit" in results[1].text
        assert "lot" in results[2].text
        assert len(results[3].orders) == 3
        assert overall(results) is Outcome.PARTLY
        again = await made.during(submit_all(made.desk, made.timer, legs[:1]))
        assert again[0].orders == results[0].orders
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REPLY)
        made.link.cut_stream()
        made.link.plan(RequestKind.BOOK, Mishap.LOSE_REPLY, 500)
        lost = await made.during(submit_all(made.desk, made.timer, [intent("lost")]))
        assert lost[0].outcome is Outcome.UNKNOWN

    run(scenario, url)


def test_closing_one_position_closes_what_is_plain_and_what_algorithms_hold(url):
    async def scenario(made):
        await made.desk.submit(intent("plain", quantity=7))
        await made.algos.start(bracket(protection=BOTH))
        await made.settle()
        await made.prices("100.00")
        await made.desk.submit(
            intent("exit", Side.SELL, 3, purpose=Purpose.EXIT, order_type=OrderType.LIMIT, price=Decimal(105))
        )
        await made.settle()
        result = await made.during(close_one(made.desk, made.algos, made.timer, KEY, "c1", Reason.SQUARE_OFF))
        assert [leg.outcome for leg in result.legs] == [Outcome.ACCEPTED]
        await made.prices("100.00")
        assert not made.held_there()
        assert not made.working()

    run(scenario, url)


def test_closing_all_leaves_everything_and_opens_nothing(url):
    async def scenario(made):
        await made.desk.submit(intent("plain", quantity=7))
        await made.desk.submit(intent("future", instrument=CONTRACT, quantity=5))
        await made.algos.start(bracket(protection=BOTH))
        await made.settle()
        await made.prices("100.00")
        await made.prices("1000.00", instrument=CONTRACT)
        await made.algos.start(bracket("b2", order_type=OrderType.LIMIT, price=Decimal(90)))
        await made.desk.submit(intent("resting", order_type=OrderType.LIMIT, price=Decimal(90)))
        await made.settle()
        results = await made.during(close_all(made.desk, made.algos, made.timer, "all", Reason.SQUARE_OFF))
        assert {result.outcome for result in results.values()} == {Outcome.ACCEPTED}
        await made.prices("100.00")
        await made.prices("1000.00", instrument=CONTRACT)
        assert not made.held_there()
        assert not made.working()
        assert not made.algos.running()

    run(scenario, url)


def test_cancelling_all_spares_what_protects_a_position(url):
    async def scenario(made):
        await made.algos.start(bracket(protection=BOTH))
        await made.settle()
        await made.prices("100.00")
        await made.algos.start(bracket("b2", order_type=OrderType.LIMIT, price=Decimal(90)))
        await made.desk.submit(intent("resting", order_type=OrderType.LIMIT, price=Decimal(90)))
        await made.settle()
        results = await made.during(cancel_all(made.desk, made.algos, made.timer))
        await made.settle()
        assert [result.outcome for result in results] == [Cancelled.CANCELLED]
        assert [order[:2] for order in made.working()] == [("SELL", "LIMIT"), ("SELL", "SL-M")]
        assert [spec.algo_id for spec in made.algos.running()] == ["b1"]

    run(scenario, url)


def test_a_target_off_the_lot_is_refused():
    with pytest.raises(InvalidValueError, match="lots"):
        TargetOrder(
            order_id="t", account_id="a", strategy_id="s", instrument=CONTRACT, product=Product.NRML, target=Decimal(7),
            decided_ns=START_NS,
        )  # fmt: skip
