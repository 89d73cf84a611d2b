"""What is asked of a broker about orders, and what it answers."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.order import OrderStatus, OrderType, Product, Side, Validity

AUTOMATIC_PROTECTION = Decimal(-1)
"""Market protection by the broker's own slab (specs/brokers.md 1.5)."""


class Variety(StrEnum):
    """How an order is handled: in the session, after market, in slices, with a stop of its own."""

    REGULAR = "regular"
    AMO = "amo"
    ICEBERG = "iceberg"
    COVER = "co"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A new order, as the desk asks for it.

    Quantities in units of the underlying (adapters convert lots at the edge); prices in the instrument's currency.
    `tag` is our own mark, up to 20 letters and digits, by which a lost reply is looked up ("":
    none, as other programs place orders; the desk always sets one).
    `market_protection` in percent, `AUTOMATIC_PROTECTION` for the broker's slab; None: none.
    `ttl_minutes` with validity TTL.  `legs` with variety ICEBERG: number of slices, 2 to 10.
    Variety COVER: `trigger_price` is that of its stop.  `stop_trigger`, `target_price`: protection that the broker itself
    attaches (`Feature.BRACKET`): it works from the first fill on, one cancels the other.
    Terms that contradict each other: `InvalidValueError`.
    """

    instrument: Instrument
    side: Side
    quantity: Decimal
    order_type: OrderType
    product: Product
    tag: str
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: Validity = Validity.DAY
    ttl_minutes: int | None = None
    disclosed_quantity: Decimal = Decimal(0)
    variety: Variety = Variety.REGULAR
    market_protection: Decimal | None = None
    legs: int | None = None
    slice_automatically: bool = False
    algo_id: str = ""
    stop_trigger: Decimal | None = None
    target_price: Decimal | None = None

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise InvalidValueError(f"quantity must be positive, got {self.quantity}")
        if self.order_type.has_limit != (self.price is not None):
            raise InvalidValueError(
                f"a {self.order_type} order {'needs a' if self.price is None else 'has no'} price"
            )
        if (self.order_type.has_trigger or self.variety is Variety.COVER) != (self.trigger_price is not None):
            raise InvalidValueError(
                f"a {self.variety} {self.order_type} order "
                f"{'needs a' if self.trigger_price is None else 'has no'} trigger price"
            )
        if (self.validity is Validity.TTL) != (self.ttl_minutes is not None):
            raise InvalidValueError("ttl_minutes goes with validity TTL, and only with it")
        if (self.variety is Variety.ICEBERG) != (self.legs is not None):
            raise InvalidValueError("legs go with variety iceberg, and only with it")
        if self.tag and (not self.tag.isalnum() or not self.tag.isascii() or len(self.tag) > 20):
            raise InvalidValueError(f"tag {self.tag!r} is not up to 20 letters and digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChange:
    """New terms of a working order; None leaves a term as it is."""

    quantity: Decimal | None = None
    order_type: OrderType | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: Validity | None = None
    ttl_minutes: int | None = None
    disclosed_quantity: Decimal | None = None
    market_protection: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker took the request.  Not a fill, and not yet an acceptance by its risk system.

    `children` are the orders that slicing made, in order; empty without slicing.
    """

    broker_order_id: str
    children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker said no; nothing rests there.  `reason` is its own text, `code` its own error type."""

    reason: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer came, or one that says nothing about the order: look it up by tag before anything else."""

    reason: str


PlaceResult: TypeAlias = Accepted | Refused | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """An order as the broker's book shows it.

    `raw_status` is the broker's own word; `status` one of the canonical states (UNKNOWN where the word is not known:
    never treated as final).  `updated_ns` is the broker's time of the last change; 0 where it gives none.
    """

    broker_order_id: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    order_type: OrderType
    product: Product
    status: OrderStatus
    raw_status: str
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: Validity = Validity.DAY
    variety: Variety = Variety.REGULAR
    filled_quantity: Decimal = Decimal(0)
    cancelled_quantity: Decimal = Decimal(0)
    average_price: Decimal | None = None
    tag: str = ""
    message: str = ""
    parent_order_id: str | None = None
    exchange_order_id: str | None = None
    placed_ns: int = 0
    updated_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTrade:
    """One execution as the broker's trade book shows it; `trade_id` is the exchange's."""

    trade_id: str
    broker_order_id: str
    exchange_order_id: str | None
    instrument: Instrument
    side: Side
    product: Product
    quantity: Decimal
    price: Decimal
    at_ns: int
