"""What lies on the other side of an algorithm's steps, at its worst: every order may stand in any state for any time.

A board keeps the orders, carries out actions as the desk does (a change is under way until it is answered, a cancellation
may come too late), and lets a test decide what happens next.
"""

from dataclasses import replace
from decimal import Decimal

from trademantra.core.order import Order, OrderStatus, OrderType
from trademantra.trading.algos.pairs import EXIT, STOP, TARGET
from trademantra.trading.algos.spec_json import from_json, to_json
from trademantra.trading.algos.view import (
    Cancel,
    Change,
    Child,
    Memory,
    Place,
    Price,
    View,
    base_name,
    numbered,
)

S = OrderStatus
PENDING = (S.SENT, S.UNKNOWN, S.MODIFYING, S.CANCELLING)
CLOSING = (STOP, TARGET, EXIT)


class Board:
    """`now_ns` moves by one second with each step."""

    def __init__(self, spec, now_ns):
        self.spec, self.now_ns = spec, now_ns
        self.memory = Memory()
        self.orders = {}  # name -> Order; one part an intent
        self.since, self.made = {}, {}
        self.changes = {}
        self.prices = {}
        self.refused = {}
        self.persons = set()
        self.ended = ""
        self.continuous = True
        self.placed = []

    # -- the algorithm

    def view(self):
        children = {
            name: [Child(order, self.since[name], self.made[name])] for name, order in self.orders.items()
        }
        return View(self.now_ns, self.continuous, children, dict(self.prices), dict(self.refused))

    def step(self):
        """One step carried out; answers with its actions."""
        view = self.view()
        told = self.spec.step(self.memory, view)
        again = self.spec.step(from_json(Memory, to_json(self.memory), "memory"), self.view())
        assert to_json(again.memory) == to_json(told.memory), "a restart remembers the same"
        assert again.actions == told.actions, "a restart asks for the same"
        self.memory = told.memory
        self.ended = told.ended
        if told.person:
            self.persons.add(told.person)
        for action in told.actions:
            self._do(action)
        return told.actions

    def rest(self, most=60):
        """Steps until nothing more is asked for."""
        for _ in range(most):
            if not self.step():
                return
            self.now_ns += 10**9
        raise AssertionError("it asks for ever")

    def _do(self, action):
        if isinstance(action, Place):
            assert action.name not in self.orders, "a child is placed once"
            self.placed.append(action)
            self.orders[action.name] = Order(
                order_id=action.name, instrument=action.instrument, side=action.side, quantity=action.quantity,
                order_type=action.order_type, product=action.product, price=action.price,
                trigger_price=action.trigger_price, status=S.SENT,
            )  # fmt: skip
            self.since[action.name] = self.made[action.name] = self.now_ns
            return
        order = self.orders[action.order_id]
        if isinstance(action, Cancel):
            if not order.status.is_final and order.status is not S.CANCELLING:
                self._put(replace(order, status=S.CANCELLING))
        elif isinstance(action, Change):
            assert order.status in (S.OPEN, S.TRIGGER_PENDING, S.PARTLY_FILLED), "only what rests is changed"
            self.changes[order.order_id] = action.change
            self._put(replace(order, status=S.MODIFYING))

    # -- the world

    def settle(self, order_id, answer):
        """Answer what is under way: "yes", "no", or "lost"."""
        order = self.orders[order_id]
        if order.status in (S.SENT, S.UNKNOWN):
            if answer == "lost":
                status = S.UNKNOWN if order.status is S.SENT else S.ABSENT
                self._put(replace(order, status=status))
            elif answer == "no":
                self._put(replace(order, status=S.REJECTED, reason="RMS"))
            else:
                self._put(replace(order, status=self._resting(order)))
        elif order.status is S.MODIFYING:
            change = self.changes.pop(order_id)
            if answer == "yes":
                kind = change.order_type or order.order_type
                order = replace(
                    order, order_type=kind, quantity=max(change.quantity or order.quantity, order.filled_quantity),
                    price=(change.price or order.price) if kind.has_limit else None,
                    trigger_price=(change.trigger_price or order.trigger_price) if kind.has_trigger else None,
                )  # fmt: skip
                self.refused.pop(order_id, None)
            elif answer == "no":
                self.refused[order_id] = self.refused.get(order_id, 0) + 1
            done = order.filled_quantity == order.quantity
            self._put(replace(order, status=S.FILLED if done else self._resting(order)))
        elif order.status is S.CANCELLING:
            if answer == "no":  # the broker did not take the cancellation
                self._put(replace(order, status=self._resting(order)))
            else:
                self._put(replace(order, status=S.CANCELLED))

    def fill(self, order_id, quantity, price):
        """An execution of a part of an order, whatever state it is in."""
        order = self.orders[order_id]
        quantity = min(quantity, order.open_quantity)
        if quantity <= 0 or order.status in (S.SENT, S.UNKNOWN):
            return
        filled = order.filled_quantity + quantity
        status = order.status if order.status in (S.MODIFYING, S.CANCELLING) else S.PARTLY_FILLED
        self._put(
            replace(
                order,
                filled_quantity=filled,
                filled_value=order.filled_value + quantity * price,
                status=S.FILLED if filled == order.quantity else status,
            )
        )
        self.memory = self.spec.filled(self.memory, order_id, float(price), self.now_ns)

    def end(self, order_id, status):
        """Somebody else ended it, or the day did."""
        order = self.orders[order_id]
        if not order.status.is_final and order.status not in (S.SENT, S.UNKNOWN):
            self._put(replace(order, status=status))

    def price(self, instrument, last, bid=None, ask=None, volume=0.0):
        self.now_ns += 10**9
        price = Price(last, last, last, volume, bid or last, ask or last, self.now_ns)
        self.prices[instrument.key] = price
        self.memory = self.spec.heard(self.memory, price)

    def pending(self):
        return [name for name, order in self.orders.items() if order.status in PENDING]

    def working(self):
        return [name for name, order in self.orders.items() if not order.status.is_final]

    def settle_all(self):
        """Everything that is under way goes well, until nothing more is asked for."""
        for _ in range(100):
            for name in self.pending():
                self.settle(name, "yes")
            self.now_ns += 31 * 10**9
            if not self.step() and not self.pending():
                return
        raise AssertionError("it asks for ever")

    # -- sums

    def filled(self, *bases):
        return sum(
            (order.filled_quantity for name, order in self.orders.items() if base_name(name) in bases),
            Decimal(0),
        )

    def left(self, name):
        order = self.orders.get(name)
        return order.open_quantity if order else Decimal(0)

    def may_close(self):
        """What exits may still close, a pair counted once."""
        count = len(self.orders)
        pairs = sum(
            (max(self.left(numbered(STOP, n)), self.left(numbered(TARGET, n))) for n in range(count)),
            Decimal(0),
        )
        return pairs + sum((self.left(numbered(EXIT, n)) for n in range(count)), Decimal(0))

    def _put(self, order):
        self.orders[order.order_id] = order
        self.since[order.order_id] = self.now_ns

    def _resting(self, order):
        if order.filled_quantity:
            return S.PARTLY_FILLED
        return S.TRIGGER_PENDING if order.order_type.has_trigger else S.OPEN


def is_market(order):
    return order.order_type is OrderType.MARKET
