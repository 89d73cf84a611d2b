"""Bands around price: Bollinger, Keltner, Donchian, and the squeeze of the first inside the second."""

from math import sqrt

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.grid import NO_GRID
from trademantra.engine.indicators.averages import SPEC
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.kernel import indicator_kernel
from trademantra.engine.indicators.series import (
    CLOSE,
    HIGH,
    LOW,
    SOURCE,
    bars_of,
    denominator,
    grid_steps,
    numerator,
    price,
    true_range,
    true_range_steps,
)
from trademantra.engine.indicators.windows import (
    EXTREME_SLOTS,
    SPREAD_SLOTS,
    SUM_SLOTS,
    WEIGHTED_SLOTS,
    average,
    delayed,
    highest,
    lowest,
    spread,
    suffix_sums,
    undefined,
    weighted_sum,
    window_sum,
)
from trademantra.engine.parameters import Parameter


def multiplier_of(default: float, name: str = "multiplier") -> Parameter:
    """A parameter for the width of a band."""
    return Parameter(name, default, 0.1, 20, step=0.1, integer=False, description="width of the band")


@indicator_kernel
def bollinger_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # `spread` written out with its four running numbers in registers: this one is swept most.
    length, multiplier, source = int(parameters[0]), parameters[1], int(parameters[2])
    divisor = length * denominator(source, scale)
    reach_share, percent_share = multiplier / divisor, 0.5 / multiplier
    first, prefix, prefix_square, last = state[0], state[1], state[2], state[3]
    place = start % length
    for i in range(start, stop):
        value = numerator(bars, source, scale, i)
        if place == 0:
            first, prefix, prefix_square = value, 0.0, 0.0
        deviation = value - first
        prefix += deviation
        prefix_square += deviation * deviation
        state[SPREAD_SLOTS + place] = value
        total, square = prefix, prefix_square
        place += 1
        if place < length:
            shift = last - first
            others = float(length - place)
            suffix = state[SPREAD_SLOTS + place]
            square += state[SPREAD_SLOTS + length + place] + shift * (2.0 * suffix + others * shift)
            total += suffix + others * shift
        else:
            place = 0
            last = value
            suffix_sums(state, SPREAD_SLOTS, length)
        if i < length - 1:
            undefined(out, i - start)
            continue
        root = sqrt(max(length * square - total * total, 0.0))
        whole = total + length * first
        middle = whole / divisor
        reach = root * reach_share
        out[0, i - start] = middle
        out[1, i - start] = middle + reach
        out[2, i - start] = middle - reach
        out[3, i - start] = 0.5 + percent_share * ((length * deviation - total) / root) if root > 0.0 else 0.5
        out[4, i - start] = 2.0 * multiplier * (root / whole) if whole > 0.0 else 0.0
    state[0], state[1], state[2], state[3] = first, prefix, prefix_square, last


BOLLINGER = Indicator(
    name="bollinger",
    title="Bollinger bands: SMA ± multiplier population standard deviations; %b and width as fractions",
    kernel=bollinger_kernel,
    outputs=("middle", "upper", "lower", "percent_b", "width"),
    parameters=(bars_of(20), multiplier_of(2.0), SOURCE),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: SPREAD_SLOTS + 2 * int(values[0]),
    source=SPEC,
)


@indicator_kernel
def keltner_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: EMA of the source, RMA of the true range.
    length, multiplier, atr_length, source = (
        int(parameters[0]),
        parameters[1],
        int(parameters[2]),
        int(parameters[3]),
    )
    weight, atr_weight = 2.0 / (length + 1.0), 1.0 / atr_length
    for i in range(start, stop):
        middle = average(state, 0, price(bars, source, scale, i), i, length, weight)
        reach = multiplier * average(state, 1, true_range(bars, i), i, atr_length, atr_weight)
        if i < max(length, atr_length) - 1:
            undefined(out, i - start)
            continue
        out[0, i - start] = middle
        out[1, i - start] = middle + reach
        out[2, i - start] = middle - reach


