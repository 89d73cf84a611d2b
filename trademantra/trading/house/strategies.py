"""A strategy at a running desk: warmed up from history, told of its days, its runs restored after a restart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import select

from trademantra.brokers.errors import NotSupportedError
from trademantra.brokers.listings import Listings
from trademantra.brokers.market import StreamMode
from trademantra.core.bar import Bar, Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Product, Side
from trademantra.core.time import NANOSECONDS_PER_DAY, Clock, datetime_of, ist_date
from trademantra.data.durable import replace_file
from trademantra.data.resample import Outside, SessionSpan, resample
from trademantra.data.spans import known_sessions, spans_of
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import LiveFill, LiveSession, LiveTrade
from trademantra.engine.records import Reason, RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.engine.timeline import IST_OFFSET_NS, Timeline, by_sessions
from trademantra.kit.database import Database
from trademantra.trading.accounts.settings import PaperAccountSettings
from trademantra.trading.feeds.hub_settings import TickAdapter
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.models import ExecutionRow, OrderRow
from trademantra.trading.record.store import RecordStore, SessionMode, SessionRecord, TradeRecord
from trademantra.trading.runner.run_log import (
    BarsClosed,
    FillTold,
    LogEntry,
    RunLog,
    SessionBegan,
    WarmUp,
    from_line,
    to_line,
)
from trademantra.trading.runner.spec import RunSpec, StrategySource
from trademantra.trading.runner.workers import StrategyWorkers
from trademantra.trading.session.conductor import Carried
from trademantra.trading.session.facts import RunFacts, SessionFacts
from trademantra.trading.session.live_tape import Gap, LiveTape
from trademantra.trading.session.parity import STRATEGY_FILE
from trademantra.trading.session.plan import whole_days
from trademantra.trading.session.tape import write_charges, write_warm_up
from trademantra.trading.session.trades import write_trades

_MINUTE = Timeframe(1, "m")
_LEAST_BARS = 500
_WARM_UPS = 4  # times the longest indicator: exponential ones forget slowly
_LONGEST_LOOK = 400  # days
_BEGAN = "began"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """A strategy, where it trades and how.  `session_id` is new for each start and names its records.

    `alone`: one run an instrument, each with the whole cash; else one run for all.  `weights`: it gives target weights.
    `symbols` as the broker lists them, with or without the exchange (NSE:INFY); `instruments` by plain symbol, once the
    desk has found them.  `warm_up_bars`: its longest indicator.  `leave_minute`: minutes after the open at which intraday positions leave, before
    the broker's own square-off; None: they are carried.  `last_entry_minute`: with it, minutes after the open from which
    on nothing is entered.
    """

    session_id: str
    account_id: str
    strategy: StrategySource
    symbols: Sequence[str]
    timeframe: Timeframe
    values: Mapping[str, float]
    rules: TradingRules
    product: Product
    alone: bool
    weights: bool = False
    warm_up_bars: int = 0
    leave_minute: int | None = None
    last_entry_minute: int | None = None
    charges: RecordArray | None = None
    bars_per_year: float = 252.0
    instruments: Mapping[str, Instrument] = field(default_factory=dict)

    @property
    def parameters_hash(self) -> str:
        """What the go-live gate and the audit know it by: strategy, parameters, rules, instruments.

        The ticks and lots of the day are not part of it: it is known before the broker's list is read.
        """
        return next(iter(replace(self, instruments={}).runs())).parameters_hash

    def runs(self) -> Sequence[RunSpec]:
        """What its workers are started with."""
        symbols = tuple(name.rpartition(":")[2] for name in self.symbols)
        together = [(symbol,) for symbol in symbols] if self.alone else [symbols]
        return [
            RunSpec(
                run_id=f"{self.session_id}:{each[0] if self.alone else 'all'}",
                strategy=self.strategy,
                symbols=each,
                timeframe=self.timeframe,
                rules=self._rules_of(each),
                values=self.values,
                charges=self.charges,
                bars_per_year=self.bars_per_year,
            )
            for each in together
        ]

    def _rules_of(self, symbols: Sequence[str]) -> TradingRules:
        """With the tick and the lot of the instruments, where they share one: levels and sizes are what the desk sends."""
        found = [self.instruments[symbol] for symbol in symbols if symbol in self.instruments]
        ticks, lots = {each.tick_size for each in found}, {each.lot_size for each in found}
        rules = self.rules
        if len(ticks) == 1:
            rules = replace(rules, tick=float(next(iter(ticks)) or rules.tick))
        if len(lots) == 1:
            rules = replace(rules, lot=float(next(iter(lots)) or rules.lot))
        return rules


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParts:
    """What a session works with.  `folder` is its own."""

    room: AccountRoom
    hub: TickHub
    history: TickAdapter
    workers: StrategyWorkers
    database: Database
    clock: Clock
    folder: Path
    listings: Listings
    source: str = ""
    tell: Callable[[str], None] = lambda text: None


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
        self._day: _Day | None = None
        self._logged: dict[str, int] = dict.fromkeys(self._runs, 0)
        self._log_bytes: dict[str, int] = dict.fromkeys(self._runs, 0)
        self._written: dict[str, int] = dict.fromkeys(self._runs, 0)
        self._trades: dict[str, Sequence[LiveTrade]] = dict.fromkeys(self._runs, ())
        self._told_trades: dict[str, int] = dict.fromkeys(self._runs, 0)
        self._first_day: date | None = None
        self.tape: LiveTape | None = None
        self.stopped: set[str] = set()

    @property
    def run_ids(self) -> Sequence[str]:
        return list(self._runs)

    @property
    def parameters_hash(self) -> str:
        return self.spec.parameters_hash

    async def open(self) -> None:
        """Warm up, or go on where an earlier process ended; then hear the market.

        Errors: `RunRefusedError`; `BrokerError` when the history cannot be had; `InvalidValueError` while an earlier session
        of the strategy holds something in these instruments.
        """
        spec, parts = self.spec, self._parts
        parts.folder.mkdir(parents=True, exist_ok=True)
        now_ns = parts.clock.now_ns()
        began_ns = self._began_ns()
        if began_ns is None:
            self._refuse_a_second()
        warm_up, missed = await self._history(began_ns or now_ns, now_ns)
        logs: dict[str, list[LogEntry]] = {}
        heard: dict[str, Mapping[str, int]] = {}
        if began_ns is None:
            write_warm_up(parts.folder, warm_up.bars)
        tape = self._open_tape(now_ns, again=began_ns is not None)
        for run_id, run in self._runs.items():
            mine = _of(warm_up, run.symbols)
            if began_ns is None:
                await parts.workers.start(run, mine)
            else:
                logs[run_id] = self._read_log(run_id)
                self._logged[run_id] = len(logs[run_id])
                entries = [*logs[run_id], *self._missed(run, logs[run_id], missed)]
                _deliver(tape, entries)
                await parts.workers.restore(run, RunLog(mine, entries))
                self._told_trades[run_id] = len(await self._read_trades(run_id))
            # what is booked up to here is told below, what comes from here on by the conductor
            heard[run_id] = {each.order.order_id: each.fills.sequence for each in parts.room.desk.book.all()}
            parts.room.conductor.add(
                Carried(
                    run_id=run_id, strategy_id=self.strategy_id, session_id=spec.session_id,
                    instruments={symbol: spec.instruments[symbol] for symbol in run.symbols}, product=spec.product,
                    weights=spec.weights, rest_target=parts.room.account.rest_target,
                )
            )  # fmt: skip
        if began_ns is None:
            replace_file(parts.folder / _BEGAN, str(now_ns).encode())
            await self._record.write_session(self._session_record())
        else:
            await self._tell_missed(logs, heard)
        self.tape = tape
        self._write_facts(began_ns or now_ns)
        await parts.hub.subscribe(
            spec.session_id, list(spec.instruments.values()), StreamMode.FULL, [spec.timeframe]
        )

    @property
    def strategy_id(self) -> str:
        """Whose positions and limits these are."""
        return self.spec.strategy.name[:60]

    async def look(self) -> None:
        """Tell the runs of a day that begins, keep what they were told, and write closed trades."""
        now_ns = self._parts.clock.now_ns()
        day = self._today(now_ns)
        # not before the open: an order of the strategy would meet the minutes in which no exchange takes one
        if day is not None and not day.told and now_ns >= day.span.open_ns:
            day.told = True
            await self._begin(day.span)
            began_ns = self._began_ns()
            if began_ns is not None:
                self._write_facts(began_ns)
        await self._tell_news(self._write_logs())
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
            if key.strategy_id == self.strategy_id and key.instrument_key in keys and position.quantity
        ]
        if held:
            raise InvalidValueError(
                f"{self.strategy_id} holds {', '.join(held)} in {spec.account_id} from an earlier session",
                hint="go on with that one (--session NAME, tm desk status shows it), or close it first: "
                f"tm desk close-all --account {spec.account_id} --strategy {self.strategy_id}",
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
            found = [day for day in whole_days(self._spans(today, today)) if day.trade_date == today]
            self._day = _Day(found[0]) if found else None
        return self._day

    async def _begin(self, span: SessionSpan) -> None:
        session = self._live_session(span)
        told = {
            run_id: SessionBegan(session, self._auction(run.symbols, span.open_ns))
            for run_id, run in self._runs.items()
            if run_id not in self.stopped
        }
        await self._parts.room.conductor.carry_out(await self._parts.workers.begin_session(told))

    def _live_session(self, span: SessionSpan) -> LiveSession:
        return LiveSession(
            day=(span.open_ns + IST_OFFSET_NS) // NANOSECONDS_PER_DAY,
            open_ns=span.open_ns,
            close_ns=span.close_ns,
            leave_minute=self.spec.leave_minute,
            last_entry_minute=self.spec.last_entry_minute,
        )

    def _auction(self, symbols: Sequence[str], open_ns: int) -> dict[str, float]:
        """Pre-open prices, where the feed told them today."""
        builder, since_ns = self._parts.hub.builder, open_ns - NANOSECONDS_PER_DAY // 4
        prices = {
            symbol: builder.auction_price(self.spec.instruments[symbol], since_ns) for symbol in symbols
        }
        return {symbol: price for symbol, price in prices.items() if price is not None}

    # -- history

    async def _history(self, began_ns: int, now_ns: int) -> tuple[WarmUp, Mapping[str, Bars]]:
        """Bars that were over when the session began, on their days, and those since then; nothing is decided on them."""
        spec = self.spec
        if not spec.timeframe.is_intraday:
            raise InvalidValueError(
                f"bars of {spec.timeframe} are not traded live yet", hint="take an intraday --timeframe"
            )
        wanted = max(_LEAST_BARS, _WARM_UPS * spec.warm_up_bars)
        begin, today = ist_date(began_ns), ist_date(now_ns)
        before = self._spans(begin - timedelta(days=_LONGEST_LOOK), begin)
        first = self._first_day = _first_day(before, wanted, spec.timeframe)
        spans = self._spans(first, max(today, begin))
        days = whole_days(spans)
        bars, timelines, since = {}, {}, {}
        for symbol, instrument in spec.instruments.items():
            one = await self._bars(instrument, spans, now_ns)
            over = int((one.ts + spec.timeframe.length_ns <= began_ns).sum())
            earlier, since[symbol] = one.slice(0, over), one.slice(over, len(one))
            if len(earlier):
                bars[symbol], timelines[symbol] = earlier, self._timeline(earlier, days)
        return WarmUp(bars, timelines), since

    def _missed(self, run: RunSpec, log: Sequence[LogEntry], since: Mapping[str, Bars]) -> list[LogEntry]:
        """What the run would have been told while no process ran: its days, and the bars that closed."""
        last_ns = max(
            (bar.start_ns for entry in log if isinstance(entry, BarsClosed) for _, bar in entry.bars),
            default=0,
        )
        told_days = {entry.session.day for entry in log if isinstance(entry, SessionBegan)}
        together: dict[int, list[tuple[str, Bar]]] = {}
        for symbol in run.symbols:
            bars = since[symbol]
            for i in range(len(bars)):
                start_ns = int(bars.ts[i])
                if start_ns > last_ns:
                    values = (
                        float(each[i]) for each in (bars.open, bars.high, bars.low, bars.close, bars.volume)
                    )
                    together.setdefault(start_ns, []).append((symbol, Bar(start_ns, *values)))
        made: list[LogEntry] = []
        for start_ns, closed in sorted(together.items()):
            day = (start_ns + IST_OFFSET_NS) // NANOSECONDS_PER_DAY
            if day not in told_days:
                told_days.add(day)
                span = next(each for each in whole_days(self._spans(ist_date(start_ns), ist_date(start_ns))))
                made.append(SessionBegan(self._live_session(span), {}))
            made.append(BarsClosed(tuple(closed)))
        today = self._today(self._parts.clock.now_ns())
        if today is not None and (today.span.open_ns + IST_OFFSET_NS) // NANOSECONDS_PER_DAY in told_days:
            today.told = True
        return made

    async def _bars(self, instrument: Instrument, spans: Sequence[SessionSpan], now_ns: int) -> Bars:
        timeframe, source = self.spec.timeframe, self._parts.history
        first, last = datetime_of(spans[0].open_ns), datetime_of(now_ns)
        try:
            bars = await source.history(instrument, timeframe, first, last)
        except NotSupportedError:
            bars = await source.history(instrument, _MINUTE, first, last)
            bars = resample(bars, _MINUTE, timeframe, spans, outside=Outside.DROP)
        inside = resample(bars, timeframe, timeframe, spans, outside=Outside.DROP)
        over = inside.ts + timeframe.length_ns <= now_ns
        return inside.slice(0, int(over.sum()))

    def _timeline(self, bars: Bars, days: Sequence[SessionSpan]) -> Timeline:
        made = by_sessions(bars.ts, days)
        leave, last = self.spec.leave_minute, self.spec.last_entry_minute
        return made if leave is None else made.with_square_off(leave, last)

    def _spans(self, first: date, last: date) -> tuple[SessionSpan, ...]:
        sessions, _ = known_sessions(next(iter(self.spec.instruments.values())), first, last)
        return spans_of(sessions)

    # -- what a back-test of it needs

    def _open_tape(self, now_ns: int, *, again: bool) -> LiveTape:
        rows = {
            self._parts.listings.row_of_key(instrument.key): symbol
            for symbol, instrument in self.spec.instruments.items()
        }
        symbols = {row: symbol for row, symbol in rows.items() if row is not None}
        return LiveTape.open(self._parts.folder, symbols, now_ns, again=again)

    def _write_facts(self, began_ns: int) -> None:
        spec, parts = self.spec, self._parts
        today = ist_date(parts.clock.now_ns())
        settings = parts.room.account.settings
        fills: dict[str, object] = {}
        if isinstance(settings, PaperAccountSettings):  # how the exchange fills is the account's matter
            liquidity = settings.exchange_settings().liquidity
            fills = {
                "slippage": liquidity.slippage, "participation": liquidity.participation, "limit_touch": liquidity.limit_touch,
            }  # fmt: skip
        facts = SessionFacts(
            session_id=spec.session_id, account_id=spec.account_id, mode=parts.room.account.mode.value, is_replay=False,
            timeframe=spec.timeframe, instruments=spec.instruments,
            runs=[
                RunFacts(
                    run_id=run.run_id, strategy=run.strategy, symbols=tuple(run.symbols), values=run.values,
                    rules=replace(run.rules, **fills),  # type: ignore[arg-type]
                    parameters_hash=run.parameters_hash,
                )
                for run in self._runs.values()
            ],
            spans=self._spans(self._first_day or today, today),
            begin_ns=began_ns - spec.timeframe.length_ns + 1,  # the bar that was forming then is the first decided on
            lateness_ns=parts.hub.settings.bars.lateness_ns, leave_minute=spec.leave_minute, last_entry_minute=spec.last_entry_minute,
            bars_per_year=spec.bars_per_year, costs="none" if spec.charges is None else "account", product=spec.product.value,
            source=parts.source,
        )  # fmt: skip
        facts.write(parts.folder)
        write_charges(parts.folder, spec.charges)
        kept = parts.folder / STRATEGY_FILE
        if spec.strategy.is_file and not kept.exists():
            replace_file(kept, Path(spec.strategy.path).read_bytes())

    # -- what outlives a crash

    def _log_file(self, run_id: str) -> Path:
        return self._parts.folder / f"{run_id.partition(':')[2].replace('/', '_')}.log"

    def _write_logs(self) -> Mapping[str, Sequence[LiveFill]]:
        """Keep what the runs were told; the fills among it, by run."""
        fills: dict[str, list[LiveFill]] = {}
        for run_id in self._runs:
            fresh = self._parts.workers.log(run_id, self._logged[run_id]).entries
            if fresh:
                text = "".join(f"{to_line(entry)}\n" for entry in fresh).encode()
                with self._log_file(run_id).open("ab") as file:
                    file.truncate(self._log_bytes[run_id])  # half a line of a full disk, or of a crash
                    file.write(text)
                self._log_bytes[run_id] += len(text)
                self._logged[run_id] += len(fresh)
                fills[run_id] = [entry.fill for entry in fresh if isinstance(entry, FillTold)]
        return fills

    def _began_ns(self) -> int | None:
        """When the session first began; None for one that begins now."""
        file = self._parts.folder / _BEGAN
        return int(file.read_text()) if file.exists() else None

    def _read_log(self, run_id: str) -> list[LogEntry]:
        """What an earlier process told the run; a last line that was cut off is left out."""
        file = self._log_file(run_id)
        if not file.exists():
            return []
        whole, newline, _ = file.read_bytes().rpartition(b"\n")
        self._log_bytes[run_id] = len(whole) + len(newline)
        return [from_line(line) for line in whole.decode().split("\n")] if newline else []

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
                for fill in (await self._booked(symbol, heard[run_id]))[told:]:
                    wants = await workers.fill(run_id, fill)
                    await room.conductor.carry_out({run_id: wants})
                if not room.conductor.has_entry(run_id, symbol):
                    wants = await workers.entry_gone(run_id, symbol, "the desk was started anew")
                    await room.conductor.carry_out({run_id: wants})

    async def _booked(self, symbol: str, heard: Mapping[str, int]) -> list[LiveFill]:
        """Every execution of this session in an instrument, in the order of booking; of each order up to `heard`.

        Orders that the book no longer holds ended long ago; one that it holds and `heard` does not was made since.
        """
        made_since = {each.order.order_id for each in self._parts.room.desk.book.all()} - heard.keys()
        async with self._parts.database.reading() as session:
            rows = await session.execute(
                select(OrderRow.intent_id, OrderRow.request, ExecutionRow)
                .join(OrderRow, OrderRow.order_id == ExecutionRow.order_id)
                .where(
                    OrderRow.account_id == self.spec.account_id,
                    OrderRow.intent_id.startswith(f"{self.spec.session_id}.{symbol}.", autoescape=True),
                    ExecutionRow.quantity > Decimal(0),
                )
                .order_by(ExecutionRow.execution_id)
            )
            return [
                LiveFill(
                    symbol,
                    1 if f'"side":"{Side.BUY.value}"' in request else -1,
                    float(execution.quantity),
                    float(execution.value / execution.quantity / self.spec.instruments[symbol].multiplier),
                    _reason_of(intent_id),
                    execution.at_ns,
                )
                for intent_id, request, execution in rows
                if execution.order_id not in made_since
                and execution.sequence <= heard.get(execution.order_id, execution.sequence)
            ]

    def _session_record(self) -> SessionRecord:
        spec = self.spec
        pots = len(spec.instruments) if spec.alone else 1
        return SessionRecord(
            session_id=spec.session_id,
            account_id=spec.account_id,
            strategy=spec.strategy.name,
            parameters_hash=self.parameters_hash,
            mode=SessionMode(self._parts.room.account.mode.value),
            capital=Decimal(str(spec.rules.cash)) * pots,
            started_ns=self._parts.clock.now_ns(),
            details={
                "symbols": list(spec.instruments),
                "timeframe": str(spec.timeframe),
                "values": dict(spec.values),
            },
        )

    async def _write_trades(self) -> None:
        for run_id in self._runs:
            if run_id in self.stopped:
                continue
            trades = await self._read_trades(run_id)
            fresh = trades[self._written[run_id] :]
            if fresh:
                await self._record.write_trades([self._trade_record(trade) for trade in fresh])
                self._written[run_id] = len(trades)

    def _trade_record(self, trade: LiveTrade) -> TradeRecord:
        return TradeRecord(
            session_id=self.spec.session_id,
            strategy_id=self.strategy_id,
            symbol=trade.symbol,
            side=Side.BUY if trade.side > 0 else Side.SELL,
            entry_ns=trade.entry_ns,
            exit_ns=trade.exit_ns,
            quantity=Decimal(str(trade.quantity)),
            entry_price=Decimal(str(trade.entry_price)),
            exit_price=Decimal(str(trade.exit_price)),
            gross=Decimal(str(trade.gross)),
            costs=Decimal(str(trade.costs)),
            reason=trade.reason.name.lower(),
        )


def _deliver(tape: LiveTape, entries: Sequence[LogEntry]) -> None:
    """Bars that an earlier process decided on, or that nobody did, and that its tape had not written yet."""
    for entry in entries:
        if isinstance(entry, BarsClosed):
            for symbol, bar in entry.bars:
                tape.deliver(symbol, bar)


def _of(warm_up: WarmUp, symbols: Sequence[str]) -> WarmUp:
    bars = {symbol: warm_up.bars[symbol] for symbol in symbols if symbol in warm_up.bars}
    return WarmUp(bars, {symbol: warm_up.timelines[symbol] for symbol in bars})


def _first_day(spans: Sequence[SessionSpan], wanted: int, timeframe: Timeframe) -> date:
    """The latest day from which on there are so many bars."""
    count = 0
    for day in reversed(whole_days(spans)):
        count += (day.close_ns - day.open_ns) // timeframe.length_ns
        if count >= wanted:
            return day.trade_date
    return spans[0].trade_date


def _reason_of(intent_id: str) -> Reason:
    """Why an order of a bracket filled, from the name of its child; what a stop was, fixed or trailing, is not told."""
    child = intent_id.rpartition("/")[2].partition(".")[0]
    return {"entry": Reason.ENTRY, "stop": Reason.STOP, "target": Reason.TARGET}.get(child, Reason.SIGNAL)
