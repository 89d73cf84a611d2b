"""One desk process: opens accounts, feeds and strategies, and keeps them going until it is told to stop.

Loops: the feed, the market's queue, the overseer and requests (four times a second), the minute, and once a second days,
states and readiness.  Whatever fails in one of them is told, and the loops go on.  An account that another process took
over is closed here; the others go on.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from trademantra.brokers.events import SessionChanged, StreamChanged
from trademantra.brokers.port import BrokerAdapter
from trademantra.core.errors import TradeMantraError
from trademantra.core.instrument import Instrument
from trademantra.core.plural import counted
from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, datetime_of, ist_date
from trademantra.kit.bus import Bus
from trademantra.kit.lease import LeaseLostError
from trademantra.kit.timer import ClockTimer
from trademantra.trading.accounts.settings import Broker
from trademantra.trading.control.requests import DeskAnswer, DeskRequest, RequestKind, RequestStore
from trademantra.trading.control.state import DeskState, StateStore
from trademantra.trading.desk_events import PersonNeeded
from trademantra.trading.feeds.events import FeedEvent, FeedLost
from trademantra.trading.feeds.hours import TradingHours
from trademantra.trading.feeds.hub_settings import TickSource
from trademantra.trading.feeds.recorder import Recorder
from trademantra.trading.feeds.shared_lines import shared_lines
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.house.daily_session import session_for
from trademantra.trading.house.deciding import Deciding
from trademantra.trading.house.enlisting import Enlisted
from trademantra.trading.house.held import HeldWords
from trademantra.trading.house.listings import TokenBook
from trademantra.trading.house.market import Market, MarketEars
from trademantra.trading.house.market_facts import market_facts, tell_sectors, watched_in
from trademantra.trading.house.opening import check_logins, open_broker, open_paper, reads_of
from trademantra.trading.house.overseer import Overseer, OverseerParts
from trademantra.trading.house.parts import HouseParts, Wanted
from trademantra.trading.house.pictures import Pictures
from trademantra.trading.house.position_watch import PositionWatch
from trademantra.trading.house.price_reads import PriceReads
from trademantra.trading.house.readiness_watch import ReadinessWatch
from trademantra.trading.house.room import AccountRoom, SendGuard, Shared, open_room
from trademantra.trading.house.session_spec import SessionParts, SessionSpec
from trademantra.trading.house.square_off import SquareOff
from trademantra.trading.house.starting import Starter, StarterParts
from trademantra.trading.house.strategies import StrategySession
from trademantra.trading.house.symbols import with_instruments
from trademantra.trading.house.told_orders import ToldOrders
from trademantra.trading.house.words import told_of_account, told_of_feed, told_of_request
from trademantra.trading.journal import OrderJournal
from trademantra.trading.manual.desk import ManualDesk, ManualParts
from trademantra.trading.manual.feed import HandFeed, HandFeedParts
from trademantra.trading.orders import PositionKey
from trademantra.trading.readiness.gate import AccountGate
from trademantra.trading.risk.dead_man import minutes
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.kill import KillSwitch
from trademantra.trading.risk.kill_files import KillScope
from trademantra.trading.risk.limits import Scope
from trademantra.trading.risk.state import RiskState
from trademantra.trading.runner.events import RunnerEvent, StopReason, StrategyStopped
from trademantra.trading.runner.workers import StrategyWorkers
from trademantra.trading.session.conductor import Refused

_LOOKS_PER_SECOND = 4
_OVER_NS = NANOSECONDS_PER_MINUTE  # after the close, when a day is written down
_LAST_WORDS_SECONDS = 5.0  # for what is on its way when strategies end


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
        self._since_ns = parts.wall.now_ns()
        self._timer = ClockTimer(parts.clock)
        self._requests, self._states = RequestStore(parts.database), StateStore(parts.database)
        self._workers = StrategyWorkers(parts.home / "workers", parts.runner, self._hear_runner)
        self._run_of: dict[str, StrategySession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._adapters: dict[str, BrokerAdapter] = {}
        self._reads: dict[str, PriceReads] = {}  # by feed
        self._hand_feed: HandFeed | None = None
        self._manual: ManualDesk | None = None
        self._starter: Starter | None = None
        self._rooms_open: dict[str, AsyncExitStack] = {}
        self._guards: dict[str, SendGuard] = {}
        self._troubles: dict[str, str] = {}
        self._day = ist_date(parts.clock.now_ns())
        self._ended: set[str] = set()
        self._facts, self._watched_words = market_facts(parts, self.gate.state), ""
        self._deciding = Deciding(self.rooms, self._run_of, self._workers, self.gate.state, time.monotonic)
        self._readiness_watch = ReadinessWatch(
            parts, self.readiness, self.switch, self.bus, self.owner, self.rooms, self.markets, self.sessions
        )
        self._square_off = SquareOff(self._timer, parts.square_off_minutes, parts.say)
        self._watch = PositionWatch(self._timer, self.bus, parts.say)
        self._held = HeldWords(
            self.rooms, self.sessions, self._timer, ClockTimer(parts.wall), parts.say, parts.clock.now_ns()
        )
        self._told_orders = ToldOrders(parts.say, self._is_told_by_a_session)
        self._coming: set[tuple[str, str]] = set()
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
        adapters = self._adapters
        used = [wanted.accounts[name] for name in wanted.served_ids]
        for account in wanted.accounts.values():
            if account.broker is not Broker.PAPER:
                guard = self._guards[account.account_id] = SendGuard(account.account_id)
                adapters[account.account_id] = open_broker(stack, parts, account, guard)
        check_logins(used, adapters, parts.say)
        for account in used:
            self._reads[account.feed] = reads_of(adapters, account)
        sessions = [
            await with_instruments(spec, self._reads[wanted.accounts[spec.account_id].feed], self._day)
            for spec in wanted.sessions
        ]
        named = (each for spec in sessions for each in spec.instruments.values())
        enlisted = Enlisted(
            TokenBook(parts.home / "paper" / "instruments.json"), named, parts.clock, self.markets
        )
        for account in wanted.accounts.values():
            if account.broker is Broker.PAPER:
                adapters[account.account_id], host = await open_paper(
                    stack, parts, account, enlisted.listings
                )
                enlisted.keeps(account, host)
        shared = Shared(
            owner=self.owner, database=parts.database, journal=journal, timer=self._timer, wall=ClockTimer(parts.wall),
            bus=self.bus, gate=self.gate,
            workers=self._workers, on_request=self.overseer.heard, heard=self._told_orders.hear, not_ready=self._not_ready, lost=self._lost,
            refused=self._refused, say=parts.say,
        )  # fmt: skip
        self._coming = {(spec.account_id, spec.strategy_id) for spec in sessions}
        tell_sectors(parts, used, self.gate.state)
        for account_id in wanted.served_ids:
            account, guard = wanted.accounts[account_id], self._guards.get(account_id, SendGuard(account_id))
            neighbours = [room.account for room in self.rooms.values()]
            mine = await stack.enter_async_context(AsyncExitStack())
            self.rooms[account_id] = await mine.enter_async_context(
                open_room(account, adapters[account_id], guard, shared, neighbours)
            )
            self._rooms_open[account_id] = mine
        for left in await self._requests.left_behind(list(self.rooms), parts.wall.now_ns()):
            parts.say(told_of_request(left))
        lines = shared_lines({account.feed: account.prices_from for account in used}, adapters)
        for feed, sources in lines.items():
            await self._open_market(feed, sources, enlisted)
        self._hand_feed, self._manual = self._open_manual(enlisted)
        self._starter = Starter(
            StarterParts(
                rooms=self.rooms, sessions=self.sessions, sources=self._reads, readiness=self.readiness, enlist=enlisted.add,
                plan=parts.plan, open_session=self._open_later, timer=self._timer,
            )
        )  # fmt: skip
        await self._readiness_watch.look(force=True)
        await self._watch_facts(sessions)
        for spec in sessions:
            await self._open_session(spec)
        self._coming.clear()

    def _open_manual(self, enlisted: Enlisted) -> tuple[HandFeed, ManualDesk]:
        """Orders by hand, and the prices for them."""
        wall, state = ClockTimer(self.parts.wall), self.gate.state
        feed = HandFeed(
            HandFeedParts(
                rooms=self.rooms, markets=self.markets, sources=self._reads, enlist=enlisted.add,
                heard=self._watch_facts, state=state, timer=self._timer, wall=wall, say=self.parts.say,
            )
        )  # fmt: skip
        manual = ManualParts(
            rooms=self.rooms, sources=self._reads, feed=feed, gate=self.gate, sessions_in=self._sessions_in,
            bus=self.bus, timer=self._timer, wall=wall,
        )  # fmt: skip
        return feed, ManualDesk(manual)

    async def _watch_facts(self, coming: Sequence[SessionSpec] = ()) -> None:
        """What limits must know of all that is traded here, `coming` sessions included."""
        traded: dict[str, list[Instrument]] = {name: [] for name in self.rooms}
        for spec in [*(each.spec for each in self.sessions.values()), *coming]:
            if spec.account_id in traded:
                traded[spec.account_id] += spec.instruments.values()
        if self._hand_feed is not None:
            for name, instruments in traded.items():
                instruments += self._hand_feed.instruments(name)
        accounts = [room.account for room in self.rooms.values()]
        sources = {each.feed: self._reads[each.feed] for each in accounts}
        watched = watched_in(self.gate, accounts, traded, sources)
        words = "\n".join(filter(None, map(str, watched)))
        if words and words != self._watched_words:
            self.parts.say(words)
        self._watched_words = words
        await self._facts.watch(watched)

    async def _open_later(self, spec: SessionSpec) -> str:
        """With what its owner should know."""
        await self._watch_facts([spec])
        await self._open_session(spec, later=True)
        return self._cash_warning(spec)

    def _sessions_in(self, account_id: str, instrument_key: str) -> Sequence[str]:
        """Strategies whose sessions trade an instrument in an account."""
        return [
            each.spec.strategy_id
            for each in self.sessions.values()
            if each.spec.account_id == account_id
            and any(instrument.key == instrument_key for instrument in each.spec.instruments.values())
        ]

    async def _open_market(self, source: str, lines: Sequence[TickSource], enlisted: Enlisted) -> None:
        """`source`: the name of the feed."""
        parts = self.parts
        hub = TickHub(lines, parts.clock, self._hours, parts.feeds)
        if parts.record:
            recorder = Recorder(parts.home / "recordings" / source, hub.table)
            hub = TickHub(lines, parts.clock, self._hours, parts.feeds, recorder=recorder)
        hub.on_event(partial(self._hear_feed, source))
        ears = MarketEars(
            bars=partial(self._deciding.bars, source),
            minute=partial(self._deciding.minute, source),
            ticks=partial(self._deciding.ticks, source),
            price=self._deciding.price,
            events=partial(self._deciding.tape, source),
            settled=self._deciding.settled,
            trouble=lambda error: self._trouble(f"market of {source}", error),
        )
        self._deciding.hear_ticks(source, Pictures(hub.table, hub.best.of, parts.ticks, time.monotonic))
        self.markets[source] = Market(hub, enlisted.listings, enlisted.hosts_of(source), ears)

    async def _open_session(self, spec: SessionSpec, *, later: bool = False) -> None:
        """`later`: the market runs already, and the day of the session begins before a bar of it can close."""
        source = self.rooms[spec.account_id].account.feed
        session = session_for(
            spec,
            SessionParts(
                room=self.rooms[spec.account_id], hub=self.markets[source].hub, history=self._reads[source],
                workers=self._workers, database=self.parts.database, clock=self.parts.clock,
                folder=self.parts.home / "sessions" / spec.session_id, tell=self.parts.say,
                listings=self.markets[source].listings, source=source,
                priced_ns=lambda instrument: self.gate.state.market(instrument.key).price_ns,
            ),
        )  # fmt: skip
        self._run_of |= dict.fromkeys(session.run_ids, session)
        try:
            await session.open()
            if later:
                await session.look()
            await session.hear_market()
        except (TradeMantraError, SQLAlchemyError, OSError):
            await session.undo()
            for run_id in session.run_ids:
                self._run_of.pop(run_id, None)
            raise
        self.sessions[spec.session_id] = session
        self.parts.say(
            f"{spec.strategy.name} runs in {spec.account_id}: {counted(len(spec.instruments), 'instrument')}, {spec.timeframe}, "
            f"session {spec.session_id}"
        )
        if warning := self._cash_warning(spec):
            self.parts.say(warning)

    def _cash_warning(self, spec: SessionSpec) -> str:
        """Where a session sizes its orders for more than the account has; else ""."""
        capital = self.gate.state.book(Scope.ACCOUNT, spec.account_id).capital
        if capital is not None and spec.capital <= capital:
            return ""
        has = "money that could not be read" if capital is None else f"{capital:,.0f}"
        return f"careful: sizes are for {spec.capital:,.0f} in all, the account has {has}; see --cash"

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
                group.create_task(self._each_second(self._look_at_days)),
                # each beside the others: one that waits for a broker that is silent does not keep the others from theirs
                group.create_task(self._each_second(self._look_at_positions)),
                group.create_task(self._each_second(self._look_at_hand_feed)),
                group.create_task(self._each_second(self._look_at_accounts)),
                group.create_task(self._each_second(self._tell_states)),
                group.create_task(self._look_for_requests()),
                group.create_task(self._listen()),
                group.create_task(self._facts.run()),
                group.create_task(self._tried(self._held.at_start, "what is held")),
            ]
            await self._stopping.wait()
            for task in tasks:
                task.cancel()

    async def close_sessions(self) -> None:
        """Strategies end; what they hold stays protected at the broker.  One that cannot be ended well is told."""
        await self._tried(lambda: asyncio.wait_for(self._deciding.settled(), _LAST_WORDS_SECONDS))
        for session in list(self.sessions.values()):
            await self._tried(session.close)
        while self._tasks:
            await asyncio.wait(self._tasks)
        for room in self.rooms.values():
            if room.account.broker is not Broker.PAPER:  # a simulated exchange stands still with its desk
                room.algos.leave_alone()
        await self._tried(self._held.at_end, "what is held")
        await self._tried(self._tell_states)

    async def _look_often(self) -> None:
        while True:
            try:
                self.overseer.look()
                self._facts.look()
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
        for source, market in self.markets.items():
            market.looked_at(now_ns)
            if self._deciding.news_waits(source):
                market.tell_ticks()

    async def _each_second(self, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._tried(look)
            await asyncio.sleep(1.0)

    async def _look_for_requests(self) -> None:
        while True:
            await self._tried(self._look_at_requests)
            await asyncio.sleep(1 / _LOOKS_PER_SECOND)

    async def _tried(self, look: Callable[[], Awaitable[None]], what: str = "") -> None:
        """What fails is told, once until it fails otherwise; it is tried again when its time comes."""
        what = what or getattr(look, "__name__", "a part of the desk").strip("_").replace("_", " ")
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

    async def _look_at_accounts(self) -> None:
        await self._readiness_watch.look()

    async def _look_at_positions(self) -> None:
        for room in list(self.rooms.values()):
            room.desk.look()
            await self._watch.look(room)

    async def _look_at_hand_feed(self) -> None:
        if self._hand_feed is not None:
            await self._hand_feed.look()

    async def _look_at_days(self) -> None:
        now_ns = self.parts.clock.now_ns()
        today = ist_date(now_ns)
        if today != self._day:
            self._day = today
            self.gate.state.day_rolled()
            for market in self.markets.values():
                market.hub.renew_hours()
        for room in self.rooms.values():
            room.risk.keep()
        self._held.look()
        for session in list(self.sessions.values()):  # one may be ended while another is looked at
            await self._tried(partial(self._look_at_session, session), f"session {session.spec.session_id}")

    async def _look_at_session(self, session: StrategySession) -> None:
        await session.look()
        now_ns, ends_ns = self.parts.clock.now_ns(), session.ends_ns
        if ends_ns is not None and now_ns > ends_ns + _OVER_NS:
            key = f"{session.spec.session_id} {ist_date(now_ns)}"
            if key not in self._ended:
                await session.end_of_day()
                self._ended.add(key)

    async def _look_at_requests(self) -> None:
        for request in await self._requests.take(list(self.rooms), self.parts.wall.now_ns()):
            # beside the loop: closing waits for the broker, and all else goes on meanwhile
            self._spawn(self._tried(partial(self._answer, request)))

    async def _answer(self, request: DeskRequest) -> None:
        if request.kind is RequestKind.STOP:
            answer = await self._stop_session(request)
        elif self._starter is not None and request.kind is RequestKind.START:
            answer = await self._starter.answer(request)
        elif self._manual is not None and self._manual.answers(request.kind):
            answer = await self._manual.answer(request)
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

    async def _tell_states(self) -> None:
        """What `tm desk status` shows."""
        now_ns = self.parts.wall.now_ns()
        await self._states.write(
            [DeskState(room.account_id, self._told_of(room), now_ns) for room in self.rooms.values()]
        )

    def _told_of(self, room: AccountRoom) -> dict[str, object]:
        mine = [each for each in self.sessions.values() if each.spec.account_id == room.account_id]
        told = told_of_account(
            room,
            self.readiness.stage(room.account_id),
            self.markets.get(room.account.feed),
            mine,
            self.owner,
        )
        since = f"{datetime_of(self._since_ns):%Y-%m-%d %H:%M}"
        return told | {"since": since, "dead_man": self._dead_man_words(room.account_id)}

    def _dead_man_words(self, account_id: str) -> str | None:
        """When an account is killed unless somebody says that he is there."""
        now_ns = self.parts.wall.now_ns()
        keys = ((KillScope.ALL, ""), (KillScope.ACCOUNT, account_id))
        left = [left_ns for key in keys if (left_ns := self.switch.left_ns(key, now_ns)) is not None]
        return f"in {minutes(min(left))}" if left else None

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
                self._readiness_watch.soon()

        async def hear_streams() -> None:
            async for _ in streams:
                for room in self.rooms.values():
                    self._watch.soon(room.account_id)

        async with asyncio.TaskGroup() as group:
            group.create_task(hear_calls())
            group.create_task(hear_logins())
            group.create_task(hear_streams())

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

    def _is_told_by_a_session(self, account_id: str, key: PositionKey) -> bool:
        """Whether a session tells of what fills in a position: one that runs, or that is just being opened."""
        return (account_id, key.strategy_id) in self._coming or any(
            (each.spec.account_id, each.spec.strategy_id) == (account_id, key.strategy_id)
            and each.decides_on(key.instrument_key)
            for each in self.sessions.values()
        )

    def _refused(self, account_id: str, refused: Refused) -> None:
        self.parts.say(f"{account_id}: {refused.symbol}: not taken: {refused.text}")

    def _hear_feed(self, feed: str, event: FeedEvent) -> None:
        if isinstance(event, FeedLost):
            self._deciding.feed_lost(feed, event.since_ns)
        self.bus.tell(event)
        self.parts.say(told_of_feed(event, is_sandbox=self.parts.is_sandbox))

    def _hear_runner(self, event: RunnerEvent) -> None:
        if isinstance(event, StrategyStopped):
            session = self._run_of.get(event.run_id)
            if session is not None:
                session.was_stopped(event.run_id)
                room = self.rooms.get(session.spec.account_id)
                if room is not None:  # another process may have taken the account over
                    room.conductor.remove(event.run_id)
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
