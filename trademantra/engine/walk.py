"""The walk over time: columns, signals and accounts, tile by tile.

One kernel serves a single back-test and a sweep of any size, so their results are the same by construction.
Time is cut into tiles that fit the cache.  In a tile each distinct indicator column is computed once and
shared by all combinations; each combination then writes its signals into scratch memory and its account is
touched only where something can happen: quiet stretches are scanned, not stepped through.
No array of bars x combinations exists.
"""

from math import inf, nan

import numpy as np

from trademantra.engine.account import NO_REASON, equity_at, open_account, sign_of
from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import (
    INDICATOR,
    SIGNALS,
    IndicatorKernel,
    SignalKernel,
    compiled,
    parallel_range,
    part,
)
from trademantra.engine.grid import snapped
from trademantra.engine.records import (
    ACCOUNT,
    FILL,
    RULES,
    TRADE,
    AccountRecord,
    RecordArray,
    RulesRecord,
    Signal,
)
from trademantra.engine.signature import (
    CODES,
    INDEX,
    INTEGER_MATRIX,
    INTEGERS,
    MATRIX,
    NOTHING,
    NUMBER,
    TRUTH,
    VECTOR,
    TupleOf,
    records,
)
from trademantra.engine.step import decide, pass_bar, settle_at_close, step, stop_level
from trademantra.markets.charges.numeric import CHARGE_RULE

TILE = 512  # bars; a multiple of 8
SLOTS = 8  # different indicator kernels that one strategy may use
LEVELS = 4  # rows that a kernel may fill for a bar with an entry: limit, trigger, stop, target

SQUARE_OFF = int(Signal.SQUARE_OFF)


@part
def mark(
    account: AccountRecord,
    rules: RulesRecord,
    closes: Float64Array,
    ends: Int64Array,
    session: Int64Array,
    curve: Float64Array,
    first: int,
    last: int,
) -> None:
    """Score the account at the closes of bars [first, last), during which cash and position did not change.

    Drawdown looks at every close; returns are taken from session end to session end.
    """
    if last <= first:
        return
    cash = account.cash
    held = account.quantity * rules.multiplier
    peak, worst = account.peak_equity, account.drawdown
    floor = peak * (1.0 + worst)
    if held == 0.0:
        peak = max(peak, cash)
        if cash < floor:
            worst = cash / peak - 1.0
        for i in range(first, min(last, len(curve))):
            curve[i] = cash
    else:
        for i in range(first, last):
            value = cash + held * closes[i]
            if value > peak:
                peak = value
                floor = peak * (1.0 + worst)
            elif value < floor:
                floor = value
                worst = value / peak - 1.0
        for i in range(first, min(last, len(curve))):
            curve[i] = cash + held * closes[i]
    account.peak_equity = peak
    account.drawdown = worst
    account.equity = cash + held * closes[last - 1]
    for s in range(session[first], session[last - 1] + 1):
        end = ends[s]
        if end < first or end >= last:
            continue
        value = cash + held * closes[end]
        change = (value / account.day_equity - 1.0 if account.day_equity > 0.0 else 0.0) - rules.risk_free
        account.sum_return += change
        account.sum_square += change * change
        if change < 0.0:
            account.sum_downside += change * change
        account.day_equity = value


@part
def next_signal(codes: Int8Array, words: Int64Array, first: int, last: int) -> int:
    """Index of the first non-zero code in [first, last), else `last`.  Reads eight bars at a time."""
    j = first
    while j < last:
        if j % 8 == 0 and j + 8 <= last and words[j >> 3] == 0:
            j += 8
            continue
        if codes[j] != 0:
            return j
        j += 1
    return last


