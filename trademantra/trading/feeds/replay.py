"""Recorded ticks again: into a hub as they were heard, or as the price events of the simulated exchange."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np

from trademantra.brokers.events import StreamState
from trademantra.brokers.market import Quote, StreamMode
from trademantra.brokers.paper.terms import PriceEvent
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


def price_events(
    batches: Iterable[TickBatch], table: InstrumentTable, tokens: Mapping[Instrument, int]
) -> Iterator[list[PriceEvent]]:
    """The ticks of instruments that have a token as events of the simulated exchange, stamped with their arrival.

    The volume of an event is what the day's total rose by since the instrument's last tick (0 for its first, and when
    it falls), or its last quantity where the feed gives no total.
    """
    token_of = {row: tokens[table[row]] for row in range(len(table)) if table[row] in tokens}
    totals: dict[int, float] = {}
    for batch in batches:
        columns = (
            batch.row,
            batch.received_ns,
            batch.price,
            batch.total,
            batch.quantity,
            batch.open_interest,
        )
        events = []
        for row, at_ns, price, total, quantity, interest in zip(
            *(each.tolist() for each in columns), strict=True
        ):
            token = token_of.get(row)
            if token is None:
                continue
            if total >= 0:
                volume = max(total - totals.get(row, total), 0.0)
                totals[row] = total
            else:
                volume = max(quantity, 0.0)
            events.append(
                PriceEvent(
                    token, at_ns, price, price, price, price, volume, interest if interest >= 0 else None
                )
            )
        yield events
