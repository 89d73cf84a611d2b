"""A paper session over stored bars: the whole desk, with a market that waits for it.

Prices go to the simulated exchange, ticks to the desk's hub, bars to the strategies' processes; what they want goes through
the risk gate, the journal and the order policy to the exchange, and fills come back the same way as from a real broker.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from math import nan

import numpy as np

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.broker import PaperBroker, PaperBrokerSettings
from trademantra.brokers.paper.entries import JournalEntry
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.host import ExchangeHost
from trademantra.brokers.paper.settings import ExchangeSettings, Hours, liquidity_of
from trademantra.core.errors import NotFoundError
from trademantra.core.order import Order
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, Clock
from trademantra.data.resample import SessionSpan
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import Drop, Leave, LiveSession, LiveTrade
from trademantra.engine.records import Reason
from trademantra.engine.timeline import IST_OFFSET_NS, Timeline, by_sessions
from trademantra.kit.bus import Bus
from trademantra.kit.database import Database
from trademantra.kit.lease import take_lease
from trademantra.kit.limiter import RateLimiter, Window
from trademantra.kit.timer import ManualTimer
from trademantra.markets.charges.tariffs import tariff_of
from trademantra.trading.account_desk import AccountDesk
from trademantra.trading.algos.host import AlgoBook, AlgoParts
from trademantra.trading.charges import ExecutionCharges, no_charges
from trademantra.trading.desk_events import PersonNeeded
from trademantra.trading.desk_parts import DeskParts
from trademantra.trading.feeds.bar_rules import BarClosed, BarSettings
from trademantra.trading.feeds.hours import TradingHours
from trademantra.trading.feeds.hub_settings import HubSettings, TickSource
from trademantra.trading.feeds.replay import ReplayAdapter
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.journal import OrderJournal
from trademantra.trading.order_store import OrderStore
from trademantra.trading.orders import ChargeOf, OrderBook
from trademantra.trading.policy import OrderPolicy
from trademantra.trading.risk.decisions import BreachRequest, PauseStrategy
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.kill import KillSwitch
from trademantra.trading.risk.road import RiskRoad
from trademantra.trading.risk.state import RiskState
from trademantra.trading.runner.events import RunnerEvent, StrategyStopped
from trademantra.trading.runner.run_log import SessionBegan, TicksTold, WarmUp
from trademantra.trading.runner.runs import ClosedBar
from trademantra.trading.runner.settings import RunnerSettings
from trademantra.trading.runner.spec import RunSpec
from trademantra.trading.runner.workers import StrategyWorkers
from trademantra.trading.session.conductor import Carried, Conductor, Refused
from trademantra.trading.session.facts import RunFacts, SessionFacts
from trademantra.trading.session.lockstep import settle
from trademantra.trading.session.plan import ReplayPlan, auction_minute
from trademantra.trading.session.replay_steps import Step, events_of, rows_in, steps_of
from trademantra.trading.session.replay_ticks import ReplayTicks, of_symbols
from trademantra.trading.session.tape import write_charges, write_events, write_warm_up
from trademantra.trading.session.told import write_log
from trademantra.trading.session.waiting import WaitingWants

ACCOUNT = "paper"
_LEASE_NS = 3_650 * NANOSECONDS_PER_DAY
_SPARE_CASH = (
    4  # the exchange blocks margins and gaps cost more than was sized: funds must not decide a replay
)
_NO_LIMIT = 1_000_000  # orders a second: a broker's rate would make a replay depend on its speed
_BEFORE_OPEN_NS = 15 * NANOSECONDS_PER_MINUTE


@dataclass(slots=True)
class ReplayOutcome:
    """What came of a session.

    `trades` and `equity` by run, of those that were not stopped; `refused` what limits or the broker did not take; `stopped` strategies that were stopped; `calls` what a
    person was called for; `breaches` limits of results that paused the strategy or closed its positions; `positions` what is still held, by run and symbol.
    """

    trades: dict[str, tuple[LiveTrade, ...]] = field(default_factory=dict)
    equity: dict[str, float] = field(default_factory=dict)
    positions: dict[str, dict[str, float]] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    stopped: list[StrategyStopped] = field(default_factory=list)
    calls: list[PersonNeeded] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    orders: int = 0
    fills: int = 0
    charges: Decimal = Decimal(0)


class _Wall:
    """The kill switch looks at files: it goes by the time outside, not by that of the replay."""

    def __init__(self, switch: KillSwitch, wall: Clock) -> None:
        self._switch, self._wall = switch, wall

    def blocking(self, user_id: str, account_id: str, strategy_id: str, now_ns: int) -> str | None:
        del now_ns
        return self._switch.blocking(user_id, account_id, strategy_id, self._wall.now_ns())


class ReplaySession:
    """Use once: `await ReplaySession(plan, …).run()`.

    `progress` hears how many of how many instants are played; `pace` waits before each step, given its instant: for replays that are
    watched at a speed.
    """

    def __init__(
        self,
        plan: ReplayPlan,
        wall: Clock,
        *,
        runner: RunnerSettings | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
        pace: Callable[[int], "asyncio.Future[None] | None"] = lambda at_ns: None,
    ) -> None:
        self.plan, self._wall = plan, wall
        self._runner = runner or RunnerSettings()
        self._progress, self._pace = progress, pace
        self.outcome = ReplayOutcome()
        self.timer = ManualTimer(plan.days[0].open_ns - _BEFORE_OPEN_NS)
        self._bus = Bus()
        self._closed: list[BarClosed] = []
        self._day: SessionSpan | None = None
        self._waiting = WaitingWants()
        self._breaches: list[BreachRequest] = []
        self._symbols: dict[str, Sequence[str]] = {}
        self._hearing: dict[str, Sequence[str]] = {}  # of these the runs that hear ticks
        self._ticks: ReplayTicks | None = None

    async def run(self) -> ReplayOutcome:
        """Play all days.  Errors: `RunRefusedError` of a strategy that cannot start, and what the parts raise."""
        plan = self.plan
        plan.folder.mkdir(parents=True, exist_ok=True)
        facts = self._write_facts()
        async with AsyncExitStack() as stack:
            calls = self._bus.subscribe(PersonNeeded)
            await self._open(stack, facts)
            await self._start_runs(facts)
            await self._play()
            await self._finish()
            calls.close()
            self.outcome.calls = [call async for call in calls]
        return self.outcome

    # -- putting it together

    async def _open(self, stack: AsyncExitStack, facts: SessionFacts) -> None:
        plan, timer = self.plan, self.timer
        listings = Listings.of(
            [
                Listing(
                    instrument.exchange.value, symbol, (1_000 + number) << 8 | 1, instrument, name=symbol,
                    previous_close=self._previous_close(symbol),
                )
                for number, (symbol, instrument) in enumerate(plan.instruments.items())
            ]
        )  # fmt: skip
        cash = Decimal(str(plan.rules.cash)) * len(facts.runs) * _SPARE_CASH
        settings = ExchangeSettings(
            liquidity=liquidity_of(plan.rules),
            hours=Hours.ALWAYS if plan.always_open else Hours.EXCHANGE,
            square_off=None,  # intraday positions leave by the strategy's own rule, as in a back-test
        )

        def build(
            snapshot: bytes | None, entries: Sequence[JournalEntry], sink: Callable[[JournalEntry], None]
        ) -> Exchange:
            tariff = tariff_of(plan.tariff) if plan.is_charged else None
            margins = MarginSettings(tariff=tariff, exits_share_holdings=True)
            exchange = Exchange(listings, timer.clock, settings, sink, margins=margins)
            exchange.open_account(ACCOUNT, cash)
            return exchange

        self._host = ExchangeHost(build)
        stack.callback(self._host.close)
        self._broker = PaperBroker(self._host, timer.clock, PaperBrokerSettings(account_id=ACCOUNT))
        stack.push_async_callback(self._broker.close)
        await self._broker.complete_login({})
        self._events = events_of(
            {plan.instruments[symbol]: bars for symbol, bars in plan.play.items()},
            listings,
            plan.bar.length_ns,
            plan.spans,
        )
        write_events(plan.folder, [listing.symbol for listing in listings], [self._events])
        hours = TradingHours(tuple(plan.spans))
        self._hub = TickHub(
            [TickSource("replay", ReplayAdapter(self._no_history))],
            timer.clock,
            lambda instrument: hours,
            HubSettings(bars=BarSettings(lateness_ns=0, is_compiled=True)),
        )
        self._hub.on_bar(self._closed.append)
        self._rows = rows_in(self._hub.table, listings)
        await self._hub.subscribe("session", list(plan.instruments.values()), timeframes=[plan.timeframe])
        await self._open_desk(stack)

    def _previous_close(self, symbol: str) -> Decimal:
        """What margins go by until something trades: the last price of the warm-up, or that of the auction."""
        earlier = self.plan.warm_up.get(symbol)
        price = self.plan.play[symbol].open[0] if earlier is None else earlier.close[-1]
        return Decimal(repr(float(price)))

    async def _open_desk(self, stack: AsyncExitStack) -> None:
        plan, timer = self.plan, self.timer
        database = await Database.open(f"sqlite:///{plan.folder / 'desk.db'}")
        stack.push_async_callback(database.close)
        lease = await take_lease(database, ACCOUNT, plan.session_id, timer, length_ns=_LEASE_NS)
        self._journal = await stack.enter_async_context(OrderJournal(database))
        self.state = RiskState()
        self.state.account_opened(ACCOUNT, "owner")
        self.state.capital(ACCOUNT, Decimal(str(plan.rules.cash)))
        gate = RiskGate(self.state, _Wall(KillSwitch(plan.folder, self._wall.now_ns()), self._wall))
        gate.set_limits(ACCOUNT, plan.limits)
        self._gate = gate
        parts = DeskParts(
            adapter=self._broker,
            policy=OrderPolicy(self._broker.manifest, timer),
            store=OrderStore(database),
            journal=self._journal,
            lease=lease,
            limiter=RateLimiter([Window(_NO_LIMIT, NANOSECONDS_PER_SECOND)], timer),
            timer=timer,
            bus=self._bus,
            gate=RiskRoad(gate, ACCOUNT, timer, self._breaches.append),
            last_price=lambda instrument: self.state.market(instrument.key).last,
        )
        self._desk = AccountDesk(OrderBook(ACCOUNT, self._charges()), parts)
        await stack.enter_async_context(self._desk)
        self._workers = StrategyWorkers(plan.folder / "workers", self._runner, self._hear_runner)
        stack.push_async_callback(self._workers.close)
        self._conductor = Conductor(self._desk, self._workers, timer, self.outcome.refused.append)
        algos = AlgoBook(
            self._desk,
            AlgoParts(
                database=database, journal=self._journal, lease=lease, timer=timer, bus=self._bus,
                owner=self._conductor.heard,
            ),
        )  # fmt: skip
        self._algos = await stack.enter_async_context(algos)
        self._conductor.carries_with(algos)

    def _charges(self) -> ChargeOf:
        if not self.plan.is_charged:
            return no_charges
        return ExecutionCharges(tariff_of(self.plan.tariff), self._unknown_charge)

    def _unknown_charge(self, order: Order, text: str) -> None:
        self._bus.tell(PersonNeeded(ACCOUNT, order.order_id, f"booked without charges: {text}"))

    async def _start_runs(self, facts: SessionFacts) -> None:
        plan = self.plan
        timelines = {symbol: self._timeline(symbol) for symbol in plan.warm_up}
        for run in facts.runs:
            self._symbols[run.run_id] = run.symbols
            spec = RunSpec(
                run_id=run.run_id,
                strategy=plan.strategy,
                symbols=run.symbols,
                timeframe=plan.timeframe,
                rules=plan.rules,
                values=plan.values,
                charges=plan.charges,
                bars_per_year=plan.bars_per_year,
            )
            bars = {symbol: plan.warm_up[symbol] for symbol in run.symbols if symbol in plan.warm_up}
            warm_up = WarmUp(bars, {symbol: timelines[symbol] for symbol in bars})
            await self._workers.start(spec, warm_up)
            if self._workers.hears_ticks(run.run_id):
                self._hearing[run.run_id] = run.symbols
            instruments = {symbol: plan.instruments[symbol] for symbol in run.symbols}
            self._conductor.add(
                Carried(
                    run_id=run.run_id, strategy_id=plan.strategy.name, session_id=plan.session_id, instruments=instruments,
                    product=plan.product, weights=plan.weights,
                )
            )  # fmt: skip

    def _timeline(self, symbol: str) -> Timeline:
        days = self.plan.all_days
        made = by_sessions(self.plan.warm_up[symbol].ts, days, auctions_ns=[day.auction_ns for day in days])
        return made if self.plan.leave_minute is None else made.with_square_off(self.plan.leave_minute)

    def _write_facts(self) -> SessionFacts:
        plan = self.plan
        together = [(symbol,) for symbol in plan.instruments] if plan.alone else [tuple(plan.instruments)]
        runs = []
        for symbols in together:
            spec = RunSpec(
                run_id=f"{plan.strategy.name}:{'+'.join(symbols)}"[:60], strategy=plan.strategy, symbols=symbols,
                timeframe=plan.timeframe, rules=plan.rules, values=plan.values, charges=plan.charges,
                bars_per_year=plan.bars_per_year,
            )  # fmt: skip
            runs.append(
                RunFacts(
                    run_id=spec.run_id, strategy=plan.strategy, symbols=symbols, values=plan.values, rules=plan.rules,
                    parameters_hash=spec.parameters_hash,
                )
            )  # fmt: skip
        facts = SessionFacts(
            session_id=plan.session_id, account_id=ACCOUNT, mode="replay", is_replay=True, timeframe=plan.timeframe,
            instruments=plan.instruments, runs=tuple(runs), spans=plan.spans, begin_ns=plan.begin_ns, lateness_ns=0,
            leave_minute=plan.leave_minute, bars_per_year=plan.bars_per_year, costs=plan.costs, product=plan.product.value,
            source=plan.source,
        )  # fmt: skip
        facts.write(plan.folder)
        write_warm_up(plan.folder, plan.warm_up)
        if plan.charges is not None:
            write_charges(plan.folder, dict.fromkeys(plan.instruments, plan.charges))
        return facts

    def _no_history(self, *_: object) -> Bars:
        raise NotFoundError("a replay has no other history")

    def _hear_runner(self, event: RunnerEvent) -> None:
        if isinstance(event, StrategyStopped):
            self.outcome.stopped.append(event)
            self._conductor.remove(event.run_id)

    # -- playing

    async def _play(self) -> None:
        days = list(self.plan.days)
        if self._hearing:
            self._ticks = ReplayTicks(self.plan.play, self.plan.bar.length_ns, self.plan.spans)
        total = len(np.unique(self._events.at_ns))
        for number, step in enumerate(steps_of(self._events, self._rows), 1):
            while len(days) > 1 and step.at_ns >= days[1].open_ns:
                days.pop(0)  # nothing traded: a day without a bar is none, as in a back-test
            if days and step.at_ns >= days[0].open_ns:
                await self._begin_day(days.pop(0), step)
            waiting = self._pace(step.at_ns)
            if waiting is not None:
                await waiting
            await self._one(step)
            self._progress(number, total)

    async def _begin_day(self, day: SessionSpan, step: Step) -> None:
        """The pre-open auction ends in the price of the first event of each instrument."""
        plan = self.plan
        open_ns = day.open_ns
        await self._advance(max(open_ns, self.timer.now_ns()))  # before it no exchange takes an order
        self.state.day_rolled()
        if self._ticks is not None:
            self._ticks.begin_day()
        session = LiveSession(
            day=(open_ns + IST_OFFSET_NS) // NANOSECONDS_PER_DAY,
            open_ns=open_ns,
            close_ns=day.close_ns,
            leave_minute=plan.leave_minute,
            auction_minute=auction_minute(day),
        )
        self._day = day
        auction = self._auction(open_ns, step)
        runs = [status.run_id for status in self._workers.status()]
        told = {run_id: SessionBegan(session, self._of_run(run_id, auction)) for run_id in runs}
        self._waiting.add(await self._workers.begin_session(told))
        await self._conductor.carry_out(self._waiting.take())
        await self._settle()

    def _auction(self, open_ns: int, step: Step) -> dict[str, float]:
        if step.at_ns != open_ns:
            return {}
        symbols = list(self.plan.instruments)
        return {
            symbols[row]: float(price)
            for row, price in zip(step.events.token_row, step.events.open, strict=True)
        }

    def _of_run(self, run_id: str, auction: Mapping[str, float]) -> dict[str, float]:
        return {symbol: auction[symbol] for symbol in self._symbols[run_id] if symbol in auction}

    async def _one(self, step: Step) -> None:
        await self._advance(step.at_ns)
        await self._host.feed_batch(step.events)
        await self._settle()
        self._hub.take(step.ticks)
        rows, events = step.ticks.row.tolist(), step.events
        for row, last, high, low, volume in zip(
            rows,
            events.close.tolist(),
            events.high.tolist(),
            events.low.tolist(),
            events.volume.tolist(),
            strict=True,
        ):
            instrument = self._hub.table[row]
            self.state.price(instrument.key, Decimal(str(last)), step.at_ns)
            self._algos.on_price(instrument, last, high, low, volume, nan, nan, step.at_ns)
        await self._settle()
        if self._ticks is not None:
            await self._tell_ticks(self._ticks.fed(step))
        await self._obey_limits()

    async def _tell_ticks(self, told: TicksTold) -> None:
        """To the runs that hear them; what they want is placed before the next price."""
        mine = {run_id: of_symbols(told, symbols) for run_id, symbols in self._hearing.items()}
        hearing = [(run_id, each) for run_id, each in mine.items() if each.ticks]
        if not hearing:
            return
        wants = await asyncio.gather(*(self._workers.tick(run_id, each) for run_id, each in hearing))
        decided = {run_id: each for (run_id, _), each in zip(hearing, wants, strict=True)}
        await self._conductor.carry_out(decided)
        await self._settle()

    async def _obey_limits(self) -> None:
        """What breaches ask for: a pause takes entries back, closing leaves at the next price.  The gate refuses what follows."""
        breaches = [*self._breaches, *self._gate.watch(self.timer.now_ns())]
        self._breaches.clear()
        for breach in breaches:
            self.outcome.breaches.append(breach.text)
            pauses = isinstance(breach, PauseStrategy)
            if isinstance(breach, PauseStrategy):
                self.state.pause(ACCOUNT, breach.strategy_id, f"{breach.rule}: {breach.text}")
            wants = {
                run_id: [Drop(symbol) if pauses else Leave(symbol, Reason.RISK_LIMIT) for symbol in symbols]
                for run_id, symbols in self._symbols.items()
            }
            await self._conductor.carry_out(wants)
            await self._settle()

    async def _advance(self, now_ns: int, *, is_over: bool = False) -> None:
        """Time passes: bars that end by then close, each instant's decisions before the next instant's.

        `is_over`: no price comes any more, and nothing that is wanted now could be done.
        """
        plan = self.plan
        self.timer.advance_to(now_ns)
        await self._host.advance()
        await self._hub.turn()
        closed, self._closed[:] = list(self._closed), []
        closed.sort(key=lambda each: each.end_ns)
        for _, together in groupby(closed, key=lambda each: each.end_ns):
            bars = [ClosedBar(each.instrument.symbol, each.timeframe, each.bar) for each in together]
            wanted = await self._workers.decide(bars)
            if not plan.timeframe.is_intraday:  # a day ended: the orders go at the next one's open
                self._waiting.add(wanted)
            elif not is_over:
                await self._conductor.carry_out(wanted)
        if self._day is not None and self._day.open_ns <= now_ns <= self._day.close_ns and not is_over:
            await self._conductor.carry_out(await self._workers.clock(now_ns))
        await self._settle()

    async def _settle(self) -> None:
        """Until nothing follows any more: fills are told to strategies, and what they want is carried out."""
        while True:
            await settle(self._journal, self._algos, (self._is_busy,))
            if not self._conductor.has_news:
                return
            await self._conductor.tell_runs()

    def _is_busy(self) -> bool:
        return self._desk.is_busy or not self._broker.is_heard

    async def _finish(self) -> None:
        last = self.plan.days[-1]
        await self._advance(max(last.close_ns, self.timer.now_ns()), is_over=True)
        outcome = self.outcome
        for run_id in self._hearing:
            write_log(self.plan.folder, run_id, self._workers.log(run_id).entries)
        for run_id, symbols in self._symbols.items():
            if any(run_id == each.run_id for each in outcome.stopped):
                outcome.positions[run_id] = self._held(symbols)
                continue
            state = await self._workers.query(run_id)
            outcome.trades[run_id] = state.trades
            outcome.equity[run_id] = state.equity
            outcome.positions[run_id] = {name: held for name, held in state.positions.items() if held}
        outcome.orders, outcome.fills = self._desk.book.count, self._conductor.fills
        outcome.charges = sum((held.charges for held in self._desk.book.positions.values()), Decimal(0))

    def _held(self, symbols: Sequence[str]) -> dict[str, float]:
        """What a run left behind, by the desk's ledger: its strategy cannot be asked any more."""
        keys = {self.plan.instruments[symbol].key: symbol for symbol in symbols}
        return {
            keys[key.instrument_key]: float(position.quantity)
            for key, position in self._desk.book.positions.items()
            if key.instrument_key in keys and position.quantity
        }
