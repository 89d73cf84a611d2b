"""Hold the strongest instruments of a list, and keep what is held while it stays near the top."""

import numpy as np

from trademantra.engine.bars import Float64Array
from trademantra.engine.panel import CLOSE, AllocationStrategy, weight_kernel
from trademantra.engine.parameters import Parameter

MOST_INSTRUMENTS = 4_096


@weight_kernel
def kernel(
    values: Float64Array, i: int, parameters: Float64Array, state: Float64Array, weights: Float64Array
) -> None:
    # state: 1 for each instrument that is held
    lookback, top, buffer = int(parameters[0]), int(parameters[1]), int(parameters[2])
    now = values[CLOSE, i]
    strength = np.full(len(now), -np.inf)
    for j in range(min(len(now), len(state))):
        total = 0.0
        for part in (1, 2, 4):
            total += now[j] / values[CLOSE, i - lookback // part, j] - 1.0
        if total == total:  # an instrument that lacks one of the four bars is not ranked
            strength[j] = total / 3.0
    order = np.argsort(-strength, kind="mergesort")
    held = 0
    for rank, j in enumerate(order):  # what is held stays while it ranks within top + buffer
        stays = rank < top + buffer and strength[j] > -np.inf and state[j] == 1.0 and held < top
        held += 1 if stays else 0
        weights[j] = 1.0 / top if stays else 0.0
    for j in order[:top]:
        if held < top and strength[j] > -np.inf and weights[j] == 0.0:
            held += 1
            weights[j] = 1.0 / top
    for j in range(min(len(now), len(state))):
        state[j] = 1.0 if weights[j] > 0.0 else 0.0


STRATEGY = AllocationStrategy(
    name="relative_strength",
    title="Relative strength rotation",
    idea="Leaders lead on: hold the best by average return over a lookback, its half and its quarter; trade late.",
    source="Faber (2010), Relative Strength Strategies for Investing, SSRN; Levy (1967), Journal of Finance 22(4)",
    market="shares, sector indices, funds; daily bars",
    parameters=(
        Parameter("lookback", 126, 4, 504, step=21, description="bars of the longest of three returns"),
        Parameter("top", 5, 1, 200, description="instruments held"),
        Parameter(
            "buffer", 3, 0, 100, description="ranks below top at which a held instrument is still kept"
        ),
        Parameter("every", 21, 1, 252, description="bars between rebalances"),
    ),
    kernel=kernel,
    every="every",
    warm_up=("lookback",),
    state_size=MOST_INSTRUMENTS,
)
