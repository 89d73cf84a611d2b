"""VWAP cross: on the side of the session's average price that the close has just moved to."""

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.anchored import VWAP
from trademantra.engine.indicators.series import CLOSE
from trademantra.engine.parameters import Parameter
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import Column, SignalStrategy
from trademantra.strategies.signals import close_above, close_below, turn


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
    close = bars[CLOSE]
    vwap = columns[use[0]]
    for j in range(stop - start):
        i = start + j
        # yesterday's average says nothing about today's price: the first bar of a session crosses nothing
        ready = (session[i] == session[max(i - 1, 0)]) & (minute[i] >= parameters[0])
        codes[j] = turn(ready & close_above(close, vwap, i, j), ready & close_below(close, vwap, i, j))


STRATEGY = SignalStrategy(
    name="vwap_cross",
    title="VWAP cross",
    idea="Above the session's average price buyers pay up, below it sellers give way: go with them until it flips.",
    source="Zarattini, Aziz (2023), Volume Weighted Average Price: The Holy Grail for Day Trading Systems, SSRN",
    market="liquid shares and futures with volume; 1 to 15 minutes; flat at the end of the day",
    parameters=(
        Parameter(
            "after", 15, 0, 240, step=5, description="minutes after the open before which nothing is done"
        ),
    ),
    columns=(Column(VWAP),),
    kernel=kernel,
    intraday=True,
    rules=TradingRules(allow_short=True),
)
