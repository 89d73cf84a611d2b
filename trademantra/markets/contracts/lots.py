"""Lot sizes by underlying, expiry and day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from trademantra.core.instrument import Exchange
from trademantra.core.money import decimal_of
from trademantra.markets.contracts.facts import ALWAYS, Confidence, Period, applying, only_row, read_rows

TABLE = "lots"


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRow:
    """One dated fact: contracts of `underlying` that expire in `expiries` have this lot on the days of `traded`.

    Both are needed since lots change by expiry, and an exchange may change a living contract on a day.
    `unit` says what is counted; Indian index and stock contracts count units of the underlying.
    """

    underlying: str
    lot_size: Decimal
    exchange: Exchange = Exchange.NSE
    expiries: Period = ALWAYS
    traded: Period = ALWAYS
    unit: str = "units"
    source: str = "override"
    confidence: Confidence = Confidence.HIGH


def lot_size(underlying: str, expiry: date, on: date, *, overrides: Sequence[LotRow] = ()) -> Decimal:
    """Lot of the contract that expires on `expiry`, as it is on day `on`, in the unit of its row.

    The shipped table covers the index contracts from 2023 on and the large MCX ones.  Lots of single stocks are
    not in it: they change by circular and expiry, so they come from the broker's instrument file.
    Errors: `MissingFactError`.  Source: data/lots.csv (specs/india-markets.md 2.1).

    >>> lot_size("NIFTY", date(2026, 1, 27), date(2026, 1, 2)), lot_size("NIFTY", date(2025, 12, 30), date(2025, 12, 1))
    (Decimal('65'), Decimal('75'))
    """
    return lot_row(underlying, expiry, on, overrides=overrides).lot_size


def lot_row(underlying: str, expiry: date, on: date, *, overrides: Sequence[LotRow] = ()) -> LotRow:
    """As `lot_size`, with the unit, the source and the confidence."""

    def applies(row: LotRow) -> bool:
        return row.underlying == underlying and expiry in row.expiries and on in row.traded

    return only_row(
        applying(overrides, lot_rows().get(underlying, ()), applies),
        TABLE,
        f"{underlying} expiring {expiry} on {on}",
        hint="import the broker's instrument file, which carries the lot of every contract, or pass an override",
    )


@cache
def lot_rows() -> Mapping[str, tuple[LotRow, ...]]:
    """The shipped rows by underlying."""
    rows: dict[str, list[LotRow]] = {}
    for row in read_rows("lots.csv", _lot_row):
        rows.setdefault(row.underlying, []).append(row)
    return {underlying: tuple(found) for underlying, found in rows.items()}


def _lot_row(texts: Mapping[str, str]) -> LotRow:
    return LotRow(
        exchange=Exchange(texts["exchange"]),
        underlying=texts["underlying"],
        lot_size=decimal_of(texts["lot_size"], "lot_size"),
        unit=texts["unit"],
        expiries=Period.parse(texts["expiry_from"], texts["expiry_to"]),
        traded=Period.parse(texts["from"], texts["to"]),
        source=texts["source"],
        confidence=Confidence(texts["confidence"]),
    )
