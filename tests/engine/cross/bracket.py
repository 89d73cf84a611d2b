"""An SMA cross whose orders carry their stop and target as prices, measured from the close that is decided on."""

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.averages import SMA
from trademantra.engine.parameters import Parameter
from trademantra.engine.strategy import Column, SignalStrategy
from trademantra.strategies.signals import STOP, TARGET, crossed_above, crossed_below, turn


@signal_kernel
def bracket_kernel(
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
    fast, slow = columns[use[0]], columns[use[1]]
    for j in range(stop - start):
        up, down = crossed_above(fast, slow, j), crossed_below(fast, slow, j)
        codes[j] = turn(up, down)
        side = 1 if up else -1
        levels[STOP, j] = bars[3, start + j] * (1 - side * parameters[2] / 100)
        levels[TARGET, j] = bars[3, start + j] * (1 + side * parameters[3] / 100)


BRACKET = SignalStrategy(
    name="bracket",
    title="SMA cross in brackets",
    idea="Protection in prices, known with the order.",
    source="tests",
    market="none",
    parameters=(
        Parameter("fast", 5, 2, 500, description="bars of the fast average"),
        Parameter("slow", 20, 3, 500, description="bars of the slow average"),
        Parameter("stop", 2.0, 0.01, 50.0, step=0.01, integer=False, description="percent of the close"),
        Parameter("target", 4.0, 0.01, 50.0, step=0.01, integer=False, description="percent of the close"),
    ),
    columns=(Column(SMA, {"length": "fast"}), Column(SMA, {"length": "slow"})),
    kernel=bracket_kernel,
    has_levels=True,
)