KELTNER = Indicator(
    name="keltner",
    title="Keltner channels: EMA ± multiplier ATR",
    kernel=keltner_kernel,
    outputs=("middle", "upper", "lower"),
    parameters=(bars_of(20), multiplier_of(2.0), bars_of(10, "atr_length"), SOURCE),
    warm_up=lambda values: int(max(values[0], values[2])) - 1,
    state_size=lambda values: 2,
    source="C. Keltner, L. Raschke; TradingView",
)


@indicator_kernel
def donchian_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # The bar itself belongs to the window; a breakout compares with the bar before.
    length = int(parameters[0])
    for i in range(start, stop):
        high = highest(state, 0, bars[HIGH, i], i, length)
        low = lowest(state, EXTREME_SLOTS + length, bars[LOW, i], i, length)
        if i < length - 1:
            undefined(out, i - start)
            continue
        out[0, i - start] = high
        out[1, i - start] = (grid_steps(high, scale) + grid_steps(low, scale)) / (2.0 * scale)
        out[2, i - start] = low


DONCHIAN = Indicator(
    name="donchian",
    title="Donchian channels: highest high, middle and lowest low of the last bars, this one included",
    kernel=donchian_kernel,
    outputs=("upper", "middle", "lower"),
    parameters=(bars_of(20),),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 2 * (EXTREME_SLOTS + int(values[0])),
    source="R. Donchian; TradingView",
)


@indicator_kernel
def squeeze_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: spread of closes, sum of true ranges, highest high, lowest low, weighted sum of distances.
    length, deviations, ranges = int(parameters[0]), parameters[1], parameters[2]
    true_ranges = SPREAD_SLOTS + 2 * length
    highs = true_ranges + SUM_SLOTS + length
    lows = highs + EXTREME_SLOTS + length
    distances = lows + EXTREME_SLOTS + length
    unit = length * (length + 1.0) * (4.0 * length) * scale
    for i in range(start, stop):
        undefined(out, i - start)
        close = grid_steps(bars[CLOSE, i], scale)
        total, variance = spread(state, 0, close, i, length)
        true_ranges_sum = window_sum(state, true_ranges, true_range_steps(bars, scale, i), i, length)
        high = highest(state, highs, bars[HIGH, i], i, length)
        low = lowest(state, lows, bars[LOW, i], i, length)
        since = i - (length - 1)
        if since < 0:
            continue
        # close - mean(mean(highest, lowest), SMA), times 4 * length: whole on the grid.
        middle = length * (grid_steps(high, scale) + grid_steps(low, scale))
        distance = 4.0 * length * close - middle - 2.0 * total
        leaving = delayed(state, distances + WEIGHTED_SLOTS, distance, since, length)
        weighted, plain = weighted_sum(state, distances, distance, leaving, length, scale != NO_GRID)
        if since >= length - 1:
            out[0, i - start] = 1.0 if deviations * sqrt(variance) < ranges * true_ranges_sum else 0.0
            out[1, i - start] = (6.0 * weighted - 2.0 * (length + 1.0) * plain) / unit


SQUEEZE = Indicator(
    name="squeeze",
    title="Squeeze: 1 while the Bollinger bands lie inside the Keltner bands (both around the SMA); momentum",
    kernel=squeeze_kernel,
    outputs=("on", "momentum"),
    parameters=(bars_of(20, low=2), multiplier_of(2.0, "deviations"), multiplier_of(1.5, "ranges")),
    warm_up=lambda values: 2 * (int(values[0]) - 1),
    state_size=lambda values: (
        SPREAD_SLOTS + SUM_SLOTS + 2 * EXTREME_SLOTS + WEIGHTED_SLOTS + 6 * int(values[0])
    ),
    source="J. Carter; momentum as LazyBear's TradingView script: regression of close - mid-range and SMA",
)
