"""What leaves for the broker: new orders, changes and cancellations of one account, and what its answers make of them.

Invariants:
- an order is sent once; without an answer its state is asked for by its tag, never sent again;
- one that was to be cancelled is not sent any more, or is cancelled as soon as it rests;
- an exit, or a change of one, that came too fast for the broker was not taken and is sent again, three times within four seconds;
- where an adapter falls over, what it was asked for counts as sent without an answer.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol

from trademantra.brokers.errors import BrokerError, BrokerUnavailableError, RateLimitedError
from trademantra.brokers.orders import (
    Accepted,
    BrokerOrder,
    OrderChange,
    OrderRequest,
    PlaceResult,
    Refused,
    Unknown,
)
from trademantra.core.order import OrderStatus
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.kit.lease import LeaseLostError
from trademantra.trading.desk_events import ChangeRefused
from trademantra.trading.desk_parts import DeskParts
from trademantra.trading.intents import Purpose
from trademantra.trading.journal import JournalFailedError
from trademantra.trading.managed_order import ManagedOrder
from trademantra.trading.orders import Changes, OrderBook
from trademantra.trading.outbox import Outbox, Rank
from trademantra.trading.reconciler import Reconciler

_S = OrderStatus
_MOST_CANCELS = 5
_TOO_FAST_NS = tuple(
    seconds * NANOSECONDS_PER_SECOND for seconds in (1, 1, 2)
)  # then it is rejected, and told
_NO_ANSWER = Unknown("the adapter fell over before it had an answer")
RESTING = frozenset({_S.OPEN, _S.TRIGGER_PENDING, _S.PARTLY_FILLED})


class Desk(Protocol):
    """The account's desk, as far as it is needed here."""

    def adopt(self, managed: ManagedOrder) -> None: ...

    def write(self, changes: Changes) -> None: ...

    def tell(self, heard: ChangeRefused) -> None: ...

    def call(self, subject: str, reason: str) -> None: ...

    def fail(self, error: BaseException) -> None: ...

    def spawn(self, work: Coroutine[None, None, None]) -> None: ...


@dataclass(slots=True)
class Sent:
    """What only the running desk knows of an order."""

    cancel_wanted: bool = False
    cancel_under_way: bool = False
    cancels: int = 0
    change_under_way: bool = False
    sent_ns: int = 0
    too_fast: int = 0


