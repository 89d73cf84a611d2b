"""Ichimoku Kinko Hyo."""

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import inlined
from trademantra.engine.indicators.averages import SPEC
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.kernel import indicator_kernel
from trademantra.engine.indicators.series import HIGH, LOW, bars_of, grid_steps
from trademantra.engine.indicators.windows import EXTREME_SLOTS, delayed, highest, lowest, undefined


@inlined
def range_sum(state: Float64Array, at: int, high: float, low: float, i: int, length: int) -> float:
    """Highest high plus lowest low of the last `length` bars; 2 * (EXTREME_SLOTS + length) slots."""
    top = highest(state, at, high, i, length)
    return top + lowest(state, at + EXTREME_SLOTS + length, low, i, length)


@indicator_kernel
def ichimoku_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: the three ranges, then the spans of the last bars.  All in grid steps: middles are exact.
    conversion_length, base_length, span_length, shift = (
        int(parameters[0]),
        int(parameters[1]),
        int(parameters[2]),
        int(parameters[3]) - 1,
    )
    bases = 2 * (EXTREME_SLOTS + conversion_length)
    spans = bases + 2 * (EXTREME_SLOTS + base_length)
    delays = spans + 2 * (EXTREME_SLOTS + span_length)
    first = max(conversion_length, base_length, span_length) - 1
    for i in range(start, stop):
        undefined(out, i - start)
        high, low = grid_steps(bars[HIGH, i], scale), grid_steps(bars[LOW, i], scale)
        conversion = range_sum(state, 0, high, low, i, conversion_length)
        base = range_sum(state, bases, high, low, i, base_length)
        leading_a = conversion + base
        leading_b = range_sum(state, spans, high, low, i, span_length)
        if i < first:
            continue
        if shift > 0:
            leading_a = delayed(state, delays, leading_a, i - first, shift)
            leading_b = delayed(state, delays + shift, leading_b, i - first, shift)
        if i >= first + shift:
            out[0, i - start] = conversion / (2.0 * scale)
            out[1, i - start] = base / (2.0 * scale)
            out[2, i - start] = leading_a / (4.0 * scale)
            out[3, i - start] = leading_b / (2.0 * scale)


ICHIMOKU = Indicator(
    name="ichimoku",
    title="Ichimoku: conversion and base line, and the cloud that lies at this bar (computed shift - 1 bars ago)",
    kernel=ichimoku_kernel,
    outputs=("conversion", "base", "span_a", "span_b"),
    parameters=(
        bars_of(9, "conversion"),
        bars_of(26, "base"),
        bars_of(52, "span"),
        bars_of(
            26, "shift", description="TradingView's displacement: the cloud is drawn shift - 1 bars ahead"
        ),
    ),
    warm_up=lambda values: int(max(values[:3])) + int(values[3]) - 2,
    state_size=lambda values: 6 * EXTREME_SLOTS + 2 * int(sum(values)),
    source=SPEC,
)
