"""One desk process: opens accounts, feeds and strategies, and keeps them going until it is told to stop.

Loops: the feed, the market's queue, the overseer (four times a second), the minute, and once a second days, requests,
states and readiness.  Whatever fails in one of them is told, and the loops go on.  An account that another process took
over is closed here; the others go on.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random

from sqlalchemy.exc import SQLAlchemyError

from trademantra.brokers.events import SessionChanged, SessionState, StreamChanged
from trademantra.brokers.listings import Listings
from trademantra.brokers.paper.host import ExchangeHost
from trademantra.brokers.paper.journal import Journal
from trademantra.brokers.paper.market import EventBatch
from trademantra.brokers.port import BrokerAdapter
from trademantra.core.errors import InvalidValueError, TradeMantraError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, Clock, datetime_of, ist_date
from trademantra.engine.live.wants import Want
from trademantra.kit.bus import Bus
from trademantra.kit.database import Database
from trademantra.kit.lease import LeaseLostError
from trademantra.kit.secrets import SecretsBox
from trademantra.kit.timer import ClockTimer
from trademantra.trading.accounts.account import OWN, Account
from trademantra.trading.accounts.adapters import AdapterParts, adapter_for, paper_exchange
from trademantra.trading.accounts.settings import Broker
from trademantra.trading.control.requests import DeskAnswer, DeskRequest, RequestKind, RequestStore
from trademantra.trading.control.state import DeskState, StateStore
from trademantra.trading.desk_events import PersonNeeded
from trademantra.trading.feeds.bar_rules import BarClosed
from trademantra.trading.feeds.events import (
    BarsMissing,
    FeedBack,
    FeedEvent,
    FeedLost,
    RecordingStopped,
    SourceSwitched,
    SourceTrouble,
)
from trademantra.trading.feeds.hours import TradingHours
from trademantra.trading.feeds.hub_settings import FeedStatus, TickSource
from trademantra.trading.feeds.recorder import Recorder
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.house.listings import TokenBook
from trademantra.trading.house.market import Market, MarketEars
from trademantra.trading.house.overseer import Overseer, OverseerParts
from trademantra.trading.house.position_watch import PositionWatch
from trademantra.trading.house.room import AccountRoom, SendGuard, Shared, open_room
from trademantra.trading.house.square_off import SquareOff
from trademantra.trading.house.strategies import SessionParts, SessionSpec, StrategySession
from trademantra.trading.house.symbols import instruments_of
from trademantra.trading.journal import OrderJournal
from trademantra.trading.lease_names import lease_name
from trademantra.trading.readiness.gate import AccountGate
from trademantra.trading.readiness.inspect import Candidate, Surroundings, inspect_all, last_close_ns
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.kill import KillSwitch
from trademantra.trading.risk.limits import Scope
from trademantra.trading.risk.state import RiskState
from trademantra.trading.runner.events import RunnerEvent, StopReason, StrategyStopped
from trademantra.trading.runner.runs import ClosedBar
from trademantra.trading.runner.settings import RunnerSettings
from trademantra.trading.runner.workers import StrategyWorkers
from trademantra.trading.session.conductor import Refused
from trademantra.trading.session.lockstep import settle

_LOOKS_PER_SECOND = 4
_OVER_NS = NANOSECONDS_PER_MINUTE  # after the close, when a day is written down
_LAST_WORDS_SECONDS = 5.0  # for what is on its way when strategies end
_RECHECK_NS = 60 * NANOSECONDS_PER_SECOND
_BEFORE_OPEN_NS = 15 * NANOSECONDS_PER_MINUTE  # accounts are looked at again


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseParts:
    """What a desk process is given.  `clock` is that of the markets (the wall's, or a sandbox's), `wall` the real one.

    `say` hears one line for the owner at a time.  `square_off_minutes` before the broker's own square-off, intraday
    positions that are still there are closed.
    """

    home: Path
    database: Database
    box: SecretsBox | None
    clock: Clock
    wall: Clock
    random: Random
    say: Callable[[str], None]
    runner: RunnerSettings = field(default_factory=RunnerSettings)
    record: bool = True
    square_off_minutes: int = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be run: accounts by id (data sources too), and sessions."""

    accounts: Mapping[str, Account]
    sessions: Sequence[SessionSpec]


