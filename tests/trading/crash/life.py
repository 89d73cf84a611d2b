"""One life of the desk's process: from its start to `kill -9`.  The process was forked; it writes to a pipe what a caller
of the desk would know, and that alone outlives it."""

import asyncio
import http.client
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import update

from tests.brokers.contract.simulated import CONTRACT, SHARE
from tests.trading.crash.deaths import Death, Fate, MortalAdapter, MortalJournal
from tests.trading.crash.world import ACCOUNT, API_SECRET, USER, FastTimer, World, sleep
from trademantra.brokers.orders import OrderChange
from trademantra.core.errors import TradeMantraError
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.kit.bus import Bus
from trademantra.kit.database import Database
from trademantra.kit.lease import Keeper, Lease, LeaseHeldError, LeaseLostError, take_lease
from trademantra.kit.limiter import RateLimiter, Window
from trademantra.kit.models import LeaseRow
from trademantra.kit.secrets import KeyFile, Secret, SecretsBox
from trademantra.trading.account_desk import AccountDesk
from trademantra.trading.desk_events import PersonNeeded
from trademantra.trading.desk_parts import DeskParts
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.order_store import OrderStore
from trademantra.trading.orders import OrderBook, PositionKey
from trademantra.trading.policy import OrderPolicy
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.kill import KillSwitch
from trademantra.trading.risk.limits_json import parse_limits
from trademantra.trading.risk.road import RiskRoad
from trademantra.trading.risk.state import RiskState

CHARGE = Decimal("1.25")
LIMITS = {"instrument": {"max_position_quantity": 3_000}, "account": {"max_orders_per_second": 9}}
_INSTRUMENTS = {"share": SHARE, "contract": CONTRACT}
_SETTLING_SECONDS = 400


@dataclass(frozen=True, slots=True)
class Plan:
    """What a life is to do.  `again`: words of intents whose submission was not acknowledged in earlier lives.

    `waits_for_lease`: the dead one's lease must run out; otherwise it is let go first, as a supervisor that saw the
    death may.
    """

    number: int
    death: Death
    again: Sequence[Mapping[str, object]]
    waits_for_lease: bool
    calm: bool = False


