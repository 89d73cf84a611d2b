"""One back-test: any kind of strategy, one kind of result."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import TypeAlias

import numpy as np

from trademantra.core.errors import InvalidValueError, TradeMantraError
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.charging import by_levy
from trademantra.engine.combinations import NO_BANDS, prepare, run_combinations
from trademantra.engine.event_run import run_events
from trademantra.engine.events import EventStrategy
from trademantra.engine.finer import NO_FINER, Finer, check_laid, lay_all, refuse_finer
from trademantra.engine.metrics import Metrics, metrics_of
from trademantra.engine.panel import AllocationStrategy, Panel, run_allocation
from trademantra.engine.records import ACCOUNT, RecordArray
from trademantra.engine.rule_checks import needs_a_stop
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.terms import Terms, refuse_own_terms
from trademantra.engine.ticks import ToldRun
from trademantra.engine.timeline import Timeline

Strategy: TypeAlias = SignalStrategy | AllocationStrategy | type[EventStrategy]


@dataclass(frozen=True, slots=True, eq=False)
class BacktestInput:
    """What a run reads: bars by symbol, each with its timeline, and what trading costs.

    `charges` (r,) numeric rules; `bands` (2, n) circuit limits per bar of a single instrument, or (2, 0).
    `benchmark` (n,) closes on the clock of the run, or empty.  `finer` holds, for any of the symbols, shorter bars (or
    ticks: bars of one price) that cover its bars and decide what happens inside them; see `finer.lay_inside`.
    `laid` holds them laid already, where something else than time says what lies in which bar; see `finer.check_laid`.
    Bars that start before `begin_ns` warm up: the strategy sees them, and nothing is let in at their closes.
    `bars_per_year` scales volatility sizes; 0: counted from the bars and `sessions_per_year`.
    `told`: what a live run of a strategy that hears ticks was told; None: the close of each finer bar is a tick.
    `own`: the terms of instruments whose lot, tick or charges are not those of the run; for event strategies.
    """

    bars: Mapping[str, Bars]
    timelines: Mapping[str, Timeline]
    charges: RecordArray | None = None
    bands: Float64Array = field(default_factory=lambda: NO_BANDS)
    sessions_per_year: float = 252.0
    risk_free_rate: float = 0.0
    benchmark: Float64Array | None = None
    finer: Mapping[str, Bars] = field(default_factory=dict)
    laid: Mapping[str, Finer] = field(default_factory=dict)
    begin_ns: int = 0
    bars_per_year: float = 0.0
    told: ToldRun | None = None
    own: Mapping[str, Terms] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, low, high, hint in (
            ("sessions_per_year", 1e-3, 1e6, "252 trading days, 365 around the clock"),
            ("risk_free_rate", -1.0, 1.0, "a fraction a year: 0.065 is 6.5 %"),
        ):
            value = getattr(self, name)
            if not low < value < high:  # NaN is not either
                raise InvalidValueError(
                    f"{name} = {value:g} is out of range", hint=f"{hint}; between {low:g} and {high:g}"
                )
        if not 0.0 <= self.bars_per_year < inf:
            raise InvalidValueError(f"bars_per_year = {self.bars_per_year:g} is out of range")
        if self.benchmark is not None and not (np.isfinite(self.benchmark) & (self.benchmark > 0.0)).all():
            raise InvalidValueError("the benchmark holds a price that is not a positive number")

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.bars)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over symbols, times, prices and volumes, of the finer bars too: equal input, equal fingerprint."""
        total = hashlib.sha256()
        for what, many in (("", self.bars), ("finer ", self.finer)):
            for symbol in sorted(many):
                one = many[symbol]
                total.update(f"{what}{symbol}".encode())
                for array in (one.ts, one.open, one.high, one.low, one.close, one.volume):
                    total.update(np.ascontiguousarray(array).tobytes())
        for symbol in sorted(self.laid):
            total.update(f"laid {symbol}".encode())
            for array in (self.laid[symbol].matrix, self.laid[symbol].inside, self.laid[symbol].order):
                total.update(np.ascontiguousarray(array).tobytes())
        if self.told is not None:
            total.update(f"told {self.told}".encode())
        return total.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class BacktestResult:
    """The outcome of one run.

    `ts` and `curve` (n,): bar starts and equity at their closes; `ends` (sessions,): last bar of each session.
    `trades`, `fills`: `TRADE` and `FILL` records in time order, indices into `ts`, instruments into `symbols`.
    `levies`: currency paid by charge line.  `own_sizes`: entries that an event strategy sized itself, whatever the rules say.
    """

    strategy: str
    symbols: tuple[str, ...]
    parameters: Mapping[str, float]
    rules: TradingRules
    metrics: Metrics
    ts: Int64Array
    curve: Float64Array
    ends: Int64Array
    trades: RecordArray
    fills: RecordArray
    levies: Mapping[str, float]
    given: BacktestInput
    own_sizes: int = 0


