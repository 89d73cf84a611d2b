"""The price grid: prices that are whole multiples of a step are summed without any rounding.

Prices times `scale` are integers in float64.  Sums of such integers are exact while they stay below 2**53, so
a running sum, a difference of prefix sums and a live update give the same bits, and the quotient of two exact
sums is correctly rounded: averages that are equal stay equal, and averages that differ keep their order.
No crossing is invented or lost by arithmetic.
"""

import numpy as np

from trademantra.engine.bars import PRICE_FIELDS, Bars, Float64Array
from trademantra.engine.compile import compiled, part
from trademantra.engine.signature import NUMBER, TRUTH, VECTOR

NO_GRID = 1.0
_SCALES = (1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0, 100_000_000.0)
_LEVEL_SCALES = (100.0, 10_000.0)  # two decimals forgive more noise; four are those of currency pairs
_LONGEST_WINDOW = 100_000
_EXACT = 2.0**53
_NOISE = 1e-6
_BLOCK = 1_024
_LOOKED_AT = 4_096


def scale_of(bars: Bars) -> float:
    """Grid steps in one unit of price: the least power of ten that makes every price whole, else `NO_GRID`.

    A price counts as whole within a millionth of a step, so that float noise in a file does not matter:
    kernels round each price to its step before they sum.
    """
    if len(bars) == 0:
        return NO_GRID
    fields = [
        field if field.flags.writeable else field.copy() for field in (getattr(bars, n) for n in PRICE_FIELDS)
    ]
    largest = max(float(field.max()) for field in fields)
    for scale in _SCALES:
        if largest * scale * _LONGEST_WINDOW >= _EXACT:
            return NO_GRID
        if all(_on_grid(field, scale) for field in fields):
            return scale
    return NO_GRID


def level_scale_of(bars: Bars, scale: float) -> float:
    """`scale`, when the bars hold the very floats of their prices, as files do; 0 when they carry noise (k * 0.05).

    Judged by prices spread over the whole series: noise is a matter of how a series was made, not of one bar.
    """
    stride = max(1, len(bars) // _LOOKED_AT)
    for name in PRICE_FIELDS:
        field = getattr(bars, name)[::stride]
        if not np.array_equal(np.rint(field * scale) / scale, field):
            return 0.0
    return scale


@part
def snapped(price: float, scale: float) -> float:
    """`price` on the grid when only the noise of arithmetic keeps it off, else as it is; as it is with `scale` 0.

    A level that a strategy works out (a high plus a buffer, half of a range) is then the very float that a bar of that
    price holds, so a touch is a touch and no trade through.  The quotient of two whole numbers is correctly rounded.

    Prices of two and of four decimals are on the grid even where the bars hold only coarser ones: a live run knows the
    bars so far, a back-test those to come too, and both must take the level as the same float.
    """
    if not scale > 0.0:
        return price
    for least in _LEVEL_SCALES:
        steps = price * max(scale, least)
        near = np.rint(steps)
        if abs(steps - near) < _NOISE:
            return float(near / max(scale, least))
    return price


@compiled(TRUTH(VECTOR, NUMBER))
def _on_grid(prices: Float64Array, scale: float) -> bool:
    # In blocks, so that the inner loop has no way out and the compiler takes several prices at a time; a series
    # that is not on this grid fails in its first block.
    for start in range(0, len(prices), _BLOCK):
        off = 0
        for i in range(start, min(start + _BLOCK, len(prices))):
            steps = prices[i] * scale
            off += abs(steps - np.rint(steps)) >= _NOISE
        if off > 0:
            return False
    return True
