"""What a strategy at a running desk is: its instruments, bars, rules and account, and what it works with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from trademantra.brokers.listings import Listings
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument
from trademantra.core.order import Product
from trademantra.core.time import Clock
from trademantra.engine.records import RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.kit.database import Database
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.house.price_reads import PriceReads
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.runner.spec import RunSpec, StrategySource
from trademantra.trading.runner.workers import StrategyWorkers


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """A strategy, where it trades and how.  `session_id` is new for each start and names its records.

    `alone`: one run an instrument, each with the whole cash; else one run for all.  `weights`: it gives target weights.
    `symbols` as the owner names them, and plain once the desk has found the `instruments`, which are by plain symbol;
    `asked` is then what the owner wrote.  `warm_up_bars`: its longest indicator.  `leave_minute`: minutes after the open at which intraday positions leave, before
    the broker's own square-off; None: they are carried.  `first_entry_minute`, `last_entry_minute`: minutes after the open
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
    charges: RecordArray | None = None
    bars_per_year: float = 252.0
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    asked: Sequence[str] = ()

    @property
    def parameters_hash(self) -> str:
        """What the go-live gate and the audit know it by: strategy, parameters, rules, instruments.

        The ticks and lots of the day are not part of it: it is known before the broker's list is read.
        """
        as_asked = replace(self, instruments={}, symbols=self.asked or self.symbols, asked=())
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
        symbols = tuple(name.partition(":")[2] or name for name in self.symbols)
        together = [(symbol,) for symbol in symbols] if self.alone else [symbols]
        return [
            RunSpec(
                run_id=f"{self.session_id}:{each[0] if self.alone else 'all'}",
                strategy=self.strategy,
                symbols=each,
                timeframe=self.timeframe,
                rules=self._rules_of(each),
                values=self.values,
                charges=self.charges,
                bars_per_year=self.bars_per_year,
            )
            for each in together
        ]

    def _rules_of(self, symbols: Sequence[str]) -> TradingRules:
        """With the tick and the lot of the instruments, where they share one: levels and sizes are what the desk sends."""
        found = [self.instruments[symbol] for symbol in symbols if symbol in self.instruments]
        ticks, lots = {each.tick_size for each in found}, {each.lot_size for each in found}
        rules = self.rules
        if len(ticks) == 1:
            rules = replace(rules, tick=float(next(iter(ticks)) or rules.tick))
        if len(lots) == 1:
            rules = replace(rules, lot=float(next(iter(lots)) or rules.lot))
        return rules


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
