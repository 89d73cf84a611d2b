"""Session returns of every combination of a grid: what cross-validation and overfitting statistics start from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.combinations import Market, run_combinations
from trademantra.engine.metrics import session_returns
from trademantra.engine.records import RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.sweep import combinations
from trademantra.engine.validation.windows import market_of

Sessions: TypeAlias = NDArray[np.int32]
_LARGEST = 100_000_000  # sessions x combinations: 1.6 GB


@dataclass(frozen=True, slots=True, eq=False)
class SessionReturns:
    """`returns` (sessions, m) of m combinations, and what each return knows of its neighbours.

    `begins`, `ends` (sessions, m): first and last session of the trades that were open in a session; the session
    itself where none was.  A return and a test period have information in common when these spans meet.
    `points` are the swept values of each combination.
    """

    strategy: str
    points: tuple[Mapping[str, float], ...]
    returns: Float64Array
    begins: Sessions
    ends: Sessions
    sessions_per_year: float
    session_risk_free: float

    @property
    def sessions(self) -> int:
        return len(self.returns)


def session_matrix(
    strategy: SignalStrategy,
    given: BacktestInput,
    grid: Mapping[str, Sequence[float]],
    fixed: Mapping[str, float] | None = None,
    rules: TradingRules | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SessionReturns:
    """Run every combination once over all bars and keep its session returns and the spans of its trades.

    One recorded run a combination, so memory is that of one run and the result; 30 ms for a million bars.
    Errors: `InvalidValueError` for a grid that does not fit or is too large to keep.
    """
    market = market_of(strategy, given)
    values, each_rules, points, _ = combinations(strategy, grid, fixed or {}, rules or strategy.rules)
    sessions, m = len(market.timeline.ends), len(values)
    if sessions * m > _LARGEST:
        raise InvalidValueError(
            f"{m:,} combinations over {sessions:,} sessions are too many to keep side by side",
            hint=f"validate at most {_LARGEST // sessions:,} combinations: take larger steps in --grid",
        )
    returns = np.empty((sessions, m))
    begins, ends = np.empty((sessions, m), np.int32), np.empty((sessions, m), np.int32)
    for k, (each, rule) in enumerate(zip(values, each_rules, strict=True)):
        made = run_combinations(strategy, market, [each], [rule], record=True)
        returns[:, k] = session_returns(made.curve, market.timeline.ends, rule.cash)
        begins[:, k], ends[:, k] = spans(market, made.trades, made.accounts)
        if progress is not None:
            progress(k + 1, m)
    return SessionReturns(
        strategy.name, tuple(points), returns, begins, ends, given.sessions_per_year, market.session_risk_free
    )


def spans(market: Market, trades: RecordArray, accounts: RecordArray) -> tuple[Sessions, Sessions]:
    """First and last session (sessions,) of the trades that touch each session; a position still open counts."""
    session, count = market.timeline.session, len(market.timeline.ends)
    entered, left = session[trades["entry_index"]], session[trades["exit_index"]]
    if accounts["quantity"][0] != 0.0:
        entered = np.append(entered, session[int(accounts["entry_index"][0])])
        left = np.append(left, count - 1)
    long = left > entered
    entered, left = entered[long], left[long]
    begins, ends = np.arange(count, dtype=np.int32), np.arange(count, dtype=np.int32)
    touched, lengths = _ranges(entered, left)
    np.minimum.at(begins, touched, np.repeat(entered, lengths).astype(np.int32))
    np.maximum.at(ends, touched, np.repeat(left, lengths).astype(np.int32))
    return begins, ends


def _ranges(first: Int64Array, last: Int64Array) -> tuple[Int64Array, Int64Array]:
    """All numbers of [first, last] of each pair, one after the other, and how many each pair has."""
    lengths = last - first + 1
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) - np.repeat(before - first, lengths), lengths
