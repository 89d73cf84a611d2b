"""Charges inside the compiled core: the numeric rules of `markets.charges`, evaluated fill by fill."""

import numpy as np

from trademantra.engine.bars import Float64Array
from trademantra.engine.compile import part
from trademantra.engine.records import RecordArray
from trademantra.markets.charges.numeric import BASES, CHARGE_RULE, LEVIES
from trademantra.markets.charges.rules import Base, Levy

LEVY_COUNT = len(LEVIES)
GST = LEVIES.index(Levy.GST)
BUY, SELL = BASES.index(Base.BUY), BASES.index(Base.SELL)
SELL_ORDER, SELL_DAY = BASES.index(Base.SELL_ORDER), BASES.index(Base.SELL_DAY)
UNITS, SELL_UNITS = BASES.index(Base.UNITS), BASES.index(Base.SELL_UNITS)


@part
def charge_of(
    charges: RecordArray, levies: Float64Array, side: int, value: float, units: float, day: int, debit: bool
) -> float:
    """Costs of one executed order of `units` worth `value` on `day` (days since 1970-01-01).

    `debit`: this sale is the day's first of a holding from an earlier day.  `levies` (9,) grows by each line.
    """
    total = 0.0
    for r in range(len(charges)):
        rule = charges[r]
        base = rule.base
        if day < rule.from_day or day > rule.to_day or (base == BUY and side < 0):
            continue
        if side > 0 and base in (SELL, SELL_ORDER, SELL_UNITS, SELL_DAY):
            continue
        if base == SELL_DAY and not debit:
            continue
        amount = rule.fixed * (units if base in (UNITS, SELL_UNITS) else 1.0) + rule.rate * value
        amount = min(max(amount, rule.floor), rule.cap)  # floor 0 and cap inf where a rule has none
        tax = amount * rule.gst
        levies[rule.levy] += amount
        levies[GST] += tax
        total += amount + tax
    return float(total)


def no_charges() -> RecordArray:
    """An empty rule table: trading costs nothing."""
    return np.empty(0, CHARGE_RULE)


def by_levy(levies: Float64Array) -> dict[str, float]:
    """Names and amounts of the lines that are not zero."""
    return {levy.value: float(amount) for levy, amount in zip(LEVIES, levies, strict=True) if amount != 0.0}
