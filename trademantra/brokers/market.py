"""Prices as brokers give them: quotes, depth, ticks."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trademantra.core.instrument import Instrument


class StreamMode(StrEnum):
    """How much of each instrument the stream brings: last price; also volume and day's range; also depth."""

    LTP = "ltp"
    QUOTE = "quote"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class DepthLevel:
    price: Decimal
    quantity: int
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What is known of an instrument at `at_ns`.  `open` … `close` of the day so far; `previous_close` of the day before.

    Absent values are None, never 0.
    """

    instrument: Instrument
    at_ns: int
    last_price: Decimal
    last_quantity: int | None = None
    last_trade_ns: int | None = None
    average_price: Decimal | None = None
    volume: int | None = None
    buy_quantity: int | None = None
    sell_quantity: int | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    previous_close: Decimal | None = None
    open_interest: int | None = None
    open_interest_high: int | None = None
    open_interest_low: int | None = None
    lower_circuit: Decimal | None = None
    upper_circuit: Decimal | None = None
    bids: tuple[DepthLevel, ...] = ()
    asks: tuple[DepthLevel, ...] = ()
