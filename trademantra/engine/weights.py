"""From target weights to orders: the parts that the size of the rules says, the quantities, what cash covers."""

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.charging import LEVY_COUNT, charge_of
from trademantra.engine.compile import part
from trademantra.engine.matching import whole_lots
from trademantra.engine.records import RecordArray, RulesRecord
from trademantra.engine.sizing import IN_SLOTS, OF_EQUITY, OF_INVERSE, affordable_buy

if TYPE_CHECKING:
    from trademantra.engine.panel import WeightKernel

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


@part
def worth_of(rules: RulesRecord, accounts: RecordArray, last: Float64Array, cash: float) -> float:
    """Cash and positions at their last closes."""
    for j in range(len(accounts)):
        if accounts[j].quantity != 0.0:
            cash += accounts[j].quantity * rules.multiplier * last[j]
    return cash


@part
def orders_of(
    weigh: "WeightKernel",
    rules: RulesRecord,
    charges: RecordArray,
    accounts: RecordArray,
    values: Float64Array,
    i: int,
    day: int,
    parameters: Float64Array,
    state: Float64Array,
    last: Float64Array,
    cash: float,
    equity: float,
    weights: Float64Array,
    orders: Float64Array,
    counts: Int64Array,
) -> bool:
    """The signed quantities that take each instrument to its weight at the close of bar `i`, from `equity` there.

    False when a weight is not a number.  As live, purchases are cut here to the `cash` that sales at the closes leave.
    """
    m = len(weights)
    factor = rules.size if rules.size_kind == OF_EQUITY else 1.0
    for j in range(m):
        weights[j] = 0.0
    weigh(values, i, parameters, state, weights)
    for j in range(m):
        if not np.isfinite(weights[j]):
            counts[3], counts[4] = i, j
            return False
        if weights[j] < 0.0 and rules.allow_short == 0:
            weights[j] = 0.0
            counts[2] += 1
    counts[2] += reweigh(rules, values, i, weights)
    for j in range(m):
        weight = weights[j]
        orders[j] = 0.0
        if values[CLOSE, i, j] != values[CLOSE, i, j]:
            continue  # no price: neither bought nor sold now
        unit = last[j] * rules.multiplier
        goal = whole_lots(rules.lot, abs(weight) * equity * factor / unit) * (1.0 if weight > 0.0 else -1.0)
        orders[j] = goal - accounts[j].quantity
        if abs(orders[j]) * unit <= 1e-9 * equity:
            orders[j] = 0.0  # a rounding residue is no order
    if rules.as_live == 1:
        counts[2] += cut_purchases(rules, charges, accounts, last, cash, day, orders)
    return True


@part
def cut_purchases(
    rules: RulesRecord,
    charges: RecordArray,
    accounts: RecordArray,
    last: Float64Array,
    cash: float,
    day: int,
    orders: Float64Array,
) -> int:
    """Let every purchase be covered by the cash that is left at the last closes; the number of those that vanish."""
    scratch = np.zeros(LEVY_COUNT)
    worth = np.empty(len(orders))
    for j in range(len(orders)):
        worth[j] = orders[j] * last[j] if orders[j] != 0.0 else 0.0
    refused = 0
    for j in np.argsort(worth, kind="mergesort"):
        if orders[j] == 0.0:
            continue
        unit = last[j] * rules.multiplier
        side = 1 if orders[j] > 0.0 else -1
        quantity = abs(orders[j])
        if side > 0:
            covers = min(quantity, max(0.0, -accounts[j].quantity))
            free = cash - covers * unit
            opens = whole_lots(
                rules.lot, min(quantity - covers, affordable_buy(rules, charges, free, last[j], day, scratch))
            )
            if opens <= 0.0 and quantity > covers:
                refused += 1
            quantity = covers + max(0.0, opens)
            orders[j] = quantity
            if quantity == 0.0:
                continue
        value = quantity * unit
        cash -= side * value + charge_of(
            charges, scratch, side, value, quantity * rules.multiplier, day, False
        )
    return refused
