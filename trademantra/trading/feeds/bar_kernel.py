"""The compiled heart of the bar builder: ticks into open bars, and open bars that are due out of them.

Everything is in columns; the constants name them.  A *row* is an instrument, a *series* an (instrument, timeframe), a
*slot* one of a series' open bars: slots [s * SLOTS, s * SLOTS + open) hold them in order of time.  `bar_rules` says
what the rules are and why.

Totals ("traded today so far") are unwound into a number that never falls, the *effective* total: total + OFFSET.
Invariant: the volume of a closed bar is the largest effective total stamped inside it less the largest stamped before
it, so ticks may come in any order while their bar is open.
"""

from trademantra.core.time import NANOSECONDS_PER_HOUR
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import compiled, part
from trademantra.engine.signature import INDEX, INTEGER_MATRIX, INTEGERS, MATRIX, NUMBER, ArrayOf, TupleOf

NEVER = 2**63 - 1
SLOTS = 8
DAY_LEAD_NS = 2 * NANOSECONDS_PER_HOUR
"""A trading day begins this long before its first window (or where the day before ended): ticks from then on count
towards its totals.  No Indian exchange opens its pre-open earlier (specs/india-markets.md 3.1, 3.2)."""

# windows of a calendar (n, 8)
BEGIN, START, STOP, DAY, DAY_FIRST, DAY_LAST, PREOPEN_START, PREOPEN_STOP = range(8)
WINDOW_COLUMNS = 8
# instruments: whole numbers, then floats
HEAD, FIRST_WINDOW, WINDOW_COUNT, HINT, TODAY, WATCHED_NS, LATEST_NS, HAS_TOTAL, LAST_NS, AUCTION_NS = range(
    10
)
ROW_WHOLE = 10
EFFECTIVE, OFFSET, LAST_PRICE, LAST_QUANTITY, LAST_TOTAL, AUCTION_PRICE = range(6)
ROW_NUMBER = 6
# series: whole numbers, then floats
OF_ROW, NEXT, LENGTH, OPEN_SLOTS, PENDING_NS, FLAT, NEXT_START, NEXT_END = range(8)
SERIES_WHOLE = 8
BASE, PENDING, LAST_CLOSE = range(3)
SERIES_NUMBER = 3
# slots: whole numbers, then floats
BAR_START, BAR_END, OPEN_NS, CLOSE_NS, TICKS, FLAWED = range(6)
SLOT_WHOLE = 6
OPEN, HIGH, LOW, CLOSE, QUANTITY, TOTAL = range(6)
SLOT_NUMBER = 6
# closed bars: whole numbers, then floats (OPEN, HIGH, LOW, CLOSE, VOLUME)
OUT_SERIES, OUT_START, OUT_END, OUT_TICKS, OUT_FLAWED = range(5)
OUT_WHOLE = 5
VOLUME = 4
OUT_NUMBER = 5
# the clock
WATERMARK, DEADLINE = range(2)
# what became of ticks
TAKEN, LATE, OUTSIDE, IN_PREOPEN, AHEAD, IMPOSSIBLE, REPEATED, FALLS, UNWATCHED = range(9)
COUNTS = 9

WHOLES = INTEGER_MATRIX
# polars gives read-only columns
GIVEN_WHOLES = ArrayOf(INDEX, read_only=True)
GIVEN_NUMBERS = ArrayOf(NUMBER, read_only=True)


@compiled(TupleOf(INDEX, 2)(WHOLES, INDEX, INDEX, INDEX, INDEX))
def period_from(windows: Int64Array, first: int, count: int, length: int, ns: int) -> tuple[int, int]:
    """Start and end of the bar of `ns`, or of the first one after it; (NEVER, NEVER) when no window is left.

    `length` 0: bars of whole days.
    """
    for i in range(first, first + count):
        if ns >= windows[i, STOP]:
            continue
        if length == 0:
            return windows[i, DAY_FIRST], windows[i, DAY_LAST]
        at = max(ns, windows[i, START])
        start = windows[i, START] + (at - windows[i, START]) // length * length
        return start, min(start + length, windows[i, STOP])
    return NEVER, NEVER


