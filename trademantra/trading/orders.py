"""The desk's orders in memory: what was wanted, where each order stands, what it filled.

One book an account.  It does no I/O: each method answers with the changes that the journal must hold before anything
that depends on them is done.

Invariants:
- an order is known by our own id and by its tag, and is made once for each (intent, part);
- a final state never changes; a fill that is told after it is booked all the same, for the money has moved, and is
  reported as late;
- position, cash and charges change only by an `Execution`, and in the same `Changes` as it;
- what ended long ago is packed (`ended_orders`) and comes out again whole: when it is asked for, or when what is told of it
  changes it.  Nothing that the book answers depends on when, or whether, `pack_ended` was called.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal

from trademantra.brokers.orders import (
    Accepted,
    BrokerOrder,
    BrokerTrade,
    OrderChange,
    PlaceResult,
    Refused,
)
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.order import LEGAL_TRANSITIONS, Order, OrderStatus, Product, Side
from trademantra.trading.fills import Execution, OrderFills
from trademantra.trading.intents import OrderIntent
from trademantra.trading.kept_orders import KeptOrders
from trademantra.trading.managed_order import ManagedOrder, PositionKey
from trademantra.trading.order_steps import after_fill, with_terms
from trademantra.trading.positions import HeldPosition, on_grid

__all__ = [
    "Booking",
    "Changes",
    "ChargeOf",
    "ManagedOrder",
    "OrderBook",
    "PlannedOrder",
    "PositionKey",
    "side_to_flatten",
]

_NOTHING = Decimal(0)
_S = OrderStatus

ChargeOf = Callable[[Order, Execution], Decimal]
"""Charges of an execution, in currency, from the dated tables of `markets.charges`."""


@dataclass(frozen=True, slots=True)
class Booking:
    """An execution with what it did to position and cash; written whole or not at all."""

    execution: Execution
    order: Order
    account_id: str
    key: PositionKey
    position: HeldPosition
    value: Decimal
    charges: Decimal
    late: bool


@dataclass(slots=True)
class Changes:
    """What the journal must hold: new orders, new states, bookings, in this order."""

    created: list[ManagedOrder] = field(default_factory=list)
    moved: list[ManagedOrder] = field(default_factory=list)
    booked: list[Booking] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.created or self.moved or self.booked)


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """One part of an intent, as the order policy made it: terms that the broker can take."""

    order: Order
    tag: str


class OrderBook(KeptOrders):
    """All orders of one account, and the positions that they made."""

    def __init__(self, account_id: str, charge_of: ChargeOf) -> None:
        super().__init__(account_id)
        self._charge_of = charge_of
        self.positions: dict[PositionKey, HeldPosition] = {}

    # -- asking

    def held(self, key: PositionKey) -> Decimal:
        position = self.positions.get(key)
        return position.quantity if position is not None else _NOTHING

    def net(self, instrument: Instrument, product: Product) -> Decimal:
        """What all strategies of this account hold together."""
        return sum(
            (
                position.quantity
                for key, position in self.positions.items()
                if key.instrument_key == instrument.key and key.product is product
            ),
            _NOTHING,
        )

    # -- what the desk does

    def create(self, intent: OrderIntent, parts: Iterable[PlannedOrder], now_ns: int) -> Changes:
        """Take an intent in, in as many orders as the policy cut it into.

        Errors: `InvalidValueError` for an intent, tag or order id that was there before.
        """
        self._now_ns = now_ns
        if self.of_intent(intent.intent_id):
            raise InvalidValueError(f"intent {intent.intent_id} was taken before")
        made = Changes()
        for part, planned in enumerate(parts):
            order = planned.order.with_status(_S.JOURNALED)
            if self.is_known(order.order_id, planned.tag):
                raise InvalidValueError(f"order {order.order_id} (tag {planned.tag}) was made before")
            managed = ManagedOrder(
                order, self.account_id, intent.strategy_id, intent.intent_id, part, intent.purpose, planned.tag,
                now_ns, now_ns, OrderFills(order.order_id), exit_with=intent.exit_with,
            )  # fmt: skip
            self.keep(managed)
            made.created.append(managed)
        return made

    def forget(self, changes: Changes) -> None:
        """Take back orders that the journal did not take: they were never sent."""
        self.let_go(changes.created)

    def restore(self, managed: ManagedOrder) -> None:
        """An order from the journal.  One that may have been sent, or changed, is UNKNOWN until the broker is asked."""
        self.keep(managed)
        if managed.order.status in (_S.JOURNALED, _S.SENT, _S.MODIFYING):
            managed.order = replace(managed.order, status=_S.UNKNOWN, reason="found so after a restart")
        self.note_end(managed)

    def sending(self, order_id: str, now_ns: int) -> None:
        """It leaves now.  Not written: a journaled order counts as one that may have been sent."""
        self._move(self[order_id], _S.SENT, now_ns)

    def answered(self, order_id: str, result: PlaceResult, now_ns: int) -> Changes:
        """What the broker's front desk said to a new order."""
        managed = self[order_id]
        changes = Changes()
        if isinstance(result, Accepted):
            self.name(managed, result.broker_order_id)
            managed.updated_ns = now_ns
            changes.moved.append(managed)
        elif managed.order.status is _S.SENT:  # an update may have been faster than the answer
            status = _S.REJECTED if isinstance(result, Refused) else _S.UNKNOWN
            self._move(managed, status, now_ns, result.reason)
            changes.moved.append(managed)
        return changes

    def absent(self, order_id: str, reason: str, now_ns: int) -> Changes:
        """The broker was asked and never had it."""
        managed = self[order_id]
        self._move(managed, _S.ABSENT, now_ns, reason)
        return Changes(moved=[managed])

    def changing(self, order_id: str, status: OrderStatus, now_ns: int) -> Changes:
        """A modification or a cancellation is on its way (MODIFYING, CANCELLING), or was never sent (CANCELLED)."""
        managed = self[order_id]
        self._move(managed, status, now_ns)
        return Changes(moved=[managed])

    def changed(self, order_id: str, change: OrderChange, now_ns: int) -> Changes:
        """The broker took a modification: the order rests with its new terms.  One that ended meanwhile stays."""
        managed = self[order_id]
        if managed.order.status.is_final:
            return Changes()
        managed.order = with_terms(
            managed.order, change.order_type, change.quantity, change.price, change.trigger_price
        )
        self._rest(managed, now_ns)
        return Changes(moved=[managed])

    def unchanged(self, order_id: str, now_ns: int) -> Changes:
        """The broker refused a modification: the old terms hold."""
        managed = self[order_id]
        if managed.order.status is not _S.MODIFYING:
            return Changes()
        self._rest(managed, now_ns)
        return Changes(moved=[managed])

    # -- what the broker tells

    def hear_order(self, told: BrokerOrder, now_ns: int) -> Changes:
        """An order as the broker's book or stream shows it, however late or often.

        Errors: `InvalidValueError` for an order that is not the desk's.
        """
        managed = self.find(told)
        if managed is None:
            raise InvalidValueError(f"order {told.broker_order_id} was not made by the desk")
        changes = Changes()
        before = managed.order
        with self.hearing(managed):
            self.name(managed, told.broker_order_id)
            # terms first: what fills ends an order only by the quantity that holds
            self._adopt_terms(managed, told)
            self._book(
                managed,
                managed.fills.hear_totals(told.filled_quantity, told.average_price, now_ns),
                now_ns,
                changes,
            )
            self._follow(managed, told, now_ns)
            if managed.order != before:
                managed.updated_ns = now_ns
                changes.moved.append(managed)
        return changes

    def hear_trade(self, told: BrokerTrade, now_ns: int) -> Changes:
        """One trade, however late or often.  Errors: `InvalidValueError` for an order that is not the desk's."""
        managed = self.of_broker(told.broker_order_id)
        if managed is None:
            raise InvalidValueError(f"trade {told.trade_id} belongs to no order of the desk")
        changes = Changes()
        before = managed.order
        with self.hearing(managed):
            execution = managed.fills.hear_trade(
                told.trade_id, told.quantity, told.price, told.at_ns or now_ns
            )
            self._book(managed, execution, now_ns, changes)
            if managed.order != before:
                managed.updated_ns = now_ns
                changes.moved.append(managed)
        return changes

    # -- inside

    def _move(self, managed: ManagedOrder, status: OrderStatus, now_ns: int, reason: str = "") -> None:
        managed.order = managed.order.with_status(status, reason=reason)
        managed.updated_ns = now_ns
        self.note_end(managed)

    def _rest(self, managed: ManagedOrder, now_ns: int) -> None:
        """From MODIFYING to how it stands at the broker."""
        if managed.order.status is not _S.MODIFYING:
            return  # an update was faster
        status = _S.TRIGGER_PENDING if managed.order.order_type.has_trigger else _S.OPEN
        if managed.order.filled_quantity:
            status = _S.FILLED if not managed.order.open_quantity else _S.PARTLY_FILLED
        self._move(managed, status, now_ns)

    def _adopt_terms(self, managed: ManagedOrder, told: BrokerOrder) -> None:
        """The broker's terms are what holds: a change may have come through whose reply was lost, or a person made one.

        Another order type is believed only while a change is under way: brokers show protected market orders as limits.
        """
        order = managed.order
        if told.order_type is not order.order_type and order.status is not _S.MODIFYING:
            return
        quantity = None if order.status.is_final else told.quantity  # what ended has no more to fill
        kind = order.order_type if order.status.is_final else told.order_type
        with suppress(InvalidValueError):  # terms that contradict each other are no terms
            managed.order = with_terms(order, kind, quantity, told.price, told.trigger_price)

    def _follow(self, managed: ManagedOrder, told: BrokerOrder, now_ns: int) -> None:
        """Go to the state that the broker tells, where that is a step forward."""
        present, status = managed.order.status, told.status
        if present.is_final or status in (_S.UNKNOWN, _S.MODIFYING):
            return
        if status is _S.FILLED and managed.order.filled_quantity < managed.order.quantity:
            status = (
                _S.PARTLY_FILLED if managed.order.filled_quantity else _S.OPEN
            )  # its fills are still to come
        if status in (_S.OPEN, _S.PARTLY_FILLED) and managed.order.filled_quantity:
            status = _S.PARTLY_FILLED
        if status is _S.PARTLY_FILLED and not managed.order.filled_quantity:
            status = _S.OPEN
        if status is present or status not in LEGAL_TRANSITIONS[present]:
            return
        if present is _S.MODIFYING and not status.is_final:
            return  # news from before the change: `changed` or `unchanged` ends it, and what it adds counts until then
        self._move(managed, status, now_ns, told.message if status.is_final else "")

    def _book(
        self, managed: ManagedOrder, execution: Execution | None, now_ns: int, changes: Changes
    ) -> None:
        if execution is None:
            return
        order = managed.order
        late = order.status.is_final
        quantity = max(order.quantity, execution.filled_after)
        managed.overfilled = execution.filled_after > order.quantity
        order = replace(
            order,
            quantity=quantity,
            filled_quantity=execution.filled_after,
            filled_value=execution.value_after,
        )
        if not late:
            order = after_fill(order)
        managed.order, managed.updated_ns = order, now_ns
        if not late:
            self.note_end(managed)
        charges = self._charge_of(order, execution) if execution.quantity else _NOTHING
        multiplier = order.instrument.multiplier
        position = self.positions.setdefault(managed.key, HeldPosition())
        position.book(order.side, execution, multiplier, charges)
        changes.booked.append(
            Booking(
                execution,
                order,
                managed.account_id,
                managed.key,
                replace(position),
                on_grid(execution.value * multiplier),
                charges,
                late,
            )
        )


def side_to_flatten(quantity: Decimal) -> Side:
    """The side of an order that closes a position of `quantity`."""
    return Side.SELL if quantity > 0 else Side.BUY
