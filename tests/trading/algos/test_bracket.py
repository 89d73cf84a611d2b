"""Brackets over the real desk and the simulated exchange."""

import asyncio
from decimal import Decimal
from random import Random

import pytest
from sqlalchemy import select

from tests.brokers.contract.simulated import CONTRACT, SHARE, START_NS
from tests.trading.algos.scene import bracket, run
from trademantra.brokers.paper.link import Mishap, RequestKind
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.order import OrderType, Side
from trademantra.engine.records import Reason
from trademantra.engine.rules import Level
from trademantra.trading.algos.events import AlgoEnded, AlgoFill, EntryGone, Protected
from trademantra.trading.algos.history import fills_since
from trademantra.trading.algos.levels import Protection
from trademantra.trading.algos.models import AlgoRow
from trademantra.trading.desk_events import RefusedIntentError
from trademantra.trading.policy import PolicyError

BOTH = Protection(stop_rule=Level.parse("2%"), target_rule=Level.parse("3%"))
TRAIL = Protection(trail=Level.parse("1pt"), target=110.0)


def test_the_first_fill_places_both_exits_and_the_target_ends_the_stop(url):
    async def scenario(made):
        await made.algos.start(bracket(protection=BOTH))
        await made.settle()
        await made.prices("100.00")
        assert made.working() == [
            ("SELL", "LIMIT", 10, Decimal("103.00")),
            ("SELL", "SL-M", 10, Decimal("98.00")),
        ]
        assert [(told.quantity, told.trigger_price) for told in made.told_of(Protected)] == [(10, 98)]
        await made.prices("103.05")
        assert made.working() == []
        assert not made.held_there()
        assert made.fills() == [
            ("ENTRY", Side.BUY, 10, Decimal("100.00")),
            ("TARGET", Side.SELL, 10, Decimal("103.05")),
        ]
        assert not made.algos.running()
        assert [told.text for told in made.told_of(AlgoEnded)] == ["flat"]

    run(scenario, url)


def test_a_short_position_is_protected_on_the_other_side(url):
    async def scenario(made):
        await made.algos.start(bracket(side=Side.SELL, protection=BOTH))
        await made.settle()
        await made.prices("100.00")
        assert made.working() == [
            ("BUY", "LIMIT", 10, Decimal("97.00")),
            ("BUY", "SL-M", 10, Decimal("102.00")),
        ]
        await made.prices("102.00")
        assert made.fills()[1:] == [("STOP", Side.BUY, 10, Decimal("102.00"))]
        assert not made.held_there()

    run(scenario, url)


def test_the_trail_follows_from_the_price_after_the_fill_and_tells_its_reason(url):
    async def scenario(made):
        await made.algos.start(bracket(protection=TRAIL))
        await made.settle()
        await made.prices("100.00", "101.00", "100.50", "102.30")
        assert ("SELL", "SL-M", 10, Decimal("101.30")) in made.working()
        await made.prices("101.30")
        assert made.fills()[1:] == [("TRAIL", Side.SELL, 10, Decimal("101.30"))]

    run(scenario, url)


def test_each_further_fill_of_the_entry_makes_the_exits_larger(url):
    async def scenario(made):
        await made.algos.start(bracket(quantity=100, protection=BOTH))
        await made.settle()
        await made.prices("100.00", volume=30)
        assert [order[2] for order in made.working()] == [70, 30, 30]
        await made.prices("101.00", volume=70)
        # of (30 x 100 + 70 x 101) / 100 = 100.7: the stop 2 % below lies at 98.686, a sale's trigger is rounded up
        assert made.working() == [
            ("SELL", "LIMIT", 100, Decimal("103.75")),
            ("SELL", "SL-M", 100, Decimal("98.70")),
        ]
        assert len(made.orders_there()) == 3

    run(scenario, url)


def test_an_exit_fill_cancels_what_is_left_of_the_entry(url):
    async def scenario(made):
        entry = bracket(quantity=100, protection=BOTH, order_type=OrderType.LIMIT, price=Decimal(100))
        await made.algos.start(entry)
        await made.settle()
        await made.prices("99.95", volume=30)
        await made.prices("103.00")
        await made.prices("103.05")
        assert not made.working()
        assert not made.held_there()
        [gone] = made.told_of(EntryGone)
        assert gone.quantity == 70
        assert not made.algos.running()

    run(scenario, url)


def test_leaving_is_one_change_of_the_stop_and_fills_at_the_next_price(url):
    async def scenario(made):
        await made.algos.start(bracket(protection=BOTH))
        await made.settle()
        await made.prices("100.00")
        made.algos.leave("b1", Reason.SIGNAL)
        await made.algos.settled()
        await made.settle()
        assert made.working() == [("SELL", "MARKET", 10, None)]
        await made.prices("100.40")
        assert made.fills()[1:] == [("SIGNAL", Side.SELL, 10, Decimal("100.40"))]
        assert len(made.orders_there()) == 3
        assert not made.algos.running()

    run(scenario, url)