class Sending:
    """Of one account."""

    def __init__(self, book: OrderBook, parts: DeskParts, desk: Desk, reconciler: Reconciler) -> None:
        self._book, self._parts, self._desk, self._reconciler = book, parts, desk, reconciler
        self._outbox = Outbox(parts.limiter, parts.lease, parts.timer, desk.fail)
        self._sent: dict[str, Sent] = {}

    async def run(self) -> None:
        """Send until it is cancelled, or the lease is lost for good."""
        await self._outbox.run()

    @property
    def is_busy(self) -> bool:
        """Whether anything waits or is on its way."""
        return self._outbox.is_busy

    def of(self, order_id: str) -> Sent:
        return self._sent.setdefault(order_id, Sent())

    def find(self, order_id: str) -> Sent | None:
        return self._sent.get(order_id)

    def forget(self, order_id: str) -> None:
        """It has ended."""
        self._sent.pop(order_id, None)

    def place(self, managed: ManagedOrder, request: OrderRequest) -> None:
        rank = Rank.EXIT if managed.purpose is Purpose.EXIT else Rank.ENTRY
        self._outbox.put(rank, self._sender(managed, request))

    def change(self, managed: ManagedOrder, terms: OrderChange) -> None:
        """It rests, and is MODIFYING from now on."""
        self.of(managed.order.order_id).change_under_way = True
        self._book.changing(managed.order.order_id, _S.MODIFYING, self._parts.timer.now_ns())
        rank = Rank.EXIT if managed.purpose is Purpose.EXIT else Rank.CANCEL
        self._outbox.put(rank, self._changer(managed, terms))

    def _sender(self, managed: ManagedOrder, request: OrderRequest) -> Callable[[], Awaitable[None]]:
        async def send() -> None:
            order_id, parts = managed.order.order_id, self._parts
            known = self.of(order_id)
            if known.cancel_wanted:
                self._desk.write(self._book.changing(order_id, _S.CANCELLED, parts.timer.now_ns()))
                return
            known.sent_ns = parts.timer.now_ns()
            if managed.order.status is _S.JOURNALED:
                self._book.sending(order_id, known.sent_ns)
            result: PlaceResult | None = _NO_ANSWER
            try:
                result = await self._unless_too_fast(managed, parts.adapter.place(request), send)
            finally:  # also where the adapter fell over: whether the request left, only the broker can tell
                if result is not None:
                    self._placed(managed, result)

        return send

    def _placed(self, managed: ManagedOrder, result: PlaceResult) -> None:
        order_id = managed.order.order_id
        self._desk.write(self._book.answered(order_id, result, self._parts.timer.now_ns()))
        self._desk.adopt(managed)
        if managed.order.status is _S.UNKNOWN:
            self._reconciler.find_out(order_id)
        else:
            self.cancel_if_wanted(managed)

    async def _unless_too_fast(
        self, managed: ManagedOrder, request: Awaitable[PlaceResult], send: Callable[[], Awaitable[None]]
    ) -> PlaceResult | None:
        """As `_answer`; None where the broker did not take it, for it came too fast, and `send` will be tried again."""
        known = self.of(managed.order.order_id)
        try:
            result = await self._answer(request)
        except RateLimitedError as error:
            if managed.purpose is not Purpose.EXIT or known.too_fast == len(_TOO_FAST_NS):
                return Refused(str(error), error.broker_code)
            self._desk.spawn(self._put_later(_TOO_FAST_NS[known.too_fast], send))
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

    def cancel_if_wanted(self, managed: ManagedOrder) -> None:
        """An order that was to be cancelled turned out to rest at the broker."""
        known = self._sent.get(managed.order.order_id)
        if known is None:
            return
        if known.cancel_wanted and not known.cancel_under_way and managed.order.status in RESTING:
            known.cancel_under_way = True
            self._desk.spawn(self.cancel(managed))

    def _changer(self, managed: ManagedOrder, change: OrderChange) -> Callable[[], Awaitable[None]]:
        async def send() -> None:
            order_id, parts = managed.order.order_id, self._parts
            known = self.of(order_id)
            broker_order_id = managed.order.broker_order_id
            if (
                managed.order.status is not _S.MODIFYING or broker_order_id is None
            ):  # it ended, or an answer came first
                known.change_under_way = False
                self._refuse_change(managed, f"the order was {managed.order.status} before the change left")
                return
            if known.cancel_wanted:
                known.change_under_way = False
                self._desk.write(self._book.unchanged(order_id, parts.timer.now_ns()))
                self._refuse_change(managed, "the order is being cancelled")
                self.cancel_if_wanted(managed)
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
            self._desk.write(self._book.changed(order_id, change, now_ns))
        elif isinstance(result, Refused):
            self._desk.write(self._book.unchanged(order_id, now_ns))
            self._refuse_change(managed, result.reason)
        else:
            self._reconciler.find_out(order_id)
        self.cancel_if_wanted(managed)

    def _refuse_change(self, managed: ManagedOrder, reason: str) -> None:
        """Whoever asked for a change hears that it did not come through, and may ask again."""
        refused = ChangeRefused(managed, reason)
        self._desk.tell(refused)
        self._parts.bus.tell(refused)

    async def cancel(self, managed: ManagedOrder) -> None:
        """Ask for its end at the broker.  Errors: `JournalFailedError`, `LeaseLostError`: nothing was sent."""
        order_id, parts = managed.order.order_id, self._parts
        known = self.of(order_id)
        known.cancel_under_way = True
        if managed.order.status in RESTING:
            changes = self._book.changing(order_id, _S.CANCELLING, parts.timer.now_ns())
            try:
                await parts.journal.write(parts.store.rows(changes), parts.lease)
            except (JournalFailedError, LeaseLostError):  # nothing was sent: it may be asked for again
                known.cancel_wanted = known.cancel_under_way = False
                raise

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
                        self._desk.call(order_id, f"it could not be cancelled: {result.reason}")
                    self._reconciler.find_out(
                        order_id
                    )  # too late, or not known: the broker's book says what holds

        self._outbox.put(Rank.CANCEL, send)

    def end_stray(self, managed: ManagedOrder, told: BrokerOrder) -> None:
        """The desk gave an order up that the broker never showed, and now it is there: its request was very late."""
        order_id, number = managed.order.order_id, told.broker_order_id
        self._desk.call(
            order_id,
            f"it was given up as {managed.order.status} and is at the broker after all; it is cancelled there",
        )

        async def send() -> None:
            try:
                await self._parts.adapter.cancel(number)
            except (BrokerError, LeaseLostError) as error:
                self._desk.call(order_id, f"the broker did not take its cancellation: {error}")

        self._outbox.put(Rank.CANCEL, send)
