"""Recorded ticks again: into a hub as they were heard, or as the price events of the simulated exchange."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np

from trademantra.brokers.events import StreamState
from trademantra.brokers.listings import Listings
from trademantra.brokers.market import Quote, StreamMode
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument
from trademantra.core.time import ManualClock
from trademantra.engine.bars import Bars
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch


class ReplayAdapter:
    """The source of a hub whose ticks come from `replay`: always connected, says nothing by itself.

    `history` answers for bars, for instance from the bar store.
    """

    def __init__(self, history: Callable[[Instrument, Timeframe, datetime, datetime], Bars]) -> None:
        self._history = history

    @property
    def stream(self) -> StreamState:
        return StreamState.CONNECTED

    async def subscribe(self, instruments: Collection[Instrument], mode: StreamMode) -> None:
        """A recording has what it has."""

    async def unsubscribe(self, instruments: Collection[Instrument]) -> None:
        """As `subscribe`."""

    async def quotes_stream(self) -> AsyncIterator[Sequence[Quote]]:
        silence: tuple[Sequence[Quote], ...] = ()
        for each in silence:
            yield each

    async def quotes(self, instruments: Collection[Instrument]) -> Mapping[Instrument, Quote]:
        return {}

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars:
        return self._history(instrument, timeframe, first, last)


def as_received(batches: Iterable[TickBatch]) -> Iterator[TickBatch]:
    """The batches that came together, one by one."""
    for batch in batches:
        edges = np.flatnonzero(np.diff(batch.received_ns, prepend=-1, append=-1)).tolist()
        for begin, end in pairwise(edges):
            yield batch.slice(begin, end)


async def replay(batches: Iterable[TickBatch], hub: TickHub, clock: ManualClock) -> None:
    """Give ticks to a hub, whose clock is `clock`, each batch when it was heard."""
    for batch in as_received(batches):
        clock.advance_to(max(int(batch.received_ns[0]), clock.now_ns()))
        hub.take(batch)
        await hub.turn()


def event_batches(
    batches: Iterable[TickBatch], table: InstrumentTable, listings: Listings
) -> Iterator[EventBatch]:
    """Ticks as what the simulated exchange is fed, at the moments of their arrival.

    The volume of an event is what the day's total rose by since the instrument's last tick (0 for its first, and when
    it falls), or its last quantity where the feed gives no total.  Ticks of instruments that are not listed, and
    impossible prices, are left out.
    """
    rows = [listings.row_of_key(table[row].key) for row in range(len(table))]
    listed = np.array([-1 if row is None else row for row in rows], np.int64)
    totals = np.full(len(listed), np.nan)
    for batch in batches:
        volume = np.maximum(batch.quantity, 0.0)
        told = np.flatnonzero(batch.total >= 0.0)
        told = told[np.argsort(batch.row[told], kind="stable")]  # instrument by instrument, each in order
        row, total = batch.row[told], batch.total[told]
        before = np.concatenate([[np.nan], total[:-1]])
        first = np.diff(row, prepend=-1) != 0
        before[first] = totals[row[first]]
        volume[told] = np.maximum(np.nan_to_num(total - before), 0.0)
        totals[row] = total  # of several, the last
        good = (listed[batch.row] >= 0) & (batch.price > 0.0) & (batch.price < np.inf)
        price = batch.price[good]
        interest = batch.open_interest[good]
        yield EventBatch(
            listed[batch.row[good]],
            batch.received_ns[good],
            price,
            price,
            price,
            price,
            volume[good],
            np.where(interest >= 0.0, interest, np.nan),
        )