class Life:
    """A desk in this process."""

    lease_ns = 3 * SECOND

    def __init__(self, world: World, plan: Plan, pipe: int) -> None:
        self.world, self.plan, self.pipe = world, plan, pipe
        self.timer = FastTimer(world.clock)
        self.chance = Random(f"{world.seed}/{plan.number}")
        self.fate = Fate(plan.death)
        self.submitted = 0

    def say(self, **words: object) -> None:
        """A line to the pipe, whole or not at all: it is shorter than the pipe's atomic size."""
        os.write(self.pipe, json.dumps(words).encode() + b"\n")

    async def open(self, stack: AsyncExitStack) -> AccountDesk:
        world, timer = self.world, self.timer
        database = await Database.open(world.url)
        stack.push_async_callback(database.close)
        self.database = database
        lease = await self._take_lease(database)
        await stack.enter_async_context(Keeper(lease, database, timer, self.lease_lost))
        journal = MortalJournal(database)
        journal.fate = self.fate
        await stack.enter_async_context(journal)
        box = SecretsBox(world.folder / "secrets", KeyFile(world.folder / "key"))
        self.adapter = MortalAdapter(
            world.settings(),
            box,
            world.clock,
            self.chance,
            catalogue=(SHARE, CONTRACT),
            sleep=sleep,
            ensure_may_send=lambda: self.may_send(lease),
        )
        self.adapter.fate = self.fate
        stack.push_async_callback(self.adapter.close)
        bus = Bus()
        self.called = bus.subscribe(PersonNeeded)
        parts = DeskParts(
            adapter=self.adapter,
            policy=OrderPolicy(self.adapter.manifest, timer),
            store=OrderStore(database),
            journal=journal,
            lease=lease,
            limiter=RateLimiter([Window(9, SECOND)], timer),
            timer=timer,
            bus=bus,
            gate=self._road(),
        )
        return await stack.enter_async_context(
            AccountDesk(OrderBook(ACCOUNT, lambda order, execution: CHARGE), parts)
        )

    def _road(self) -> RiskRoad:
        state = RiskState()
        state.account_opened(ACCOUNT, USER)
        gate = RiskGate(state, KillSwitch(self.world.folder, self.world.clock.now_ns()))
        gate.set_limits(ACCOUNT, parse_limits(LIMITS))
        return RiskRoad(gate, ACCOUNT, self.timer, lambda request: None)

    def may_send(self, lease: Lease) -> None:
        """Called right before an order call is written."""
        lease.ensure_may_send()

    def held(self, error: LeaseHeldError) -> None:
        """The account is another desk's."""

    def lease_lost(self, error: LeaseLostError) -> None:
        self.say(called="lease", reason=str(error))

    async def _take_lease(self, database: Database):
        if not self.plan.waits_for_lease:
            async with database.writing() as session:
                await session.execute(update(LeaseRow).values(expires_ns=0))
        while True:
            try:
                return await take_lease(
                    database, ACCOUNT, f"life {self.plan.number}", self.timer, length_ns=self.lease_ns
                )
            except LeaseHeldError as error:
                self.held(error)
                await sleep(0.2)

    # -- what a caller does

    async def drive(self, desk: AccountDesk) -> None:
        """Orders, cancellations, repetitions, until death."""
        async with asyncio.TaskGroup() as group:
            for words in self.plan.again:
                if self.chance.random() < 0.6:
                    group.create_task(self.submit(desk, words))
            while True:
                what = self.chance.random()
                if what < 0.55:
                    words = self.some_intent(desk)
                    for _ in range(self.chance.choice((1, 1, 1, 2))):  # some callers ask twice
                        group.create_task(self.submit(desk, words))
                elif what < 0.85 and (working := desk.book.working()):
                    ask = self.cancel if what < 0.7 else self.modify
                    group.create_task(ask(desk, self.chance.choice(working).order.order_id))
                await asyncio.sleep(self.chance.choice((0, 0.002, 0.01, 0.04)))

    def some_intent(self, desk: AccountDesk) -> Mapping[str, object]:
        chance = self.chance
        self.submitted += 1
        name = chance.choice(("share", "share", "contract"))
        instrument = _INSTRUMENTS[name]
        kind = chance.choice((OrderType.MARKET, OrderType.LIMIT, OrderType.LIMIT, OrderType.SL))
        side, purpose = chance.choice(tuple(Side)), Purpose.ENTRY
        strategy = chance.choice(("s1", "s2"))
        held = desk.book.held(PositionKey(strategy, instrument.key, _product(name)))
        if held and chance.random() < 0.4:
            side, purpose = (Side.SELL if held > 0 else Side.BUY), Purpose.EXIT
        middle, tick = (100, Decimal("0.05")) if name == "share" else (1000, Decimal("0.10"))
        price = middle + chance.randint(-30, 30) * tick
        trigger = price - side.sign * chance.randint(0, 10) * tick
        return {
            "id": f"{self.plan.number}/{self.submitted}",
            "instrument": name,
            "side": side.value,
            "quantity": chance.choice((5, 10, 25, 45)),
            "kind": kind.value,
            "price": str(price) if kind.has_limit else None,
            "trigger": str(trigger) if kind.has_trigger else None,
            "purpose": purpose.value,
            "strategy": strategy,
        }

    async def submit(self, desk: AccountDesk, words: Mapping[str, object]) -> None:
        self.say(asked=words)
        try:
            made = await desk.submit(intent_of(words))
        except TradeMantraError as error:
            self.say(refused=words["id"], code=error.code, why=getattr(error, "rule", str(error)))
        else:
            self.say(
                acknowledged=words["id"],
                tags=[each.tag for each in made],
                quantity=int(sum(each.order.quantity for each in made)),
            )

    async def cancel(self, desk: AccountDesk, order_id: str) -> None:
        rests = desk.book[order_id].order.status in (OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING)
        try:
            await desk.cancel(order_id)
        except TradeMantraError as error:
            self.say(refused=order_id, code=error.code, why="cancel")
        else:
            self.say(cancelled=order_id, rests=rests)

    async def modify(self, desk: AccountDesk, order_id: str) -> None:
        order = desk.book[order_id].order
        step = order.instrument.tick_size * self.chance.randint(-20, 20)
        change = OrderChange(
            price=None if order.price is None else order.price + step,
            trigger_price=None if order.trigger_price is None else order.trigger_price + step,
            quantity=order.quantity + self.chance.choice((-5, 0, 0, 5)) if order.quantity > 5 else None,
        )
        self.say(changing=order_id)
        try:
            await desk.modify(order_id, change)
        except TradeMantraError as error:
            self.say(refused=order_id, code=error.code, why=f"change: {getattr(error, 'rule', '')}")

    # -- the last life

    async def settle(self, desk: AccountDesk) -> None:
        """Nothing goes wrong any more: wait until every order has an end, cancelling what rests."""
        until_ns = self.timer.now_ns() + _SETTLING_SECONDS * SECOND
        cancelled = False
        while desk.book.working():
            if self.timer.now_ns() > until_ns:
                break
            unclear = any(each.order.status is OrderStatus.UNKNOWN for each in desk.book.working())
            if not unclear and not cancelled:
                cancelled = True
                for managed in desk.book.working():
                    await desk.cancel(managed.order.order_id)
            if os.environ.get("CRASH_DEBUG"):
                os.write(
                    2,
                    f"{[(e.tag, e.order.status.value, desk._known.get(e.order.order_id)) for e in desk.book.working()]}\n".encode(),
                )
            await sleep(1)
        await desk.refresh()
        await sleep(5)  # trades that the books show a little later
        await desk.refresh()
        await sleep(2)


