"""Target weights that the size of the rules replaces: equal parts, or parts by inverse volatility."""

from math import nan

import numpy as np

from trademantra.engine.bars import Float64Array
from trademantra.engine.compile import part
from trademantra.engine.records import RulesRecord
from trademantra.engine.sizing import IN_SLOTS, OF_INVERSE

CLOSE = 3  # row of a panel's values
RETURNS = 20  # in the volatility of an instrument


@part
def deviation_at(values: Float64Array, i: int, j: int) -> float:
    """Sample deviation of the last 20 returns of instrument j up to bar i, over the bars that it has; NaN before."""
    returns = np.empty(RETURNS)
    found = 0
    later = nan
    for k in range(i, -1, -1):
        close = values[CLOSE, k, j]
        if close != close:
            continue
        if later == later:
            returns[found] = later / close - 1.0
            found += 1
            if found == RETURNS:
                return float(np.sqrt(np.sum((returns - returns.mean()) ** 2) / (RETURNS - 1)))
        later = close
    return nan


@part
def reweigh(rules: RulesRecord, values: Float64Array, i: int, weights: Float64Array) -> int:
    """Give the chosen instruments the parts that the size says, on the sides that their weights say.

    Returns how many had no known volatility, which are not held.  Other sizes leave the weights as they are.
    """
    m = len(weights)
    unknown = 0
    if rules.size_kind == IN_SLOTS:
        chosen = 0
        for j in range(m):
            chosen += 1 if weights[j] != 0.0 else 0
        for j in range(m):
            weights[j] = np.sign(weights[j]) / max(rules.size, float(chosen))
    if rules.size_kind == OF_INVERSE:
        total = 0.0
        for j in range(m):
            if weights[j] == 0.0:
                continue
            yearly = deviation_at(values, i, j) * np.sqrt(rules.size_periods)
            if yearly > 0.0:
                weights[j] = np.sign(weights[j]) * rules.size / yearly
                total += abs(weights[j])
            else:
                weights[j] = 0.0
                unknown += 1
        for j in range(m):
            weights[j] /= max(1.0, total)
    return unknown
