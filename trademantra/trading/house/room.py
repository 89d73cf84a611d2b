"""One account of a running desk: its lease, its orders, its algorithms, and the strategies that trade in it."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from trademantra.brokers.errors import BrokerError
from trademantra.brokers.paper.broker import PaperBroker
from trademantra.brokers.port import BrokerAdapter
from trademantra.core.instrument import Instrument
from trademantra.core.order import Order
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.kit.bus import Bus
from trademantra.kit.database import Database
from trademantra.kit.lease import Keeper, Lease, LeaseHeldError, LeaseLostError, take_lease
from trademantra.kit.limiter import RateLimiter, Window
from trademantra.kit.models import LeaseRow
from trademantra.kit.timer import Timer
from trademantra.markets.charges.tariffs import tariff_of
from trademantra.trading.account_desk import AccountDesk
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import AccountMode, Broker, PaperAccountSettings
from trademantra.trading.algos.host import AlgoBook, AlgoParts
from trademantra.trading.charges import ExecutionCharges
from trademantra.trading.conversion import ConversionParts
from trademantra.trading.desk_events import Heard, PersonNeeded
from trademantra.trading.desk_parts import DeskParts
from trademantra.trading.house.other_desk import another_desk
from trademantra.trading.journal import OrderJournal
from trademantra.trading.lease_names import lease_name
from trademantra.trading.orders import OrderBook
from trademantra.trading.policy import OrderPolicy
from trademantra.trading.risk.decisions import BreachRequest
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.keeping import KeepingStore, RiskKeeper
from trademantra.trading.risk.limits import INDIA_LIVE_LIMITS, RiskLimits, chosen_or_default
from trademantra.trading.risk.road import RiskRoad
from trademantra.trading.runner.workers import StrategyWorkers
from trademantra.trading.session.conductor import Conductor, Refused

_LEASE_NS = 15 * NANOSECONDS_PER_SECOND
_LOOK_NS = NANOSECONDS_PER_SECOND
_ORDERS = "orders"
_UNLIMITED = 1_000_000  # orders a second, where a broker states no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all accounts of a desk use together.  `owner`: the name of this process in leases.

    `timer` is that of the markets; leases live in `wall`'s time, which goes on when a sandbox begins its day anew.

    `on_request` hears what breaches of limits ask for, `heard` of all orders of an account from its first instant on, `lost` of
    accounts that another process took over.
    """

    owner: str
    database: Database
    journal: OrderJournal
    timer: Timer
    wall: Timer
    bus: Bus
    gate: RiskGate
    workers: StrategyWorkers
    on_request: Callable[[BreachRequest], None]
    heard: Callable[[OrderBook, Heard], None]
    not_ready: Callable[[str], str]
    lost: Callable[[str, LeaseLostError], None]
    refused: Callable[[str, Refused], None]
    say: Callable[[str], None]


@dataclass(slots=True)
class SendGuard:
    """Asked by an account's adapter in the last instant before an order call is written.

    The adapter is there before the lease is taken, and after the account was let go: then nothing may be sent.
    """

    account_id: str
    lease: Lease | None = None

    def ensure_may_send(self) -> None:
        """Errors: `LeaseLostError`."""
        if self.lease is None:
            raise LeaseLostError(f"account {self.account_id} is not served by this process; nothing was sent")
        self.lease.ensure_may_send()


@dataclass(frozen=True, slots=True)
class AccountRoom:
    """An open account."""

    account: Account
    adapter: BrokerAdapter
    desk: AccountDesk
    algos: AlgoBook
    conductor: Conductor
    journal: OrderJournal
    risk: RiskKeeper
    conversion: ConversionParts
    lease: Lease

    @property
    def account_id(self) -> str:
        return self.account.account_id

    @property
    def is_busy(self) -> bool:
        """Whether orders, answers or news of this account are on their way (paper accounts are waited for)."""
        heard = self.adapter.is_heard if isinstance(self.adapter, PaperBroker) else True
        return self.desk.is_busy or not heard


