"""Bollinger reversion: enter when the close comes back inside the bands, leave at the middle."""

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.channels import BOLLINGER
from trademantra.engine.indicators.series import CLOSE
from trademantra.engine.parameters import Parameter
from trademantra.engine.strategy import Column, SignalStrategy
from trademantra.strategies.signals import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    close_above,
    close_below,
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
    close = bars[CLOSE]
    middle, upper, lower = columns[use[0]], columns[use[1]], columns[use[2]]
    for j in range(stop - start):
        i = start + j
        # one jump from outside past the middle is no entry: its exit has already gone by
        buy = close_above(close, lower, i, j) & (close[i] < middle[j + 1])
        sell = close_below(close, upper, i, j) & (close[i] > middle[j + 1])
        codes[j] = (
            ENTER_LONG * buy
            + EXIT_LONG * close_above(close, middle, i, j)
            + ENTER_SHORT * sell
            + EXIT_SHORT * close_below(close, middle, i, j)
        )


STRATEGY = SignalStrategy(
    name="bollinger_reversion",
    title="Bollinger reversion",
    idea="A close back inside the bands says that the excursion is over; the middle band is its goal.",
    source="Bollinger (2001), Bollinger on Bollinger Bands",
    market="ranging shares and indices; daily and intraday",
    parameters=(
        Parameter("length", 20, 2, 500, description="bars of the middle band"),
        Parameter(
            "deviations", 2.0, 0.5, 5.0, step=0.25, integer=False, description="standard deviations to a band"
        ),
    ),
    columns=(Column(BOLLINGER, {"length": "length", "multiplier": "deviations"}),),
    kernel=kernel,
)
