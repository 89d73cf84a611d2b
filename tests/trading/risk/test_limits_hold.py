"""Whatever strategies ask, the exchange does, prices do and the process suffers: no limit is exceeded, and exits pass.

Random orders, changes, fills, lost replies, old and repeated news, prices, days, restarts, kills, on the real road
(`road_making`).  What an entry had to keep is judged here, from the books and from what the exchange really filled.
"""

import shutil
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.trading.risk.road_making import ACCOUNTS, INSTRUMENTS, STRATEGIES, USER, Roads
from tests.trading.risk.scene import NOON, SECOND
from trademantra.brokers.orders import OrderChange
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.trading.desk_events import RefusedIntentError
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.risk.kill_files import KillScope
from trademantra.trading.risk.limits import Scope

_S = OrderStatus
_RESTING = (_S.OPEN, _S.PARTLY_FILLED)
NOTHING = Decimal(0)


BOOK_LIMITS = {
    "max_open_positions": (2, 1, 3), "max_trades_per_day": (3, 1, 5), "max_orders_per_second": (2, 1, 4),
    "max_exposure": (3000, 1000, 6000), "max_daily_loss_realised": (20, 3, 60), "max_daily_loss_marked": (50, 20, 150),
}  # fmt: skip
SINGLE = {
    **{name: (("strategy", "account", "user"), values) for name, values in BOOK_LIMITS.items()},
    "max_order_quantity": (("order",), (25, 10)), "max_order_value": (("order",), (2600, 1000)),
    "max_price_age_seconds": (("order",), (60,)),
    "max_position_quantity": (("instrument",), (45, 20)), "max_position_value": (("instrument",), (5000, 2000)),
}  # fmt: skip
REDUCES = {"order_quantity": "reduce", "exposure": "reduce", "position_quantity": "reduce"}


@st.composite
def some_limits(draw, name):
    """This one and perhaps another: with all at once hardly an order passes, and none is tried hard."""
    made = {scope: {} for scope in ("order", "strategy", "account", "user", "instrument")}
    for each in (name, *draw(st.lists(st.sampled_from(sorted(SINGLE)), max_size=1))):
        scopes, values = SINGLE[each]
        made[draw(st.sampled_from(scopes))][each] = draw(st.sampled_from(values))
    return made | {"actions": draw(st.sampled_from(({}, REDUCES)))}


ACCOUNT, STRATEGY = st.sampled_from(ACCOUNTS), st.sampled_from(STRATEGIES)
INSTRUMENT = st.sampled_from(sorted(INSTRUMENTS))
NUMBER = st.integers(0, 10**6)
BLOCKS = st.sampled_from(("kill", "kill the user", "pause", "not ready"))
SIZE = st.sampled_from(("part", "whole", "too much"))
ASKED = st.fixed_dictionaries(
    {
        "key": st.tuples(ACCOUNT, STRATEGY, INSTRUMENT, st.just(Product.MIS)), "side": st.sampled_from(Side),
        "quantity": st.sampled_from((10, 5, 10, 1, 20, 30)),
        "purpose": st.sampled_from((Purpose.ENTRY,) * 5 + (Purpose.EXIT,)), "parts": st.sampled_from((1, 1, 2)),
        "limit": st.sampled_from((None, 95, 105)), "written": st.sampled_from((True,) * 7 + (False,)),
    }
)  # fmt: skip


