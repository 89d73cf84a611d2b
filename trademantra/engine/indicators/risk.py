"""The two columns that position sizing and protective levels read: true range and the deviation of returns."""

from math import nan

import numpy as np

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import indicator_kernel
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.parameters import Parameter


@indicator_kernel
def return_deviation_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # Two passes over the window: returns are tiny beside 1, and a running sum of squares would cancel.
    length = int(parameters[0])
    close = bars[3]
    for i in range(start, stop):
        if i < length:
            out[0, i - start] = nan
            continue
        mean = 0.0
        for j in range(i - length + 1, i + 1):
            mean += close[j] / close[j - 1] - 1.0
        mean /= length
        square = 0.0
        for j in range(i - length + 1, i + 1):
            deviation = close[j] / close[j - 1] - 1.0 - mean
            square += deviation * deviation
        out[0, i - start] = np.sqrt(square / (length - 1))


RETURN_DEVIATION = Indicator(
    name="return_deviation",
    title="Sample standard deviation of bar-to-bar returns",
    kernel=return_deviation_kernel,
    outputs=("return_deviation",),
    parameters=(Parameter("length", 20, 2, 5_000, description="returns in the window"),),
    warm_up=lambda values: int(values[0]),
    state_size=lambda values: 1,
    source="sample standard deviation (n - 1)",
)


@indicator_kernel
def average_true_range_kernel(
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
        true_range = bars[1, i] - bars[2, i]
        if i > 0:
            true_range = max(bars[1, i], bars[3, i - 1]) - min(bars[2, i], bars[3, i - 1])
        if i < length:
            state[0] += true_range / length
        else:
            state[0] += (true_range - state[0]) / length
        out[0, i - start] = state[0] if i >= length - 1 else nan


AVERAGE_TRUE_RANGE = Indicator(
    name="atr",
    title="Average true range (Wilder)",
    kernel=average_true_range_kernel,
    outputs=("atr",),
    parameters=(Parameter("length", 14, 1, 5_000),),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 1,
)
