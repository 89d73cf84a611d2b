"""Oscillators within bounds (and CCI): where in its range, or how one-sided, the market is.

Where a formula divides nothing by nothing (a window without range, flow or deviation) the value is the neutral
middle, which neither buys nor sells; TA-Lib gives 0 there, which reads as "oversold".  RSI keeps TradingView's
rule: no losses gives 100.
"""

from math import nan

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import inlined
from trademantra.engine.indicators.averages import SPEC
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.kernel import indicator_kernel
from trademantra.engine.indicators.series import (
    CLOSE,
    HIGH,
    HLC3,
    LOW,
    SOURCE,
    SOURCE_TEXT,
    VOLUME,
    bars_of,
    numerator,
)
from trademantra.engine.indicators.windows import (
    EXTREME_SLOTS,
    SUM_SLOTS,
    WINDOW_SLOTS,
    average,
    highest,
    lowest,
    sum_of,
    undefined,
    window_sum,
)
from trademantra.engine.parameters import Parameter

TYPICAL = Parameter("source", HLC3, 0, 7, description=SOURCE_TEXT)


@inlined
def strength(up: float, down: float) -> float:
    """100 - 100 / (1 + up / down); 100 without losses, 0 without gains (in this order)."""
    return 100.0 * (up / (up + down)) if down > 0.0 else 100.0


@inlined
def place_in_range(value: float, low: float, high: float) -> float:
    """Percent of the way from low to high; 50 where there is no range."""
    return 100.0 * ((value - low) / (high - low)) if high > low else 50.0


@indicator_kernel
def rsi_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: averages of gains and of losses, in numerators; exact sums until bar `length`.
    length, source = int(parameters[0]), int(parameters[1])
    weight = 1.0 / length
    up, down = state[0], state[1]
    if start == 0 and stop > 0:
        out[0, 0] = nan
    for i in range(max(start, 1), min(stop, length + 1)):
        change = numerator(bars, source, scale, i) - numerator(bars, source, scale, i - 1)
        up += max(change, 0.0)
        down += max(-change, 0.0)
        out[0, i - start] = nan
        if i == length:
            up /= length
            down /= length
            out[0, i - start] = strength(up, down)
    for i in range(max(start, length + 1), stop):
        change = numerator(bars, source, scale, i) - numerator(bars, source, scale, i - 1)
        up += weight * (max(change, 0.0) - up)
        down += weight * (max(-change, 0.0) - down)
        out[0, i - start] = strength(up, down)
    state[0] = up
    state[1] = down


RSI = Indicator(
    name="rsi",
    title="Relative strength index",
    kernel=rsi_kernel,
    outputs=("rsi",),
    parameters=(bars_of(14), SOURCE),
    warm_up=lambda values: int(values[0]),
    state_size=lambda values: 2,
    source=SPEC,
)


@indicator_kernel
def stochastic_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: highest highs, lowest lows, sum of the last raw values, sum of the last %K.
    length, smooth_k, smooth_d = int(parameters[0]), int(parameters[1]), int(parameters[2])
    lows = EXTREME_SLOTS + length
    raws = 2 * lows
    ks = raws + WINDOW_SLOTS + smooth_k
    for i in range(start, stop):
        undefined(out, i - start)
        high = highest(state, 0, bars[HIGH, i], i, length)
        low = lowest(state, lows, bars[LOW, i], i, length)
        since = i - (length - 1)
        if since < 0:
            continue
        raw = place_in_range(bars[CLOSE, i], low, high)
        k = window_sum(state, raws, raw, since, smooth_k) / smooth_k
        since -= smooth_k - 1
        if since < 0:
            continue
        d = window_sum(state, ks, k, since, smooth_d) / smooth_d
        if since >= smooth_d - 1:
            out[0, i - start] = k
            out[1, i - start] = d


STOCHASTIC = Indicator(
    name="stochastic",
    title="Stochastic oscillator: %K and %D",
    kernel=stochastic_kernel,
    outputs=("k", "d"),
    parameters=(bars_of(14), bars_of(3, "smooth_k"), bars_of(3, "smooth_d")),
    warm_up=lambda values: int(sum(values)) - 3,
    state_size=lambda values: 2 * (EXTREME_SLOTS + WINDOW_SLOTS) + int(2 * values[0] + values[1] + values[2]),
    source=SPEC,
)


@indicator_kernel
def stochastic_rsi_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: RSI's two averages, highest and lowest RSI, sum of the last raw values, sum of the last %K.
    rsi_length, length, smooth_k, smooth_d, source = (
        int(parameters[0]),
        int(parameters[1]),
        int(parameters[2]),
        int(parameters[3]),
        int(parameters[4]),
    )
    weight = 1.0 / rsi_length
    lows = 2 + EXTREME_SLOTS + length
    raws = lows + EXTREME_SLOTS + length
    ks = raws + WINDOW_SLOTS + smooth_k
    for i in range(start, stop):
        undefined(out, i - start)
        if i == 0:
            continue
        change = numerator(bars, source, scale, i) - numerator(bars, source, scale, i - 1)
        up = average(state, 0, max(change, 0.0), i - 1, rsi_length, weight)
        down = average(state, 1, max(-change, 0.0), i - 1, rsi_length, weight)
        since = i - rsi_length
        if since < 0:
            continue
        rsi = strength(up, down)
        high = highest(state, 2, rsi, since, length)
        low = lowest(state, lows, rsi, since, length)
        since -= length - 1
        if since < 0:
            continue
        k = window_sum(state, raws, place_in_range(rsi, low, high), since, smooth_k) / smooth_k
        since -= smooth_k - 1
        if since < 0:
            continue
        d = window_sum(state, ks, k, since, smooth_d) / smooth_d
        if since >= smooth_d - 1:
            out[0, i - start] = k
            out[1, i - start] = d