def test_leaving_without_protection_places_an_exit_and_an_unfilled_entry_goes(url):
    async def scenario(made):
        await made.algos.start(bracket("plain"))
        await made.algos.start(bracket("resting", order_type=OrderType.LIMIT, price=Decimal(90)))
        await made.settle()
        await made.prices("100.00")
        for name in ("plain", "resting"):
            made.algos.leave(name, Reason.SQUARE_OFF)
        await made.settle()
        await made.prices("100.00")
        assert made.fills()[1:] == [("SQUARE_OFF", Side.SELL, 10, Decimal("100.00"))]
        assert not made.working()
        assert not made.algos.running()
        assert [(told.algo_id, told.quantity) for told in made.told_of(EntryGone)] == [("resting", 10)]

    run(scenario, url)


def test_orders_beyond_the_freeze_quantity_are_protected_in_parts(url):
    async def scenario(made):
        await made.algos.start(bracket(quantity=45, instrument=CONTRACT, protection=BOTH))
        await made.settle()
        await made.prices("1000.00", instrument=CONTRACT)
        assert sorted(order[2] for order in made.working()) == [5, 5, 20, 20, 20, 20]
        await made.wait(2)
        made.algos.leave("b1", Reason.SIGNAL)
        await made.settle()
        await made.wait(2)
        assert [order[1:3] for order in made.working()] == [("MARKET", 5), ("MARKET", 20), ("MARKET", 20)]
        await made.prices("1001.00", instrument=CONTRACT)
        assert not made.held_there()
        assert not made.algos.running()

    run(scenario, url)


def test_what_the_desk_refuses_is_told_at_once_and_nothing_runs(url):
    async def scenario(made):
        made.state.pause("paper", "s1", "by hand")
        with pytest.raises(RefusedIntentError, match="paused"):
            await made.algos.start(bracket())
        with pytest.raises(InvalidValueError, match="lots"):
            bracket(quantity=7, instrument=CONTRACT)
        wrong = bracket(
            "b2", instrument=CONTRACT, quantity=10, order_type=OrderType.LIMIT, price=Decimal("0.01")
        )
        with pytest.raises((RefusedIntentError, PolicyError)):
            await made.algos.start(wrong)
        with pytest.raises(NotFoundError):
            made.algos.leave("b1", Reason.SIGNAL)
        assert not made.algos.running()
        assert not made.orders_there()

    run(scenario, url)


def test_the_same_name_is_one_algorithm_in_this_life_and_the_next(url):
    async def scenario(made):
        await asyncio.gather(*(made.algos.start(bracket(protection=BOTH)) for _ in range(3)))
        await made.settle()
        await made.prices("100.00", "103.05")
        await made.algos.start(bracket(protection=BOTH))
        await made.die()
        await made.start()
        await made.algos.start(bracket(protection=BOTH))
        await made.prices("100.00")
        assert len(made.orders_there()) == 3
        assert not made.held_there()

    run(scenario, url)


def test_a_restart_goes_on_where_the_last_life_ended(url):
    async def scenario(made):
        await made.algos.start(bracket(protection=TRAIL))
        await made.settle()
        await made.prices("100.00", "102.00")
        await made.die()
        await made.price_there(SHARE, "101.50")
        await made.start()
        await made.prices("101.60")
        assert ("SELL", "SL-M", 10, Decimal("101.00")) in made.working()  # the peak was not forgotten
        await made.prices("103.00")
        assert ("SELL", "SL-M", 10, Decimal("102.00")) in made.working()
        await made.die()
        await made.price_there(SHARE, "101.90")  # the stop fills while nobody is there
        await made.start()
        await made.wait(3)
        assert made.fills()[1:] == [("TRAIL", Side.SELL, 10, Decimal("101.90"))]
        assert not made.working()
        assert not made.algos.running()
        async with made.database.reading() as session:
            [row] = (await session.scalars(select(AlgoRow))).all()
        assert row.ended == "flat"
        assert row.ended_ns > 0
        assert list(await fills_since(made.database, "paper", "s1", START_NS)) == made.told_of(AlgoFill)

    run(scenario, url)


def test_a_wish_to_leave_survives_the_end_of_the_process(url):
    async def scenario(made):
        await made.algos.start(bracket(protection=BOTH))
        await made.settle()
        await made.prices("100.00")
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REQUEST, 4)
        made.algos.leave("b1", Reason.TIME)
        await made.settle()
        await made.die()
        made.link.clear()
        await made.start()
        await made.wait(5)
        await made.prices("100.10")
        assert made.fills()[1:] == [("TIME", Side.SELL, 10, Decimal("100.10"))]

    run(scenario, url)


def test_only_the_stop_rests_where_the_account_says_so(url):
    async def scenario(made):
        await made.algos.start(bracket(protection=BOTH, rest_target=False))
        await made.settle()
        await made.prices("100.00")
        assert [order[1] for order in made.working()] == ["SL-M"]
        await made.prices("103.00", "103.10")
        assert made.fills()[1:] == [("TARGET", Side.SELL, 10, Decimal("103.10"))]

    run(scenario, url)


def bare(fill):
    return fill.order_id, fill.quantity, fill.price, fill.at_ns


