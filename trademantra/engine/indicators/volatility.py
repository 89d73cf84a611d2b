"""How much prices move: true range, ATR, standard deviation, z-score, Chaikin volatility."""

from math import nan, sqrt

from trademantra.engine.bars import Float64Array, Int64Array
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
    numerator,
    true_range,
    true_range_steps,
)
from trademantra.engine.indicators.windows import SPREAD_SLOTS, average, delayed, spread


@indicator_kernel
def true_range_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    for i in range(start, stop):
        out[0, i - start] = true_range_steps(bars, scale, i) / scale


TRUE_RANGE = Indicator(
    name="true_range",
    title="True range",
    kernel=true_range_kernel,
    outputs=("true_range",),
    parameters=(),
    warm_up=lambda values: 0,
    state_size=lambda values: 1,
    source=SPEC,
)


@indicator_kernel
def atr_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state[0]: running mean of the first true ranges; from bar length - 1 on, true range - ATR (see averages).
    length = int(parameters[0])
    rest = 1.0 - 1.0 / length
    gap = state[0]
    for i in range(start, min(stop, length)):
        value = true_range(bars, i)
        gap += (value - gap) / (i + 1)
        out[0, i - start] = nan
        if i == length - 1:
            out[0, i - start] = gap
            gap = value - gap
    if stop > length:
        before = true_range(bars, max(start, length) - 1)
        close = bars[CLOSE, max(start, length) - 1]
        for i in range(max(start, length), stop):
            value = max(bars[HIGH, i], close) - min(bars[LOW, i], close)
            close = bars[CLOSE, i]
            gap = rest * (gap + (value - before))
            before = value
            out[0, i - start] = value - gap
    state[0] = gap


ATR = Indicator(
    name="atr",
    title="Average true range: RMA of the true range",
    kernel=atr_kernel,
    outputs=("atr",),
    parameters=(bars_of(14),),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 1,
    source=SPEC,
)


@indicator_kernel
def standard_deviation_kernel(
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
    divisor = length * denominator(source, scale)
    for i in range(start, stop):
        _, variance = spread(state, 0, numerator(bars, source, scale, i), i, length)
        out[0, i - start] = sqrt(variance) / divisor if i >= length - 1 else nan


STANDARD_DEVIATION = Indicator(
    name="standard_deviation",
    title="Population standard deviation",
    kernel=standard_deviation_kernel,
    outputs=("standard_deviation",),
    parameters=(bars_of(20), SOURCE),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: SPREAD_SLOTS + 2 * int(values[0]),
    source="TradingView ta.stdev (biased)",
)


@indicator_kernel
def z_score_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # 0 where nothing deviates.
    length, source = int(parameters[0]), int(parameters[1])
    for i in range(start, stop):
        value = numerator(bars, source, scale, i)
        total, variance = spread(state, 0, value, i, length)
        out[0, i - start] = nan
        if i >= length - 1:
            out[0, i - start] = (length * value - total) / sqrt(variance) if variance > 0.0 else 0.0


Z_SCORE = Indicator(
    name="z_score",
    title="Distance from the SMA in population standard deviations",
    kernel=z_score_kernel,
    outputs=("z_score",),
    parameters=(bars_of(20), SOURCE),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: SPREAD_SLOTS + 2 * int(values[0]),
    source="(x - SMA) / standard deviation",
)


@indicator_kernel
def chaikin_volatility_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: EMA of high - low, then its last values.  0 where there was no range to compare with.
    length, change = int(parameters[0]), int(parameters[1])
    weight = 2.0 / (length + 1.0)
    for i in range(start, stop):
        out[0, i - start] = nan
        value = average(state, 0, bars[HIGH, i] - bars[LOW, i], i, length, weight)
        since = i - (length - 1)
        if since < 0:
            continue
        before = delayed(state, 1, value, since, change)
        if since >= change:
            out[0, i - start] = 100.0 * ((value - before) / before) if before > 0.0 else 0.0


CHAIKIN_VOLATILITY = Indicator(
    name="chaikin_volatility",
    title="Chaikin volatility: rate of change of the EMA of high - low, percent",
    kernel=chaikin_volatility_kernel,
    outputs=("chaikin_volatility",),
    parameters=(bars_of(10), bars_of(10, "change", description="bars over which the EMA's change is taken")),
    warm_up=lambda values: int(values[0] + values[1]) - 1,
    state_size=lambda values: 1 + int(values[1]),
    source="M. Chaikin; TradingView",
)
