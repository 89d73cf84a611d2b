"""What the broker answered, read once into types; what cannot be read is an error that says where."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from trademantra.brokers.errors import BrokerUnavailableError
from trademantra.core.errors import InvalidValueError
from trademantra.core.money import decimal_of
from trademantra.core.time import IST, ns_of

Json: TypeAlias = bool | int | Decimal | str | list["Json"] | dict[str, "Json"] | None

_SHOWN = 80
_FIRST_YEAR, _LAST_YEAR = 1980, 2200  # exchange times count from 1980; nanoseconds fit 64 bits until 2262


class MalformedReplyError(BrokerUnavailableError):
    """The broker answered with something that is not what its interface promises."""

    code = "broker_reply_malformed"


def parse_json(body: bytes | str, what: str) -> Json:
    """JSON with exact decimals.  Errors: `MalformedReplyError`."""
    try:
        parsed: Json = json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise MalformedReplyError(f"{what}: the reply is not JSON", hint="try again") from None
    return parsed


def _no_number(word: str) -> Json:
    raise ValueError(word)


class Record:
    """A JSON object with typed access; `what` names it in errors."""

    __slots__ = ("_fields", "_what")

    def __init__(self, value: Json, what: str) -> None:
        if not isinstance(value, dict):
            raise MalformedReplyError(f"{what}: an object was expected, not {_shown(value)}")
        self._fields: Mapping[str, Json] = value
        self._what = what

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def text(self, name: str) -> str:
        """A text that must be there.  Numbers are taken as they are written (ids come both ways)."""
        value = self._fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or not value:
            raise self._malformed(name, "a text")
        return value

    def optional_text(self, name: str) -> str | None:
        """A text; None where it is null, empty or missing."""
        return self.text(name) if self._fields.get(name) not in (None, "") else None

    def number(self, name: str) -> Decimal:
        value = self._fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
            raise self._malformed(name, "a number")
        try:
            return decimal_of(value, name)
        except InvalidValueError:
            raise self._malformed(name, "a number") from None

    def optional_number(self, name: str) -> Decimal | None:
        return self.number(name) if self._fields.get(name) not in (None, "") else None

    def whole(self, name: str) -> int:
        value = self.number(name)
        if value != int(value):
            raise self._malformed(name, "a whole number")
        return int(value)

    def instant(self, name: str) -> int | None:
        """Nanoseconds of an IST wall-clock text or an ISO one with offset; None where there is none.

        A year that no broker can mean is no time: programs write 0001-01-01 for "not yet".
        """
        text = self.optional_text(name)
        if text is None:
            return None
        try:
            read = datetime.fromisoformat(text)
        except ValueError:
            raise self._malformed(name, "a time") from None
        if not _FIRST_YEAR <= read.year <= _LAST_YEAR:
            return None
        return ns_of(read if read.tzinfo else read.replace(tzinfo=IST))

    def record(self, name: str) -> "Record":
        return Record(self._fields.get(name), f"{self._what}, {name}")

    def list(self, name: str) -> list[Json]:
        value = self._fields.get(name)
        if not isinstance(value, list):
            raise self._malformed(name, "a list")
        return value

    def value(self, name: str) -> Json:
        """A field as it came; None where it is missing."""
        return self._fields.get(name)

    def names(self) -> Iterator[str]:
        return iter(self._fields)

    def _malformed(self, name: str, expected: str) -> MalformedReplyError:
        return MalformedReplyError(
            f"{self._what}: {name} should be {expected}, not {_shown(self._fields.get(name))}"
        )


def records(value: Json, what: str) -> list[Record]:
    """The objects of a list.  null is no list: an unread book is never an empty one."""
    if not isinstance(value, list):
        raise MalformedReplyError(f"{what}: a list was expected, not {_shown(value)}")
    return [Record(one, f"{what}, row {number}") for number, one in enumerate(value, 1)]


def _shown(value: Json) -> str:
    return repr(value)[:_SHOWN]