@part
def next_event(
    account: AccountRecord,
    rules: RulesRecord,
    bars: Float64Array,
    codes: Int8Array,
    words: Int64Array,
    start: int,
    first: int,
    last: int,
    fine: bool,
) -> int:
    """First bar in [first, last) at which a held position needs a step; its peak is kept up to that bar.

    Bars before it neither reach a protective level nor carry a signal, so cash and position stay as they are.
    `fine`: finer bars decide what happens inside a bar.
    """
    side = sign_of(account.quantity)
    ruin = -account.cash / (account.quantity * rules.multiplier)  # the price at which equity is zero
    guarded = account.stop == account.stop or account.target == account.target or rules.trail_kind != 0
    if not guarded and rules.time_exit == 0 and side > 0 and ruin <= 0.0:
        return start + next_signal(codes, words, first - start, last - start)
    if fine and (rules.trail_kind != 0 or rules.as_live == 1):
        # inside one bar the stop may be raised and then be hit; and what is laid in a bar of a live session may lie outside it
        return first
    stop = stop_level(account, rules, side)
    target = account.target
    until = last
    if rules.time_exit > 0:
        until = min(last, max(first, account.entry_index + rules.time_exit - 1))
    trails = rules.trail_kind != 0
    high, low, close = bars[1], bars[2], bars[3]
    if side > 0:
        for i in range(first, until):
            if codes[i - start] != 0 or low[i] <= stop or high[i] >= target or close[i] <= ruin:
                return i
            if trails and high[i] > account.peak:
                account.peak = high[i]
                stop = stop_level(account, rules, side)
    else:
        for i in range(first, until):
            if codes[i - start] != 0 or high[i] >= stop or low[i] <= target or close[i] >= ruin:
                return i
            if trails and low[i] < account.peak:
                account.peak = low[i]
                stop = stop_level(account, rules, side)
    return until


@part
def step_inside(
    account: AccountRecord,
    rules: RulesRecord,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    bar: Float64Array,
    low: float,
    high: float,
    index: int,
    day: int,
    square_off: bool,
    works: bool,
    finer: Float64Array,
    begin: int,
    end: int,
    close: float,
) -> None:
    """Step through the finer bars [begin, end) of bar `index`, if anything `works`; `bar` then holds the last one.

    `close` is that of the bar itself, for one in which none is laid.
    """
    if works and begin == end:
        pass_bar(account, rules, index, square_off, close)
    for at in range(begin, end):
        for row in range(5):
            bar[row] = finer[row, at]
        if works:
            step(account, rules, charges, levies, fills, trades, bar, low, high, index, day,
                 square_off and at == begin, at == end - 1)  # fmt: skip


@part
def walk_tile(
    account: AccountRecord,
    rules: RulesRecord,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    bars: Float64Array,
    bands: Float64Array,
    finer: Float64Array,
    inside: Int64Array,
    days: Int64Array,
    session: Int64Array,
    ends: Int64Array,
    codes: Int8Array,
    levels: Float64Array,
    atr: Float64Array,
    deviation: Float64Array,
    curve: Float64Array,
    score: bool,
    start: int,
    stop: int,
) -> None:
    """Take one account through bars [start, stop)."""
    words = codes.view(np.int64)
    closes = bars[3]
    bar = np.empty(5)
    banded = bands.shape[1] > 0
    fine = len(inside) > 0
    i = start
    while i < stop:
        quiet = account.entry_side == 0 and account.exit_reason == NO_REASON
        if quiet:
            if account.quantity == 0.0:
                j = start + next_signal(codes, words, i - start, stop - start)
            else:
                j = next_event(account, rules, bars, codes, words, start, i, stop, fine)
            if score:
                mark(account, rules, closes, ends, session, curve, i, j)
            i = j
            if i >= stop:
                break
        low = bands[0, i] if banded else -inf
        high = bands[1, i] if banded else inf
        code = codes[i - start]
        works = not quiet or account.quantity != 0.0
        if fine:
            step_inside(account, rules, charges, levies, fills, trades, bar, low, high, i, days[i],
                        (code & SQUARE_OFF) != 0, works, finer, inside[i], inside[i + 1],
                        closes[i])  # fmt: skip
        else:
            for row in range(5):
                bar[row] = bars[row, i]
            if works:
                step(account, rules, charges, levies, fills, trades, bar, low, high, i, days[i],
                     (code & SQUARE_OFF) != 0, True)  # fmt: skip
        if code & ~SQUARE_OFF:
            k = i - start
            if levels.shape[1] > 1:
                decide(account, rules, charges, code, levels[0, k], levels[1, k], levels[2, k], levels[3, k],
                       atr[k], deviation[k], closes[i], days[i])  # fmt: skip
            else:
                decide(account, rules, charges, code, nan, nan, nan, nan, atr[k], deviation[k], closes[i],
                       days[i])  # fmt: skip
        if rules.same_close == 1:
            settle_at_close(account, rules, charges, levies, fills, trades, bar, low, high, i, days[i])
        if score:
            mark(account, rules, closes, ends, session, curve, i, i + 1)
        i += 1
    if not score:
        account.equity = equity_at(account, rules, closes[stop - 1])


INDICATORS = TupleOf(INDICATOR, SLOTS)


