"""Pairs: when two instruments that move together drift apart, buy the cheap one and sell the dear one."""

from math import log, sqrt

from trademantra.engine.bars import Float64Array
from trademantra.engine.panel import CLOSE, AllocationStrategy, weight_kernel
from trademantra.engine.parameters import Parameter
from trademantra.engine.rules import TradingRules


@weight_kernel
def kernel(
    values: Float64Array, i: int, parameters: Float64Array, state: Float64Array, weights: Float64Array
) -> None:
    # state: side of the spread that is held, its hedge ratio, side that was stopped out and must first come home
    lookback, entry, leave, limit = int(parameters[0]), parameters[1], parameters[2], parameters[3]
    if len(weights) != 2:
        return
    mean_a, mean_b = 0.0, 0.0
    for k in range(i - lookback + 1, i + 1):
        mean_a += log(values[CLOSE, k, 0]) / lookback
        mean_b += log(values[CLOSE, k, 1]) / lookback
    square_a, square_b, product = 0.0, 0.0, 0.0
    for k in range(i - lookback + 1, i + 1):
        a, b = log(values[CLOSE, k, 0]) - mean_a, log(values[CLOSE, k, 1]) - mean_b
        square_a += a * a
        square_b += b * b
        product += a * b
    # least squares of log a on log b: the value of b that hedges one unit of a, and what it leaves unexplained
    hedge = product / square_b if square_b > 0.0 else 0.0
    rest = square_a - hedge * product
    if rest == rest:  # with a missing bar in the window the position stays as it is
        a, b = log(values[CLOSE, i, 0]) - mean_a, log(values[CLOSE, i, 1]) - mean_b
        score = (a - hedge * b) / sqrt(rest / lookback) if rest > 1e-18 else 0.0
        side = -1.0 if score > 0.0 else 1.0  # a dear spread is sold
        if state[0] != 0.0 and abs(score) >= limit and side == state[0]:
            state[0], state[2] = 0.0, side
        elif state[0] != 0.0 and (abs(score) <= leave or side != state[0] or hedge <= 0.0):
            state[0] = 0.0
        if abs(score) <= leave or side != state[2]:
            state[2] = 0.0
        if state[0] == 0.0 and entry <= abs(score) < limit and state[2] == 0.0 and hedge > 0.0:
            state[0], state[1] = side, hedge
    weights[0] = state[0] / (1.0 + state[1])
    weights[1] = -state[0] * state[1] / (1.0 + state[1])


STRATEGY = AllocationStrategy(
    name="pairs",
    title="Pairs (rolling hedge ratio)",
    idea="What moved together parts for a while and meets again: trade the z-score of log a - hedge x log b.",
    source="Gatev, Goetzmann, Rouwenhorst (2006), Review of Financial Studies 19(3); Vidyamurthy (2004)",
    market="exactly two related futures or shares that can be sold short; daily and intraday bars",
    parameters=(
        Parameter(
            "lookback", 60, 10, 1_000, step=10, description="bars of the regression and of the z-score"
        ),
        Parameter("entry", 2.0, 1.0, 3.9, step=0.25, integer=False, description="z-score at which to enter"),
        Parameter("leave", 0.5, 0.0, 0.9, step=0.1, integer=False, description="z-score at which to leave"),
        Parameter(
            "limit", 4.0, 4.0, 20.0, step=0.5, integer=False, description="z-score that ends it at a loss"
        ),
        Parameter("every", 1, 1, 100, description="bars between decisions"),
    ),
    kernel=kernel,
    every="every",
    warm_up=("lookback",),
    most_instruments=2,
    state_size=3,
    rules=TradingRules(allow_short=True),
)
