"""One account: cash and position under executions, and the running trade.

Invariants, after every call:
- equity = cash + quantity x multiplier x price; a fill changes it by its costs and its slippage only;
- a position is flat, long or short, never both; a reversal is an exit and then an entry.
"""

from math import nan

from trademantra.engine.bars import Float64Array
from trademantra.engine.charging import charge_of
from trademantra.engine.compile import part
from trademantra.engine.matching import DUST
from trademantra.engine.records import (
    AccountRecord,
    FillRecord,
    Reason,
    RecordArray,
    RulesRecord,
    TradeRecord,
)

NO_REASON = int(Reason.NONE)  # numba reads plain integers faster to compile than enum members


@part
def open_account(account: AccountRecord, rules: RulesRecord) -> None:
    """Make a zeroed record an account with its opening cash and nothing working."""
    account.cash = rules.cash
    account.equity = rules.cash
    account.peak_equity = rules.cash
    account.day_equity = rules.cash
    account.stop = nan
    account.target = nan
    account.entry_left = nan
    account.last_sell_day = -1


@part
def equity_at(account: AccountRecord, rules: RulesRecord, price: float) -> float:
    return account.cash + account.quantity * rules.multiplier * price


@part
def sign_of(quantity: float) -> int:
    if quantity > 0.0:
        return 1
    return -1 if quantity < 0.0 else 0


@part
def execute(
    account: AccountRecord,
    rules: RulesRecord,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    index: int,
    day: int,
    side: int,
    price: float,
    quantity: float,
    reason: int,
) -> None:
    """Book one execution: cash, position, costs and the running trade."""
    value = price * quantity * rules.multiplier
    # a holding of an earlier day leaves the demat account: one debit a day (base SELL_DAY)
    debit = side < 0 and account.quantity > 0.0 and account.entry_day < day and account.last_sell_day != day
    costs = charge_of(charges, levies, side, value, quantity * rules.multiplier, day, debit)
    if debit:
        account.last_sell_day = day
    account.cash -= side * value + costs
    account.costs += costs
    account.turnover += value
    account.trade_costs += costs
    if account.fills < len(fills):
        fill: FillRecord = fills[account.fills]
        fill.instrument = 0
        fill.index = index
        fill.side = side
        fill.quantity = quantity
        fill.price = price
        fill.costs = costs
        fill.reason = reason
    account.fills += 1
    if account.quantity * side >= 0.0:
        if account.quantity == 0.0:
            account.average = price
            account.entry_index = index
            account.entry_day = day
        # written so that equal prices average to that price, to the bit
        account.average += (price - account.average) * (quantity / (abs(account.quantity) + quantity))
        account.quantity += side * quantity
        account.trade_quantity += quantity
        account.trade_entry_value += value
        return
    account.quantity += side * quantity
    if abs(account.quantity) <= DUST * max(1.0, account.trade_quantity):
        account.quantity = 0.0
    account.trade_exit_quantity += quantity
    account.trade_exit_value += value


@part
def finish_trade(
    account: AccountRecord,
    rules: RulesRecord,
    trades: RecordArray,
    side: int,
    index: int,
    reason: int,
    slot: int,
) -> None:
    """The position went flat: score the round trip, write it to `trades[slot]` if there is room, forget it."""
    gross = side * (account.trade_exit_value - account.trade_entry_value)
    net = gross - account.trade_costs
    if slot < len(trades):
        trade: TradeRecord = trades[slot]
        trade.instrument = 0
        trade.side = side
        trade.entry_index = account.entry_index
        trade.exit_index = index
        trade.quantity = account.trade_quantity
        trade.entry_price = account.trade_entry_value / (account.trade_quantity * rules.multiplier)
        trade.exit_price = account.trade_exit_value / (account.trade_exit_quantity * rules.multiplier)
        trade.gross = gross
        trade.costs = account.trade_costs
        trade.net = net
        trade.reason = reason
    if account.trades == 0 or net > account.best_trade:
        account.best_trade = net
    if account.trades == 0 or net < account.worst_trade:
        account.worst_trade = net
    account.trades += 1
    account.bars_held += index - account.entry_index
    if net > 0.0:
        account.wins += 1
        account.gross_profit += net
        account.sum_win_return += net / account.trade_entry_value
        account.losing_run = 0
    else:
        account.gross_loss += net
        account.sum_loss_return += net / account.trade_entry_value
        account.losing_run += 1
        account.longest_losing_run = max(account.longest_losing_run, account.losing_run)
    account.entries = 0
    account.average = 0.0
    account.stop = nan
    account.target = nan
    account.exit_reason = NO_REASON
    account.trade_quantity = 0.0
    account.trade_entry_value = 0.0
    account.trade_exit_value = 0.0
    account.trade_exit_quantity = 0.0
    account.trade_costs = 0.0
    if account.entry_fresh == 0:  # the rest of a partly filled entry goes with its position
        account.entry_side = 0
        account.entry_left = nan
