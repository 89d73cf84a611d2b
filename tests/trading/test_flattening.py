"""Closing goes on until all is flat, over the real desk and a simulated exchange that turns exits down."""

import asyncio
from decimal import Decimal

import pytest

from tests.brokers.contract.simulated import CONTRACT, SHARE
from tests.trading.algos.scene import bracket, run
from tests.trading.test_account_desk import intent
from trademantra.brokers.paper.link import Mishap, RequestKind
from trademantra.core.order import Product
from trademantra.engine.records import Reason
from trademantra.engine.rules import Level
from trademantra.trading.algos.levels import Protection
from trademantra.trading.flattening import Flattened, close_until_flat
from trademantra.trading.orders import PositionKey

KEY = PositionKey("s1", SHARE.key, Product.MIS)
BOTH = Protection(stop_rule=Level.parse("2%"), target_rule=Level.parse("3%"))


async def closed(made, said, **words):
    """The answer, while both instruments trade once a second or so."""
    task = asyncio.ensure_future(
        close_until_flat(made.desk, made.algos, made.timer, "all", Reason.MARGIN, said.append, **words)
    )
    for _ in range(40):
        await made.settle()
        if task.done():
            break
        await made.prices("100.00")
        await made.prices("1000.00", instrument=CONTRACT)
    assert task.done(), "it waits for ever"
    return await task


@pytest.mark.parametrize("protected", [False, True])
def test_an_exit_that_the_broker_turns_down_is_tried_again_until_all_is_flat(url, protected):
    async def scenario(made):
        if protected:
            await made.algos.start(bracket(protection=BOTH))
        else:
            await made.desk.submit(intent("plain", quantity=7))
        await made.desk.submit(intent("future", instrument=CONTRACT, quantity=5))
        await made.settle()
        await made.prices("100.00")
        await made.prices("1000.00", instrument=CONTRACT)
        made.link.plan(RequestKind.ORDERS, Mishap.REFUSE_RATE, 9)
        said = []
        assert await closed(made, said) == Flattened(2, ())
        assert not made.held_there()
        assert not made.working()
        if not protected:
            assert any("trying again" in line for line in said)

    run(scenario, url)


def test_what_stays_held_is_told_with_the_reason_and_other_strategies_are_left_alone(url):
    async def scenario(made):
        await made.desk.submit(intent("plain", quantity=7))
        await made.settle()
        await made.prices("100.00")
        said = []
        assert await closed(made, said, strategy_id="other") == Flattened(0, ())
        assert made.desk.book.held(KEY) == 7
        made.link.plan(RequestKind.ORDERS, Mishap.REFUSE_RATE, 500)
        told = await closed(made, said)
        assert [(each.key, each.quantity) for each in told.left] == [(KEY, Decimal(7))]
        assert "oo many" in told.left[0].text
        assert "NOT closed: 7 " in said[-1]
        assert told.left[0].text in said[-1]

    run(scenario, url)
