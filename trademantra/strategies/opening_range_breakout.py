"""Opening range breakout: go with the first close beyond the high or low of the first minutes."""

from math import nan

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.anchored import opens_session
from trademantra.engine.indicators.series import CLOSE, HIGH, LOW
from trademantra.engine.parameters import Parameter
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.strategies.signals import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT, STOP, TARGET


@signal_kernel
def kernel(
    bars: Float64Array,
    session: Int64Array,
    minute: Int64Array,
    columns: Float64Array,
    use: Int64Array,
    parameters: Float64Array,
    state: Float64Array,
    codes: Int8Array,
    levels: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: high and low of the range (NaN before there is one), entries today, side of it that the close is on
    length, last, tries = parameters[0], parameters[1], parameters[2]
    buffer, stop_ranges, target_ranges = parameters[3] / 100.0, parameters[4], parameters[5]
    for j in range(stop - start):
        i = start + j
        codes[j] = 0
        if opens_session(session, i):
            state[0], state[1], state[2], state[3] = nan, nan, 0.0, 0.0
        if minute[i] < length:
            state[0] = max(bars[HIGH, i], state[0]) if state[0] == state[0] else bars[HIGH, i]
            state[1] = min(bars[LOW, i], state[1]) if state[1] == state[1] else bars[LOW, i]
            continue
        high, low, before = state[0], state[1], state[3]
        close, width = bars[CLOSE, i], state[0] - state[1]
        side = 1.0 if close > high * (1.0 + buffer) else (-1.0 if close < low * (1.0 - buffer) else 0.0)
        state[3] = side
        if side == 0.0 or side == before:
            continue
        codes[j] = EXIT_SHORT if side > 0.0 else EXIT_LONG
        if state[2] < tries and minute[i] <= last:
            state[2] += 1.0
            codes[j] += ENTER_LONG if side > 0.0 else ENTER_SHORT
            edge = high if side > 0.0 else low
            levels[STOP, j] = edge - side * stop_ranges * width
            levels[TARGET, j] = edge + side * target_ranges * width if target_ranges > 0.0 else nan


STRATEGY = SignalStrategy(
    name="opening_range_breakout",
    title="Opening range breakout",
    idea="The first minutes show where supply and demand meet; a close outside them starts the day's move.",
    source="Crabel (1990), Day Trading with Short Term Price Patterns and Opening Range Breakout; specs 8.4",
    market="liquid shares, index futures; 1 to 15 minutes; flat at the end of the day",
    parameters=(
        Parameter(
            "length", 15, 1, 120, step=5, description="minutes of the range: bars that start within them"
        ),
        Parameter("last", 135, 5, 375, step=15, description="minutes after the open of the last entry"),
        Parameter("tries", 1, 1, 5, description="entries a session"),
        Parameter("buffer", 0.0, 0.0, 2.0, step=0.05, integer=False, description="percent beyond the range"),
        Parameter(
            "stop",
            1.0,
            0.1,
            3.0,
            step=0.5,
            integer=False,
            description="ranges from edge to stop (1: other edge)",
        ),
        Parameter(
            "target", 2.0, 0.0, 10.0, step=0.5, integer=False, description="ranges to target (0: none)"
        ),
    ),
    columns=(),
    kernel=kernel,
    state_size=4,
    has_levels=True,
    intraday=True,
    rules=TradingRules(allow_short=True),
    refuse=lambda values: "" if values["length"] < values["last"] else "last must come after length",
)
