"""Orders of an account that ended long ago, kept in about a hundred bytes each instead of three thousand.

Invariant: what comes out is equal to what was put in, trades that were told included, so nothing that is told or asked
later can show that an order was packed.  The book keeps the orders of one intent together.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from trademantra.core.instrument import Instrument
from trademantra.core.order import Order, OrderStatus, OrderType, Product, Side, Validity
from trademantra.kit.archive import Archive, Filed
from trademantra.trading.fills import OrderFills, PackedFills
from trademantra.trading.intents import Purpose
from trademantra.trading.managed_order import ManagedOrder


@dataclass(frozen=True, slots=True)
class _Opened:
    filed: Filed
    orders: Sequence[ManagedOrder]


class EndedOrders:
    """The orders of an intent at a time, found by intent, order id, tag or the broker's number."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self._archive = Archive()
        self._instruments: list[Instrument] = []
        self._numbers: dict[Instrument, int] = {}
        self._opened: _Opened | None = None  # what was looked at last
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[ManagedOrder]:
        for text in self._archive:
            yield from self._unpack(text)

    def put(self, orders: Sequence[ManagedOrder]) -> None:
        """All orders of one intent."""
        self._archive.add(_names(orders), self._pack(orders))
        self._count += len(orders)

    def find(self, name: str, is_meant: Callable[[ManagedOrder], bool]) -> ManagedOrder | None:
        """The order that is meant among those that were put under `name`; asked for again at once, the same object."""
        for filed in self._archive.find(name):
            for managed in self._open(filed):
                if is_meant(managed):
                    return managed
        return None

    def siblings(self, managed: ManagedOrder) -> Sequence[ManagedOrder]:
        """All orders of the intent of one that `find` has just answered with, in the order of their parts."""
        opened = self._opened
        assert opened is not None
        assert any(each is managed for each in opened.orders)
        return opened.orders

    def is_changed(self, managed: ManagedOrder) -> bool:
        """Whether one that `find` has just answered with is another now than when it was put."""
        opened = self._opened
        return opened is not None and self._pack(self.siblings(managed)) != opened.filed.text

    def take(self, managed: ManagedOrder) -> Sequence[ManagedOrder]:
        """Take the orders out again of whose intent `find` has just answered with one."""
        orders, opened = self.siblings(managed), self._opened
        assert opened is not None
        before = self._unpack(
            opened.filed.text
        )  # a number that the broker gave meanwhile is no name of theirs yet
        self._archive.take_out(opened.filed.slot, _names(before))
        self._count -= len(orders)
        self._opened = None
        return orders

    def _open(self, filed: Filed) -> Sequence[ManagedOrder]:
        if self._opened is None or self._opened.filed.slot != filed.slot:
            self._opened = _Opened(filed, self._unpack(filed.text))
        return self._opened.orders

    def _pack(self, orders: Sequence[ManagedOrder]) -> str:
        return json.dumps([self._row(managed) for managed in orders], separators=(",", ":"))

    def _row(self, managed: ManagedOrder) -> list[object]:
        order, fills = managed.order, managed.fills
        number = self._numbers.get(order.instrument)
        if number is None:
            number = self._numbers[order.instrument] = len(self._instruments)
            self._instruments.append(order.instrument)
        return [
            order.order_id, number, order.side, str(order.quantity), order.order_type, order.product, _text(order.price),
            _text(order.trigger_price), order.validity, order.status, str(order.filled_quantity), str(order.filled_value),
            order.broker_order_id, order.reason, managed.strategy_id, managed.intent_id, managed.part, managed.purpose,
            managed.tag, managed.created_ns, managed.updated_ns, managed.overfilled, managed.exit_with,
            fills.packed(),
        ]  # fmt: skip

    def _unpack(self, text: str) -> Sequence[ManagedOrder]:
        return [self._managed(*row) for row in json.loads(text)]

    def _managed(
        self, order_id: str, number: int, side: str, quantity: str, order_type: str, product: str, price: str | None,
        trigger: str | None, validity: str, status: str, filled: str, value: str, broker_order_id: str | None, reason: str,
        strategy_id: str, intent_id: str, part: int, purpose: str, tag: str, created_ns: int, updated_ns: int,
        overfilled: bool, exit_with: str, fills: PackedFills,
    ) -> ManagedOrder:  # fmt: skip
        order = Order(
            order_id=order_id, instrument=self._instruments[number], side=Side(side), quantity=Decimal(quantity),
            order_type=OrderType(order_type), product=Product(product), price=_amount(price), trigger_price=_amount(trigger),
            validity=Validity(validity), status=OrderStatus(status), filled_quantity=Decimal(filled),
            filled_value=Decimal(value), broker_order_id=broker_order_id, reason=reason,
        )  # fmt: skip
        return ManagedOrder(
            order, self._account_id, strategy_id, intent_id, part, Purpose(purpose), tag, created_ns, updated_ns,
            OrderFills.unpacked(order_id, fills), overfilled, exit_with,
        )  # fmt: skip


def _names(orders: Sequence[ManagedOrder]) -> set[str]:
    names = {name for managed in orders for name in (managed.intent_id, managed.order.order_id, managed.tag)}
    return names | {managed.order.broker_order_id for managed in orders if managed.order.broker_order_id}


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
