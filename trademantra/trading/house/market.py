"""A market as the desk sees it: prices in order, decisions before the prices that follow them.

One queue holds what the feed brought: bars that closed, ticks, minutes that began.  One task takes it out.  What strategies
decide on a bar is placed before the next ticks reach a paper exchange, so a paper session can be replayed as a back-test.
Prices for limits and protection come the same way, so that paper and a back-test see one order of things: a strategy that
takes its time holds them up for as long as it is given (`RunnerSettings.decision_seconds`).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import nan
from typing import TypeAlias

from sqlalchemy.exc import SQLAlchemyError

from trademantra.brokers.listings import Listings
from trademantra.brokers.paper.host import ExchangeHost
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.errors import TradeMantraError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.trading.feeds.bar_rules import BarClosed
from trademantra.trading.feeds.replay import event_batches
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.feeds.ticks import TickBatch


@dataclass(frozen=True, slots=True)
class Minute:
    """The clock reached the start of a minute, and the bars that ended then are through."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class NewsWaits:
    """No tick has come since, and some strategy was not told of the last ones yet."""


_Item: TypeAlias = list[BarClosed] | TickBatch | Minute | NewsWaits


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketEars:
    """Who hears of a market.  `bars`: those that ended at one instant, and those of them behind which newer ones stand, which
    came with them from history after a silence.  `events`: what was fed, for the tape.  `ticks`:
    what came, after it was fed, or None to tell what waits; whether somebody was told.

    `price(instrument, last, high, low, volume, bid, ask, at_ns)`; `settled` returns when all that prices set off in
    paper accounts is done.  `trouble`: what could not be done with one item; the next one is taken all the same.
    """

    bars: Callable[[Sequence[BarClosed], Collection[BarClosed]], Awaitable[None]]
    minute: Callable[[int], Awaitable[None]]
    ticks: Callable[[TickBatch | None], Awaitable[bool]]
    price: Callable[[Instrument, float, float, float, float, float, float, int], None]
    events: Callable[[EventBatch], None]
    settled: Callable[[], Awaitable[None]]
    trouble: Callable[[Exception], None]


