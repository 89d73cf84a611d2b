"""Order terms and instruments as JSON and back, for the journal."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import lru_cache

from trademantra.core.errors import BadInputError
from trademantra.core.instrument import (
    Exchange,
    Instrument,
    InstrumentKind,
    OptionRight,
    QuantityUnit,
    Segment,
)
from trademantra.core.order import Order, OrderType, Product, Side, Validity

_VERSION = 1
_ENUMS = {
    "exchange": Exchange,
    "segment": Segment,
    "kind": InstrumentKind,
    "right": OptionRight,
    "quantity_unit": QuantityUnit,
}
_DECIMALS = ("strike", "lot_size", "tick_size", "freeze_quantity", "multiplier")


def terms_to_json(order: Order) -> str:
    """What was ordered: instrument and terms, exact.  State and fills are not part of it."""
    # put together by hand, for it is done four times an order: words of our own and numbers, which need no escapes
    price = "null" if order.price is None else f'"{order.price}"'
    trigger = "null" if order.trigger_price is None else f'"{order.trigger_price}"'
    return (
        f'{{"version":{_VERSION},"instrument":{_instrument_text(order.instrument)},"side":"{order.side.value}",'
        f'"quantity":"{order.quantity}","order_type":"{order.order_type.value}","product":"{order.product.value}",'
        f'"price":{price},"trigger_price":{trigger},"validity":"{order.validity.value}"}}'
    )


@lru_cache(maxsize=4096)
def _instrument_text(instrument: Instrument) -> str:
    """The same for every order of an instrument, and most of an order's text."""
    return json.dumps(instrument_words(instrument), separators=(",", ":"))


def order_from_json(order_id: str, text: str) -> Order:
    """The order as it was created.  Errors: `BadInputError` for a text of another version or form."""
    try:
        terms = json.loads(text)
        if terms["version"] != _VERSION:
            raise BadInputError(
                f"order {order_id}", f"terms of version {terms['version']}", hint="update the product"
            )
        return Order(
            order_id=order_id,
            instrument=instrument_of_words(terms["instrument"]),
            side=Side(terms["side"]),
            quantity=Decimal(terms["quantity"]),
            order_type=OrderType(terms["order_type"]),
            product=Product(terms["product"]),
            price=None if terms["price"] is None else Decimal(terms["price"]),
            trigger_price=None if terms["trigger_price"] is None else Decimal(terms["trigger_price"]),
            validity=Validity(terms["validity"]),
        )
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise BadInputError(f"order {order_id}", f"its terms cannot be read: {error}") from error


def instrument_words(instrument: Instrument) -> dict[str, object]:
    """The fields of an instrument that are known, as JSON has them; exact."""
    named = {field.name: _plain(getattr(instrument, field.name)) for field in fields(Instrument)}
    return {name: value for name, value in named.items() if value is not None}


def instrument_of_words(words: Mapping[str, str]) -> Instrument:
    """Inverse of `instrument_words`.  Errors: `ValueError`, `TypeError`, `ArithmeticError` for anything else."""
    parsed = {name: _parsed(name, value) for name, value in words.items()}
    return Instrument(**parsed)  # type: ignore[arg-type]  # fields by name, each parsed to its type


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    return value


def _parsed(name: str, value: str) -> object:
    if name in _ENUMS:
        return _ENUMS[name](value)
    if name in _DECIMALS:
        return Decimal(value)
    return date.fromisoformat(value) if name == "expiry" else value
