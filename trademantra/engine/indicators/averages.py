"""Moving averages.  Definitions: specs/india-markets.md 8.3 (TradingView)."""

from math import nan

import numpy as np

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import indicator_kernel, inlined
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.parameters import Parameter

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)

LENGTH = Parameter("length", 20, 1, 5_000, description="number of bars")
SOURCE = Parameter(
    "source", CLOSE, OPEN, 7, description="0 open, 1 high, 2 low, 3 close, 4 volume, 5 hl2, 6 hlc3, 7 ohlc4"
)


@inlined
def price(bars: Float64Array, source: int, i: int) -> float:
    """The series that a `source` parameter names, at bar i."""
    if source <= VOLUME:
        return float(bars[source, i])
    if source == 5:
        return float((bars[HIGH, i] + bars[LOW, i]) / 2.0)
    if source == 6:
        return float((bars[HIGH, i] + bars[LOW, i] + bars[CLOSE, i]) / 3.0)
    return float((bars[OPEN, i] + bars[HIGH, i] + bars[LOW, i] + bars[CLOSE, i]) / 4.0)


@indicator_kernel
def sma_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state[0]: sum of the last `length` prices in grid steps; whole numbers, therefore exact (see grid).
    length, source = int(parameters[0]), int(parameters[1])
    total = state[0]
    for i in range(start, stop):
        if source == CLOSE and scale != 1.0:
            total += np.rint(bars[CLOSE, i] * scale)
            if i >= length:
                total -= np.rint(bars[CLOSE, i - length] * scale)
            out[0, i - start] = total / length / scale if i >= length - 1 else nan
        else:
            total += price(bars, source, i)
            if i >= length:
                total -= price(bars, source, i - length)
            out[0, i - start] = total / length if i >= length - 1 else nan
    state[0] = total


SMA = Indicator(
    name="sma",
    title="Simple moving average",
    kernel=sma_kernel,
    outputs=("sma",),
    parameters=(LENGTH, SOURCE),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 1,
    source="specs/india-markets.md 8.3",
)