class House:
    """Use `open_house`.  `run` keeps everything going until `stop`."""

    def __init__(self, parts: HouseParts) -> None:
        self.parts = parts
        self.bus = Bus()
        self.rooms: dict[str, AccountRoom] = {}
        self.sessions: dict[str, StrategySession] = {}
        self.markets: dict[str, Market] = {}
        self.gate = RiskGate(RiskState(), self)
        self.switch = KillSwitch(parts.home, parts.wall.now_ns())
        self.readiness = AccountGate(parts.clock)
        self.owner = f"{socket.gethostname()}:{os.getpid()}"
        self._timer = ClockTimer(parts.clock)
        self._requests, self._states = RequestStore(parts.database), StateStore(parts.database)
        self._workers = StrategyWorkers(parts.home / "workers", parts.runner, self._hear_runner)
        self._run_of: dict[str, StrategySession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._rooms_open: dict[str, AsyncExitStack] = {}
        self._guards: dict[str, SendGuard] = {}
        self._checked_ns = 0
        self._said = ""
        self._troubles: dict[str, str] = {}
        self._opens_checked: set[int] = set()
        self._day = ist_date(parts.clock.now_ns())
        self._ended: set[str] = set()
        self._square_off = SquareOff(self._timer, parts.square_off_minutes, parts.say)
        self._watch = PositionWatch(self._timer, self.bus, parts.say)
        self.overseer = Overseer(
            OverseerParts(
                rooms=self.rooms, sessions=self.sessions, gate=self.gate, switch=self.switch, workers=self._workers,
                timer=self._timer, wall=parts.wall, say=parts.say, spawn=self._spawn,
            )
        )  # fmt: skip

    def blocking(self, user_id: str, account_id: str, strategy_id: str, now_ns: int) -> str | None:
        """The kill switch lives in real time, whatever the market's clock says."""
        del now_ns
        return self.switch.blocking(user_id, account_id, strategy_id, self.parts.wall.now_ns())

    def stop(self) -> None:
        self._stopping.set()

    # -- opening

    async def open(self, stack: AsyncExitStack, wanted: Wanted) -> None:
        """Accounts, feeds, strategies.  Errors: `LeaseHeldError`, `BrokerError`, `RunRefusedError`, `InvalidValueError`."""
        parts = self.parts
        journal = await stack.enter_async_context(OrderJournal(parts.database))
        stack.push_async_callback(self._workers.close)
        adapters: dict[str, BrokerAdapter] = {}
        for account in wanted.accounts.values():
            if account.broker is not Broker.PAPER:
                adapters[account.account_id] = await self._broker(stack, account)
        sessions = [
            replace(
                spec,
                instruments=await instruments_of(
                    spec, adapters[_source_of(wanted.accounts[spec.account_id])]
                ),
            )
            for spec in wanted.sessions
        ]
        tokens = TokenBook(parts.home / "paper" / "instruments.json")
        listings = tokens.listings(each for spec in sessions for each in spec.instruments.values())
        hosts: dict[str, list[ExchangeHost]] = {}
        for account in wanted.accounts.values():
            if account.broker is Broker.PAPER:
                adapters[account.account_id] = await self._paper(stack, account, listings, hosts)
        shared = Shared(
            owner=self.owner, database=parts.database, journal=journal, timer=self._timer, wall=ClockTimer(parts.wall),
            bus=self.bus, gate=self.gate,
            workers=self._workers, on_request=self.overseer.heard, not_ready=self._not_ready, lost=self._lost,
            refused=self._refused, say=parts.say,
        )  # fmt: skip
        for account_id in dict.fromkeys(spec.account_id for spec in wanted.sessions):
            account, guard = wanted.accounts[account_id], self._guards.get(account_id, SendGuard(account_id))
            neighbours = [room.account for room in self.rooms.values()]
            mine = await stack.enter_async_context(AsyncExitStack())
            self.rooms[account_id] = await mine.enter_async_context(
                open_room(account, adapters[account_id], guard, shared, neighbours)
            )
            self._rooms_open[account_id] = mine
        for source in dict.fromkeys(_source_of(wanted.accounts[spec.account_id]) for spec in wanted.sessions):
            await self._open_market(source, adapters[source], listings, hosts.get(source, []))
        await self._check(force=True)
        for spec in sessions:
            await self._open_session(spec, _source_of(wanted.accounts[spec.account_id]), adapters)

    async def _broker(self, stack: AsyncExitStack, account: Account) -> BrokerAdapter:
        parts = self.parts
        guard = self._guards[account.account_id] = SendGuard(account.account_id)
        made = AdapterParts(
            clock=parts.clock, random=parts.random, box=parts.box, ensure_may_send=guard.ensure_may_send
        )
        adapter = adapter_for(account, made)
        stack.push_async_callback(adapter.close)
        if adapter.session is not SessionState.ACTIVE:
            raise InvalidValueError(
                f"account {account.account_id} is not logged in",
                hint=f"tm account login {account.account_id}",
            )
        return adapter

    async def _paper(
        self,
        stack: AsyncExitStack,
        account: Account,
        listings: Listings,
        hosts: dict[str, list[ExchangeHost]],
    ) -> BrokerAdapter:
        """The exchange of one paper account, fed by the feed of its data source."""
        parts = self.parts
        journal = Journal.open(parts.home / "paper" / f"{account.account_id}.journal")
        host = paper_exchange(account, listings, parts.clock, journal)
        stack.callback(host.close)
        hosts.setdefault(account.data_source, []).append(host)
        adapter = adapter_for(account, AdapterParts(clock=parts.clock, random=parts.random, host=host))
        stack.push_async_callback(adapter.close)
        await adapter.complete_login({})
        return adapter

    async def _open_market(
        self, source: str, adapter: BrokerAdapter, listings: Listings, hosts: Sequence[ExchangeHost]
    ) -> None:
        parts = self.parts
        hub = TickHub([TickSource(source, adapter)], parts.clock, self._hours)
        if parts.record:
            recorder = Recorder(parts.home / "recordings" / source, hub.table)
            hub = TickHub([TickSource(source, adapter)], parts.clock, self._hours, recorder=recorder)
        hub.on_event(self._hear_feed)
        ears = MarketEars(
            bars=lambda closed: self._bars(source, closed),
            minute=lambda at_ns: self._begin_minute(source, at_ns),
            price=self._price,
            events=lambda events: self._tape(source, events),
            settled=self._settled,
            trouble=lambda error: self._trouble(f"market of {source}", error),
        )
        self.markets[source] = Market(hub, listings, hosts, ears)

    async def _open_session(
        self, spec: SessionSpec, source: str, adapters: Mapping[str, BrokerAdapter]
    ) -> None:
        session = StrategySession(
            spec,
            SessionParts(
                room=self.rooms[spec.account_id], hub=self.markets[source].hub, history=adapters[source],
                workers=self._workers, database=self.parts.database, clock=self.parts.clock,
                folder=self.parts.home / "sessions" / spec.session_id, tell=self.parts.say,
                listings=self.markets[source].listings, source=source,
            ),
        )  # fmt: skip
        self._run_of |= dict.fromkeys(session.run_ids, session)
        await session.open()
        self.sessions[spec.session_id] = session
        self.parts.say(
            f"{spec.strategy.name} runs in {spec.account_id}: {len(spec.instruments)} instruments, {spec.timeframe}, "
            f"session {spec.session_id}"
        )
        pots = len(spec.instruments) if spec.alone else 1
        wanted, capital = (
            Decimal(str(spec.rules.cash)) * pots,
            self.gate.state.book(Scope.ACCOUNT, spec.account_id).capital,
        )
        if capital is None or wanted > capital:
            has = "money that could not be read" if capital is None else f"{capital:,.0f}"
            self.parts.say(
                f"careful: sizes are for {pots} x {spec.rules.cash:,.0f} = {wanted:,.0f}, the account has {has}; see --cash"
            )

    def _hours(self, instrument: Instrument) -> TradingHours:
        today = ist_date(self.parts.clock.now_ns())
        return TradingHours.between(instrument, today, today + timedelta(days=7))

    # -- running

    async def run(self) -> None:
        """Until `stop`.  Errors of single looks are told; the loops go on."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                *(group.create_task(market.hub.run()) for market in self.markets.values()),
                *(group.create_task(market.run()) for market in self.markets.values()),
                group.create_task(self._look_often()),
                group.create_task(self._look_each_second()),
                group.create_task(self._listen()),
            ]
            await self._stopping.wait()
            for task in tasks:
                task.cancel()

    async def close_sessions(self) -> None:
        """Strategies end; what they hold stays protected at the broker.  One that cannot be ended well is told."""
        await self._tried(lambda: asyncio.wait_for(self._settled(), _LAST_WORDS_SECONDS))
        for session in self.sessions.values():
            await self._tried(session.close)
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._tried(self._tell_end)

    async def _tell_end(self) -> None:
        await self._tell_states(running=False)

    async def _look_often(self) -> None:
        while True:
            try:
                self.overseer.look()
                self._look_at_square_off()
                for room in self.rooms.values():
                    room.risk.keep_stops()
            except (TradeMantraError, OSError) as error:
                self.parts.say(f"look at kills and losses: {error}")
            self._look_at_minute()
            await asyncio.sleep(1 / _LOOKS_PER_SECOND)

    def _look_at_square_off(self) -> None:
        for room in self.rooms.values():
            for key in self._square_off.due(room):
                self._spawn(self._tried(partial(self._square_off.close, room, key)))

    def _look_at_minute(self) -> None:
        """A minute began, and the bars that ended with it are through."""
        now_ns = self.parts.clock.now_ns() - NANOSECONDS_PER_SECOND // _LOOKS_PER_SECOND
        for market in self.markets.values():
            market.looked_at(now_ns)

    async def _look_each_second(self) -> None:
        while True:
            for look in (
                self._look_at_days, self._look_at_requests, self._look_at_positions, self._check, self._tell_states,
            ):  # fmt: skip
                await self._tried(look)
            for room in self.rooms.values():
                room.risk.keep()
            await asyncio.sleep(1.0)

    async def _tried(self, look: Callable[[], Awaitable[None]]) -> None:
        """What fails is told, once until it fails otherwise; it is tried again when its time comes."""
        what = getattr(look, "__name__", "a part of the desk").strip("_").replace("_", " ")
        try:
            await look()
        except (TradeMantraError, SQLAlchemyError, OSError) as error:
            self._trouble(what, error)
        else:
            self._troubles.pop(what, None)

    def _trouble(self, what: str, error: Exception) -> None:
        cause = str(getattr(error, "orig", error))
        if self._troubles.get(what) != cause:
            self._troubles[what] = cause
            self.parts.say(f"{what}: {cause}")

    async def _look_at_positions(self) -> None:
        for room in list(self.rooms.values()):
            await self._watch.look(room)

    async def _look_at_days(self) -> None:
        now_ns = self.parts.clock.now_ns()
        today = ist_date(now_ns)
        if today != self._day:
            self._day = today
            self.gate.state.day_rolled()
            for market in self.markets.values():
                market.hub.renew_hours()
        for session in self.sessions.values():
            await session.look()
            ends_ns = session.ends_ns
            if ends_ns is not None and now_ns > ends_ns + _OVER_NS:
                key = f"{session.spec.session_id} {today}"
                if key not in self._ended:
                    self._ended.add(key)
                    await session.end_of_day()

    async def _look_at_requests(self) -> None:
        for request in await self._requests.take(list(self.rooms), self.parts.wall.now_ns()):
            # beside the loop: closing waits for the broker, and all else goes on meanwhile
            self._spawn(self._tried(partial(self._answer, request)))

    async def _answer(self, request: DeskRequest) -> None:
        if request.kind is RequestKind.STOP:
            answer = await self._stop_session(request)
        else:
            answer = await self.overseer.answer(request)
        await self._requests.answer(request.request_id, answer, self.parts.wall.now_ns())

    async def _stop_session(self, request: DeskRequest) -> DeskAnswer:
        """End one session; what it holds stays protected, and the others notice nothing."""
        name = str(request.arguments.get("session", ""))
        mine = [each for each in self.sessions.values() if each.spec.account_id == request.account_id]
        session = next((each for each in mine if each.spec.session_id == name), None)
        if session is None:
            there = ", ".join(each.spec.session_id for each in mine) or "none"
            return DeskAnswer(False, f"no session {name!r} runs in {request.account_id}; there are: {there}")
        del self.sessions[name]
        try:
            await session.close()
        except TradeMantraError as error:
            return DeskAnswer(False, f"{name} could not be ended well: {error}")
        for run_id in session.run_ids:
            self._run_of.pop(run_id, None)
        return DeskAnswer(True, f"{name} has ended: its entries are taken back, its exits stay armed")

    async def _check(self, *, force: bool = False) -> None:
        """Readiness: at the start, before each open, each minute while an account is not ready, and when a login changed."""
        now_ns = self.parts.clock.now_ns()
        waiting = [each for each in self.rooms if self.readiness.why_not_ready(each) is not None]
        opens_ns = self._coming_open(now_ns)
        if opens_ns is not None:
            self._opens_checked.add(opens_ns)
            force = True
        if not force and (not waiting or 0 <= now_ns - self._checked_ns < _RECHECK_NS):
            return
        self._checked_ns = now_ns
        parts = self.parts
        around = Surroundings(
            database=parts.database, home=parts.home, master=parts.home / "instruments.sqlite3", kill_switch=self.switch,
            clock=parts.clock, read_seconds=time.perf_counter, lease_name=lease_name, own_name=self.owner,
            needed_until_ns=last_close_ns(ist_date(now_ns)),
        )  # fmt: skip
        report = await inspect_all(
            [Candidate(room.account, room.adapter, self._feed_of(room)) for room in self.rooms.values()],
            around,
        )
        self.readiness.heard(report)
        self.bus.tell(report)
        verdict = "; ".join(f"{each.account_id} {each.why_not}" for each in report.accounts)
        if force or verdict != self._said:  # each minute of a night without a login says the same
            self._said = verdict
            parts.say(report.text)

    def _coming_open(self, now_ns: int) -> int | None:
        """The open that is near and before which nobody looked yet."""
        for session in self.sessions.values():
            begins_ns = session.begins_ns
            if begins_ns is None or begins_ns in self._opens_checked:
                continue
            if begins_ns - _BEFORE_OPEN_NS <= now_ns < begins_ns:
                return begins_ns
        return None

    def _feed_of(self, room: AccountRoom) -> FeedStatus | None:
        market = self.markets.get(_source_of(room.account))
        return None if market is None or not market.hub.status().instruments else market.hub.status()

    async def _tell_states(self, *, running: bool = True) -> None:
        """What `tm desk status` shows."""
        now_ns = self.parts.wall.now_ns() if running else 0
        await self._states.write(
            [
                DeskState(room.account_id, self._told_of(room), now_ns or self.parts.wall.now_ns())
                for room in self.rooms.values()
            ]
        )

    def _told_of(self, room: AccountRoom) -> dict[str, object]:
        market = self.markets.get(_source_of(room.account))
        feed = None if market is None else market.hub.status()
        strategies = [
            f"{each.strategy_id} ({each.spec.session_id})" + (" stopped" if each.stopped else "")
            for each in self.sessions.values()
            if each.spec.account_id == room.account_id
        ]
        return {
            "stage": self.readiness.stage(room.account_id).value,
            "session": room.adapter.session.value,
            "broker": None if room.desk.is_reading_well else "does not answer",
            "feed": None if feed is None else _feed_words(feed),
            "working_orders": len(room.desk.book.working()),
            "strategies": strategies,
            "behind": (market.waiting or None) if market is not None else None,
            "owner": self.owner,
        }

    async def _listen(self) -> None:
        """Trouble that a person must see, as it comes; logins that change."""
        calls = self.bus.subscribe(PersonNeeded)
        logins, streams = self.bus.subscribe(SessionChanged), self.bus.subscribe(StreamChanged)

        async def hear_calls() -> None:
            async for call in calls:
                self.parts.say(f"look at {call.account_id} {call.subject}: {call.reason}")

        async def hear_logins() -> None:
            async for _ in logins:
                for room in self.rooms.values():
                    self.readiness.session_changed(room.account_id, room.adapter.session)
                    self._watch.soon(room.account_id)
                self._checked_ns = 0

        async def hear_streams() -> None:
            async for _ in streams:
                for room in self.rooms.values():
                    self._watch.soon(room.account_id)

        async with asyncio.TaskGroup() as group:
            group.create_task(hear_calls())
            group.create_task(hear_logins())
            group.create_task(hear_streams())

    # -- what markets bring

    async def _bars(self, source: str, closed: Sequence[BarClosed]) -> None:
        """Bars that ended at one instant: every strategy that wants them decides, and it is carried out."""
        for session in self._sessions_of(source):
            keys = {instrument.key for instrument in session.spec.instruments.values()}
            for each in closed:
                tape = session.tape
                if (
                    tape is not None
                    and each.instrument.key in keys
                    and each.timeframe == session.spec.timeframe
                ):
                    tape.deliver(each.instrument.symbol, each.bar)
        for together, run_ids in self._who_hears(source, closed):
            bars = [ClosedBar(each.instrument.symbol, each.timeframe, each.bar) for each in together]
            await self._carry_out(await self._workers.decide(bars, run_ids))

    def _who_hears(
        self, source: str, closed: Sequence[BarClosed]
    ) -> Sequence[tuple[Sequence[BarClosed], Sequence[str]]]:
        """Bars with the runs that they are for: those that hear this market, each its own exchange's."""
        sessions = self._sessions_of(source)
        if len({each.instrument.symbol for each in closed}) == len({each.instrument.key for each in closed}):
            keys = {each.instrument.symbol: each.instrument.key for each in closed}
            if all(
                keys.get(symbol, instrument.key) == instrument.key
                for session in sessions
                for symbol, instrument in session.spec.instruments.items()
            ):
                return [(closed, [run_id for session in sessions for run_id in session.run_ids])]
        told = []
        for session in sessions:
            mine = {instrument.key for instrument in session.spec.instruments.values()}
            told.append(([each for each in closed if each.instrument.key in mine], session.run_ids))
        return told

    def _sessions_of(self, source: str) -> Sequence[StrategySession]:
        return [
            session
            for session in dict.fromkeys(self._run_of.values())
            if session.spec.account_id in self.rooms
            and _source_of(self.rooms[session.spec.account_id].account) == source
        ]

    async def _begin_minute(self, source: str, at_ns: int) -> None:
        due = [
            run_id
            for session in self._sessions_of(source)
            if session.is_in_hours(at_ns)
            for run_id in session.run_ids
            if run_id not in session.stopped
        ]
        if due:
            await self._carry_out(await self._workers.clock(at_ns, due))

    async def _carry_out(self, decided: Mapping[str, Sequence[Want]]) -> None:
        by_room: dict[str, dict[str, Sequence[Want]]] = {}
        for run_id, wants in decided.items():
            if wants and self._run_of[run_id].spec.account_id in self.rooms:
                by_room.setdefault(self._run_of[run_id].spec.account_id, {})[run_id] = wants
        for account_id, mine in by_room.items():
            await self.rooms[account_id].conductor.carry_out(mine)

    def _price(
        self,
        instrument: Instrument,
        last: float,
        high: float,
        low: float,
        volume: float,
        bid: float,
        ask: float,
        at_ns: int,
    ) -> None:
        self.gate.state.price(instrument.key, Decimal(str(last)), at_ns)
        for room in self.rooms.values():
            room.algos.on_price(instrument, last, high, low, volume, bid, ask, at_ns)

    def _tape(self, source: str, events: EventBatch) -> None:
        for session in self._sessions_of(source):
            if session.tape is not None:
                session.tape.feed(events)

    async def _settled(self) -> None:
        """Paper accounts wait until all is done; strategies of every account are told of their fills."""
        while True:
            for room in list(self.rooms.values()):
                if room.account.broker is Broker.PAPER:
                    await settle(room.journal, room.algos, (partial(_is_busy, room),))
            with_news = [room for room in self.rooms.values() if room.conductor.has_news]
            if not with_news:
                return
            for room in with_news:
                await room.conductor.tell_runs()

    # -- what happens

    def _not_ready(self, account_id: str) -> str:
        """Why entries wait.  Before the first reading of the books an earlier process may have left orders under way."""
        room = self.rooms.get(account_id)
        if room is not None and not room.desk.has_read_books:
            return "the broker's books were not read yet since the start"
        return self.readiness.why_not_ready(account_id) or ""

    def _lost(self, account_id: str, error: LeaseLostError) -> None:
        self.parts.say(f"account {account_id} was taken over by another process: {error.message}")
        self._spawn(self._tried(partial(self._close_room, account_id)))

    async def _close_room(self, account_id: str) -> None:
        """The other process serves it now: its strategies end here, and nothing of it is touched."""
        self.rooms.pop(account_id, None)
        for session in [each for each in self.sessions.values() if each.spec.account_id == account_id]:
            del self.sessions[session.spec.session_id]
            await self._tried(session.abandon)
        opened = self._rooms_open.pop(account_id, None)
        if opened is not None:
            await opened.aclose()
        if not self.rooms:
            self.parts.say("no account is left here")
            self.stop()

    def _refused(self, account_id: str, refused: Refused) -> None:
        self.parts.say(f"{account_id}: {refused.symbol}: not taken: {refused.text}")

    def _hear_feed(self, event: FeedEvent) -> None:
        self.bus.tell(event)
        self.parts.say(_told_of_feed(event))

    def _hear_runner(self, event: RunnerEvent) -> None:
        if isinstance(event, StrategyStopped):
            session = self._run_of.get(event.run_id)
            if session is not None:
                session.was_stopped(event.run_id)
                self.rooms[session.spec.account_id].conductor.remove(event.run_id)
            if event.reason is not StopReason.ASKED:
                self.parts.say(
                    f"strategy {event.run_id} is stopped ({event.reason}): {event.text}; its exits stay armed"
                )
        self.bus.tell(event)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def open_house(parts: HouseParts, wanted: Wanted) -> AsyncIterator[House]:
    """Everything open and warmed up; leaving ends strategies, lets go of accounts and closes feeds."""
    async with AsyncExitStack() as stack:
        house = House(parts)
        await house.open(stack, wanted)
        try:
            yield house
        finally:
            await house.close_sessions()


def _source_of(account: Account) -> str:
    return account.account_id if account.data_source == OWN else account.data_source


def _is_busy(room: AccountRoom) -> bool:
    return room.is_busy


def _feed_words(feed: FeedStatus) -> str:
    """For `tm desk status`."""
    if feed.is_down:
        return f"{feed.source} is down"
    age = "no price yet" if feed.age_ns is None else f"{feed.age_ns / NANOSECONDS_PER_SECOND:.1f} s old"
    stale = f", {feed.stale} stale" if feed.stale else ""
    return f"{feed.source}, {feed.instruments} instruments, {age}{stale}"


def _told_of_feed(event: FeedEvent) -> str:
    """For the owner."""
    match event:
        case FeedLost(source, since_ns):
            return f"feed of {source}: nothing is heard since {datetime_of(since_ns):%H:%M:%S}"
        case FeedBack(source, start_ns, _):
            return f"feed of {source}: prices come; bars since {datetime_of(start_ns):%H:%M:%S} are fetched"
        case SourceSwitched(old, new, _):
            return f"feed: {new} is heard instead of {old}"
        case SourceTrouble(source, reason):
            return f"feed of {source}: {reason}"
        case BarsMissing(instrument, timeframe, start_ns, _, reason):
            return f"feed: bars of {instrument.key} ({timeframe}) from {datetime_of(start_ns):%H:%M} are missing: {reason}"
        case RecordingStopped(reason):
            return f"feed: {reason}"
