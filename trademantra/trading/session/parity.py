"""A recorded session replayed as a back-test, and compared trade by trade: the first promise (DESIGN section 1).

The back-test reads the session's prices from its tape, makes its own bars of them, and decides inside each bar by the
session's own events.  Nothing of the desk takes part: not its bar builder, its gate, its orders or its exchange.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import isclose
from pathlib import Path

import numpy as np

from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.data.resample import SessionSpan
from trademantra.engine.backtest import BacktestInput, BacktestResult, Strategy, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import LiveTrade
from trademantra.engine.records import Reason
from trademantra.engine.timeline import Timeline, by_sessions
from trademantra.strategies.registry import load_strategy, load_strategy_file
from trademantra.trading.runner.spec import StrategySource
from trademantra.trading.session.facts import RunFacts, SessionFacts
from trademantra.trading.session.plan import whole_days
from trademantra.trading.session.tape import bars_of, read_charges, read_events, read_warm_up
from trademantra.trading.session.trades import read_trades

_LAST_BITS = 1e-12
STRATEGY_FILE = "strategy.py"


@dataclass(frozen=True, slots=True)
class Difference:
    """A trade that the two do not share, or one of which a field differs (`field`, with both values)."""

    run_id: str
    session: LiveTrade | None
    backtest: LiveTrade | None
    field: str = ""

    @property
    def text(self) -> str:
        if self.session is None and self.backtest is not None:
            return f"{self.run_id}: only in the back-test: {_words(self.backtest)}"
        if self.backtest is None and self.session is not None:
            return f"{self.run_id}: only in the session: {_words(self.session)}"
        ours, theirs = getattr(self.session, self.field), getattr(self.backtest, self.field)
        assert self.session is not None
        return f"{self.run_id}: {_words(self.session)}: {self.field} is {ours} in the session, {theirs} in the back-test"


@dataclass(frozen=True, slots=True)
class Parity:
    """`trades`: of the session; `runs` compared."""

    session_id: str
    runs: int
    trades: int
    differences: Sequence[Difference]

    @property
    def is_identical(self) -> bool:
        return not self.differences


def parity(folder: Path) -> Parity:
    """Replay the session in `folder` as back-tests and compare.

    Errors: `BadInputError` for a session that is damaged, has not ended, or whose strategy was changed since.
    """
    facts, trades = SessionFacts.read(folder), read_trades(folder)
    tape = _Tape(folder, facts)
    differences: list[Difference] = []
    for run in facts.runs:
        theirs = _trades_of(_backtest(folder, facts, run, tape))
        differences += _compare(run.run_id, trades.get(run.run_id, []), theirs)
    return Parity(facts.session_id, len(facts.runs), sum(len(each) for each in trades.values()), differences)


class _Tape:
    """Bars, finer bars and timelines by symbol, made when they are asked for."""

    def __init__(self, folder: Path, facts: SessionFacts) -> None:
        self._facts = facts
        self._warm_up, self._events = read_warm_up(folder), read_events(folder)
        self._days: Sequence[SessionSpan] = whole_days(facts.spans)
        self.charges = read_charges(folder)

    def of(self, symbols: Sequence[str]) -> tuple[dict[str, Bars], dict[str, Timeline], dict[str, Bars]]:
        bars, timelines, finer = {}, {}, {}
        for symbol in symbols:
            earlier, events = self._warm_up.get(symbol), self._events.get(symbol)
            if events is None:
                continue
            made = bars_of(events, self._facts.spans, self._facts.timeframe.length_ns)
            bars[symbol] = made if earlier is None else _joined(earlier, made)
            finer[symbol] = events if earlier is None else _joined(earlier, events)
            line = by_sessions(bars[symbol].ts, self._days)
            leave = self._facts.leave_minute
            timelines[symbol] = line if leave is None else line.with_square_off(leave)
        return bars, timelines, finer


def _backtest(folder: Path, facts: SessionFacts, run: RunFacts, tape: _Tape) -> BacktestResult:
    bars, timelines, finer = tape.of(run.symbols)
    if not bars:
        raise BadInputError(folder, f"holds no prices of {', '.join(run.symbols)}")
    given = BacktestInput(
        bars,
        timelines,
        tape.charges,
        finer=finer,
        begin_ns=facts.begin_ns,
        bars_per_year=facts.bars_per_year,
    )
    return backtest(_strategy(folder, run.strategy), given, run.values, run.rules)


def _strategy(folder: Path, source: StrategySource) -> Strategy:
    """As it was in the session.  Errors: `BadInputError` when the library's was changed since."""
    if source.is_file:
        return load_strategy_file(folder / STRATEGY_FILE)
    if StrategySource.shipped(source.name).sha256 != source.sha256:
        raise BadInputError(
            folder,
            f"strategy {source.name} was changed since the session",
            hint="compare with the version that ran it, or make a new session",
        )
    return load_strategy(source.name)


def _trades_of(result: BacktestResult) -> list[LiveTrade]:
    return [
        LiveTrade(
            symbol=result.symbols[int(trade["instrument"])],
            side=int(trade["side"]),
            entry_ns=int(result.ts[trade["entry_index"]]),
            exit_ns=int(result.ts[trade["exit_index"]]),
            quantity=float(trade["quantity"]),
            entry_price=float(trade["entry_price"]),
            exit_price=float(trade["exit_price"]),
            gross=float(trade["gross"]),
            costs=float(trade["costs"]),
            net=float(trade["net"]),
            reason=Reason(int(trade["reason"])),
        )
        for trade in result.trades
    ]


def _compare(run_id: str, ours: Sequence[LiveTrade], theirs: Sequence[LiveTrade]) -> list[Difference]:
    """Trades by symbol and entry; of a trade that both have, the first field that differs."""
    here, there = _by_entry(ours), _by_entry(theirs)
    found = []
    for key in sorted({*here, *there}):
        mine, other = here.get(key), there.get(key)
        if mine is None or other is None:
            found.append(Difference(run_id, mine, other))
            continue
        for each in fields(LiveTrade):
            if not _same(getattr(mine, each.name), getattr(other, each.name)):
                found.append(Difference(run_id, mine, other, each.name))
                break
    return found


def _same(mine: object, other: object) -> bool:
    """Equal to the bit for whole units.  The desk counts 0.087 of a coin, the engine 87 times 0.001: those are the same."""
    if isinstance(mine, float) and isinstance(other, float):
        return isclose(mine, other, rel_tol=_LAST_BITS, abs_tol=_LAST_BITS)
    return mine == other


def _by_entry(trades: Sequence[LiveTrade]) -> Mapping[tuple[str, int, int], LiveTrade]:
    """A trade that begins in the bar of another of its symbol is told apart by its place."""
    made: dict[tuple[str, int, int], LiveTrade] = {}
    for trade in trades:
        number = 0
        while (trade.symbol, trade.entry_ns, number) in made:
            number += 1
        made[trade.symbol, trade.entry_ns, number] = trade
    return made


def _joined(first: Bars, second: Bars) -> Bars:
    if len(first) and len(second) and first.ts[-1] >= second.ts[0]:
        raise InvalidValueError("the warm-up overlaps the session", hint="the session's folder is damaged")
    return Bars(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in Bars.__slots__))


def _words(trade: LiveTrade) -> str:
    when = np.datetime64(trade.entry_ns, "ns").astype("datetime64[s]")
    side = "long" if trade.side > 0 else "short"
    return f"{trade.symbol} {side} {trade.quantity:g} from {when}Z"