def is_intraday(strategy: Strategy) -> bool:
    """Whether a strategy is flat at the end of every session; rotations hold over nights."""
    return not isinstance(strategy, AllocationStrategy) and strategy.intraday


def backtest(
    strategy: Strategy,
    given: BacktestInput,
    parameters: Mapping[str, float] | None = None,
    rules: TradingRules | None = None,
) -> BacktestResult:
    """Run `strategy` with `parameters` (defaults where none are given) under `rules` (its own by default).

    Errors: `InvalidValueError` naming strategy, parameter or bar: unknown or out-of-range parameter, too few bars or
    instruments, several instruments for a strategy of one, finer bars that do not fit.
    """
    for symbol, bars in given.bars.items():
        if symbol not in given.timelines or len(given.timelines[symbol]) != len(bars):
            raise InvalidValueError(f"{symbol}: its timeline does not belong to its bars")
    if not isinstance(strategy, type):
        refuse_own_terms(strategy.name, given.own)
    if isinstance(strategy, SignalStrategy):
        return _signal(strategy, given, parameters or {}, rules or strategy.rules)
    if isinstance(strategy, AllocationStrategy):
        return _allocation(strategy, given, parameters or {}, rules or strategy.rules)
    return _event(strategy, given, parameters or {}, rules or strategy.rules)


def _signal(
    strategy: SignalStrategy, given: BacktestInput, parameters: Mapping[str, float], rules: TradingRules
) -> BacktestResult:
    if len(given.bars) != 1:
        raise InvalidValueError(
            f"strategy {strategy.name} runs on one instrument, {len(given.bars)} were given",
            hint="run it once for each symbol",
        )
    values = strategy.values(parameters)
    [(_, bars)] = given.bars.items()
    [timeline] = _begun(given).values()
    [finer] = _laid(given).values() or [NO_FINER]
    market = prepare(
        bars, timeline, given.charges, given.bands, given.sessions_per_year, given.risk_free_rate, finer,
        given.bars_per_year,
    )  # fmt: skip
    outcome = run_combinations(strategy, market, [values], [rules], record=True)
    if needs_a_stop(rules) and not len(outcome.fills) and outcome.accounts["refused"][0]:
        raise InvalidValueError(
            f"strategy {strategy.name}: size risk needs the distance to a stop, and none of its "
            f"{int(outcome.accounts['refused'][0])} entries brought one",
            hint="add --stop 2%, or choose another --size",
        )
    return _result(
        strategy.name, given, values, rules, bars.ts, timeline.ends, outcome.curve, outcome.trades, outcome.fills,
        outcome.accounts, outcome.levies[0],
    )  # fmt: skip


def _allocation(
    strategy: AllocationStrategy, given: BacktestInput, parameters: Mapping[str, float], rules: TradingRules
) -> BacktestResult:
    refuse_finer({**given.finer, **given.laid}, f"strategy {strategy.name}: a portfolio of target weights")
    values = strategy.values(parameters)
    panel = Panel.align(given.bars)
    timeline = _common(given, panel.ts)
    outcome = run_allocation(
        strategy,
        panel,
        timeline,
        values,
        rules,
        given.charges,
        given.bars_per_year or given.sessions_per_year * len(panel) / len(timeline.ends),
        first=int(np.searchsorted(panel.ts, given.begin_ns)),
    )
    return _result(
        strategy.name, replace(given, bars={s: given.bars[s] for s in panel.symbols}), values, rules, panel.ts,
        timeline.ends, outcome.curve, outcome.trades, outcome.fills, _total(outcome.accounts, outcome.refused),
        outcome.levies,
    )  # fmt: skip


