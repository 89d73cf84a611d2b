"""An account's desk against the simulated exchange: whatever the line does and whenever the desk dies, both agree."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import time
from decimal import Decimal
from random import Random

import pytest
from sqlalchemy import select

from tests.brokers.contract.simulated import (
    CASH,
    CONTRACT,
    SHARE,
    START_NS,
    exchange_settings,
    first_prices,
    listings,
    open_market,
    trade,
)
from tests.trading.risk.scene import Block
from trademantra.brokers.orders import OrderChange
from trademantra.brokers.paper.broker import PaperBroker, PaperBrokerSettings
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.host import ExchangeHost
from trademantra.brokers.paper.link import Link, Mishap, RequestKind
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.kit.bus import Bus
from trademantra.kit.database import Database
from trademantra.kit.lease import take_lease
from trademantra.kit.limiter import RateLimiter, Window
from trademantra.kit.timer import ManualTimer
from trademantra.trading.account_desk import AccountDesk
from trademantra.trading.desk_events import ChangeRefused, ForeignOrder, PersonNeeded, RefusedIntentError
from trademantra.trading.desk_parts import DeskParts
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.journal import OrderJournal
from trademantra.trading.models import CashRow
from trademantra.trading.order_store import TRADE, OrderStore
from trademantra.trading.orders import OrderBook
from trademantra.trading.policy import OrderPolicy, PolicyError
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.limits import RiskLimits
from trademantra.trading.risk.road import RiskRoad
from trademantra.trading.risk.state import RiskState

ACCOUNT = "paper"
CHARGE = Decimal("1.25")


class World:
    """An exchange that never dies, and desks that do."""

    def __init__(self, url):
        self.url = url
        self.timer = ManualTimer(START_NS)
        self.host = ExchangeHost(self._build)
        self.link = Link()
        self.bus = Bus()
        self.called = self.bus.subscribe(PersonNeeded)
        self.stack = AsyncExitStack()
        self.desk = self.journal = self.database = self.adapter = None
        self.starts = 0

    def _build(self, snapshot, entries, sink):
        exchange = Exchange.restore(
            snapshot, entries, listings(), self.timer.clock, exchange_settings(), sink
        )
        exchange.open_account(ACCOUNT, CASH)
        return exchange

    async def start(self):
        """A new process: nothing is left of the last one but the database."""
        self.starts += 1
        self.stack = AsyncExitStack()
        self.database = await Database.open(self.url)
        lease = await take_lease(
            self.database, ACCOUNT, f"desk {self.starts}", self.timer, length_ns=10**6 * SECOND
        )
        self.lease = lease
        self.journal = await self.stack.enter_async_context(OrderJournal(self.database))
        self.adapter = PaperBroker(
            self.host,
            self.timer.clock,
            PaperBrokerSettings(account_id=ACCOUNT, session_ends=time(6, 0)),
            link=self.link,
        )
        await self.adapter.complete_login({})
        parts = DeskParts(
            adapter=self.adapter,
            policy=OrderPolicy(self.adapter.manifest, self.timer),
            store=OrderStore(self.database),
            journal=self.journal,
            lease=lease,
            limiter=RateLimiter([Window(9, SECOND)], self.timer),
            timer=self.timer,
            bus=self.bus,
            gate=self.road(),
            last_price=lambda instrument: self.state.market(instrument.key).last,
        )
        self.desk = AccountDesk(OrderBook(ACCOUNT, lambda order, execution: CHARGE), parts)
        await self.stack.enter_async_context(self.desk)

    def road(self):
        """A gate without limits of its own: exits are cut to what is held, and nothing else is held back."""
        self.state = RiskState()
        self.state.account_opened(ACCOUNT, "u1")
        gate = RiskGate(self.state, Block())
        gate.set_limits(ACCOUNT, RiskLimits())
        self.gate = RiskRoad(gate, ACCOUNT, self.timer, lambda request: None)
        return self.gate

    async def die(self):
        """The process ends in the middle of whatever it was doing; its tasks are gone, memory is lost."""
        await self.desk.__aexit__(None, None, None)
        await self.adapter.close()
        await self.journal.__aexit__(None, None, None)
        await self.lease.release(self.database)
        await self.database.close()

    async def settle(self):
        for _ in range(4):
            for _ in range(25):
                await asyncio.sleep(0)
            await self.journal.drained()

    async def wait(self, seconds):
        """Let time pass, second by second."""
        for _ in range(seconds):
            self.timer.advance_to(self.timer.now_ns() + SECOND)
            await self.host.advance()
            await self.settle()

    async def price(self, instrument, price, volume=1_000_000):
        self.timer.advance_to(self.timer.now_ns() + SECOND)
        await self.host.feed([trade(instrument, str(price), volume, self.timer.now_ns())])
        await self.settle()

    def orders_there(self):
        return self.host.exchange.orders(ACCOUNT)

    def held_there(self):
        return {
            (held.listing.instrument.key, held.product): held.quantity
            for held in self.host.exchange.positions(ACCOUNT).net
            if held.quantity
        }

    def held_here(self):
        totals = Counter()
        for key, position in self.desk.book.positions.items():
            totals[key.instrument_key, key.product] += position.quantity
        return {key: quantity for key, quantity in totals.items() if quantity}


@asynccontextmanager
async def world(url):
    made = World(url)
    await made.host.run(open_market)
    await made.host.feed(first_prices())
    await made.start()
    try:
        yield made
    finally:
        await made.die()
        made.host.close()


def intent(name, side=Side.BUY, quantity=10, instrument=SHARE, purpose=Purpose.ENTRY, **words):
    return OrderIntent(
        intent_id=name, account_id=ACCOUNT, strategy_id="s1", instrument=instrument, side=side,
        quantity=Decimal(quantity), product=Product.MIS if instrument is SHARE else Product.NRML, purpose=purpose,
        decided_ns=START_NS, reference_price=Decimal(100), **words,
    )  # fmt: skip


def check(scenario, url):
    async def whole():
        async with world(url) as made:
            await scenario(made)

    asyncio.run(whole())


def status(made, order_id):
    return made.desk.book[order_id].order.status


def test_an_order_goes_out_fills_and_is_in_the_ledger(url):
    async def scenario(made):
        [managed] = await made.desk.submit(intent("i1"))
        await made.settle()
        await made.price(SHARE, "100.00")
        assert status(made, managed.order.order_id) is OrderStatus.FILLED
        assert made.held_here() == made.held_there() == {(SHARE.key, Product.MIS): 10}
        async with made.database.reading() as session:
            rows = (await session.scalars(select(CashRow).order_by(CashRow.cash_id))).all()
        assert [(row.kind, row.amount) for row in rows] == [("trade", Decimal(-1000)), ("charges", -CHARGE)]

    check(scenario, url)


def test_the_same_intent_is_sent_once(url):
    async def scenario(made):
        answers = await asyncio.gather(
            *(made.desk.submit(intent("i1")) for _ in range(5)), return_exceptions=True
        )
        await made.settle()
        again = await made.desk.submit(intent("i1"))
        assert len({each[0].tag for each in [*answers, again]}) == 1
        assert len(made.orders_there()) == 1
        await made.die()
        await made.start()
        assert (await made.desk.submit(intent("i1")))[0].tag == again[0].tag
        await made.wait(3)
        assert len(made.orders_there()) == 1

    check(scenario, url)


def test_a_lost_reply_is_found_by_its_tag(url):
    async def scenario(made):
        made.link.cut_stream()
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REPLY)
        [managed] = await made.desk.submit(intent("i1", order_type=OrderType.LIMIT, price=Decimal(99)))
        await made.settle()
        assert status(made, managed.order.order_id) is OrderStatus.UNKNOWN
        await made.wait(3)
        assert status(made, managed.order.order_id) is OrderStatus.OPEN
        assert len(made.orders_there()) == 1

    check(scenario, url)


def test_a_lost_request_is_absent_only_after_two_readings_and_ten_seconds(url):
    async def scenario(made):
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REQUEST)
        [managed] = await made.desk.submit(intent("i1"))
        await made.wait(5)
        assert status(made, managed.order.order_id) is OrderStatus.UNKNOWN
        await made.wait(15)
        assert status(made, managed.order.order_id) is OrderStatus.ABSENT
        assert not made.orders_there()

    check(scenario, url)


def test_books_that_cannot_be_read_conclude_nothing_and_a_person_is_called(url):
    async def scenario(made):
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REQUEST)
        made.link.plan(RequestKind.BOOK, Mishap.LOSE_REPLY, 1000)
        [managed] = await made.desk.submit(intent("i1"))
        await made.wait(59)
        early = made.bus.subscribe(PersonNeeded)
        await made.wait(30)
        assert status(made, managed.order.order_id) is OrderStatus.UNKNOWN
        made.called.close()
        early.close()
        calls = [call.subject async for call in made.called]
        assert calls == [call.subject async for call in early]  # nobody was called in the first minute
        assert set(calls) == {"books", managed.order.order_id}

    check(scenario, url)


def test_an_order_in_the_outbox_is_never_sent_once_it_is_cancelled(url):
    async def scenario(made):
        managed = [(await made.desk.submit(intent(f"i{n}")))[0] for n in range(12)]  # nine a second leave
        await made.desk.cancel(managed[-1].order.order_id)
        await made.wait(3)
        assert status(made, managed[-1].order.order_id) is OrderStatus.CANCELLED
        assert len(made.orders_there()) == 11

    check(scenario, url)


def test_an_exit_leaves_before_the_entries_that_wait(url):
    async def scenario(made):
        await made.desk.submit(intent("first"))
        await made.price(SHARE, "100.00")
        for number in range(30):
            await made.desk.submit(intent(f"i{number}", order_type=OrderType.LIMIT, price=Decimal(99)))
        await made.desk.submit(intent("way out", Side.SELL, purpose=Purpose.EXIT))
        await made.wait(1)
        sent = [order.request.side for order in made.orders_there()]
        assert Side.SELL in sent[:11]

    check(scenario, url)


def test_without_a_login_nothing_is_taken(url):
    async def scenario(made):
        made.adapter.end_session("six o'clock")
        with pytest.raises(RefusedIntentError, match="not logged in"):
            await made.desk.submit(intent("i1"))
        assert not made.desk.book.all()

    check(scenario, url)


def test_an_order_that_the_desk_did_not_make_is_seen_and_kept_apart(url):
    async def scenario(made):
        seen = made.bus.subscribe(ForeignOrder)
        policy = OrderPolicy(made.adapter.manifest, made.timer)
        manual = intent("by hand")
        await made.adapter.place(policy.request(policy.plan(manual)[0], ""))
        await made.price(SHARE, "100.00")
        assert [order.tag for order in made.desk.foreign_orders()] == [policy.plan(manual)[0].tag]
        assert not made.held_here()
        seen.close()
        assert {event.account_id async for event in seen} == {ACCOUNT}

    check(scenario, url)


def test_a_resting_order_takes_new_terms_and_keeps_the_old_ones_when_they_are_refused(url):
    async def scenario(made):
        heard = []
        made.desk.listen(heard.append)
        [managed] = await made.desk.submit(intent("i1", order_type=OrderType.LIMIT, price=Decimal(95)))
        await made.settle()
        order_id = managed.order.order_id
        await made.desk.modify(order_id, OrderChange(price=Decimal("96.03"), quantity=Decimal(20)))
        assert status(made, order_id) is OrderStatus.MODIFYING
        with pytest.raises(RefusedIntentError, match="cannot be changed"):
            await made.desk.modify(order_id, OrderChange(price=Decimal(97)))
        await made.settle()
        [there] = made.orders_there()
        assert (there.request.price, there.request.quantity) == (
            Decimal("96.00"),
            20,
        )  # a buy never pays more
        assert (managed.order.price, managed.order.quantity) == (Decimal("96.00"), 20)
        assert status(made, order_id) is OrderStatus.OPEN
        assert made.state.working_left(order_id) == 20
        made.link.plan(RequestKind.ORDERS, Mishap.REFUSE_RATE)
        await made.desk.modify(order_id, OrderChange(quantity=Decimal(30)))
        await made.settle()
        assert [event.order.order.quantity for event in heard if isinstance(event, ChangeRefused)] == [20]
        assert made.state.working_left(order_id) == 20
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REPLY)
        await made.desk.modify(order_id, OrderChange(price=Decimal(94)))
        await made.wait(3)
        assert (status(made, order_id), managed.order.price) == (OrderStatus.OPEN, Decimal(94))
        await made.die()
        await made.start()
        await made.settle()
        assert made.desk.book[order_id].order.price == Decimal(94)

    check(scenario, url)


def test_stop_and_target_of_one_position_are_a_pair_and_a_third_exit_is_refused(url):
    async def scenario(made):
        await made.desk.submit(intent("in"))
        await made.price(SHARE, "100.00")
        way_out = {"side": Side.SELL, "purpose": Purpose.EXIT}
        [stop] = await made.desk.submit(
            intent("s", **way_out, order_type=OrderType.SL_M, trigger_price=Decimal(98), exit_with="t")
        )
        target = intent("t", **way_out, order_type=OrderType.LIMIT, price=Decimal(103), exit_with="s")
        await made.desk.submit(target)
        with pytest.raises(RefusedIntentError, match="close all"):
            await made.desk.submit(intent("third", **way_out))
        await made.settle()
        await made.die()
        await made.start()
        await made.settle()
        with pytest.raises(RefusedIntentError, match="close all"):
            await made.desk.submit(intent("third", **way_out))
        await made.desk.modify(stop.order.order_id, OrderChange(order_type=OrderType.MARKET))
        await made.settle()
        await made.price(SHARE, "101.00")
        assert status(made, stop.order.order_id) is OrderStatus.FILLED
        assert not made.held_here()

    check(scenario, url)


async def busy_day(made, chance, steps):
    """Orders, cancels, prices, mishaps and deaths, in any order."""
    for step in range(steps):
        what = chance.random()
        if what < 0.40:
            kind = chance.choice([OrderType.MARKET, OrderType.LIMIT])
            instrument = chance.choice([SHARE, SHARE, CONTRACT])
            scale = 1 if instrument is SHARE else 10
            price = Decimal(chance.randint(1990, 2010)) / 20 * scale
            purpose = chance.choice(list(Purpose))
            with suppress(RefusedIntentError):  # an exit of nothing
                await made.desk.submit(
                    intent(
                        f"i{step}",
                        chance.choice(list(Side)),
                        chance.choice([5, 10, 25, 45]),
                        instrument,
                        purpose,
                        order_type=kind,
                        price=price if kind.has_limit else None,
                    )
                )
        elif what < 0.50:
            working = made.desk.book.working()
            if working:
                await made.desk.cancel(chance.choice(working).order.order_id)
        elif what < 0.58:
            working = made.desk.book.working()
            if working:
                order = chance.choice(working).order
                scale = 1 if order.instrument.key == SHARE.key else 10
                change = OrderChange(
                    price=Decimal(chance.randint(1990, 2010)) / 20 * scale
                    if order.order_type.has_limit
                    else None,
                    quantity=order.quantity + chance.choice([-5, 0, 5]) * (5 if scale == 10 else 1),
                )
                with suppress(RefusedIntentError, PolicyError):
                    await made.desk.modify(order.order_id, change)
        elif what < 0.68:
            await made.price(SHARE, Decimal(chance.randint(1990, 2010)) / 20, chance.choice([3, 40, 1000]))
            await made.price(CONTRACT, Decimal(chance.randint(9900, 10100)) / 10, 1000)
        elif what < 0.80:
            mishaps = [Mishap.LOSE_REPLY, Mishap.LOSE_REQUEST, Mishap.REFUSE_RATE]
            made.link.plan(RequestKind.ORDERS, chance.choice(mishaps))
        elif what < 0.86:
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
    made.link.clear()
    made.link.mend_stream()
    await made.wait(60)
    for managed in made.desk.book.working():
        await made.desk.cancel(managed.order.order_id)
    await made.wait(30)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_desk_and_exchange_agree_in_the_end(url, seed):
    async def scenario(made):
        await busy_day(made, Random(seed), 60)
        there = {order.request.tag: order for order in made.orders_there()}
        assert len(there) == len(made.orders_there())  # none was doubled
        here = {managed.tag: managed.order for managed in made.desk.book.all()}
        for tag, order in there.items():
            assert here[tag].status is order.status, (tag, order.stage)
            assert here[tag].filled_quantity == order.filled_quantity
            assert (here[tag].quantity, here[tag].price) == (order.request.quantity, order.request.price)
        for tag, order in here.items():
            assert order.status.is_final
            if tag not in there:  # never reached the exchange, and the desk knows
                assert order.status in (OrderStatus.ABSENT, OrderStatus.REJECTED, OrderStatus.CANCELLED)
                assert not order.filled_quantity
        assert made.held_here() == made.held_there()
        async with made.database.reading() as session:
            cash = sum(await session.scalars(select(CashRow.amount).where(CashRow.kind == TRADE)), Decimal(0))
        paid = sum(
            (
                -t.side.sign * t.quantity * t.price * t.listing.instrument.multiplier
                for t in made.host.exchange.trades(ACCOUNT)
            ),
            Decimal(0),
        )
        assert cash == paid
        assert len(there) > 5

    check(scenario, url)


async def change_in_the_outbox(made):
    """An order whose change waits for the next second, while the book is still asked for what became of its lost reply."""
    heard = []
    made.desk.listen(heard.append)
    made.timer.advance_to(START_NS + SECOND // 2)
    made.link.cut_stream()
    made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REPLY)
    [managed] = await made.desk.submit(intent("i1", order_type=OrderType.LIMIT, price=Decimal(95)))
    await made.settle()
    assert managed.order.status is OrderStatus.UNKNOWN
    made.link.mend_stream()
    await made.desk.refresh()
    made.timer.advance_to(START_NS + SECOND * 6 // 5)
    for number in range(9):
        await made.desk.submit(intent(f"b{number}", order_type=OrderType.LIMIT, price=Decimal(94)))
    await made.settle()
    assert managed.order.status is OrderStatus.OPEN
    await made.desk.modify(managed.order.order_id, OrderChange(price=Decimal(96)))
    await made.settle()
    assert managed.order.status is OrderStatus.MODIFYING
    return managed, heard


def refusals(heard):
    return [event.reason for event in heard if isinstance(event, ChangeRefused)]


def test_a_change_that_waits_for_its_turn_survives_a_look_at_the_book(url):
    async def scenario(made):
        managed, heard = await change_in_the_outbox(made)
        made.timer.advance_to(START_NS + SECOND * 3 // 2)  # the book is read: it shows the order as it was
        await made.settle()
        assert managed.order.status is OrderStatus.MODIFYING
        await made.wait(3)
        assert (managed.order.status, managed.order.price) == (OrderStatus.OPEN, Decimal(96))
        assert not refusals(heard)

    check(scenario, url)


@pytest.mark.parametrize("end", ["filled", "cancelled"])
def test_who_asked_for_a_change_hears_that_the_order_ended_first(url, end):
    async def scenario(made):
        managed, heard = await change_in_the_outbox(made)
        if end == "filled":
            made.timer.advance_to(START_NS + SECOND * 19 // 10)
            await made.host.feed([trade(SHARE, "94.90", 10**6, made.timer.now_ns())])
        else:
            await made.desk.cancel(managed.order.order_id)
        await made.wait(3)
        assert managed.order.status.value == end
        [reason] = refusals(heard)
        assert ("filled before" if end == "filled" else "being cancelled") in reason

    check(scenario, url)


def test_one_reading_of_the_book_answers_for_all_orders_that_are_asked_for(url):
    async def scenario(made):
        made.link.cut_stream()
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REPLY, 4)
        made.link.plan(RequestKind.ORDERS, Mishap.LOSE_REQUEST, 3)
        for number in range(7):
            await made.desk.submit(intent(f"i{number}", order_type=OrderType.LIMIT, price=Decimal(95)))
        await made.settle()
        readings = []
        whole, by_tag = made.adapter.orders, made.adapter.orders_by_tag

        async def orders():
            readings.append(made.timer.now_ns())
            return await whole()

        async def orders_by_tag(tag):
            readings.append(made.timer.now_ns())
            return await by_tag(tag)

        made.adapter.orders, made.adapter.orders_by_tag = orders, orders_by_tag
        await made.wait(1)
        states = Counter(managed.order.status for managed in made.desk.book.all())
        assert (len(readings), states) == (1, {OrderStatus.OPEN: 4, OrderStatus.UNKNOWN: 3})
        await made.wait(29)
        states = Counter(managed.order.status for managed in made.desk.book.all())
        assert states == {OrderStatus.OPEN: 4, OrderStatus.ABSENT: 3}
        assert len(readings) < 7

    check(scenario, url)
