"""Accounts on the real road (gate, state, book, follow) and an exchange that does with their orders whatever it likes.

The exchange is the truth: what it filled is counted here, plainly and apart from everything under test.
"""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from tests.trading.risk.scene import INFY, TCS
from trademantra.brokers.orders import Accepted, BrokerOrder, Refused, Unknown
from trademantra.core.order import Order, OrderStatus
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.core.time import ManualClock
from trademantra.trading.orders import OrderBook, PlannedOrder
from trademantra.trading.policy import tag_of
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.kill import KillSwitch
from trademantra.trading.risk.limits import Scope
from trademantra.trading.risk.limits_json import parse_limits
from trademantra.trading.risk.road import RiskRoad
from trademantra.trading.risk.state import RiskState

ACCOUNTS = ("a1", "a2")
USER = "u1"
STRATEGIES = ("s1", "s2")
INSTRUMENTS = {each.key: each for each in (TCS, INFY)}
CHARGE = Decimal(1)
_S = OrderStatus


@dataclass(eq=False)
class There:
    """An order at the exchange."""

    order: Order
    key: tuple  # account, strategy, instrument, product
    intent_id: str
    entry: bool
    broker_order_id: str
    alive: bool = True
    filled: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    filled_today: bool = False
    waiting: list = field(default_factory=list)

    def tell(self):
        """One more message about its present state, on its way."""
        status = _S.OPEN if not self.filled else _S.PARTLY_FILLED
        if self.filled == self.order.quantity:
            status = _S.FILLED
        elif not self.alive:
            status = _S.CANCELLED
        order = self.order
        self.waiting.append(
            BrokerOrder(
                broker_order_id=self.broker_order_id, instrument=order.instrument, side=order.side, quantity=order.quantity,
                order_type=order.order_type, product=order.product, status=status, raw_status=status.value,
                price=order.price, filled_quantity=self.filled,
                average_price=self.value / self.filled if self.filled else None, tag=order.order_id,
            )
        )  # fmt: skip


