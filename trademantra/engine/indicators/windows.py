"""Parts of kernels: exact window sums, running averages and extremes, each in its own slice of the state.

Every part takes `state` and `at`, the index of its first slot; `*_SLOTS` says how many it needs.  All slots
are zero before the first value.  Each part is O(1) a bar (extremes: amortised).
"""

from math import nan

from trademantra.engine.bars import Float64Array
from trademantra.engine.compile import inlined

_SPLIT = 134_217_729.0  # 2**27 + 1, halves a float64 (T. J. Dekker, 1971)

SUM_SLOTS = 2
AVERAGE_SLOTS = 1
DELAY_SLOTS = 0  # and one a bar of delay
WINDOW_SLOTS = SUM_SLOTS  # and one a value
WEIGHTED_SLOTS = 2 * SUM_SLOTS  # and one a value
EXTREME_SLOTS = 1  # and one a value
SPREAD_SLOTS = 4  # and two a value


@inlined
def add(high: float, low: float, value: float) -> tuple[float, float]:
    """Add `value` to the sum high + low without losing its low bits (two-sum, D. E. Knuth).

    What is added and later taken away again leaves nothing behind, so a window sum does not drift.
    """
    total = high + value
    part = total - high
    return total, low + ((high - (total - part)) + (value - part))


@inlined
def product(a: float, b: float) -> tuple[float, float]:
    """a * b as an exact pair: the rounded product and its error (T. J. Dekker, 1971)."""
    rounded = a * b
    wide = _SPLIT * a
    a_high = wide - (wide - a)
    a_low = a - a_high
    wide = _SPLIT * b
    b_high = wide - (wide - b)
    b_low = b - b_high
    return rounded, ((a_high * b_high - rounded) + a_high * b_low + a_low * b_high) + a_low * b_low


@inlined
def sum_of(state: Float64Array, at: int, entering: float, leaving: float) -> float:
    """A window sum: one value in, one out (0 while the window fills)."""
    high, low = add(state[at], state[at + 1], entering)
    high, low = add(high, low, -leaving)
    state[at] = high
    state[at + 1] = low
    return high + low


@inlined
def average(state: Float64Array, at: int, value: float, count: int, length: int, weight: float) -> float:
    """EMA (`weight` 2/(length+1)) or RMA (1/length), started from the mean of the first `length` values.

    `count` values came before.  NaN before the start.  The mean is kept as a running mean, and steps are
    written average + weight * (value - average), so that equal values give exactly that value.
    """
    if count < length:
        weight = 1.0 / (count + 1)
    state[at] += weight * (value - state[at])
    return float(state[at]) if count >= length - 1 else nan


@inlined
def delayed(state: Float64Array, at: int, value: float, count: int, bars_ago: int) -> float:
    """The value of `bars_ago` (at least 1) calls earlier; 0 before there is one.  `count` values came before."""
    position = at + count % bars_ago
    before = float(state[position])
    state[position] = value
    return before


@inlined
def window_sum(state: Float64Array, at: int, value: float, count: int, length: int) -> float:
    """Sum of the last `length` values, with `value` the newest; `count` values came before."""
    return sum_of(state, at, value, delayed(state, at + SUM_SLOTS, value, count, length))


@inlined
def weighted_sum(
    state: Float64Array, at: int, entering: float, leaving: float, length: int, whole: bool
) -> tuple[float, float]:
    """(sum of weight times value, plain sum) over a window, weights 1 for the oldest to `length` for the newest.

    One step: every weight falls by one, which takes the plain sum away, and the newest comes in with `length`.
    `leaving` is the value of `length` bars ago, 0 while the window fills.  `whole` says that values are grid
    steps: their products with a length, and their sums, are whole numbers below 2**53 (see `grid`).
    """
    plain_high, plain_low = state[at], state[at + 1]
    high, low = state[at + 2], state[at + 3]
    if whole:
        high, low = add(high, low, entering * length - plain_high)
    else:
        newest, rest = product(entering, float(length))
        high, low = add(high, low, newest)
        high, low = add(high, low, rest)
        high, low = add(high, low, -plain_high)
        high, low = add(high, low, -plain_low)
    state[at + 2] = high
    state[at + 3] = low
    return high + low, sum_of(state, at, entering, leaving)