STOCHASTIC_RSI = Indicator(
    name="stochastic_rsi",
    title="Stochastic oscillator of the RSI: %K and %D",
    kernel=stochastic_rsi_kernel,
    outputs=("k", "d"),
    parameters=(
        bars_of(14, "rsi_length"),
        bars_of(14),
        bars_of(3, "smooth_k"),
        bars_of(3, "smooth_d"),
        SOURCE,
    ),
    warm_up=lambda values: int(sum(values[:4])) - 3,
    state_size=lambda values: (
        2 + 2 * (EXTREME_SLOTS + WINDOW_SLOTS) + int(2 * values[1] + values[2] + values[3])
    ),
    source="TradingView: sma(stoch(rsi, rsi, rsi, length), smooth_k), sma of it",
)


@indicator_kernel
def williams_r_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    length = int(parameters[0])
    for i in range(start, stop):
        high = highest(state, 0, bars[HIGH, i], i, length)
        low = lowest(state, EXTREME_SLOTS + length, bars[LOW, i], i, length)
        out[0, i - start] = nan
        if i >= length - 1:
            close = bars[CLOSE, i]
            out[0, i - start] = 100.0 * ((close - high) / (high - low)) if high > low else -50.0


WILLIAMS_R = Indicator(
    name="williams_r",
    title="Williams %R: from -100 at the lowest low to 0 at the highest high",
    kernel=williams_r_kernel,
    outputs=("williams_r",),
    parameters=(bars_of(14),),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 2 * (EXTREME_SLOTS + int(values[0])),
    source="L. Williams, 1973; TradingView ta.wpr",
)


@indicator_kernel
def cci_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # The mean absolute deviation needs the whole window again at each bar: O(length), in four sums side by side.
    # length * x - sum is a whole number on the grid, so a window without deviation is exactly that.
    # state: the window's sum, then its values by place.
    length, source = int(parameters[0]), int(parameters[1])
    quarters = SUM_SLOTS + length // 4 * 4
    for i in range(start, stop):
        value = numerator(bars, source, scale, i)
        total = window_sum(state, 0, value, i, length)
        if i < length - 1:
            out[0, i - start] = nan
            continue
        first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
        for slot in range(SUM_SLOTS, quarters, 4):
            first += abs(length * state[slot] - total)
            second += abs(length * state[slot + 1] - total)
            third += abs(length * state[slot + 2] - total)
            fourth += abs(length * state[slot + 3] - total)
        for slot in range(quarters, SUM_SLOTS + length):
            first += abs(length * state[slot] - total)
        deviations = (first + second) + (third + fourth)
        way = length * value - total
        out[0, i - start] = way / deviations * (length / 0.015) if deviations > 0.0 else 0.0


CCI = Indicator(
    name="cci",
    title="Commodity channel index: distance from the SMA over 0.015 mean absolute deviations",
    kernel=cci_kernel,
    outputs=("cci",),
    parameters=(bars_of(20), TYPICAL),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: WINDOW_SLOTS + int(values[0]),
    source="D. Lambert, 1980; TradingView ta.cci",
)


@inlined
def money_flow(bars: Float64Array, source: int, scale: float, i: int) -> tuple[float, float]:
    """Price times volume of bar i: (when the price rose, when it fell)."""
    now = numerator(bars, source, scale, i)
    before = numerator(bars, source, scale, i - 1)
    flow = now * bars[VOLUME, i]
    return (flow if now > before else 0.0), (flow if now < before else 0.0)


@indicator_kernel
def mfi_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: sums of rising and of falling flows.  Prices are compared in grid steps, so equal ones are equal.
    length, source = int(parameters[0]), int(parameters[1])
    for i in range(start, stop):
        out[0, i - start] = nan
        if i == 0:
            continue
        up, down = money_flow(bars, source, scale, i)
        up_before, down_before = 0.0, 0.0
        if i > length:
            up_before, down_before = money_flow(bars, source, scale, i - length)
        up = sum_of(state, 0, up, up_before)
        down = sum_of(state, SUM_SLOTS, down, down_before)
        if i >= length:
            out[0, i - start] = 100.0 * (up / (up + down)) if up + down > 0.0 else 50.0


MFI = Indicator(
    name="mfi",
    title="Money flow index: rising part of the traded value",
    kernel=mfi_kernel,
    outputs=("mfi",),
    parameters=(bars_of(14), TYPICAL),
    warm_up=lambda values: int(values[0]),
    state_size=lambda values: 2 * SUM_SLOTS,
    source="TradingView ta.mfi",
)