def _event(
    strategy: type[EventStrategy], given: BacktestInput, parameters: Mapping[str, float], rules: TradingRules
) -> BacktestResult:
    made = made_of(strategy, parameters)
    finer = _laid(given)
    # a session of the instrument that has most bars in it
    a_session = max(
        (len(line) / len(line.ends) for line in given.timelines.values() if len(line)), default=1.0
    )
    a_year = given.bars_per_year or given.sessions_per_year * a_session
    outcome = run_events(
        made, given.bars, _begun(given), rules, given.charges, a_year, finer, given.told, given.own
    )
    timeline = _common(given, outcome.ts)
    result = _result(
        strategy.name, given, made.values, rules, outcome.ts, timeline.ends, outcome.curve, outcome.trades,
        outcome.fills, _total(outcome.accounts, outcome.refused), outcome.levies,
    )  # fmt: skip
    return replace(result, own_sizes=outcome.own_sizes)


def _laid(given: BacktestInput) -> Mapping[str, Finer]:
    """What lies inside the bars, by time or as it was laid already."""
    check_laid(given.bars, given.laid)
    return {**lay_all(given.bars, given.finer), **given.laid}


def _begun(given: BacktestInput) -> Mapping[str, Timeline]:
    """Timelines that let nothing in before the run begins."""
    if not given.begin_ns:
        return given.timelines
    return {
        symbol: timeline.silent_before(int(np.searchsorted(given.bars[symbol].ts, given.begin_ns)))
        for symbol, timeline in given.timelines.items()
    }


def made_of(strategy: type[EventStrategy], parameters: Mapping[str, float]) -> EventStrategy:
    """Errors: `InvalidValueError` for whatever its `__init__` raises."""
    try:
        return strategy(**parameters)
    except TradeMantraError:
        raise
    except Exception as error:  # whatever a user's code may raise
        raise InvalidValueError(
            f"strategy {strategy.name} cannot be made: {type(error).__name__}: {error}",
            hint="its __init__ must take the parameters by name and pass them to super().__init__",
        ) from error


def _result(
    strategy: str,
    given: BacktestInput,
    values: Mapping[str, float],
    rules: TradingRules,
    ts: Int64Array,
    ends: Int64Array,
    curve: Float64Array,
    trades: RecordArray,
    fills: RecordArray,
    account: RecordArray,
    levies: Float64Array,
) -> BacktestResult:
    benchmark = None
    if given.benchmark is not None and len(given.benchmark):
        if len(given.benchmark) != len(ts):
            raise InvalidValueError(f"the benchmark has {len(given.benchmark)} values for {len(ts)} bars")
        closes = given.benchmark[ends]
        benchmark = closes / np.concatenate(([given.benchmark[0]], closes[:-1])) - 1.0
    metrics = metrics_of(
        curve, ends, trades, account, rules.cash,
        sessions_per_year=given.sessions_per_year, risk_free_rate=given.risk_free_rate, benchmark_returns=benchmark,
    )  # fmt: skip
    return BacktestResult(
        strategy, given.symbols, dict(values), rules, metrics, ts, curve, ends, trades, fills, by_levy(levies), given,
    )  # fmt: skip


def _common(given: BacktestInput, ts: Int64Array) -> Timeline:
    """The timeline of the clock that all instruments share: each time takes the day that its instruments give it.

    Errors: `InvalidValueError` when two instruments disagree about the day of one time.
    """
    day = np.full(len(ts), np.iinfo(np.int64).min)
    minute = np.zeros(len(ts), np.int64)
    for symbol, bars in given.bars.items():
        at, timeline = np.searchsorted(ts, bars.ts), given.timelines[symbol]
        clash = (day[at] != np.iinfo(np.int64).min) & (day[at] != timeline.day)
        if clash.any():
            when = np.datetime64(int(bars.ts[int(np.argmax(clash))]), "ns").astype("datetime64[s]")
            raise InvalidValueError(
                f"{symbol}: its session at {when}Z differs from that of the other instruments",
                hint="run instruments of one exchange session together",
            )
        day[at], minute[at] = timeline.day, timeline.minute
    fresh = np.concatenate(([False], day[1:] != day[:-1]))
    ends = np.flatnonzero(np.append(day[1:] != day[:-1], True)).astype(np.int64)
    return Timeline(np.cumsum(fresh).astype(np.int64), minute, day, ends, np.empty(0, np.int8))


def _total(accounts: RecordArray, refused: int) -> RecordArray:
    """One account record for a portfolio, as far as the metrics read it."""
    total = np.zeros(1, ACCOUNT)
    for name in ("turnover", "costs", "fills"):
        total[name] = accounts[name].sum()
    total["longest_losing_run"] = accounts["longest_losing_run"].max()
    total["refused"] = refused
    held = accounts["quantity"] != 0.0
    if held.any():
        total["quantity"] = 1.0
        total["entry_index"] = accounts["entry_index"][held].min()
    return total
