"""Levels of the session from high, low and close of the one before: CPR and pivots.

C is the last close of the session before in the bars given.  On intraday bars that is the last trade; the
official close (since 2026-08-03 the closing auction's, for F&O shares and their indices) is in daily bars: run
these indicators on daily bars with one session a bar and take the value of the day (`of_sessions`).
Source: specs/india-markets.md 8.3.
"""

from math import nan

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import inlined
from trademantra.engine.indicators.anchored import opens_session
from trademantra.engine.indicators.averages import SPEC
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.kernel import indicator_kernel
from trademantra.engine.indicators.series import CLOSE, HIGH, LOW, grid_steps

# State: whether there was a session before; its high, low, close; high and low of this one; the levels.
LEVEL_SLOTS = 6


def of_sessions(values: Float64Array, sessions: Int64Array, session: Int64Array) -> Float64Array:
    """A value a session, spread over the bars of the session.

    `values` and `sessions` (m,): one for each daily bar, sessions rising.  `session` (n,) of the bars.
    NaN for a session without a daily bar.  Errors: `InvalidValueError` when `sessions` do not rise.

    >>> of_sessions(np.array([1.0, 2.0]), np.array([7, 8]), np.array([7, 7, 8, 9])).tolist()
    [1.0, 1.0, 2.0, nan]
    """
    if values.shape != sessions.shape or bool(np.any(np.diff(sessions) <= 0)):
        raise InvalidValueError("one value a session, session numbers rising")
    if len(sessions) == 0:
        return np.full(len(session), nan)
    place = np.minimum(np.searchsorted(sessions, session), len(sessions) - 1)
    return np.where(sessions[place] == session, values[place], nan)


@inlined
def new_session(bars: Float64Array, session: Int64Array, scale: float, state: Float64Array, i: int) -> bool:
    """Keep high, low and close of the session before in state[1:4], in grid steps; whether they are new."""
    high, low = grid_steps(bars[HIGH, i], scale), grid_steps(bars[LOW, i], scale)
    if not opens_session(session, i):
        state[4] = max(state[4], high)
        state[5] = min(state[5], low)
        return False
    if i > 0:
        state[0] = 1.0
        state[1] = state[4]
        state[2] = state[5]
        state[3] = grid_steps(bars[CLOSE, i - 1], scale)
    state[4] = high
    state[5] = low
    return i > 0


@inlined
def write_levels(state: Float64Array, out: Float64Array, column: int) -> None:
    """The levels of this session; none in the first."""
    for k in range(out.shape[0]):
        out[k, column] = state[LEVEL_SLOTS + k] if state[0] != 0.0 else nan


@indicator_kernel
def previous_session_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    levels = state[LEVEL_SLOTS:]
    for i in range(start, stop):
        if new_session(bars, session, scale, state, i):
            for k in range(3):
                levels[k] = state[1 + k] / scale
        write_levels(state, out, i - start)


PREVIOUS_SESSION = Indicator(
    name="previous_session",
    title="High, low and close of the session before (previous day)",
    kernel=previous_session_kernel,
    outputs=("high", "low", "close"),
    parameters=(),
    warm_up=lambda values: 0,
    state_size=lambda values: LEVEL_SLOTS + 3,
    warm_up_sessions=1,
    source="specs/india-markets.md 8.4",
)


@indicator_kernel
def cpr_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # Sixths of the pivot, bottom and top are whole on the grid: P = (H+L+C)/3, BC = (H+L)/2, TC = 2P - BC.
    levels = state[LEVEL_SLOTS:]
    for i in range(start, stop):
        if new_session(bars, session, scale, state, i):
            high, low, close = state[1], state[2], state[3]
            pivot = 2.0 * (high + low + close)
            central = 3.0 * (high + low)
            other = 2.0 * pivot - central
            bottom, top = min(central, other), max(central, other)
            levels[0] = pivot / (6.0 * scale)
            levels[1] = bottom / (6.0 * scale)
            levels[2] = top / (6.0 * scale)
            levels[3] = 100.0 * ((top - bottom) / pivot)
        write_levels(state, out, i - start)


