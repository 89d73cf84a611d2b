"""The port for bars that come from a network: brokers, exchanges and vendors plug in here."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.engine.bars import Bars


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Bars of one instrument that start in [start_ns, stop_ns), ns UTC.

    Errors: `InvalidValueError` for a range that is empty.
    """

    instrument: Instrument
    timeframe: Timeframe
    start_ns: int
    stop_ns: int

    def __post_init__(self) -> None:
        if self.start_ns >= self.stop_ns:
            raise InvalidValueError(f"history of {self.instrument.key}: the range ends before it starts")


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """What a provider can give: its timeframes with the longest range of one call, and whether it adjusts prices."""

    longest_call: dict[Timeframe, timedelta]
    adjusts_for_splits: bool


class HistoryProvider(Protocol):
    """A source of history over a network.

    Implementations translate and transport only: stamps become bar starts in UTC, prices stay as they are given.
    """

    @property
    def name(self) -> str:
        """Name for people and for `SeriesInfo.source`, such as `Kite history`."""
        ...

    @property
    def limits(self) -> HistoryLimits: ...

    def bars(self, request: HistoryRequest) -> AsyncIterator[Bars]:
        """Batches in time order, each checked, never overlapping; bars that the provider lacks are absent.

        Errors: `UnknownInstrumentError`; `InvalidValueError` for a timeframe that is not in `limits`.
        """
        ...