class LimitsMachine(RuleBasedStateMachine):
    """One step is one event."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    @initialize(data=st.data())
    def begin(self, data):
        limits = data.draw(some_limits(self.name))
        self.folder = Path(tempfile.mkdtemp(prefix="tm-limits-"))
        self.limits = limits
        self.roads = Roads(limits, self.folder, NOON)
        self.asked = 0
        self.entries = {}  # order id -> whether it may open a position
        self.growth = {}  # order id -> what a change under way may add
        self.messages = []  # (account, strategy, second)
        self.killed, self.paused, self.stops = set(), set(), set()
        self.start_of_day = dict.fromkeys(self.scopes(), (NOTHING, NOTHING))
        self.lost_prices = set()

    def teardown(self):
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    # -- scopes

    def scopes(self):
        yield from (("strategy", account, strategy) for account in ACCOUNTS for strategy in STRATEGIES)
        yield from (("account", account) for account in ACCOUNTS)
        yield ("user",)

    def within(self, scope, key):
        return scope[1:] == key[: len(scope) - 1]

    # -- what strategies ask

    @rule(asked=st.lists(ASKED, min_size=1, max_size=4), calm=st.booleans(), lives=st.sampled_from(("waits", "rests", "fills", "fills unheard")),
          number=NUMBER)  # fmt: skip
    def submit(self, asked, calm, lives, number):
        """Orders, of which some go on at once: to the exchange, and through it.  `calm`: nothing blocks them."""
        if calm:
            self.unblock()
        for each in asked:
            known = set(self.entries)
            self.try_order(**each)
            for order_id in self.entries.keys() - known:
                self.go_on_with(order_id, lives, number)

    @rule(asked=ASKED, what=BLOCKS, number=NUMBER, size=SIZE, purpose=st.sampled_from(Purpose))
    def submit_blocked(self, asked, what, number, size, purpose):
        """Only the way out is open."""
        self.unblock()
        self.block(what, *asked["key"][:2])
        self.try_order(**asked)
        self.way_out(number, size, purpose, 1)
        self.change(number, 30, None, "accepted")
        self.unblock()

    @rule(asked=ASKED)
    def submit_late(self, asked):
        """More than a minute after the last price."""
        self.unblock()
        self.pass_time(70)
        self.try_order(**asked)

    @rule(asked=ASKED, name=INSTRUMENT, percent=st.sampled_from((50, 70, 140, 200)))
    def submit_after_a_shock(self, asked, name, percent):
        """A price leaps and comes back; what was asked meanwhile is asked again."""
        self.unblock()
        before = self.roads.prices[name][0]
        for price in (before * percent / 100, before):
            self.roads.price(INSTRUMENTS[name], price.quantize(Decimal("0.05")))
            self.note_stops()
            self.try_order(**asked)
            self.nothing_is_exceeded()

    @rule(asked=ASKED, number=NUMBER, ends=st.booleans())
    def submit_after_a_restart(self, asked, number, ends):
        """In the middle of an order that filled in part, which then ends or goes on."""
        alive = self.alive()
        order = alive[number % len(alive)] if alive else None
        if order is not None and order.order.quantity - order.filled > 1:
            self.roads.fill(order, Decimal(1), self.roads.prices[order.key[2]][0])
            self.hear_newest(order)
        self.restart()
        if order is not None and ends:
            order.alive = False
            self.hear_newest(order)
        self.unblock()
        self.try_through(asked, number)

    @rule(number=NUMBER, asked=ASKED)
    @precondition(lambda self: self.some(*_RESTING))
    def submit_beside_a_change(self, number, asked):
        """The change came through, its answer did not."""
        self.unblock()
        managed = self.pick(number, lambda each: each.order.status in _RESTING)
        order = managed.order
        key = (managed.account_id, managed.strategy_id, order.instrument.key, order.product)
        self.change(number, 30, None, "silent")
        asked = asked | {"key": key, "side": order.side}  # more of the same
        self.try_through(asked, number)

    def try_through(self, asked, number):
        """Ask, and let the exchange fill what was let out before anybody hears of it."""
        known = set(self.entries)
        self.try_order(**asked)
        for order_id in self.entries.keys() - known:
            self.go_on_with(order_id, "fills unheard", number)
        self.nothing_is_exceeded()

    def go_on_with(self, order_id, lives, number):
        managed = self.pick(0, lambda each: each.order.order_id == order_id)
        if managed is None or lives == "waits":
            return
        self.roads.place(managed.account_id, managed, "accepted", entry=self.entries[order_id])
        there = self.roads.there[order_id]
        self.hear_newest(there)
        if lives != "rests":
            self.roads.fill(there, there.order.quantity, self.roads.prices[there.key[2]][0])
        if lives == "fills":
            self.hear_newest(there)

    @precondition(lambda self: self.roads.there)
    @rule(
        number=NUMBER,
        size=SIZE,
        purpose=st.sampled_from(Purpose),
        parts=st.sampled_from((1, 2)),
    )
    def way_out(self, number, size, purpose, parts):
        """What is held and free can be closed: now, and all of it."""
        held = {
            key: position.quantity
            for account in ACCOUNTS
            for key, position in self.roads.booked(account).items()
            if position.quantity
        }
        for key in sorted(held)[number % len(held) :][:1] if held else ():
            side = Side.SELL if held[key] > 0 else Side.BUY
            free = self.free(key, side)
            if free > 0:
                quantity = 1 + number % free if size == "part" else free
                more = 7 if size == "too much" else 0
                made = self.try_order(key, side, quantity + more, purpose, parts)
                entry = more and purpose is Purpose.ENTRY  # what turns the position may pass too
                assert made is not None
                assert made >= quantity if entry else made == quantity, (
                    f"an exit of {quantity} was let out as {made}"
                )

    def try_order(self, key, side, quantity, purpose, parts=1, limit=None, *, written=True):
        """What was allowed; None when it was refused, which the way out never is."""
        account, strategy, name, product = key
        self.asked += 1
        intent = OrderIntent(
            intent_id=f"i{self.asked}", account_id=account, strategy_id=strategy, instrument=INSTRUMENTS[name], side=side,
            quantity=Decimal(quantity), product=product, purpose=purpose, decided_ns=self.roads.now_ns,
            order_type=OrderType.MARKET if limit is None else OrderType.LIMIT, price=limit and Decimal(limit),
        )  # fmt: skip
        free, flat = self.free(key, side), not self.worst(key)
        messages = list(self.messages)
        unknown = {
            scope for scope in self.scopes() if self.unknown(scope)
        }  # before: what it adds has lost nothing yet
        try:
            allowed, changes = self.roads.submit(intent, parts)
        except RefusedIntentError as error:
            if 0 < quantity <= free:
                raise AssertionError("an order that only closes was refused") from error
            return None
        if purpose is Purpose.EXIT:
            assert allowed.quantity == min(quantity, free)
        opens = allowed.quantity > free
        for managed in changes.created:
            self.entries[managed.order.order_id] = opens
            self.messages.append((account, strategy, self.roads.now_ns // SECOND))
        if opens:
            self.judge(key, intent, allowed, flat, messages, unknown)
        if not written:
            self.roads.unwritten(account, changes)
        return allowed.quantity

    # -- what the limits say

    def judge(self, key, intent, allowed, flat, messages, unknown):
        """An entry was let out: each limit that holds for it is kept, with all that works as if it filled."""
        roads, limits, now = self.roads, self.limits, self.roads.now_ns
        price, at_ns = roads.prices[key[2]]
        assert not self.killed, "killed"
        assert key[:2] not in self.paused, "paused"
        assert not roads.not_ready
        order = limits["order"]
        assert allowed.quantity <= order.get("max_order_quantity", allowed.quantity)
        priced = key[2] not in self.lost_prices
        if "max_order_value" in order:
            assert priced
            assert allowed.quantity * max(price, intent.price or 0) <= order["max_order_value"]
        if "max_price_age_seconds" in order:
            assert priced
            assert now - at_ns <= order["max_price_age_seconds"] * SECOND
        same = [each for each in self.keys() if each[0] == key[0] and each[2] == key[2]]
        worst = sum(self.worst(each) for each in same)
        assert worst <= limits["instrument"].get("max_position_quantity", worst)
        if "max_position_value" in limits["instrument"]:
            assert priced
            assert worst * price <= limits["instrument"]["max_position_value"]
        for scope in self.scopes():
            if self.within(scope, key):
                self.judge_book(scope, flat, messages)
                if "max_daily_loss_marked" in self.limits[scope[0]]:
                    assert scope not in unknown

    def judge_book(self, scope, flat, messages):
        limits, roads = self.limits[scope[0]], self.roads
        inside = [each for each in self.keys() if self.within(scope, each)]
        assert scope not in self.stops, f"{scope} is stopped"
        if flat:
            assert sum(self.worst(each) > 0 for each in inside) <= limits.get("max_open_positions", 99)
        if "max_exposure" in limits:
            assert not self.unknown(scope)
            assert (
                sum(self.worst(each) * roads.prices[each[2]][0] for each in inside) <= limits["max_exposure"]
            )
        second = roads.now_ns // SECOND
        sent = sum(self.within(scope, each[:2]) and each[2] == second for each in messages)
        assert sent < limits.get("max_orders_per_second", 10**9)
        realised, marked = self.results(scope)
        before, marked_before = self.start_of_day[scope]
        assert before - realised < limits.get("max_daily_loss_realised", 10**9)
        if "max_daily_loss_marked" in limits:
            assert marked_before - marked < limits["max_daily_loss_marked"]

    @invariant()
    def nothing_is_exceeded(self):
        """By what the exchange really filled, whether the desk has heard of it or not."""
        if not hasattr(self, "roads"):
            return
        roads = self.roads
        held = {key: roads.truly_held(key) for key in roads.filled_keys()}
        limit = self.limits["instrument"].get("max_position_quantity")
        if limit is not None:
            for account in ACCOUNTS:
                for name in INSTRUMENTS:
                    assert (
                        sum(abs(q) for key, q in held.items() if key[0] == account and key[2] == name)
                        <= limit
                    )
        for scope in self.scopes():
            limits = self.limits[scope[0]]
            inside = [key for key in held if self.within(scope, key)]
            assert sum(held[key] != 0 for key in inside) <= limits.get("max_open_positions", 99)
            trades = {
                each.intent_id for each in roads.there.values()
                if each.key in inside and each.entry and each.filled_today
            }  # fmt: skip
            assert len(trades) <= limits.get("max_trades_per_day", 10**9)
        self.note_stops()

    def note_stops(self):
        for scope in self.scopes():
            limits, (before, marked_before) = self.limits[scope[0]], self.start_of_day[scope]
            realised, marked = self.results(scope)
            if before - realised >= limits.get("max_daily_loss_realised", 10**9) or (
                "max_daily_loss_marked" in limits
                and not self.unknown(scope)
                and marked_before - marked >= limits["max_daily_loss_marked"]
            ):
                self.stops.add(scope)

    def keys(self):
        booked = {key for account in ACCOUNTS for key in self.roads.booked(account)}
        working = {
            (each.account_id, each.strategy_id, each.order.instrument.key, each.order.product)
            for book in self.roads.books.values()
            for each in book.working()
        }
        return booked | working

    def left(self, key, sign):
        return sum(
            (
                each.order.open_quantity + self.growth.get(each.order.order_id, NOTHING)
                for each in self.roads.working(key, sign)
            ),
            NOTHING,
        )

    def held(self, key):
        position = self.roads.booked(key[0]).get(key)
        return NOTHING if position is None else position.quantity

    def free(self, key, side):
        held = self.held(key)
        return max(NOTHING, abs(held) - self.left(key, side.sign)) if held * side.sign < 0 else NOTHING

    def worst(self, key):
        held = self.held(key)
        return max(abs(held - self.left(key, -1)), abs(held + self.left(key, 1)))

    def unknown(self, scope):
        return any(
            self.within(scope, key) and key[2] in self.lost_prices and self.worst(key) for key in self.keys()
        )

    def results(self, scope):
        realised, marked = NOTHING, NOTHING
        for account in ACCOUNTS:
            for key, position in self.roads.booked(account).items():
                if self.within(scope, key):
                    won = position.realised - position.charges
                    realised += won
                    marked += won + position.unrealised(self.roads.prices[key[2]][0], Decimal(1))
        return realised, marked

    # -- what the desk and the exchange do

    def some(self, *statuses):
        return any(
            each.order.status in statuses for book in self.roads.books.values() for each in book.working()
        )

    def alive(self):
        return [each for each in self.roads.there.values() if each.alive]

    def pick(self, number, wanted):
        found = [each for book in self.roads.books.values() for each in book.working() if wanted(each)]
        return found[number % len(found)] if found else None

    @precondition(lambda self: self.some(_S.JOURNALED))
    @rule(
        number=NUMBER,
        answer=st.sampled_from(("accepted", "accepted", "accepted", "refused", "lost", "silent")),
    )
    def send(self, number, answer):
        managed = self.pick(number, lambda each: each.order.status is _S.JOURNALED)
        if managed is not None:
            entry = self.entries[managed.order.order_id]
            self.roads.place(managed.account_id, managed, answer, entry=entry)

    @precondition(lambda self: self.some(_S.JOURNALED))
    @rule(number=NUMBER)
    def never_send(self, number):
        managed = self.pick(number, lambda each: each.order.status is _S.JOURNALED)
        if managed is not None:
            self.move(managed, _S.CANCELLED)

    @precondition(lambda self: self.some(_S.UNKNOWN))
    @rule(number=NUMBER)
    def reconcile(self, number):
        managed = self.pick(number, lambda each: each.order.status is _S.UNKNOWN)
        if managed is None:
            return
        there = self.roads.there.get(managed.order.order_id)
        if there is None:
            book = self.roads.books[managed.account_id]
            absent = book.absent(managed.order.order_id, "", self.roads.now_ns)
            self.roads.follow(managed.account_id, absent)
        else:
            self.hear_newest(there)

    @precondition(lambda self: self.alive())
    @rule(number=NUMBER, part=st.sampled_from((1, 1, 2)), percent=st.sampled_from((97, 100, 103)))
    def fill(self, number, part, percent):
        if alive := self.alive():
            order = alive[number % len(alive)]
            left = order.order.quantity - order.filled
            price = (self.roads.prices[order.key[2]][0] * percent / 100).quantize(Decimal("0.05"))
            self.roads.fill(order, max(Decimal(1), left // part), price)

    @precondition(lambda self: self.alive())
    @rule(number=NUMBER)
    def end(self, number):
        if alive := self.alive():
            order = alive[number % len(alive)]
            order.alive = False
            order.tell()

    @precondition(lambda self: self.roads.there)
    @rule(number=NUMBER, which=NUMBER)
    def hear(self, number, which):
        """Some news of an order, old or new, perhaps again."""
        told = [each for each in self.roads.there.values() if each.waiting]
        if told:
            self.roads.hear(told[number % len(told)], which)

    @precondition(lambda self: self.roads.there)
    @rule()
    def hear_all(self):
        for there in self.roads.there.values():
            self.hear_newest(there)

    def hear_newest(self, there):
        """The broker's book was asked: of a change under way the terms that it shows hold."""
        there.tell()
        self.roads.hear(there, len(there.waiting) - 1)
        self.settle(there.key[0], there.order.order_id)

    def settle(self, account, order_id):
        self.growth.pop(order_id, None)
        self.roads.follow(account, self.roads.books[account].unchanged(order_id, self.roads.now_ns))

    def move(self, managed, status):
        book = self.roads.books[managed.account_id]
        self.roads.follow(
            managed.account_id, book.changing(managed.order.order_id, status, self.roads.now_ns)
        )

    @precondition(lambda self: self.some(*_RESTING))
    @rule(number=NUMBER, quantity=st.sampled_from((None, 1, 10, 20, 30)), price=st.sampled_from((None, 90, 100, 110)),
          answer=st.sampled_from(("accepted", "accepted", "refused", "lost", "silent")))  # fmt: skip
    def change(self, number, quantity, price, answer):
        managed = self.pick(number, lambda each: each.order.status in _RESTING)
        if managed is None:
            return
        roads, order = self.roads, managed.order
        there = roads.there[order.order_id]
        if order.order_type is OrderType.MARKET:
            price = None
        quantity = None if quantity is None or quantity <= order.filled_quantity else Decimal(quantity)
        change = OrderChange(quantity=quantity, price=price and Decimal(price))
        try:
            change = roads.roads[managed.account_id].check_change(managed, change)
        except RefusedIntentError:
            return
        quantity = change.quantity
        added = (quantity or order.quantity) - order.quantity
        key = there.key
        if added > 0 and managed.purpose is Purpose.ENTRY:
            assert not roads.not_ready
            assert not self.killed
            assert key[:2] not in self.paused
            assert not any(self.within(scope, key) for scope in self.stops)
        self.growth[order.order_id] = max(added, NOTHING)
        roads.books[managed.account_id].changing(order.order_id, _S.MODIFYING, roads.now_ns)
        roads.roads[managed.account_id].message_sent(managed)
        self.messages.append((*key[:2], roads.now_ns // SECOND))
        too_late = not there.alive or (quantity is not None and quantity <= there.filled)
        if too_late and answer in ("accepted", "silent"):
            answer = "refused"
        if answer in ("accepted", "silent"):
            wanted = {"quantity": quantity, "price": change.price}
            there.order = replace(there.order, **{name: value for name, value in wanted.items() if value})
            there.tell()
        if answer == "accepted":
            self.growth.pop(order.order_id)
            roads.follow(
                managed.account_id,
                roads.books[managed.account_id].changed(order.order_id, change, roads.now_ns),
            )
        elif answer == "refused":
            self.settle(managed.account_id, order.order_id)

    # -- what else happens

    @rule(name=INSTRUMENT, percent=st.sampled_from((80, 95, 100, 105, 125)))
    def price(self, name, percent):
        price = (self.roads.prices[name][0] * percent / 100).quantize(Decimal("0.05"))
        self.lost_prices.discard(name)
        self.roads.price(INSTRUMENTS[name], max(price, Decimal(20)))

    @rule(name=INSTRUMENT)
    def lose_price(self, name):
        self.lost_prices.add(name)
        self.roads.state.price_lost(name)

    @rule(seconds=st.sampled_from((0.2, 70, 1)))
    def pass_time(self, seconds):
        self.roads.wait(int(seconds * SECOND))

    @rule()
    def restart(self):
        """Killed and started: the broker's books are read before anything else is asked."""
        self.roads.restart()
        self.lost_prices.clear()
        for there in self.roads.there.values():
            self.hear_newest(there)
        self.growth.clear()

    @rule()
    def next_day(self):
        for there in self.roads.there.values():
            there.alive = False
            self.hear_newest(there)
            there.filled_today = False
            there.waiting.clear()
        for book in self.roads.books.values():
            for managed in book.working():
                self.roads.follow(
                    book.account_id,
                    book.changing(managed.order.order_id, _S.CANCELLED, self.roads.now_ns)
                    if managed.order.status is _S.JOURNALED
                    else book.absent(managed.order.order_id, "", self.roads.now_ns),
                )
        self.nothing_is_exceeded()
        self.roads.wait(NANOSECONDS_PER_DAY)
        self.roads.state.day_rolled()
        self.unblock()
        self.stops.clear()
        self.start_of_day = {scope: self.results(scope) for scope in self.scopes()}

    @rule(
        what=BLOCKS,
        account=ACCOUNT,
        strategy=STRATEGY,
    )
    def block(self, what, account, strategy):
        roads = self.roads
        if what == "pause":
            roads.state.pause(account, strategy, "by a test")
            self.paused.add((account, strategy))
        elif what == "not ready":
            roads.not_ready = "a test says so"
        else:
            scope, name = (KillScope.ALL, "") if what == "kill" else (KillScope.USER, USER)
            roads.kill.engage(scope, name, who="test", why="test", now_ns=roads.now_ns)
            self.killed.add((scope, name))

    def unblock(self):
        """By a person; and prices come."""
        roads = self.roads
        for scope, name in self.killed:
            roads.kill.release(scope, name, who="test", why="test", now_ns=roads.now_ns)
        for account, strategy in self.paused:
            roads.state.release(Scope.STRATEGY, account, strategy, "paused")
        self.killed.clear()
        self.paused.clear()
        roads.not_ready = ""
        for name, (price, _) in list(roads.prices.items()):
            self.lost_prices.discard(name)
            roads.price(INSTRUMENTS[name], price)


@pytest.mark.parametrize("name", SINGLE)
def test_no_limit_is_exceeded_and_exits_pass(name):
    run_state_machine_as_test(
        lambda: LimitsMachine(name), settings=settings(max_examples=30, stateful_step_count=40, deadline=None)
    )
