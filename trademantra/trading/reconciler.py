"""What nobody told: the broker's books are asked after every gap, and for each UNKNOWN order's tag until it is settled.

ABSENT is concluded only from books that were read, twice, long enough after the sending; a book that cannot be read says
nothing, nor does one of another day.  A person is called when an order's state has not been known for a minute.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from trademantra.brokers.errors import BrokerError, SessionExpiredError
from trademantra.brokers.events import SessionState
from trademantra.brokers.orders import BrokerOrder, BrokerTrade
from trademantra.core.order import OrderStatus
from trademantra.core.time import NANOSECONDS_PER_SECOND, ist_date
from trademantra.kit.timer import Timer
from trademantra.trading.desk_parts import DeskParts
from trademantra.trading.orders import Changes, ManagedOrder, OrderBook

_S = OrderStatus
_FIRST_QUESTION_NS = NANOSECONDS_PER_SECOND
_LONGEST_BETWEEN_NS = 10 * NANOSECONDS_PER_SECOND
_ABSENT_AFTER_NS = 10 * NANOSECONDS_PER_SECOND  # a request that was under way has arrived or died by then
_ABSENT_READINGS = 2
_UNHEARD_NS = (
    30 * NANOSECONDS_PER_SECOND
)  # the broker took it; by then it has told of it, or its news is lost
_CALL_A_PERSON_NS = 60 * NANOSECONDS_PER_SECOND


class Desk(Protocol):
    """The account's desk, as far as it is needed here."""

    def sent_ns(self, order_id: str) -> int: ...

    def is_changing(self, order_id: str) -> bool: ...

    def hear_order(self, told: BrokerOrder) -> None: ...

    def hear_trade(self, trade: BrokerTrade) -> None: ...

    def write(self, changes: Changes) -> None: ...

    def call(self, subject: str, reason: str) -> None: ...

    def spawn(self, work: Coroutine[None, None, None]) -> None: ...


@dataclass(slots=True)
class _Question:
    """An order whose state is to be found out.  `missing`: readings in a row that did not show it."""

    managed: ManagedOrder
    sent_ns: int
    begun_ns: int
    due_ns: int
    pause_ns: int = _FIRST_QUESTION_NS
    missing: int = 0
    called: bool = False

    @property
    def is_open(self) -> bool:
        return self.managed.order.status in (_S.UNKNOWN, _S.CANCELLING, _S.MODIFYING)


class Reconciler:
    """Of one account."""

    def __init__(self, book: OrderBook, parts: DeskParts, desk: Desk) -> None:
        self._book, self._parts, self._desk = book, parts, desk
        self._questions: dict[str, _Question] = {}
        self._looking = False
        self._sooner = asyncio.Event()
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

    def look(self) -> None:
        """An order that the broker took, and that nobody told of since, may have filled, or may not be there at all."""
        now_ns = self._parts.timer.now_ns()
        if self._parts.adapter.session is not SessionState.ACTIVE:
            return
        for managed in self._book.working():
            order = managed.order
            if order.status is not _S.SENT or order.broker_order_id is None:
                continue
            if now_ns - self._desk.sent_ns(order.order_id) >= _UNHEARD_NS:
                self._desk.write(self._book.changing(order.order_id, _S.UNKNOWN, now_ns))
                self.find_out(order.order_id)

    def find_out(self, order_id: str) -> None:
        """Ask about an order until the broker's answer settles it."""
        if order_id not in self._questions:
            now_ns = self._parts.timer.now_ns()
            self._questions[order_id] = _Question(
                self._book[order_id], self._desk.sent_ns(order_id), now_ns, now_ns + _FIRST_QUESTION_NS
            )
            self._sooner.set()
        if not self._looking:
            self._looking = True
            self._desk.spawn(self._look_until_settled())

    async def _look_until_settled(self) -> None:
        """Look at the broker's book whenever a question is due: one reading answers all that are asked."""
        timer = self._parts.timer
        try:
            while self._questions:
                await self._until(min(question.due_ns for question in self._questions.values()))
                self._questions = {name: each for name, each in self._questions.items() if each.is_open}
                asked = list(self._questions.values())
                if not asked or min(question.due_ns for question in asked) > timer.now_ns():
                    continue
                found, error = await self._read([question.managed.tag for question in asked])
                for question in asked:
                    self._questions.pop(question.managed.order.order_id, None)
                    if error is not None:
                        self._unread(question, error)
                    elif self._settle(question, found.get(question.managed.tag, ())):
                        continue
                    self._wait_longer(question)
        finally:
            self._looking = False

    async def _until(self, due_ns: int) -> None:
        """Until then, or until there is another question."""
        self._sooner.clear()
        waiting: list[asyncio.Future[object]] = [
            asyncio.ensure_future(self._sooner.wait()),
            asyncio.ensure_future(_after(self._parts.timer, due_ns)),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    async def _read(
        self, tags: Sequence[str]
    ) -> tuple[Mapping[str, Sequence[BrokerOrder]], BrokerError | None]:
        """What the broker's book has of these tags; with an error nothing was read, which says nothing."""
        adapter = self._parts.adapter
        found: dict[str, list[BrokerOrder]] = {tag: [] for tag in tags}
        try:
            orders = await (adapter.orders_by_tag(tags[0]) if len(tags) == 1 else adapter.orders())
        except BrokerError as error:
            return found, error
        for told in orders:
            if told.tag in found:
                found[told.tag].append(told)
        return found, None

    def _unread(self, question: "_Question", error: BrokerError) -> None:
        question.missing = 0
        if isinstance(error, SessionExpiredError) and not question.called:
            question.called = True
            self._desk.call(
                question.managed.order.order_id, "its state is not known, and the account is not logged in"
            )

    def _settle(self, question: "_Question", found: Sequence[BrokerOrder]) -> bool:
        """Follow what the book has of an order; whether nothing more is to be asked."""
        timer, managed, order_id = self._parts.timer, question.managed, question.managed.order.order_id
        for told in found:
            self._desk.hear_order(told)
        question.missing = 0 if found else question.missing + 1
        if question.missing and ist_date(managed.created_ns) < ist_date(timer.now_ns()):
            self._outlived(managed)  # a book of another day says nothing of it
            return True
        late = timer.now_ns() - question.sent_ns >= _ABSENT_AFTER_NS
        if managed.order.status is _S.UNKNOWN and question.missing >= _ABSENT_READINGS and late:
            self._desk.write(
                self._book.absent(order_id, "the broker's book does not have it", timer.now_ns())
            )
        if found and managed.order.status in (_S.CANCELLING, _S.MODIFYING):
            if self._desk.is_changing(order_id):
                return False  # the change has not been answered, perhaps not even sent
            # the cancellation is under way there, or the order stands as before; its terms were adopted
            self._desk.write(self._book.unchanged(order_id, timer.now_ns()))
            return True
        return not question.is_open

    def _wait_longer(self, question: "_Question") -> None:
        now_ns, order_id = self._parts.timer.now_ns(), question.managed.order.order_id
        if not question.called and now_ns - question.begun_ns >= _CALL_A_PERSON_NS:
            question.called = True
            self._desk.call(order_id, f"its state has not been known for {_CALL_A_PERSON_NS // 10**9} s")
        question.pause_ns = min(2 * question.pause_ns, _LONGEST_BETWEEN_NS)
        question.due_ns = now_ns + question.pause_ns
        self._questions[order_id] = question

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


async def _after(timer: Timer, instant_ns: int) -> object:
    await timer.until(instant_ns)
    return None