@inlined
def highest(state: Float64Array, at: int, value: float, count: int, length: int) -> float:
    """Greatest of the last `length` values, `value` the newest; meaningless until there are `length`.

    Values come in blocks of `length`.  Slots: the greatest of the block so far, then for each place the value
    of this block or, from the place after the newest on, the greatest of the last block from there to its end.
    So a window is one suffix of the last block and one prefix of this one (M. van Herk, 1992): no search, no
    branch that depends on prices.
    """
    place = count % length
    slot = at + EXTREME_SLOTS + place
    greatest = value if place == 0 else max(float(state[at]), value)
    state[at] = greatest
    state[slot] = value
    if place < length - 1:
        return max(greatest, float(state[slot + 1]))
    for earlier in range(slot - 1, slot - length, -1):
        state[earlier] = max(state[earlier], state[earlier + 1])
    return greatest


@inlined
def lowest(state: Float64Array, at: int, value: float, count: int, length: int) -> float:
    """Least of the last `length` values; as `highest`."""
    place = count % length
    slot = at + EXTREME_SLOTS + place
    least = value if place == 0 else min(float(state[at]), value)
    state[at] = least
    state[slot] = value
    if place < length - 1:
        return min(least, float(state[slot + 1]))
    for earlier in range(slot - 1, slot - length, -1):
        state[earlier] = min(state[earlier], state[earlier + 1])
    return least


@inlined
def spread(state: Float64Array, at: int, value: float, count: int, length: int) -> tuple[float, float]:
    """(sum, length**2 times population variance) of the last `length` values; meaningless until there are so many.

    As in `highest`, a window is a suffix of the last block and a prefix of this one: nothing is ever taken
    away, so a great value leaves no residue when it goes.  Deviations are from a value inside the window (the
    last of the suffix, the first of the prefix), so they are no greater than the window's range: the relative
    error stays below about 2 * length * 2**-53, equal values give exactly 0, and whole numbers an exact sum.
    Slots: first value, sum and sum of squares of the prefix; last value of the suffix; then for each place the
    value, or the sum of the suffix that starts there; then the sums of squares.
    """
    place = count % length
    sums = at + SPREAD_SLOTS
    squares = sums + length
    if place == 0:
        state[at] = value
        state[at + 1] = 0.0
        state[at + 2] = 0.0
    first = state[at]
    deviation = value - first
    total = state[at + 1] + deviation
    square = state[at + 2] + deviation * deviation
    state[at + 1] = total
    state[at + 2] = square
    state[sums + place] = value
    if place < length - 1:
        shift = state[at + 3] - first
        others = float(length - 1 - place)
        suffix = state[sums + place + 1]
        square += state[squares + place + 1] + shift * (2.0 * suffix + others * shift)
        total += suffix + others * shift
    else:
        state[at + 3] = value
        suffix_sums(state, sums, length)
    return total + length * first, max(length * square - total * total, 0.0)


@inlined
def suffix_sums(state: Float64Array, sums: int, length: int) -> None:
    """Turn a full block of values into the sums and sums of squares of deviations of its suffixes."""
    last = state[sums + length - 1]
    total = 0.0
    square = 0.0
    for slot in range(sums + length - 1, sums - 1, -1):
        deviation = state[slot] - last
        total += deviation
        square += deviation * deviation
        state[slot] = total
        state[slot + length] = square


@inlined
def undefined(out: Float64Array, column: int) -> None:
    """No value at this bar, in any output."""
    for output in range(out.shape[0]):
        out[output, column] = nan
