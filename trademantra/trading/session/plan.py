"""What a replayed session is to do: its market, its strategies' runs, its rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument
from trademantra.core.order import Product
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.data.resample import SessionSpan
from trademantra.data.spans import whole_days
from trademantra.engine.bars import Bars
from trademantra.engine.records import RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.trading.risk.limits import RiskLimits
from trademantra.trading.runner.spec import StrategySource


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """A session over stored bars.

    `instruments` by symbol; `play`: their bars of `bar`, which the market brings; `warm_up`: bars of `timeframe` before
    them, known and not traded.  `alone`: one run an instrument, each with the whole cash; else one run for all.
    `weights`: the strategy gives target weights.
    `spans`: windows of trading from the first bar of warm-up to the last of `play`.  `leave_minute`: minutes after the
    open at which intraday positions leave; None: they are carried.  `rules` are those of the runs, `as_live`.
    `limits` are the account's.  `tariff`: whose charges the account's ledger bears, "none" for none.
    """

    session_id: str
    folder: Path
    strategy: StrategySource
    alone: bool
    weights: bool
    instruments: Mapping[str, Instrument]
    play: Mapping[str, Bars]
    bar: Timeframe
    warm_up: Mapping[str, Bars]
    spans: Sequence[SessionSpan]
    timeframe: Timeframe
    values: Mapping[str, float]
    rules: TradingRules
    charges: RecordArray | None
    bars_per_year: float
    costs: str
    tariff: str
    product: Product
    leave_minute: int | None
    begin_ns: int
    source: str
    limits: RiskLimits
    always_open: bool

    @property
    def is_charged(self) -> bool:
        """Whether the account's ledger bears charges: it knows the contract notes of Indian exchanges alone."""
        return self.tariff != "none" and not self.always_open

    @property
    def all_days(self) -> Sequence[SessionSpan]:
        """Every trading day, warm-up included, from its first opening to its last close."""
        return whole_days(self.spans)

    @property
    def days(self) -> Sequence[SessionSpan]:
        """The trading days that are played, each from its first opening to its last close."""
        return [day for day in self.all_days if day.close_ns > self.begin_ns and day.open_ns <= self._last_ns]

    @property
    def _last_ns(self) -> int:
        return max(int(bars.ts[-1]) for bars in self.play.values())


def auction_minute(day: SessionSpan) -> int | None:
    """Minutes from the open of a whole day to its closing auction; None where it has none."""
    return None if day.auction_ns is None else (day.auction_ns - day.open_ns) // NANOSECONDS_PER_MINUTE
