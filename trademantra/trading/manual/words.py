"""Single words of a wish, read into types: texts, numbers, prices, products.

Errors: `InvalidValueError` naming the word, unless said otherwise.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar

from trademantra.core.errors import InvalidValueError
from trademantra.core.order import Product, Validity
from trademantra.trading.house.symbols import full_name

LARGEST = Decimal(10) ** 9
"""Units that no exchange takes."""

_FINEST = -4  # decimal places of a price in the ledger
_LONGEST_SYMBOL = 80
_Word = TypeVar("_Word", bound=StrEnum)


def only(words: Mapping[str, object], known: "frozenset[str] | set[str]") -> None:
    unknown = [name for name in words if name not in known]
    if unknown:
        near = get_close_matches(unknown[0], sorted(known), 1)
        meant = f"did you mean {near[0]}?  " if near else ""
        raise InvalidValueError(
            f"{unknown[0]!r} is not known", hint=f"{meant}known: {', '.join(sorted(known))}"
        )


def text_in(words: Mapping[str, object], name: str) -> str:
    value = words.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidValueError(f"{name} must be a text or a number, got {value!r}")
    return str(value).strip()


def symbol_in(words: Mapping[str, object]) -> str:
    """As the desk looks for it."""
    symbol = text_in(words, "symbol")
    if not symbol or len(symbol) > _LONGEST_SYMBOL:
        raise InvalidValueError("name the symbol", hint="INFY, NSE:INFY or NFO:NIFTY26NOVFUT")
    return full_name(symbol)


def word_in(words: Mapping[str, object], name: str, kind: type[_Word]) -> _Word:
    text = text_in(words, name)
    for word in kind:
        if word.value.lower().replace("-", "_") == text.lower().replace("-", "_"):
            return word
    known = ", ".join(word.value for word in kind)
    raise InvalidValueError(f"{name}: {text or 'nothing'!r} is not known", hint=f"one of {known}")


def product_in(words: Mapping[str, object], name: str) -> Product:
    return word_in(words, name, Product) if text_in(words, name) else Product.MIS


def validity_in(words: Mapping[str, object]) -> Validity:
    validity = word_in(words, "validity", Validity) if text_in(words, "validity") else Validity.DAY
    if validity is Validity.TTL:
        raise InvalidValueError("validity: TTL needs minutes, which no order by hand has", hint="DAY or IOC")
    return validity


def number_in(words: Mapping[str, object], name: str) -> Decimal:
    text = text_in(words, name)
    if "_" in text:  # `Decimal` skips them: 1_0 would be ten
        raise InvalidValueError(f"{name}: {text!r} is no number", hint="write digits alone, such as 1000")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise InvalidValueError(f"{name}: {text or 'nothing'!r} is no number") from None
    if not number.is_finite():
        raise InvalidValueError(f"{name}: {text!r} is no number")
    return number


def quantity_in(words: Mapping[str, object], name: str) -> Decimal:
    number = number_in(words, name)
    if not number > 0:
        raise InvalidValueError(f"{name}: must be above 0, got {number:f}")
    if number > LARGEST:
        raise InvalidValueError(f"{name}: {number:g} is more than any exchange takes")
    return number


def price_in(words: Mapping[str, object], name: str) -> Decimal | None:
    if not text_in(words, name):
        return None
    price = quantity_in(words, name)
    exponent = price.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < _FINEST:
        raise InvalidValueError(f"{name}: {price:f} has more than {-_FINEST} decimal places")
    return price


def flag_in(words: Mapping[str, object], name: str) -> bool:
    value = words.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    text = str(value).strip().lower()
    if text in ("", "no", "false", "0"):
        return False
    if text in ("yes", "true", "1"):
        return True
    raise InvalidValueError(f"{name}: {value!r} is neither yes nor no")


def share_in(words: Mapping[str, object]) -> float:
    """`10%` or `0.1`."""
    text = text_in(words, "share")
    number = quantity_in({"share": text.removesuffix("%")}, "share") / (100 if text.endswith("%") else 1)
    if number > 1:
        raise InvalidValueError(f"share: {text} is more than all that trades", hint="write 10% or 0.1")
    return float(number)