@compiled(
    NOTHING(
        SIGNALS,
        INDICATORS,
        MATRIX,  # bars
        MATRIX,  # bands
        MATRIX,  # finer
        INTEGERS,  # inside
        INTEGERS,  # days
        INTEGERS,  # session
        INTEGERS,  # minute
        INTEGERS,  # ends
        CODES,  # allowed
        NUMBER,  # scale
        NUMBER,  # level_scale
        INTEGERS,  # column_slot
        INTEGERS,  # column_row
        MATRIX,  # column_parameters
        INTEGERS,  # column_state
        INDEX,  # rows in all
        INTEGER_MATRIX,  # uses
        MATRIX,  # parameters
        INDEX,  # state size of the signal kernel
        TRUTH,  # has_levels
        TRUTH,  # score
        records(RULES),
        records(CHARGE_RULE),
        records(ACCOUNT),
        MATRIX,  # levies
        records(FILL),
        records(TRADE),
        VECTOR,  # curve
        INDEX,  # workers
    ),
    parallel=True,
)
def run_all(
    signals: SignalKernel,
    indicators: tuple[IndicatorKernel, ...],
    bars: Float64Array,
    bands: Float64Array,
    finer: Float64Array,
    inside: Int64Array,
    days: Int64Array,
    session: Int64Array,
    minute: Int64Array,
    ends: Int64Array,
    allowed: Int8Array,
    scale: float,
    level_scale: float,
    column_slot: Int64Array,
    column_row: Int64Array,
    column_parameters: Float64Array,
    column_state: Int64Array,
    rows: int,
    uses: Int64Array,
    parameters: Float64Array,
    state_size: int,
    has_levels: bool,
    score: bool,
    rules: RecordArray,
    charges: RecordArray,
    accounts: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    curve: Float64Array,
    workers: int,
) -> None:
    """Run m combinations over n bars.

    `uses` (m, u): the column rows that each combination reads, in declared order, then the rows of its ATR and of
    its deviation (-1: none).  `parameters` (m, p).  `accounts` (m,) zeroed records.  `levies` (m, 10).
    `fills`, `trades` and `curve` are filled for the only combination of a single run and empty otherwise.
    `finer` (5, f) and `inside` (n + 1,) are those of `finer.Finer`, or empty.
    `allowed` (n,) masks signals (no entries near the close) and carries the square-off mark, or is empty.
    """
    n, m, columns = bars.shape[1], len(accounts), len(column_slot)
    for worker in parallel_range(workers):
        first, last = worker * m // workers, (worker + 1) * m // workers
        codes = np.zeros(TILE, np.int8)
        levels = np.full((LEVELS, TILE if has_levels else 1), nan)
        block = np.full((rows, TILE + 1), nan)  # position 0 holds the last bar of the tile before
        nothing = np.full(TILE, nan)
        column_states = np.zeros(column_state[columns])
        states = np.zeros((last - first, state_size))
        for k in range(first, last):
            open_account(accounts[k], rules[k])
        for start in range(0, n, TILE):
            stop = min(start + TILE, n)
            for row in range(rows):
                block[row, 0] = block[row, TILE]
            for c in range(columns):
                begin, end = column_row[c], column_row[c + 1]
                made = np.empty((end - begin, TILE))
                indicators[column_slot[c]](
                    bars, session, scale, column_parameters[c], column_states[column_state[c] : column_state[c + 1]],
                    made, start, stop,
                )  # fmt: skip
                for row in range(begin, end):
                    block[row, 1 : 1 + stop - start] = made[row - begin, : stop - start]
            for k in range(first, last):
                use = uses[k]
                if has_levels:
                    levels[:, :] = nan
                signals(
                    bars,
                    session,
                    minute,
                    block,
                    use,
                    parameters[k],
                    states[k - first],
                    codes,
                    levels,
                    start,
                    stop,
                )
                if len(allowed) > 0:
                    for j in range(stop - start):
                        mask = allowed[start + j]
                        codes[j] = (codes[j] & mask) | (mask & np.int8(16))
                if has_levels:
                    for j in range(stop - start):
                        if codes[j] != 0:
                            for row in range(LEVELS):
                                levels[row, j] = snapped(levels[row, j], level_scale)
                atr_row, deviation_row = use[len(use) - 2], use[len(use) - 1]
                walk_tile(
                    accounts[k], rules[k], charges, levies[k], fills, trades, bars, bands, finer, inside, days,
                    session, ends, codes, levels,
                    block[atr_row, 1:] if atr_row >= 0 else nothing,
                    block[deviation_row, 1:] if deviation_row >= 0 else nothing,
                    curve, score, start, stop,
                )  # fmt: skip
