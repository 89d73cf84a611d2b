"""Specs and memories as JSON and back: exact, typed by their fields, with a version.

A spec is written once and read by every later version of the product: a field that is added needs a default.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from math import isnan, nan
from types import NoneType, UnionType
from typing import TypeVar, Union, cast, get_args, get_origin, get_type_hints

from trademantra.core.errors import BadInputError
from trademantra.core.instrument import Instrument
from trademantra.trading.terms import instrument_of_words, instrument_words

VERSION = 1
T = TypeVar("T")


def to_json(value: object) -> str:
    """A dataclass of numbers, words, instruments and other such dataclasses.  NaN is written as null."""
    return json.dumps({"version": VERSION, **_words_of(value)}, separators=(",", ":"), sort_keys=True)


def from_json(kind: type[T], text: str, what: str) -> T:
    """Inverse of `to_json`.  Errors: `BadInputError` naming `what` for another version or form."""
    try:
        words = json.loads(text)
        if words.pop("version") != VERSION:
            raise BadInputError(what, "it was written by another version", hint="update the product")
        return cast(T, _read(kind, words))
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise BadInputError(what, f"it cannot be read: {error}") from error


def _words_of(value: object) -> dict[str, object]:
    return {field.name: _plain(getattr(value, field.name)) for field in _written(value)}


def _written(value: object) -> "list[Field[object]]":
    return [field for field in fields(value) if field.compare]  # type: ignore[arg-type]  # a dataclass, by contract


def _plain(value: object) -> object:
    if isinstance(value, Instrument):
        return instrument_words(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float):
        return None if isnan(value) else value
    if isinstance(value, frozenset):
        return sorted(_plain(each) for each in value)  # type: ignore[type-var]  # words
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return _words_of(value) if is_dataclass(value) else value


def _read(kind: object, words: object) -> object:
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if words is None and NoneType in options:
        return None
    [only] = [option for option in options if option is not NoneType]
    origin = get_origin(only)
    if origin in (tuple, frozenset):
        items = cast(list[object], words)
        return origin(_read(get_args(only)[0], each) for each in items)
    return _read_one(cast(type, only), words)


def _read_one(kind: type, words: object) -> object:
    if kind is Instrument:
        return instrument_of_words(cast(Mapping[str, str], words))
    if issubclass(kind, Enum):
        return kind(words)
    if kind is Decimal:
        return Decimal(cast(str, words))
    if kind is float:
        return nan if words is None else float(cast(float, words))
    if is_dataclass(kind):
        return _read_dataclass(kind, cast(Mapping[str, object], words))
    if not isinstance(words, kind):
        raise TypeError(f"{words!r} is no {kind.__name__}")
    return words


def _read_dataclass(kind: type, words: Mapping[str, object]) -> object:
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind) if field.compare}
    if not set(words) <= set(known):
        raise ValueError(f"unknown fields {sorted(set(words) - set(known))}")
    missing = [
        name
        for name, field in known.items()
        if name not in words and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise ValueError(f"missing fields {missing}")
    return kind(**{name: _read(hints[name], value) for name, value in words.items()})
