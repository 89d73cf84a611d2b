"""Orders, their life and their fills."""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from trademantra.core.errors import IllegalTransitionError, InvalidValueError
from trademantra.core.instrument import Instrument


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """MARKET, LIMIT, SL (stop that becomes a limit order), SL-M (stop that becomes a market order)."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    SL = "SL"
    SL_M = "SL-M"

    @property
    def has_limit(self) -> bool:
        return self in (OrderType.LIMIT, OrderType.SL)

    @property
    def has_trigger(self) -> bool:
        return self in (OrderType.SL, OrderType.SL_M)


class Product(StrEnum):
    """CNC delivery, MIS intraday, NRML carried derivatives, MTF funded delivery (specs/india-markets.md 4)."""

    CNC = "CNC"
    MIS = "MIS"
    NRML = "NRML"
    MTF = "MTF"


class Validity(StrEnum):
    """DAY, immediate-or-cancel, or time-to-live in minutes."""

    DAY = "DAY"
    IOC = "IOC"
    TTL = "TTL"


class OrderStatus(StrEnum):
    """Where an order is on its road (DESIGN section 3)."""

    CREATED = "created"  # an intent; nothing outside this process knows of it
    REFUSED = "refused"  # the risk gate or the order policy said no; it was never sent
    JOURNALED = "journaled"  # durable; may be sent
    SENT = "sent"  # handed to the adapter; no answer yet
    OPEN = "open"  # the broker confirmed it and it rests
    TRIGGER_PENDING = "trigger_pending"  # a stop that waits for its trigger
    PARTLY_FILLED = "partly_filled"
    MODIFYING = "modifying"  # a change was sent; the old terms hold until it is confirmed
    CANCELLING = "cancelling"  # a cancel was sent; it may still fill
    UNKNOWN = "unknown"  # the reply was lost; being reconciled by tag
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"  # the broker or the exchange said no
    EXPIRED = "expired"  # validity ended
    ABSENT = "absent"  # reconciled: the broker never received it

    @property
    def is_final(self) -> bool:
        return not LEGAL_TRANSITIONS[self]

    @property
    def may_fill(self) -> bool:
        """Whether a fill can still arrive."""
        return OrderStatus.FILLED in LEGAL_TRANSITIONS[self]


_S = OrderStatus
_ENDED_AT_BROKER = {_S.FILLED, _S.CANCELLED, _S.REJECTED, _S.EXPIRED}
_AT_BROKER = {_S.OPEN, _S.TRIGGER_PENDING, _S.PARTLY_FILLED, _S.UNKNOWN, *_ENDED_AT_BROKER}

# The whole life of an order.  What is not here is illegal.
LEGAL_TRANSITIONS = MappingProxyType(
    {
        _S.CREATED: frozenset({_S.REFUSED, _S.JOURNALED}),
        _S.JOURNALED: frozenset({_S.SENT, _S.CANCELLED, _S.UNKNOWN}),  # unknown: found so after a crash
        _S.SENT: frozenset(_AT_BROKER),
        _S.UNKNOWN: frozenset((_AT_BROKER - {_S.UNKNOWN}) | {_S.ABSENT}),
        _S.TRIGGER_PENDING: frozenset(
            {_S.OPEN, _S.PARTLY_FILLED, _S.MODIFYING, _S.CANCELLING, _S.UNKNOWN, *_ENDED_AT_BROKER}
        ),
        _S.OPEN: frozenset({_S.PARTLY_FILLED, _S.MODIFYING, _S.CANCELLING, _S.UNKNOWN, *_ENDED_AT_BROKER}),
        _S.PARTLY_FILLED: frozenset(
            {_S.PARTLY_FILLED, _S.MODIFYING, _S.CANCELLING, _S.UNKNOWN, *_ENDED_AT_BROKER}
        ),
        _S.MODIFYING: frozenset(_AT_BROKER | {_S.CANCELLING}),
        _S.CANCELLING: frozenset(_AT_BROKER),
        _S.REFUSED: frozenset[OrderStatus](),
        _S.FILLED: frozenset[OrderStatus](),
        _S.CANCELLED: frozenset[OrderStatus](),
        _S.REJECTED: frozenset[OrderStatus](),
        _S.EXPIRED: frozenset[OrderStatus](),
        _S.ABSENT: frozenset[OrderStatus](),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution.  `price` in the instrument's currency, `quantity` in units (always positive).

    `fill_id` is the exchange's trade number, unique within an account and day: the key of idempotence.
    """

    fill_id: str
    order_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    at_ns: int

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise InvalidValueError(f"fill {self.fill_id}: quantity must be positive, got {self.quantity}")
        if self.price <= 0:
            raise InvalidValueError(f"fill {self.fill_id}: price must be positive, got {self.price}")

    @property
    def value(self) -> Decimal:
        """Price × quantity, before the instrument's multiplier."""
        return self.price * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order at one moment of its life.  `with_status` and `with_fill` give the next moment.

    `order_id` is ours (the client tag is derived from it); `broker_order_id` comes with the ack.
    Quantities in units.  Prices in the instrument's currency; `price` for LIMIT and SL,
    `trigger_price` for SL and SL-M, both absent otherwise.
    Errors: `InvalidValueError` for terms that contradict the type; `IllegalTransitionError`.
    """

    order_id: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    order_type: OrderType
    product: Product
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: Validity = Validity.DAY
    status: OrderStatus = OrderStatus.CREATED
    filled_quantity: Decimal = Decimal(0)
    filled_value: Decimal = Decimal(0)
    broker_order_id: str | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise InvalidValueError(f"order {self.order_id}: quantity must be positive, got {self.quantity}")
        for name, value, needed in (
            ("price", self.price, self.order_type.has_limit),
            ("trigger_price", self.trigger_price, self.order_type.has_trigger),
        ):
            if needed != (value is not None):
                raise InvalidValueError(
                    f"order {self.order_id}: {self.order_type} orders {'need a' if needed else 'have no'} {name}"
                )
            if value is not None and value <= 0:
                raise InvalidValueError(f"order {self.order_id}: {name} must be positive, got {value}")
        if not 0 <= self.filled_quantity <= self.quantity:
            raise InvalidValueError(
                f"order {self.order_id}: filled {self.filled_quantity} is not within 0 and {self.quantity}"
            )

    @property
    def open_quantity(self) -> Decimal:
        """What can still fill; 0 once the order is final."""
        return Decimal(0) if self.status.is_final else self.quantity - self.filled_quantity

    @property
    def average_price(self) -> Decimal | None:
        """Mean fill price weighted by quantity; None while nothing is filled."""
        return self.filled_value / self.filled_quantity if self.filled_quantity else None

    def with_status(
        self, status: OrderStatus, *, reason: str = "", broker_order_id: str | None = None
    ) -> "Order":
        """The order after a legal transition.  FILLED needs the whole quantity filled first."""
        if status not in LEGAL_TRANSITIONS[self.status]:
            raise IllegalTransitionError(f"order {self.order_id}: {self.status} does not lead to {status}")
        if status is OrderStatus.FILLED and self.filled_quantity != self.quantity:
            raise IllegalTransitionError(
                f"order {self.order_id}: {self.filled_quantity} of {self.quantity} filled is not {status}"
            )
        if status is OrderStatus.PARTLY_FILLED and not 0 < self.filled_quantity < self.quantity:
            raise IllegalTransitionError(
                f"order {self.order_id}: {self.filled_quantity} of {self.quantity} filled is not {status}"
            )
        return replace(
            self,
            status=status,
            reason=reason or self.reason,
            broker_order_id=broker_order_id or self.broker_order_id,
        )

    def with_fill(self, fill: Fill) -> "Order":
        """The order after an execution: partly filled or filled.

        A fill that arrives while a change or a cancel is under way keeps that state until the whole is filled.
        """
        if not self.status.may_fill:
            raise IllegalTransitionError(f"order {self.order_id}: a fill arrived in state {self.status}")
        if fill.order_id != self.order_id or fill.side is not self.side:
            raise InvalidValueError(f"fill {fill.fill_id} does not belong to order {self.order_id}")
        quantity = self.filled_quantity + fill.quantity
        if quantity > self.quantity:
            raise InvalidValueError(
                f"order {self.order_id}: fill {fill.fill_id} of {fill.quantity} exceeds the open {self.open_quantity}"
            )
        filled = replace(self, filled_quantity=quantity, filled_value=self.filled_value + fill.value)
        if quantity == self.quantity:
            return filled.with_status(OrderStatus.FILLED)
        if self.status in (OrderStatus.MODIFYING, OrderStatus.CANCELLING):
            return filled
        return filled.with_status(OrderStatus.PARTLY_FILLED)
