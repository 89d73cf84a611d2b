"""Two exponential moving averages; long while the fast one is above the slow one."""

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.averages import EMA
from trademantra.engine.parameters import Parameter
from trademantra.engine.strategy import Column, SignalStrategy
from trademantra.strategies.signals import crossed_above, crossed_below, turn


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
    fast, slow = columns[use[0]], columns[use[1]]
    for j in range(stop - start):
        codes[j] = turn(crossed_above(fast, slow, j), crossed_below(fast, slow, j))


STRATEGY = SignalStrategy(
    name="ema_cross",
    title="EMA cross",
    idea="As the SMA cross, with averages that weigh recent prices more and so turn earlier.",
    source="Murphy (1999), Technical Analysis of the Financial Markets, chapter 9",
    market="anything that trends; daily and intraday",
    parameters=(
        Parameter("fast", 9, 2, 500, description="bars of the fast average"),
        Parameter("slow", 21, 3, 2_000, description="bars of the slow average"),
    ),
    columns=(Column(EMA, {"length": "fast"}), Column(EMA, {"length": "slow"})),
    kernel=kernel,
    refuse=lambda values: "" if values["fast"] < values["slow"] else "fast must be below slow",
)
