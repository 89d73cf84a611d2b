"""Moving averages of equal and of exponential weights.  Definitions: specs/india-markets.md 8.3 (TradingView)."""

from math import nan

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import inlined
from trademantra.engine.grid import NO_GRID
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.kernel import indicator_kernel
from trademantra.engine.indicators.series import SOURCE, VOLUME, bars_of, denominator, numerator, price
from trademantra.engine.indicators.windows import add, average

LENGTH = bars_of(20)
SPEC = "specs/india-markets.md 8.3"


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
    # state[0] + state[1]: sum of the last `length` numerators; whole and exact on the grid, where state[1] stays 0.
    length, source = int(parameters[0]), int(parameters[1])
    divisor = length * denominator(source, scale)
    high, low = state[0], state[1]
    if scale != NO_GRID and source != VOLUME:
        for i in range(start, stop):
            high += numerator(bars, source, scale, i)
            if i >= length:
                high -= numerator(bars, source, scale, i - length)
            out[0, i - start] = high / divisor if i >= length - 1 else nan
    else:
        for i in range(start, stop):
            high, low = add(high, low, numerator(bars, source, scale, i))
            if i >= length:
                high, low = add(high, low, -numerator(bars, source, scale, i - length))
            out[0, i - start] = (high + low) / divisor if i >= length - 1 else nan
    state[0] = high
    state[1] = low


SMA = Indicator(
    name="sma",
    title="Simple moving average",
    kernel=sma_kernel,
    outputs=("sma",),
    parameters=(LENGTH, SOURCE),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 2,
    source=SPEC,
)


@inlined
def exponential(
    bars: Float64Array,
    scale: float,
    parameters: Float64Array,
    weight: float,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state[0] + state[1]: sum of the first numerators; from bar length - 1 on, state[0] is price - average.
    # That gap is what is carried: gap = (1 - weight) * (gap + change of price).  It is shorter than moving the
    # average itself, and a price that stands still is reached exactly instead of to a few last bits.
    length, source = int(parameters[0]), int(parameters[1])
    gap, low = state[0], state[1]
    rest = 1.0 - weight
    before = 0.0
    for i in range(start, min(stop, length)):
        gap, low = add(gap, low, numerator(bars, source, scale, i))
        out[0, i - start] = nan
        if i == length - 1:
            value = (gap + low) / (length * denominator(source, scale))
            gap = price(bars, source, scale, i) - value
            out[0, i - start] = value
    if stop > length:
        before = price(bars, source, scale, max(start, length) - 1)
    for i in range(max(start, length), stop):
        value = price(bars, source, scale, i)
        gap = rest * (gap + (value - before))
        before = value
        out[0, i - start] = value - gap
    state[0] = gap
    state[1] = low


@indicator_kernel
def ema_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    exponential(bars, scale, parameters, 2.0 / (parameters[0] + 1.0), state, out, start, stop)


EMA = Indicator(
    name="ema",
    title="Exponential moving average, weight 2 / (length + 1), started from the SMA",
    kernel=ema_kernel,
    outputs=("ema",),
    parameters=(LENGTH, SOURCE),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 2,
    source=SPEC,
)


@indicator_kernel
def rma_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    exponential(bars, scale, parameters, 1.0 / parameters[0], state, out, start, stop)


RMA = Indicator(
    name="rma",
    title="Wilder's moving average, weight 1 / length, started from the SMA",
    kernel=rma_kernel,
    outputs=("rma",),
    parameters=(bars_of(14), SOURCE),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 2,
    source=SPEC,
)


@indicator_kernel
def dema_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: the EMA, the EMA of it.
    length, source = int(parameters[0]), int(parameters[1])
    weight = 2.0 / (length + 1.0)
    for i in range(start, stop):
        out[0, i - start] = nan
        first = average(state, 0, price(bars, source, scale, i), i, length, weight)
        if i >= length - 1:
            second = average(state, 1, first, i - (length - 1), length, weight)
            out[0, i - start] = 2.0 * first - second


DEMA = Indicator(
    name="dema",
    title="Double exponential moving average: 2 EMA - EMA(EMA)",
    kernel=dema_kernel,
    outputs=("dema",),
    parameters=(LENGTH, SOURCE),
    warm_up=lambda values: 2 * (int(values[0]) - 1),
    state_size=lambda values: 2,
    source="P. Mulloy, 1994; TradingView and TA-Lib agree",
)


@indicator_kernel
def tema_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: the EMA, the EMA of it, the EMA of that.
    length, source = int(parameters[0]), int(parameters[1])
    weight = 2.0 / (length + 1.0)
    for i in range(start, stop):
        out[0, i - start] = nan
        first = average(state, 0, price(bars, source, scale, i), i, length, weight)
        if i >= length - 1:
            second = average(state, 1, first, i - (length - 1), length, weight)
            if i >= 2 * (length - 1):
                third = average(state, 2, second, i - 2 * (length - 1), length, weight)
                out[0, i - start] = 3.0 * (first - second) + third


TEMA = Indicator(
    name="tema",
    title="Triple exponential moving average: 3 (EMA - EMA(EMA)) + EMA(EMA(EMA))",
    kernel=tema_kernel,
    outputs=("tema",),
    parameters=(LENGTH, SOURCE),
    warm_up=lambda values: 3 * (int(values[0]) - 1),
    state_size=lambda values: 3,
    source="P. Mulloy, 1994; TradingView and TA-Lib agree",
)
