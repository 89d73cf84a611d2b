"""What volume says: on-balance volume, accumulation/distribution, Chaikin money flow, average volume."""

from math import nan

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import inlined
from trademantra.engine.indicators.averages import LENGTH
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.kernel import indicator_kernel
from trademantra.engine.indicators.series import CLOSE, HIGH, LOW, VOLUME, bars_of, grid_steps
from trademantra.engine.indicators.windows import SUM_SLOTS, add, sum_of, undefined


@inlined
def money_flow_volume(bars: Float64Array, scale: float, i: int) -> float:
    """Volume times where the close lies in the range, from -1 at the low to 1 at the high; 0 without a range."""
    high, low = grid_steps(bars[HIGH, i], scale), grid_steps(bars[LOW, i], scale)
    if high <= low:
        return 0.0
    close = grid_steps(bars[CLOSE, i], scale)
    return float(((close - low) - (high - close)) / (high - low) * bars[VOLUME, i])


@indicator_kernel
def obv_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    total = state[0]
    for i in range(start, stop):
        if i > 0:
            now, before = grid_steps(bars[CLOSE, i], scale), grid_steps(bars[CLOSE, i - 1], scale)
            if now > before:
                total += bars[VOLUME, i]
            elif now < before:
                total -= bars[VOLUME, i]
        out[0, i - start] = total
    state[0] = total


OBV = Indicator(
    name="obv",
    title="On-balance volume, 0 at the first bar",
    kernel=obv_kernel,
    outputs=("obv",),
    parameters=(),
    warm_up=lambda values: 0,
    state_size=lambda values: 1,
    source="J. Granville, 1963; TradingView ta.obv",
)


@indicator_kernel
def accumulation_distribution_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    high, low = state[0], state[1]
    for i in range(start, stop):
        high, low = add(high, low, money_flow_volume(bars, scale, i))
        out[0, i - start] = high + low
    state[0] = high
    state[1] = low


ACCUMULATION_DISTRIBUTION = Indicator(
    name="accumulation_distribution",
    title="Accumulation/distribution line",
    kernel=accumulation_distribution_kernel,
    outputs=("accumulation_distribution",),
    parameters=(),
    warm_up=lambda values: 0,
    state_size=lambda values: 2,
    source="M. Chaikin; TradingView ta.accdist",
)


@indicator_kernel
def cmf_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # 0 while nothing was traded in the window.
    length = int(parameters[0])
    for i in range(start, stop):
        flow_before, volume_before = 0.0, 0.0
        if i >= length:
            flow_before = money_flow_volume(bars, scale, i - length)
            volume_before = bars[VOLUME, i - length]
        flows = sum_of(state, 0, money_flow_volume(bars, scale, i), flow_before)
        volumes = sum_of(state, SUM_SLOTS, bars[VOLUME, i], volume_before)
        out[0, i - start] = nan
        if i >= length - 1:
            out[0, i - start] = flows / volumes if volumes > 0.0 else 0.0


CMF = Indicator(
    name="cmf",
    title="Chaikin money flow, from -1 to 1",
    kernel=cmf_kernel,
    outputs=("cmf",),
    parameters=(bars_of(20),),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 2 * SUM_SLOTS,
    source="M. Chaikin; TradingView",
)


@indicator_kernel
def volume_sma_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # Relative volume is 0 where nothing was traded in the window.
    length = int(parameters[0])
    for i in range(start, stop):
        total = sum_of(state, 0, bars[VOLUME, i], bars[VOLUME, i - length] if i >= length else 0.0)
        if i < length - 1:
            undefined(out, i - start)
            continue
        out[0, i - start] = total / length
        out[1, i - start] = length * bars[VOLUME, i] / total if total > 0.0 else 0.0


VOLUME_SMA = Indicator(
    name="volume_sma",
    title="Average volume, and the bar's volume as a multiple of it (this bar included)",
    kernel=volume_sma_kernel,
    outputs=("average", "relative"),
    parameters=(LENGTH,),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: SUM_SLOTS,
    source="SMA of the volume",
)
