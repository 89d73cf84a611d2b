"""What the journal holds is the order book: after a restart at any moment the desk stands where it stood."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.trading.test_orders import CHARGE, TCS, book_with, intent_of, lives, order_of, told
from trademantra.brokers.orders import Accepted, BrokerTrade
from trademantra.core.order import OrderStatus, Product, Side
from trademantra.core.time import ManualClock
from trademantra.kit.database import Database
from trademantra.kit.lease import take_lease
from trademantra.trading.algos.models import AlgoRow
from trademantra.trading.journal import JournalFailedError, OrderJournal
from trademantra.trading.models import CashRow, ExecutionRow
from trademantra.trading.order_store import OrderStore
from trademantra.trading.orders import OrderBook, PlannedOrder

SHORT = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


def charge(order, execution):
    return CHARGE


async def with_desk(url, scenario):
    database = await Database.open(url)
    try:
        lease = await take_lease(database, "a1", "me", ManualClock(1), length_ns=10**9)
        async with OrderJournal(database) as journal:
            await scenario(database, OrderStore(database), journal, lease)
    finally:
        async with database.writing() as session:
            for table in (CashRow, ExecutionRow):
                await session.execute(table.__table__.delete())
            await session.execute(OrderStoreTables.position.delete())
            await session.execute(OrderStoreTables.order.delete())
            await session.execute(OrderStoreTables.lease.delete())
        await database.close()


class OrderStoreTables:
    from trademantra.kit.models import LeaseRow
    from trademantra.trading.models import OrderRow, PositionRow

    position, order, lease = PositionRow.__table__, OrderRow.__table__, LeaseRow.__table__


def same(book, other):
    for mine, theirs in zip(book.all(), other.all(), strict=True):
        order, status = mine.order, mine.order.status
        if status in (OrderStatus.JOURNALED, OrderStatus.SENT):
            status = OrderStatus.UNKNOWN  # it may have been sent
        assert (theirs.order.status, theirs.tag, theirs.part) == (status, mine.tag, mine.part)
        assert replace(theirs.order, status=order.status, reason=order.reason) == order
        assert theirs.overfilled == mine.overfilled
    flat = {key: held for key, held in book.positions.items() if held.quantity or held.charges}
    assert other.positions == flat


@SHORT
@given(life=lives(), data=st.data())
def test_a_restart_at_any_message_changes_nothing(url, life, data):
    side, messages, filled, value, end = life
    heard = data.draw(st.permutations(messages + data.draw(st.lists(st.sampled_from(messages), max_size=4))))
    restart_at = data.draw(st.integers(0, len(heard)))

    async def scenario(database, store, journal, lease):
        book = OrderBook("a1", charge)
        intent = intent_of(side=side)
        await journal.write(
            store.rows(book.create(intent, [PlannedOrder(order_of(intent), "tag1")], 1)), lease
        )
        book.sending("o1", 2)
        await journal.write(store.rows(book.answered("o1", Accepted("b1"), 3)), lease)
        for number, message in enumerate(heard):
            if number == restart_at:
                fresh = OrderBook("a1", charge)
                await store.load(fresh)
                same(book, fresh)
                book = fresh
                for trade in heard[:number]:  # after a restart the desk asks for the trade book of the day
                    if isinstance(trade, BrokerTrade):
                        await journal.write(store.rows(book.hear_trade(trade, 4)), lease)
            hear = book.hear_trade if isinstance(message, BrokerTrade) else book.hear_order
            await journal.write(store.rows(hear(message, 4)), lease)
        fresh = OrderBook("a1", charge)
        await store.load(fresh)
        same(book, fresh)
        assert fresh["o1"].order.status is end
        assert (fresh["o1"].order.filled_quantity, fresh["o1"].order.filled_value) == (filled, value)
        async with database.reading() as session:
            cash = sum(await session.scalars(select(CashRow.amount)), Decimal(0))
            count = await session.scalar(
                select(func.count()).select_from(ExecutionRow).where(ExecutionRow.charges != Decimal(0))
            )
        assert cash == -side.sign * value - count * CHARGE

    asyncio.run(with_desk(url, scenario))


def test_positions_of_several_strategies_are_kept_apart(url):
    async def scenario(database, store, journal, lease):
        book = OrderBook("a1", charge)
        for number, strategy in enumerate(("s1", "s2")):
            intent = intent_of(intent_id=f"i{number}", strategy=strategy)
            planned = PlannedOrder(order_of(intent, f"o{number}"), f"tag{number}")
            await journal.write(store.rows(book.create(intent, [planned], 1)), lease)
            book.sending(f"o{number}", 2)
            fill = replace(
                told(OrderStatus.FILLED, 100, Decimal(101 + number), tag=f"tag{number}"),
                broker_order_id=f"b{number}",
            )
            await journal.write(store.rows(book.hear_order(fill, 3)), lease)
        fresh = OrderBook("a1", charge)
        await store.load(fresh)
        assert {key.strategy_id: held.cost for key, held in fresh.positions.items()} == {
            "s1": Decimal(10_100),
            "s2": Decimal(10_200),
        }
        assert fresh.net(intent_of().instrument, Product.MIS) == 200

    asyncio.run(with_desk(url, scenario))


def test_a_fresh_book_and_an_old_one_make_the_same_rows(url):
    """Nothing of an order is only in memory: rows made from a restored order equal those of the first."""

    async def scenario(database, store, journal, lease):
        book = book_with(side=Side.SELL, status=OrderStatus.JOURNALED)
        await journal.write(list(store.rows(_created(book))), lease)
        fresh = OrderBook("a1", charge)
        await store.load(fresh)
        [(_, mine)], [(_, theirs)] = store.rows(_created(book)), store.rows(_created(fresh))
        assert theirs == mine | {"status": "unknown", "reason": "found so after a restart"}

    asyncio.run(with_desk(url, scenario))


def _created(book):
    from trademantra.trading.orders import Changes

    return Changes(created=list(book.all()))


def _old_orders(book, names, made_ns):
    """Orders that were made and filled then, each for 100, every second one a sale of what the one before bought."""
    made = []
    for number, name in enumerate(names):
        side = Side.SELL if number % 2 else Side.BUY
        intent = intent_of(intent_id=name, side=side)
        made.append(book.create(intent, [PlannedOrder(order_of(intent, f"o-{name}"), f"t-{name}")], made_ns))
        book.sending(f"o-{name}", made_ns)
        fill = told(OrderStatus.FILLED, 100, Decimal(101 + number), tag=f"t-{name}", side=side)
        made.append(book.hear_order(replace(fill, broker_order_id=f"b-{name}"), made_ns))
    return made


def test_what_is_long_done_is_left_in_the_database_and_nothing_that_matters_is(url):
    long_ago, lately = 1_000, 9_000

    async def scenario(database, store, journal, lease):
        book = OrderBook("a1", charge)
        for changes in _old_orders(book, [f"old{n}" for n in range(40)], long_ago):
            await journal.write(store.rows(changes), lease)
        only_old = OrderBook("a1", charge)
        await store.load(only_old, since_ns=lately)
        assert [each.order.instrument for each in only_old.all()] == [TCS]  # what its positions are in
        assert only_old.positions == book.positions
        steps = [
            *_old_orders(book, ["algo/entry"], long_ago + 500),
            *_old_orders(book, ["new"], lately),
        ]
        resting = intent_of(intent_id="rests")
        steps.append(book.create(resting, [PlannedOrder(order_of(resting, "o-rests"), "t-rests")], long_ago))
        for changes in steps:
            await journal.write(store.rows(changes), lease)
        whole, now = OrderBook("a1", charge), OrderBook("a1", charge)
        await store.load(whole)
        await store.load(now, since_ns=lately)
        assert len(whole.all()) == 43
        assert whole.positions == now.positions != {}
        kept = {each.intent_id for each in now.all()}
        assert {"new", "rests"} <= kept
        assert len(kept) <= 3
        async with database.writing() as session:
            session.add(
                AlgoRow(
                    algo_id="algo", account_id="a1", strategy_id="s1", kind="k", spec="", state="", started_ns=long_ago + 500
                )
            )  # fmt: skip
        try:
            now = OrderBook("a1", charge)
            await store.load(now, since_ns=lately)
            assert {"algo/entry", "new", "rests"} <= {each.intent_id for each in now.all()}
            # an intent that was forgotten is not sent a second time
            again = intent_of(intent_id="old7")
            empty = OrderBook("a1", charge)
            changes = empty.create(again, [PlannedOrder(order_of(again, "o-old7"), "t-old7")], lately)
            with pytest.raises(JournalFailedError):
                await journal.write(store.rows(changes), lease)
        finally:
            async with database.writing() as session:
                await session.execute(AlgoRow.__table__.delete())

    asyncio.run(with_desk(url, scenario))