CPR = Indicator(
    name="cpr",
    title="Central pivot range: pivot, bottom, top, and width in percent of the pivot",
    kernel=cpr_kernel,
    outputs=("pivot", "bottom", "top", "width"),
    parameters=(),
    warm_up=lambda values: 0,
    state_size=lambda values: LEVEL_SLOTS + 4,
    warm_up_sessions=1,
    source=SPEC,
)


@indicator_kernel
def pivots_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    levels = state[LEVEL_SLOTS:]
    for i in range(start, stop):
        if new_session(bars, session, scale, state, i):
            high, low = 3.0 * state[1], 3.0 * state[2]
            pivot = state[1] + state[2] + state[3]
            unit = 3.0 * scale
            levels[0] = pivot / unit
            levels[1] = (2.0 * pivot - low) / unit
            levels[2] = (pivot + (high - low)) / unit
            levels[3] = (high + 2.0 * (pivot - low)) / unit
            levels[4] = (2.0 * pivot - high) / unit
            levels[5] = (pivot - (high - low)) / unit
            levels[6] = (low - 2.0 * (high - pivot)) / unit
        write_levels(state, out, i - start)


PIVOTS = Indicator(
    name="pivots",
    title="Classic pivots: pivot, three resistances, three supports",
    kernel=pivots_kernel,
    outputs=("pivot", "r1", "r2", "r3", "s1", "s2", "s3"),
    parameters=(),
    warm_up=lambda values: 0,
    state_size=lambda values: LEVEL_SLOTS + 7,
    warm_up_sessions=1,
    source=SPEC,
)


@indicator_kernel
def camarilla_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # C ± 1.1 (H - L) / (12, 6, 4, 2), as (120 C ± 11 (H - L) (1, 2, 3, 6)) / 120: whole on the grid.
    levels = state[LEVEL_SLOTS:]
    for i in range(start, stop):
        if new_session(bars, session, scale, state, i):
            reach = 11.0 * (state[1] - state[2])
            close = 120.0 * state[3]
            for k in range(4):
                times = 6.0 if k == 3 else k + 1.0
                levels[k] = (close + times * reach) / (120.0 * scale)
                levels[4 + k] = (close - times * reach) / (120.0 * scale)
        write_levels(state, out, i - start)


CAMARILLA = Indicator(
    name="camarilla",
    title="Camarilla pivots: four resistances, four supports",
    kernel=camarilla_kernel,
    outputs=("r1", "r2", "r3", "r4", "s1", "s2", "s3", "s4"),
    parameters=(),
    warm_up=lambda values: 0,
    state_size=lambda values: LEVEL_SLOTS + 8,
    warm_up_sessions=1,
    source=SPEC,
)


@indicator_kernel
def fibonacci_kernel(
    bars: Float64Array,
    session: Int64Array,
    scale: float,
    parameters: Float64Array,
    state: Float64Array,
    out: Float64Array,
    start: int,
    stop: int,
) -> None:
    # P ± (0.382, 0.618, 1) (H - L), in 3000ths: whole on the grid.
    levels = state[LEVEL_SLOTS:]
    for i in range(start, stop):
        if new_session(bars, session, scale, state, i):
            pivot = 1000.0 * (state[1] + state[2] + state[3])
            reach = 3.0 * (state[1] - state[2])
            levels[0] = pivot / (3000.0 * scale)
            for k in range(3):
                share = 382.0 if k == 0 else (618.0 if k == 1 else 1000.0)
                levels[1 + k] = (pivot + share * reach) / (3000.0 * scale)
                levels[4 + k] = (pivot - share * reach) / (3000.0 * scale)
        write_levels(state, out, i - start)


FIBONACCI = Indicator(
    name="fibonacci",
    title="Fibonacci pivots: pivot, three resistances, three supports",
    kernel=fibonacci_kernel,
    outputs=("pivot", "r1", "r2", "r3", "s1", "s2", "s3"),
    parameters=(),
    warm_up=lambda values: 0,
    state_size=lambda values: LEVEL_SLOTS + 7,
    warm_up_sessions=1,
    source=SPEC,
)
