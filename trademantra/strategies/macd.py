"""MACD: long while the difference of two averages is above its own average."""

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.momentum import MACD
from trademantra.engine.parameters import Parameter
from trademantra.engine.strategy import Column, SignalStrategy
from trademantra.strategies.signals import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    crossed_above,
    crossed_below,
)


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
    line, signal = columns[use[0]], columns[use[1]]
    zero_line = parameters[3] > 0.0
    for j in range(stop - start):
        up, down = crossed_above(line, signal, j), crossed_below(line, signal, j)
        early = line[j + 1] < 0.0 or not zero_line  # a fresh upswing starts below zero
        late = line[j + 1] > 0.0 or not zero_line
        codes[j] = (
            ENTER_LONG * (up & early) + EXIT_SHORT * up + ENTER_SHORT * (down & late) + EXIT_LONG * down
        )


STRATEGY = SignalStrategy(
    name="macd",
    title="MACD signal cross",
    idea="When the gap between a fast and a slow average starts to widen, the swing has turned.",
    source="Appel (2005), Technical Analysis: Power Tools for Active Investors",
    market="anything that swings; daily and intraday",
    parameters=(
        Parameter("fast", 12, 2, 200, description="bars of the fast average"),
        Parameter("slow", 26, 3, 500, description="bars of the slow average"),
        Parameter("smoothing", 9, 2, 200, description="bars of the signal line"),
        Parameter(
            "zero_line",
            0,
            0,
            1,
            description="1: enter long only below zero and short only above; 0: anywhere",
        ),
    ),
    columns=(Column(MACD, {"fast": "fast", "slow": "slow", "smoothing": "smoothing"}),),
    kernel=kernel,
    refuse=lambda values: "" if values["fast"] < values["slow"] else "fast must be below slow",
)
