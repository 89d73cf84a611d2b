"""A strategy at a running desk: warmed up from history, told of its days, its runs restored after a restart."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from trademantra.brokers.market import StreamMode
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_DAY, ist_date
from trademantra.data.resample import SessionSpan
from trademantra.engine.live.wants import LiveFill, LiveTrade
from trademantra.trading.house.session_facts import write_facts
from trademantra.trading.house.session_history import SessionHistory, of_symbols
from trademantra.trading.house.session_logs import SessionLogs
from trademantra.trading.house.session_record import booked, session_record, trade_record
from trademantra.trading.house.session_spec import SessionParts, SessionSpec
from trademantra.trading.record.store import RecordStore
from trademantra.trading.runner.run_log import (
    BarsClosed,
    FillTold,
    LogEntry,
    RunLog,
    SessionBegan,
)
from trademantra.trading.session.conductor import Carried
from trademantra.trading.session.live_tape import Gap, LiveTape
from trademantra.trading.session.plan import whole_days
from trademantra.trading.session.tape import write_warm_up
from trademantra.trading.session.trades import write_trades


@dataclass(slots=True)
class _Day:
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
        self._logs = SessionLogs(parts.folder, parts.workers, self._runs)
        self._day: _Day | None = None
        self._written: dict[str, int] = dict.fromkeys(self._runs, 0)
        self._trades: dict[str, Sequence[LiveTrade]] = dict.fromkeys(self._runs, ())
        self._told_trades: dict[str, int] = dict.fromkeys(self._runs, 0)
        self.tape: LiveTape | None = None
        self.stopped: set[str] = set()
        self._rows: dict[str, Collection[int]] = {}
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
            self._refuse_a_second()
        warm_up, missed = await self._history.read(began_ns or now_ns, now_ns)
        logs: dict[str, list[LogEntry]] = {}
        heard: dict[str, Mapping[str, int]] = {}
        if began_ns is None:
            write_warm_up(parts.folder, warm_up.bars)
        tape = self._open_tape(now_ns, again=began_ns is not None)
        for run_id, run in self._runs.items():
            mine = of_symbols(warm_up, run.symbols)
            if began_ns is None:
                await parts.workers.start(run, mine)
            else:
                logs[run_id] = self._logs.read(run_id)
                entries = [*logs[run_id], *self._history.missed(run, logs[run_id], missed)]
                self._note_days(entries)
                _deliver(tape, entries)
                await parts.workers.restore(run, RunLog(mine, entries))
                self._told_trades[run_id] = len(await self._read_trades(run_id))
            # what is booked up to here is told below, what comes from here on by the conductor
            heard[run_id] = {each.order.order_id: each.fills.sequence for each in parts.room.desk.book.all()}
            parts.room.conductor.add(
                Carried(
                    run_id=run_id, strategy_id=spec.strategy_id, session_id=spec.session_id,
                    instruments={symbol: spec.instruments[symbol] for symbol in run.symbols}, product=spec.product,
                    weights=spec.weights, rest_target=parts.room.account.rest_target,
                )
            )  # fmt: skip
        if began_ns is None:
            self._logs.begin(now_ns)
            await self._record.write_session(session_record(spec, parts))
        else:
            await self._tell_missed(logs, heard)
        self.tape = tape
        write_facts(spec, parts, self._runs.values(), self._history, began_ns or now_ns)
        await parts.hub.subscribe(
            spec.session_id, list(spec.instruments.values()), StreamMode.FULL, [spec.timeframe]
        )
        for run_id, run in self._runs.items():
            if parts.workers.hears_ticks(run_id):
                traded = [spec.instruments[symbol] for symbol in run.symbols]
                parts.hub.best.follow(traded)
                self._rows[run_id] = frozenset(parts.hub.table.row_of(each) for each in traded)
        self.is_open = True

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
        day = self._today(now_ns)
        # not before the open: an order of the strategy would meet the minutes in which no exchange takes one
        if day is not None and not day.told and now_ns >= day.span.open_ns:
            day.told = True
            await self._begin(day.span)
            began_ns = self._logs.began_ns()
            if began_ns is not None:
                write_facts(self.spec, self._parts, self._runs.values(), self._history, began_ns)
        await self._tell_news(self._logs.write())
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

    async def end_of_day(self) -> None:
        """Write the trades that closed, and until when it ran."""
        await self._write_trades()
        self._logs.keep()
        if self.tape is not None:
            self.tape.write(self._parts.clock.now_ns())
            write_trades(self._parts.folder, self._trades)
        await self._record.ran_until(self.spec.session_id, self._parts.clock.now_ns())

    def _refuse_a_second(self) -> None:
        """Positions are a strategy's, not a session's: what an earlier session of it holds would be netted with this one's,
        and its stops refused for closing nothing.

        Errors: `InvalidValueError`.
        """
        room, spec = self._parts.room, self.spec
        keys = {instrument.key for instrument in spec.instruments.values()}
        held = [
            key.instrument_key
            for key, position in room.desk.book.positions.items()
            if key.strategy_id == spec.strategy_id and key.instrument_key in keys and position.quantity
        ]
        if held:
            raise InvalidValueError(
                f"{spec.strategy_id} holds {', '.join(held)} in {spec.account_id} from an earlier session",
                hint="go on with that one (--session NAME, tm desk status shows it), or close it first: "
                f"tm desk close-all --account {spec.account_id} --strategy {spec.strategy_id}",
            )

    async def close(self) -> None:
        """The strategy decides no more; its entries are taken back, its exits stay armed."""
        await self.end_of_day()
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

    def is_in_hours(self, now_ns: int) -> bool:
        day = self._day
        return day is not None and day.told and day.span.open_ns <= now_ns <= day.span.close_ns

    @property
    def begins_ns(self) -> int | None:
        """When its trading day opens; None without one."""
        return None if self._day is None else self._day.span.open_ns

    @property
    def ends_ns(self) -> int | None:
        """When its trading day closes; None without one."""
        return None if self._day is None else self._day.span.close_ns

    # -- days

    def _today(self, now_ns: int) -> _Day | None:
        today = ist_date(now_ns)
        if self._day is None or self._day.span.trade_date != today:
            found = [day for day in whole_days(self._history.spans(today, today)) if day.trade_date == today]
            self._day = _Day(found[0]) if found else None
        return self._day

    def _note_days(self, entries: Sequence[LogEntry]) -> None:
        """The present day is not told again to a run that was told of it by an earlier process, or just now."""
        today = self._today(self._parts.clock.now_ns())
        told_days = {entry.session.day for entry in entries if isinstance(entry, SessionBegan)}
        if today is not None and self._history.live_session(today.span).day in told_days:
            today.told = True

    async def _begin(self, span: SessionSpan) -> None:
        session = self._history.live_session(span)
        told = {
            run_id: SessionBegan(session, self._auction(run.symbols, span.open_ns))
            for run_id, run in self._runs.items()
            if run_id not in self.stopped
        }
        await self._parts.room.conductor.carry_out(await self._parts.workers.begin_session(told))

    def _auction(self, symbols: Sequence[str], open_ns: int) -> dict[str, float]:
        """Pre-open prices, where the feed told them today."""
        builder, since_ns = self._parts.hub.builder, open_ns - NANOSECONDS_PER_DAY // 4
        prices = {
            symbol: builder.auction_price(self.spec.instruments[symbol], since_ns) for symbol in symbols
        }
        return {symbol: price for symbol, price in prices.items() if price is not None}

    # -- what a back-test of it needs

    def _open_tape(self, now_ns: int, *, again: bool) -> LiveTape:
        rows = {
            self._parts.listings.row_of_key(instrument.key): symbol
            for symbol, instrument in self.spec.instruments.items()
        }
        symbols = {row: symbol for row, symbol in rows.items() if row is not None}
        return LiveTape.open(self._parts.folder, symbols, now_ns, again=again)

    # -- what outlives a crash

    async def _tell_missed(
        self, logs: Mapping[str, Sequence[LogEntry]], heard: Mapping[str, Mapping[str, int]]
    ) -> None:
        """Fills that were booked and that a run was not told of, because the process ended in between: by their count.

        Entries that it believes in and that are not there are gone: decided and never placed, or ended meanwhile.
        """
        room, workers = self._parts.room, self._parts.workers
        await room.journal.drained()
        for run_id, run in self._runs.items():
            for symbol in run.symbols:
                told = sum(
                    isinstance(entry, FillTold) and entry.fill.symbol == symbol for entry in logs[run_id]
                )
                for fill in (await booked(self.spec, self._parts, symbol, heard[run_id]))[told:]:
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


def _deliver(tape: LiveTape, entries: Sequence[LogEntry]) -> None:
    """Bars that an earlier process decided on, or that nobody did, and that its tape had not written yet."""
    for entry in entries:
        if isinstance(entry, BarsClosed):
            for symbol, bar in entry.bars:
                tape.deliver(symbol, bar)
