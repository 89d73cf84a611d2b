"""One broker account of the desk: the road from an intent to the ledger (DESIGN section 3).

Invariants:
- nothing is sent that the journal does not hold; an intent is sent once, whatever is asked again or restarted;
- an order whose reply was lost is UNKNOWN until the broker was asked by its tag, and is never sent again;
- ABSENT is concluded only from books that were read, twice, long enough after the sending;
- an exit, or a change of one, that came too fast for the broker was not taken and is sent again, a few times with growing pauses;
- what the broker tells is journaled in the order of its telling, and told on after it is durable;
- where the program itself is at fault (an adapter that raises what it must not) an order's state is asked for as if its
  reply was lost, a person is called, and nothing new is opened until the desk starts anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self

from trademantra.brokers.errors import (
    BrokerError,
    BrokerUnavailableError,
    RateLimitedError,
)
from trademantra.brokers.events import BrokerEvent, OrderUpdate, SessionState, TradeUpdate
from trademantra.brokers.orders import (
    Accepted,
    BrokerOrder,
    BrokerTrade,
    OrderChange,
    OrderRequest,
    PlaceResult,
    Refused,
    Unknown,
)
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.order import OrderStatus
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_SECOND
from trademantra.kit.lease import LeaseLostError
from trademantra.trading.desk_events import (
    Booked,
    ChangeRefused,
    ForeignOrder,
    Heard,
    OrderMoved,
    PersonNeeded,
    RefusedIntentError,
)
from trademantra.trading.desk_parts import DeskParts
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.journal import JournalFailedError
from trademantra.trading.orders import Changes, ManagedOrder, OrderBook, PlannedOrder
from trademantra.trading.outbox import Outbox, Rank
from trademantra.trading.reconciler import Reconciler

_S = OrderStatus
_MOST_CANCELS = 5
_TOO_FAST_NS = tuple(seconds * NANOSECONDS_PER_SECOND for seconds in (1, 2, 4, 8))  # pauses after each
_NO_ANSWER = Unknown("the adapter fell over before it had an answer")
_REMEMBERED_NS = (
    7 * NANOSECONDS_PER_DAY
)  # brokers tell of today's orders only; the longest closures are five days
_PACKED_AT_ONCE = 4  # with each commit, so more than come; off the road of an order
_RESTING = frozenset({_S.OPEN, _S.TRIGGER_PENDING, _S.PARTLY_FILLED})


@dataclass(slots=True)
class _Known:
    """What only the running desk knows of an order."""

    cancel_wanted: bool = False
    cancel_under_way: bool = False
    cancels: int = 0
    change_under_way: bool = False
    sent_ns: int = 0
    too_fast: int = 0


class AccountDesk:
    """Use as `async with`: entering loads the book, asks the broker what happened meanwhile and begins to listen."""

    def __init__(self, book: OrderBook, parts: DeskParts) -> None:
        self.book = book
        self._parts = parts
        self._outbox = Outbox(parts.limiter, parts.lease, parts.timer, self._fail)
        self._known: dict[str, _Known] = {}
        self._orphans: dict[str, dict[str, BrokerTrade]] = {}
        """Trades whose order is not known (yet), by its number at the broker and theirs: each reading tells them again."""
        self._foreign: dict[str, BrokerOrder] = {}
        self._impossible: set[str] = set()  # what was said of it
        self._listeners: list[Callable[[Heard], None]] = []
        self._taking: dict[str, asyncio.Future[None]] = {}
        self._entered_ns = 0
        self._fault = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._reconciler = Reconciler(book, parts, self)

    @property
    def account_id(self) -> str:
        return self.book.account_id

    async def __aenter__(self) -> Self:
        await self._parts.store.load(self.book, self._parts.timer.now_ns() - _REMEMBERED_NS)
        self._entered_ns = self._parts.timer.now_ns()
        for managed in self.book.working():  # a cancellation that was asked for before the restart still is
            self._of(managed.order.order_id).cancel_wanted = managed.order.status is _S.CANCELLING
        self._parts.gate.restore(self.book)
        self.book.pack_ended(self._entered_ns)
        self.spawn(self._listen())
        self._reconciler.refresh_soon()
        self.spawn(self._outbox.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- asked

    def listen(self, listener: Callable[[Heard], None]) -> None:
        """Hear of every change of an order and every fill, in order, as soon as it is known and before it is durable.

        What a listener asks for in answer is journaled behind what it heard.  It must be quick and must not raise.
        """
        self._listeners.append(listener)

    async def submit(self, intent: OrderIntent) -> Sequence[ManagedOrder]:
        """Take an intent in: checked, journaled, on its way.  The same intent again answers with its orders.

        Errors: `RefusedIntentError`, `PolicyError`, `JournalFailedError`, `LeaseLostError`: nothing was sent.
        """
        known = self.book.of_intent(intent.intent_id)
        if known:
            if (taking := self._taking.get(intent.intent_id)) is not None:
                await asyncio.shield(taking)  # whoever is answered can rely on it: durable, or the same error
            return known
        parts = self._parts
        allowed = self.check(intent)
        planned = parts.policy.plan(allowed)
        changes = self.book.create(allowed, planned, parts.timer.now_ns())
        parts.gate.follow(changes, allowed)  # nothing is awaited since the check
        requests = [parts.policy.request(each, allowed.algo_id) for each in planned]
        taken = asyncio.ensure_future(self._take_in(changes, requests))
        self._taking[intent.intent_id] = taken
        taken.add_done_callback(lambda _: self._taking.pop(intent.intent_id))
        await asyncio.shield(taken)  # a caller that gives up does not leave an order half taken
        return changes.created

    def check(self, intent: OrderIntent) -> OrderIntent:
        """What login and limits let pass of an intent at this moment, perhaps cut.  Nothing is done.

        Errors: `RefusedIntentError`.
        """
        parts = self._parts
        if parts.adapter.session is not SessionState.ACTIVE:
            raise RefusedIntentError(
                "session",
                f"account {self.account_id} is not logged in",
                hint=f"tm account login {self.account_id}",
            )
        if self._fault and intent.purpose is not Purpose.EXIT:
            raise RefusedIntentError(
                "fault",
                f"a part of the desk of account {self.account_id} stopped ({self._fault}): nothing new is opened",
                hint="start the desk anew, and tell us what its log says of it",
            )
        return parts.gate.check(intent)

    def preview(self, intent: OrderIntent) -> Sequence[PlannedOrder]:
        """The orders that would be made of an intent now.  Nothing is done.  Errors: `RefusedIntentError`, `PolicyError`."""
        return self._parts.policy.plan(self.check(intent))

    async def cancel(self, order_id: str) -> None:
        """Ask for the end of an order.  One that is still in the outbox is never sent.  Final ones stay as they are.

        Errors: `NotFoundError`; `JournalFailedError`, `LeaseLostError`: nothing was sent.
        """
        try:
            managed = self.book[order_id]
        except KeyError:
            raise NotFoundError(f"account {self.account_id} has no order {order_id}") from None
        known = self._of(order_id)
        if managed.order.status.is_final or known.cancel_wanted:
            return
        known.cancel_wanted = True
        if managed.order.status in (*_RESTING, _S.CANCELLING, _S.MODIFYING):
            await self._cancel_now(managed)

    async def modify(self, order_id: str, change: OrderChange) -> None:
        """Ask for new terms of an order that rests at the broker.  It is MODIFYING until the broker has answered.

        One change at a time; one that the broker refuses leaves the order as it was and is told as `ChangeRefused`.
        Errors: `NotFoundError`; `RefusedIntentError` (rule "not_resting" for an order that does not rest, or the rule of a
        limit), `PolicyError`, `JournalFailedError`, `LeaseLostError`: nothing was sent.
        """
        parts = self._parts
        try:
            managed = self.book[order_id]
        except KeyError:
            raise NotFoundError(f"account {self.account_id} has no order {order_id}") from None
        known = self._of(order_id)
        if managed.order.status not in _RESTING or known.cancel_wanted or known.change_under_way:
            raise RefusedIntentError(
                "not_resting",
                f"order {order_id} cannot be changed while it is {managed.order.status}",
                hint="wait until it rests at the broker",
            )
        terms = parts.policy.change(managed.order, change, parts.last_price(managed.order.instrument))
        terms = parts.gate.check_change(managed, terms)
        known.change_under_way = True
        self.book.changing(order_id, _S.MODIFYING, parts.timer.now_ns())
        rank = Rank.EXIT if managed.purpose is Purpose.EXIT else Rank.CANCEL
        self._outbox.put(rank, self._changer(managed, terms))

    async def refresh(self) -> None:
        """Ask the broker for its books and follow them; then find out what became of every UNKNOWN order.

        Errors: `BrokerError` when the books cannot be read: then nothing is concluded.
        """
        await self._reconciler.refresh()

    @property
    def has_read_books(self) -> bool:
        """Whether the broker's books were read since the start; entries are worth waiting for that."""
        return self._reconciler.has_read

    @property
    def is_reading_well(self) -> bool:
        """Whether the broker's books could be read when they were last asked for."""
        return not self._reconciler.is_failing

    @property
    def is_busy(self) -> bool:
        """Whether anything that was asked for or heard is still on its way."""
        return self._outbox.is_busy or self._parts.journal.is_busy

    def foreign_orders(self) -> Sequence[BrokerOrder]:
        """Orders of today that the desk did not make."""
        return list(self._foreign.values())

    # -- on the way out

    async def _take_in(self, changes: Changes, requests: Sequence[OrderRequest]) -> None:
        try:
            await self._parts.journal.write(self._parts.store.rows(changes), self._parts.lease)
        except (JournalFailedError, LeaseLostError):
            self.book.forget(changes)
            self._parts.gate.forget(changes)
            raise
        for managed, request in zip(changes.created, requests, strict=True):
            rank = Rank.EXIT if managed.purpose is Purpose.EXIT else Rank.ENTRY
            self._outbox.put(rank, self._sender(managed, request))
            self._parts.bus.tell(OrderMoved(managed))

    def _sender(self, managed: ManagedOrder, request: OrderRequest) -> Callable[[], Awaitable[None]]:
        async def send() -> None:
            order_id, parts = managed.order.order_id, self._parts
            known = self._of(order_id)
            if known.cancel_wanted:
                self.write(self.book.changing(order_id, _S.CANCELLED, parts.timer.now_ns()))
                return
            known.sent_ns = parts.timer.now_ns()
            if managed.order.status is _S.JOURNALED:
                self.book.sending(order_id, known.sent_ns)
            result: PlaceResult | None = _NO_ANSWER
            try:
                result = await self._unless_too_fast(managed, parts.adapter.place(request), send)
            finally:  # also where the adapter fell over: whether the request left, only the broker can tell
                if result is not None:
                    self._placed(managed, result)

        return send

    def _placed(self, managed: ManagedOrder, result: PlaceResult) -> None:
        order_id = managed.order.order_id
        self.write(self.book.answered(order_id, result, self._parts.timer.now_ns()))
        self._adopt(managed)
        if managed.order.status is _S.UNKNOWN:
            self._reconciler.find_out(order_id)
        else:
            self._cancel_if_wanted(managed)

    async def _unless_too_fast(
        self, managed: ManagedOrder, request: Awaitable[PlaceResult], send: Callable[[], Awaitable[None]]
    ) -> PlaceResult | None:
        """As `_answer`; None where the broker did not take it, for it came too fast, and `send` will be tried again."""
        known = self._of(managed.order.order_id)
        try:
            result = await self._answer(request)
        except RateLimitedError as error:
            if managed.purpose is not Purpose.EXIT or known.too_fast == len(_TOO_FAST_NS):
                return Refused(str(error), error.broker_code)
            self.spawn(self._put_later(_TOO_FAST_NS[known.too_fast], send))
            known.too_fast += 1
            return None
        known.too_fast = 0
        return result

    async def _put_later(self, pause_ns: int, send: Callable[[], Awaitable[None]]) -> None:
        await self._parts.timer.until(self._parts.timer.now_ns() + pause_ns)
        self._outbox.put(Rank.EXIT, send)

    async def _answer(self, request: Awaitable[PlaceResult]) -> PlaceResult:
        """What became of a request: without an answer that is not known.  Errors: `RateLimitedError`: it was not taken."""
        try:
            return await request
        except RateLimitedError:
            raise
        except BrokerUnavailableError as error:
            return Unknown(str(error))
        except BrokerError as error:  # the adapter says that the broker did not take it
            return Refused(str(error), error.broker_code)
        except LeaseLostError as error:  # it ran out while the request waited for its turn
            return Refused(str(error))

    def _cancel_if_wanted(self, managed: ManagedOrder) -> None:
        """An order that was to be cancelled turned out to rest at the broker."""
        known = self._known.get(managed.order.order_id)
        if known is None:
            return
        if known.cancel_wanted and not known.cancel_under_way and managed.order.status in _RESTING:
            known.cancel_under_way = True
            self.spawn(self._cancel_now(managed))

    def _changer(self, managed: ManagedOrder, change: OrderChange) -> Callable[[], Awaitable[None]]:
        async def send() -> None:
            order_id, parts = managed.order.order_id, self._parts
            known = self._of(order_id)
            broker_order_id = managed.order.broker_order_id
            if (
                managed.order.status is not _S.MODIFYING or broker_order_id is None
            ):  # it ended, or an answer came first
                known.change_under_way = False
                self._refuse_change(managed, f"the order was {managed.order.status} before the change left")
                return
            if known.cancel_wanted:
                known.change_under_way = False
                self.write(self.book.unchanged(order_id, parts.timer.now_ns()))
                self._refuse_change(managed, "the order is being cancelled")
                self._cancel_if_wanted(managed)
                return
            parts.gate.message_sent(managed)
            result: PlaceResult | None = _NO_ANSWER
            try:
                result = await self._unless_too_fast(
                    managed, parts.adapter.modify(broker_order_id, change), send
                )
            finally:
                if result is not None:
                    known.change_under_way = False
                    self._change_answered(managed, change, result)

        return send

    def _change_answered(self, managed: ManagedOrder, change: OrderChange, result: PlaceResult) -> None:
        order_id, now_ns = managed.order.order_id, self._parts.timer.now_ns()
        if isinstance(result, Accepted):
            self.write(self.book.changed(order_id, change, now_ns))
        elif isinstance(result, Refused):
            self.write(self.book.unchanged(order_id, now_ns))
            self._refuse_change(managed, result.reason)
        else:
            self._reconciler.find_out(order_id)
        self._cancel_if_wanted(managed)

    def _refuse_change(self, managed: ManagedOrder, reason: str) -> None:
        """Whoever asked for a change hears that it did not come through, and may ask again."""
        refused = ChangeRefused(managed, reason)
        self._tell(refused)
        self._parts.bus.tell(refused)

    async def _cancel_now(self, managed: ManagedOrder) -> None:
        order_id, parts = managed.order.order_id, self._parts
        known = self._of(order_id)
        known.cancel_under_way = True
        if managed.order.status in _RESTING:
            changes = self.book.changing(order_id, _S.CANCELLING, parts.timer.now_ns())
            await parts.journal.write(parts.store.rows(changes), parts.lease)

        async def send() -> None:
            known.cancel_under_way = False
            broker_order_id = managed.order.broker_order_id
            if managed.order.status.is_final or broker_order_id is None:
                return
            known.cancels += 1
            parts.gate.message_sent(managed)
            result: PlaceResult = _NO_ANSWER
            try:
                result = await self._answer(parts.adapter.cancel(broker_order_id))
            except RateLimitedError as error:
                result = Refused(str(error), error.broker_code)
            finally:
                if isinstance(result, Accepted):
                    known.cancel_wanted = False
                else:
                    if known.cancels >= _MOST_CANCELS:
                        known.cancel_wanted = False
                        self.call(order_id, f"it could not be cancelled: {result.reason}")
                    self._reconciler.find_out(
                        order_id
                    )  # too late, or not known: the broker's book says what holds

        self._outbox.put(Rank.CANCEL, send)

    # -- what the broker tells

    async def _listen(self) -> None:
        async for event in self._parts.adapter.events():
            self._hear(event)

    def _hear(self, event: BrokerEvent) -> None:
        if isinstance(event, OrderUpdate):
            self.hear_order(event.order)
        elif isinstance(event, TradeUpdate):
            self.hear_trade(event.trade)
        else:
            self._parts.bus.tell(event)
            self._reconciler.refresh_soon()

    def hear_order(self, told: BrokerOrder) -> None:
        managed = self.book.find(told)
        if managed is None:
            if self._foreign.get(told.broker_order_id) != told:
                self._foreign[told.broker_order_id] = told
                self._parts.bus.tell(ForeignOrder(self.account_id, told))
            return
        if (
            managed.order.status.is_final
            and managed.order.broker_order_id is None
            and not told.status.is_final
        ):
            self._end_stray(managed, told)
        self._book(managed.order.order_id, lambda: self.book.hear_order(told, self._parts.timer.now_ns()))
        self._adopt(managed)
        self._cancel_if_wanted(managed)
        if managed.overfilled:
            self.call(managed.order.order_id, "the broker tells of more than was ordered")

    def _end_stray(self, managed: ManagedOrder, told: BrokerOrder) -> None:
        """The desk gave an order up that the broker never showed, and now it is there: its request was very late."""
        order_id, number = managed.order.order_id, told.broker_order_id
        self.call(
            order_id,
            f"it was given up as {managed.order.status} and is at the broker after all; it is cancelled there",
        )

        async def send() -> None:
            try:
                await self._parts.adapter.cancel(number)
            except (BrokerError, LeaseLostError) as error:
                self.call(order_id, f"the broker did not take its cancellation: {error}")

        self._outbox.put(Rank.CANCEL, send)

    def hear_trade(self, trade: BrokerTrade) -> None:
        if self.book.knows_broker_order(trade.broker_order_id):
            self._book_trade(trade)
        else:
            self._orphans.setdefault(trade.broker_order_id, {})[trade.trade_id] = trade

    def _adopt(self, managed: ManagedOrder) -> None:
        """Book the trades that came before the order's number was known."""
        number = managed.order.broker_order_id
        for trade in self._orphans.pop(number, {}).values() if number is not None else ():
            self._book_trade(trade)

    def _book_trade(self, trade: BrokerTrade) -> None:
        self._book(trade.broker_order_id, lambda: self.book.hear_trade(trade, self._parts.timer.now_ns()))

    def _book(self, order: str, hear: Callable[[], Changes]) -> None:
        """What the broker says and cannot be (a fill without a price) is left out, and told once: whatever else it says is
        heard, and its next word puts this right."""
        try:
            changes = hear()
        except (InvalidValueError, ArithmeticError) as error:
            if (text := str(error)) not in self._impossible:
                self._impossible.add(text)
                self.call(order, f"the broker told what cannot be, and it is left out: {text}")
            return
        self.write(changes)

    def write(self, changes: Changes) -> None:
        """Journal in the order of happening, and tell once it is durable."""
        if not changes:
            return
        self._parts.gate.follow(changes)
        for booking in changes.booked:
            self._tell(Booked(booking))
        for managed in changes.moved:
            self._tell(OrderMoved(managed))
            if managed.order.status.is_final:
                self._known.pop(managed.order.order_id, None)
        done = self._parts.journal.enqueue(self._parts.store.rows(changes), self._parts.lease)

        def tell(written: asyncio.Future[None]) -> None:
            if written.cancelled():
                return
            error = written.exception()
            if error is not None:
                self.call("journal", f"a change was not written: {error}")
                return
            for booking in changes.booked:
                self._parts.bus.tell(Booked(booking))
                if booking.late:
                    self.call(
                        booking.order.order_id, f"a fill came after the order was {booking.order.status}"
                    )
            for managed in changes.moved:
                self._parts.bus.tell(OrderMoved(managed))
            self.book.pack_ended(self._parts.timer.now_ns(), most=_PACKED_AT_ONCE)

        done.add_done_callback(tell)

    # -- inside

    def sent_ns(self, order_id: str) -> int:
        """When an order was handed to the adapter; one from before the start perhaps in the last process's last instant."""
        known = self._known.get(order_id)
        return self._entered_ns if known is None else known.sent_ns or self._entered_ns

    def is_changing(self, order_id: str) -> bool:
        """Whether a change of an order waits to be sent, or for its answer."""
        known = self._known.get(order_id)
        return known is not None and known.change_under_way

    def _of(self, order_id: str) -> _Known:
        return self._known.setdefault(order_id, _Known())

    def call(self, subject: str, reason: str) -> None:
        self._parts.bus.tell(PersonNeeded(self.account_id, subject, reason))

    def _tell(self, heard: Heard) -> None:
        for listener in self._listeners:
            listener(heard)

    def spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Future[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._fault = repr(error)
        self.call(
            "desk", f"a part of the desk stopped, nothing new is opened until it starts anew: {error!r}"
        )
