"""Supertrend: long while the close is above the trailing band, out (or short) when it falls through."""

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.trend import SUPERTREND
from trademantra.engine.parameters import Parameter
from trademantra.engine.strategy import Column, SignalStrategy
from trademantra.strategies.signals import fell_below, rose_above, turn


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
    direction = columns[use[1]]
    for j in range(stop - start):
        codes[j] = turn(rose_above(direction, 0.0, j), fell_below(direction, 0.0, j))


STRATEGY = SignalStrategy(
    name="supertrend",
    title="Supertrend flip",
    idea="A band some average ranges behind the price follows the trend; the close beyond it is the turn.",
    source="Olivier Seban's Supertrend as TradingView defines it (specs/india-markets.md 8.2, 8.3)",
    market="indices, futures, liquid shares; 5 minutes to daily",
    parameters=(
        Parameter("length", 10, 2, 200, description="bars of the average true range"),
        Parameter(
            "multiplier", 3.0, 0.5, 10.0, step=0.5, integer=False, description="average ranges to the band"
        ),
    ),
    columns=(Column(SUPERTREND, {"length": "length", "multiplier": "multiplier"}),),
    kernel=kernel,
)
