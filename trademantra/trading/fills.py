"""Fills told by several messengers, booked once.

A broker tells of fills by order updates (totals: how much is filled, at what average price), by single trades, and by
both again when asked.  Messages are late, repeated and out of order.

Invariants:
- the booked quantity never falls, and is the largest that any source has vouched for;
- the booked value is exact once the trades explain the whole booked quantity; before, it is the best known one;
- the same messages in any order and any number give the same end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from trademantra.core.errors import InvalidValueError

PackedFills: TypeAlias = tuple[str, str, int, Sequence[tuple[str, str, str]], str, str, str, str]

_NOTHING = Decimal(0)
_GRID = Decimal("0.0001")  # of the ledger


@dataclass(frozen=True, slots=True)
class Execution:
    """What an order's booked fills grow by.

    `value` is price x quantity, before the instrument's multiplier.  `quantity` 0: only the value was put right.
    `filled_after`, `value_after`: the order's totals after it.
    """

    order_id: str
    sequence: int
    quantity: Decimal
    value: Decimal
    filled_after: Decimal
    value_after: Decimal
    at_ns: int

    @property
    def price(self) -> Decimal | None:
        """Mean price of what was added; None for a correction of the value alone."""
        return self.value / self.quantity if self.quantity else None


@dataclass(slots=True)
class OrderFills:
    """All that is known of the fills of one order.

    >>> fills = OrderFills("o1")
    >>> fills.hear_totals(Decimal(30), Decimal("100.33"), 1).quantity
    Decimal('30')
    >>> fills.hear_trade("t1", Decimal(10), Decimal(100), 2), fills.hear_trade("t2", Decimal(20), Decimal("100.5"), 3).value
    (None, Decimal('0.1000'))
    """

    order_id: str
    filled: Decimal = _NOTHING
    value: Decimal = _NOTHING
    sequence: int = 0
    _trades: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    _traded: Decimal = _NOTHING
    _traded_value: Decimal = _NOTHING
    _told: Decimal = _NOTHING
    _told_value: Decimal = _NOTHING

    @classmethod
    def resumed(cls, order_id: str, filled: Decimal, value: Decimal, sequence: int) -> "OrderFills":
        """What was booked before a restart, taken as told by totals: trades told again may still put its value right."""
        return cls(order_id, filled, value, sequence, _told=filled, _told_value=value)

    def packed(self) -> PackedFills:
        """All of it in plain values, for `unpacked`."""
        trades = [(name, str(quantity), str(price)) for name, (quantity, price) in self._trades.items()]
        return (
            str(self.filled), str(self.value), self.sequence, trades, str(self._traded), str(self._traded_value),
            str(self._told), str(self._told_value),
        )  # fmt: skip

    @classmethod
    def unpacked(cls, order_id: str, packed: PackedFills) -> "OrderFills":
        filled, value, sequence, trades, traded, traded_value, told, told_value = packed
        known = {name: (Decimal(quantity), Decimal(price)) for name, quantity, price in trades}
        return cls(
            order_id, Decimal(filled), Decimal(value), sequence, known, Decimal(traded), Decimal(traded_value),
            Decimal(told), Decimal(told_value),
        )  # fmt: skip

    def hear_totals(self, filled: Decimal, average_price: Decimal | None, at_ns: int) -> Execution | None:
        """An order update: `filled` units at `average_price` so far.  None when it brings nothing new.

        Errors: `InvalidValueError` for a filled quantity without a price.
        """
        if filled <= self._told:
            return None
        if average_price is None or average_price <= 0:
            raise InvalidValueError(f"order {self.order_id}: {filled} filled, but no average price")
        self._told, self._told_value = filled, (filled * average_price).quantize(_GRID)
        return self._book(at_ns)

    def hear_trade(self, trade_id: str, quantity: Decimal, price: Decimal, at_ns: int) -> Execution | None:
        """One trade of this order.  None when it brings nothing new.

        Errors: `InvalidValueError` when a trade number comes again with another quantity or price.
        """
        known = self._trades.get(trade_id)
        if known == (quantity, price):
            return None
        if known is not None:
            raise InvalidValueError(
                f"order {self.order_id}: trade {trade_id} was {known[0]} at {known[1]}, and is now {quantity} at {price}"
            )
        if quantity <= 0 or price <= 0:
            raise InvalidValueError(f"order {self.order_id}: trade {trade_id} of {quantity} at {price}")
        self._trades[trade_id] = (quantity, price)
        self._traded += quantity
        self._traded_value += quantity * price
        return self._book(at_ns)

    def _book(self, at_ns: int) -> Execution | None:
        exact = self._traded >= self._told
        filled, value = (self._traded, self._traded_value) if exact else (self._told, self._told_value)
        if filled < self.filled or (filled == self.filled and (not exact or value == self.value)):
            return None
        self.sequence += 1
        made = Execution(
            self.order_id, self.sequence, filled - self.filled, value - self.value, filled, value, at_ns
        )
        self.filled, self.value = filled, value
        return made
