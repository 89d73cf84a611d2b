"""The records that the compiled core works on: the account, its rules, its fills and its trades.

Each record is declared once as a class of annotated fields; `dtype_of` makes the numpy type from it.
All prices are in the instrument's currency, quantities in units, times in int64 nanoseconds, indices in bars.
"""

from enum import IntEnum, IntFlag
from typing import Protocol, TypeAlias, get_type_hints

import numpy as np
from numpy.typing import NDArray

RecordArray: TypeAlias = NDArray[np.void]  # (n,) records of one of the types below


class Signal(IntFlag):
    """What a strategy kernel says at the close of a bar; several may be said at once."""

    ENTER_LONG = 1
    EXIT_LONG = 2
    ENTER_SHORT = 4
    EXIT_SHORT = 8
    SQUARE_OFF = 16  # set by the engine: intraday positions leave at this bar's open


class EntryKind(IntEnum):
    MARKET = 0
    LIMIT = 1
    STOP = 2


class Reason(IntEnum):
    """Why a fill happened."""

    NONE = 0
    ENTRY = 1
    SIGNAL = 2
    STOP = 3
    TARGET = 4
    TRAIL = 5
    TIME = 6
    SQUARE_OFF = 7
    MARGIN = 8  # for want of money
    END = 9
    BY_HAND = 10  # a person had it closed
    KILL_SWITCH = 11  # and the dead-man timer
    RISK_LIMIT = 12  # a limit that was reached had it closed
    UNDONE = 13  # another leg of the same order failed


class LevelKind(IntEnum):
    """How a protective distance is given."""

    NONE = 0
    PERCENT = 1  # of the average entry price
    POINTS = 2  # in units of price
    ATR = 3  # multiples of the average true range at the decision


class SlippageKind(IntEnum):
    NONE = 0
    BPS = 1  # 1/10 000 of the price
    TICKS = 2
    RANGE = 3  # fraction of the bar's high - low
    SQUARE_ROOT = 4  # price x value x sqrt(quantity / bar volume)


class SizeKind(IntEnum):
    QUANTITY = 0  # units
    CASH = 1  # currency per entry
    EQUITY = 2  # fraction of equity per entry
    RISK = 3  # fraction of equity lost when the initial stop is hit
    ATR_TARGET = 4  # fraction of equity per one ATR of movement
    VOLATILITY_TARGET = 5  # annual volatility of the position as a fraction of equity
    KELLY = 6  # multiple of the Kelly fraction of the closed trades so far
    EQUAL = 7  # number of slots: a position takes one of so many equal parts of equity
    INVERSE_VOLATILITY = (
        8  # annual volatility of a position as a fraction of equity, never more than equity in all
    )


class RulesRecord(Protocol):
    """How orders fill and how much is bought: the same for every bar of a run."""

    cash: float  # opening cash
    multiplier: float  # currency per unit of price and quantity
    lot: float  # quantities are multiples of it; 0: any quantity
    tick: float  # slipped prices are rounded outward to it, levels as orders are; 0: not rounded
    margin: float  # fraction of a position's value that must be covered by equity (1: no leverage)
    same_close: int  # 1: decisions fill at the close that they were made on; 0: at the next open
    limit_touch: int  # 1: limits fill when touched; 0: only when traded through
    target_first: int  # 1: in a bar that holds both, the target is taken before the stop
    entry_bar: int  # 1: protection works already on the bar of the entry
    as_live: int  # 1: entries are sized at the close, protection is placed after the fill
    allow_long: int
    allow_short: int
    max_entries: int  # pyramiding: entries of one position
    slippage_kind: int
    slippage: float
    participation: float  # at most this fraction of a bar's volume fills; 0: all of it
    size_kind: int
    size: float
    size_periods: float  # bars a year, for the volatility target
    risk_free: float  # return of one session, for the scores
    stop_kind: int
    stop: float
    target_kind: int
    target: float
    trail_kind: int
    trail: float
    time_exit: int  # bars a position may be held; 0: no limit
    entry_valid: int  # bars a resting entry stays; 0: until replaced


class AccountRecord(Protocol):
    """One account in one instrument, with its working orders and its running score."""

    cash: float
    quantity: float  # signed: negative is short
    average: float  # average entry price
    entries: int  # entries of the present position
    entry_index: int  # bar of the first entry
    entry_day: int  # its day since 1970-01-01
    peak: float  # best price since entry: highest high when long, lowest low when short
    stop: float  # protective levels of the position; NaN: none
    target: float
    atr: float  # at the decision to enter
    entry_side: int  # a working entry order: +1 buy, -1 sell, 0 none
    entry_kind: int
    entry_price: float  # limit or trigger
    entry_left: float  # quantity still open; NaN: sized when it fills
    entry_stop: float  # levels that the entry will attach; NaN: from the rules
    entry_target: float
    entry_atr: float
    entry_deviation: float  # of returns per bar, for sizing
    entry_age: int  # bars it has rested
    entry_fresh: int  # 1 until it fills for the first time
    reserved: float  # equity that other positions of the same portfolio tie up as margin
    exit_reason: int  # a working market exit; 0: none
    trade_quantity: float  # of the present trade: entered quantity and values, costs so far
    trade_entry_value: float
    trade_exit_value: float
    trade_exit_quantity: float
    trade_costs: float
    last_sell_day: int  # on which a charge that falls due once a day was taken
    fills: int
    trades: int
    wins: int
    refused: int  # entries that could not be afforded, sized or filled at the circuit limit
    gross_profit: float  # net results of the winning and of the losing trades
    gross_loss: float
    best_trade: float
    worst_trade: float
    sum_win_return: float
    sum_loss_return: float
    losing_run: int
    longest_losing_run: int
    costs: float
    turnover: float
    bars_held: int
    equity: float  # as last marked
    peak_equity: float
    drawdown: float  # worst equity / peak - 1, as a negative fraction
    day_equity: float  # at the last session end
    sum_return: float  # of session returns over the risk-free one
    sum_square: float
    sum_downside: float  # squares of the negative ones


class TradeRecord(Protocol):
    """One round trip, from flat to flat."""

    instrument: int  # column of a panel; 0 for a run on one instrument
    side: int
    entry_index: int
    exit_index: int
    quantity: float
    entry_price: float
    exit_price: float
    gross: float
    costs: float
    net: float
    reason: int


class FillRecord(Protocol):
    """One execution."""

    instrument: int
    index: int
    side: int
    quantity: float
    price: float
    costs: float
    reason: int


def dtype_of(record: type) -> np.dtype[np.void]:
    """numpy type of a record class: float64 and int64 fields in declared order."""
    kinds = {float: np.float64, int: np.int64}
    return np.dtype([(name, kinds[kind]) for name, kind in get_type_hints(record).items()], align=True)


RULES = dtype_of(RulesRecord)
ACCOUNT = dtype_of(AccountRecord)
TRADE = dtype_of(TradeRecord)
FILL = dtype_of(FillRecord)
