"""Market protection: the limit price that stands in for a market order, which Indian APIs no longer take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from trademantra.core.errors import InvalidValueError
from trademantra.core.money import decimal_of, round_down, round_up
from trademantra.core.order import Side
from trademantra.markets.contracts.facts import (
    ALWAYS,
    Confidence,
    Period,
    PriceRange,
    applying,
    only_row,
    read_rows,
)

TABLE = "protection"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionSlab:
    """Reference prices in `prices` are protected by `percent`; options and everything else have own slabs."""

    is_option: bool
    prices: PriceRange
    percent: Decimal
    period: Period = ALWAYS
    source: str = "override"
    confidence: Confidence = Confidence.HIGH


def protection_percent(
    is_option: bool, price: Decimal, *, on: date | None = None, overrides: Sequence[ProtectionSlab] = ()
) -> Decimal:
    """How far from the reference price, in percent, a protected order may trade.

    Without `on` the slabs that are in force now.  The first ones hold from 2025-10-01, when brokers began to
    refuse unprotected orders; a day before has none.
    Errors: `InvalidValueError` for a price that is not positive; `MissingFactError`.
    Source: data/protection.csv (specs/brokers.md 0.3).

    >>> protection_percent(True, Decimal("9.95")), protection_percent(False, Decimal("1450"))
    (Decimal('5'), Decimal('0.5'))
    """
    if not price > 0:
        raise InvalidValueError(f"a reference price must be positive, got {price}")

    def applies(slab: ProtectionSlab) -> bool:
        in_force = slab.period.last is None if on is None else on in slab.period
        return in_force and slab.is_option == is_option and price in slab.prices

    return only_row(
        applying(overrides, protection_slabs(), applies),
        TABLE,
        f"{'an option' if is_option else 'a share or future'} at {price} on {on or 'the present day'}",
        hint="pass a slab that covers the price and the day",
    ).percent


def protected_price(
    side: Side,
    reference_price: Decimal,
    *,
    percent: Decimal,
    tick_size: Decimal,
    lower_circuit: Decimal | None = None,
    upper_circuit: Decimal | None = None,
) -> Decimal:
    """Limit price of a market order: `percent` beyond the reference, rounded outward to the tick.

    A buy is rounded up and never above the upper circuit limit, a sell down and never below the lower one;
    a circuit limit off the grid is first brought onto it, inward.  A sell is at least one tick.
    Errors: `InvalidValueError`.  Source: specs/brokers.md 0.3.

    >>> protected_price(Side.BUY, Decimal("100.10"), percent=Decimal(2), tick_size=Decimal("0.05"))
    Decimal('102.15')
    """
    if not reference_price > 0:
        raise InvalidValueError(f"a reference price must be positive, got {reference_price}")
    if not 0 <= percent < 100:
        raise InvalidValueError(f"a protection of {percent} percent is not within 0 and 100")
    beyond = reference_price * (1 + side.sign * percent / 100)
    outward = round_up(beyond, tick_size) if side is Side.BUY else round_down(beyond, tick_size)
    return _within(outward, tick_size, lower_circuit, upper_circuit)


def protected_stop_limit(
    side: Side,
    trigger_price: Decimal,
    *,
    percent: Decimal,
    tick_size: Decimal,
    lower_circuit: Decimal | None = None,
    upper_circuit: Decimal | None = None,
) -> Decimal:
    """Limit price of a stop order that stands in for SL-M: as `protected_price` of the trigger, but at least
    one tick beyond it.

    Errors: `InvalidValueError` when the circuit limit leaves no tick beyond the trigger.
    Source: specs/brokers.md 0.3.

    >>> protected_stop_limit(Side.SELL, Decimal("0.50"), percent=Decimal(5), tick_size=Decimal("0.05"))
    Decimal('0.45')
    """
    limit = protected_price(
        side,
        trigger_price,
        percent=percent,
        tick_size=tick_size,
        lower_circuit=lower_circuit,
        upper_circuit=upper_circuit,
    )
    one_beyond = trigger_price + side.sign * tick_size
    onto_tick = round_up(one_beyond, tick_size) if side is Side.BUY else round_down(one_beyond, tick_size)
    outermost = max(limit, onto_tick) if side is Side.BUY else min(limit, onto_tick)
    limit = _within(outermost, tick_size, lower_circuit, upper_circuit)
    if (limit - trigger_price) * side.sign < tick_size:
        raise InvalidValueError(
            f"no limit price is left beyond the trigger {trigger_price}: the day's range ends at {limit}",
            hint="move the trigger at least one tick inside the circuit limit",
        )
    return limit


def _within(
    price: Decimal,
    tick_size: Decimal,
    lower_circuit: Decimal | None,
    upper_circuit: Decimal | None,
) -> Decimal:
    lowest = max(tick_size, round_up(lower_circuit, tick_size) if lower_circuit is not None else tick_size)
    highest = round_down(upper_circuit, tick_size) if upper_circuit is not None else None
    if highest is not None and highest < lowest:
        raise InvalidValueError(
            f"circuit limits {lower_circuit} and {upper_circuit} hold no price on the tick"
        )
    if highest is not None:
        price = min(price, highest)
    return max(price, lowest)


@cache
def protection_slabs() -> tuple[ProtectionSlab, ...]:
    """The shipped slabs."""
    return read_rows("protection.csv", _slab)


def _slab(texts: Mapping[str, str]) -> ProtectionSlab:
    families = {"options": True, "cash_and_futures": False}
    return ProtectionSlab(
        is_option=families[texts["family"]],
        prices=PriceRange.parse(texts["prices"]),
        percent=decimal_of(texts["percent"], "percent"),
        period=Period.parse(texts["from"], texts["to"]),
        source=texts["source"],
        confidence=Confidence(texts["confidence"]),
    )
