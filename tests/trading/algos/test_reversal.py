"""A reversal whose fills cross: the new position is protected when it is there, whichever fill is heard first."""

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from tests.brokers.contract.simulated import SHARE
from tests.trading import test_account_desk
from tests.trading.algos.scene import bracket, run
from tests.trading.test_account_desk import intent
from trademantra.brokers.events import OrderUpdate
from trademantra.brokers.paper.broker import PaperBroker
from trademantra.brokers.paper.link import Mishap, RequestKind
from trademantra.core.order import OrderStatus, Side
from trademantra.engine.records import Reason
from trademantra.engine.rules import Level
from trademantra.trading.algos.levels import Protection
from trademantra.trading.intents import Purpose

BOTH = Protection(stop_rule=Level.parse("2%"), target_rule=Level.parse("3%"))
ALL = Decimal(10)


class Late(PaperBroker):
    """News of the orders in `late` does not come by itself."""

    late = ()

    async def events(self):
        async for event in super().events():
            told = event.order if isinstance(event, OrderUpdate) else getattr(event, "trade", None)
            if told is None or told.broker_order_id not in self.late:
                yield event


@pytest.fixture(autouse=True)
def line(monkeypatch):
    monkeypatch.setattr(test_account_desk, "PaperBroker", Late)


async def reverse_unheard(made):
    """Long, then left and entered short, both filled at the exchange; the desk heard of neither."""
    await made.algos.start(bracket("old", protection=BOTH))
    await made.settle()
    await made.prices("100.00")
    made.algos.leave("old", Reason.SIGNAL)
    await made.algos.settled()
    await made.algos.start(bracket("new", Side.SELL, protection=BOTH))
    await made.settle()
    made.adapter.late = {order.broker_order_id for order in await told(made)}
    await made.price_there(SHARE, "100.00")
    await made.settle()
    assert list(made.held_there().values()) == [-10]
    assert list(made.held_here().values()) == [10]


async def told(made):
    """The old exit and the new entry as the exchange has them."""
    names = {made.desk.book.find(order).intent_id: order for order in await made.adapter.orders()}
    return names["old/stop"], names["new/entry"]


def partly(order, filled):
    """The same order, earlier."""
    status = (
        OrderStatus.FILLED if filled == ALL else OrderStatus.PARTLY_FILLED if filled else OrderStatus.OPEN
    )
    return replace(order, filled_quantity=filled, status=status)


def closing(made, side):
    """What exits of a side may close, of a pair once."""
    left = {}
    for managed in made.desk.book.working():
        algo, _, child = managed.intent_id.rpartition("/")
        if managed.order.side is side and child != "entry":
            pair = algo, child.rpartition(".")[2] if "." in child else ""
            left[pair] = max(left.get(pair, 0), managed.order.open_quantity)
    return sum(left.values())


def held(made):
    return sum(made.held_here().values(), Decimal(0))


def is_covered(made):
    """Exits of the new position close what is held short, no more and no less."""
    assert closing(made, Side.BUY) == max(Decimal(0), -held(made))


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("entry_first", [False, True])
def test_recovered_fills_in_any_order_leave_the_new_position_protected_at_once(url, entry_first, is_killed):
    async def scenario(made):
        await reverse_unheard(made)
        if is_killed:
            await made.die()
            made.link.plan(RequestKind.BOOK, Mishap.LOSE_REQUEST)  # what was missed is told piece by piece
            await made.start()
        old, new = await told(made)
        for order in (new, old) if entry_first else (old, new):
            made.desk.hear_order(order)
            await made.settle()
            is_covered(made)
        assert made.working() == [
            ("BUY", "LIMIT", 10, Decimal("97.00")),
            ("BUY", "SL-M", 10, Decimal("102.00")),
        ]
        assert [spec.algo_id for spec in made.algos.running()] == ["new"]
        assert not made.persons()

    run(scenario, url)


def test_an_exit_that_takes_its_time_does_not_end_the_bracket_behind_it(url):
    async def scenario(made):
        await reverse_unheard(made)
        old, new = await told(made)
        made.desk.hear_order(new)
        await made.wait(50)
        assert {spec.algo_id for spec in made.algos.running()} == {"old", "new"}
        made.desk.hear_order(old)
        await made.settle()
        is_covered(made)
        assert [spec.algo_id for spec in made.algos.running()] == ["new"]

    run(scenario, url)


def test_a_bracket_whose_position_other_orders_closed_ends_and_takes_nothing_of_the_next_one(url):
    async def scenario(made):
        await made.algos.start(bracket("old"))
        await made.settle()
        await made.prices("100.00")
        await made.desk.submit(intent("by hand", Side.SELL, purpose=Purpose.EXIT))
        await made.settle()
        await made.prices("100.00")
        assert not made.held_here()
        made.algos.leave("old", Reason.SIGNAL)
        await made.wait(20)
        assert [spec.algo_id for spec in made.algos.running()] == ["old"]
        await made.wait(30)
        assert not made.algos.running()
        assert "it ended" in made.persons()[-1][1]
        await made.algos.start(bracket("next"))
        await made.settle()
        await made.prices("100.00")
        await made.wait(60)
        assert list(made.held_there().values()) == list(made.held_here().values()) == [10]

    run(scenario, url)


@pytest.mark.parametrize("seed", range(12))
def test_fills_in_parts_and_in_any_order_never_leave_more_or_less_protected_than_is_held(tmp_path, seed):
    chance = Random(seed)

    async def scenario(made):
        await reverse_unheard(made)
        old, new = await told(made)
        filled = {old: Decimal(0), new: Decimal(0)}
        while any(filled[each] < ALL for each in filled):
            each = chance.choice([each for each in filled if filled[each] < ALL])
            filled[each] = min(ALL, filled[each] + chance.choice([1, 2, 3, 5, 10]))
            await made.wait(1)  # for the broker's limit, nine messages a second
            made.desk.hear_order(partly(each, filled[each]))
            await made.settle()
            assert held(made) == ALL - filled[old] - filled[new]
            is_covered(made)
        assert not made.persons()

    run(scenario, f"sqlite:///{tmp_path / 'tm.db'}")