@asynccontextmanager
async def open_room(
    account: Account,
    adapter: BrokerAdapter,
    guard: SendGuard,
    shared: Shared,
    neighbours: Collection[Account],
) -> AsyncIterator[AccountRoom]:
    """Take an account over and open its desk; leaving lets go of it.  `neighbours`: accounts that are open here already.

    Errors: `LeaseHeldError` while another process serves it.
    """
    account_id, timer, state = account.account_id, shared.timer, shared.gate.state
    async with AsyncExitStack() as stack:
        lease = await _lease_of(account_id, shared)
        keeper = Keeper(lease, shared.database, shared.wall, lambda error: shared.lost(account_id, error))
        await stack.enter_async_context(keeper)
        guard.lease = lease
        stack.callback(setattr, guard, "lease", None)
        state.account_opened(account_id, account.user_id)
        shared.gate.set_limits(account_id, *_limits_of(account))
        state.capital(account_id, await own_money(adapter))
        risk = RiskKeeper(state, account_id, shared.database, shared.journal, lease, timer)
        await risk.load()
        book = OrderBook(
            account_id, ExecutionCharges(tariff_of(_tariff(account)), _unknown(account_id, shared.bus))
        )
        store = KeepingStore(shared.database, risk)
        road = RiskRoad(
            shared.gate, account_id, timer, shared.on_request, lambda: shared.not_ready(account_id)
        )
        desk = AccountDesk(
            book,
            DeskParts(
                adapter=adapter,
                policy=OrderPolicy(adapter.manifest, timer, account.outside_hours),
                store=store,
                journal=shared.journal,
                lease=lease,
                limiter=_limiter(adapter, timer),
                timer=timer,
                bus=shared.bus,
                gate=road,
                last_price=lambda instrument: _last_price(shared.gate, instrument),
            ),
        )
        await stack.enter_async_context(desk)
        # in the same breath: nothing has been heard since the positions were restored
        risk.restore(with_user=all(each.user_id != account.user_id for each in neighbours))
        desk.listen(lambda heard: shared.heard(book, heard))
        conductor = Conductor(
            desk, shared.workers, timer, lambda refused: shared.refused(account_id, refused)
        )
        algos = AlgoBook(
            desk,
            AlgoParts(
                database=shared.database, journal=shared.journal, lease=lease, timer=timer, bus=shared.bus,
                owner=conductor.heard,
            ),
        )  # fmt: skip
        await stack.enter_async_context(algos)
        conductor.carries_with(algos)
        conversion = ConversionParts(
            adapter=adapter, book=book, store=store, journal=shared.journal, lease=lease, bus=shared.bus,
            converted=road.converted,
        )  # fmt: skip
        yield AccountRoom(account, adapter, desk, algos, conductor, shared.journal, risk, conversion, lease)
        risk.keep()


async def _lease_of(account_id: str, shared: Shared) -> Lease:
    """One that a dead process left behind is waited for; one that is renewed meanwhile is a living desk's.

    Errors: `LeaseHeldError`.
    """
    name, wall = lease_name(account_id), shared.wall
    seen, until_ns = None, wall.now_ns() + _LEASE_NS + _LOOK_NS
    while True:
        try:
            return await take_lease(shared.database, name, shared.owner, wall, length_ns=_LEASE_NS)
        except LeaseHeldError as error:
            present = await _row_of(shared.database, name)
            if seen is None:
                shared.say(f"{error.message}; waiting whether that process still lives")
            elif present != seen or wall.now_ns() >= until_ns:
                raise await another_desk(shared.database, account_id, wall.now_ns()) or error from error
            seen = present
        await wall.until(wall.now_ns() + _LOOK_NS)


async def _row_of(database: Database, name: str) -> tuple[int, int]:
    """Token and end of a lease: they move while its owner lives."""
    async with database.reading() as session:
        row = await session.get(LeaseRow, name)
    return (0, 0) if row is None else (row.token, row.expires_ns)


def _limits_of(account: Account) -> tuple[RiskLimits, ...]:
    """Those that the owner chose, the platform's where he chose none; live accounts also keep to the law.

    An account on paper may send as fast as it likes: nobody is harmed, and its record is not one of refusals.
    """
    limits = chosen_or_default(account.limits)
    if account.mode is AccountMode.LIVE:
        return (limits, INDIA_LIVE_LIMITS)
    return (replace(limits, account=account.limits.account),)


async def own_money(adapter: BrokerAdapter) -> Decimal | None:
    """Of an account; None where it cannot be read now.  Brokers with one ledger tell the same in each segment."""
    try:
        funds = await adapter.funds()
    except BrokerError:
        return None
    return max((each.available + each.used for each in funds), default=None)


def _tariff(account: Account) -> str:
    settings = account.settings
    return settings.tariff if isinstance(settings, PaperAccountSettings) else Broker(account.broker).value


def _unknown(account_id: str, bus: Bus) -> Callable[[Order, str], None]:
    def tell(order: Order, text: str) -> None:
        bus.tell(PersonNeeded(account_id, order.order_id, f"booked without charges: {text}"))

    return tell


def _limiter(adapter: BrokerAdapter, timer: Timer) -> RateLimiter:
    limits = adapter.manifest.limits.get(_ORDERS, ())
    windows = [Window(limit.count, limit.seconds * NANOSECONDS_PER_SECOND) for limit in limits]
    return RateLimiter(windows or [Window(_UNLIMITED, NANOSECONDS_PER_SECOND)], timer)


def _last_price(gate: RiskGate, instrument: Instrument) -> Decimal | None:
    return gate.state.market(instrument.key).last
