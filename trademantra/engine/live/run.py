"""One strategy, live: bars, prices of the auction, the clock and fills in; what it wants out.

Pure: no clock, no files, no network.  The account is the engine's own record, decisions, sizes, costs and trades are
the engine's own parts, so a run that is told of the fills of a back-test makes its trades to the bit.  The same calls
in the same order give the same run: a run is restored by replaying them.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Protocol

from trademantra.core.bar import Bar
from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import Strategy, made_of
from trademantra.engine.bars import Bars
from trademantra.engine.charging import no_charges
from trademantra.engine.live.allocation_run import AllocationRun
from trademantra.engine.live.event_run import EventRun
from trademantra.engine.live.signal_run import SignalRun
from trademantra.engine.live.wants import LiveFill, LiveSession, LiveTrade, Want
from trademantra.engine.panel import AllocationStrategy
from trademantra.engine.records import Reason, RecordArray
from trademantra.engine.rule_checks import check_rules
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.terms import Terms, refuse_own_terms
from trademantra.engine.ticks import Tick
from trademantra.engine.timeline import Timeline


class _Model(Protocol):
    """The run of one kind of strategy."""

    def warm_up(self, bars: Mapping[str, Bars], timelines: Mapping[str, Timeline]) -> None: ...
    def on_session(self, session: LiveSession, auction: Mapping[str, float]) -> list[Want]: ...
    def on_clock(self, now_ns: int) -> list[Want]: ...
    def on_bars(self, closed: Sequence[tuple[str, Bar]]) -> list[Want]: ...
    def on_ticks(self, ticks: Sequence[Tick]) -> list[Want]: ...
    @property
    def hears_ticks(self) -> bool: ...
    def on_fill(self, fill: LiveFill) -> list[Want]: ...
    def on_entry_gone(self, symbol: str, text: str) -> list[Want]: ...
    def position(self, symbol: str) -> float: ...
    @property
    def equity(self) -> float: ...
    @property
    def refused(self) -> int: ...
    def leaving(self) -> dict[str, Reason]: ...
    def trades(self) -> list[LiveTrade]: ...


class LiveRun:
    """One strategy, its instruments, one pot of cash.

    Call `warm_up` once, `on_session` before each day's first bar, then for every instant `on_bars` with the bars that
    closed at it and after that `on_clock`; `on_ticks` between bars; `on_fill` for each execution when it is heard.  Every answer lists what
    has changed: what leaves comes before what is dropped, and that before what enters.  Protective orders are the
    caller's: it places those of `Enter.protection` after the first fill and tells of their fills.

    `timeframe_ns` is the length of a bar (a day for daily bars); `bars_per_year` scales volatility sizes.  `own`: instruments
    whose lot, tick or charges are not those of the run, for event strategies.
    Errors: `InvalidValueError` naming strategy, parameter, instrument or bar; and for whatever the strategy's own code
    raises, with the line.
    """

    def __init__(
        self,
        strategy: Strategy,
        symbols: Sequence[str],
        timeframe_ns: int,
        values: Mapping[str, float],
        rules: TradingRules,
        charges: RecordArray | None = None,
        bars_per_year: float = 252.0,
        own: Mapping[str, Terms] | None = None,
    ) -> None:
        if not rules.as_live:
            raise InvalidValueError(
                f"strategy {strategy.name}: a live run needs rules that say as_live",
                hint="dataclasses.replace(rules, as_live=True)",
            )
        if not symbols or len(set(symbols)) != len(symbols):
            raise InvalidValueError(
                f"strategy {strategy.name}: its instruments must be given, each once: {', '.join(symbols)}"
            )
        if timeframe_ns <= 0:
            raise InvalidValueError(f"a bar of {timeframe_ns} nanoseconds has no length")
        self.strategy, self.symbols, self.rules = strategy, tuple(symbols), rules
        self._model = _model_of(
            strategy, symbols, timeframe_ns, values, rules, no_charges() if charges is None else charges,
            bars_per_year, own or {},
        )  # fmt: skip

    def warm_up(self, bars: Mapping[str, Bars], timelines: Mapping[str, Timeline]) -> None:
        """Take the bars of the past: the strategy sees them, nothing is asked for."""
        for symbol in bars:
            if symbol not in timelines:
                raise InvalidValueError(f"{symbol}: there are bars of it, but no timeline")
        self._model.warm_up(bars, timelines)

    def on_session(self, session: LiveSession, auction: Mapping[str, float]) -> list[Want]:
        """A trading day begins; `auction` holds the pre-open prices that are known.

        A second call for the same day replaces its hours and prices, and asks the strategy nothing.
        """
        return self._model.on_session(session, auction)

    def on_clock(self, now_ns: int) -> list[Want]:
        """Time has come: minutes that the strategy waits for, and the square-off where no bar says it."""
        return self._model.on_clock(now_ns)

    def on_bars(self, closed: Sequence[tuple[str, Bar]]) -> list[Want]:
        """All bars that closed at one instant."""
        return self._model.on_bars(closed)

    @property
    def hears_ticks(self) -> bool:
        """Whether the strategy overrides `on_tick`; others need not be told of ticks."""
        return self._model.hears_ticks

    def on_ticks(self, ticks: Sequence[Tick]) -> list[Want]:
        """The newest pictures of instruments, at most one each, of one moment inside the bars that are forming."""
        return self._model.on_ticks(ticks)

    def on_fill(self, fill: LiveFill) -> list[Want]:
        """An execution.  What was dropped and filled all the same is booked, and left again."""
        return self._model.on_fill(fill)

    def on_entry_gone(self, symbol: str, text: str) -> list[Want]:
        """What is left of the entry will not fill: rejected, cancelled, expired or cut, as `text` says."""
        return self._model.on_entry_gone(symbol, text)

    def position(self, symbol: str) -> float:
        """Signed quantity held."""
        return self._model.position(symbol)

    @property
    def equity(self) -> float:
        """Cash and positions at their last closes."""
        return self._model.equity

    @property
    def refused(self) -> int:
        """Entries that could not be sized or afforded, or that the exchange refused."""
        return self._model.refused

    def leaving(self) -> dict[str, Reason]:
        """What is held and is to be left, and why, whether or not it was asked for: a restart asks again."""
        return self._model.leaving()

    def trades(self) -> list[LiveTrade]:
        """The closed trades, in the order of their last bars."""
        return self._model.trades()


def _model_of(
    strategy: Strategy,
    symbols: Sequence[str],
    timeframe_ns: int,
    values: Mapping[str, float],
    rules: TradingRules,
    charges: RecordArray,
    bars_per_year: float,
    own: Mapping[str, Terms],
) -> _Model:
    check_rules(strategy.name, rules, lambda: inf, gives_stops=_gives_stops(strategy))
    if not isinstance(strategy, type):
        refuse_own_terms(strategy.name, own)
    if isinstance(strategy, SignalStrategy):
        return SignalRun(strategy, symbols, timeframe_ns, values, rules, charges, bars_per_year)
    if isinstance(strategy, AllocationStrategy):
        return AllocationRun(strategy, symbols, timeframe_ns, values, rules, charges, bars_per_year)
    return EventRun(made_of(strategy, values), symbols, timeframe_ns, rules, charges, bars_per_year, own)


def _gives_stops(strategy: Strategy) -> bool:
    return not isinstance(strategy, SignalStrategy) or strategy.has_levels
