"""The one step: orders meet a bar, cash and position follow.  Back-test and sweep use it.

Invariants, besides those of `account`:
- entries never take required margin above equity; a working exit is never behind a working entry;
- nothing here reads a bar after the one it is given.

The order of things within one bar: square-off, market exits, protective levels that the open already passed,
market entries, resting entries, then the stop, then the target (the other way round when the rules say so).
All fills of a bar together take no more than the rules' share of its volume.

The parts that book a fill (`book_entry`, `book_exit`) and look back at a close (`age_entry`, `note_close`) are those
of a live run as well: there the fills come from an exchange.
"""

from math import inf, nan

from trademantra.engine.account import NO_REASON, equity_at, execute, finish_trade, sign_of
from trademantra.engine.bars import Float64Array
from trademantra.engine.compile import part
from trademantra.engine.matching import (
    DUST,
    SQUARE_ROOT,
    limit_price,
    on_tick,
    rest_of,
    room_of,
    slipped,
    stop_price,
    whole_lots,
)
from trademantra.engine.records import AccountRecord, EntryKind, Reason, RecordArray, RulesRecord, Signal
from trademantra.engine.sizing import ATR, affordable, level_distance, sized, wanted

# numba reads plain integers faster to compile than enum members
MARKET, LIMIT = int(EntryKind.MARKET), int(EntryKind.LIMIT)
ENTRY, BY_SIGNAL = int(Reason.ENTRY), int(Reason.SIGNAL)
BY_STOP, BY_TARGET, BY_TRAIL = int(Reason.STOP), int(Reason.TARGET), int(Reason.TRAIL)
BY_TIME, BY_SQUARE_OFF, BY_MARGIN = int(Reason.TIME), int(Reason.SQUARE_OFF), int(Reason.MARGIN)
ENTER_LONG, EXIT_LONG = int(Signal.ENTER_LONG), int(Signal.EXIT_LONG)
ENTER_SHORT, EXIT_SHORT = int(Signal.ENTER_SHORT), int(Signal.EXIT_SHORT)


@part
def drop_entry(account: AccountRecord) -> None:
    account.entry_side = 0
    account.entry_left = nan


