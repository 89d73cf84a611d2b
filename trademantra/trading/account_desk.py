"""One broker account of the desk: the road from an intent to the ledger (DESIGN section 3).

Invariants:
- nothing is sent that the journal does not hold; an intent is sent once, whatever is asked again or restarted;
- an order whose reply was lost is UNKNOWN until the broker was asked by its tag, and is never sent again;
- ABSENT is concluded only from books that were read, twice, long enough after the sending;
- what the broker tells is journaled in the order of its telling, and told on after it is durable;
- where the program itself is at fault (an adapter that raises what it must not) an order's state is asked for as if its
  reply was lost, a person is called, and nothing new is opened until the desk starts anew.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Self

from trademantra.brokers.events import BrokerEvent, OrderUpdate, SessionState, TradeUpdate
from trademantra.brokers.orders import (
    BrokerOrder,
    BrokerTrade,
    OrderChange,
    OrderRequest,
)
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.order import OrderStatus
from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.kit.lease import LeaseLostError
from trademantra.trading.desk_events import (
    Booked,
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
from trademantra.trading.reconciler import Reconciler
from trademantra.trading.sending import RESTING, Sending

_S = OrderStatus
_REMEMBERED_NS = (
    7 * NANOSECONDS_PER_DAY
)  # brokers tell of today's orders only; the longest closures are five days
_PACKED_AT_ONCE = 4  # with each commit, so more than come; off the road of an order


class AccountDesk:
    """Use as `async with`: entering loads the book, asks the broker what happened meanwhile and begins to listen."""

    def __init__(self, book: OrderBook, parts: DeskParts) -> None:
        self.book = book
        self._parts = parts
        self._orphans: dict[str, dict[str, BrokerTrade]] = {}
        """Trades whose order is not known (yet), by its number at the broker and theirs: each reading tells them again."""
        self._foreign: dict[str, BrokerOrder] = {}
        self._impossible: set[str] = set()  # what was said of it
        self._listeners: list[Callable[[Heard], None]] = []
        self._taking: dict[str, asyncio.Future[None]] = {}
        self._entered_ns = 0
        self._fault = ""
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._reconciler = Reconciler(book, parts, self)
        self._sending = Sending(book, parts, self, self._reconciler)

    @property
    def account_id(self) -> str:
        return self.book.account_id

    async def __aenter__(self) -> Self:
        await self._parts.store.load(self.book, self._parts.timer.now_ns() - _REMEMBERED_NS)
        self._entered_ns = self._parts.timer.now_ns()
        for managed in self.book.working():  # a cancellation that was asked for before the restart still is
            self._sending.of(managed.order.order_id).cancel_wanted = managed.order.status is _S.CANCELLING
        self._parts.gate.restore(self.book)
        self.book.pack_ended(self._entered_ns)
        self.spawn(self._listen())
        self._reconciler.refresh_soon()
        self.spawn(self._sending.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
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
        known = self._sending.of(order_id)
        if managed.order.status.is_final or known.cancel_wanted:
            return
        known.cancel_wanted = True
        if managed.order.status in (*RESTING, _S.CANCELLING, _S.MODIFYING):
            await self._sending.cancel(managed)

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
        known = self._sending.of(order_id)
        if managed.order.status not in RESTING or known.cancel_wanted or known.change_under_way:
            raise RefusedIntentError(
                "not_resting",
                f"order {order_id} cannot be changed while it is {managed.order.status}",
                hint="wait until it rests at the broker",
            )
        terms = parts.policy.change(managed.order, change, parts.last_price(managed.order.instrument))
        terms = parts.gate.check_change(managed, terms)
        self._sending.change(managed, terms)

    async def refresh(self) -> None:
        """Ask the broker for its books and follow them; then find out what became of every UNKNOWN order.

        Errors: `BrokerError` when the books cannot be read: then nothing is concluded.
        """
        await self._reconciler.refresh()

    def look(self) -> None:
        """Ask about orders that the broker took and has not told of since; to be called now and then."""
        self._reconciler.look()

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
        return self._sending.is_busy or self._parts.journal.is_busy

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
            self._sending.place(managed, request)
            self._parts.bus.tell(OrderMoved(managed))

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
            self._sending.end_stray(managed, told)
        self._book(managed.order.order_id, lambda: self.book.hear_order(told, self._parts.timer.now_ns()))
        self.adopt(managed)
        self._sending.cancel_if_wanted(managed)
        if managed.overfilled:
            self.call(managed.order.order_id, "the broker tells of more than was ordered")

    def hear_trade(self, trade: BrokerTrade) -> None:
        if self.book.knows_broker_order(trade.broker_order_id):
            self._book_trade(trade)
        else:
            self._orphans.setdefault(trade.broker_order_id, {})[trade.trade_id] = trade

    def adopt(self, managed: ManagedOrder) -> None:
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
            self.tell(Booked(booking))
        for managed in changes.moved:
            self.tell(OrderMoved(managed))
            if managed.order.status.is_final:
                self._sending.forget(managed.order.order_id)
        done = self._parts.journal.enqueue(self._parts.store.rows(changes), self._parts.lease)

        def tell(written: asyncio.Future[None]) -> None:
            if written.cancelled():
                return
            error = written.exception()
            if isinstance(error, LeaseLostError):
                return  # told once, for the whole account
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
        known = self._sending.find(order_id)
        return self._entered_ns if known is None else known.sent_ns or self._entered_ns

    def is_changing(self, order_id: str) -> bool:
        """Whether a change of an order waits to be sent, or for its answer."""
        known = self._sending.find(order_id)
        return known is not None and known.change_under_way

    def call(self, subject: str, reason: str) -> None:
        self._parts.bus.tell(PersonNeeded(self.account_id, subject, reason))

    def tell(self, heard: Heard) -> None:
        for listener in self._listeners:
            listener(heard)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Have it done beside all else, until the desk is left."""
        if self._closed:
            work.close()
            return
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Future[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        self._fault = repr(error)
        self.call(
            "desk", f"a part of the desk stopped, nothing new is opened until it starts anew: {error!r}"
        )
