"""Charges inside the compiled core: the numeric rules of `markets.charges`, evaluated fill by fill."""

import numpy as np

from trademantra.engine.bars import Float64Array
from trademantra.engine.compile import part
from trademantra.engine.records import RecordArray

BASE_BUY, BASE_SELL, BASE_TURNOVER, BASE_ORDER, BASE_SELL_DAY = range(5)
GST_LEVY = 6
CHARGE_RULE = np.dtype(
    [
        ("levy", "i8"),
        ("base", "i8"),
        ("rate", "f8"),
        ("fixed", "f8"),
        ("floor", "f8"),
        ("cap", "f8"),
        ("gst", "f8"),
        ("from_day", "i8"),
        ("to_day", "i8"),
    ]
)

LEVIES = 10


@part
def charge_of(
    charges: RecordArray,
    levies: Float64Array,
    side: int,
    value: float,
    day: int,
    first_sale_of_day: bool,
) -> float:
    """Costs of one execution of `value` on `day` (days since 1970-01-01); `levies` (10,) grows by each line."""
    total = 0.0
    for r in range(len(charges)):
        rule = charges[r]
        if day < rule.from_day or day > rule.to_day:
            continue
        if rule.base == BASE_BUY and side < 0:
            continue
        if rule.base == BASE_SELL and side > 0:
            continue
        if rule.base == BASE_SELL_DAY and (side > 0 or not first_sale_of_day):
            continue
        amount = min(max(rule.fixed + rule.rate * value, rule.floor), rule.cap)
        tax = amount * rule.gst
        levies[rule.levy] += amount
        levies[GST_LEVY] += tax
        total += amount + tax
    return total


def no_charges() -> RecordArray:
    """An empty rule table: trading costs nothing."""
    return np.empty(0, CHARGE_RULE)
