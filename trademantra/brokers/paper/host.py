"""An exchange that runs with its journal: nobody hears an answer or an event before it is durable."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import ClassVar, TypeAlias, TypeVar

from trademantra.brokers.paper.entries import EntryKind, JournalEntry
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.journal import Journal, JournalError, Recovered
from trademantra.brokers.paper.market import EventBatch
from trademantra.brokers.paper.terms import ExchangeEvent, PriceEvent
from trademantra.core.errors import TradeMantraError

BYTES_BETWEEN_SNAPSHOTS = 64 * 1024 * 1024
"""Journal after which it is shortened within a day too: bounds the file and the time of a restart."""

_WAITING_PRICES = 64  # feeds that may be under way to the disk before the feed waits for it

Answer = TypeVar("Answer")
Sink: TypeAlias = Callable[[JournalEntry], None]
Build: TypeAlias = Callable[[bytes | None, Sequence[JournalEntry], Sink], Exchange]


class ExchangeStoppedError(TradeMantraError):
    """The exchange takes nothing more until it is started again: its memory may be ahead of its journal."""

    code: ClassVar[str] = "exchange_stopped"


class ExchangeHost:
    """One exchange, its journal and its listeners, in one event loop.

    A command changes the exchange at once; what it noted goes to the journal as one unit, and its answer and its
    events come out when that is on the disk, in the order of the commands.  Without a journal they come at once.
    After a failed write, or an error that no command should raise, the host is stopped: every later call says why,
    and the journal holds whole commands only.  Call everything from one event loop.
    """

    def __init__(self, build: Build, journal: Journal | None = None) -> None:
        """`build(snapshot, entries, sink)` makes the exchange, from what the journal holds (None and nothing: new).

        Errors: `JournalError`, `BadInputError` for lines of another version, and what `build` raises.
        """
        self._journal = journal
        self._noted: list[JournalEntry] = []
        self._due: list[Callable[[], None]] = []  # to be called when what was noted before is durable
        self._listeners: list[Callable[[ExchangeEvent], None]] = []
        self._market_listeners: list[Callable[[Collection[int]], None]] = []
        self._reason: TradeMantraError | None = None
        self._last_point: asyncio.Future[None] | None = None
        self._points_waiting = 0
        self._bytes_since_snapshot = 0
        recovered = Recovered(None, ()) if journal is None else journal.recover()
        entries = [JournalEntry.parse(line.decode()) for line in recovered.lines]
        self._exchange = build(recovered.snapshot, entries, self._noted.append)
        self._exchange.subscribe(self._on_event)
        if journal is not None and (entries or self._noted):
            # Start from a snapshot: it also holds what building the exchange changed, such as accounts opened.
            self._noted.clear()
            journal.cut(self._exchange.snapshot()).result()

    @property
    def exchange(self) -> Exchange:
        """For commands of callers that await `commit` before they answer, and for reading."""
        return self._exchange

    @property
    def stopped(self) -> TradeMantraError | None:
        """Why nothing is taken any more; None while all is well."""
        return self._reason

    def check(self, *, new_order: bool = False) -> None:
        """Errors: `ExchangeStoppedError`; for a new order also `JournalError` when the disk is nearly full."""
        if self._reason is not None:
            raise ExchangeStoppedError(self._reason.message, hint=self._reason.hint)
        if new_order and self._journal is not None:
            self._journal.check_room()

    async def run(self, command: Callable[[Exchange], Answer], *, new_order: bool = False) -> Answer:
        """Do a command, or read; the answer comes when it, and all that it may show, is durable.

        Errors: what the command raises; `ExchangeStoppedError`, `JournalError`: it may or may not have happened.
        """
        try:
            answer = self._do(command, new_order=new_order)
        except ExchangeStoppedError:
            raise
        except TradeMantraError:
            await self.commit()
            raise
        await self.commit()
        return answer

    async def feed(self, events: Sequence[PriceEvent]) -> None:
        """Move the market; answers when what traded is durable.  Prices alone are not waited for."""
        await self.feed_batch(EventBatch.of(self._exchange.listings, events))

    async def feed_batch(self, batch: EventBatch) -> None:
        """As `feed`.  Errors: `InvalidValueError`, nothing happened; those of `run`."""
        self._do(lambda exchange: exchange.feed_batch(batch))
        quiet = not self._due and all(entry.kind is EntryKind.PRICES for entry in self._noted)
        if quiet and self._points_waiting < _WAITING_PRICES:
            self._flush()
        else:
            await self.commit()
        tokens = frozenset(self._exchange.listings.tokens[batch.token_row].tolist())
        for listener in tuple(self._market_listeners):
            listener(tokens)

    async def advance(self) -> None:
        """The clock moved."""
        await self.run(lambda exchange: exchange.advance())

    async def commit(self) -> None:
        """Wait until everything that the exchange has noted so far is durable and told."""
        point = self._flush()
        if point is not None:
            await asyncio.shield(point)

    def when_durable(self, call: Callable[[], None]) -> None:
        """Call when all that the exchange has noted so far is durable: after its events, before those of later commands."""
        self._due.append(call)
        self._flush()

    def subscribe(self, listener: Callable[[ExchangeEvent], None]) -> Callable[[], None]:
        """Tell `listener` each durable event, in order.  The answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def subscribe_market(self, listener: Callable[[Collection[int]], None]) -> Callable[[], None]:
        """Tell `listener` the tokens whose prices moved.  The answer ends that."""
        self._market_listeners.append(listener)
        return lambda: self._market_listeners.remove(listener)

    def rebuild(self, build: Build) -> None:
        """Make the exchange anew from its own state, as a restart would: with listings that are added at the end.

        Errors: `ExchangeStoppedError`; what `build` raises, and then the old one stays.
        """
        self.check()
        exchange = build(self._exchange.snapshot(), (), self._noted.append)
        exchange.subscribe(self._on_event)
        self._exchange = exchange

    def close(self) -> None:
        """Let go of the journal.  Nothing is taken any more."""
        self._stop(ExchangeStoppedError("the exchange is closed", hint="start it again"))
        if self._journal is not None:
            self._journal.close()

    def _do(self, command: Callable[[Exchange], Answer], *, new_order: bool = False) -> Answer:
        """The command itself.  An error that it should not raise may leave it half done: then the host stops."""
        self.check(new_order=new_order)
        clean = False
        try:
            answer = command(self._exchange)
            clean = True
        except TradeMantraError:
            clean = True
            raise
        finally:
            if not clean:
                self._stop(
                    ExchangeStoppedError("a command broke off half way", hint="start the exchange again")
                )
        return answer

    def _on_event(self, event: ExchangeEvent) -> None:
        self._due.append(lambda: self._publish(event))

    def _publish(self, event: ExchangeEvent) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    def _flush(self) -> "asyncio.Future[None] | None":
        """Hand on what was noted; the point at which all of it is durable, None when it is already."""
        noted, due = tuple(self._noted), tuple(self._due)
        self._noted.clear()
        self._due.clear()
        if self._journal is None or (not noted and self._last_point is None):
            for call in due:
                call()
            return None
        if not noted and not due:
            return self._last_point
        lines = [entry.line().encode() for entry in noted]
        appended = self._journal.append(lines)
        self._bytes_since_snapshot += sum(map(len, lines))
        new_day = any(entry.kind is EntryKind.DAY for entry in noted)
        if new_day or self._bytes_since_snapshot >= BYTES_BETWEEN_SNAPSHOTS:
            appended = self._journal.cut(self._exchange.snapshot())
            self._bytes_since_snapshot = 0
        loop = asyncio.get_running_loop()
        point = self._last_point = loop.create_future()
        self._points_waiting += 1

        def hand_over(done: "Future[int]") -> None:
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(self._arrived, done, due, point)

        appended.add_done_callback(hand_over)
        return point

    def _arrived(
        self, done: "Future[int]", due: Sequence[Callable[[], None]], point: "asyncio.Future[None]"
    ) -> None:
        """In the loop, in the order of the commands: the disk has it, or the journal failed."""
        self._points_waiting -= 1
        if self._last_point is point:
            self._last_point = None
        failure = done.exception()
        if failure is None:
            for call in due:
                call()
            point.set_result(None)
            return
        reason = failure if isinstance(failure, TradeMantraError) else JournalError(str(failure))
        self._stop(reason)
        point.set_exception(reason)
        point.exception()  # looked at: a command whose caller gave up leaves no warning

    def _stop(self, reason: TradeMantraError) -> None:
        self._noted.clear()
        self._due.clear()
        if self._reason is None:
            self._reason = reason