async def busy_hours(made, chance, steps):
    """Brackets, prices, wishes to leave, mishaps and deaths, in any order."""
    for step in range(steps):
        what = chance.random()
        if what < 0.2:
            instrument = chance.choice([SHARE, SHARE, CONTRACT])
            protection = chance.choice(
                [BOTH, TRAIL, Protection(stop_rule=Level.parse("1pt"), trail=Level.parse("1%"))]
            )
            if instrument is CONTRACT:
                protection = Protection(
                    stop_rule=Level.parse("1%"), trail=Level.parse("1%"), target_rule=Level.parse("1%")
                )
            kind = chance.choice([OrderType.MARKET, OrderType.LIMIT])
            spec = bracket(
                f"b{step}", Side.BUY, chance.choice([10, 25, 45]), instrument, protection=protection, order_type=kind,
                price=Decimal(1000 if instrument is CONTRACT else 100) if kind.has_limit else None,
                rest_target=chance.random() < 0.7,
            )  # fmt: skip
            await made.algos.start(spec)
        elif what < 0.55:
            await made.price(SHARE, Decimal(chance.randint(1960, 2040)) / 20, chance.choice([3, 40, 1000]))
            await made.price(CONTRACT, Decimal(chance.randint(9800, 10200)) / 10, chance.choice([5, 1000]))
        elif what < 0.65 and made.algos.running():
            made.algos.leave(chance.choice(made.algos.running()).algo_id, Reason.SIGNAL)
        elif what < 0.85:
            mishaps = [Mishap.LOSE_REPLY, Mishap.LOSE_REQUEST, Mishap.REFUSE_RATE]
            made.link.plan(RequestKind.ORDERS, chance.choice(mishaps))
        elif what < 0.89:
            made.link.cut_stream()
        elif what < 0.94:
            made.link.mend_stream()
        else:
            for _ in range(chance.randint(0, 12)):  # at any instant
                await asyncio.sleep(0)
            await made.die()
            await made.start()
        if chance.random() < 0.5:
            await made.settle()


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_every_bracket_ends_flat_and_nothing_is_doubled(url, seed):
    async def scenario(made):
        chance = Random(seed)
        await busy_hours(made, chance, 50)
        made.link.clear()
        made.link.mend_stream()
        await made.wait(45)
        held = made.held_there()
        for (key, _), quantity in held.items():  # what is held is protected at the exchange
            assert quantity > 0, key
        for spec in made.algos.running():
            made.algos.leave(spec.algo_id, Reason.SQUARE_OFF)
        for _ in range(12):
            await made.wait(3)
            await made.price(SHARE, "100.00")
            await made.price(CONTRACT, "1000.00")
        assert not made.algos.running(), [spec.algo_id for spec in made.algos.running()]
        assert not made.working()
        assert made.held_here() == made.held_there() == {}
        tags = [order.request.tag for order in made.orders_there()]
        assert len(tags) == len(set(tags)) > 3
        booked = await fills_since(made.database, "paper", "s1", START_NS)
        assert [bare(fill) for fill in booked] == [bare(fill) for fill in made.told_of(AlgoFill)]
        bought = sum(told[2] for told in made.fills() if told[1] is Side.BUY)
        sold = sum(told[2] for told in made.fills() if told[1] is Side.SELL)
        assert bought == sold > 0

    run(scenario, url)


def test_an_algorithm_that_ended_long_ago_is_out_of_memory_and_still_begun_once(tmp_path):
    async def scenario(made):
        for name in ("b1", "b2"):
            await made.algos.start(bracket(name, protection=BOTH))
            await made.settle()
            await made.prices("100.00", "103.05")
            assert not made.algos.running()
            made.timer.advance_to(made.timer.now_ns() + 3600 * 10**9)
        assert list(made.algos._done) == ["b2"]
        await made.algos.start(bracket("b1", protection=BOTH))
        assert not made.algos.running()
        assert len({order.request.tag for order in made.orders_there()}) == 6

    run(scenario, f"sqlite:///{tmp_path / 'tm.db'}")


def test_a_desk_that_ends_leaves_the_stop_alone_and_the_next_one_watches_the_target(url):
    async def scenario(made):
        stop, target = ("SELL", "SL-M", 10, Decimal("98.00")), ("SELL", "LIMIT", 10, Decimal("103.00"))
        await made.algos.start(bracket(protection=BOTH))
        await made.algos.start(bracket("aim", protection=Protection(target=104.0)))
        await made.settle()
        await made.prices("100.00")
        alone = ("SELL", "LIMIT", 10, Decimal("104.0"))  # beside no stop: nothing can fill twice
        assert made.working() == [target, alone, stop]
        made.algos.leave_alone()
        await made.settle()
        assert made.working() == [alone, stop]
        await made.die()
        await made.start()
        await made.settle()
        await made.prices("100.00")
        assert made.working() == [alone, stop]
        await made.prices("103.05")
        await made.wait(1)
        await made.prices("103.05")
        assert made.fills_of("b1")[1:] == [("TARGET", Side.SELL, 10, Decimal("103.05"))]
        assert made.working() == [alone]
        assert not made.persons()

    run(scenario, url)
