"""What a caller names, turned into what the engine runs on: a strategy, bars, rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Segment
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_SECOND, parse_date, parse_zone
from trademantra.data.home import data_home
from trademantra.data.store import BarStore
from trademantra.engine.backtest import BacktestInput, Strategy, is_intraday
from trademantra.engine.bars import Bars, Int64Array
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.timeline import by_days
from trademantra.python.rules import RuleWords, changed
from trademantra.reports.context import RunContext
from trademantra.research.finer import FinerSpec, with_finer
from trademantra.research.inputs import Prepared, RunSpec, charges_for, prepare_run
from trademantra.strategies.registry import load_strategy, load_strategy_file

StrategySource: TypeAlias = str | Path | Strategy
BarSource: TypeAlias = str | Path | Sequence[str | Path] | Bars | Mapping[str, Bars]
Rules: TypeAlias = TradingRules | RuleWords
Day: TypeAlias = str | date


@dataclass(frozen=True, slots=True, kw_only=True)
class DataWords:
    """The keyword arguments that say what to run on, as they were given."""

    symbols: Sequence[str] = ()
    timeframe: str | None = None
    first: Day | None = None
    last: Day | None = None
    costs: str = "none"
    segment: str = Segment.EQUITY.value
    benchmark: str | None = None
    exchange: str | None = None
    timezone: str | None = None
    adjusted: bool | None = None
    intraday: bool = False
    risk_free: float = 0.0
    data_dir: Path | None = None
    finer: BarSource | None = None
    finer_timeframe: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A strategy and everything that it runs on."""

    strategy: Strategy
    given: BacktestInput
    rules: TradingRules
    context: RunContext
    segment: Segment

    @property
    def signal(self) -> SignalStrategy:
        """The strategy where only a compiled rule on one instrument will do.  Errors: `InvalidValueError`."""
        if isinstance(self.strategy, SignalStrategy):
            return self.strategy
        raise InvalidValueError(
            f"this runs signal strategies, {self.strategy.name} is of another kind",
            hint="tm optimise runs every kind",
        )


def strategy_of(source: StrategySource) -> Strategy:
    """The strategy of that name, of that file, or the object itself."""
    if isinstance(source, Path) or (isinstance(source, str) and source.endswith(".py")):
        return load_strategy_file(Path(source))
    return load_strategy(source) if isinstance(source, str) else source


def job(source: StrategySource, bars: BarSource, rules: Rules | None, words: DataWords) -> Job:
    """Errors: `TradeMantraError`s that name what is wrong and what to do."""
    strategy = strategy_of(source)
    try:
        segment = Segment(words.segment)
    except ValueError as error:
        known = ", ".join(each.value for each in Segment)
        raise InvalidValueError(f"there is no segment {words.segment!r}", hint=f"one of: {known}") from error
    arrays = _arrays(bars)
    if arrays is None:
        prepared = _stored(strategy, _names(bars), segment, words)
    else:
        prepared = _given(strategy, arrays, words)
    if isinstance(rules, TradingRules):
        own = rules if arrays else prepared.rules(rules)
    else:
        own = changed(strategy.rules, rules or {}, implied=None if arrays else prepared.rules)
    context = RunContext(
        title=strategy.title,
        idea=strategy.idea,
        series=prepared.series,
        timeframe=prepared.timeframe,
        costs=words.costs,
        notes=prepared.notes,
        zone=prepared.zone,
        currency=prepared.currency,
        benchmark=words.benchmark or "",
        finer=prepared.finer_series,
    )
    return Job(strategy, prepared.given, own, context, segment)


def _arrays(bars: BarSource, name: str = "bars") -> dict[str, Bars] | None:
    if isinstance(bars, Bars):
        return {name: bars}
    return dict(bars) if isinstance(bars, Mapping) else None


def _names(bars: BarSource) -> tuple[str, ...]:
    if isinstance(bars, str | Path):
        return (str(bars),)
    if isinstance(bars, Bars | Mapping):
        return ()
    if not bars:
        raise InvalidValueError(
            "no bars were named", hint='a stored symbol ("AAPL"), several in a list, a file, or Bars'
        )
    return tuple(str(each) for each in bars)


