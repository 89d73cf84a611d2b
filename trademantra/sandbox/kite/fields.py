"""Reads the fields of a form, a query or a JSON object; what cannot be read is Kite's InputException."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from trademantra.core.errors import InvalidValueError
from trademantra.core.money import decimal_of
from trademantra.sandbox.kite.errors import invalid, missing
from trademantra.sandbox.kite.json_form import Json

Word = TypeVar("Word", bound=StrEnum)

MOST_DIGITS = 9
DEEPEST = 12
_WHOLE = re.compile(rf"[0-9]{{1,{MOST_DIGITS}}}")
_NUMBER = re.compile(rf"-?[0-9]{{1,{MOST_DIGITS}}}(\.[0-9]{{1,9}})?")
_SYMBOL = re.compile(r"[ -~]{1,60}")


class Fields:
    """Named values of one request.  Absent and empty are the same; every error names the field."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def has(self, name: str) -> bool:
        """Whether the field is there and not empty."""
        return bool(self._values.get(name))

    def text(self, name: str) -> str:
        """A required text."""
        value = self._values.get(name)
        if not value:
            raise missing(name)
        return value

    def symbol(self, name: str) -> str:
        """A required name of printable ASCII, up to 60 characters."""
        value = self.text(name)
        if not _SYMBOL.fullmatch(value):
            raise invalid(name)
        return value

    def optional(self, name: str, default: str = "") -> str:
        return self._values.get(name) or default

    def word(self, name: str, words: type[Word], default: Word | None = None) -> Word:
        """One of the words of an enumeration."""
        value = self._values.get(name)
        if not value and default is not None:
            return default
        try:
            return words(self.text(name))
        except ValueError as error:
            raise invalid(name) from error

    def whole(self, name: str) -> int:
        """A required whole number, not negative."""
        value = self.text(name)
        if not _WHOLE.fullmatch(value):
            raise invalid(name)
        return int(value)

    def optional_whole(self, name: str) -> int:
        """As `whole`; 0 when absent."""
        return self.whole(name) if self.has(name) else 0

    def positive(self, name: str) -> int:
        """A required whole number above 0."""
        value = self.whole(name)
        if value == 0:
            raise invalid(name)
        return value

    def number(self, name: str) -> Decimal:
        """A required decimal number; it may be negative."""
        value = self.text(name)
        if not _NUMBER.fullmatch(value):
            raise invalid(name)
        return Decimal(value)

    def optional_number(self, name: str) -> Decimal:
        """As `number`; 0 when absent."""
        return self.number(name) if self.has(name) else Decimal(0)

    def price(self, name: str) -> Decimal:
        """A required number above 0."""
        value = self.number(name)
        if value <= 0:
            raise invalid(name)
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """`true`, `True`, `1` and their opposites: the Python client sends booleans capitalised."""
        value = self._values.get(name)
        if not value:
            return default
        lower = value.lower()
        if lower not in ("true", "false", "1", "0"):
            raise invalid(name)
        return lower in ("true", "1")

    def json(self, name: str) -> Json:
        """A required field that holds JSON."""
        return parsed_json(self.text(name), name)


def parsed_json(text: str | bytes, name: str) -> Json:
    """JSON of any form.  Errors: InputException for what is not JSON, is nested too deep or holds NaN."""
    try:
        value: Json = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise invalid(name, "It is not valid JSON.") from error
    if _is_deep(value):
        raise invalid(name, f"It is nested deeper than {DEEPEST}.")
    return value


def _is_deep(value: Json) -> bool:
    """What is kept may be written out again, which takes a stack as deep as the value."""
    level: list[Json] = [value]
    for _ in range(DEEPEST):
        inner: list[Json] = []
        for item in level:
            if isinstance(item, Mapping):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return False
        level = inner
    return True


def fields_of(row: Json, name: str) -> Fields:
    """A JSON object as fields; its numbers are read in the form in which they are written."""
    if not isinstance(row, Mapping):
        raise invalid(name, "An object is needed.")
    values = {}
    for key, value in row.items():
        if value is None or isinstance(value, Mapping | list):
            continue
        values[key] = str(value).lower() if isinstance(value, bool) else _plain(value)
    return Fields(values)


def _plain(value: Json) -> str:
    """A number without exponent; a whole float without its point, so that 10.0 shares are 10."""
    if not isinstance(value, float):
        return str(value)
    try:
        number = decimal_of(value)
    except InvalidValueError:
        return str(value)
    return format(number.to_integral_value() if number == number.to_integral_value() else number, "f")


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is not a JSON number")