@part
def move_slot(slot_whole: Int64Array, slot_number: Float64Array, source: int, target: int) -> None:
    """Column by column: `compile.on_views` has no rows."""
    for column in range(SLOT_WHOLE):
        slot_whole[target, column] = slot_whole[source, column]
    for column in range(SLOT_NUMBER):
        slot_number[target, column] = slot_number[source, column]


@compiled(INDEX(GIVEN_WHOLES, GIVEN_WHOLES, GIVEN_WHOLES, GIVEN_WHOLES, GIVEN_NUMBERS, GIVEN_NUMBERS,
                      GIVEN_NUMBERS, INDEX, WHOLES, WHOLES, MATRIX, WHOLES, MATRIX, WHOLES, MATRIX, INTEGERS, INTEGERS,
                      INDEX, INDEX))  # fmt: skip
def take(
    rows: Int64Array,
    at_ns: Int64Array,
    trade_ns: Int64Array,
    received_ns: Int64Array,
    prices: Float64Array,
    totals: Float64Array,
    quantities: Float64Array,
    begin: int,
    windows: Int64Array,
    row_whole: Int64Array,
    row_number: Float64Array,
    series_whole: Int64Array,
    series_number: Float64Array,
    slot_whole: Int64Array,
    slot_number: Float64Array,
    clock: Int64Array,
    counts: Int64Array,
    lateness_ns: int,
    ahead_ns: int,
) -> int:
    """Put ticks [begin, n) into open bars; return the first that came when a bar was due, n when there was none.

    Invariant: a tick is late for a bar if it was received at or after the bar's end + lateness, whenever `close` runs.
    """
    for i in range(begin, len(rows)):
        clock[WATERMARK] = max(clock[WATERMARK], received_ns[i])
        now = clock[WATERMARK]
        if now >= clock[DEADLINE]:
            return i
        row = rows[i]
        if row >= len(row_whole) or row_whole[row, HEAD] < 0:
            counts[UNWATCHED] += 1
            continue
        price, total, quantity = prices[i], totals[i], quantities[i]
        if not (price > 0.0 and price < 1e300 and total < 1e300 and quantity < 1e300):
            counts[IMPOSSIBLE] += 1
            continue
        ns = trade_ns[i] if trade_ns[i] > 0 else at_ns[i]
        if ns > now + ahead_ns:
            counts[AHEAD] += 1
            continue
        if (
            ns == row_whole[row, LAST_NS]
            and price == row_number[row, LAST_PRICE]
            and quantity == row_number[row, LAST_QUANTITY]
            and total == row_number[row, LAST_TOTAL]
        ):
            counts[REPEATED] += 1
            continue
        row_whole[row, LAST_NS] = ns
        row_number[row, LAST_PRICE], row_number[row, LAST_QUANTITY] = price, quantity
        row_number[row, LAST_TOTAL] = total
        # the window that the tick is in, or the last one that has begun
        first, count = row_whole[row, FIRST_WINDOW], row_whole[row, WINDOW_COUNT]
        w = row_whole[row, HINT]
        while w + 1 < first + count and windows[w + 1, BEGIN] <= ns:
            w += 1
        while w > first and windows[w, BEGIN] > ns:
            w -= 1
        row_whole[row, HINT] = w
        inside = windows[w, START] <= ns and ns < windows[w, STOP]
        in_order = ns >= row_whole[row, LATEST_NS]
        flawed = 0
        effective = -1.0
        if total >= 0.0:
            of_last = min(quantity, total) if quantity > 0.0 else 0.0
            new_day = in_order and windows[w, DAY] != row_whole[row, TODAY] and windows[w, BEGIN] <= ns
            known = row_whole[row, HAS_TOTAL] == 1
            old = row_number[row, EFFECTIVE]
            if new_day or not known:
                from_zero = (
                    row_whole[row, WATCHED_NS] <= windows[w, DAY_FIRST]
                    and windows[w, BEGIN] <= ns
                    and windows[w, PREOPEN_STOP] == 0
                )
                # without the time of its last trade, a first total may be a picture of trades long ago
                seen = trade_ns[i] > 0 or (inside and row_whole[row, WATCHED_NS] <= windows[w, START])
                base = 0.0 if from_zero else total - (of_last if seen else 0.0)
                row_number[row, OFFSET] = old - base
                row_whole[row, HAS_TOTAL] = 1
                effective = total + row_number[row, OFFSET]
                is_trade = effective > old or (seen and not from_zero and total > 0.0)
            else:
                effective = total + row_number[row, OFFSET]
                is_trade = effective > old
                if in_order and effective < old:
                    counts[FALLS] += 1
                    flawed = 1
                    row_number[row, OFFSET] = old - (total - of_last)
                    effective = old + of_last
                    is_trade = True
                elif not in_order:
                    effective = min(effective, old)
                    is_trade = True
            row_number[row, EFFECTIVE] = max(old, effective)
            if not is_trade:
                if in_order:
                    row_whole[row, LATEST_NS] = ns
                    if windows[w, BEGIN] <= ns:
                        row_whole[row, TODAY] = windows[w, DAY]
                counts[REPEATED] += 1
                continue
        if in_order:
            row_whole[row, LATEST_NS] = ns
            if windows[w, BEGIN] <= ns:
                row_whole[row, TODAY] = windows[w, DAY]
        if not inside:
            if windows[w, PREOPEN_START] <= ns and ns < windows[w, PREOPEN_STOP]:
                counts[IN_PREOPEN] += 1
                if ns >= row_whole[row, AUCTION_NS]:
                    row_whole[row, AUCTION_NS], row_number[row, AUCTION_PRICE] = ns, price
            else:
                counts[OUTSIDE] += 1
        is_late = False
        s = row_whole[row, HEAD]
        while s >= 0:
            length = series_whole[s, LENGTH]
            open_slots = series_whole[s, OPEN_SLOTS]
            place = s * SLOTS
            start, end = ns, ns
            if inside and length == 0:
                start, end = windows[w, DAY_FIRST], windows[w, DAY_LAST]
            elif inside:
                start = windows[w, START] + (ns - windows[w, START]) // length * length
                end = min(start + length, windows[w, STOP])
            if not inside or end + lateness_ns <= now:
                # in no bar; what traded until then is in none either
                is_late = is_late or inside
                in_break = (
                    length == 0 and windows[w, DAY_FIRST] <= ns and ns < windows[w, DAY_LAST] and not inside
                )
                if effective >= 0.0 and not in_break:
                    if open_slots == 0 or slot_whole[place, BAR_START] > ns:
                        series_number[s, BASE] = max(series_number[s, BASE], effective)
                    elif effective > series_number[s, PENDING]:
                        series_whole[s, PENDING_NS], series_number[s, PENDING] = ns, effective
                s = series_whole[s, NEXT]
                continue
            slot = place + open_slots - 1
            while slot >= place and slot_whole[slot, BAR_START] > start:
                slot -= 1
            if slot < place or slot_whole[slot, BAR_START] != start:
                if open_slots == SLOTS:
                    is_late = True
                    s = series_whole[s, NEXT]
                    continue
                slot += 1
                for k in range(place + open_slots, slot, -1):
                    move_slot(slot_whole, slot_number, k - 1, k)
                series_whole[s, OPEN_SLOTS] = open_slots + 1
                slot_whole[slot, BAR_START], slot_whole[slot, BAR_END] = start, end
                slot_whole[slot, OPEN_NS], slot_whole[slot, CLOSE_NS] = ns, ns
                slot_whole[slot, TICKS], slot_whole[slot, FLAWED] = 0, 0
                slot_number[slot, OPEN], slot_number[slot, HIGH] = price, price
                slot_number[slot, LOW], slot_number[slot, CLOSE] = price, price
                slot_number[slot, QUANTITY], slot_number[slot, TOTAL] = 0.0, -1.0
                clock[DEADLINE] = min(clock[DEADLINE], end + lateness_ns)
            if ns < slot_whole[slot, OPEN_NS]:
                slot_whole[slot, OPEN_NS], slot_number[slot, OPEN] = ns, price
            if ns >= slot_whole[slot, CLOSE_NS]:
                slot_whole[slot, CLOSE_NS], slot_number[slot, CLOSE] = ns, price
            slot_number[slot, HIGH] = max(slot_number[slot, HIGH], price)
            slot_number[slot, LOW] = min(slot_number[slot, LOW], price)
            slot_whole[slot, TICKS] += 1
            slot_whole[slot, FLAWED] |= flawed
            if effective >= 0.0:
                slot_number[slot, TOTAL] = max(slot_number[slot, TOTAL], effective)
            elif quantity > 0.0 and row_whole[row, HAS_TOTAL] == 0:
                slot_number[slot, QUANTITY] += quantity
            s = series_whole[s, NEXT]
        if is_late:
            counts[LATE] += 1
        elif inside:
            counts[TAKEN] += 1
    return len(rows)


