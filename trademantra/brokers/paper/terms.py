"""The words of the simulated exchange: what it is fed, what it answers, what it tells."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import OrderRequest
from trademantra.core.errors import TradeMantraError
from trademantra.core.order import OrderStatus, Product, Side


@dataclass(frozen=True, slots=True)
class PriceEvent:
    """The market of one instrument moved, at `at_ns`.

    A tick has open = high = low = close.  A whole bar may be one event too; then its start is `at_ns`, and what lies
    inside it is matched by the engine's rules for a bar.  `volume` is what traded in this event, in units.
    """

    token: int
    at_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    open_interest: float | None = None


class Stage(StrEnum):
    """A step in the life of an order, in Kite's words (specs/brokers.md 1.5)."""

    RECEIVED = "PUT ORDER REQ RECEIVED"
    VALIDATION_PENDING = "VALIDATION PENDING"
    OPEN_PENDING = "OPEN PENDING"
    OPEN = "OPEN"
    TRIGGER_PENDING = "TRIGGER PENDING"
    MODIFY_VALIDATION_PENDING = "MODIFY VALIDATION PENDING"
    MODIFY_PENDING = "MODIFY PENDING"
    CANCEL_PENDING = "CANCEL PENDING"
    AMO_RECEIVED = "AMO REQ RECEIVED"
    COMPLETE = "COMPLETE"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOrder:
    """An order at one moment, as the exchange's book shows it.

    `request` holds the present terms (a modification replaces it).  `average_price` is 0 while nothing is filled.
    Invariant: pending + filled + cancelled <= quantity, pending 0 once final.
    `status_message` is the broker's text of a rejection or cancellation.
    `iceberg_leg` counts the legs of an iceberg from 1, `iceberg_quantity` is the quantity of all of them.
    """

    order_id: str
    account_id: str
    listing: Listing
    request: OrderRequest
    stage: Stage
    status: OrderStatus
    placed_ns: int
    updated_ns: int
    exchange_order_id: str | None = None
    exchange_ns: int | None = None
    parent_order_id: str | None = None
    filled_quantity: Decimal = Decimal(0)
    pending_quantity: Decimal = Decimal(0)
    cancelled_quantity: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)
    status_message: str | None = None
    modified: bool = False
    iceberg_leg: int | None = None
    iceberg_quantity: Decimal | None = None
    placed_by_system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeTrade:
    """One execution.  `trade_id` is unique within the day of the exchange."""

    trade_id: str
    order_id: str
    exchange_order_id: str
    account_id: str
    listing: Listing
    side: Side
    product: Product
    quantity: Decimal
    price: Decimal
    at_ns: int


@dataclass(frozen=True, slots=True)
class OrderChanged:
    order: ExchangeOrder


@dataclass(frozen=True, slots=True)
class Traded:
    trade: ExchangeTrade


ExchangeEvent: TypeAlias = OrderChanged | Traded


class Refusal(StrEnum):
    """Why the exchange's front desk does not take a request at all (specs/brokers.md 1.6)."""

    INPUT = "InputException"
    ORDER = "OrderException"
    MARGIN = "MarginException"
    HOLDING = "HoldingException"
    PERMISSION = "PermissionException"
    USER = "UserException"
    GENERAL = "GeneralException"


class RefusedRequestError(TradeMantraError):
    """A request that made no order and changed nothing."""

    code = "exchange_refused"

    def __init__(self, kind: Refusal, message: str) -> None:
        super().__init__(message)
        self.kind = kind
