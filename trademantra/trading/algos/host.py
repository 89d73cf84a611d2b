"""The algorithms of one account: they hear of orders, fills, prices and time, and their steps are carried out.

Invariants:
- a spec is on its way into the journal before the first order of its algorithm, and so is what it must not forget before
  anything that depends on it; the journal keeps that order;
- an algorithm is not asked again while something that it asked for is still being taken in;
- what a step asks for follows from its spec, its memory, its orders, prices and time: a new process that loads them
  asks for the same.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self

from trademantra.core.errors import NotFoundError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND
from trademantra.engine.records import Reason
from trademantra.kit.bus import Bus
from trademantra.kit.database import Database
from trademantra.kit.lease import Lease, LeaseLostError
from trademantra.kit.timer import Timer
from trademantra.trading.algos.doing import Doer
from trademantra.trading.algos.events import AlgoEnded, AlgoEvent
from trademantra.trading.algos.hours import TradingHours
from trademantra.trading.algos.running import Running
from trademantra.trading.algos.store import begun, ids_since, remembered, unfinished
from trademantra.trading.algos.telling import child_of, entry_gone, fill_of, protected
from trademantra.trading.algos.trader import Trader
from trademantra.trading.algos.view import Action, AlgoSpec, Memory, Price, View
from trademantra.trading.desk_events import Booked, ChangeRefused, Heard, OrderMoved, PersonNeeded
from trademantra.trading.journal import Change, JournalFailedError, OrderJournal
from trademantra.trading.orders import Booking

_REMEMBERED_NS = 7 * NANOSECONDS_PER_DAY  # so long a name that was used is known
_KEPT_NS = 60 * NANOSECONDS_PER_MINUTE  # after its end: a late fill gives an algorithm work again
_GONE = "its strategy has held nothing for half a minute that it could close: other orders did; it ended"
_LOOK_AGAIN_NS = NANOSECONDS_PER_SECOND  # after something was asked for, whatever became of it


def _no_price(_: Instrument) -> Price | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgoParts:
    """What the algorithms of an account work with.  `owner` is called with what happens, in order; it must not raise.

    `price_of` answers with the newest price of an instrument, for algorithms that begin between two of its prices.
    """

    database: Database
    journal: OrderJournal
    lease: Lease
    timer: Timer
    bus: Bus
    owner: Callable[[AlgoEvent], None]
    hours: TradingHours = field(default_factory=TradingHours)
    price_of: Callable[[Instrument], Price | None] = _no_price


class AlgoBook:
    """Use as `async with`, inside that of the account's desk: entering goes on with what had work at the last end.

    Make it before the event loop runs again after the desk was entered: it hears from then on.
    """

    def __init__(self, trader: Trader, parts: AlgoParts) -> None:
        self._trader, self._parts = trader, parts
        self._doer = Doer(trader, parts.timer, self._call)
        self._runs: dict[str, Running] = {}
        self._done: dict[str, Running] = {}  # those that ended within the last hour
        self._ended: deque[tuple[int, str]] = deque()
        self._known: set[str] = set()  # names that were used, by those that are not here any more
        self._of_instrument: dict[str, dict[str, Running]] = {}
        self._prices: dict[str, Price] = {}
        self._due: dict[str, Running] = {}
        self._pump_comes = False
        self._open = False
        self._is_last = False
        self._early: list[Heard] = []  # what was heard before all was loaded
        self._acting: set[asyncio.Task[None]] = set()
        self._clockwork: asyncio.Task[None] | None = None
        self._sooner = asyncio.Event()
        trader.listen(self._hear)

    @property
    def account_id(self) -> str:
        return self._trader.account_id

    async def __aenter__(self) -> Self:
        parts = self._parts
        since_ns = parts.timer.now_ns() - _REMEMBERED_NS
        self._known = set(await ids_since(parts.database, self.account_id, since_ns))
        for stored in await unfinished(parts.database, self.account_id):
            self._add(Running(stored.spec, stored.memory, stored.memory))
        for managed in self._trader.book.all():
            algo_id, child = child_of(managed)
            if algo_id in self._runs:
                self._runs[algo_id].children[child] = None
        self._open = True
        for heard in self._early:
            self._hear(heard)
        self._clockwork = asyncio.ensure_future(self._keep_time())
        for run in self._runs.values():
            self._step_soon(run)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open = False
        self._early.clear()
        tasks = [*self._acting, *([self._clockwork] if self._clockwork is not None else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- asked

    async def start(self, spec: AlgoSpec) -> None:
        """Begin an algorithm; the same name again is the same algorithm, begun once.

        Returns when its spec and its first orders are durable.  Errors: `InvalidValueError` for a spec of another account;
        those of `submit` when none of its first orders was taken: then nothing was sent, and it has ended.
        """
        self._doer.check_account(spec)
        if self.knows(spec.algo_id):
            return
        run = Running(spec, Memory(), Memory())
        self._add(run)
        for instrument in spec.instruments():
            price = self._prices.get(instrument.key) or self._parts.price_of(instrument)
            if price is not None:
                self._prices[instrument.key] = price
        await asyncio.shield(
            asyncio.ensure_future(self._begin(run))
        )  # a caller that gives up leaves nothing half begun

    def leave(self, algo_id: str, reason: Reason) -> None:
        """Leave its position at market, and cancel what is left of its entry.  Twice is once; the first reason stays.

        Errors: `NotFoundError` for an algorithm that does not run.
        """
        run = self._find(algo_id)
        if run.memory.leaving is Reason.NONE:
            run.memory = replace(run.memory, leaving=reason)
        self._step_soon(run)

    def drop(self, algo_id: str) -> None:
        """Take back what has not happened yet: the rest of an entry, slices to come, exits that guard nothing of its own.

        What protects a position that a bracket entered stays.  Errors: `NotFoundError`.
        """
        run = self._find(algo_id)
        run.memory = replace(run.memory, dropped=True)
        self._step_soon(run)

    def leave_alone(self) -> None:
        """Nobody will watch from soon on: of each stop and target that rest for one quantity the stop alone stays.

        A new process that takes the algorithms up watches the targets of those.
        """
        self._is_last = True
        for run in self._runs.values():
            self._step_soon(run)

    def running(self) -> Sequence[AlgoSpec]:
        """Those that have work, oldest first."""
        return [run.spec for run in self._runs.values()]

    def knows(self, algo_id: str) -> bool:
        """Whether the name was used, by one that runs or that has ended within some days."""
        return algo_id in self._runs or algo_id in self._done or algo_id in self._known

    def on_price(
        self, instrument: Instrument, last: float, high: float, low: float, volume: float, bid: float, ask: float, at_ns: int
    ) -> None:  # fmt: skip
        """A price event, with what traded in it (`volume` is not that of the day).  NaN: not known."""
        runs = self._of_instrument.get(instrument.key)
        if not runs:
            return
        price = self._prices[instrument.key] = Price(last, high, low, volume, bid, ask, at_ns)
        for run in runs.values():
            run.memory = run.spec.heard(run.memory, price)
            self._step_soon(run)

    def wake(self) -> None:
        """Step every algorithm whose instant has come.  The own clock does so too; replays call it when they move theirs."""
        now_ns = self._parts.timer.now_ns()
        for run in self._runs.values():
            if run.wake_ns is not None and run.wake_ns <= now_ns:
                run.wake_ns = None
                self._step_soon(run)

    async def settled(self) -> None:
        """Return when everything that is to be asked for now has been taken in by the desk, or was refused."""
        self.wake()
        self._pump()
        while self._acting:
            await asyncio.wait(self._acting)
            self._pump()

    def reference_price(self, instrument: Instrument) -> Decimal | None:
        """The newest price that is known here; None: none is."""
        price = self._prices.get(instrument.key) or self._parts.price_of(instrument)
        return None if price is None else price.decimal

    @property
    def is_busy(self) -> bool:
        """Whether a step is due, or what one asked for is still being taken in."""
        return bool(self._due or self._acting)

    # -- heard

    def _hear(self, heard: Heard) -> None:
        if not self._open:
            self._early.append(heard)
            return
        if isinstance(heard, Booked):
            self._held_moved(heard.booking)
        order_id = heard.booking.order.order_id if isinstance(heard, Booked) else heard.order.order.order_id
        managed = self._trader.book[order_id]
        algo_id, child = child_of(managed)
        run = self._runs.get(algo_id) or self._done.get(algo_id)
        if run is None:
            return
        run.children[child] = None
        if isinstance(heard, ChangeRefused):
            run.change_refused(order_id)
        elif isinstance(heard, OrderMoved):
            rests = protected(run, child, managed)
            if rests is not None:
                self._parts.owner(rests)
        else:
            self._hear_fill(run, child, heard)
        self._step_soon(run)

    def _held_moved(self, booking: Booking) -> None:
        """Any fill of the strategy may make room for exits that found too little to close: in a reversal that of the old
        exit, heard after that of the new entry."""
        key = booking.key
        for run in self._of_instrument.get(key.instrument_key, {}).values():
            if run.spec.strategy_id == key.strategy_id and run.spec.product is key.product:
                run.held_moved()
                self._step_soon(run)

    def _hear_fill(self, run: Running, child: str, heard: Booked) -> None:
        if run.spec.algo_id in self._done:
            del self._done[run.spec.algo_id]
            self._add(run)
            self._write(remembered(run.spec, run.memory))
        told = fill_of(run, child, heard.booking, self._view(run))
        if told is not None:
            run.memory = run.spec.filled(run.memory, child, float(told.price), told.at_ns)
            self._parts.owner(told)

    # -- stepped

    def _step_soon(self, run: Running) -> None:
        self._due[run.spec.algo_id] = run
        if not self._pump_comes:
            self._pump_comes = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Step what is due and not busy, in the order in which it became due."""
        self._pump_comes = False
        if not self._open or not self._doer.goes_on:
            return
        for run in [run for run in self._due.values() if not run.busy]:
            del self._due[run.spec.algo_id]
            if run.spec.algo_id in self._runs:
                actions = self._stepped(run)
                if actions:
                    run.busy = True
                    task = asyncio.ensure_future(self._act(run, actions))
                    self._acting.add(task)
                    task.add_done_callback(self._acted)

    def _stepped(self, run: Running) -> Sequence[Action]:
        """What a step asks for; what it must not forget is on its way into the journal."""
        now_ns, view = self._parts.timer.now_ns(), self._view(run)
        gone = entry_gone(run, view)
        if gone is not None:
            run.memory = replace(run.memory, gone_told=True)
            self._parts.owner(gone)
        step = run.spec.step(run.memory, view)
        run.memory = step.memory
        if step.person and step.person not in run.told:
            run.told.add(step.person)
            self._call(run.spec.algo_id, step.person)
        actions = [action for action in step.actions if run.may(action, now_ns)]
        if step.ended and not actions:
            self._finish(run, step.ended)
            return ()
        if run.memory != run.stored and (actions or _wish(run.memory) != _wish(run.stored)):
            self._write(remembered(run.spec, run.memory))
            run.stored = run.memory
        soonest = [
            step.wake_ns,
            run.again_ns(now_ns),
            self._opens_ns(run),
            now_ns + _LOOK_AGAIN_NS if actions else None,
        ]
        self._wake_at(run, min((at_ns for at_ns in soonest if at_ns is not None), default=None))
        return actions

    async def _begin(self, run: Running) -> None:
        spec = run.spec
        written = self._write(begun(spec, run.memory, self._parts.timer.now_ns()))
        actions = self._stepped(run)
        run.busy = True
        try:
            errors = await self._doer.do(run, actions, self._prices, self._opens_ns(run))
        finally:
            run.busy = False
        if errors and len(errors) == len(actions):
            self._finish(run, f"not taken: {errors[0]}")
            raise errors[0]
        self._step_soon(run)
        try:
            await written
        except (JournalFailedError, LeaseLostError):
            run.memory = replace(run.memory, dropped=True)  # a restart would not know it
            raise

    async def _act(self, run: Running, actions: Sequence[Action]) -> None:
        try:
            errors = await self._doer.do(run, actions, self._prices, self._opens_ns(run))
        finally:
            run.busy = False
        now_ns = self._parts.timer.now_ns()
        if errors and self._is_over(run, now_ns):
            self._call(run.spec.algo_id, _GONE)
            self._finish(run, _GONE)
            return
        self._wake_at(run, run.again_ns(now_ns))
        if errors and (run.has_new_refusals() or _wish(run.memory) != _wish(run.stored)):
            self._step_soon(run)

    def _acted(self, task: "asyncio.Task[None]") -> None:
        self._acting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._call("algorithms", f"a step could not be carried out: {task.exception()!r}")
        if self._open:
            self._pump()

    def _is_over(self, run: Running, now_ns: int) -> bool:
        """Whether its position is gone for good: no order of its strategy works that could bring it back.

        Of several legs one may be gone while others are there.
        """
        [instrument, *more] = run.spec.instruments()
        return (
            run.is_without_position(now_ns)
            and not more
            and not any(
                managed.strategy_id == run.spec.strategy_id and managed.order.instrument.key == instrument.key
                for managed in self._trader.book.working()
            )
        )

    def _finish(self, run: Running, text: str) -> None:
        run.wake_ns = None
        now_ns = self._parts.timer.now_ns()
        self._done[run.spec.algo_id] = self._runs.pop(run.spec.algo_id)
        self._ended.append((now_ns, run.spec.algo_id))
        while now_ns - self._ended[0][0] >= _KEPT_NS:
            _, gone = self._ended.popleft()
            if self._done.pop(gone, None) is not None:
                self._known.add(gone)
        for instrument in run.spec.instruments():
            self._of_instrument[instrument.key].pop(run.spec.algo_id, None)
        self._write(remembered(run.spec, run.memory, text, now_ns))
        self._parts.owner(AlgoEnded(algo_id=run.spec.algo_id, strategy_id=run.spec.strategy_id, text=text))

    # -- time

    def _wake_at(self, run: Running, at_ns: int | None) -> None:
        if at_ns is not None and (run.wake_ns is None or at_ns < run.wake_ns):
            run.wake_ns = at_ns
            self._sooner.set()

    async def _keep_time(self) -> None:
        while True:
            self._sooner.clear()
            soonest = min(
                (run.wake_ns for run in self._runs.values() if run.wake_ns is not None), default=None
            )
            waiting: list[asyncio.Future[object]] = [asyncio.ensure_future(self._sooner.wait())]
            if soonest is not None:
                waiting.append(asyncio.ensure_future(_after(self._parts.timer, soonest)))
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waiting:
                    each.cancel()
            self.wake()

    def _opens_ns(self, run: Running) -> int | None:
        """When to look again because an exchange does not trade now; None while all of them do."""
        now_ns = self._parts.timer.now_ns()
        opening = [self._parts.hours.opens_ns(instrument, now_ns) for instrument in run.spec.instruments()]
        return min((at_ns for at_ns in opening if at_ns is not None), default=None)

    # -- inside

    def _view(self, run: Running) -> View:
        now_ns = self._parts.timer.now_ns()
        return run.view(
            self._trader.book,
            self._prices,
            now_ns,
            continuous=self._opens_ns(run) is None,
            is_last=self._is_last,
        )

    def _add(self, run: Running) -> None:
        self._runs[run.spec.algo_id] = run
        for instrument in run.spec.instruments():
            self._of_instrument.setdefault(instrument.key, {})[run.spec.algo_id] = run

    def _find(self, algo_id: str) -> Running:
        run = self._runs.get(algo_id)
        if run is None:
            raise NotFoundError(f"no algorithm {algo_id} runs in account {self.account_id}")
        return run

    def _write(self, rows: Sequence[Change]) -> "asyncio.Future[None]":
        done = self._parts.journal.enqueue(rows, self._parts.lease)
        done.add_done_callback(self._written)
        return done

    def _written(self, done: "asyncio.Future[None]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None and not isinstance(error, LeaseLostError):  # that is told of the account, once
            self._call("journal", f"the state of an algorithm was not written: {error}")

    def _call(self, subject: str, reason: str) -> None:
        self._parts.bus.tell(PersonNeeded(self.account_id, subject, reason))


def _wish(memory: Memory) -> tuple[Reason, bool]:
    return memory.leaving, memory.dropped


async def _after(timer: Timer, instant_ns: int) -> object:
    await timer.until(instant_ns)
    return None
