"""NR7 breakout: after the narrowest of seven bars, a stop order waits at its edge on the side of the trend."""

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.averages import SMA
from trademantra.engine.indicators.series import CLOSE, HIGH, LOW
from trademantra.engine.parameters import Parameter
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import Column, SignalStrategy
from trademantra.strategies.signals import ENTER_LONG, ENTER_SHORT, STOP, TARGET, TRIGGER


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
    average = columns[use[0]]
    length, inside = int(parameters[0]), parameters[2] > 0.0
    buffer, reward = parameters[3] / 100.0, parameters[4]
    for j in range(stop - start):
        i = start + j
        codes[j] = 0
        if i < length - 1 or average[j + 1] != average[j + 1]:
            continue
        high, low, close = bars[HIGH, i], bars[LOW, i], bars[CLOSE, i]
        narrow = high > low and (not inside or (high <= bars[HIGH, i - 1] and low >= bars[LOW, i - 1]))
        for k in range(i - length + 1, i):
            if not narrow:
                break
            narrow = high - low < bars[HIGH, k] - bars[LOW, k]
        if not narrow or close == average[j + 1]:
            continue
        side = 1.0 if close > average[j + 1] else -1.0
        codes[j] = ENTER_LONG if side > 0.0 else ENTER_SHORT
        edge = high * (1.0 + buffer) if side > 0.0 else low * (1.0 - buffer)
        levels[TRIGGER, j] = edge
        levels[STOP, j] = low if side > 0.0 else high
        if reward > 0.0:
            levels[TARGET, j] = edge + side * reward * (high - low)


STRATEGY = SignalStrategy(
    name="nr7_breakout",
    title="NR7 breakout",
    idea="The narrowest bar of seven coils the spring: a stop order just outside it catches the release.",
    source="Crabel (1990), Day Trading with Short Term Price Patterns and Opening Range Breakout",
    market="shares, indices, futures; daily bars",
    parameters=(
        Parameter("length", 7, 3, 50, description="bars of which this one must be the narrowest (NR4: 4)"),
        Parameter("trend", 50, 2, 500, step=10, description="bars of the average that chooses the side"),
        Parameter("inside", 0, 0, 1, description="1: the bar must also lie inside the one before"),
        Parameter("buffer", 0.05, 0.0, 2.0, step=0.05, integer=False, description="percent beyond the edge"),
        Parameter("reward", 3.0, 0.0, 20.0, step=0.5, integer=False, description="ranges to target; 0: none"),
    ),
    columns=(Column(SMA, {"length": "trend"}),),
    kernel=kernel,
    has_levels=True,
    rules=TradingRules(entry_valid=1, time_exit=5),
)
