"""Direction and strength of a trend: ADX, Supertrend, parabolic SAR, Aroon, vortex, Ichimoku."""

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import inlined
from trademantra.engine.indicators.averages import SPEC
from trademantra.engine.indicators.channels import multiplier_of
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.kernel import indicator_kernel
from trademantra.engine.indicators.series import (
    CLOSE,
    HIGH,
    LOW,
    bars_of,
    grid_steps,
    true_range,
    true_range_steps,
)
from trademantra.engine.indicators.windows import (
    EXTREME_SLOTS,
    WINDOW_SLOTS,
    average,
    undefined,
    window_sum,
)
from trademantra.engine.parameters import Parameter


@indicator_kernel
def adx_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: RMA of upward and downward movement, of the true range, of DX.  All start at bar 1, which has a
    # bar before it.  Movements are compared in grid steps: equal ones count for neither side.
    length, smoothing = int(parameters[0]), int(parameters[1])
    weight, adx_weight = 1.0 / length, 1.0 / smoothing
    for i in range(start, stop):
        undefined(out, i - start)
        if i == 0:
            continue
        up = grid_steps(bars[HIGH, i], scale) - grid_steps(bars[HIGH, i - 1], scale)
        down = grid_steps(bars[LOW, i - 1], scale) - grid_steps(bars[LOW, i], scale)
        plus = average(state, 0, up if up > down and up > 0.0 else 0.0, i - 1, length, weight)
        minus = average(state, 1, down if down > up and down > 0.0 else 0.0, i - 1, length, weight)
        ranges = average(state, 2, true_range_steps(bars, scale, i), i - 1, length, weight)
        since = i - length
        if since < 0:
            continue
        both = plus + minus
        dx = 100.0 * (abs(plus - minus) / both) if both > 0.0 else 0.0
        adx = average(state, 3, dx, since, smoothing, adx_weight)
        if since >= smoothing - 1:
            out[0, i - start] = adx
            out[1, i - start] = 100.0 * (plus / ranges) if ranges > 0.0 else 0.0
            out[2, i - start] = 100.0 * (minus / ranges) if ranges > 0.0 else 0.0


ADX = Indicator(
    name="adx",
    title="Average directional index with +DI and -DI",
    kernel=adx_kernel,
    outputs=("adx", "plus_di", "minus_di"),
    parameters=(bars_of(14), bars_of(14, "smoothing")),
    warm_up=lambda values: int(values[0] + values[1]) - 1,
    state_size=lambda values: 4,
    source=SPEC,
)


@indicator_kernel
def supertrend_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: ATR, final lower band, final upper band, direction (0 before the first).
    length, multiplier = int(parameters[0]), parameters[1]
    weight = 1.0 / length
    for i in range(start, stop):
        reach = multiplier * average(state, 0, true_range(bars, i), i, length, weight)
        if i < length - 1:
            undefined(out, i - start)
            continue
        middle = (grid_steps(bars[HIGH, i], scale) + grid_steps(bars[LOW, i], scale)) / (2.0 * scale)
        lower, upper = middle - reach, middle + reach
        close = bars[CLOSE, i]
        direction = -1.0
        if state[3] != 0.0:
            before = bars[CLOSE, i - 1]
            if lower <= state[1] and before >= state[1]:
                lower = state[1]
            if upper >= state[2] and before <= state[2]:
                upper = state[2]
            direction = state[3]
            if direction < 0.0 and close > upper:
                direction = 1.0
            elif direction > 0.0 and close < lower:
                direction = -1.0
        state[1], state[2], state[3] = lower, upper, direction
        out[0, i - start] = lower if direction > 0.0 else upper
        out[1, i - start] = direction


SUPERTREND = Indicator(
    name="supertrend",
    title="Supertrend: line, and direction 1 up, -1 down (TradingView's sign is the opposite)",
    kernel=supertrend_kernel,
    outputs=("line", "direction"),
    parameters=(bars_of(10), multiplier_of(3.0)),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 4,
    source=SPEC,
)


@indicator_kernel
def parabolic_sar_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: stop, extreme of the trend, acceleration, direction.
    first, step, limit = parameters[0], parameters[1], parameters[2]
    stop_price, extreme, acceleration, direction = state[0], state[1], state[2], state[3]
    for i in range(start, stop):
        undefined(out, i - start)
        if i == 0:
            continue
        high, low = bars[HIGH, i], bars[LOW, i]
        fresh = i == 1
        if fresh:
            acceleration = first
            if bars[CLOSE, 1] > bars[CLOSE, 0]:
                direction, extreme, stop_price = 1.0, high, bars[LOW, 0]
            else:
                direction, extreme, stop_price = -1.0, low, bars[HIGH, 0]
        stop_price += acceleration * (extreme - stop_price)
        if direction > 0.0 and stop_price > low:
            direction, stop_price, extreme = -1.0, max(high, extreme), low
            acceleration, fresh = first, True
        elif direction < 0.0 and stop_price < high:
            direction, stop_price, extreme = 1.0, min(low, extreme), high
            acceleration, fresh = first, True
        earlier = max(i - 2, 0)
        if direction > 0.0:
            if not fresh and high > extreme:
                extreme = high
                acceleration = min(acceleration + step, limit)
            stop_price = min(stop_price, bars[LOW, i - 1], bars[LOW, earlier])
        else:
            if not fresh and low < extreme:
                extreme = low
                acceleration = min(acceleration + step, limit)
            stop_price = max(stop_price, bars[HIGH, i - 1], bars[HIGH, earlier])
        out[0, i - start] = stop_price
        out[1, i - start] = direction
    state[0], state[1], state[2], state[3] = stop_price, extreme, acceleration, direction


