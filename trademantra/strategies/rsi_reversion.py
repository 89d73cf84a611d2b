"""RSI reversion: buy when the index comes back from oversold, leave when it is back in the middle."""

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.oscillators import RSI
from trademantra.engine.parameters import Parameter
from trademantra.engine.strategy import Column, SignalStrategy, Values
from trademantra.strategies.signals import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    fell_below,
    rose_above,
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
    rsi = columns[use[0]]
    oversold, overbought, middle = parameters[1], parameters[2], parameters[3]
    for j in range(stop - start):
        # one jump from oversold past the middle is no entry: nothing would be left to earn, and no exit would come
        buy = rose_above(rsi, oversold, j) & (rsi[j + 1] < middle)
        sell = fell_below(rsi, overbought, j) & (rsi[j + 1] > middle)
        codes[j] = (
            ENTER_LONG * buy
            + EXIT_LONG * rose_above(rsi, middle, j)
            + ENTER_SHORT * sell
            + EXIT_SHORT * fell_below(rsi, middle, j)
        )


def refuse(values: Values) -> str:
    if values["oversold"] < values["middle"] < values["overbought"]:
        return ""
    return "oversold must be below middle, and middle below overbought"


STRATEGY = SignalStrategy(
    name="rsi_reversion",
    title="RSI reversion",
    idea="A fall that has exhausted itself turns: enter when RSI leaves the oversold zone, exit at the middle.",
    source="Wilder (1978), New Concepts in Technical Trading Systems, section VI",
    market="ranging shares and indices; daily and intraday",
    parameters=(
        Parameter("length", 14, 2, 200, description="bars of the index"),
        Parameter("oversold", 30, 1, 49, step=5, description="level below which a fall is overdone"),
        Parameter("overbought", 70, 51, 99, step=5, description="level above which a rise is overdone"),
        Parameter("middle", 50, 10, 90, step=5, description="level at which a position has done its work"),
    ),
    columns=(Column(RSI, {"length": "length"}),),
    kernel=kernel,
    refuse=refuse,
)
