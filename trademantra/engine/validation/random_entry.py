"""Does the timing of entries matter?  The same trades, entered at random moments.

Each random path has as many trades as the run, with the same sides, holding times and cost rates.  A trade that lived
within one session is moved to another place of that kind; longer ones keep their distance: no two of an instrument
overlap, as none did in the run.  Random trades enter and leave at opens and pay no slippage, which the run's own fills
did pay, so the p-value errs on the careful side.
Source: the permutation idea of Masters (2018), Testing and Tuning Market Trading Systems, chapter 6.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestResult
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.records import RecordArray

_MOST_PATHS = 1_000_000
_CELLS_AT_ONCE = 200_000
LEAST_TRADES = 5


@dataclass(frozen=True, slots=True, eq=False)
class RandomEntry:
    """`mean_returns` (paths,): net return of the average trade, over its entry value, when entered at random.

    `p_value`: chance that random entries do at least as well as the run, (1 + better) / (1 + paths).
    """

    trades: int
    actual: float
    mean_returns: Float64Array
    p_value: float


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """Trades of one instrument, and the bars on which they may be placed anew."""

    open: Float64Array
    close: Float64Array
    session: Int64Array
    side: Float64Array
    held: Int64Array  # bars from entry to exit
    rate: Float64Array  # costs over entry value
    within: bool  # every trade lived inside one session


def random_entry_test(result: BacktestResult, paths: int, generator: Generator) -> RandomEntry:
    """Compare the average trade of a run with that of random entries.

    Works for every kind of strategy; each instrument's trades are moved on its own bars.
    Errors: `InvalidValueError` for fewer than five closed trades or no paths.
    """
    trades = result.trades
    if len(trades) < LEAST_TRADES or not 1 <= paths <= _MOST_PATHS:
        raise InvalidValueError(
            f"{len(trades)} trades and {paths:,} paths are not enough to compare with random entries",
            hint=f"at least {LEAST_TRADES} closed trades and 1 to {_MOST_PATHS:,} paths",
        )
    unit = result.rules.multiplier
    actual = float(np.mean(trades["net"] / (trades["entry_price"] * trades["quantity"] * unit)))
    total = np.zeros(paths)
    for j, symbol in enumerate(result.symbols):
        own = trades[trades["instrument"] == j]
        if not len(own):
            continue
        bars, timeline = result.given.bars[symbol], result.given.timelines[symbol]
        at = np.searchsorted(bars.ts, result.ts[own["entry_index"]])
        to = np.searchsorted(bars.ts, result.ts[own["exit_index"]])
        total += _totals(
            _Placed(
                bars.open,
                bars.close,
                timeline.session,
                own["side"].astype(np.float64),
                to - at,
                _rates(own, unit),
                bool((timeline.session[at] == timeline.session[to]).all() and timeline.session[-1] > 0),
            ),
            paths,
            generator,
        )
    means = total / len(trades)
    return RandomEntry(len(trades), actual, means, (1.0 + float((means >= actual).sum())) / (1.0 + paths))


def _rates(trades: RecordArray, unit: float) -> Float64Array:
    rates: Float64Array = trades["costs"] / (trades["entry_price"] * trades["quantity"] * unit)
    return rates


def _totals(placed: _Placed, paths: int, generator: Generator) -> Float64Array:
    """Sum of the net returns of the moved trades, one a path."""
    size = max(1, _CELLS_AT_ONCE // len(placed.held))
    made = []
    daily = bool((placed.held == 0).all())
    for start in range(0, paths, size):
        count = min(size, paths - start)
        order = generator.permuted(np.repeat(np.arange(len(placed.held))[None, :], count, axis=0), axis=1)
        held = placed.held[order]
        if placed.within or daily:
            entry = _within_sessions(placed, held, generator)
        else:
            entry = _apart(len(placed.open), held, generator)
        leave = np.where(held == 0, placed.close[entry], placed.open[entry + held])
        gross = placed.side[order] * (leave / placed.open[entry] - 1.0)
        made.append((gross - placed.rate[order]).sum(axis=1))
    return np.concatenate(made)


def _apart(n: int, held: Int64Array, generator: Generator) -> Int64Array:
    """Entries (paths, trades) in time order such that each trade is over before the next begins."""
    busy = np.cumsum(held + 1, axis=1) - (held + 1)
    free = n - int((held[0] + 1).sum())  # bars that no trade of a path needs; the same for all paths
    if free < 0:  # exits and entries share bars: let them
        busy = np.cumsum(held, axis=1) - held
        free = max(0, n - 1 - int(held[0].sum()))
    slack = np.sort(generator.integers(0, free + 1, held.shape), axis=1)
    return np.minimum(slack + busy, n - 1 - held)


def _within_sessions(placed: _Placed, held: Int64Array, generator: Generator) -> Int64Array:
    """Entries (paths, trades) such that each trade ends in the session in which it began."""
    entry = np.empty(held.shape, np.int64)
    last = np.searchsorted(placed.session, placed.session, side="right") - 1  # of each bar's session
    room = last - np.arange(len(placed.session))
    for bars in np.unique(placed.held).tolist():
        where = held == bars
        candidates = np.flatnonzero(room >= bars)
        entry[where] = candidates[generator.integers(0, len(candidates), int(where.sum()))]
    return entry
