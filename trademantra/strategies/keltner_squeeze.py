"""Keltner squeeze: when the Bollinger bands come out of the Keltner bands, go with momentum."""

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.channels import SQUEEZE
from trademantra.engine.parameters import Parameter
from trademantra.engine.strategy import Column, SignalStrategy
from trademantra.strategies.signals import EXIT_LONG, EXIT_SHORT, GO_LONG, GO_SHORT, fell_below, rose_above


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
    # state: bars that the squeeze has lasted, up to the bar before
    on, momentum = columns[use[0]], columns[use[1]]
    least = parameters[3]
    for j in range(stop - start):
        released = (on[j + 1] == 0.0) & (state[0] >= least)
        state[0] = state[0] + 1.0 if on[j + 1] == 1.0 else 0.0
        codes[j] = (
            (GO_LONG * (released & (momentum[j + 1] > 0.0)))
            | (GO_SHORT * (released & (momentum[j + 1] < 0.0)))
            | (EXIT_LONG * fell_below(momentum, 0.0, j))
            | (EXIT_SHORT * rose_above(momentum, 0.0, j))
        )


STRATEGY = SignalStrategy(
    name="keltner_squeeze",
    title="Keltner squeeze",
    idea="Quiet comes before movement: bands that narrow into the average range store it, momentum shows its side.",
    source="Carter (2012), Mastering the Trade, 2nd edition: the TTM Squeeze",
    market="indices, liquid shares, futures; 15 minutes to daily",
    parameters=(
        Parameter("length", 20, 5, 200, description="bars of both bands and of momentum"),
        Parameter("deviations", 2.0, 0.5, 5.0, step=0.25, integer=False, description="Bollinger band width"),
        Parameter("ranges", 1.5, 0.5, 5.0, step=0.25, integer=False, description="Keltner band width"),
        Parameter("least", 3, 1, 50, description="bars that the squeeze must have lasted"),
    ),
    columns=(Column(SQUEEZE, {"length": "length", "deviations": "deviations", "ranges": "ranges"}),),
    kernel=kernel,
)
