"""The series that an indicator reads: which field of the bars, and its exact form on the price grid."""

from trademantra.engine.bars import Float64Array
from trademantra.engine.grid import NO_GRID
from trademantra.engine.indicators.kernel import kernel_part
from trademantra.engine.parameters import Parameter

OPEN, HIGH, LOW, CLOSE, VOLUME, HL2, HLC3, OHLC4 = range(8)

SOURCE_TEXT = "0 open, 1 high, 2 low, 3 close, 4 volume, 5 hl2, 6 hlc3, 7 ohlc4"
SOURCE = Parameter("source", CLOSE, OPEN, OHLC4, description=SOURCE_TEXT)
LONGEST = 5_000

_ROUND = 6_755_399_441_055_744.0  # 1.5 * 2**52


def bars_of(
    default: int, name: str = "length", low: int = 1, description: str = "number of bars"
) -> Parameter:
    """A parameter that counts bars."""
    return Parameter(name, default, low, LONGEST, description=description)


@kernel_part
def grid_steps(value: float, scale: float) -> float:
    """A price in grid steps (a whole number), or the price itself where there is no grid.

    Adding and taking away 1.5 * 2**52 rounds to the nearest whole number, as rint does, without a call.
    """
    return (value * scale + _ROUND) - _ROUND if scale != NO_GRID else value


@kernel_part
def numerator(bars: Float64Array, source: int, scale: float, i: int) -> float:
    """The series at bar i times `denominator(source, scale)`: a whole number on the grid, so sums are exact."""
    if source <= CLOSE:
        return grid_steps(bars[source, i], scale)
    if source == VOLUME:
        return float(bars[VOLUME, i])
    total = grid_steps(bars[HIGH, i], scale) + grid_steps(bars[LOW, i], scale)
    if source >= HLC3:
        total += grid_steps(bars[CLOSE, i], scale)
    if source == OHLC4:
        total += grid_steps(bars[OPEN, i], scale)
    return total


@kernel_part
def denominator(source: int, scale: float) -> float:
    """What `numerator` must be divided by."""
    if source == VOLUME:
        return 1.0
    if source <= CLOSE:
        return scale
    return scale * (source - 3)  # hl2 2, hlc3 3, ohlc4 4 prices


@kernel_part
def price(bars: Float64Array, source: int, scale: float, i: int) -> float:
    """The series at bar i; a mean of several fields is rounded once on the grid."""
    if source <= VOLUME:
        return float(bars[source, i])
    return numerator(bars, source, scale, i) / denominator(source, scale)


@kernel_part
def true_range(bars: Float64Array, i: int) -> float:
    """max(h - l, |h - c1|, |l - c1|); h - l at the first bar."""
    if i == 0:
        return float(bars[HIGH, 0] - bars[LOW, 0])
    before = bars[CLOSE, i - 1]
    return float(max(bars[HIGH, i], before) - min(bars[LOW, i], before))


@kernel_part
def true_range_steps(bars: Float64Array, scale: float, i: int) -> float:
    """The true range in grid steps: exact on the grid, so its window sums are."""
    top = grid_steps(bars[HIGH, i], scale)
    bottom = grid_steps(bars[LOW, i], scale)
    if i == 0:
        return top - bottom
    before = grid_steps(bars[CLOSE, i - 1], scale)
    return max(top, before) - min(bottom, before)