def _stored(strategy: Strategy, names: tuple[str, ...], segment: Segment, words: DataWords) -> Prepared:
    spec = RunSpec(
        sources=names,
        symbols=tuple(words.symbols),
        timeframe=Timeframe.parse(words.timeframe) if words.timeframe else None,
        first=_day(words.first),
        last=_day(words.last),
        costs=words.costs,
        segment=segment,
        exchange=words.exchange,
        timezone=_zone(words.timezone),
        benchmark=words.benchmark,
        adjusted=words.adjusted,
        intraday=words.intraday or is_intraday(strategy),
        risk_free_rate=words.risk_free,
    )
    store = BarStore((words.data_dir or data_home()) / "bars")
    prepared = prepare_run(spec, store)
    arrays = None if words.finer is None else _arrays(words.finer, next(iter(prepared.given.bars)))
    if arrays is not None:
        return replace(prepared, given=replace(prepared.given, finer=arrays), finer_series=tuple(arrays))
    finer = FinerSpec(
        () if words.finer is None else _names(words.finer),
        Timeframe.parse(words.finer_timeframe) if words.finer_timeframe else None,
    )
    return with_finer(prepared, spec, finer, store)


def _given(strategy: Strategy, arrays: dict[str, Bars], words: DataWords) -> Prepared:
    """Bars that come as arrays: days are those of UTC, and fractions of a unit trade.

    Words that choose among stored bars would be ignored, so they are refused.
    """
    for name in ("symbols", "timeframe", "first", "last", "benchmark", "adjusted"):
        if getattr(words, name) not in (None, ()):
            raise InvalidValueError(
                f"{name} chooses among stored bars, and these were given as arrays",
                hint="cut the arrays themselves (bars.between, bars.slice)",
            )
    if not arrays:
        raise InvalidValueError("no bars were given", hint='for example {"X": Bars.of(...)}')
    for one in arrays.values():
        one.check()
    timelines = {name: by_days(one.ts) for name, one in arrays.items()}
    if words.intraday or is_intraday(strategy):
        timelines = {name: line.with_square_off(int(line.minute.max())) for name, line in timelines.items()}
    notes = () if words.costs != "none" else ("no costs: real trades pay brokerage and taxes, see costs=",)
    charges = charges_for(words.costs, words.exchange or "NSE", arrays)
    finer = {} if words.finer is None else _arrays(words.finer, next(iter(arrays)))
    if finer is None or words.finer_timeframe:
        raise InvalidValueError(
            "finer bars of arrays are arrays too", hint="give Bars, or name a stored series for both"
        )
    given = BacktestInput(arrays, timelines, charges, risk_free_rate=words.risk_free, finer=finer)
    zone = _zone(words.timezone) or ZoneInfo("UTC")
    return Prepared(given, tuple(arrays), _timeframe(arrays), None, notes, zone, "INR", tuple(finer))


def _timeframe(arrays: Mapping[str, Bars]) -> Timeframe:
    """The usual distance of two bars, as a report names it."""
    steps = np.concatenate([_steps(one.ts) for one in arrays.values()])
    usual = int(np.median(steps)) if len(steps) else NANOSECONDS_PER_DAY
    days = round(usual / NANOSECONDS_PER_DAY)
    if days >= 28:
        return Timeframe(round(days / 30.4), "mo")
    if days >= 7:
        return Timeframe(days // 7, "w")
    if days >= 1:
        return Timeframe(days, "d")
    seconds = max(1, usual // NANOSECONDS_PER_SECOND)
    return Timeframe(seconds // 60, "m") if seconds % 60 == 0 else Timeframe(seconds, "s")


def _steps(ts: Int64Array) -> Int64Array:
    return np.diff(ts)


def _day(text: Day | None) -> date | None:
    return parse_date(text) if isinstance(text, str) else text


def _zone(name: str | None) -> ZoneInfo | None:
    return parse_zone(name) if name else None
