"""Tick sizes by class of instrument, price band and day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange
from trademantra.core.money import decimal_of
from trademantra.markets.contracts.classes import InstrumentClass
from trademantra.markets.contracts.facts import (
    ALWAYS,
    ANY_PRICE,
    Confidence,
    Period,
    PriceRange,
    applying,
    only_row,
    read_rows,
)

TABLE = "ticks"


@dataclass(frozen=True, slots=True, kw_only=True)
class TickRow:
    """One dated fact: instruments of this class whose reference price lies in `prices` move by `tick_size`."""

    instrument_class: InstrumentClass
    tick_size: Decimal
    exchange: Exchange = Exchange.NSE
    prices: PriceRange = ANY_PRICE
    period: Period = ALWAYS
    source: str = "override"
    confidence: Confidence = Confidence.HIGH


def tick_size(
    exchange: Exchange,
    instrument_class: InstrumentClass,
    reference_price: Decimal,
    on: date,
    *,
    overrides: Sequence[TickRow] = (),
) -> Decimal:
    """Smallest price step, in rupees.

    `reference_price` is what the exchange looks at: the close of the last month's end of the share itself or
    of the underlying of a future or option (ticks are reviewed monthly and do not change in between, not
    even on a split); for index futures the level of the index.
    Errors: `MissingFactError`; `InvalidValueError` for a negative price.
    Source: data/ticks.csv (specs/india-markets.md 2.4).

    >>> tick_size(Exchange.NSE, InstrumentClass.SHARE, Decimal("1000.05"), date(2026, 11, 20))
    Decimal('0.10')
    """
    return tick_row(exchange, instrument_class, reference_price, on, overrides=overrides).tick_size


def tick_row(
    exchange: Exchange,
    instrument_class: InstrumentClass,
    reference_price: Decimal,
    on: date,
    *,
    overrides: Sequence[TickRow] = (),
) -> TickRow:
    """As `tick_size`, with its band, source and confidence."""
    if not reference_price >= 0:
        raise InvalidValueError(f"a reference price cannot be negative, got {reference_price}")

    def applies(row: TickRow) -> bool:
        return (
            row.exchange is exchange
            and row.instrument_class is instrument_class
            and on in row.period
            and reference_price in row.prices
        )

    return only_row(
        applying(overrides, tick_rows(), applies),
        TABLE,
        f"{exchange} {instrument_class} at {reference_price} on {on}",
        hint="import the broker's instrument file, which carries the tick of every contract, or pass an override",
    )


@cache
def tick_rows() -> tuple[TickRow, ...]:
    """The shipped rows."""
    return read_rows("ticks.csv", _tick_row)


def _tick_row(texts: Mapping[str, str]) -> TickRow:
    return TickRow(
        exchange=Exchange(texts["exchange"]),
        instrument_class=InstrumentClass(texts["class"]),
        prices=PriceRange.parse(texts["prices"]),
        tick_size=decimal_of(texts["tick_size"], "tick_size"),
        period=Period.parse(texts["from"], texts["to"]),
        source=texts["source"],
        confidence=Confidence(texts["confidence"]),
    )
