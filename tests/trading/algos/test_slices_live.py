"""Slicing and multi-leg algorithms over the real desk, the simulated exchange, lost replies and deaths."""

import asyncio
from decimal import Decimal
from random import Random

import pytest

from tests.brokers.contract.simulated import CONTRACT, SHARE, START_NS
from tests.trading.algos.scene import run
from tests.trading.test_account_desk import ACCOUNT
from trademantra.brokers.paper.link import Mishap, RequestKind
from trademantra.core.order import Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.engine.records import Reason
from trademantra.trading.algos.chase import ChaseSpec
from trademantra.trading.algos.events import AlgoEnded
from trademantra.trading.algos.iceberg import IcebergSpec
from trademantra.trading.algos.legs import Leg, LegsSpec
from trademantra.trading.algos.participation import ParticipationSpec
from trademantra.trading.algos.schedule import ScheduleSpec
from trademantra.trading.algos.slices import Style
from trademantra.trading.desk_events import RefusedIntentError

END_NS = START_NS + 60 * SECOND


def words(name="w1", quantity=90, **more):
    return {
        "algo_id": name, "account_id": ACCOUNT, "strategy_id": "s1", "instrument": SHARE, "side": Side.BUY,
        "quantity": Decimal(quantity), "product": Product.MIS, "decided_ns": START_NS, **more,
    }  # fmt: skip


def every_kind():
    return [
        IcebergSpec(**words("ice", price_limit=Decimal(101)), shown=Decimal(40)),
        ScheduleSpec.twap(parts=6, **words("twap"), start_ns=START_NS, end_ns=END_NS, style=Style.REST),
        ParticipationSpec(**words("part"), share=0.1, least=Decimal(5), end_ns=END_NS),
        ChaseSpec(**words("chase"), end_ns=END_NS),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_every_algorithm_buys_exactly_its_quantity_whatever_happens(url, seed):
    async def scenario(made):
        chance = Random(seed)
        for spec in every_kind():
            await made.algos.start(spec)
        for step in range(40):
            await made.price(SHARE, Decimal(chance.randint(1990, 2010)) / 20, chance.choice([30, 400, 1000]))
            if chance.random() < 0.3:
                made.link.plan(RequestKind.ORDERS, chance.choice([Mishap.LOSE_REPLY, Mishap.LOSE_REQUEST]))
            if chance.random() < 0.15:
                for _ in range(chance.randint(0, 12)):
                    await asyncio.sleep(0)
                await made.die()
                await made.start()
            if step == 20:
                made.link.clear()
        for _ in range(30):
            await made.wait(5)
            await made.price(SHARE, "100.00")
        assert not made.algos.running()
        assert sorted(told.text for told in made.told_of(AlgoEnded)) == ["filled"] * 4
        assert made.held_here() == made.held_there() == {(SHARE.key, Product.MIS): 360}
        for name in ("ice", "twap", "part", "chase"):
            assert sum(told[2] for told in made.fills_of(name)) == 90

    run(scenario, url)


def test_an_entry_that_limits_refuse_is_not_asked_for_ever(url):
    async def scenario(made):
        await made.algos.start(
            ScheduleSpec.twap(parts=6, **words(), start_ns=START_NS + SECOND, end_ns=END_NS)
        )
        made.state.pause(ACCOUNT, "s1", "by hand")
        await made.wait(10)
        assert not made.algos.running()
        assert any("an entry is not taken" in reason for _, reason in made.persons())
        with pytest.raises(RefusedIntentError):
            await made.algos.start(IcebergSpec(**words("c2", price_limit=Decimal(101)), shown=Decimal(40)))

    run(scenario, url)


def test_a_structure_whose_second_side_is_refused_is_undone(url):
    async def scenario(made):
        legs = (
            Leg(instrument=SHARE, side=Side.BUY, quantity=Decimal(10)),
            Leg(
                instrument=CONTRACT, side=Side.SELL, quantity=Decimal(10), price=Decimal(1501)
            ),  # above the circuit
        )
        spec = LegsSpec(
            algo_id="l1", account_id=ACCOUNT, strategy_id="s1", legs=legs, product=Product.MIS, decided_ns=START_NS,
            timeout_ns=10 * SECOND,
        )  # fmt: skip
        await made.algos.start(spec)
        await made.settle()
        assert len(made.orders_there()) == 1
        await made.prices("100.00")
        await made.wait(2)
        await made.prices("100.00")
        assert [told[:3] for told in made.fills()] == [("ENTRY", Side.BUY, 10), ("UNDONE", Side.SELL, 10)]
        assert not made.held_there()
        assert [told.text for told in made.told_of(AlgoEnded)] == ["undone"]

    run(scenario, url)


def test_a_structure_that_is_held_survives_a_restart_and_is_left(url):
    async def scenario(made):
        legs = (
            Leg(instrument=SHARE, side=Side.BUY, quantity=Decimal(10)),
            Leg(instrument=CONTRACT, side=Side.SELL, quantity=Decimal(10)),
        )
        spec = LegsSpec(
            algo_id="l1", account_id=ACCOUNT, strategy_id="s1", legs=legs, product=Product.MIS, decided_ns=START_NS,
            timeout_ns=10 * SECOND, holds=True,
        )  # fmt: skip
        await made.algos.start(spec)
        await made.settle()
        await made.prices("100.00")
        await made.prices("1000.00", instrument=CONTRACT)
        await made.die()
        await made.start()
        await made.wait(1)
        made.algos.leave("l1", Reason.TIME)
        await made.settle()
        await made.prices("100.00")  # the cover stays until what it covers is bought back
        assert made.held_there()[SHARE.key, Product.MIS] == 10
        await made.prices("1000.00", instrument=CONTRACT)
        await made.prices("100.00")
        assert not made.held_there()
        assert [told[0] for told in made.fills()] == ["ENTRY", "ENTRY", "TIME", "TIME"]

    run(scenario, url)
