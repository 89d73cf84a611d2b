"""Turtle breakout: enter beyond the extreme of the last weeks, leave beyond the opposite one of fewer days."""

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.indicators.channels import DONCHIAN
from trademantra.engine.indicators.series import CLOSE
from trademantra.engine.indicators.volatility import ATR
from trademantra.engine.parameters import Parameter
from trademantra.engine.records import LevelKind
from trademantra.engine.rules import Level, TradingRules
from trademantra.engine.strategy import Column, SignalStrategy
from trademantra.strategies.signals import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT


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
    high, low = columns[use[0]], columns[use[2]]
    exit_high, exit_low = columns[use[3]], columns[use[5]]
    atr = columns[use[6]]
    for j in range(stop - start):
        # position j: the channel of the bars before this one, which a breakout must leave
        price = close[start + j]
        protected = atr[j + 1] == atr[j + 1]  # before the range is known the stop would have no distance
        codes[j] = (
            ENTER_LONG * ((price > high[j]) & protected)
            + EXIT_LONG * (price < exit_low[j])
            + ENTER_SHORT * ((price < low[j]) & protected)
            + EXIT_SHORT * (price > exit_high[j])
        )


STRATEGY = SignalStrategy(
    name="donchian_breakout",
    title="Donchian breakout (turtle)",
    idea="A price that has not been seen for weeks starts a trend; a fast channel and a stop of 2 ATR end it.",
    source="Faith (2003), The Original Turtle Trading Rules; channel of R. Donchian",
    market="futures, indices, trending shares; daily bars",
    parameters=(
        Parameter("entry", 20, 2, 500, step=5, description="bars whose extreme must be broken to enter"),
        Parameter("leave", 10, 2, 250, step=5, description="bars whose opposite extreme ends the trade"),
    ),
    columns=(
        Column(DONCHIAN, {"length": "entry"}),
        Column(DONCHIAN, {"length": "leave"}),
        Column(ATR),
    ),
    kernel=kernel,
    rules=TradingRules(stop=Level(LevelKind.ATR, 2.0)),
    refuse=lambda values: "" if values["leave"] <= values["entry"] else "leave must not be longer than entry",
)
