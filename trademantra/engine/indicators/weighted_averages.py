"""Moving averages whose weights differ: linear, Hull, by volume, by efficiency, and the regression line."""

from math import nan, sqrt

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.grid import NO_GRID
from trademantra.engine.indicators.averages import LENGTH, SPEC
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.kernel import indicator_kernel
from trademantra.engine.indicators.series import SOURCE, VOLUME, bars_of, denominator, numerator, price
from trademantra.engine.indicators.windows import (
    SUM_SLOTS,
    WEIGHTED_SLOTS,
    add,
    delayed,
    sum_of,
    weighted_sum,
)


@indicator_kernel
def wma_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    length, source = int(parameters[0]), int(parameters[1])
    whole = scale != NO_GRID and source < VOLUME
    divisor = 0.5 * length * (length + 1) * denominator(source, scale)
    for i in range(start, stop):
        leaving = numerator(bars, source, scale, i - length) if i >= length else 0.0
        weighted, _ = weighted_sum(state, 0, numerator(bars, source, scale, i), leaving, length, whole)
        out[0, i - start] = weighted / divisor if i >= length - 1 else nan


WMA = Indicator(
    name="wma",
    title="Weighted moving average: weights 1 for the oldest to length for the newest",
    kernel=wma_kernel,
    outputs=("wma",),
    parameters=(LENGTH, SOURCE),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: WEIGHTED_SLOTS,
    source=SPEC,
)


@indicator_kernel
def hma_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: weighted sums of the half, of the whole, and of their difference with its last values.
    length, source = int(parameters[0]), int(parameters[1])
    half, root = length // 2, int(sqrt(parameters[0]))
    whole = scale != NO_GRID and source < VOLUME
    unit = denominator(source, scale)
    for i in range(start, stop):
        out[0, i - start] = nan
        entering = numerator(bars, source, scale, i)
        leaving = numerator(bars, source, scale, i - half) if i >= half else 0.0
        fast, _ = weighted_sum(state, 0, entering, leaving, half, whole)
        leaving = numerator(bars, source, scale, i - length) if i >= length else 0.0
        slow, _ = weighted_sum(state, WEIGHTED_SLOTS, entering, leaving, length, whole)
        if i >= length - 1:
            value = 4.0 * fast / (half * (half + 1) * unit) - 2.0 * slow / (length * (length + 1) * unit)
            leaving = delayed(state, 3 * WEIGHTED_SLOTS, value, i - (length - 1), root)
            smooth, _ = weighted_sum(state, 2 * WEIGHTED_SLOTS, value, leaving, root, False)
            if i >= length + root - 2:
                out[0, i - start] = smooth / (0.5 * root * (root + 1))


HMA = Indicator(
    name="hma",
    title="Hull moving average: WMA(2 WMA(length / 2) - WMA(length), sqrt(length)), both rounded down",
    kernel=hma_kernel,
    outputs=("hma",),
    parameters=(bars_of(20, low=2), SOURCE),
    warm_up=lambda values: int(values[0]) + int(sqrt(values[0])) - 2,
    state_size=lambda values: 3 * WEIGHTED_SLOTS + int(sqrt(values[0])),
    source=SPEC,
)


@indicator_kernel
def vwma_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: sums of price times volume and of volume.  No volume in the window: no average.
    length, source = int(parameters[0]), int(parameters[1])
    unit = denominator(source, scale)
    for i in range(start, stop):
        volume = bars[VOLUME, i]
        value = numerator(bars, source, scale, i) * volume
        volume_before, before = 0.0, 0.0
        if i >= length:
            volume_before = bars[VOLUME, i - length]
            before = numerator(bars, source, scale, i - length) * volume_before
        traded = sum_of(state, 0, value, before)
        volumes = sum_of(state, SUM_SLOTS, volume, volume_before)
        out[0, i - start] = traded / volumes / unit if i >= length - 1 and volumes > 0.0 else nan


VWMA = Indicator(
    name="vwma",
    title="Volume-weighted moving average; undefined while nothing was traded in the window",
    kernel=vwma_kernel,
    outputs=("vwma",),
    parameters=(LENGTH, SOURCE),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 2 * SUM_SLOTS,
    source="TradingView ta.vwma: sma(source * volume) / sma(volume)",
)


@indicator_kernel
def kama_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state[0]: the average; state[1], state[2]: sum of the last `length` absolute changes.
    length, source = int(parameters[0]), int(parameters[3])
    fastest, slowest = 2.0 / (parameters[1] + 1.0), 2.0 / (parameters[2] + 1.0)
    value, high, low = state[0], state[1], state[2]
    for i in range(start, stop):
        if i > 0:
            now = numerator(bars, source, scale, i)
            high, low = add(high, low, abs(now - numerator(bars, source, scale, i - 1)))
            if i > length:
                one = numerator(bars, source, scale, i - length)
                high, low = add(high, low, -abs(one - numerator(bars, source, scale, i - length - 1)))
        if i < length:
            out[0, i - start] = nan
            if i == length - 1:
                value = price(bars, source, scale, i)
            continue
        path = high + low
        way = abs(numerator(bars, source, scale, i) - numerator(bars, source, scale, i - length))
        efficiency = way / path if path > way else 1.0
        weight = efficiency * (fastest - slowest) + slowest
        value += weight * weight * (price(bars, source, scale, i) - value)
        out[0, i - start] = value
    state[0] = value
    state[1] = high
    state[2] = low


KAMA = Indicator(
    name="kama",
    title="Kaufman's adaptive moving average: weight by way / path of the last bars; a still market has way 1",
    kernel=kama_kernel,
    outputs=("kama",),
    parameters=(
        bars_of(10),
        bars_of(2, "fast", description="length of the EMA in a straight market"),
        bars_of(30, "slow", description="length of the EMA in a market that goes nowhere"),
        SOURCE,
    ),
    warm_up=lambda values: int(values[0]),
    state_size=lambda values: 3,
    source="P. Kaufman, 1995; started as TA-Lib does, from the price before the first value",
)


@indicator_kernel
def linear_regression_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # The line's end and slope from two window sums W (weights 1..n) and S: 3 WMA - 2 SMA, 6 (WMA - SMA) / (n - 1).
    length, source = int(parameters[0]), int(parameters[1])
    whole = scale != NO_GRID and source < VOLUME
    unit = length * (length + 1.0) * denominator(source, scale)
    for i in range(start, stop):
        leaving = numerator(bars, source, scale, i - length) if i >= length else 0.0
        weighted, plain = weighted_sum(state, 0, numerator(bars, source, scale, i), leaving, length, whole)
        if i < length - 1:
            out[0, i - start] = nan
            out[1, i - start] = nan
            continue
        lean = 2.0 * weighted - (length + 1.0) * plain
        slope = 6.0 * lean / (unit * (length - 1.0))
        out[0, i - start] = plain / (length * denominator(source, scale)) + 0.5 * slope * (length - 1.0)
        out[1, i - start] = slope


LINEAR_REGRESSION = Indicator(
    name="linear_regression",
    title="Least-squares line through the last bars: its end and its slope a bar",
    kernel=linear_regression_kernel,
    outputs=("value", "slope"),
    parameters=(bars_of(20, low=2), SOURCE),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: WEIGHTED_SLOTS,
    source="TradingView ta.linreg with offset 0",
)