def intent_of(words: Mapping[str, object]) -> OrderIntent:
    name = str(words["instrument"])
    price, trigger = words["price"], words["trigger"]
    return OrderIntent(
        intent_id=str(words["id"]),
        account_id=ACCOUNT,
        strategy_id=str(words["strategy"]),
        instrument=_INSTRUMENTS[name],
        side=Side(words["side"]),
        quantity=Decimal(str(words["quantity"])),
        product=_product(name),
        purpose=Purpose(words["purpose"]),
        decided_ns=1,
        order_type=OrderType(words["kind"]),
        price=None if price is None else Decimal(str(price)),
        trigger_price=None if trigger is None else Decimal(str(trigger)),
        reference_price=Decimal(100 if name == "share" else 1000),
    )


def _product(name: str) -> Product:
    return Product.MIS if name == "share" else Product.NRML


async def live(world: World, plan: Plan, pipe: int) -> None:
    """A life that ends by `kill -9`, or, when it is calm, after everything is settled, with its evidence on the disk."""
    life = Life(world, plan, pipe)
    if not plan.calm:
        life.fate.watch_sql()
    async with AsyncExitStack() as stack:
        desk = await life.open(stack)
        life.say(ready=True)
        if not plan.calm:
            await life.drive(desk)
        await life.settle(desk)
        from tests.trading.crash.evidence import gathered

        (world.folder / "evidence.json").write_text(json.dumps(await gathered(life.database, desk)))
    life.called.close()
    for call in [call async for call in life.called]:
        life.say(called=call.subject, reason=call.reason)


async def log_in(world: World, pipe: int) -> None:
    """The user's login of the morning: the token goes to the secrets box, where every life finds it."""
    KeyFile(world.folder / "key").make()
    box = SecretsBox(world.folder / "secrets", KeyFile(world.folder / "key"))
    settings = world.settings()
    box.put(settings.secret_name, Secret(API_SECRET))
    adapter = MortalAdapter(settings, box, world.clock, Random(1), catalogue=(SHARE, CONTRACT), sleep=sleep)
    parts = urlsplit(adapter.login_url())
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    line.request("GET", f"{parts.path}?{parts.query}")
    answer = dict(parse_qsl(urlsplit(line.getresponse().headers["location"]).query))
    line.close()
    await adapter.complete_login(answer)
    await adapter.close()
    stored = box.get(settings.session_name)
    assert stored is not None
    token = json.loads(stored.reveal())["access_token"]
    os.write(pipe, json.dumps({"token": token}).encode() + b"\n")
