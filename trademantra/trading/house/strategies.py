"""A strategy at a running desk: warmed up from history, told of its days, its runs restored after a restart."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from trademantra.brokers.market import StreamMode
from trademantra.core.bar import Bar, Timeframe
from trademantra.core.order import Product
from trademantra.core.time import (
    NANOSECONDS_PER_DAY,
    NANOSECONDS_PER_MINUTE,
    NANOSECONDS_PER_SECOND,
    ist_date,
)
from trademantra.data.resample import SessionSpan
from trademantra.data.spans import whole_days
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import Leave, LiveFill, LiveSession, LiveTrade, Want
from trademantra.kit.timer import ClockTimer
from trademantra.trading.feeds.bar_rules import BarClosed
from trademantra.trading.house.session_facts import write_facts
from trademantra.trading.house.session_history import SessionHistory, of_symbols
from trademantra.trading.house.session_logs import SessionLogs
from trademantra.trading.house.session_positions import carried_words, held_by, refuse_a_second
from trademantra.trading.house.session_record import booked, session_record, trade_record
from trademantra.trading.house.session_spec import SessionParts, SessionSpec
from trademantra.trading.house.told_bars import ToldBars
from trademantra.trading.house.too_late import DECIDES_NS, ways_out
from trademantra.trading.house.unordered import begin_of, is_carried_out
from trademantra.trading.record.store import RecordStore
from trademantra.trading.runner.run_log import (
    BarsClosed,
    ClockTold,
    FillTold,
    LogEntry,
    RunLog,
    SessionBegan,
    WarmUp,
)
from trademantra.trading.runner.runs import ClosedBar
from trademantra.trading.runner.spec import RunSpec
from trademantra.trading.session.conductor import Carried
from trademantra.trading.session.live_tape import Gap, LiveTape
from trademantra.trading.session.tape import write_warm_up
from trademantra.trading.session.trades import write_trades
from trademantra.trading.session.waiting import WaitingWants

_SETTLED_NS = 3 * NANOSECONDS_PER_SECOND  # after its end a bar is in a broker's history
_ON_TIME_NS = NANOSECONDS_PER_MINUTE  # a moment that is seen so long after it is on time
_FIRST_PRICES_NS = 30 * NANOSECONDS_PER_SECOND  # after the open: later, who has no price waits no more


@dataclass(slots=True)
class TradingDay:
    """The trading day of a session: its hours, and whether its runs were told."""

    span: SessionSpan
    told: bool = False


class StrategySession:
    """One strategy's life in one account.  Call `open`, then `look` every second, and `close`."""

    def __init__(self, spec: SessionSpec, parts: SessionParts) -> None:
        self.spec, self._parts = spec, parts
        self._runs = {run.run_id: run for run in spec.runs()}
        self._record = RecordStore(parts.database)
        self._history = SessionHistory(spec, parts.history)
        self._fence = parts.room.lease.ensure_may_write
        self._logs = SessionLogs(parts.folder, parts.workers, self._runs, self._fence)
        self._day: TradingDay | None = None
        self._waiting = WaitingWants()
        self._timeframes: Sequence[Timeframe] = (spec.timeframe,)
        self._unheard_ns = 0
        self._said_overnight: date | None = None
        self._written: dict[str, int] = dict.fromkeys(self._runs, 0)
        self._trades: dict[str, Sequence[LiveTrade]] = dict.fromkeys(self._runs, ())
        self._told_trades: dict[str, int] = dict.fromkeys(self._runs, 0)
        self.tape: LiveTape | None = None
        self.stopped: set[str] = set()
        self._rows: dict[str, Collection[int]] = {}
        self._told = ToldBars(spec.instruments, spec.timeframe)
        self._keeps = True  # bars, until the runs were warmed up and told of the day
        self.is_open = False

    @property
    def run_ids(self) -> Sequence[str]:
        return list(self._runs)

    @property
    def parameters_hash(self) -> str:
        return self.spec.parameters_hash

    @property
    def hearing(self) -> Sequence[str]:
        """The runs that hear ticks."""
        return list(self._rows)

    def rows_of(self, run_id: str) -> Collection[int]:
        """The hub's numbers of the instruments of a run that hears ticks."""
        return self._rows[run_id]

    def decides_on(self, instrument_key: str) -> bool:
        """Whether a run that was not stopped trades an instrument."""
        named = {symbol for symbol, each in self.spec.instruments.items() if each.key == instrument_key}
        return any(named & set(run.symbols) for name, run in self._runs.items() if name not in self.stopped)

    def keep_logs(self) -> None:
        """Write what the runs were told up to now."""
        self._logs.keep()

    async def open(self) -> None:
        """Warm up, or go on where an earlier process ended; then hear the market.

        Errors: `RunRefusedError`; `BrokerError` when the history cannot be had; `InvalidValueError` while an earlier session
        of the strategy holds something in these instruments.
        """
        spec, parts = self.spec, self._parts
        parts.folder.mkdir(parents=True, exist_ok=True)
        now_ns = parts.clock.now_ns()
        began_ns = self._logs.began_ns()
        if began_ns is None:
            refuse_a_second(spec, parts.room)
        self._today(now_ns)
        # before history is read: between the two no bar is lost
        await parts.hub.subscribe(
            spec.session_id, list(spec.instruments.values()), StreamMode.FULL, self._timeframes
        )
        await self._let_history_settle(now_ns)
        now_ns = parts.clock.now_ns()
        warm_up, missed = await self._past(began_ns, now_ns)
        logs: dict[str, list[LogEntry]] = {}
        heard: dict[str, Mapping[str, int]] = {}
        if began_ns is None:
            self._fence()
            write_warm_up(parts.folder, warm_up.bars)
        tape = self._open_tape(now_ns, again=began_ns is not None)
        for run_id, run in self._runs.items():
            mine = of_symbols(warm_up, run.symbols)
            if began_ns is None:
                self._told.knows(mine.bars, ())
                await parts.workers.start(run, mine)
            else:
                logs[run_id] = self._kept_log(run_id)
                entries = self._since(run, logs[run_id], missed)
                self._told.knows(mine.bars, entries)
                _deliver(tape, entries)
                await parts.workers.restore(run, RunLog(mine, entries))
                self._told_trades[run_id] = len(await self._read_trades(run_id))
            self._taken_up(run, mine, logs.get(run_id, ()))
            # what is booked up to here is told below, what comes from here on by the conductor
            heard[run_id] = {each.order.order_id: each.fills.sequence for each in parts.room.desk.book.all()}
            parts.room.conductor.add(
                Carried(
                    run_id=run_id, strategy_id=spec.strategy_id, session_id=spec.session_id,
                    instruments={symbol: spec.instruments[symbol] for symbol in run.symbols}, product=spec.product,
                    weights=spec.weights, rest_target=parts.room.account.rest_target,
                )
            )  # fmt: skip
        if began_ns is not None:
            await self._tell_missed(logs, heard)
            await self._leave_again()
        self.tape = tape
        if began_ns is None:
            self._logs.begin(now_ns)  # a restart reads the same warm-up
            await self._record.write_session(session_record(spec, parts))
        self._write_facts()
        for run_id, run in self._runs.items():
            if parts.workers.hears_ticks(run_id):
                traded = [spec.instruments[symbol] for symbol in run.symbols]
                parts.hub.best.follow(traded)
                self._rows[run_id] = frozenset(parts.hub.table.row_of(each) for each in traded)

    async def hear_market(self) -> None:
        """It is open and, where the market runs already, was looked at once: from now on bars and minutes reach its runs."""
        await self._tell_kept(enters=False)
        self.is_open = True

    def fresh(self, closed: Sequence[BarClosed]) -> Sequence[BarClosed]:
        """Those of its bars that its runs do not know yet; they are on its tape.  Some are kept until they can be told."""
        if self._keeps:
            self._told.keep(closed)
            return ()
        return self._noted(closed)

    def _noted(self, closed: Sequence[BarClosed]) -> Sequence[BarClosed]:
        found = self._told.fresh(closed)
        for each in found:
            self._deliver_bar(each.instrument.symbol, each.bar)
        return found

    async def _tell_kept(self, *, enters: bool) -> None:
        """Bars that closed before the runs could hear them.  Of those of the warm-up nothing is entered (`enters`)."""
        workers = self._parts.workers
        if self._day is None or not self._day.told:
            return
        while kept := self._told.take_kept():
            for _, together in groupby(kept, key=lambda each: each.end_ns):
                bars = self._noted(list(together))
                closed = [ClosedBar(each.instrument.symbol, each.timeframe, each.bar) for each in bars]
                for run_id, wants in (await workers.decide(closed, self.run_ids)).items():
                    done = wants if enters else await ways_out(workers, run_id, wants)
                    await self._place({run_id: done})
        self._keeps = False

    async def _let_history_settle(self, now_ns: int) -> None:
        """A bar that has just closed is not in a broker's history yet."""
        if not self.spec.timeframe.is_intraday:
            return
        passed_ns = now_ns % self.spec.timeframe.length_ns
        if passed_ns < _SETTLED_NS:
            with suppress(TimeoutError):  # the clock of a sandbox that is paused stands still
                async with asyncio.timeout(2 * _SETTLED_NS / NANOSECONDS_PER_SECOND):
                    await ClockTimer(self._parts.clock).until(now_ns - passed_ns + _SETTLED_NS)

    async def undo(self) -> None:
        """`open` has failed: nothing that it began goes on."""
        started = {each.run_id for each in self._parts.workers.status()}
        for run_id in self._runs:
            self._parts.room.conductor.remove(run_id)
            if run_id in started:
                await self._parts.workers.stop(run_id)
        await self._parts.hub.unsubscribe(self.spec.session_id)

    async def look(self) -> None:
        """Tell the runs of a day that begins, keep what they were told, and write closed trades."""
        now_ns = self._parts.clock.now_ns()
        self._today(now_ns)
        await self._look_at_day(now_ns)
        if self.is_open and self._keeps:
            await self._tell_kept(enters=True)
        # what was decided outlives a crash before the first order of it is made
        await self._tell_news(self._logs.write(durable=bool(self._waiting)))
        await self._carry_out_what_waits(now_ns)
        if self.tape is not None and self.tape.is_due(now_ns):
            self.tape.write(now_ns)

    @property
    def trades(self) -> Sequence[LiveTrade]:
        """The closed trades of all runs, as far as they were read."""
        return [trade for made in self._trades.values() for trade in made]

    async def _tell_news(self, fills: Mapping[str, Sequence[LiveFill]]) -> None:
        """Fills and closed trades, for the owner."""
        who = f"{self.spec.account_id} {self.spec.strategy.name}"
        for run_id, mine in fills.items():
            for fill in mine:
                side = "bought" if fill.side > 0 else "sold"
                what = fill.reason.name.lower().replace("_", " ")
                self._parts.tell(
                    f"{who}: {side} {fill.quantity:g} {fill.symbol} at {fill.price:.2f} ({what})"
                )
            if mine and run_id not in self.stopped:
                await self._read_trades(run_id)
                for trade in self._trades[run_id][self._told_trades[run_id] :]:
                    self._parts.tell(
                        f"{who}: {trade.symbol} closed, net {trade.net:.2f}, costs {trade.costs:.2f}"
                    )
                self._told_trades[run_id] = len(self._trades[run_id])

    async def _read_trades(self, run_id: str) -> Sequence[LiveTrade]:
        self._trades[run_id] = (await self._parts.workers.query(run_id)).trades
        return self._trades[run_id]

    def was_stopped(self, run_id: str) -> None:
        """The run decides no more, through its own fault or by hand: what its exits do is not its own any more."""
        self.stopped.add(run_id)
        if self.tape is not None:
            self.tape.missing(Gap(self._parts.clock.now_ns(), 0, run_id))

    def came_late(self, run_id: str, ended_ns: int) -> None:
        """A bar that ended then reached the run too late to enter on: a back-test would have."""
        if self.tape is not None:
            self.tape.missing(Gap(ended_ns - self.spec.timeframe.length_ns, ended_ns, run_id))

    async def end_of_day(self) -> None:
        """Write the trades that closed, and until when it ran."""
        await self._write_trades()
        self._logs.keep()
        self._say_what_is_carried()
        if self.tape is not None:
            self.tape.write(self._parts.clock.now_ns())
            write_trades(self._parts.folder, self._trades)
        await self._record.ran_until(self.spec.session_id, self._parts.clock.now_ns())

    async def close(self) -> None:
        """The strategy decides no more; its entries are taken back, its exits stay armed."""
        try:
            await self.end_of_day()
        finally:
            for run_id in self._runs:
                self._parts.room.conductor.remove(run_id)
                if run_id not in self.stopped:
                    await self._parts.workers.stop(run_id)
            await self._parts.hub.unsubscribe(self.spec.session_id)

    async def abandon(self) -> None:
        """The account is another process's: the strategy ends here, and what it placed is left as it is."""
        for run_id in self._runs:
            if run_id not in self.stopped:
                await self._parts.workers.stop(run_id)
        await self._parts.hub.unsubscribe(self.spec.session_id)

    async def minute(self, at_ns: int) -> Mapping[str, Sequence[Want]]:
        """A minute began: runs that wait for times are told."""
        day = self._day
        if day is None or not self._begins_ns(day.span) <= at_ns <= day.span.close_ns:
            return {}
        due = [run_id for run_id in self._runs if run_id not in self.stopped and self.hears(run_id)]
        self._unheard_ns = 0 if due else at_ns
        if due and at_ns < day.span.open_ns:  # the auction has gone on since the day began
            self.keeps_back(await self._parts.workers.begin_session(self._day_of(due, day.span)))
        return await self._parts.workers.clock(at_ns, due) if due else {}

    def keeps_back(self, decided: Mapping[str, Sequence[Want]]) -> bool:
        """Keep what is decided before the open, or while such waits for the first prices; False: it is to be done now."""
        day = self._day
        early = day is not None and self._begins_ns(day.span) <= self._parts.clock.now_ns() < day.span.open_ns
        if early or self._waiting:
            self._waiting.add(decided)
        return early or bool(self._waiting)

    def hears(self, run_id: str) -> bool:
        """Whether a run was told that the day began."""
        return self._day is not None and self._day.told

    def is_in_hours(self, now_ns: int) -> bool:
        """Whether its exchange trades, by its day."""
        day = self._day
        return day is not None and day.span.open_ns <= now_ns <= day.span.close_ns

    @property
    def begins_ns(self) -> int | None:
        """When its trading day opens; None without one."""
        return None if self._day is None else self._day.span.open_ns

    @property
    def ends_ns(self) -> int | None:
        """When its trading day closes; None without one."""
        return None if self._day is None else self._day.span.close_ns

    # -- days

    def _today(self, now_ns: int) -> TradingDay | None:
        today = ist_date(now_ns)
        if self._day is None or self._day.span.trade_date != today:
            found = [day for day in whole_days(self._history.spans(today, today)) if day.trade_date == today]
            self._day = TradingDay(found[0]) if found else None
            self._keeps = True
        return self._day

    def _note_days(self, entries: Sequence[LogEntry]) -> None:
        """The present day is not told again to a run that was told of it by an earlier process, or just now."""
        today = self._today(self._parts.clock.now_ns())
        told_days = {entry.session.day for entry in entries if isinstance(entry, SessionBegan)}
        if today is not None and self._history.live_session(today.span).day in told_days:
            today.told = True

    def _begins_ns(self, span: SessionSpan) -> int:
        """When runs are told of a day: at its open, or some minutes before it for those that look then."""
        return span.open_ns + min(0, self.spec.begins_minute) * NANOSECONDS_PER_MINUTE

    async def _look_at_day(self, now_ns: int) -> None:
        day = self._day
        if day is not None and not day.told and now_ns >= self._begins_ns(day.span):
            await self._begin(day.span, now_ns)
            day.told = True
            if self._unheard_ns:  # a minute that began meanwhile
                await self._place(await self.minute(self._unheard_ns))
            self._write_facts()

    async def _begin(self, span: SessionSpan, now_ns: int) -> None:
        """Tell the runs of a day, and the time: its first minute may have begun before.

        Moments that are over are passed by: nothing is entered at eleven that was to be entered at the open.
        """
        workers = self._parts.workers
        told = self._day_of([run_id for run_id in self._runs if run_id not in self.stopped], span)
        decided = [await workers.begin_session(told)]
        late = now_ns >= span.open_ns + _ON_TIME_NS
        if late:
            decided.append(
                await workers.clock(_passed_ns(self._history.live_session(span), now_ns), list(told))
            )
        for one in decided:
            for run_id, wants in one.items():
                await self._place({run_id: await ways_out(workers, run_id, wants) if late else wants})
        await self._place(await workers.clock(min(now_ns, span.close_ns), list(told)))

    def _day_of(self, run_ids: Sequence[str], span: SessionSpan) -> dict[str, SessionBegan]:
        session = self._history.live_session(span)
        return {
            run_id: SessionBegan(session, self._auction(self._runs[run_id].symbols, span.open_ns))
            for run_id in run_ids
        }

    async def _place(self, decided: Mapping[str, Sequence[Want]]) -> None:
        """Carry out; not before the open: orders would meet the minutes in which no exchange takes one."""
        if not self.keeps_back(decided):
            await self._parts.room.conductor.carry_out(decided)

    async def _carry_out_what_waits(self, now_ns: int) -> None:
        """From the open on, and once the instruments have a price of today."""
        day = self._day
        if day is None or not day.span.open_ns <= now_ns:
            return
        if self._waiting:
            if now_ns < day.span.open_ns + _FIRST_PRICES_NS and not self._has_prices(day.span.open_ns):
                return
            due = self._waiting.take()
            if now_ns >= day.span.open_ns + DECIDES_NS:  # a disk was full, a login was missing
                due = {
                    run_id: await ways_out(self._parts.workers, run_id, wants)
                    for run_id, wants in due.items()
                }
            await self._parts.room.conductor.carry_out(due)
        begun = [run_id for run_id in self._runs if self.hears(run_id)]
        if begun:
            self._logs.note_carried(begun, self._history.live_session(day.span).day)

    def _has_prices(self, since_ns: int) -> bool:
        return all(self._parts.priced_ns(each) >= since_ns for each in self.spec.instruments.values())

    def _say_what_is_carried(self) -> None:
        """Once the day is over: orders at an exchange end with it."""
        spec, day, now_ns = self.spec, self._day, self._parts.clock.now_ns()
        if spec.product is Product.MIS or day is None or now_ns < day.span.close_ns:
            return
        held = held_by(spec, self._parts.room)
        if held and self._said_overnight != day.span.trade_date:
            self._said_overnight = day.span.trade_date
            self._parts.tell(carried_words(spec, held))

    def _auction(self, symbols: Sequence[str], open_ns: int) -> dict[str, float]:
        """Pre-open prices, where the feed told them today."""
        builder, since_ns = self._parts.hub.builder, open_ns - NANOSECONDS_PER_DAY // 4
        prices = {
            symbol: builder.auction_price(self.spec.instruments[symbol], since_ns) for symbol in symbols
        }
        return {symbol: price for symbol, price in prices.items() if price is not None}

    # -- what a back-test of it needs

    def _write_facts(self) -> None:
        began_ns = self._logs.began_ns()
        if began_ns is not None:
            self._fence()
            write_facts(self.spec, self._parts, self._runs.values(), self._history, began_ns)

    def _deliver_bar(self, symbol: str, bar: Bar) -> None:
        if self.tape is not None:
            self.tape.deliver(symbol, bar)

    def _open_tape(self, now_ns: int, *, again: bool) -> LiveTape:
        rows = {
            self._parts.listings.row_of_key(instrument.key): symbol
            for symbol, instrument in self.spec.instruments.items()
        }
        symbols = {row: symbol for row, symbol in rows.items() if row is not None}
        return LiveTape.open(self._parts.folder, symbols, now_ns, self._fence, again=again)

    # -- what outlives a crash

    async def _past(self, began_ns: int | None, now_ns: int) -> tuple[WarmUp, Mapping[str, Bars]]:
        """Bars that warm up, and those since the session began."""
        return await self._history.read(began_ns or now_ns, now_ns)

    def _kept_log(self, run_id: str) -> list[LogEntry]:
        """What an earlier process told a run; without what it decided for today's open and never ordered, while there is time
        to decide it again."""
        log, day = self._logs.read(run_id), self._day
        if day is None:
            return log
        today = self._history.live_session(day.span)
        place = begin_of(log, today)
        if place == len(log) or is_carried_out(
            self.spec, self._runs[run_id], self._parts.room, self._logs, today
        ):
            return log
        if self._parts.clock.now_ns() >= day.span.open_ns + _ON_TIME_NS:
            self._parts.tell(
                f"{self.spec.account_id} {self.spec.strategy.name}: the desk ended before it ordered what was decided for "
                "today's open; it is too late for that now, nothing of it is entered"
            )
            return log
        self._logs.cut(run_id, log[:place])
        return log[:place]

    def _since(self, run: RunSpec, log: Sequence[LogEntry], missed: Mapping[str, Bars]) -> list[LogEntry]:
        """A log, with what the run would have been told until now; moments that passed meanwhile are over."""
        entries = [*log, *self._history.missed(run, log, missed)]
        self._note_days(entries)
        now_ns, day = self._parts.clock.now_ns(), self._day
        if day is not None and day.told and now_ns >= day.span.open_ns + _ON_TIME_NS:
            entries.append(ClockTold(_passed_ns(self._history.live_session(day.span), now_ns)))
        return entries

    def _taken_up(self, run: RunSpec, warm_up: WarmUp, log: Sequence[LogEntry]) -> None:
        """A run was started, or restored from its log."""

    async def _tell_missed(
        self, logs: Mapping[str, Sequence[LogEntry]], heard: Mapping[str, Mapping[str, int]]
    ) -> None:
        """Fills that were booked and that a run was not told of, because the process ended in between: by their count.

        Entries that it believes in and that are not there are gone: decided and never placed, or ended meanwhile.
        """
        await self._parts.room.journal.drained()
        for run_id in self._runs:
            await self._tell_missed_of(run_id, logs[run_id], heard[run_id])

    async def _leave_again(self) -> None:
        """What the models are leaving is left: decided on bars of the time away, or just before the process ended, it may never
        have been asked for.  Asking twice is asking once."""
        if not self.spec.timeframe.is_intraday:
            return  # the morning decides it again
        for run_id in self._runs:
            leaving = (await self._parts.workers.query(run_id)).leaving
            await self._place({run_id: [Leave(symbol, reason) for symbol, reason in leaving.items()]})

    async def _tell_missed_of(self, run_id: str, log: Sequence[LogEntry], heard: Mapping[str, int]) -> None:
        room, workers = self._parts.room, self._parts.workers
        for symbol in self._runs[run_id].symbols:
            told = sum(isinstance(entry, FillTold) and entry.fill.symbol == symbol for entry in log)
            for fill in (await booked(self.spec, self._parts, symbol, heard))[told:]:
                wants = await workers.fill(run_id, fill)
                await room.conductor.carry_out({run_id: wants})
            if not room.conductor.has_entry(run_id, symbol):
                wants = await workers.entry_gone(run_id, symbol, "the desk was started anew")
                await room.conductor.carry_out({run_id: wants})

    async def _write_trades(self) -> None:
        for run_id in self._runs:
            if run_id in self.stopped:
                continue
            trades = await self._read_trades(run_id)
            fresh = trades[self._written[run_id] :]
            if fresh:
                await self._record.write_trades([trade_record(self.spec, trade) for trade in fresh])
                self._written[run_id] = len(trades)


def _passed_ns(session: LiveSession, now_ns: int) -> int:
    """The last instant of the minute before the present one; before the square-off, which is never passed by."""
    minute = now_ns // NANOSECONDS_PER_MINUTE * NANOSECONDS_PER_MINUTE
    if session.leave_minute is not None:
        minute = min(minute, session.open_ns + session.leave_minute * NANOSECONDS_PER_MINUTE)
    return minute - 1


def _deliver(tape: LiveTape, entries: Sequence[LogEntry]) -> None:
    """Bars that an earlier process decided on, or that nobody did, and that its tape had not written yet."""
    for entry in entries:
        if isinstance(entry, BarsClosed):
            for symbol, bar in entry.bars:
                tape.deliver(symbol, bar)
