"""How much an entry buys: what the sizing rule asks for, and what equity covers."""

from math import nan

import numpy as np

from trademantra.engine.account import NO_REASON, equity_at
from trademantra.engine.bars import Float64Array
from trademantra.engine.charging import LEVY_COUNT, charge_of
from trademantra.engine.compile import part
from trademantra.engine.matching import DUST, whole_lots
from trademantra.engine.records import AccountRecord, LevelKind, RecordArray, RulesRecord, SizeKind

# numba reads plain integers faster to compile than enum members
PERCENT, POINTS, ATR = int(LevelKind.PERCENT), int(LevelKind.POINTS), int(LevelKind.ATR)
FIXED_QUANTITY, FIXED_CASH, OF_EQUITY = int(SizeKind.QUANTITY), int(SizeKind.CASH), int(SizeKind.EQUITY)
OF_RISK, OF_ATR = int(SizeKind.RISK), int(SizeKind.ATR_TARGET)
OF_VOLATILITY, OF_KELLY = int(SizeKind.VOLATILITY_TARGET), int(SizeKind.KELLY)
IN_SLOTS, OF_INVERSE = int(SizeKind.EQUAL), int(SizeKind.INVERSE_VOLATILITY)

KELLY_LEAST_TRADES = 20  # before that many closed trades the Kelly fraction is not an estimate of anything


@part
def affordable(
    account: AccountRecord, rules: RulesRecord, charges: RecordArray, side: int, price: float, day: int
) -> float:
    """Largest quantity whose margin and costs the free equity covers; 0 when there is none."""
    held = 0.0 if account.exit_reason != NO_REASON else abs(account.quantity)  # what leaves ties nothing
    tied = held * rules.multiplier * price * rules.margin + account.reserved
    equity = equity_at(account, rules, price)
    free = equity - tied
    unit = price * rules.multiplier
    if free <= DUST * equity or free <= 0.0 or unit <= 0.0:  # a rounding residue buys nothing
        return 0.0
    scratch = np.zeros(LEVY_COUNT)
    quantity = free / (unit * rules.margin)
    costs = charge_of(charges, scratch, side, quantity * unit, quantity * rules.multiplier, day, False)
    for _ in range(
        40
    ):  # exact at once for proportional costs; caps, floors and fees settle in the next rounds
        before = quantity
        quantity = free / (unit * (rules.margin + costs / (quantity * unit)))
        costs = charge_of(charges, scratch, side, quantity * unit, quantity * rules.multiplier, day, False)
        if abs(quantity - before) <= 1e-13 * quantity:
            break
    excess = quantity * unit * rules.margin + costs - free
    if excess > 1e-9 * free:
        quantity = max(0.0, (free - costs) / (unit * rules.margin))
    return quantity


@part
def level_distance(kind: int, value: float, price: float, atr: float) -> float:
    """Distance of a protective level from `price`; NaN when there is none or the range is not known yet."""
    if kind == PERCENT:
        return price * value / 100.0
    if kind == POINTS:
        return value
    if kind == ATR:
        return atr * value
    return nan


@part
def wanted(account: AccountRecord, rules: RulesRecord, side: int, price: float) -> float:
    """Quantity that the sizing rule asks for, before margin and lots; 0 when it cannot be known yet."""
    value = price * rules.multiplier
    equity = equity_at(account, rules, price)
    if rules.size_kind == FIXED_QUANTITY:
        return rules.size
    if rules.size_kind == FIXED_CASH:
        return rules.size / value
    if rules.size_kind == OF_EQUITY:
        return equity * rules.size / value
    if rules.size_kind == OF_RISK:
        stop = account.entry_stop
        distance = (
            side * (price - stop)
            if stop == stop
            else level_distance(rules.stop_kind, rules.stop, price, account.entry_atr)
        )
        return equity * rules.size / (distance * rules.multiplier) if distance > 0.0 else 0.0
    if rules.size_kind == OF_ATR:
        return (
            equity * rules.size / (account.entry_atr * rules.multiplier) if account.entry_atr > 0.0 else 0.0
        )
    if rules.size_kind == OF_VOLATILITY:
        yearly = account.entry_deviation * np.sqrt(rules.size_periods)
        return equity * rules.size / yearly / value if yearly > 0.0 else 0.0
    if rules.size_kind == IN_SLOTS:  # the entries of a position share its slot
        return equity / (rules.size * rules.max_entries) / value
    if rules.size_kind == OF_INVERSE:
        yearly = account.entry_deviation * np.sqrt(rules.size_periods)
        share = min(1.0, rules.size / yearly) if yearly > 0.0 else 0.0
        return equity * share / rules.max_entries / value
    # Kelly: f = W - (1 - W) / R, W the share of winners, R the ratio of average win to average loss
    # (Kelly 1956, as used for trades).  One lot, or nothing where lots are not set, until there are enough trades.
    losers = account.trades - account.wins
    if (
        account.trades < KELLY_LEAST_TRADES
        or account.wins == 0
        or losers == 0
        or account.sum_loss_return == 0.0
    ):
        return rules.lot
    share = account.wins / account.trades
    ratio = (account.sum_win_return / account.wins) / (-account.sum_loss_return / losers)
    return max(0.0, equity * rules.size * (share - (1.0 - share) / ratio) / value)


@part
def sized(
    account: AccountRecord,
    rules: RulesRecord,
    charges: RecordArray,
    side: int,
    own: float,
    price: float,
    day: int,
) -> float:
    """Whole lots of what is wanted (`own` where the strategy said it, else NaN) and affordable at `price`."""
    quantity = wanted(account, rules, side, price) if own != own else own
    return whole_lots(rules.lot, min(quantity, affordable(account, rules, charges, side, price, day)))


@part
def affordable_buy(
    rules: RulesRecord, charges: RecordArray, free: float, price: float, day: int, scratch: Float64Array
) -> float:
    """Largest quantity whose price and costs `free` cash covers."""
    unit = price * rules.multiplier
    if free <= 0.0:
        return 0.0
    quantity = free / unit
    for _ in range(3):
        costs = charge_of(charges, scratch, 1, quantity * unit, quantity * rules.multiplier, day, False)
        quantity = free / (unit + costs / quantity)
    excess = (
        quantity * unit
        + charge_of(charges, scratch, 1, quantity * unit, quantity * rules.multiplier, day, False)
        - free
    )
    return max(0.0, quantity - max(0.0, excess) / unit)
