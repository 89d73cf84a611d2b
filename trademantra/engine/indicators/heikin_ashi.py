"""Heikin-Ashi candles."""

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.indicators.averages import SPEC
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.kernel import indicator_kernel
from trademantra.engine.indicators.series import CLOSE, HIGH, LOW, OHLC4, OPEN, price


@indicator_kernel
def heikin_ashi_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # state: open and close of the candle before.
    for i in range(start, stop):
        close = price(bars, OHLC4, scale, i)
        open_price = (state[0] + state[1]) / 2.0
        if i == 0:
            open_price = (bars[OPEN, 0] + bars[CLOSE, 0]) / 2.0
        out[0, i - start] = open_price
        out[1, i - start] = max(bars[HIGH, i], open_price, close)
        out[2, i - start] = min(bars[LOW, i], open_price, close)
        out[3, i - start] = close
        state[0], state[1] = open_price, close


HEIKIN_ASHI = Indicator(
    name="heikin_ashi",
    title="Heikin-Ashi candles",
    kernel=heikin_ashi_kernel,
    outputs=("open", "high", "low", "close"),
    parameters=(),
    warm_up=lambda values: 0,
    state_size=lambda values: 2,
    source=SPEC,
)
