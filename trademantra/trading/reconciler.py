"""What nobody told: the broker's books are asked after every gap, and each UNKNOWN order by its tag until it is settled.

ABSENT is concluded only from books that were read, twice, long enough after the sending; a book that cannot be read says
nothing, nor does one of another day.  A person is called when an order's state has not been known for a minute.
"""

from collections.abc import Coroutine
from typing import Protocol

from trademantra.brokers.errors import BrokerError, SessionExpiredError
from trademantra.brokers.events import SessionState
from trademantra.brokers.orders import BrokerOrder, BrokerTrade
from trademantra.core.order import OrderStatus
from trademantra.core.time import NANOSECONDS_PER_SECOND, ist_date
from trademantra.trading.desk_parts import DeskParts
from trademantra.trading.orders import Changes, ManagedOrder, OrderBook

_S = OrderStatus
_FIRST_QUESTION_NS = NANOSECONDS_PER_SECOND
_LONGEST_BETWEEN_NS = 10 * NANOSECONDS_PER_SECOND
_ABSENT_AFTER_NS = 10 * NANOSECONDS_PER_SECOND  # a request that was under way has arrived or died by then
_ABSENT_READINGS = 2
_CALL_A_PERSON_NS = 60 * NANOSECONDS_PER_SECOND


class Desk(Protocol):
    """The account's desk, as far as it is needed here."""

    def sent_ns(self, order_id: str) -> int: ...

    def hear_order(self, told: BrokerOrder) -> None: ...

    def hear_trade(self, trade: BrokerTrade) -> None: ...

    def write(self, changes: Changes) -> None: ...

    def call(self, subject: str, reason: str) -> None: ...

    def spawn(self, work: Coroutine[None, None, None]) -> None: ...


class Reconciler:
    """Of one account."""

    def __init__(self, book: OrderBook, parts: DeskParts, desk: Desk) -> None:
        self._book, self._parts, self._desk = book, parts, desk
        self._asking: set[str] = set()
        self._refreshing = False
        self.is_failing = False  # the books could not be read the last time
        self.has_read = False
        """Whether the books were read since the start: before, what an earlier process left under way is not known."""

    async def refresh(self) -> None:
        """Ask the broker for its books and follow them; then find out what became of every UNKNOWN order.

        Errors: `BrokerError` when the books cannot be read: then nothing is concluded.
        """
        adapter = self._parts.adapter
        if adapter.session is not SessionState.ACTIVE:
            return
        orders, trades = await adapter.orders(), await adapter.trades()
        self.has_read, self.is_failing = True, False
        for told in orders:
            self._desk.hear_order(told)
        for trade in trades:
            self._desk.hear_trade(trade)
        today = ist_date(self._parts.timer.now_ns())
        shown = {told.broker_order_id for told in orders}
        for managed in self._book.working():
            status = managed.order.status
            if status is _S.JOURNALED or status is _S.SENT:
                continue  # on its way out just now
            if ist_date(managed.created_ns) < today and managed.order.broker_order_id not in shown:
                self._outlived(managed)
            elif status is _S.UNKNOWN:
                self.find_out(managed.order.order_id)

    def _outlived(self, managed: ManagedOrder) -> None:
        """An order of an earlier day has ended, and today's books do not say what of it filled: nobody can know from here."""
        order = managed.order
        self._desk.write(self._book.changing(order.order_id, _S.EXPIRED, self._parts.timer.now_ns()))
        self._desk.call(
            order.order_id,
            f"its end on {ist_date(managed.created_ns)} was not heard ({order.status} then): {order.side} {order.open_quantity} "
            f"{order.instrument.key} may have filled; compare the position with the broker's",
        )

    def find_out(self, order_id: str) -> None:
        if order_id not in self._asking:
            self._asking.add(order_id)
            self._desk.spawn(self._ask(order_id))

    async def _ask(self, order_id: str) -> None:
        """Ask by tag until the broker's answer settles it."""
        timer, managed = self._parts.timer, self._book[order_id]
        begun, missing, pause, called = timer.now_ns(), 0, _FIRST_QUESTION_NS, False
        sent_ns = self._desk.sent_ns(order_id)
        try:
            while managed.order.status in (_S.UNKNOWN, _S.CANCELLING, _S.MODIFYING):
                await timer.until(timer.now_ns() + pause)
                pause = min(2 * pause, _LONGEST_BETWEEN_NS)
                try:
                    found = await self._parts.adapter.orders_by_tag(managed.tag)
                except BrokerError as error:
                    found, missing = (), 0  # a book that was not read says nothing
                    if isinstance(error, SessionExpiredError) and not called:
                        called = True
                        self._desk.call(order_id, "its state is not known, and the account is not logged in")
                else:
                    for told in found:
                        self._desk.hear_order(told)
                    missing = 0 if found else missing + 1
                late = timer.now_ns() - sent_ns >= _ABSENT_AFTER_NS
                if missing and ist_date(managed.created_ns) < ist_date(timer.now_ns()):
                    self._outlived(managed)  # a book of another day says nothing of it
                    return
                if managed.order.status is _S.UNKNOWN and missing >= _ABSENT_READINGS and late:
                    self._desk.write(
                        self._book.absent(order_id, "the broker's book does not have it", timer.now_ns())
                    )
                if found and managed.order.status in (_S.CANCELLING, _S.MODIFYING):
                    # the cancellation is under way there, or the order stands as before; its terms were adopted
                    self._desk.write(self._book.unchanged(order_id, timer.now_ns()))
                    break
                if not called and timer.now_ns() - begun >= _CALL_A_PERSON_NS:
                    called = True
                    self._desk.call(
                        order_id, f"its state has not been known for {_CALL_A_PERSON_NS // 10**9} s"
                    )
        finally:
            self._asking.discard(order_id)

    def refresh_soon(self) -> None:
        if not self._refreshing:
            self._refreshing = True
            self._desk.spawn(self._refresh_until_read())

    async def _refresh_until_read(self) -> None:
        """After a login or a broken stream: the books, again and again until they can be read."""
        timer, pause, called = self._parts.timer, _FIRST_QUESTION_NS, False
        begun = timer.now_ns()
        try:
            while self._parts.adapter.session is SessionState.ACTIVE:
                try:
                    await self.refresh()
                except BrokerError as error:
                    self.is_failing = True
                    if not called and timer.now_ns() - begun >= _CALL_A_PERSON_NS:
                        called = True
                        self._desk.call("books", f"the broker's books cannot be read: {error}")
                else:
                    return
                await timer.until(timer.now_ns() + pause)
                pause = min(2 * pause, _LONGEST_BETWEEN_NS)
        finally:
            self._refreshing = False
