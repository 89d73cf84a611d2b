"""A recorded session replayed as a back-test, and compared trade by trade: the first promise (DESIGN section 1).

The back-test reads the session's prices from its tape, makes its own bars of them, and decides inside each bar by the
session's own events.  Nothing of the desk takes part: not its bar builder, its gate, its orders or its exchange.

A session on the prices of now decided on a bar some time after its end, on the ticks that had come by then: its back-test
takes the bars as they were delivered and decides where the session did.  A strategy that hears ticks is told those that it
was told, as its log has them, each between the prices where it was.  Trades that were open while the desk was away
cannot be compared: nobody knows which prices they would have met.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import isclose
from pathlib import Path

import numpy as np

from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_DAY, datetime_of
from trademantra.data.resample import SessionSpan
from trademantra.data.spans import whole_days
from trademantra.engine.backtest import BacktestInput, BacktestResult, Strategy, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.events import hears_ticks
from trademantra.engine.finer import Finer, lay_inside
from trademantra.engine.indicators.declare import matrix_of
from trademantra.engine.live.wants import LiveTrade
from trademantra.engine.records import Reason
from trademantra.engine.timeline import IST_OFFSET_NS, Timeline, by_days, by_sessions
from trademantra.strategies.registry import load_strategy, load_strategy_file
from trademantra.trading.runner.spec import StrategySource
from trademantra.trading.session.facts import RunFacts, SessionFacts
from trademantra.trading.session.live_tape import (
    Delivered,
    Gap,
    is_live,
    read_delivered,
    read_heard,
    read_tick_order,
    read_ticks,
)
from trademantra.trading.session.tape import (
    bars_of,
    read_charges,
    read_event_order,
    read_events,
    read_warm_up,
)
from trademantra.trading.session.told import order_of, read_told
from trademantra.trading.session.trades import read_trades

_LAST_BITS = 1e-12
STRATEGY_FILE = "strategy.py"
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Difference:
    """A trade that the two do not share, or one of which a field differs (`field`, with both values)."""

    run_id: str
    session: LiveTrade | None
    backtest: LiveTrade | None
    field: str = ""

    @property
    def begin_ns(self) -> int:
        """Start of the bar of the entry."""
        return min(trade.entry_ns for trade in (self.session, self.backtest) if trade is not None)

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
    """`trades`: of the session; `runs` compared.

    `away`: what differs because the desk was away (`gaps`).  `late_bars` of all `bars` are not those that the ticks make
    by the time of their arrival: some of theirs came late, or were no trades.
    `stopped`: runs that were stopped in the session, and are not compared.
    """

    session_id: str
    runs: int
    trades: int
    differences: Sequence[Difference]
    away: Sequence[Difference] = ()
    gaps: Sequence[str] = ()
    bars: int = 0
    late_bars: int = 0
    stopped: Sequence[str] = ()

    @property
    def is_identical(self) -> bool:
        return not self.differences


def parity(folder: Path) -> Parity:
    """Replay the session in `folder` as back-tests and compare.

    Errors: `BadInputError` for a session that is damaged, has not ended, or whose strategy was changed since.
    """
    facts, trades = SessionFacts.read(folder), read_trades(folder)
    tape = _LiveTape(folder, facts) if is_live(folder) else _Tape(folder, facts)
    gaps = [gap for gap in read_heard(folder).gaps if _matters(gap, facts)] if is_live(folder) else []
    compared = [run for run in facts.runs if run.run_id in trades]
    stopped = [run.run_id for run in facts.runs if run.run_id not in trades]
    if not compared:
        raise BadInputError(
            folder, "its strategy was stopped in the session, so there is nothing to compare",
            hint="mend the strategy and trade it on paper again",
        )  # fmt: skip
    differences: list[Difference] = []
    away: list[Difference] = []
    for run in compared:
        prices = tape.of(run.symbols)
        theirs = _trades_of(_backtest(folder, facts, run, tape, prices))
        found = _compare(run.run_id, _in_last_bar(trades[run.run_id], prices.forming), theirs)
        begin_ns = min((each.begin_ns for each in found if _is_over(each, gaps, facts)), default=None)
        for each in found:  # what follows a trade that nobody can compare has another account behind it
            (differences if begin_ns is None or each.begin_ns < begin_ns else away).append(each)
    count = sum(len(trades[run.run_id]) for run in compared)
    words = [_gap_words(gap) for gap in gaps]
    return Parity(
        facts.session_id, len(compared), count, differences, away, words, tape.bars, tape.late_bars, stopped
    )


def _matters(gap: Gap, facts: SessionFacts) -> bool:
    """Whether there was trading in it."""
    return any(
        span.open_ns < (gap.to_ns or span.close_ns) and gap.from_ns < span.close_ns for span in facts.spans
    )


def _is_over(difference: Difference, gaps: Sequence[Gap], facts: SessionFacts) -> bool:
    """Whether a trade, or the decision for it two bars before, lies over a gap."""
    length_ns = _length_ns(facts)
    return any(
        gap.holds(difference.run_id, trade.entry_ns - 2 * length_ns, trade.exit_ns + length_ns)
        for gap in gaps
        for trade in (difference.session, difference.backtest)
        if trade is not None
    )


def _gap_words(gap: Gap) -> str:
    begin = f"{datetime_of(gap.from_ns):%Y-%m-%d %H:%M:%S}"
    if gap.run_id and gap.to_ns:
        ended = f"{datetime_of(gap.to_ns):%Y-%m-%d %H:%M:%S}"
        return f"{gap.run_id} entered nothing on the bar that ended at {ended}: it came too late"
    if gap.run_id:
        return f"{gap.run_id} was stopped at {begin}"
    return f"the desk was away from {begin} to {datetime_of(gap.to_ns):%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True, slots=True)
class _Prices:
    """What a back-test reads of some symbols.  `forming`: the start of a last bar that the session did not see end."""

    bars: dict[str, Bars]
    timelines: dict[str, Timeline]
    finer: dict[str, Bars]
    laid: dict[str, Finer]
    forming: dict[str, int] = field(default_factory=dict)


class _Tape:
    """Bars, finer bars and timelines by symbol, made when they are asked for."""

    bars, late_bars = 0, 0

    def __init__(self, folder: Path, facts: SessionFacts) -> None:
        self._folder, self._facts = folder, facts
        self._warm_up, self._events = read_warm_up(folder), read_events(folder)
        self._days: Sequence[SessionSpan] = whole_days(facts.spans)
        self.charges = read_charges(folder, list(facts.instruments))

    def of(self, symbols: Sequence[str]) -> _Prices:
        made = _Prices({}, {}, {}, {})
        for symbol in symbols:
            earlier, events = self._warm_up.get(symbol), self._events.get(symbol)
            if events is None:
                continue
            mine = _made_of(events, self._facts)
            made.bars[symbol] = mine if earlier is None else _joined(earlier, mine)
            made.finer[symbol] = events if earlier is None else _joined(earlier, events)
            made.timelines[symbol] = _timeline(made.bars[symbol], self._facts, self._days)
        return made

    def in_order(self, prices: _Prices) -> None:
        """Lay the events by the order in which the session had them, for strategies that heard ticks between them."""
        order = read_event_order(self._folder)
        for symbol, finer in prices.finer.items():
            laid = lay_inside(symbol, prices.bars[symbol], finer)
            mine = order[symbol]
            before = np.arange(len(mine) - len(finer), 0, dtype=np.int64)  # the warm-up
            prices.laid[symbol] = Finer(laid.matrix, laid.inside, order_of(np.concatenate((before, mine))))
        prices.finer.clear()


class _LiveTape:
    """As `_Tape`, of a session on the prices of now."""

    def __init__(self, folder: Path, facts: SessionFacts) -> None:
        self._facts = facts
        self._warm_up, self._ticks, self._delivered = (
            read_warm_up(folder), read_ticks(folder), read_delivered(folder)
        )  # fmt: skip
        self._order = read_tick_order(folder)
        self._days: Sequence[SessionSpan] = whole_days(facts.spans)
        self.charges = read_charges(folder, list(facts.instruments))
        self.bars = self.late_bars = 0

    def of(self, symbols: Sequence[str]) -> _Prices:
        made = _Prices({}, {}, {}, {})
        nothing = Bars.empty()
        for symbol in symbols:
            earlier = self._warm_up.get(symbol, nothing)
            told = self._delivered.get(symbol, Delivered(nothing, np.empty(0, np.int64)))
            ticks = self._ticks.get(symbol, nothing)
            order = self._order.get(symbol, np.empty(0, np.int64))
            traded = self._in_hours(ticks)
            kept = Bars(*(getattr(ticks, name)[traded] for name in Bars.__slots__))
            before = np.concatenate(([0], np.cumsum(traded)))[told.fed]  # of those that could trade
            rest = kept.slice(int(before[-1]) if len(before) else 0, len(kept))
            last_ns = int(told.bars.ts[-1]) if len(told.bars) else 0
            forming = _made_of(rest, self._facts)
            forming = forming.slice(0, 1) if len(forming) and forming.ts[0] > last_ns else nothing
            bars = _joined(_joined(earlier, told.bars), forming)
            if not len(bars):
                continue
            inside = np.concatenate(
                (np.zeros(len(earlier) + 1), before, np.full(len(forming), len(kept)))
            ).astype(np.int64)
            self._count(told.bars, kept)
            made.bars[symbol] = bars
            made.laid[symbol] = Finer(matrix_of(kept), inside, order_of(order[traded]))
            if len(forming):
                made.forming[symbol] = int(forming.ts[0])
            made.timelines[symbol] = _timeline(bars, self._facts, self._days)
        return made

    def in_order(self, prices: _Prices) -> None:
        """The ticks are laid so."""

    def _in_hours(self, ticks: Bars) -> np.ndarray:
        """Whether the exchange traded on each tick: what came before the open or after the close moved no order."""
        spans = self._facts.spans
        opens = np.array([span.open_ns for span in spans], np.int64)
        closes = np.array([span.close_ns for span in spans], np.int64)
        window = np.searchsorted(opens, ticks.ts, side="right") - 1
        inside: np.ndarray = (window >= 0) & (ticks.ts < closes[np.maximum(window, 0)])
        return inside

    def _count(self, told: Bars, ticks: Bars) -> None:
        made = _made_of(ticks, self._facts)
        by_start = {start_ns: i for i, start_ns in enumerate(made.ts.tolist())}
        same = 0
        for k, start_ns in enumerate(told.ts.tolist()):
            i = by_start.get(start_ns)
            same += i is not None and all(
                getattr(made, name)[i] == getattr(told, name)[k] for name in _PRICES
            )
        self.bars += len(told)
        self.late_bars += len(told) - same


def _length_ns(facts: SessionFacts) -> int:
    return facts.timeframe.length_ns if facts.timeframe.is_intraday else NANOSECONDS_PER_DAY


def _made_of(events: Bars, facts: SessionFacts) -> Bars:
    """Bars that events make; a day is one, whatever breaks it has."""
    intraday = facts.timeframe.is_intraday
    return bars_of(events, facts.spans if intraday else whole_days(facts.spans), _length_ns(facts))


def _timeline(bars: Bars, facts: SessionFacts, days: Sequence[SessionSpan]) -> Timeline:
    """As the whole of the last day has it, also where the session ended before its square-off."""
    if not facts.timeframe.is_intraday:
        return by_days(bars.ts, IST_OFFSET_NS)
    made = _laid_out(bars, facts, days)
    return made if facts.first_entry_minute is None else made.with_first_entry(facts.first_entry_minute)


def _laid_out(bars: Bars, facts: SessionFacts, days: Sequence[SessionSpan]) -> Timeline:
    if facts.leave_minute is None:
        return by_sessions(bars.ts, days)
    n, last_ns = len(bars), int(bars.ts[-1])
    close_ns = max((day.close_ns for day in days if day.open_ns <= last_ns), default=last_ns)
    length_ns = facts.timeframe.length_ns
    coming = np.arange(last_ns + length_ns, close_ns, length_ns, dtype=np.int64)
    auctions_ns = [day.auction_ns for day in days]
    whole = by_sessions(np.concatenate((bars.ts, coming)), days, auctions_ns=auctions_ns).with_square_off(
        facts.leave_minute, facts.last_entry_minute
    )
    ends = np.append(whole.ends[whole.ends < n - 1], n - 1)
    return Timeline(whole.session[:n], whole.minute[:n], whole.day[:n], ends, whole.allowed[:n])


def _in_last_bar(trades: Sequence[LiveTrade], forming: Mapping[str, int]) -> list[LiveTrade]:
    """Of a bar that the end of the session cut off, the session knows the minutes of its fills only: its start is one."""
    return [
        replace(
            trade,
            entry_ns=min(trade.entry_ns, forming.get(trade.symbol, trade.entry_ns)),
            exit_ns=min(trade.exit_ns, forming.get(trade.symbol, trade.exit_ns)),
        )
        for trade in trades
    ]


def _backtest(
    folder: Path, facts: SessionFacts, run: RunFacts, tape: _Tape | _LiveTape, prices: _Prices
) -> BacktestResult:
    if not prices.bars:
        raise BadInputError(folder, f"holds no prices of {', '.join(run.symbols)}")
    strategy, told = _strategy(folder, run.strategy), None
    if isinstance(strategy, type) and hears_ticks(strategy):
        told = read_told(folder, run.run_id, facts.begin_ns)
        tape.in_order(prices)
    like_run = next((symbol for symbol in run.symbols if symbol not in run.own), run.symbols[0])
    given = BacktestInput(
        prices.bars,
        prices.timelines,
        tape.charges.get(like_run),
        finer=prices.finer,
        laid=prices.laid,
        begin_ns=facts.begin_ns,
        bars_per_year=facts.bars_per_year,
        told=told,
        own={symbol: replace(own, charges=tape.charges.get(symbol)) for symbol, own in run.own.items()},
    )
    return backtest(strategy, given, run.values, run.rules)


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
