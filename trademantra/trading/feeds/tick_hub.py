"""The tick hub: one per desk.  Ticks of the source that works go to prices, bars, the recording and whoever listens.

- Several strategies may want one instrument: it is subscribed once, and left when the last of them leaves.
- Every source is subscribed, one is heard (`sources`): no tick comes twice, and no total jumps (`day_totals`).
- While the source that is heard is down, prices are stale (`last` says so) unless they were asked for over REST, which
  happens at a bounded rate; bars wait, and those that were missed are fetched from history before later ones (`backfill`).
- Only the clock that is passed in is read.  `run` does everything until it is cancelled; a test calls `turn` itself.

Listeners are called synchronously, in order; they must be quick and must not raise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field

import numpy as np

from trademantra.brokers.errors import BrokerError
from trademantra.brokers.events import StreamState
from trademantra.brokers.market import Quote, StreamMode
from trademantra.core.bar import Timeframe
from trademantra.core.errors import UnknownInstrumentError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock, datetime_of
from trademantra.engine.bars import Int64Array
from trademantra.trading.feeds.backfill import BarDelivery, HistoryRequest
from trademantra.trading.feeds.bar_builder import BarBuilder
from trademantra.trading.feeds.bar_rules import BarClosed
from trademantra.trading.feeds.best_prices import BestPrices
from trademantra.trading.feeds.clock_watch import ClockWatch
from trademantra.trading.feeds.day_totals import DayTotals
from trademantra.trading.feeds.events import (
    FeedBack,
    FeedEvent,
    FeedLost,
    RecordingStopped,
    SourceSwitched,
)
from trademantra.trading.feeds.hours import TradingHours
from trademantra.trading.feeds.hub_settings import FeedStatus, HubSettings, SourceStatus, TickSource
from trademantra.trading.feeds.prices import LastPrices, Price
from trademantra.trading.feeds.recorder import Recorder
from trademantra.trading.feeds.sources import SourceChoice
from trademantra.trading.feeds.subscribing import Subscriptions
from trademantra.trading.feeds.ticks import InstrumentTable, Origin, TickBatch, batch_of

_MODES = tuple(StreamMode)  # from little to much


@dataclass(slots=True)
class _Want:
    mode: StreamMode
    timeframes: set[Timeframe] = field(default_factory=set)


class TickHub:
    """See the head of this file.  `hours_of` gives an instrument's trading hours (today's at the least)."""

    def __init__(
        self,
        sources: Sequence[TickSource],
        clock: Clock,
        hours_of: Callable[[Instrument], TradingHours],
        settings: HubSettings | None = None,
        *,
        recorder: Recorder | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.settings = settings or HubSettings()
        self.table = InstrumentTable() if recorder is None else recorder.table
        self.builder = BarBuilder(self.table, self.settings.bars)
        self.best = BestPrices(self.table)
        self._sources = tuple(sources)
        self._clock, self._now_ns = clock, clock.now_ns()
        self._hours_of = hours_of
        self._recorder = recorder
        self._sleep = sleep
        self._choice = SourceChoice(len(self._sources), self.settings.switch, self._now_ns)
        self._prices = LastPrices(self.table, tuple(source.name for source in self._sources))
        self._totals = DayTotals(self.table, len(self._sources)) if len(self._sources) > 1 else None
        self._clock_watch = ClockWatch(self._now_ns)
        self._delivery = BarDelivery(self.builder, self.settings.backfill, self._tell_bar, self._tell)
        self._wants: dict[int, dict[str, _Want]] = {}
        self._subscribed: dict[int, StreamMode] = {}
        self._at_sources = Subscriptions(self._sources, self.table, self._tell)
        self._asked_ns = self._switched_ns = self._now_ns
        self._on_ticks: list[Callable[[TickBatch], None]] = []
        self._on_bar: list[Callable[[BarClosed], None]] = []
        self._on_event: list[Callable[[FeedEvent], None]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._heard_ns: int | None = None
        self._joined_ns: int | None = None
        self._gap_ns: int | None = None
        self._polled_ns = self._flushed_ns = self._now_ns
        self._flushing = False

    # ------------------------------------------------------------ listeners and subscriptions

    def on_ticks(self, listener: Callable[[TickBatch], None]) -> None:
        """Every batch that is heard, after the bars that were due before it."""
        self._on_ticks.append(listener)

    def on_bar(self, listener: Callable[[BarClosed], None]) -> None:
        """Bars of each series in order, none twice, none missing."""
        self._on_bar.append(listener)

    def on_event(self, listener: Callable[[FeedEvent], None]) -> None:
        self._on_event.append(listener)

    async def subscribe(
        self,
        owner: str,
        instruments: Collection[Instrument],
        mode: StreamMode = StreamMode.FULL,
        timeframes: Collection[Timeframe] = (),
    ) -> None:
        """Hear these instruments, and have these bars of each, until `owner` leaves.  Asking again adds to it.

        A source that does not take them is told, and asked again.  Errors: `BrokerError`, `UnknownInstrumentError` where
        none takes them, `InvalidValueError` for bars that cannot be built; nothing is changed then.
        """
        now = self._now()
        new: dict[int, StreamMode] = {}
        for instrument in instruments:
            row = self.table.add(instrument)
            present = self._subscribed.get(row)
            if present is None or _MODES.index(mode) > _MODES.index(present):
                new[row] = mode
        for timeframe in timeframes:
            self.builder.check_timeframe(timeframe)
        hours = {instrument: self._hours_of(instrument) for instrument in instruments} if timeframes else {}
        if new:
            self._joined_ns = now if self._joined_ns is None else self._joined_ns
            await self._at_sources.add([self.table[row] for row in new], mode, self._choice.active)
        self._subscribed |= new
        for instrument in instruments:
            row = self.table.row_of(instrument)
            want = self._wants.setdefault(row, {}).setdefault(owner, _Want(mode))
            for timeframe in timeframes:
                want.timeframes.add(timeframe)
                self.builder.subscribe(self.table[row], timeframe, hours[instrument], now)

    async def unsubscribe(self, owner: str, instruments: Collection[Instrument] | None = None) -> None:
        """`owner` leaves these instruments, or all of his; what nobody wants any more is left at the brokers."""
        if instruments is None:
            rows = [row for row, owners in self._wants.items() if owner in owners]
        else:
            rows = [row for each in instruments if (row := self.table.find(each)) is not None]
        gone = []
        for row in rows:
            owners = self._wants.get(row, {})
            left = owners.pop(owner, None)
            if left is None:
                continue
            wanted = {timeframe for want in owners.values() for timeframe in want.timeframes}
            for timeframe in left.timeframes - wanted:
                self.builder.unsubscribe(self.table[row], timeframe)
                self._delivery.forget(self.table[row], timeframe)
            if not owners:
                del self._wants[row], self._subscribed[row]
                self._prices.forget(row)
                gone.append(self.table[row])
        if gone:
            await self._at_sources.leave(gone)

    def renew_hours(self) -> None:
        """A day begins: ask for the trading hours of everything anew."""
        if self._totals is not None:
            self._totals.forget()
        self.builder.renew_hours({each: self._hours_of(each) for each, _ in self.builder.series()})

    # ------------------------------------------------------------ prices

    def last(self, instrument: Instrument, limit_ns: int | None = None) -> Price | None:
        """The last price with its age and source; None before the first.  `limit_ns` instead of `stale_after_ns`."""
        row = self.table.find(instrument)
        limit = self.settings.stale_after_ns if limit_ns is None else limit_ns
        if row is None:
            return None
        return self._prices.get(row, self._now(), limit, self._gap_ns, self._choice.active)

    def age_ns(self, instrument: Instrument) -> int | None:
        """Since anything was heard of an instrument; None before the first tick."""
        row = self.table.find(instrument)
        received = 0 if row is None else self._prices.received_ns(row)
        return self._now() - received if received else None

    @property
    def feed_age_ns(self) -> int | None:
        """Since anything was heard of the present source; None before the first tick."""
        return None if self._heard_ns is None else max(self._now() - self._heard_ns, 0)

    @property
    def source(self) -> str:
        return self._sources[self._choice.active].name

    @property
    def is_down(self) -> bool:
        """Whether ticks are being missed at the moment."""
        return self._gap_ns is not None

    def status(self) -> FeedStatus:
        rows = self._rows()
        active = self._choice.active
        stale = self._prices.stale_rows(rows, self._now(), self.settings.stale_after_ns, active)
        return FeedStatus(
            source=self.source,
            is_down=self.is_down,
            age_ns=self.feed_age_ns,
            instruments=len(rows),
            stale=len(rows) if self.is_down else len(stale),
            held_series=self._delivery.held,
            preferred=self._status_of(0) if active else None,
        )

    def _status_of(self, number: int) -> SourceStatus:
        age_ns = max(self._now() - self._choice.heard_ns(number), 0)
        return SourceStatus(
            self._sources[number].name, self._choice.works(number), age_ns, self._at_sources.refused(number)
        )

    # ------------------------------------------------------------ ticks and time

    async def run(self) -> None:
        """Listen to all sources and look at the clock, until cancelled."""
        self._miss_the_start()
        async with asyncio.TaskGroup() as group:
            for number in range(len(self._sources)):
                group.create_task(self._listen(number), name=f"ticks of {self._sources[number].name}")
            try:
                while True:
                    await self.turn()
                    due = self.builder.next_close_ns
                    pause = (
                        self.settings.turn_ns
                        if due is None
                        else min(due - self._now(), self.settings.turn_ns)
                    )
                    await self._sleep(max(pause, 0) / NANOSECONDS_PER_SECOND)
            finally:
                await self.close()

    async def turn(self) -> None:
        """Look at the clock and the connections once: close bars, switch, ask for what is missing."""
        self._look_at_streams()
        self._delivery.take(self.builder.advance(self._now()))
        now = self._now()
        behind = self._clock_watch.look(self.source, self.builder.counts, now)
        if behind is not None:
            self._tell(behind)
        for request in self._delivery.requests(now):
            self._start(self._ask_history(request))
        if self._gap_ns is not None and now - self._polled_ns >= self.settings.poll_every_ns:
            self._polled_ns = now
            self._start(self._poll())
        if not self._at_sources.is_complete and now - self._asked_ns >= self.settings.ask_again_ns:
            self._asked_ns = now
            self._start(self._at_sources.ask_again())
        if (
            self._recorder is not None
            and not self._flushing
            and now - self._flushed_ns >= self.settings.flush_ns
        ):
            self._flushed_ns, self._flushing = now, True
            self._start(self._flush(self._recorder))
        for task in [task for task in self._under_way if task.done()]:
            self._under_way.discard(task)
            task.result()
        await asyncio.sleep(0)

    def hear(self, source: int, quotes: Sequence[Quote]) -> None:
        """Quotes that a source sent just now; those of a source that is not heard only show that it works."""
        now = self._now()
        if self._totals is not None:  # what others hear of a source is no sign that ours comes
            quotes = [each for each in quotes if self.table.find(each.instrument) in self._subscribed]
            if not quotes:
                return
        self._choice.heard(source, now)
        if self._gap_ns is not None:
            up = self._sources[source].adapter.stream is StreamState.CONNECTED
            self._choice.stream(source, now, is_up=up)
        if source != self._choice.active:
            if self._totals is not None:
                self._totals.note(source, quotes)
            return
        self.best.note(quotes)
        with_depth = self._recorder is not None and self._recorder.with_depth
        self.take(batch_of(quotes, self.table, now, with_depth=with_depth))

    def take(self, batch: TickBatch) -> None:
        """Ticks of the source that is heard: also the way in for a replay."""
        self._heard_ns = self._now()
        if self._gap_ns is not None and self._choice.is_up(self._choice.active):
            self._end_gap(self._heard_ns)
        self._spread(batch, self._choice.active)

    def stream_changed(self, source: str, state: StreamState) -> None:
        """The desk heard of a change of an adapter's connection: better than to find it at the next turn."""
        for number, each in enumerate(self._sources):
            if each.name == source:
                self._choice.stream(number, self._now(), is_up=state is StreamState.CONNECTED)
        self._choose()

    async def settled(self) -> None:
        """Wait until nothing that was begun is under way: history, polling, writing."""
        while self._under_way:
            tasks = list(self._under_way)
            await asyncio.gather(*tasks)
            self._under_way.difference_update(tasks)

    async def close(self) -> None:
        """Stop what is under way, and write what is recorded so far."""
        tasks = list(self._under_way)
        self._under_way.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._recorder is not None:
            await self._flush(self._recorder)

    # ------------------------------------------------------------ inside

    def _now(self) -> int:
        """The clock, which never goes back here: arrivals must be in order."""
        self._now_ns = max(self._now_ns, self._clock.now_ns())
        return self._now_ns

    def _rows(self) -> Int64Array:
        return np.fromiter(self._subscribed, np.int64, len(self._subscribed))

    async def _listen(self, number: int) -> None:
        async for quotes in self._sources[number].adapter.quotes_stream():
            self.hear(number, quotes)

    def _spread(self, batch: TickBatch, source: int) -> None:
        if self._totals is not None:
            if source == self._choice.active and (joined := self._totals.joined(batch)):
                self.builder.mark_gap(self._switched_ns, self._now(), [self.table[row] for row in joined])
            batch = self._totals.shown(batch, source)
        self._prices.take(batch, source)
        if self._recorder is not None:
            self._recorder.add(batch)
        self._delivery.take(self.builder.take(batch))
        for listener in self._on_ticks:
            listener(batch)

    def _look_at_streams(self) -> None:
        for number, source in enumerate(self._sources):
            up = source.adapter.stream is StreamState.CONNECTED
            self._choice.stream(number, self._now(), is_up=up)
        self._choose()

    def _choose(self) -> None:
        now, old, last = self._now(), self._choice.active, self._choice.last_heard_ns()
        new = self._choice.choose(now)
        if self._gap_ns is None and self._subscribed and (self._choice.is_failing() or new != old):
            self._begin_gap(last, self._sources[old].name, is_lost=new == old)
        if new != old:
            self._switched_ns = now
            if self._totals is not None:
                self._totals.switch(new)
            self._tell(SourceSwitched(self._sources[old].name, self._sources[new].name, now))

    def _miss_the_start(self) -> None:
        """Nobody listened since the first subscription: bars that began meanwhile, or were open then, are fetched."""
        since, now = self._joined_ns, self._now()
        if since is None or self._heard_ns is not None or self._gap_ns is not None:
            return
        for instrument, timeframe in self.builder.series():
            period = self.builder.hours_of(instrument).period_from(since, timeframe)
            if period is not None and period.start_ns < now:
                self._begin_gap(since, self.source)
                return

    def _begin_gap(self, since: int, source: str, *, is_lost: bool = True) -> None:
        """`is_lost` False: the source goes on, and a better one is heard from now on."""
        self._gap_ns = since
        self.builder.mark_gap(self._in_doubt_ns(since), None)
        self._delivery.gap_began(self._in_doubt_ns(since))
        if is_lost:
            self._tell(FeedLost(source, since, is_start=self._heard_ns is None))

    def _in_doubt_ns(self, since: int) -> int:
        """What was still on its way is lost too: bars that waited for it when the feed was heard last are in question."""
        return since - self.settings.bars.lateness_ns

    def _end_gap(self, now: int) -> None:
        start, self._gap_ns = self._gap_ns, None
        if start is not None:
            self.builder.mark_gap(self._in_doubt_ns(start), now)
            self._delivery.gap_ended(now)
            self._tell(FeedBack(self.source, start, now))

    async def _poll(self) -> None:
        """Ask for the instruments that were silent longest: all sources at once, for one may hang that is heard no more."""
        rows = self._prices.stale_rows(self._rows(), self._now(), self.settings.poll_every_ns, None)
        wanted = [self.table[row] for row in rows[: self.settings.poll_most].tolist()]
        asked = {
            asyncio.ensure_future(self._sources[number].adapter.quotes(wanted)): number
            for number in (self._in_order() if wanted else ())
        }
        try:
            while asked:
                done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                answers = [(task, asked.pop(task), task.exception()) for task in list(asked) if task in done]
                for task, number, error in answers:  # in the order of preference
                    if isinstance(error, BrokerError):
                        continue  # `FeedLost` has been told; each poll that fails would only say it again
                    if self._gap_ns is not None:
                        quotes = list(task.result().values())
                        self._spread(batch_of(quotes, self.table, self._now(), origin=Origin.POLL), number)
                    return
        finally:
            for task in asked:
                task.cancel()

    def _in_order(self) -> Sequence[int]:
        """The source that is heard, then the others."""
        active = self._choice.active
        return active, *(each for each in range(len(self._sources)) if each != active)

    async def _ask_history(self, request: HistoryRequest) -> None:
        # the last microsecond before the end: the port's range includes both ends
        first, last = datetime_of(request.asked_from_ns), datetime_of(request.end_ns - 1)
        reason = ""
        for number in self._in_order():
            adapter = self._sources[number].adapter
            try:
                bars = await adapter.history(request.instrument, request.timeframe, first, last)
            except (BrokerError, UnknownInstrumentError) as error:
                reason = reason or str(error)
                continue
            self._delivery.answered(request, bars, self._now())
            return
        self._delivery.failed(request, reason, self._now())

    async def _flush(self, recorder: Recorder) -> None:
        reason = await asyncio.to_thread(recorder.flush)
        self._flushing = False
        if reason is not None:
            self._tell(RecordingStopped(reason))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self._under_way.add(asyncio.get_running_loop().create_task(work))

    def _tell_bar(self, closed: BarClosed) -> None:
        for listener in self._on_bar:
            listener(closed)

    def _tell(self, event: FeedEvent) -> None:
        for listener in self._on_event:
            listener(event)
