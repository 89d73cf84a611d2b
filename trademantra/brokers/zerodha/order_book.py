"""Rows of the order book and the trade book in our words (specs/brokers.md 1.4, 1.5 and 12)."""

from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from trademantra.brokers.orders import BrokerOrder, BrokerTrade, Variety
from trademantra.brokers.zerodha.instruments import InstrumentBook, units_of
from trademantra.brokers.zerodha.reply import MalformedReplyError, Record
from trademantra.core.order import OrderStatus, OrderType, Product, Side, Validity

Word = TypeVar("Word", bound=StrEnum)

UPDATED = "UPDATE"
"""Status of a postback that says only that something changed: a part was filled, or the terms."""

_STATUSES = MappingProxyType(
    {
        "PUT ORDER REQ RECEIVED": OrderStatus.SENT,
        "VALIDATION PENDING": OrderStatus.SENT,
        "OPEN PENDING": OrderStatus.SENT,
        "AMO REQ RECEIVED": OrderStatus.OPEN,  # it rests at the broker until the session opens
        "OPEN": OrderStatus.OPEN,
        UPDATED: OrderStatus.OPEN,
        "TRIGGER PENDING": OrderStatus.TRIGGER_PENDING,
        "MODIFY VALIDATION PENDING": OrderStatus.MODIFYING,
        "MODIFY PENDING": OrderStatus.MODIFYING,
        "MODIFIED": OrderStatus.OPEN,
        "CANCEL PENDING": OrderStatus.CANCELLING,
        "COMPLETE": OrderStatus.FILLED,
        "CANCELLED": OrderStatus.CANCELLED,
        "REJECTED": OrderStatus.REJECTED,
        "EXPIRED": OrderStatus.EXPIRED,
    }
)
# Cover and bracket orders are intraday; our `Product` says what an order is held as, `Variety` how it is handled.
_PRODUCTS = MappingProxyType({**{one.value: one for one in Product}, "CO": Product.MIS, "BO": Product.MIS})


def order_of(row: Record, book: InstrumentBook) -> BrokerOrder:
    """One state of an order.  A status that is not known is UNKNOWN, never final.

    Errors: `MalformedReplyError`; `UnknownInstrumentError` for a contract that is not in the instrument file.
    """
    instrument = book.by_symbol(row.text("exchange"), row.text("tradingsymbol"))
    order_type = _word(row, "order_type", OrderType)
    filled = units_of(row.optional_number("filled_quantity") or Decimal(0), instrument)
    raw = row.text("status")
    variety = row.optional_text("variety") or Variety.REGULAR.value
    return BrokerOrder(
        broker_order_id=row.text("order_id"),
        instrument=instrument,
        side=_word(row, "transaction_type", Side),
        quantity=units_of(row.number("quantity"), instrument),
        order_type=order_type,
        product=product_of(row),
        status=_status(raw, order_type, filled),
        raw_status=raw,
        price=row.optional_number("price") if order_type.has_limit else None,
        trigger_price=_positive(row, "trigger_price"),
        validity=_word(row, "validity", Validity) if "validity" in row else Validity.DAY,
        # An auction or an old bracket order that was placed by hand: handled as a regular one here.
        variety=Variety(variety) if variety in set(Variety) else Variety.REGULAR,
        filled_quantity=filled,
        cancelled_quantity=units_of(row.optional_number("cancelled_quantity") or Decimal(0), instrument),
        average_price=_positive(row, "average_price"),
        tag=row.optional_text("tag") or "",
        message=row.optional_text("status_message") or "",
        parent_order_id=row.optional_text("parent_order_id"),
        exchange_order_id=row.optional_text("exchange_order_id"),
        placed_ns=row.instant("order_timestamp") or 0,
        updated_ns=max(
            row.instant(name) or 0
            for name in ("order_timestamp", "exchange_timestamp", "exchange_update_timestamp")
        ),
    )


def trade_of(row: Record, book: InstrumentBook) -> BrokerTrade:
    """One execution.  Errors: as `order_of`."""
    instrument = book.by_symbol(row.text("exchange"), row.text("tradingsymbol"))
    at = row.instant("fill_timestamp") or row.instant("exchange_timestamp")
    if at is None:
        raise MalformedReplyError(f"trade {row.text('trade_id')} has no time")
    return BrokerTrade(
        trade_id=row.text("trade_id"),
        broker_order_id=row.text("order_id"),
        exchange_order_id=row.optional_text("exchange_order_id"),
        instrument=instrument,
        side=_word(row, "transaction_type", Side),
        product=product_of(row),
        quantity=units_of(row.number("quantity"), instrument),
        price=row.number("average_price"),
        at_ns=at,
    )


def product_of(row: Record) -> Product:
    product = _PRODUCTS.get(row.text("product"))
    if product is None:
        raise MalformedReplyError(f"product {row.text('product')!r} is not known")
    return product


def _status(raw: str, order_type: OrderType, filled: Decimal) -> OrderStatus:
    status = _STATUSES.get(raw.strip().upper(), OrderStatus.UNKNOWN)
    if raw == UPDATED and not filled and order_type.has_trigger:
        return OrderStatus.UNKNOWN  # waiting for its trigger, or triggered and open: the book knows
    return OrderStatus.PARTLY_FILLED if status is OrderStatus.OPEN and filled else status


def _positive(row: Record, name: str) -> Decimal | None:
    """A price; the wire writes 0 for none."""
    return row.optional_number(name) or None


def _word(row: Record, name: str, words: type[Word]) -> Word:
    text = row.text(name)
    try:
        return words(text)
    except ValueError:
        raise MalformedReplyError(f"order {row.text('order_id')}: {name} {text!r} is not known") from None