class Roads:
    """All accounts of one user, in a process that can be started anew."""

    def __init__(self, limits, folder, now_ns):
        self.limits, self.folder, self.clock = parse_limits(limits), folder, ManualClock(now_ns)
        self.numbers, self.there, self.prices = count(1), {}, {}
        self.books = {account: OrderBook(account, lambda order, execution: CHARGE) for account in ACCOUNTS}
        self.not_ready, self.requests, self.sent = "", [], Counter()
        self.trades = {}  # intent id of today's entries -> key
        self.open_process()
        for instrument in INSTRUMENTS.values():
            self.price(instrument, Decimal(100))

    @property
    def now_ns(self):
        return self.clock.now_ns()

    def wait(self, length_ns):
        self.clock.advance_to(self.now_ns + length_ns)

    # -- the process

    def open_process(self):
        self.kill = KillSwitch(self.folder, self.now_ns)
        self.state = RiskState()
        self.gate = RiskGate(self.state, self.kill)
        self.roads = {}
        for account in ACCOUNTS:
            self.state.account_opened(account, USER)
            self.gate.set_limits(account, self.limits)
            self.roads[account] = RiskRoad(
                self.gate, account, self.clock, self.requests.append, lambda: self.not_ready
            )

    def restart(self):
        """As the desk does: first positions, then working orders, then what books remember, and where the day of each
        position began (`RiskKeeper`): a loss of the day is one after a restart too."""
        records = [(*place, self.state.record(*place)) for place in self.places()]
        openings = {each.key: each.base for account in ACCOUNTS for each in self.state.holdings_of(account)}
        for account in ACCOUNTS:
            old, self.books[account] = (
                self.books[account],
                OrderBook(account, lambda order, execution: CHARGE),
            )
            for managed in old.all():
                self.books[account].restore(managed)
            self.books[account].positions = old.positions
        self.wait(SECOND)  # a start takes longer than what is left of a second
        self.open_process()
        for account, road in self.roads.items():
            road.restore(self.books[account])
        for scope, account, name, record in records:
            self.state.restore_book(scope, account, name, record)
        for holding in [each for account in ACCOUNTS for each in self.state.holdings_of(account)]:
            if holding.held.quantity and (opening := openings.get(holding.key, Decimal(0))) is not None:
                self.state.opening_told(holding, opening)
        for key, (price, _) in list(self.prices.items()):
            self.price(INSTRUMENTS[key], price)

    def places(self):
        for account in ACCOUNTS:
            yield Scope.ACCOUNT, account, ""
            yield from ((Scope.STRATEGY, account, strategy) for strategy in STRATEGIES)
        yield Scope.USER, ACCOUNTS[0], ""

    # -- the road

    def submit(self, intent, parts):
        """Errors: `RefusedIntentError`."""
        road, book = self.roads[intent.account_id], self.books[intent.account_id]
        allowed = road.check(intent)
        sizes = [allowed.quantity // parts] * (parts - 1)
        sizes = [each for each in sizes if each]
        sizes.append(allowed.quantity - sum(sizes))
        planned = []
        for part, size in enumerate(sizes):
            tag = tag_of(intent.account_id, intent.intent_id, part)
            order = Order(
                order_id=tag, instrument=intent.instrument, side=intent.side, quantity=size,
                order_type=intent.order_type, product=intent.product, price=intent.price,
            )  # fmt: skip
            planned.append(PlannedOrder(order, tag))
        changes = book.create(allowed, planned, self.now_ns)
        road.follow(changes, allowed)
        self.message(intent.account_id)
        return allowed, changes

    def follow(self, account, changes):
        self.roads[account].follow(changes)
        self.gate.watch(self.now_ns)

    def unwritten(self, account, changes):
        """The journal did not take it."""
        self.books[account].forget(changes)
        self.roads[account].forget(changes)

    def message(self, account):
        self.sent[account, self.now_ns // SECOND] += 1

    def place(self, account, managed, answer, *, entry):
        """It goes out; `answer`: accepted, refused, lost (it never arrived), silent (it arrived, the reply did not)."""
        book, order_id = self.books[account], managed.order.order_id
        book.sending(order_id, self.now_ns)
        result = {"refused": Refused("no"), "lost": Unknown("?"), "silent": Unknown("?")}.get(answer)
        if answer in ("accepted", "silent"):
            number = f"b{next(self.numbers)}"
            key = (account, managed.strategy_id, managed.order.instrument.key, managed.order.product)
            self.there[order_id] = There(managed.order, key, managed.intent_id, entry, number)
            self.there[order_id].tell()
            result = result or Accepted(number)
        self.follow(account, book.answered(order_id, result, self.now_ns))

    def hear(self, order, number):
        account = order.key[0]
        changes = self.books[account].hear_order(order.waiting[number % len(order.waiting)], self.now_ns)
        self.follow(account, changes)

    def fill(self, order, quantity, price):
        order.filled += quantity
        order.value += quantity * price
        order.filled_today = True
        order.alive = order.filled < order.order.quantity
        order.tell()

    # -- the market

    def price(self, instrument, price):
        self.prices[instrument.key] = (price, self.now_ns)
        self.state.price(instrument.key, price, self.now_ns)
        self.gate.watch(self.now_ns)

    # -- what is true

    def filled_keys(self):
        return {each.key for each in self.there.values()}

    def truly_held(self, key):
        return sum(
            (each.order.side.sign * each.filled for each in self.there.values() if each.key == key),
            Decimal(0),
        )

    def booked(self, account):
        return {
            (account, key.strategy_id, key.instrument_key, key.product): held
            for key, held in self.books[account].positions.items()
        }

    def working(self, key, sign):
        """What may still fill on a side, as far as the desk knows."""
        return [
            each
            for each in self.books[key[0]].working()
            if (each.account_id, each.strategy_id, each.order.instrument.key, each.order.product) == key
            and each.order.side.sign == sign
        ]
