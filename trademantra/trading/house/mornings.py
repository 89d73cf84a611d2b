"""The mornings of a session on daily bars: at each open its runs are told of the days that ended, and the newest is decided on.

As a back-test has it: a day is decided on at its close, and the orders go at the next day's open.  The bars are the
broker's history, for the day that just ended is known to nobody else as the exchange counted it.

Invariants:
- a run is told of each day once and in order: the day begins, what filled in it, its bar;
- fills of a day that begins wait until the run has been told of the days before it;
- entries are wanted of the newest day alone, and only until `DECIDES_NS` after the open; ways out go whenever they are known.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from trademantra.brokers.errors import BrokerError
from trademantra.core.bar import Bar
from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND
from trademantra.data.resample import SessionSpan
from trademantra.engine.live.wants import LiveFill, LiveSession, Want
from trademantra.trading.house.daily_history import DAY, DailyHistory, EndedDay, Unheard, day_before
from trademantra.trading.house.session_spec import SessionParts, SessionSpec
from trademantra.trading.house.too_late import DECIDES_NS, ways_out
from trademantra.trading.runner.run_log import BarsClosed, LogEntry, SessionBegan, WarmUp
from trademantra.trading.runner.runs import ClosedBar
from trademantra.trading.session.waiting import WaitingWants

_ASKS_BEFORE_NS = 10 * NANOSECONDS_PER_MINUTE
_HOLDS_BEFORE_NS = NANOSECONDS_PER_MINUTE
_STRAGGLERS_NS = 2 * NANOSECONDS_PER_MINUTE  # after the open, when others' bars are there
_ASKS_AGAIN_NS = 20 * NANOSECONDS_PER_SECOND
_ASKS_LATER_NS = 5 * NANOSECONDS_PER_MINUTE  # once it is too late to decide


@dataclass(slots=True)
class _Run:
    """`told`: the newest bar that it was told of each instrument; `day`: the last day that it was told to begin.

    `failed`: why its bars could not be had the last time.  `said`: what the owner was told since the last day,
    `knows_late`: also why nothing is entered on this one.

    `fills`, `unsure`: executions that it is still to be told, and instruments whose entry may be gone, after a restart.
    """

    symbols: Sequence[str]
    told: dict[str, Bar | None]
    day: int = -1
    begun: date | None = None
    found: Unheard | None = None
    found_for: date | None = None
    asked_ns: int = 0
    failed: str = ""
    knows_late: bool = False
    said: set[str] = field(default_factory=set)
    fills: list[LiveFill] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)


class Mornings:
    """Of one session.  `live_session`: a day as runs are told of it; `auction`: pre-open prices of instruments now.

    `deliver` keeps a bar that is decided on; what is wanted goes to `waiting`.
    """

    def __init__(
        self,
        spec: SessionSpec,
        parts: SessionParts,
        waiting: WaitingWants,
        live_session: Callable[[SessionSpan], LiveSession],
        auction: Callable[[Sequence[str], int], dict[str, float]],
        deliver: Callable[[str, Bar], None],
    ) -> None:
        self._spec, self._parts, self._waiting = spec, parts, waiting
        self._live_session, self._auction, self._deliver = live_session, auction, deliver
        self.history = DailyHistory(spec.instruments, parts.history, spec.warm_up_bars)
        self._runs: dict[str, _Run] = {}
        self._asking: asyncio.Task[None] | None = None
        self._has_newest = False  # whether the broker has the last day's bar of any instrument

    # -- what was told before

    def add(self, run_id: str, symbols: Sequence[str], warm_up: WarmUp, log: Sequence[LogEntry]) -> None:
        """A run with what it was told by earlier processes; it hears no fills of a day that it has not begun."""
        told: dict[str, Bar | None] = dict.fromkeys(symbols)
        for symbol, bars in warm_up.bars.items():
            fields = (bars.open, bars.high, bars.low, bars.close, bars.volume)
            told[symbol] = Bar(int(bars.ts[-1]), *(float(each[-1]) for each in fields))
        run = self._runs[run_id] = _Run(symbols, told)
        for entry in log:
            if isinstance(entry, SessionBegan):
                run.day = entry.session.day
            elif isinstance(entry, BarsClosed):
                told |= dict(entry.bars)

    def tell_later(self, run_id: str, fills: Sequence[LiveFill], unsure: Sequence[str]) -> None:
        """Fills of days that the run has not begun, and instruments whose entry may be gone."""
        self._runs[run_id].fills, self._runs[run_id].unsure = list(fills), list(unsure)

    def has_begun(self, run_id: str, today: SessionSpan | None) -> bool:
        """Whether a run was told that the day begins."""
        if today is None:
            return False
        run = self._runs[run_id]
        return run.begun == today.trade_date or run.day == self._live_session(today).day

    # -- the morning

    async def look(self, now_ns: int, today: SessionSpan | None, stopped: Collection[str]) -> None:
        """Ask for bars some minutes before the open; tell runs of them when the day begins."""
        if today is None:
            return
        begins_ns = today.open_ns + min(0, self._spec.begins_minute) * NANOSECONDS_PER_MINUTE
        coming = [
            (run_id, run)
            for run_id, run in self._runs.items()
            if run_id not in stopped and not self.has_begun(run_id, today)
        ]
        for run_id, run in coming:
            if now_ns < begins_ns - _ASKS_BEFORE_NS:
                return
            if now_ns >= begins_ns - _HOLDS_BEFORE_NS:
                self._parts.room.conductor.hold(run_id)
            self._ask(run, now_ns, today)
        for run_id, run in coming:
            if now_ns >= begins_ns and self._is_ready(run, now_ns, today):
                await self._begin(run_id, run, now_ns, today)

    async def close(self) -> None:
        """Nothing is asked for any more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _ask(self, run: _Run, now_ns: int, today: SessionSpan) -> None:
        """One request at a time, beside everything else."""
        is_new = run.found_for != today.trade_date
        again_ns = _ASKS_AGAIN_NS if now_ns < today.open_ns + DECIDES_NS else _ASKS_LATER_NS
        known = not is_new and run.found is not None and not run.found.missing
        if known or (self._asking is not None and not self._asking.done()):
            return
        if is_new or now_ns - run.asked_ns >= again_ns:
            if is_new:
                run.found, run.found_for, run.failed = None, today.trade_date, ""
            run.asked_ns = now_ns
            self._asking = asyncio.ensure_future(self._find(run, today))

    async def _find(self, run: _Run, today: SessionSpan) -> None:
        last = self._last_day(today)
        if last is None:
            self._say(run, f"the trading day before {today.trade_date} is not known; nothing is decided")
            return
        try:
            run.found = await self.history.unheard(run.told, run.symbols, last)
        except BrokerError as error:
            run.failed = error.message
            self._say(
                run, f"daily bars of {_names(run.symbols)} cannot be had: {error.message}; trying again"
            )
            return
        run.failed = ""
        self._has_newest |= len(run.found.missing) < len(run.symbols)

    def _last_day(self, today: SessionSpan) -> date | None:
        return day_before(self._spec.clock, today.trade_date)

    def _is_ready(self, run: _Run, now_ns: int, today: SessionSpan) -> bool:
        """Whether all is known that there will be in time; what is not is said once."""
        found = run.found
        if found is not None and not found.missing:
            return True
        if now_ns >= today.close_ns:
            return True
        if found is not None and self._has_newest and now_ns >= today.open_ns + _STRAGGLERS_NS:
            self._say(run, f"{_names(found.missing)} did not trade on the last day: there is no bar of it")
            return True
        if now_ns >= today.open_ns + DECIDES_NS:
            self._say_too_late(run)
        return False

    def _say_too_late(self, run: _Run) -> None:
        """Why nothing is entered today, as far as it is known: bars that were just asked for may still come."""
        end = "nothing is entered today; what is held stays protected"
        if run.failed:
            self._say(run, f"daily bars of {_names(run.symbols)} could not be had in time: {end}")
        elif run.found is not None:
            self._say(run, f"the broker has no bar of the last day of {_names(run.found.missing)} yet: {end}")
        run.knows_late = bool(run.failed) or run.found is not None

    async def _begin(self, run_id: str, run: _Run, now_ns: int, today: SessionSpan) -> None:
        """Tell a run of the days that it has not heard, and that this one begins."""
        found = run.found or Unheard((), run.symbols, ())
        last = self._last_day(today)
        in_time = now_ns < today.open_ns + DECIDES_NS
        days = list(found.days)
        if found.changed:
            days = []
            self._say(
                run,
                f"the broker changed the past of {_names(found.changed)}, as after a split or a bonus: nothing is decided "
                "any more; close the position and begin a new session",
            )
        elif not in_time and not run.knows_late:
            self._say(run, f"{_names(run.symbols)}: it is too late for the open; nothing is entered today")
        wanted: list[Want] = []
        for day in days:
            if self._live_session(day.span).day < run.day:
                continue  # it came after the day that followed was told
            decides = in_time and day.span.trade_date == last
            wanted += await self._tell_day(run_id, run, day, decides=decides)
        wanted += await self._tell_today(run_id, run, now_ns, today, decides=in_time and not found.changed)
        self._waiting.add({run_id: wanted})
        run.begun, run.found = today.trade_date, None
        run.said.clear()
        run.knows_late = False
        self._has_newest = False
        self._parts.room.conductor.release(run_id)

    async def _tell_day(self, run_id: str, run: _Run, day: EndedDay, *, decides: bool) -> list[Want]:
        """A day that is over, as the run would have lived it; what is wanted of it."""
        workers, kept = self._parts.workers, list[Want]()
        session = self._live_session(day.span)
        if session.day > run.day:
            begun = await workers.begin_session({run_id: SessionBegan(session, {})})
            run.day = session.day
            kept += await ways_out(workers, run_id, begun.get(run_id, ()))
        kept += await self._tell_fills(run_id, run, day.span.close_ns)
        bars = [ClosedBar(symbol, DAY, bar) for symbol, bar in day.bars]
        decided = (await workers.decide(bars, [run_id])).get(run_id, [])
        run.told |= dict(day.bars)
        for symbol, bar in day.bars:
            self._deliver(symbol, bar)
        return [*kept, *(decided if decides else await ways_out(workers, run_id, decided))]

    async def _tell_today(
        self, run_id: str, run: _Run, now_ns: int, today: SessionSpan, *, decides: bool
    ) -> list[Want]:
        workers, session = self._parts.workers, self._live_session(today)
        entry = SessionBegan(session, self._auction(run.symbols, today.open_ns))
        wanted = list((await workers.begin_session({run_id: entry})).get(run_id, []))
        run.day = session.day
        wanted += (await workers.clock(min(now_ns, today.close_ns), [run_id])).get(run_id, [])
        if not decides:
            wanted = await ways_out(workers, run_id, wanted)
        return [*wanted, *await self._tell_fills(run_id, run, None)]

    async def _tell_fills(self, run_id: str, run: _Run, until_ns: int | None) -> list[Want]:
        """Executions that nobody told it yet; once all are told, which of its entries are gone."""
        workers, kept = self._parts.workers, list[Want]()
        while run.fills and (until_ns is None or run.fills[0].at_ns <= until_ns):
            kept += await ways_out(workers, run_id, await workers.fill(run_id, run.fills.pop(0)))
        if not run.fills:
            for symbol in run.unsure:
                if not self._parts.room.conductor.has_entry(run_id, symbol):
                    kept += await ways_out(
                        workers, run_id, await workers.entry_gone(run_id, symbol, "the desk was started anew")
                    )
            run.unsure.clear()
        return kept

    def _say(self, run: _Run, text: str) -> None:
        """Once a morning."""
        if text not in run.said:
            run.said.add(text)
            self._parts.tell(f"{self._spec.account_id} {self._spec.strategy.name}: {text}")


def uncarried(log: Sequence[LogEntry], today: LiveSession, last_open_ns: int) -> int:
    """Where in a log the decisions of today's open begin; its length when there are none.

    >>> from trademantra.trading.runner.run_log import ClockTold
    >>> uncarried([ClockTold(5)], LiveSession(3, 30, 40), 20)
    1
    """
    for place, entry in enumerate(log):
        newest = isinstance(entry, BarsClosed) and any(bar.start_ns >= last_open_ns for _, bar in entry.bars)
        if newest or (isinstance(entry, SessionBegan) and entry.session.day == today.day):
            return place
    return len(log)


def _names(symbols: Collection[str] | Mapping[str, object]) -> str:
    named = list(symbols)
    return ", ".join(named[:4]) + (" …" if len(named) > 4 else "")
