"""A whole account desk with a broker in the same process: what the desk's benchmarks share.

Risk gate with 30 rules, order journal on disk, policy, outbox, order book and charges are the product's.  Only the broker
is not: it notes the instant of each call, accepts, and tells the way back (resting, trade, filled).
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path

from trademantra.brokers.accounts import Funds, Holding, Position
from trademantra.brokers.errors import NotSupportedError
from trademantra.brokers.events import BrokerEvent, OrderUpdate, SessionState, StreamState, TradeUpdate
from trademantra.brokers.manifest import Manifest
from trademantra.brokers.market import Quote, StreamMode
from trademantra.brokers.orders import (
    Accepted,
    BrokerOrder,
    BrokerTrade,
    OrderChange,
    OrderRequest,
    PlaceResult,
)
from trademantra.brokers.paper.manifest import paper_manifest
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND, ist_ns
from trademantra.engine.bars import Bars
from trademantra.kit.bus import Bus
from trademantra.kit.database import Database
from trademantra.kit.lease import take_lease
from trademantra.kit.limiter import RateLimiter, Window
from trademantra.kit.timer import ClockTimer
from trademantra.markets.charges.tariffs import tariff_of
from trademantra.trading.account_desk import AccountDesk
from trademantra.trading.charges import ExecutionCharges
from trademantra.trading.desk_events import PersonNeeded
from trademantra.trading.desk_parts import DeskParts
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.journal import OrderJournal
from trademantra.trading.order_store import OrderStore
from trademantra.trading.orders import OrderBook
from trademantra.trading.policy import OrderPolicy
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.kill import KillSwitch
from trademantra.trading.risk.limits_json import parse_limits
from trademantra.trading.risk.road import RiskRoad
from trademantra.trading.risk.state import RiskState

ACCOUNT = "bench"
STRATEGIES, INSTRUMENTS = 20, 60
OPEN_NS = ist_ns(date(2026, 11, 20), time_of_day(11))
PRICE = Decimal(100)
BIG = 10**12
_BOOK = {
    "max_open_positions": 10_000, "max_trades_per_day": 10**6, "max_orders_per_second": 10**6, "max_exposure": BIG,
    "max_leverage": 10_000, "max_daily_loss_realised": BIG, "max_daily_loss_marked": BIG, "max_drawdown": BIG,
    "profit_lock_from": BIG, "max_consecutive_losses": 10_000,
}  # fmt: skip
THIRTY = {
    "order": {
        "max_order_value": BIG, "max_order_quantity": BIG, "max_price_deviation_percent": 5, "require_price_band": True,
        "max_price_age_seconds": 600, "max_index_move_percent": 10,
        "allowed_products": ["MIS", "CNC"], "allowed_segments": ["equity"], "allowed_hours": ["00:00-23:59"],
    },
    "strategy": {name: _BOOK[name] for name in ("max_exposure", "max_daily_loss_marked", "max_drawdown")},
    "account": {**_BOOK, "max_correlated_positions": 10_000},
    "instrument": {"max_position_quantity": BIG, "max_position_value": BIG, "max_range_percent": 50},
    "sector": {"max_sector_exposure": BIG, "max_sector_percent": 10**6},
}  # fmt: skip
"""28 limits, of which some are two rules: `RiskGate.rules_in_force` counts them when a run begins."""


class TradingHoursClock:
    """The wall clock, moved so that the run begins on a trading morning."""

    def __init__(self) -> None:
        self._ahead = OPEN_NS - time.time_ns()

    def now_ns(self) -> int:
        return time.time_ns() + self._ahead


def share(number: int) -> Instrument:
    return Instrument(
        exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=f"S{number:04}",
        has_derivatives=False,
    )  # fmt: skip


@dataclass(slots=True)
class Calls:
    """What the broker saw: when each tag was placed (perf_counter_ns), and its orders."""

    placed: dict[str, int] = field(default_factory=dict)
    orders: dict[str, BrokerOrder] = field(default_factory=dict)
    trades: list[BrokerTrade] = field(default_factory=list)


class AcceptingBroker:
    """An adapter that accepts.  Limit orders at or above the price fill at once, others rest."""

    session_ends_ns: int | None = None
    session = SessionState.ACTIVE
    stream = StreamState.CONNECTED

    def __init__(self, clock: TradingHoursClock) -> None:
        self._clock = clock
        self._told: asyncio.Queue[BrokerEvent] = asyncio.Queue()
        self.calls = Calls()

    @property
    def manifest(self) -> Manifest:
        return paper_manifest(
            venues=frozenset({"NSE"}), limits={}, stream_tokens=3000, session_ends=None, has_history=False,
            needs_protection=True,
        )  # fmt: skip

    async def place(self, request: OrderRequest) -> PlaceResult:
        self.calls.placed[request.tag] = time.perf_counter_ns()
        number, now = f"B{len(self.calls.orders)}", self._clock.now_ns()
        resting = BrokerOrder(
            broker_order_id=number, instrument=request.instrument, side=request.side, quantity=request.quantity,
            order_type=request.order_type, product=request.product, price=request.price, tag=request.tag,
            status=OrderStatus.OPEN, raw_status="OPEN", placed_ns=now, updated_ns=now,
        )  # fmt: skip
        self.calls.orders[number] = resting
        self._told.put_nowait(OrderUpdate(resting))
        if request.price is None or (request.price - PRICE) * request.side.sign >= 0:
            trade = BrokerTrade(
                trade_id=f"T{number}", broker_order_id=number, exchange_order_id=None, instrument=request.instrument,
                side=request.side, product=request.product, quantity=request.quantity, price=PRICE, at_ns=now,
            )  # fmt: skip
            filled = _filled(resting, now)
            self.calls.trades.append(trade)
            self.calls.orders[number] = filled
            self._told.put_nowait(TradeUpdate(trade))
            self._told.put_nowait(OrderUpdate(filled))
        return Accepted(number)

    async def events(self) -> AsyncIterator[BrokerEvent]:
        while True:
            yield await self._told.get()

    async def orders(self) -> Sequence[BrokerOrder]:
        return list(self.calls.orders.values())

    async def trades(self) -> Sequence[BrokerTrade]:
        return list(self.calls.trades)

    async def orders_by_tag(self, tag: str) -> Sequence[BrokerOrder]:
        return [each for each in self.calls.orders.values() if each.tag == tag]

    # -- not asked in these runs

    def login_url(self) -> str:
        return ""

    async def complete_login(self, answer: Mapping[str, str]) -> None:
        raise _not_offered()

    async def logout(self) -> None:
        raise _not_offered()

    async def instruments(self) -> Sequence[Instrument]:
        raise _not_offered()

    async def quotes(self, instruments: Collection[Instrument]) -> Mapping[Instrument, Quote]:
        raise _not_offered()

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars:
        raise _not_offered()

    async def modify(self, broker_order_id: str, change: OrderChange) -> PlaceResult:
        raise _not_offered()

    async def cancel(self, broker_order_id: str) -> PlaceResult:
        raise _not_offered()

    async def positions(self) -> Sequence[Position]:
        raise _not_offered()

    async def holdings(self) -> Sequence[Holding]:
        raise _not_offered()

    async def funds(self) -> Sequence[Funds]:
        raise _not_offered()

    async def convert(
        self, instrument: Instrument, side: Side, quantity: Decimal, old: Product, new: Product, *, overnight: bool
    ) -> None:  # fmt: skip
        raise _not_offered()

    async def subscribe(self, instruments: Collection[Instrument], mode: StreamMode) -> None:
        raise _not_offered()

    async def unsubscribe(self, instruments: Collection[Instrument]) -> None:
        raise _not_offered()

    def quotes_stream(self) -> AsyncIterator[Sequence[Quote]]:
        raise _not_offered()

    def tick_age_ns(self, instrument: Instrument) -> int | None:
        return None

    async def close(self) -> None:
        return


def _not_offered() -> NotSupportedError:
    return NotSupportedError("the broker of this benchmark has no such call")


def _filled(order: BrokerOrder, now: int) -> BrokerOrder:
    return BrokerOrder(
        broker_order_id=order.broker_order_id, instrument=order.instrument, side=order.side, quantity=order.quantity,
        order_type=order.order_type, product=order.product, price=order.price, tag=order.tag,
        filled_quantity=order.quantity, average_price=PRICE, status=OrderStatus.FILLED, raw_status="COMPLETE",
        placed_ns=order.placed_ns, updated_ns=now,
    )  # fmt: skip


@dataclass(slots=True)
class World:
    """An account desk that is running."""

    desk: AccountDesk
    broker: AcceptingBroker
    journal: OrderJournal
    database: Database
    clock: TradingHoursClock
    shares: Sequence[Instrument]
    rules: int
    people: list[str]
    _number: int = 0

    def intent(
        self, *, side: Side = Side.BUY, price: Decimal | None = PRICE, purpose: Purpose = Purpose.ENTRY, row: int = -1
    ) -> OrderIntent:  # fmt: skip
        """A new one: limit where there is a price, else at market.  `row`: which strategy and share; else the next."""
        self._number += 1
        place = self._number if row < 0 else row
        return OrderIntent(
            intent_id=f"i{self._number}", account_id=ACCOUNT, strategy_id=f"s{place % STRATEGIES}",
            instrument=self.shares[place % INSTRUMENTS], side=side, quantity=Decimal(10), product=Product.MIS,
            purpose=purpose, decided_ns=self.clock.now_ns(), price=price, reference_price=PRICE, sector="IT",
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        )  # fmt: skip

    def called_ns(self, intent: OrderIntent) -> int:
        """When the adapter was called for it, as `perf_counter_ns`."""
        return self.broker.calls.placed[self.desk.book.of_intent(intent.intent_id)[0].tag]

    async def settled(self, orders: int) -> None:
        """Return when the broker has seen `orders` and all that it told is durable."""
        while len(self.broker.calls.placed) < orders or self.desk.is_busy:
            await asyncio.sleep(0.001)


@asynccontextmanager
async def world(url: str = "", limit: int | None = None) -> AsyncIterator[World]:
    """A desk on a new SQLite file, or on the database at `url`; `limit`: requests a calendar second, None: no limit."""
    clock = TradingHoursClock()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tm-desk-")))
        database = await Database.open(url or f"sqlite:///{folder / 'desk.db'}")
        stack.push_async_callback(database.close)
        lease = await take_lease(database, ACCOUNT, "bench", clock, length_ns=10**6 * NANOSECONDS_PER_SECOND)
        journal = await stack.enter_async_context(OrderJournal(database))
        state = RiskState()
        state.account_opened(ACCOUNT, "owner")
        gate = RiskGate(state, KillSwitch(folder, clock.now_ns()))
        gate.set_limits(ACCOUNT, parse_limits(THIRTY))
        shares = [share(number) for number in range(INSTRUMENTS)]
        state.capital(ACCOUNT, Decimal(10**9))
        state.index_moved(Decimal(1))
        for number, each in enumerate(shares):
            state.price(each.key, PRICE, clock.now_ns())
            state.band(each.key, Decimal(80), Decimal(120))
            state.returns(each.key, [((number * 7 + day * day) % 13 - 6) / 100 for day in range(60)])
        people: list[str] = []
        broker = AcceptingBroker(clock)
        charges = ExecutionCharges(tariff_of("zerodha"), lambda order, text: people.append(text))
        parts = DeskParts(
            adapter=broker,
            policy=OrderPolicy(broker.manifest, clock),
            store=OrderStore(database),
            journal=journal,
            lease=lease,
            limiter=RateLimiter([] if limit is None else [Window(limit, NANOSECONDS_PER_SECOND)], clock),
            timer=ClockTimer(clock),
            bus=Bus(),
            gate=RiskRoad(gate, ACCOUNT, clock, lambda request: people.append(str(request))),
            last_price=lambda instrument: PRICE,
        )
        calls = parts.bus.subscribe(PersonNeeded)
        desk = await stack.enter_async_context(AccountDesk(OrderBook(ACCOUNT, charges), parts))
        rules = len(gate.rules_in_force(ACCOUNT, "s0", shares[0], "IT"))
        await asyncio.sleep(0.05)  # the first look into the broker's books
        yield World(desk, broker, journal, database, clock, shares, rules, people)
        calls.close()
        people += [each.reason async for each in calls]
        if people:
            raise SystemExit(f"the desk called a person: {people[:3]}")
