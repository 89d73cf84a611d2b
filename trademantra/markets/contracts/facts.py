"""Reading of the dated fact tables in `data/`: one CSV file a subject, each row with its dates, source and trust."""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from importlib import resources
from typing import TypeVar

from trademantra.core.errors import BadInputError, InvalidValueError, MissingFactError
from trademantra.core.money import decimal_of
from trademantra.core.time import parse_date

Row = TypeVar("Row")

_RANGE = re.compile(r"([\[(])([0-9.]+),([0-9.]*)([\])])")


class Confidence(StrEnum):
    """How far a row may be trusted (specs/india-markets.md, status words)."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included; None is open.

    >>> date(2026, 1, 1) in Period(date(2026, 1, 1), None)
    True
    """

    first: date | None = None
    last: date | None = None

    def __contains__(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)

    @classmethod
    def parse(cls, first: str, last: str) -> "Period":
        """From two texts YYYY-MM-DD; an empty one is open."""
        period = cls(parse_date(first) if first else None, parse_date(last) if last else None)
        if period.first and period.last and period.last < period.first:
            raise InvalidValueError(f"a period cannot end on {last}, before it begins on {first}")
        return period


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Prices between two bounds, written as in mathematics: `[250,1000]` has both, `(1000,5000]` not the lower.

    >>> Decimal(250) in PriceRange.parse("[250,1000]"), Decimal(1000) in PriceRange.parse("(1000,)")
    (True, False)
    """

    low: Decimal
    high: Decimal | None
    with_low: bool
    with_high: bool

    def __contains__(self, price: Decimal) -> bool:
        if price < self.low or (price == self.low and not self.with_low):
            return False
        return self.high is None or price < self.high or (price == self.high and self.with_high)

    @classmethod
    def parse(cls, text: str) -> "PriceRange":
        """Errors: `InvalidValueError` for anything but a bracket, one or two prices and a bracket."""
        found = _RANGE.fullmatch(text)
        if not found:
            raise InvalidValueError(f"{text!r} is not a price range", hint="examples: [0,250) and (20000,)")
        high = decimal_of(found[3], "upper bound") if found[3] else None
        return cls(decimal_of(found[2], "lower bound"), high, found[1] == "[", found[4] == "]")


ALWAYS = Period()
ANY_PRICE = PriceRange(Decimal(0), None, True, False)


def read_rows(file: str, build: Callable[[Mapping[str, str]], Row]) -> tuple[Row, ...]:
    """All rows of `data/<file>`, each built from its texts by column name.

    Errors: `BadInputError` with the line of the first row that cannot be built.
    """
    text = resources.files(__package__).joinpath("data", file).read_text(encoding="utf-8")
    rows: list[Row] = []
    for line, texts in enumerate(csv.DictReader(text.splitlines()), start=2):
        if None in texts or None in texts.values():
            raise BadInputError(file, "the number of cells differs from the header", line=line)
        try:
            rows.append(build(texts))
        except (InvalidValueError, ValueError, KeyError) as error:
            raise BadInputError(file, str(error), line=line) from error
    return tuple(rows)


def only_row(rows: Sequence[Row], table: str, what: str, *, hint: str) -> Row:
    """The single row that applies.

    Errors: `MissingFactError` when there is none; `InvalidValueError` when several apply, since a choice
    would be a guess (the shipped tables have none such; overrides may).
    """
    if not rows:
        raise MissingFactError(table, what, hint=hint)
    if len(rows) > 1:
        raise InvalidValueError(
            f"{len(rows)} rows of table {table!r} apply to {what}", hint="make their periods disjoint"
        )
    return rows[0]


def applying(
    overrides: Sequence[Row], shipped: Sequence[Row], applies: Callable[[Row], bool]
) -> Sequence[Row]:
    """Rows that apply: those of the caller win over all shipped ones, so every fact can be corrected."""
    chosen = [row for row in overrides if applies(row)]
    return chosen or [row for row in shipped if applies(row)]
