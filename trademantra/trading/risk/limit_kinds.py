"""The kinds of limits: how each is read from JSON, written, and which of two is the tighter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from enum import StrEnum

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Segment, plain
from trademantra.core.money import decimal_of
from trademantra.core.order import Product


@dataclass(frozen=True, slots=True, order=True)
class Hours:
    """Wall-clock time in India from `start` (included) to `end` (not included), within one day."""

    start: time
    end: time

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise InvalidValueError(
                f"hours from {self.start} to {self.end} are none", hint="start before end"
            )

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


@dataclass(frozen=True, slots=True)
class LimitKind:
    """`parse` takes (value, field name) and raises `InvalidValueError`; `tighter` takes two set values."""

    parse: Callable[[object, str], object]
    write: Callable[[object], object]
    tighter: Callable[[object, object], object]


def _decimal(value: object, name: str) -> Decimal:
    if not isinstance(value, Decimal | int | str | float):
        raise InvalidValueError(f"{name} must be a number, got {value!r}")
    return decimal_of(value, name)


def _positive(value: object, name: str) -> Decimal:
    number = _decimal(value, name)
    if number <= 0:
        raise InvalidValueError(f"{name} must be above 0, got {plain(number)}", hint="null means no limit")
    return number


def _percent(value: object, name: str) -> Decimal:
    number = _positive(value, name)
    if number > 100:
        raise InvalidValueError(f"{name} must be at most 100 percent, got {plain(number)}")
    return number


def _count(value: object, name: str) -> int:
    number = _decimal(value, name)
    if number < 0 or number != int(number):
        raise InvalidValueError(f"{name} must be a whole number from 0 up, got {plain(number)}")
    return int(number)


def _correlation(value: object, name: str) -> Decimal:
    number = _decimal(value, name)
    if not 0 < number <= 1:
        raise InvalidValueError(f"{name} must be above 0 and at most 1, got {plain(number)}")
    return number


def _window(longest: int, unit: str) -> Callable[[object, str], Decimal]:
    def parse(value: object, name: str) -> Decimal:
        number = _positive(value, name)
        if number > longest:
            raise InvalidValueError(f"{name} must be at most {longest} {unit}, got {plain(number)}")
        return number

    return parse


def _whole_window(longest: int, unit: str) -> Callable[[object, str], int]:
    def parse(value: object, name: str) -> int:
        number = _count(value, name)
        if not 1 <= number <= longest:
            raise InvalidValueError(f"{name} must be from 1 to {longest} {unit}, got {number}")
        return number

    return parse


def _flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidValueError(f"{name} must be true or false, got {value!r}")
    return value


def _texts(value: object, name: str) -> Sequence[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise InvalidValueError(f"{name} must be a list of texts, got {value!r}")
    return value


def _words(words: type[StrEnum]) -> Callable[[object, str], frozenset[StrEnum]]:
    def parse(value: object, name: str) -> frozenset[StrEnum]:
        known = {word.value: word for word in words}
        unknown = [text for text in _texts(value, name) if text not in known]
        if unknown:
            raise InvalidValueError(
                f"{name}: {unknown[0]!r} is not known", hint=f"one of {', '.join(sorted(known))}"
            )
        return frozenset(known[text] for text in _texts(value, name))

    return parse


def _hours(value: object, name: str) -> tuple[Hours, ...]:
    return tuple(sorted(_window_of_day(text, name) for text in _texts(value, name)))


def _window_of_day(text: str, name: str) -> Hours:
    start, _, end = text.partition("-")
    try:
        return Hours(time.fromisoformat(start.strip()), time.fromisoformat(end.strip()))
    except (ValueError, TypeError, InvalidValueError) as error:
        raise InvalidValueError(
            f"{name}: {text!r} are no hours", hint="write them as 09:15-15:15, start before end"
        ) from error


def _smaller(one: object, other: object) -> object:
    return min(one, other)  # type: ignore[call-overload]  # both are of the kind's own ordered type


def _larger(one: object, other: object) -> object:
    return max(one, other)  # type: ignore[call-overload]  # both are of the kind's own ordered type


def _common(one: object, other: object) -> object:
    assert isinstance(one, frozenset)
    assert isinstance(other, frozenset)
    return one & other


def _common_hours(one: object, other: object) -> object:
    assert isinstance(one, tuple)
    assert isinstance(other, tuple)
    common = {
        Hours(max(a.start, b.start), min(a.end, b.end))
        for a in one
        for b in other
        if max(a.start, b.start) < min(a.end, b.end)
    }
    return tuple(sorted(common))


def _number_text(value: object) -> object:
    return plain(value) if isinstance(value, Decimal) else value


def _sorted_texts(value: object) -> object:
    assert isinstance(value, frozenset)
    return sorted(str(each) for each in value)


def _hours_texts(value: object) -> object:
    assert isinstance(value, tuple)
    return [str(each) for each in value]


AMOUNT = LimitKind(_positive, _number_text, _smaller)
"""Money, a quantity, a ratio: what is smaller is tighter."""
PERCENT = LimitKind(_percent, _number_text, _smaller)
COUNT = LimitKind(_count, _number_text, _smaller)
CORRELATION = LimitKind(_correlation, _number_text, _smaller)
AGE = LimitKind(_window(86_400, "seconds"), _number_text, _smaller)
KEPT_PERCENT = LimitKind(_percent, _number_text, _larger)
"""A share that must be kept: what is larger is tighter."""
WINDOW = LimitKind(_window(86_400, "seconds"), _number_text, _larger)
MINUTES = LimitKind(_window(1_440, "minutes"), _number_text, _larger)
RANGE_MINUTES = LimitKind(_whole_window(60, "minutes"), _number_text, _larger)
FLAG = LimitKind(_flag, _number_text, _larger)
PRODUCTS = LimitKind(_words(Product), _sorted_texts, _common)
SEGMENTS = LimitKind(_words(Segment), _sorted_texts, _common)
HOURS = LimitKind(_hours, _hours_texts, _common_hours)