PARABOLIC_SAR = Indicator(
    name="parabolic_sar",
    title="Parabolic stop and reverse: stop, and direction 1 (stop below) or -1",
    kernel=parabolic_sar_kernel,
    outputs=("sar", "direction"),
    parameters=(
        Parameter("start", 0.02, 0.001, 1, step=0.01, integer=False, description="first acceleration"),
        Parameter("step", 0.02, 0.001, 1, step=0.01, integer=False, description="added at each new extreme"),
        Parameter("limit", 0.2, 0.001, 1, step=0.01, integer=False, description="greatest acceleration"),
    ),
    warm_up=lambda values: 1,
    state_size=lambda values: 4,
    source="W. Wilder, 1978; TradingView ta.sar",
)


@inlined
def extreme_bar(
    state: Float64Array, at: int, bars: Float64Array, row: int, sign: float, i: int, length: int
) -> int:
    """The bar of the greatest sign * bars[row] of the last `length`, the latest of equals.

    As `windows.highest`, with bars in the slots instead of values.
    """
    place = i % length
    slot = at + EXTREME_SLOTS + place
    best = i
    if place > 0 and sign * bars[row, int(state[at])] > sign * bars[row, i]:
        best = int(state[at])
    state[at] = best
    state[slot] = i
    if place < length - 1:
        suffix = int(state[slot + 1])
        return best if sign * bars[row, best] >= sign * bars[row, suffix] else suffix
    for earlier in range(slot - 1, slot - length, -1):
        later = int(state[earlier + 1])
        if sign * bars[row, later] >= sign * bars[row, int(state[earlier])]:
            state[earlier] = later
    return best


@indicator_kernel
def aroon_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # The window is length + 1 bars: from `length` bars ago to now.
    length = int(parameters[0])
    for i in range(start, stop):
        top = extreme_bar(state, 0, bars, HIGH, 1.0, i, length + 1)
        bottom = extreme_bar(state, EXTREME_SLOTS + length + 1, bars, LOW, -1.0, i, length + 1)
        if i < length:
            undefined(out, i - start)
            continue
        out[0, i - start] = 100.0 * ((length - (i - top)) / length)
        out[1, i - start] = 100.0 * ((length - (i - bottom)) / length)
        out[2, i - start] = 100.0 * ((top - bottom) / length)


AROON = Indicator(
    name="aroon",
    title="Aroon: how recent the highest high and lowest low are, percent; up - down",
    kernel=aroon_kernel,
    outputs=("up", "down", "oscillator"),
    parameters=(bars_of(14),),
    warm_up=lambda values: int(values[0]),
    state_size=lambda values: 2 * (EXTREME_SLOTS + 1 + int(values[0])),
    source="T. Chande, 1995; TradingView",
)


@indicator_kernel
def vortex_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: sums of |high - low before|, of |low - high before| and of true ranges.  1 where nothing moved.
    length = int(parameters[0])
    step = WINDOW_SLOTS + length
    for i in range(start, stop):
        undefined(out, i - start)
        if i == 0:
            continue
        up = abs(grid_steps(bars[HIGH, i], scale) - grid_steps(bars[LOW, i - 1], scale))
        down = abs(grid_steps(bars[LOW, i], scale) - grid_steps(bars[HIGH, i - 1], scale))
        ups = window_sum(state, 0, up, i - 1, length)
        downs = window_sum(state, step, down, i - 1, length)
        ranges = window_sum(state, 2 * step, true_range_steps(bars, scale, i), i - 1, length)
        if i >= length:
            out[0, i - start] = ups / ranges if ranges > 0.0 else 1.0
            out[1, i - start] = downs / ranges if ranges > 0.0 else 1.0


VORTEX = Indicator(
    name="vortex",
    title="Vortex: upward and downward movement over the true range",
    kernel=vortex_kernel,
    outputs=("plus", "minus"),
    parameters=(bars_of(14),),
    warm_up=lambda values: int(values[0]),
    state_size=lambda values: 3 * (WINDOW_SLOTS + int(values[0])),
    source="E. Botes and D. Siepman, 2010; TradingView",
)
