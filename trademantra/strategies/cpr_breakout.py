"""CPR breakout: on a day with a narrow central pivot range, go with the close that leaves it."""

from math import nan

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.anchored import opens_session
from trademantra.engine.indicators.levels import CPR
from trademantra.engine.indicators.series import CLOSE, OPEN
from trademantra.engine.parameters import Parameter
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import Column, SignalStrategy
from trademantra.strategies.signals import GO_LONG, GO_SHORT, STOP, TARGET


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
    # state: entries of this session
    bottom, top, width = columns[use[1]], columns[use[2]], columns[use[3]]
    widest, after, tries, reward = parameters[0], parameters[1], parameters[2], parameters[3]
    for j in range(stop - start):
        i = start + j
        codes[j] = 0
        fresh = opens_session(session, i)
        if fresh:
            state[0] = 0.0
        # a gap beyond the range is no breakout: the move from the open is what counts on the first bar
        before = bars[OPEN, i] if fresh else bars[CLOSE, i - 1]
        close, high, low = bars[CLOSE, i], top[j + 1], bottom[j + 1]
        up, down = (close > high) & (before <= high), (close < low) & (before >= low)
        if not (up | down) or not width[j + 1] <= widest or minute[i] < after or state[0] >= tries:
            continue
        state[0] += 1.0
        codes[j] = GO_LONG if up else GO_SHORT
        levels[STOP, j] = low if up else high
        levels[TARGET, j] = close + reward * (close - levels[STOP, j]) if reward > 0.0 else nan


STRATEGY = SignalStrategy(
    name="cpr_breakout",
    title="CPR breakout",
    idea="A narrow central pivot range often comes before a trending day: go with the close outside it.",
    source="Ochoa (2010), Secrets of a Pivot Boss; specs/india-markets.md 8.2, 8.3",
    market="index futures, liquid shares; 5 to 15 minutes; flat at the end of the day",
    parameters=(
        Parameter(
            "widest",
            0.5,
            0.05,
            5.0,
            step=0.05,
            integer=False,
            description="widest range, percent of the pivot",
        ),
        Parameter(
            "after", 0, 0, 240, step=15, description="minutes after the open before which nothing is done"
        ),
        Parameter("tries", 1, 1, 5, description="entries a session"),
        Parameter(
            "reward",
            2.0,
            0.0,
            10.0,
            step=0.5,
            integer=False,
            description="target in distances to the stop; 0: none",
        ),
    ),
    columns=(Column(CPR),),
    kernel=kernel,
    has_levels=True,
    intraday=True,
    rules=TradingRules(allow_short=True),
)
