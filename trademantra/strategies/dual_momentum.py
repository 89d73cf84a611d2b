"""Hold the instruments with the best trailing return, in equal parts."""

import numpy as np

from trademantra.engine.bars import Float64Array
from trademantra.engine.panel import CLOSE, AllocationStrategy, weight_kernel
from trademantra.engine.parameters import Parameter


@weight_kernel
def kernel(
    values: Float64Array, i: int, parameters: Float64Array, state: Float64Array, weights: Float64Array
) -> None:
    lookback, top, absolute = int(parameters[0]), int(parameters[1]), parameters[3] > 0.0
    now, before = values[CLOSE, i], values[CLOSE, i - lookback]
    strength = np.full(len(now), -np.inf)
    for j in range(len(now)):
        if now[j] == now[j] and before[j] == before[j]:
            strength[j] = now[j] / before[j] - 1.0
    order = np.argsort(-strength, kind="mergesort")
    for j in order[:top]:
        if strength[j] > (0.0 if absolute else -1.0):
            weights[j] = 1.0 / top


STRATEGY = AllocationStrategy(
    name="dual_momentum",
    title="Dual momentum rotation",
    idea="What rose most keeps rising for a while; what falls outright is not held (absolute momentum).",
    source="Antonacci (2014), Dual Momentum Investing; Jegadeesh, Titman (1993), Journal of Finance 48(1)",
    market="shares, sector indices, funds; daily bars",
    parameters=(
        Parameter("lookback", 126, 5, 504, step=21, description="bars of the trailing return"),
        Parameter("top", 5, 1, 200, description="instruments held"),
        Parameter("every", 21, 1, 252, description="bars between rebalances"),
        Parameter(
            "absolute", 1, 0, 1, description="1: only instruments that rose; 0: the best, whatever they did"
        ),
    ),
    kernel=kernel,
    every="every",
    warm_up=("lookback",),
)
