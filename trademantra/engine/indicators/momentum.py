"""Momentum lines without bounds: MACD, momentum, rate of change, true strength index."""

from math import nan

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.indicators.averages import SPEC
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.kernel import indicator_kernel
from trademantra.engine.indicators.series import SOURCE, bars_of, denominator, numerator, price
from trademantra.engine.indicators.windows import average, undefined


@indicator_kernel
def macd_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: sums of numerators until each average starts, then price - average (see averages); MACD - signal.
    fast, slow, smoothing, source = (
        int(parameters[0]),
        int(parameters[1]),
        int(parameters[2]),
        int(parameters[3]),
    )
    fast_rest, slow_rest = 1.0 - 2.0 / (fast + 1.0), 1.0 - 2.0 / (slow + 1.0)
    signal_rest = 1.0 - 2.0 / (smoothing + 1.0)
    unit = denominator(source, scale)
    line_start = max(fast, slow) - 1
    first = line_start + smoothing - 1
    fast_gap, slow_gap, histogram = state[0], state[1], state[2]
    before = price(bars, source, scale, start - 1) if 0 < start < stop else 0.0
    for i in range(start, min(stop, first + 1)):
        undefined(out, i - start)
        value = price(bars, source, scale, i)
        if i < fast:
            fast_gap += numerator(bars, source, scale, i)
            if i == fast - 1:
                fast_gap = value - fast_gap / (fast * unit)
        else:
            fast_gap = fast_rest * (fast_gap + (value - before))
        if i < slow:
            slow_gap += numerator(bars, source, scale, i)
            if i == slow - 1:
                slow_gap = value - slow_gap / (slow * unit)
        else:
            slow_gap = slow_rest * (slow_gap + (value - before))
        before = value
        if i >= line_start:  # until the signal starts, state[2] is the running mean of the line
            line = slow_gap - fast_gap
            histogram += (line - histogram) / (i - line_start + 1)
            if i == first:
                out[0, i - start] = line
                out[1, i - start] = histogram
                histogram = line - histogram
                out[2, i - start] = histogram
    line = slow_gap - fast_gap
    for i in range(max(start, first + 1), stop):
        value = price(bars, source, scale, i)
        change = value - before
        before = value
        fast_gap = fast_rest * (fast_gap + change)
        slow_gap = slow_rest * (slow_gap + change)
        line_before = line
        line = slow_gap - fast_gap
        histogram = signal_rest * (histogram + (line - line_before))
        out[0, i - start] = line
        out[1, i - start] = line - histogram
        out[2, i - start] = histogram
    state[0] = fast_gap
    state[1] = slow_gap
    state[2] = histogram


MACD = Indicator(
    name="macd",
    title="Moving average convergence divergence: EMA(fast) - EMA(slow), its EMA, their difference",
    kernel=macd_kernel,
    outputs=("macd", "signal", "histogram"),
    parameters=(bars_of(12, "fast"), bars_of(26, "slow"), bars_of(9, "smoothing"), SOURCE),
    warm_up=lambda values: int(max(values[0], values[1])) + int(values[2]) - 2,
    state_size=lambda values: 3,
    source=SPEC,
)


@indicator_kernel
def momentum_kernel(
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
    unit = denominator(source, scale)
    for i in range(start, stop):
        out[0, i - start] = nan
        if i >= length:
            change = numerator(bars, source, scale, i) - numerator(bars, source, scale, i - length)
            out[0, i - start] = change / unit


MOMENTUM = Indicator(
    name="momentum",
    title="Change of the price over the last bars",
    kernel=momentum_kernel,
    outputs=("momentum",),
    parameters=(bars_of(10), SOURCE),
    warm_up=lambda values: int(values[0]),
    state_size=lambda values: 1,
    source="TradingView ta.mom",
)


@indicator_kernel
def roc_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # A volume of 0 has no rate of change: 0 when still, else as from one unit.
    length, source = int(parameters[0]), int(parameters[1])
    for i in range(start, stop):
        out[0, i - start] = nan
        if i >= length:
            before = numerator(bars, source, scale, i - length)
            change = numerator(bars, source, scale, i) - before
            out[0, i - start] = 100.0 * (change / (before if before != 0.0 else 1.0))


ROC = Indicator(
    name="roc",
    title="Rate of change over the last bars, percent",
    kernel=roc_kernel,
    outputs=("roc",),
    parameters=(bars_of(10), SOURCE),
    warm_up=lambda values: int(values[0]),
    state_size=lambda values: 1,
    source="TradingView ta.roc",
)


@indicator_kernel
def tsi_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: change, change smoothed twice; absolute change, the same smoothed twice; signal.
    long, short, smoothing, source = (
        int(parameters[0]),
        int(parameters[1]),
        int(parameters[2]),
        int(parameters[3]),
    )
    long_weight, short_weight, signal_weight = (
        2.0 / (long + 1.0),
        2.0 / (short + 1.0),
        2.0 / (smoothing + 1.0),
    )
    for i in range(start, stop):
        undefined(out, i - start)
        if i == 0:
            continue
        change = numerator(bars, source, scale, i) - numerator(bars, source, scale, i - 1)
        once = average(state, 0, change, i - 1, long, long_weight)
        size = average(state, 1, abs(change), i - 1, long, long_weight)
        if i < long:
            continue
        twice = average(state, 2, once, i - long, short, short_weight)
        sizes = average(state, 3, size, i - long, short, short_weight)
        if i < long + short - 1:
            continue
        tsi = 100.0 * (twice / sizes) if sizes > 0.0 else 0.0
        signal = average(state, 4, tsi, i - (long + short - 1), smoothing, signal_weight)
        if i >= long + short + smoothing - 2:
            out[0, i - start] = tsi
            out[1, i - start] = signal


TSI = Indicator(
    name="tsi",
    title="True strength index: change smoothed twice over absolute change smoothed twice, percent; its EMA",
    kernel=tsi_kernel,
    outputs=("tsi", "signal"),
    parameters=(bars_of(25, "long"), bars_of(13, "short"), bars_of(13, "smoothing"), SOURCE),
    warm_up=lambda values: int(values[0] + values[1] + values[2]) - 2,
    state_size=lambda values: 5,
    source="W. Blau, 1991; TradingView",
)
