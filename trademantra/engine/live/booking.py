"""The engine's parts that a live run calls one at a time, compiled: decisions, closes, and fills of an exchange."""

from trademantra.engine.account import NO_REASON, execute
from trademantra.engine.bars import Float64Array
from trademantra.engine.compile import compiled
from trademantra.engine.records import ACCOUNT, FILL, RULES, TRADE, RecordArray
from trademantra.engine.signature import INDEX, NOTHING, NUMBER, VECTOR, records
from trademantra.engine.step import BY_SIGNAL, ENTRY, age_entry, book_entry, book_exit, decide, note_close
from trademantra.markets.charges.numeric import CHARGE_RULE

_ACCOUNTS = (records(ACCOUNT), INDEX, records(RULES))
_BOOKS = (*_ACCOUNTS, records(CHARGE_RULE), VECTOR, records(FILL), records(TRADE))


@compiled(NOTHING(*_ACCOUNTS, INDEX, NUMBER))
def close_at(accounts: RecordArray, j: int, rules: RecordArray, index: int, close: float) -> None:
    """What the close of bar `index` means for the orders of account j, before the strategy is asked."""
    account = accounts[j]
    waits = account.quantity * account.entry_side >= 0.0 and account.exit_reason == NO_REASON
    if account.entry_side != 0 and waits:
        age_entry(account, rules[0])
    if account.quantity != 0.0 and account.exit_reason == NO_REASON:
        note_close(account, rules[0], index, close)


@compiled(NOTHING(*_ACCOUNTS, records(CHARGE_RULE), INDEX, *[NUMBER] * 7, INDEX))
def decide_at(
    accounts: RecordArray,
    j: int,
    rules: RecordArray,
    charges: RecordArray,
    code: int,
    limit: float,
    trigger: float,
    stop: float,
    target: float,
    atr: float,
    deviation: float,
    close: float,
    day: int,
) -> None:
    """`step.decide` for account j."""
    decide(accounts[j], rules[0], charges, code, limit, trigger, stop, target, atr, deviation, close, day)


@compiled(NOTHING(*_BOOKS, INDEX, INDEX, INDEX, NUMBER, NUMBER))
def enter_at(
    accounts: RecordArray,
    j: int,
    rules: RecordArray,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    index: int,
    day: int,
    side: int,
    price: float,
    quantity: float,
) -> None:
    """Book a fill of the working entry of account j."""
    book_entry(accounts[j], rules[0], charges, levies, fills, index, day, side, price, quantity)


@compiled(NOTHING(*_BOOKS, INDEX, INDEX, INDEX, NUMBER, NUMBER, INDEX))
def leave_at(
    accounts: RecordArray,
    j: int,
    rules: RecordArray,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    index: int,
    day: int,
    side: int,
    price: float,
    quantity: float,
    reason: int,
) -> None:
    """Book a fill that takes from the position of account j, and no more than it holds."""
    book_exit(
        accounts[j], rules[0], charges, levies, fills, trades, index, day, side, price, quantity, reason
    )


@compiled(NOTHING(*_BOOKS, INDEX, INDEX, INDEX, NUMBER, NUMBER))
def surplus_at(
    accounts: RecordArray,
    j: int,
    rules: RecordArray,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    index: int,
    day: int,
    side: int,
    price: float,
    quantity: float,
) -> None:
    """Book a fill that nobody waits for any more (its order was dropped, or two exits filled): it is left again."""
    account = accounts[j]
    if account.quantity == 0.0:
        account.peak = price
        account.entries = 1
    execute(account, rules[0], charges, levies, fills, index, day, side, price, quantity, ENTRY)
    account.exit_reason = BY_SIGNAL
