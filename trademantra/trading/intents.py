"""What somebody wants done: the desk's only input."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.order import OrderType, Product, Side, Validity

MANUAL = "manual"
"""Strategy id of orders that a person placed through the desk."""


class Purpose(StrEnum):
    """Why an order is wanted.  Exits are never queued behind entries, and limits never hold them back."""

    ENTRY = "entry"
    EXIT = "exit"
    """Reduces what the strategy holds; the desk cuts it to what is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """One order that a strategy or a person wants in one account.

    `intent_id` is the caller's own and makes `submit` idempotent: the same id twice is the same order, sent once.
    `strategy_id` is whose position and limits this is.  Quantities in units, prices in the instrument's currency.
    `reference_price` is the price that the decision was made on, at `decided_ns`: what limits are checked with.
    `exit_with` is the intent of the other exit of a pair (a stop and a target that cancel each other): together they
    close what the larger one closes, and limits count them so.
    Errors: `InvalidValueError` for terms that contradict each other.
    """

    intent_id: str
    account_id: str
    strategy_id: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    product: Product
    purpose: Purpose
    decided_ns: int
    order_type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: Validity = Validity.DAY
    reference_price: Decimal | None = None
    exit_with: str = ""
    algo_id: str = ""
    sector: str = ""
    note: str = ""
    labels: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        for name in ("intent_id", "account_id", "strategy_id"):
            if not getattr(self, name):
                raise InvalidValueError(f"an order intent needs a {name}")
        if self.quantity <= 0:
            raise InvalidValueError(
                f"intent {self.intent_id}: quantity must be positive, got {self.quantity}"
            )
        for name, value, needed in (
            ("price", self.price, self.order_type.has_limit),
            ("trigger_price", self.trigger_price, self.order_type.has_trigger),
        ):
            if needed != (value is not None):
                word = "needs a" if needed else "has no"
                raise InvalidValueError(f"intent {self.intent_id}: a {self.order_type} order {word} {name}")
            if value is not None and value <= 0:
                raise InvalidValueError(f"intent {self.intent_id}: {name} must be positive, got {value}")
        if self.exit_with and self.purpose is not Purpose.EXIT:
            raise InvalidValueError(f"intent {self.intent_id}: only exits come in pairs (exit_with)")
        if self.reference_price is not None and self.reference_price <= 0:
            raise InvalidValueError(f"intent {self.intent_id}: reference_price must be positive or absent")
