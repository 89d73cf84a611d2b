"""Indicators that start afresh with each session: VWAP, opening range, gap, and the last session's prices.

A session begins where its number in `session` differs from that of the bar before.  Kernels see no clock:
a range of N minutes is N / (minutes a bar) bars of a series without missing bars.
"""

from math import nan, sqrt

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import inlined
from trademantra.engine.indicators.averages import SPEC
from trademantra.engine.indicators.channels import multiplier_of
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.kernel import indicator_kernel
from trademantra.engine.indicators.oscillators import TYPICAL
from trademantra.engine.indicators.series import CLOSE, HIGH, LOW, OPEN, VOLUME, bars_of, grid_steps, price
from trademantra.engine.indicators.windows import undefined


@inlined
def opens_session(session: Int64Array, i: int) -> bool:
    """Whether bar i is the first of its session."""
    return bool(i == 0 or session[i] != session[i - 1])


@indicator_kernel
def vwap_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: volume so far, mean, volume times variance.  Each bar moves the mean by its share (D. West, 1979),
    # so nothing cancels and a constant price is its own average.
    multiplier, source = parameters[0], int(parameters[1])
    traded, mean, moment = state[0], state[1], state[2]
    for i in range(start, stop):
        if opens_session(session, i):
            traded, mean, moment = 0.0, 0.0, 0.0
        volume = bars[VOLUME, i]
        if volume > 0.0:
            traded += volume
            deviation = price(bars, source, scale, i) - mean
            mean += volume / traded * deviation
            moment += volume * deviation * (price(bars, source, scale, i) - mean)
        if traded <= 0.0:
            undefined(out, i - start)
            continue
        reach = multiplier * sqrt(max(moment / traded, 0.0))
        out[0, i - start] = mean
        out[1, i - start] = mean + reach
        out[2, i - start] = mean - reach
    state[0] = traded
    state[1] = mean
    state[2] = moment


VWAP = Indicator(
    name="vwap",
    title="Volume-weighted average price of the session ± multiplier standard deviations; none before a trade",
    kernel=vwap_kernel,
    outputs=("vwap", "upper", "lower"),
    parameters=(multiplier_of(1.0), TYPICAL),
    warm_up=lambda values: 0,
    state_size=lambda values: 3,
    source=SPEC,
)


@indicator_kernel
def opening_range_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: bars of this session so far, their high, their low, until there are `length`.
    length = int(parameters[0])
    count, high, low = int(state[0]), state[1], state[2]
    for i in range(start, stop):
        if opens_session(session, i):
            count, high, low = 0, bars[HIGH, i], bars[LOW, i]
        if count < length:
            count += 1
            high = max(high, bars[HIGH, i])
            low = min(low, bars[LOW, i])
        if count < length:
            undefined(out, i - start)
            continue
        out[0, i - start] = high
        out[1, i - start] = low
    state[0], state[1], state[2] = count, high, low


OPENING_RANGE = Indicator(
    name="opening_range",
    title="High and low of the first bars of the session; none in a session before they are complete",
    kernel=opening_range_kernel,
    outputs=("high", "low"),
    parameters=(bars_of(15, description="bars in the range (15: fifteen minutes of 1-minute bars)"),),
    warm_up=lambda values: int(values[0]) - 1,
    state_size=lambda values: 3,
    source="specs/india-markets.md 8.4",
)


@indicator_kernel
def session_gap_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: 1 once there was a session before, then the gap of this one: points and percent.
    for i in range(start, stop):
        if i > 0 and opens_session(session, i):
            before = grid_steps(bars[CLOSE, i - 1], scale)
            gap = grid_steps(bars[OPEN, i], scale) - before
            state[0], state[1], state[2] = 1.0, gap / scale, 100.0 * (gap / before)
        out[0, i - start] = state[2] if state[0] != 0.0 else nan
        out[1, i - start] = state[1] if state[0] != 0.0 else nan


SESSION_GAP = Indicator(
    name="session_gap",
    title="Gap of the session's open from the close before, percent and points, at each of its bars",
    kernel=session_gap_kernel,
    outputs=("percent", "points"),
    parameters=(),
    warm_up=lambda values: 0,
    state_size=lambda values: 3,
    warm_up_sessions=1,
    source="specs/india-markets.md 8.4",
)
