"""Freeze quantities, the largest order that an exchange takes at once, and slicing to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange
from trademantra.core.money import decimal_of, is_multiple, round_down
from trademantra.markets.contracts.facts import ALWAYS, Confidence, Period, applying, only_row, read_rows

TABLE = "freeze"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeRow:
    """One dated fact: an order above this quantity, in units, is frozen or rejected."""

    underlying: str
    freeze_quantity: Decimal
    exchange: Exchange = Exchange.NSE
    period: Period = ALWAYS
    source: str = "override"
    confidence: Confidence = Confidence.HIGH


def freeze_quantity(underlying: str, on: date, *, overrides: Sequence[FreezeRow] = ()) -> Decimal:
    """Largest quantity of one order in contracts of an underlying, in units.

    NSE recomputes it every month.  Months without a circular in hand (October 2025; from September 2026) and
    single stocks are missing facts, never carried over from the month before.
    Errors: `MissingFactError`.  Source: data/freeze.csv (specs/india-markets.md 2.3).

    >>> freeze_quantity("BANKNIFTY", date(2026, 5, 4))
    Decimal('900')
    """
    return freeze_row(underlying, on, overrides=overrides).freeze_quantity


def freeze_row(underlying: str, on: date, *, overrides: Sequence[FreezeRow] = ()) -> FreezeRow:
    """As `freeze_quantity`, with its source and confidence."""

    def applies(row: FreezeRow) -> bool:
        return row.underlying == underlying and on in row.period

    return only_row(
        applying(overrides, freeze_rows(), applies),
        TABLE,
        f"{underlying} on {on}",
        hint="load the exchange's NSE_FO_contract_ddmmyyyy.csv.gz or a broker's instrument file "
        "(freeze_quantity), or pass an override",
    )


def slice_quantity(quantity: Decimal, lot_size: Decimal, freeze_quantity: Decimal) -> tuple[Decimal, ...]:
    """Quantities of the child orders: each a lot multiple, none above the freeze quantity, as few as possible.

    Every child is an order of its own: it counts for the order-rate limit and may fail alone.
    Errors: `InvalidValueError` for a quantity that is not a positive lot multiple, or a freeze quantity
    below one lot.  Source: specs/india-markets.md 2.3.

    >>> [int(child) for child in slice_quantity(Decimal(3900), Decimal(65), Decimal(1800))]
    [1755, 1755, 390]
    """
    if lot_size <= 0:
        raise InvalidValueError(f"a lot must be positive, got {lot_size}")
    if quantity <= 0 or not is_multiple(quantity, lot_size):
        raise InvalidValueError(
            f"quantity {quantity} is not a positive multiple of the lot {lot_size}",
            hint=f"the next smaller one is {round_down(max(quantity, Decimal(0)), lot_size)}",
        )
    largest = round_down(freeze_quantity, lot_size)
    if largest <= 0:
        raise InvalidValueError(f"freeze quantity {freeze_quantity} is below one lot of {lot_size}")
    full, rest = divmod(quantity, largest)
    return (largest,) * int(full) + ((rest,) if rest else ())


@cache
def freeze_rows() -> tuple[FreezeRow, ...]:
    """The shipped rows."""
    return read_rows("freeze.csv", _freeze_row)


def _freeze_row(texts: Mapping[str, str]) -> FreezeRow:
    return FreezeRow(
        exchange=Exchange(texts["exchange"]),
        underlying=texts["underlying"],
        freeze_quantity=decimal_of(texts["freeze_quantity"], "freeze_quantity"),
        period=Period.parse(texts["from"], texts["to"]),
        source=texts["source"],
        confidence=Confidence(texts["confidence"]),
    )
