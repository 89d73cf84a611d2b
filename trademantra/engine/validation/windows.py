"""Windows of whole sessions, and runs that trade inside one while their indicators know what came before it.

The rules of a window, which keep it free of leaks and of double counting:
- it consists of whole sessions, and no two test windows share one;
- bars before it only warm indicators up; no decision is taken there, so the account enters it flat;
- the first decision is that of its first close (filled at the next open by default);
- the position leaves at the open of its last bar, at market and with costs: no trade belongs to two windows;
- bars after it are not given to the run at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Float64Array
from trademantra.engine.combinations import Market, Outcome, prepare, run_combinations
from trademantra.engine.finer import refuse_finer
from trademantra.engine.records import RecordArray, Signal
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.sweep import SweepResult, scores_of
from trademantra.engine.timeline import Timeline

# Warm-up lengths after which a recursive average has forgotten its start: Wilder's keeps exp(-20) = 2e-9 of it.
SETTLING = 20
_SESSIONS_BEFORE = (
    2  # levels of the session before need one whole session, and one more when data begin inside it
)
_ANY = np.int8(Signal.ENTER_LONG | Signal.EXIT_LONG | Signal.ENTER_SHORT | Signal.EXIT_SHORT)
_EXITS = np.int8(Signal.EXIT_LONG | Signal.EXIT_SHORT)
_LEAVE = np.int8(Signal.EXIT_LONG | Signal.EXIT_SHORT | Signal.SQUARE_OFF)
_LEAST_BARS = 3  # one to decide on, one to fill, one to leave


@dataclass(frozen=True, slots=True)
class Window:
    """Sessions [start, stop)."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A window of a market: `market` holds `lead` bars (of `lead_sessions` sessions) that only warm up, then it.

    `first` is the bar of the whole series at which the window starts.
    """

    market: Market
    window: Window
    lead: int
    lead_sessions: int
    first: int

    @property
    def bars(self) -> int:
        return len(self.market.bars) - self.lead

    @property
    def sessions(self) -> int:
        return len(self.market.timeline.ends) - self.lead_sessions


def market_of(strategy: SignalStrategy, given: BacktestInput) -> Market:
    """The one instrument of `given`.  Errors: `InvalidValueError` when there are several, or finer bars."""
    if len(given.bars) != 1:
        raise InvalidValueError(
            f"strategy {strategy.name} is validated on one instrument, {len(given.bars)} were given",
            hint="choose one with --symbol",
        )
    refuse_finer({**given.finer, **given.laid}, f"a validation of {strategy.name}")
    [bars], [timeline] = given.bars.values(), given.timelines.values()
    return prepare(bars, timeline, given.charges, given.bands, given.sessions_per_year, given.risk_free_rate)


def warm_up_bars(strategy: SignalStrategy, values: Sequence[Mapping[str, float]]) -> int:
    """Bars that let every parameter set settle."""
    return SETTLING * max(strategy.warm_up(each) for each in values)


def place(market: Market, window: Window, warm_up: int) -> Place:
    """`window` with at least `warm_up` bars before it, or all there are, from the start of a session on.

    Errors: `InvalidValueError` for a window with too few bars to trade in.
    """
    timeline = market.timeline
    starts = np.concatenate(([0], timeline.ends[:-1] + 1))
    first, stop = int(starts[window.start]), int(timeline.ends[window.stop - 1]) + 1
    if stop - first < _LEAST_BARS:
        raise InvalidValueError(
            f"a window of {stop - first} bars is too short to trade in",
            hint="make train and test windows longer",
        )
    lead_session = min(
        int(timeline.session[max(0, first - warm_up)]), max(0, window.start - _SESSIONS_BEFORE)
    )
    begin = int(starts[lead_session])
    lead = first - begin
    allowed = np.full(stop - begin, _ANY, np.int8)
    if len(timeline.allowed):
        allowed[:] = timeline.allowed[begin:stop]
    allowed[:lead] = 0
    allowed[-2] &= _EXITS | np.int8(Signal.SQUARE_OFF)
    allowed[-1] = _LEAVE
    inner = Timeline(
        timeline.session[begin:stop] - lead_session,
        np.ascontiguousarray(timeline.minute[begin:stop]),
        np.ascontiguousarray(timeline.day[begin:stop]),
        timeline.ends[lead_session : window.stop] - begin,
        allowed,
    )
    banded = market.bands.shape[1] > 0
    return Place(
        # the price grid and the bars a year are those of the whole series, so that windows give the same bits
        replace(
            market,
            bars=market.bars.slice(begin, stop),
            timeline=inner,
            matrix=np.ascontiguousarray(market.matrix[:, begin:stop]),
            bands=np.ascontiguousarray(market.bands[:, begin:stop]) if banded else market.bands,
        ),
        window,
        lead,
        window.start - lead_session,
        first,
    )


def sweep_window(
    strategy: SignalStrategy,
    where: Place,
    values: Sequence[Mapping[str, float]],
    rules: Sequence[TradingRules],
    points: Sequence[Mapping[str, float]],
    sessions_per_year: float,
    workers: int | None = None,
) -> SweepResult:
    """Scores of every parameter set inside the window; `points` are the swept values alone."""
    accounts = run_combinations(strategy, where.market, values, rules, workers=workers).accounts
    cash = np.array([each.cash for each in rules])
    return SweepResult(
        strategy.name,
        {name: np.array([point[name] for point in points]) for name in points[0]},
        scores_inside(accounts, cash, where, sessions_per_year),
        0,
        where.sessions,
        sessions_per_year,
    )


def run_window(
    strategy: SignalStrategy, where: Place, values: Mapping[str, float], rules: TradingRules
) -> Outcome:
    """One run with its whole course; indices of fills, trades and curve count from the window's first bar."""
    made = run_combinations(strategy, where.market, [values], [rules], record=True)
    for rows, names in ((made.fills, ("index",)), (made.trades, ("entry_index", "exit_index"))):
        for name in names:
            rows[name] -= where.lead
    return replace(made, curve=made.curve[where.lead :].copy())


def scores_inside(
    accounts: RecordArray, cash: Float64Array, where: Place, sessions_per_year: float
) -> dict[str, Float64Array]:
    """Scores (m,) of the window alone: the flat sessions before it are taken out of the sums again."""
    own = accounts.copy()
    rate = where.market.session_risk_free
    own["entry_index"] -= where.lead
    own["sum_return"] += where.lead_sessions * rate
    own["sum_square"] -= where.lead_sessions * rate**2
    if rate > 0.0:
        own["sum_downside"] = np.maximum(own["sum_downside"] - where.lead_sessions * rate**2, 0.0)
    return scores_of(own, cash, where.bars, where.sessions, sessions_per_year)
