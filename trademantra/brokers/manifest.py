"""What a broker can do, declared as data."""

from dataclasses import dataclass
from datetime import time
from enum import StrEnum

from trademantra.brokers.orders import Variety
from trademantra.core.order import OrderType, Product, Validity


class Feature(StrEnum):
    """Things that some brokers do themselves and that are emulated for others (specs/brokers.md 0.5)."""

    BRACKET = "bracket"
    GTT_SINGLE = "gtt_single"
    GTT_OCO = "gtt_oco"
    SLICING = "slicing"
    BASKET_MARGIN = "basket_margin"
    CHARGES = "charges"
    CONVERT = "convert"
    POSTBACK = "postback"
    ORDER_STREAM = "order_stream"
    DEPTH = "depth"
    HISTORY = "history"
    OPEN_INTEREST_HISTORY = "open_interest_history"
    ALERTS = "alerts"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` requests in each `seconds`, counted in calendar seconds where `seconds` is 1."""

    count: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A broker's own declaration.  `limits` by kind of request: orders, book, quotes, history.

    `token_dies` is the time of day (Asia/Kolkata) at which a login of the day before ends for certain; None: it lasts until revoked.
    """

    name: str
    title: str
    exchanges: frozenset[str]
    products: frozenset[Product]
    order_types: frozenset[OrderType]
    validities: frozenset[Validity]
    varieties: frozenset[Variety]
    features: frozenset[Feature]
    limits: dict[str, tuple[RateLimit, ...]]
    stream_tokens: int
    tag_length: int
    token_dies: time | None
    market_needs_protection: bool
    static_address: bool
