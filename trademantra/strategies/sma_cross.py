"""Two simple moving averages; long while the fast one is above the slow one."""

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.averages import SMA
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
    name="sma_cross",
    title="SMA cross",
    idea="A trend is on while the short average price is above the long one.",
    source="Brock, Lakonishok, LeBaron (1992), Journal of Finance 47(5)",
    market="anything that trends; daily and intraday",
    parameters=(
        Parameter("fast", 20, 2, 500, description="bars of the fast average"),
        Parameter("slow", 100, 3, 2_000, step=5, description="bars of the slow average"),
    ),
    columns=(Column(SMA, {"length": "fast"}), Column(SMA, {"length": "slow"})),
    kernel=kernel,
    refuse=lambda values: "" if values["fast"] < values["slow"] else "fast must be below slow",
)