class Market:
    """Ticks of one hub for the instruments of `listings`, fed to the paper exchanges `hosts`."""

    def __init__(
        self, hub: TickHub, listings: Listings, hosts: Sequence[ExchangeHost], ears: MarketEars
    ) -> None:
        self.hub, self.listings, self._hosts, self._ears = hub, listings, tuple(hosts), ears
        self._queue: deque[_Item] = deque()
        self._arrived = asyncio.Event()
        self._closed: list[BarClosed] = []
        self._waiting: deque[TickBatch] = deque()
        self._converted: Iterator[EventBatch] | None = None
        self._known = 0
        self._minute = 0
        hub.on_bar(self._bar)
        hub.on_ticks(self._ticks)

    @property
    def waiting(self) -> int:
        """How much the strategies are behind the feed, in items."""
        return len(self._queue)

    def relist(self, listings: Listings) -> None:
        """From now on these; they begin with those that were listed before.  Paper exchanges were told first."""
        self.listings, self._converted = listings, None

    def looked_at(self, now_ns: int) -> None:
        """The clock was seen: when bars of a minute's end have closed, the next one has begun."""
        minute = (now_ns - self.hub.settings.bars.lateness_ns) // NANOSECONDS_PER_MINUTE
        if minute > self._minute:
            self._minute = minute
            self._flush()
            self._put(Minute(minute * NANOSECONDS_PER_MINUTE))

    def tell_ticks(self) -> None:
        """Strategies that hear ticks are told the newest ones, though no other comes."""
        if not self._queue:  # else what is in it does so
            self._put(NewsWaits())

    async def run(self) -> None:
        """Take out what arrives, until cancelled."""
        while True:
            while self._queue:
                await self._tried(self._take(self._queue.popleft()))
            self._arrived.clear()
            if not self._queue:
                await self._arrived.wait()

    async def _write(self, events: EventBatch) -> None:
        self._ears.events(events)

    async def _tried(self, work: Awaitable[object]) -> None:
        """A paper exchange whose disk is full, or a database that is away, keeps no price from the others."""
        try:
            await work
        except (TradeMantraError, SQLAlchemyError, OSError) as error:
            self._ears.trouble(error)

    # -- in

    def _bar(self, closed: BarClosed) -> None:
        if not self._closed:
            asyncio.get_running_loop().call_soon(self._flush)
        self._closed.append(closed)

    def _flush(self) -> None:
        if self._closed:
            self._put(self._closed)
            self._closed = []

    def _ticks(self, batch: TickBatch) -> None:
        self._flush()  # bars that ended before these ticks
        if len(batch):
            self.looked_at(
                int(batch.received_ns[0])
            )  # no price comes between the bars' decisions and the minute's
        self._put(batch)

    def _put(self, item: _Item) -> None:
        self._queue.append(item)
        self._arrived.set()

    # -- out

    async def _take(self, item: _Item) -> None:
        if isinstance(item, Minute):
            await self._ears.minute(item.at_ns)
        elif isinstance(item, TickBatch):
            await self._feed(item)
            await self._ears.settled()  # fills on these prices are told before the prices
            if not await self._ears.ticks(item):
                return
        elif isinstance(item, NewsWaits):
            await self._ears.ticks(None)
        else:
            item.sort(key=lambda closed: closed.end_ns)
            overtaken = _overtaken(item)
            for _, together in groupby(item, key=lambda closed: closed.end_ns):
                await self._ears.bars(list(together), overtaken)
        await self._ears.settled()

    async def _feed(self, batch: TickBatch) -> None:
        if self._converted is None or self._known != len(self.hub.table):
            self._known = len(self.hub.table)
            self._converted = event_batches(iter(self._waiting.popleft, None), self.hub.table, self.listings)
        self._waiting.append(batch)
        events = next(self._converted)
        if not len(events):
            return
        await self._tried(self._write(events))
        for part in _one_each(events) if self._hosts else ():
            for host in self._hosts:
                await self._tried(host.feed_batch(part))
            await self._tried(self._ears.settled())
        bids, asks = _best(batch)
        by_row = {row: (bid, ask) for row, bid, ask in zip(batch.row.tolist(), bids, asks, strict=True)}
        for row, at_ns, last, volume in zip(
            events.token_row.tolist(),
            events.at_ns.tolist(),
            events.close.tolist(),
            events.volume.tolist(),
            strict=True,
        ):
            instrument = self.listings.at(row).instrument
            found = self.hub.table.find(instrument)
            bid, ask = by_row.get(-1 if found is None else found, (nan, nan))
            self._ears.price(instrument, last, last, last, volume, bid, ask, at_ns)


def _overtaken(closed: Sequence[BarClosed]) -> Sequence[BarClosed]:
    """Bars from history that came together with a newer one of their series.  `closed`: in the order of time."""
    newest = {(each.instrument, each.timeframe): each for each in closed}
    return [each for each in closed if not each.ticks and newest[each.instrument, each.timeframe] is not each]


def _one_each(events: EventBatch) -> Iterator[EventBatch]:
    """Pieces in which each instrument has one price: what follows from it is placed before its next one."""
    begin, seen = 0, set[int]()
    for at, row in enumerate(events.token_row.tolist()):
        if row in seen:
            yield _piece(events, begin, at)
            begin, seen = at, set()
        seen.add(row)
    yield _piece(events, begin, len(events))


def _piece(events: EventBatch, begin: int, end: int) -> EventBatch:
    return EventBatch(*(getattr(events, name)[begin:end] for name in EventBatch.__slots__))


def _best(batch: TickBatch) -> tuple[list[float], list[float]]:
    depth = batch.depth
    if depth is None:
        return [nan] * len(batch), [nan] * len(batch)
    bids = [price or nan for price in depth.bid_price[:, 0].tolist()]
    asks = [price or nan for price in depth.ask_price[:, 0].tolist()]
    return bids, asks
