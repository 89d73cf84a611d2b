"""Limits of the day hold over `kill -9`: what the books held comes back, on both databases, today and the day after."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.trading.risk.scene import INFY, TCS, Scene
from trademantra.core.order import Product, Side
from trademantra.core.time import ManualClock
from trademantra.kit.database import Database
from trademantra.kit.lease import take_lease
from trademantra.trading.journal import OrderJournal
from trademantra.trading.orders import Changes
from trademantra.trading.positions import HeldPosition
from trademantra.trading.risk.decisions import Outcome
from trademantra.trading.risk.keeping import KeepingStore, RiskKeeper
from trademantra.trading.risk.limits import Scope

LIMITS = {"account": {"max_trades_per_day": 3, "max_daily_loss_marked": 500}}
DAY_NS = int(timedelta(days=1).total_seconds()) * 10**9
LENGTH_NS = 10 * DAY_NS


def begun_anew(url, before, *, later_ns=0, prices=()):
    """The books of `before`, kept; and a scene of another process that got them back `later_ns` later."""
    after = Scene(LIMITS, now=before.now + later_ns / 10**9)
    for instrument, price in prices:  # the first that the new process hears
        after.price(instrument, price)

    async def play():
        database = await Database.open(url)
        clock = ManualClock(before.now_ns)
        lease = await take_lease(database, "a1", "me", clock, length_ns=LENGTH_NS)
        async with OrderJournal(database) as journal:
            keeper = RiskKeeper(before.state, "a1", database, journal, lease, clock)
            await keeper.load()
            keeper.restore(with_user=True)  # nothing is there yet
            keeper.keep()
            assert keeper.rows() == [], "the same is written once"
            await journal.drained()
            for holding in before.state.holdings_of("a1"):
                held = holding.held
                after.state.restore_position(
                    "a1", holding.key[1], holding.instrument, Product.MIS,
                    HeldPosition(held.quantity, held.cost, held.realised, held.charges),
                )  # fmt: skip
            late = ManualClock(before.now_ns + later_ns)
            second = RiskKeeper(after.state, "a1", database, journal, lease, late)
            await second.load()
            second.restore(with_user=True)
        await database.close()

    asyncio.run(play())
    for instrument, price in prices:
        after.price(instrument, price)
    return after


def records(scene):
    names = ((Scope.STRATEGY, "s1"), (Scope.ACCOUNT, ""), (Scope.USER, ""))
    return [scene.state.record(scope, "a1", name) for scope, name in names]


def test_results_trades_and_stops_come_back_and_still_stop(url):
    before = Scene(LIMITS)
    before.trade(Side.BUY, 10, 100)
    before.trade(Side.SELL, 10, 60)  # 400 lost
    before.hold(10, INFY, 50)
    before.price(INFY, 39)  # 110 more, open
    assert before.gate.watch(before.now_ns)
    assert before.ask().rule == "daily_loss_marked"
    after = begun_anew(url, before, prices=[(INFY, 39)])
    assert records(after) == records(before)
    assert after.ask().rule == "daily_loss_marked"


def test_an_open_loss_of_today_is_not_forgotten_with_the_process(url):
    before = Scene(LIMITS)
    before.hold(10, INFY, 50)
    before.price(INFY, 20)
    after = begun_anew(url, before, prices=[(INFY, 20)])
    book = after.state.book(Scope.ACCOUNT, "a1")
    assert book.result_today == Decimal(-300) == before.state.book(Scope.ACCOUNT, "a1").result_today
    after.price(INFY, "0.05")
    assert book.result_today == Decimal("-499.5")


def test_the_trades_of_a_day_are_counted_on_and_the_next_day_begins_with_none(url):
    before = Scene(LIMITS)
    for _ in range(3):
        before.trade(Side.BUY, 1, 100)
        before.trade(Side.SELL, 1, 99)
        before.now += 5
    assert before.ask().rule == "trades_per_day"
    same_day = begun_anew(url, before)
    assert same_day.ask().rule == "trades_per_day"


@pytest.mark.parametrize("opened", [False, True])
def test_another_day_begins_as_if_the_desk_had_run_through_the_night(url, opened):
    before = Scene(LIMITS)
    before.trade(Side.BUY, 10, 100)
    before.trade(Side.SELL, 10, 40)
    before.gate.watch(before.now_ns)
    if opened:
        before.hold(10, TCS, 100)
        before.price(TCS, 90)
    before.state.pause("a1", "s1", "by hand")
    after = begun_anew(url, before, later_ns=DAY_NS, prices=[(TCS, 80)])
    before.state.day_rolled()
    before.now = after.now
    before.price(TCS, 80)
    before_books, after_books = before.state.book(Scope.ACCOUNT, "a1"), after.state.book(Scope.ACCOUNT, "a1")
    assert (after_books.result_today, after_books.result) == (before_books.result_today, before_books.result)
    assert records(after)[0].stops == records(before)[0].stops != ()
    assert after.ask().rule == "paused"
    after.state.release(Scope.STRATEGY, "a1", "s1", "paused")
    assert after.ask().outcome is Outcome.ALLOW


def test_what_an_order_does_to_the_books_is_written_with_the_order(tmp_path):
    scene = Scene(LIMITS)

    async def play():
        database = await Database.open(f"sqlite:///{tmp_path / 'tm.db'}")
        clock = ManualClock(scene.now_ns)
        lease = await take_lease(database, "a1", "me", clock, length_ns=LENGTH_NS)
        async with OrderJournal(database) as journal:
            keeper = RiskKeeper(scene.state, "a1", database, journal, lease, clock)
            keeper.restore(with_user=True)
            store = KeepingStore(database, keeper)
            first = store.rows(Changes())
            scene.take()
            written = store.rows(Changes())
            again = store.rows(Changes())
        await database.close()
        return first, written, again

    first, written, again = asyncio.run(play())
    assert len(first) == len(written) == 1
    assert '"trades_today": 1' in str(written[0][1]["books"])
    assert again == []
