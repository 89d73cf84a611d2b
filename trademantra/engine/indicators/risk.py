"""What position sizing reads besides the true range: how far returns spread."""

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
