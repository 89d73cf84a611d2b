"""What a tick hub is made of: its sources, its settings, what it shows of itself."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from trademantra.brokers.events import StreamState
from trademantra.brokers.market import Quote, StreamMode
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.engine.bars import Bars
from trademantra.trading.feeds.backfill import BackfillSettings
from trademantra.trading.feeds.bar_rules import BarSettings
from trademantra.trading.feeds.sources import SwitchSettings


class TickAdapter(Protocol):
    """What the hub needs of a `BrokerAdapter`; see there."""

    @property
    def stream(self) -> StreamState: ...

    async def subscribe(self, instruments: Collection[Instrument], mode: StreamMode) -> None: ...

    async def unsubscribe(self, instruments: Collection[Instrument]) -> None: ...

    def quotes_stream(self) -> AsyncIterator[Sequence[Quote]]: ...

    async def quotes(self, instruments: Collection[Instrument]) -> Mapping[Instrument, Quote]: ...

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars: ...


@dataclass(frozen=True, slots=True)
class TickSource:
    """A broker whose prices can be heard, and its name for messages."""

    name: str
    adapter: TickAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """`stale_after_ns`: a price of this age is not shown as fresh.  While the feed is down `poll_most` instruments are
    asked for each `poll_every_ns` (Kite: 500 a call, 1 call a second; specs/brokers.md 0.3).  A source that did not take
    a subscription is asked again every `ask_again_ns`.  The clock is looked at every `turn_ns`, and when a bar is due."""

    stale_after_ns: int = 15 * NANOSECONDS_PER_SECOND
    poll_every_ns: int = NANOSECONDS_PER_SECOND
    poll_most: int = 500
    ask_again_ns: int = 5 * NANOSECONDS_PER_SECOND
    turn_ns: int = NANOSECONDS_PER_SECOND // 4
    flush_ns: int = NANOSECONDS_PER_SECOND // 2
    bars: BarSettings = field(default_factory=BarSettings)
    switch: SwitchSettings = field(default_factory=SwitchSettings)
    backfill: BackfillSettings = field(default_factory=BackfillSettings)

    def __post_init__(self) -> None:
        if (
            min(self.stale_after_ns, self.poll_every_ns, self.ask_again_ns, self.turn_ns, self.flush_ns) <= 0
            or self.poll_most < 1
        ):
            raise InvalidValueError("the times and counts of a tick hub must be positive")


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source of a feed.  `works`: its connection is up and it is not silent while another ticks.

    `age_ns` since it was last heard, or since it was connected.  `refused`: instruments that it did not take.
    """

    name: str
    works: bool
    age_ns: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """For the dashboard.  `age_ns` since anything was heard of the present source; None: never.

    `stale` counts prices that are too old or were last told by a source that is not heard any more.
    `preferred`: the source that should be heard, where another one is.
    """

    source: str
    is_down: bool
    age_ns: int | None
    instruments: int
    stale: int
    held_series: int
    preferred: SourceStatus | None = None
