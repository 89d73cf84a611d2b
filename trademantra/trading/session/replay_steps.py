"""Stored bars as a market that happens: one step an instant, prices for the exchange and ticks for everybody else.

Each bar becomes four events of its own (`brokers.paper.feed.paths`): its open, then the way to the nearer extreme, to the
other one, and to the close.  The ticks are the ends of those ways, so the bars that are built of them are the stored ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trademantra.brokers.listings import Listings
from trademantra.brokers.paper.feed.paths import BarPath, events_of_bars
from trademantra.brokers.paper.feed.sources import merged
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.instrument import Instrument
from trademantra.data.resample import SessionSpan
from trademantra.engine.bars import Bars, Int64Array
from trademantra.trading.feeds.ticks import UNKNOWN, InstrumentTable, Origin, TickBatch


@dataclass(frozen=True, slots=True)
class Step:
    """What happens at one instant."""

    at_ns: int
    events: EventBatch
    ticks: TickBatch


def events_of(
    bars: Mapping[Instrument, Bars],
    listings: Listings,
    bar_ns: int,
    spans: Sequence[SessionSpan] = (),
    path: BarPath = BarPath.NEAREST,
) -> EventBatch:
    """The events of many instruments in time order; at one instant in the order of `bars`.

    A bar that a window of `spans` cuts off (the last hour of 9:15 to 15:30) has all its events inside it.
    """
    return merged(
        [
            events_of_bars(
                one,
                listings.row_of(listings.by_instrument(instrument).token),
                path,
                lengths_within(spans, one, bar_ns),
            )
            for instrument, one in bars.items()
        ]
    )


def lengths_within(spans: Sequence[SessionSpan], bars: Bars, bar_ns: int) -> Int64Array:
    """How long each bar is, (n,): `bar_ns`, or up to the close of the window of trading in which it begins."""
    lengths = np.full(len(bars), bar_ns, np.int64)
    if not spans:
        return lengths
    opens = np.array([span.open_ns for span in spans], np.int64)
    closes = np.array([span.close_ns for span in spans], np.int64)
    window = np.maximum(np.searchsorted(opens, bars.ts, side="right") - 1, 0)
    left = closes[window] - bars.ts
    return np.where((bars.ts >= opens[window]) & (left > 0), np.minimum(lengths, left), lengths)


def steps_of(events: EventBatch, table_rows: Sequence[int]) -> Iterator[Step]:
    """Events in time order, instant by instant.  `table_rows`: the hub's number for each row of the listings."""
    rows = np.array(table_rows, np.int64)
    edges = np.flatnonzero(np.diff(events.at_ns, prepend=-1, append=np.iinfo(np.int64).max)).tolist()
    for begin, end in pairwise(edges):
        part = EventBatch(*(getattr(events, name)[begin:end] for name in EventBatch.__slots__))
        yield Step(int(part.at_ns[0]), part, _ticks(part, rows))


def rows_in(table: InstrumentTable, listings: Listings) -> list[int]:
    """For each row of the listings its number in the hub's table, which is made where it is missing."""
    return [table.add(listing.instrument) for listing in listings]


def _ticks(part: EventBatch, rows: np.ndarray) -> TickBatch:
    unknown = np.full(len(part), float(UNKNOWN))
    return TickBatch(
        row=rows[part.token_row],
        at_ns=part.at_ns,
        trade_ns=part.at_ns,
        received_ns=part.at_ns,
        price=part.close,
        total=unknown,
        quantity=part.volume,
        open_interest=np.where(np.isnan(part.open_interest), float(UNKNOWN), part.open_interest),
        origin=np.full(len(part), Origin.STREAM, np.uint8),
    )