@compiled(INDEX(INDEX, INDEX, WHOLES, WHOLES, WHOLES, MATRIX, WHOLES, MATRIX, INTEGERS, WHOLES, MATRIX))
def close(
    lateness_ns: int,
    series_count: int,
    windows: Int64Array,
    row_whole: Int64Array,
    series_whole: Int64Array,
    series_number: Float64Array,
    slot_whole: Int64Array,
    slot_number: Float64Array,
    clock: Int64Array,
    out_whole: Int64Array,
    out_number: Float64Array,
) -> int:
    """Close every bar whose end + lateness is not after the watermark; return how many were written.

    Sets the next deadline; it is not after the watermark when there was no room for all: then call again.
    """
    now = clock[WATERMARK]
    deadline = NEVER
    written = 0
    for s in range(series_count):
        row = series_whole[s, OF_ROW]
        if row < 0:
            continue
        place = s * SLOTS
        while True:
            open_slots = series_whole[s, OPEN_SLOTS]
            if series_whole[s, FLAT] == 1:
                start, end = series_whole[s, NEXT_START], series_whole[s, NEXT_END]
            elif open_slots > 0:
                start, end = slot_whole[place, BAR_START], slot_whole[place, BAR_END]
            else:
                break
            if end == NEVER:
                break
            if end + lateness_ns > now:
                deadline = min(deadline, end + lateness_ns)
                break
            if written == len(out_whole):
                clock[DEADLINE] = now
                return written
            last_close = series_number[s, LAST_CLOSE]
            if open_slots > 0 and slot_whole[place, BAR_START] == start:
                out_whole[written, OUT_TICKS] = slot_whole[place, TICKS]
                out_whole[written, OUT_FLAWED] = slot_whole[place, FLAWED]
                for column in range(VOLUME):
                    out_number[written, column] = slot_number[place, column]
                volume = slot_number[place, QUANTITY]
                total = slot_number[place, TOTAL]
                if total >= 0.0:
                    volume += max(total - series_number[s, BASE], 0.0)
                    series_number[s, BASE] = max(total, series_number[s, BASE])
                out_number[written, VOLUME] = volume
                series_number[s, LAST_CLOSE] = slot_number[place, CLOSE]
                for k in range(place, place + open_slots - 1):
                    move_slot(slot_whole, slot_number, k + 1, k)
                series_whole[s, OPEN_SLOTS] = open_slots - 1
                if series_number[s, PENDING] >= 0.0 and (
                    open_slots == 1 or slot_whole[place, BAR_START] > series_whole[s, PENDING_NS]
                ):
                    series_number[s, BASE] = max(series_number[s, BASE], series_number[s, PENDING])
                    series_number[s, PENDING] = -1.0
                written += 1
                out_whole[written - 1, OUT_SERIES] = s
                out_whole[written - 1, OUT_START], out_whole[written - 1, OUT_END] = start, end
            elif last_close > 0.0:
                out_whole[written, OUT_TICKS], out_whole[written, OUT_FLAWED] = 0, 0
                for column in range(VOLUME):
                    out_number[written, column] = last_close
                out_number[written, VOLUME] = 0.0
                written += 1
                out_whole[written - 1, OUT_SERIES] = s
                out_whole[written - 1, OUT_START], out_whole[written - 1, OUT_END] = start, end
            if series_whole[s, FLAT] == 1:
                following = period_from(
                    windows,
                    row_whole[row, FIRST_WINDOW],
                    row_whole[row, WINDOW_COUNT],
                    series_whole[s, LENGTH],
                    end,
                )
                series_whole[s, NEXT_START], series_whole[s, NEXT_END] = following[0], following[1]
    clock[DEADLINE] = deadline
    return written