@part
def book_exit(
    account: AccountRecord,
    rules: RulesRecord,
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
    """Book a fill of an exit; what is left of the position goes on leaving for the same reason.

    A target is a limit order, whose rest goes on resting.
    """
    execute(account, rules, charges, levies, fills, index, day, side, price, quantity, reason)
    if account.quantity == 0.0:
        finish_trade(account, rules, trades, -side, index, reason, account.trades)
    elif reason != BY_TARGET:
        account.exit_reason = reason
    elif account.entry_fresh == 0:  # a position that has begun to leave buys no more of itself
        drop_entry(account)


@part
def book_entry(
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
) -> None:
    """Book a fill of the working entry, and set the protective levels of the position."""
    if account.quantity == 0.0:
        account.peak = price
    if account.entry_fresh == 1:
        account.entries += 1
        account.entry_fresh = 0
    execute(account, rules, charges, levies, fills, index, day, side, price, quantity, ENTRY)
    account.atr = account.entry_atr
    # the entry's own level, else the rules' distance; an addition that brings neither keeps what there is
    stop = account.entry_stop
    if stop != stop:
        stop = account.average - side * level_distance(
            rules.stop_kind, rules.stop, account.average, account.atr
        )
    if stop == stop:
        account.stop = on_tick(rules.tick, -side, stop)
    target = account.entry_target
    if target != target:
        target = account.average + side * level_distance(
            rules.target_kind, rules.target, account.average, account.atr
        )
    if target == target:
        account.target = on_tick(rules.tick, -side, target)
    account.entry_left -= quantity
    if account.entry_left <= DUST * max(1.0, quantity):
        drop_entry(account)


@part
def want_out(account: AccountRecord, rules: RulesRecord, reason: int) -> None:
    """The position leaves at market; as live for the first reason, for which its order has gone out."""
    if rules.as_live == 0 or account.exit_reason == NO_REASON:
        account.exit_reason = reason


@part
def age_entry(account: AccountRecord, rules: RulesRecord) -> None:
    """A bar has closed over a working entry that nothing held back."""
    account.entry_age += 1
    if rules.entry_valid > 0 and account.entry_age >= rules.entry_valid:
        drop_entry(account)


@part
def note_close(account: AccountRecord, rules: RulesRecord, index: int, close: float) -> None:
    """What the close of bar `index` says about a position that is not leaving yet: its time is up, or equity is."""
    # the exit comes at bar entry + time_exit: at its open, or at its close when fills are there
    if rules.time_exit > 0 and index - account.entry_index + 1 - rules.same_close >= rules.time_exit:
        account.exit_reason = BY_TIME
    if equity_at(account, rules, close) <= 0.0:
        account.exit_reason = BY_MARGIN


@part
def pass_bar(account: AccountRecord, rules: RulesRecord, index: int, square_off: bool, close: float) -> None:
    """Bar `index` closed and no finer bar was laid in it: nothing could fill, but orders and positions grow older."""
    if square_off:
        drop_entry(account)
        if account.quantity != 0.0:
            want_out(account, rules, BY_SQUARE_OFF)
    if account.quantity == 0.0:
        account.exit_reason = NO_REASON
    waits = account.quantity * account.entry_side >= 0.0 and account.exit_reason == NO_REASON
    if account.entry_side != 0 and waits:
        age_entry(account, rules)
    if account.quantity != 0.0 and account.exit_reason == NO_REASON:
        note_close(account, rules, index, close)


@part
def leave(
    account: AccountRecord,
    rules: RulesRecord,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    bar: Float64Array,
    band_low: float,
    band_high: float,
    index: int,
    day: int,
    price: float,
    slips: bool,
    reason: int,
    room: float,
) -> float:
    """Exit at `price` as far as `room` and the circuit limit allow; returns the room that is left in the bar.

    What is left goes at the next open, whatever started the exit, but for a target: that is a limit order, which
    goes on resting at its level.
    """
    side = -sign_of(account.quantity)
    quantity = min(abs(account.quantity), whole_lots(rules.lot, room))
    locked = (side < 0 and bar[1] <= band_low) or (side > 0 and bar[2] >= band_high)
    rests = reason == BY_TARGET
    if locked or quantity <= 0.0:
        if not rests:
            account.exit_reason = reason
        return room
    if slips:
        price = slipped(rules.slippage_kind, rules.slippage, rules.tick, side, price, bar[1], bar[2], bar[4],
                        quantity)  # fmt: skip
    if price < band_low:
        price = band_low
    if price > band_high:
        price = band_high
    book_exit(account, rules, charges, levies, fills, trades, index, day, side, price, quantity, reason)
    return rest_of(room, quantity)


@part
def enter(
    account: AccountRecord,
    rules: RulesRecord,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    bar: Float64Array,
    band_low: float,
    band_high: float,
    index: int,
    day: int,
    price: float,
    slips: bool,
    room: float,
) -> bool:
    """Fill the working entry at `price` as far as size, margin, `room` in the bar and circuit limit allow.

    True when something filled.  What `room` does not hold waits for the next bars; what equity does not cover is
    cut.  An entry of which nothing can be afforded or sized is dropped and counted.
    """
    side = account.entry_side
    if (side > 0 and bar[2] >= band_high) or (side < 0 and bar[1] <= band_low):
        account.refused += 1  # locked at the circuit limit: nobody is on the other side
        drop_entry(account)
        return False
    unsized = account.entry_left != account.entry_left
    quantity = wanted(account, rules, side, price) if unsized else account.entry_left
    if slips:
        likely = quantity
        if rules.slippage_kind == SQUARE_ROOT:  # the impact of what fills now, not of what was asked for
            likely = min(quantity, room)
            if rules.as_live == 0:
                likely = min(likely, affordable(account, rules, charges, side, price, day))
        price = slipped(rules.slippage_kind, rules.slippage, rules.tick, side, price, bar[1], bar[2], bar[4],
                        whole_lots(rules.lot, max(likely, 0.0)))  # fmt: skip
    if price > band_high:
        price = band_high
    if price < band_low:
        price = band_low
    if rules.as_live == 0:
        quantity = whole_lots(rules.lot, min(quantity, affordable(account, rules, charges, side, price, day)))
    if quantity <= 0.0:
        account.refused += 1
        drop_entry(account)
        return False
    account.entry_left = quantity
    quantity = min(quantity, whole_lots(rules.lot, room))
    if quantity <= 0.0:
        return False
    book_entry(account, rules, charges, levies, fills, index, day, side, price, quantity)
    return True


@part
def trail_level(account: AccountRecord, rules: RulesRecord, side: int) -> float:
    """Trailing stop from the best price so far; NaN when there is none."""
    level = account.peak - side * level_distance(rules.trail_kind, rules.trail, account.peak, account.atr)
    return on_tick(rules.tick, -side, level)


@part
def stop_level(account: AccountRecord, rules: RulesRecord, side: int) -> float:
    """The nearer of the fixed and the trailing stop; NaN when there is neither."""
    trail = trail_level(account, rules, side)
    if trail == trail and not side * (account.stop - trail) >= 0.0:
        return trail
    return account.stop


@part
def step(
    account: AccountRecord,
    rules: RulesRecord,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    bar: Float64Array,
    band_low: float,
    band_high: float,
    index: int,
    day: int,
    square_off: bool,
    closes: bool,
) -> None:
    """Let the working orders and protective levels meet one bar (open, high, low, close, volume).

    `band_low` and `band_high` are the circuit limits of the day (-inf and inf when there are none);
    `day` counts from 1970-01-01 in the exchange's zone; `square_off` says that intraday positions leave at this open.
    `index` numbers the strategy's bars.  Where finer bars decide, `bar` is one of those inside it and only the last
    `closes` it: what counts bars (time exit, age of an entry) and ruin move once a bar of the strategy.
    """
    opening = bar[0]
    room = room_of(rules.participation, bar[4])
    if square_off:
        drop_entry(account)
        if account.quantity != 0.0:
            want_out(account, rules, BY_SQUARE_OFF)
    # at the open: what was decided before comes before anything inside this bar
    if account.exit_reason != NO_REASON and account.quantity != 0.0:
        room = leave(account, rules, charges, levies, fills, trades, bar, band_low, band_high, index, day,
                     opening, True, account.exit_reason, room)  # fmt: skip
    elif account.quantity != 0.0:
        side = sign_of(account.quantity)
        stop = stop_level(account, rules, side)
        guarded = rules.entry_bar == 1 or account.entry_index < index
        # the open alone is a bar of one price
        if (
            guarded
            and limit_price(-side, account.target, opening, opening, opening, rules.limit_touch) == opening
        ):
            room = leave(account, rules, charges, levies, fills, trades, bar, band_low, band_high, index, day,
                         opening, False, BY_TARGET, room)  # fmt: skip
        elif guarded and stop_price(-side, stop, opening, opening, opening) == opening:
            room = leave(account, rules, charges, levies, fills, trades, bar, band_low, band_high, index, day,
                         opening, True, BY_STOP if stop == account.stop else BY_TRAIL, room)  # fmt: skip
    else:
        account.exit_reason = NO_REASON
    opened_by_limit = False
    opened_by_stop = False
    opened = False  # as live: a position of this very bar, whose protection is placed after it
    stop, fixed, target = nan, nan, nan
    level = account.entry_price
    working = account.entry_side
    if rules.as_live == 1 and account.quantity != 0.0:  # as they rest; an addition moves them after this bar
        stop = stop_level(account, rules, sign_of(account.quantity))
        fixed, target = account.stop, account.target
    if working != 0 and account.quantity * working >= 0.0 and account.exit_reason == NO_REASON:
        before = account.quantity
        if account.entry_kind == MARKET:
            enter(account, rules, charges, levies, fills, bar, band_low, band_high, index, day,
                  opening, True, room)  # fmt: skip
        else:
            rests = account.entry_kind == LIMIT
            at = (
                limit_price(working, level, opening, bar[1], bar[2], rules.limit_touch)
                if rests
                else stop_price(working, level, opening, bar[1], bar[2])
            )
            if at == at:
                filled = enter(account, rules, charges, levies, fills, bar, band_low, band_high, index, day,
                               at, not rests, room)  # fmt: skip
                at_open = working * (opening - level) < 0.0 if rests else working * (opening - level) >= 0.0
                opened_by_limit = filled and rests and not at_open
                opened_by_stop = filled and not rests and not at_open
        opened = rules.as_live == 1 and before == 0.0 and account.quantity != 0.0
        room = rest_of(room, abs(account.quantity - before))
        if before != 0.0:  # an addition: the position was exposed to the whole bar
            opened_by_limit = opened_by_stop = False
        if account.entry_side != 0 and closes:
            age_entry(account, rules)
    if account.quantity == 0.0:
        return
    side = sign_of(account.quantity)
    favourable = bar[1] if side > 0 else bar[2]
    guarded = rules.entry_bar == 1 or account.entry_index < index
    if guarded and not opened and account.exit_reason == NO_REASON:
        if rules.as_live == 0:
            stop = stop_level(account, rules, side)
            fixed, target = account.stop, account.target
        # from this price on the position was exposed; a level that it had passed already cannot give its own price
        since = level if opened_by_limit or opened_by_stop else opening
        stopped_at = stop_price(-side, stop, since, bar[1], bar[2])
        # after a limit entry the bar's best price may lie before the entry: it earns no target
        reached_at = nan
        if not opened_by_limit:
            reached_at = limit_price(-side, target, since, bar[1], bar[2], rules.limit_touch)
        if stopped_at == stopped_at and not (reached_at == reached_at and rules.target_first == 1):
            leave(account, rules, charges, levies, fills, trades, bar, band_low, band_high, index, day,
                  stopped_at, True, BY_STOP if stop == fixed else BY_TRAIL, room)  # fmt: skip
        elif reached_at == reached_at:
            leave(account, rules, charges, levies, fills, trades, bar, band_low, band_high, index, day,
                  reached_at, False, BY_TARGET, room)  # fmt: skip
            if stopped_at == stopped_at and account.quantity != 0.0:
                # the target came first and the bar's volume did not hold all of it: the stop has the rest
                account.exit_reason = BY_STOP if stop == fixed else BY_TRAIL
    if account.quantity == 0.0:
        return
    best = bar[3] if opened_by_limit else favourable
    if rules.trail_kind != 0 and not opened and side * (best - account.peak) > 0.0:
        account.peak = best  # nothing else reads it
    if account.exit_reason == NO_REASON and closes:
        note_close(account, rules, index, bar[3])


@part
def size_entry(
    account: AccountRecord, rules: RulesRecord, charges: RecordArray, price: float, day: int
) -> None:
    """Size the working entry at the price that is known when it is decided; drop and count one of nothing.

    What the strategy sized itself is cut to what equity covers.
    """
    own = account.entry_left
    quantity = sized(account, rules, charges, account.entry_side, own, price, day)
    if quantity > 0.0:  # not so where the price is not known (NaN)
        account.entry_left = quantity
        return
    account.refused += 1
    drop_entry(account)


@part
def decide(
    account: AccountRecord,
    rules: RulesRecord,
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
    """Turn what the strategy says at a `close` into working orders.  `code` is a sum of `Signal`s."""
    if (account.quantity > 0.0 and code & EXIT_LONG) or (account.quantity < 0.0 and code & EXIT_SHORT):
        want_out(account, rules, BY_SIGNAL)
    if (account.entry_side > 0 and code & EXIT_LONG) or (account.entry_side < 0 and code & EXIT_SHORT):
        drop_entry(account)
    want = 0
    if code & ENTER_LONG and rules.allow_long == 1:
        want = 1
    elif code & ENTER_SHORT and rules.allow_short == 1:
        want = -1
    if want == 0:
        return
    if atr != atr and (rules.stop_kind == ATR or rules.trail_kind == ATR or rules.target_kind == ATR):
        account.refused += 1  # the protection that the rules ask for has no distance yet
        return
    if account.quantity * want < 0.0:
        want_out(account, rules, BY_SIGNAL)
    elif (
        account.quantity * want > 0.0
        and account.exit_reason == NO_REASON
        and account.entries >= rules.max_entries
    ):
        return
    account.entry_side = want
    account.entry_left = nan
    account.entry_age = 0
    account.entry_fresh = 1
    account.entry_kind = MARKET
    account.entry_price = nan
    if limit == limit:
        account.entry_kind = LIMIT
        account.entry_price = on_tick(rules.tick, want, limit)
    elif trigger == trigger:
        account.entry_kind = 2
        account.entry_price = on_tick(rules.tick, want, trigger)
    account.entry_stop = stop
    account.entry_target = target
    account.entry_atr = atr
    account.entry_deviation = deviation
    if rules.as_live == 1:
        size_entry(account, rules, charges, close, day)


@part
def settle_at_close(
    account: AccountRecord,
    rules: RulesRecord,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    bar: Float64Array,
    band_low: float,
    band_high: float,
    index: int,
    day: int,
) -> None:
    """For `same_close`: market decisions fill at the close that they were made on."""
    if account.exit_reason != NO_REASON and account.quantity != 0.0:
        leave(account, rules, charges, levies, fills, trades, bar, band_low, band_high, index, day,
              bar[3], True, account.exit_reason, inf)  # fmt: skip
    if (
        account.entry_side != 0
        and account.entry_kind == MARKET
        and account.quantity * account.entry_side >= 0.0
        and (account.quantity == 0.0 or account.exit_reason == NO_REASON)
    ):
        enter(account, rules, charges, levies, fills, bar, band_low, band_high, index, day, bar[3], True, inf)
