"""What a strategy at a running desk is: its instruments, bars, rules and account, and what it works with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import time
from decimal import Decimal
from pathlib import Path

from trademantra.brokers.listings import Listings
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument, Segment
from trademantra.core.order import Product
from trademantra.core.time import Clock
from trademantra.engine.records import RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.engine.terms import Terms
from trademantra.kit.database import Database
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.house.price_reads import PriceReads
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.runner.spec import RunSpec, StrategySource
from trademantra.trading.runner.workers import StrategyWorkers


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTimes:
    """Times of the day as the owner says them; minutes since the open once the instruments and their market are known.

    `squares_off`: the broker before whose square-off positions leave; None: they are carried.
    """

    squares_off: str | None = None
    leave: time | None = None
    first_entry: time | None = None
    last_entry: time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """A strategy, where it trades and how.  `session_id` is new for each start and names its records.

    `alone`: one run an instrument, each with the whole cash; else one run for all.  `weights`: it gives target weights.
    `symbols` as the owner names them, and plain once the desk has found the `instruments`, which are by plain symbol;
    `asked` is then what the owner wrote.  `warm_up_bars`: its longest indicator.  `tariff`: whose charges it counts with, "none" for
    none; `charges` by plain symbol, once the instruments are known, and so are the minutes that `times` say.  `futures_margin`: what
    equity must cover of futures, where the owner said nothing.
    `leave_minute`: minutes after the open at which intraday positions leave, before the broker's own square-off; None: they are carried.  `first_entry_minute`, `last_entry_minute`: minutes after the open
    before which, and from which on, nothing is entered.  `begins_minute`: the first moment of its day, below zero before
    the open; its orders go at the open.
    """

    session_id: str
    account_id: str
    strategy: StrategySource
    symbols: Sequence[str]
    timeframe: Timeframe
    values: Mapping[str, float]
    rules: TradingRules
    product: Product
    alone: bool
    weights: bool = False
    warm_up_bars: int = 0
    leave_minute: int | None = None
    last_entry_minute: int | None = None
    first_entry_minute: int | None = None
    begins_minute: int = 0
    times: SessionTimes | None = None
    tariff: str = "none"
    charges: Mapping[str, RecordArray] = field(default_factory=dict)
    futures_margin: float | None = None
    bars_per_year: float = 252.0
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    asked: Sequence[str] = ()

    @property
    def parameters_hash(self) -> str:
        """What the go-live gate and the audit know it by: strategy, parameters, rules, instruments.

        The ticks and lots of the day are not part of it: it is known before the broker's list is read.
        """
        as_asked = replace(self, instruments={}, charges={}, symbols=self.asked or self.symbols, asked=())
        return next(iter(as_asked.runs())).parameters_hash

    @property
    def strategy_id(self) -> str:
        """Whose positions and limits these are."""
        return self.strategy.name[:60]

    @property
    def capital(self) -> Decimal:
        """What its sizes are for: the cash of all its runs."""
        return Decimal(str(self.rules.cash)) * (len(self.instruments) if self.alone else 1)

    def runs(self) -> Sequence[RunSpec]:
        """What its workers are started with."""
        return [self._run(each) for each in self._together()]

    @property
    def clock(self) -> Instrument:
        """Whose hours are those of the session: a contract's, which trade as long as their shares and indices or longer."""
        named = list(self.instruments.values())
        shares = [each for each in named if each.segment is not Segment.INDEX]
        return next((each for each in named if each.segment.is_derivative), (shares or named)[0])

    @property
    def unlike(self) -> Sequence[str]:
        """Symbols whose lot or charges are not those of the others in their run; steps of prices may differ."""
        found = []
        for symbols in self._together():
            first, own = self._terms_in(symbols)
            found += [
                symbol
                for symbol, each in own.items()
                if first and not replace(each, tick=first.tick).is_like(first)
            ]
        return found

    def _together(self) -> Sequence[tuple[str, ...]]:
        symbols = tuple(name.partition(":")[2] or name for name in self.symbols)
        return [(symbol,) for symbol in symbols] if self.alone else [symbols]

    def _run(self, symbols: tuple[str, ...]) -> RunSpec:
        """With the lot, tick and charges of its instruments: levels and sizes are what the desk sends."""
        first, own = self._terms_in(symbols)
        rules = self._rules_of(symbols)
        return RunSpec(
            run_id=f"{self.session_id}:{symbols[0] if self.alone else 'all'}",
            strategy=self.strategy,
            symbols=symbols,
            timeframe=self.timeframe,
            rules=rules if first is None else first.of(rules),
            values=self.values,
            charges=None if first is None else first.charges,
            bars_per_year=self.bars_per_year,
            own={}
            if self.weights
            else own,  # weights are traded at market: they have no levels that a tick could move
        )

    def _terms_in(self, symbols: Sequence[str]) -> tuple[Terms | None, Mapping[str, Terms]]:
        """Terms of the first of some instruments that can be traded, and of those that have others."""
        terms = {symbol: self._terms(symbol) for symbol in symbols if symbol in self.instruments}
        if not terms:
            return None, {}
        traded = [each for each in terms if self.instruments[each].segment is not Segment.INDEX]
        first = terms[traded[0] if traded else next(iter(terms))]
        return first, {symbol: each for symbol, each in terms.items() if not each.is_like(first)}

    def _terms(self, symbol: str) -> Terms:
        each = self.instruments[symbol]
        return Terms(
            lot=float(each.lot_size), tick=float(each.tick_size), multiplier=float(each.multiplier),
            charges=self.charges.get(symbol),
        )  # fmt: skip

    def _rules_of(self, symbols: Sequence[str]) -> TradingRules:
        """With the margin of futures, where there is nothing else."""
        found = [self.instruments[symbol] for symbol in symbols if symbol in self.instruments]
        traded = [each for each in found if each.segment is not Segment.INDEX]
        if self.futures_margin is None or not traded or not all(each.segment.is_futures for each in traded):
            return self.rules
        return replace(self.rules, margin=self.futures_margin)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParts:
    """What a session works with.  `folder` is its own; `priced_ns`: when limits last heard a price of an instrument, 0: never."""

    room: AccountRoom
    hub: TickHub
    history: PriceReads
    workers: StrategyWorkers
    database: Database
    clock: Clock
    folder: Path
    listings: Listings
    priced_ns: Callable[[Instrument], int]
    source: str = ""
    tell: Callable[[str], None] = lambda text: None
