"""The Zerodha adapter's other side: the Kite sandbox, over real sockets."""

import asyncio
import http.client
import json
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from urllib.parse import parse_qsl, urlsplit

from tests.brokers.contract.proxy import Proxy
from tests.brokers.contract.simulated import (
    CASH,
    CONTRACT,
    SHARE,
    SHARE_TOKEN,
    START_NS,
    exchange_settings,
    first_prices,
    listings,
    minute_bars,
    open_market,
    orders_there,
    trade,
)
from tests.brokers.contract.venue import Fault, OrderThere
from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.paper.journal import Journal
from trademantra.brokers.paper.market import EventBatch
from trademantra.brokers.paper.terms import ExchangeEvent, OrderChanged, PriceEvent, Stage
from trademantra.brokers.zerodha.adapter import ZerodhaAdapter
from trademantra.brokers.zerodha.settings import ZerodhaSettings
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.engine.bars import Bars
from trademantra.kit.clock import SystemClock
from trademantra.kit.secrets import KeyFile, Secret, SecretsBox
from trademantra.sandbox.kite.accounts import KiteAccount
from trademantra.sandbox.kite.candles import Minutes
from trademantra.sandbox.kite.market import Market
from trademantra.sandbox.kite.server import Sandbox, Wiring, listen, root_of
from trademantra.sandbox.kite.settings import KiteSettings

API_KEY, API_SECRET, USER = "contractkey", "contractsecret0", "CT0001"
ORDER_CALLS: Mapping[str, object] = {
    "method": "[PD]*",
    "path": "/orders/*",
    "count": 1,
}  # POST, PUT and DELETE
FAULTS: Mapping[Fault, Mapping[str, object]] = {
    Fault.LOSE_REQUEST: {"kind": "bad_gateway", **ORDER_CALLS},
    Fault.LOSE_REPLY: {"kind": "drop_reply", **ORDER_CALLS},
    Fault.REFUSE_RATE: {"kind": "rate_limited", **ORDER_CALLS},
    Fault.FAIL_READS: {"kind": "bad_gateway", "method": "GET"},
    Fault.DUPLICATE_UPDATES: {"kind": "duplicate_update"},
    Fault.REORDER_UPDATES: {"kind": "reorder_updates", "probability": 0.5, "seed": 2},
}


class Prices:
    """`PriceSource` of the sandbox: what the scenario wants next."""

    def __init__(self, known: Listings) -> None:
        self._known = known
        self._waiting: list[PriceEvent] = []

    def add(self, event: PriceEvent) -> None:
        self._waiting.append(event)

    def next_ns(self) -> int | None:
        return self._waiting[0].at_ns if self._waiting else None

    def skip_to(self, from_ns: int) -> None:
        self._waiting = [event for event in self._waiting if event.at_ns > from_ns]

    def take(self, until_ns: int, most: int) -> EventBatch:
        taken = [event for event in self._waiting[:most] if event.at_ns <= until_ns]
        del self._waiting[: len(taken)]
        return EventBatch.of(self._known, taken)


class Past:
    """`Past` of the sandbox: an hour of the share."""

    def minutes(self, listing: Listing, first_ns: int, stop_ns: int) -> Minutes:
        if listing.token != SHARE_TOKEN:
            return Minutes.empty()
        return Minutes.of_bars(minute_bars().between(first_ns, stop_ns))


class ZerodhaVenue:
    """`tests.brokers.contract.venue.Venue` of the sandbox; its faults come by the sandbox's control route."""

    share = SHARE
    contract = CONTRACT
    cash = CASH
    other_loggers: Collection[str] = ("uvicorn", "trademantra.sandbox")
    faults: Collection[Fault] = tuple(FAULTS)

    def __init__(
        self, sandbox: Sandbox, root: str, prices: Prices, stream: Proxy, made: Collection[str], folder: Path
    ) -> None:
        self._sandbox = sandbox
        self._root = root
        self._prices = prices
        self._stream = stream
        self._wall = SystemClock()
        self._received: dict[str, int] = {}
        self._secrets = made
        sandbox.host.subscribe(self._note)
        key = KeyFile(folder / "key")
        key.make()
        box = SecretsBox(folder / "secrets", key)
        settings = ZerodhaSettings(
            api_key=API_KEY,
            user_id=USER,
            root=root,
            login_page=f"{root}/connect/login",
            stream_root=f"ws://127.0.0.1:{stream.port}",
            read_tries=2,
            first_delay_seconds=0.01,
            longest_delay_seconds=0.05,
        )
        box.put(settings.secret_name, Secret(API_SECRET))
        self.adapter = ZerodhaAdapter(settings, box, self._wall, Random(4), catalogue=(SHARE, CONTRACT))

    async def login_answer(self) -> Mapping[str, str]:
        """The user opens the login page; the sandbox logs him in at once and sends his browser back."""
        page = await asyncio.to_thread(_visit, "GET", self.adapter.login_url())
        return dict(parse_qsl(urlsplit(page.headers["location"]).query))

    async def move(self, instrument: Instrument, price: str, volume: int = 1_000_000) -> None:
        at_ns = self._sandbox.desk.clock.now_ns() + NANOSECONDS_PER_SECOND
        self._prices.add(trade(instrument, price, volume, at_ns))
        await self._sandbox.desk.pump.advance_to(at_ns)

    async def expire_session(self) -> None:
        self._sandbox.desk.sessions.end_all(USER)

    async def inject(self, fault: Fault) -> None:
        await self._control("POST", json.dumps(FAULTS[fault]).encode())

    async def clear_faults(self) -> None:
        await self._control("DELETE", b"")

    @asynccontextmanager
    async def stream_down(self) -> AsyncIterator[None]:
        self._stream.cut()
        try:
            yield
        finally:
            self._stream.mend()

    async def orders_there(self) -> Sequence[OrderThere]:
        return orders_there(self._sandbox.host.exchange, USER, self._received)

    def bars_there(self) -> Bars:
        return minute_bars()

    def secrets(self) -> Collection[str]:
        return self._secrets

    async def _control(self, method: str, body: bytes) -> None:
        page = await asyncio.to_thread(_visit, method, f"{self._root}/sandbox/faults", body)
        assert page.status == 200, page.status

    def _note(self, event: ExchangeEvent) -> None:
        if isinstance(event, OrderChanged) and event.order.stage is Stage.RECEIVED:
            self._received[event.order.order_id] = self._wall.now_ns()


def _visit(method: str, url: str, body: bytes | None = None) -> http.client.HTTPResponse:
    """One request without a trace in the log, as a browser makes it."""
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        line.request(method, f"{parts.path}?{parts.query}", body, {"content-type": "application/json"})
        reply = line.getresponse()
        reply.read()
        return reply
    finally:
        line.close()


@asynccontextmanager
async def open_venue(folder: Path) -> AsyncIterator[ZerodhaVenue]:
    known, made = listings(), {API_SECRET}
    prices = Prices(known)
    listener = listen("127.0.0.1", 0)
    root = root_of(listener)

    def make_token() -> str:
        token = secrets.token_hex(16)
        made.add(token)
        return token

    account = KiteAccount(
        user_id=USER, api_key=API_KEY, api_secret=API_SECRET, redirect_url=f"{root}/connect/finish", cash=CASH
    )
    sandbox = Sandbox(
        root=root,
        accounts=[account],
        settings=KiteSettings(auto_login=True),
        market=Market(
            listings=known, source=prices, past=Past(), began_ns=START_NS, settings=exchange_settings()
        ),
        wiring=Wiring(wall=SystemClock(), make_token=make_token),
        journal=Journal.open(folder / "exchange.journal"),
        speed=1.0,
    )
    sandbox.desk.pump.set_pace(paused=True)
    ready = asyncio.Event()
    serving = asyncio.create_task(sandbox.serve(listener, ready.set))
    await ready.wait()
    proxy = Proxy(urlsplit(root).port or 0)
    await proxy.start()
    try:
        await sandbox.host.run(open_market)
        for price in first_prices():
            prices.add(price)
        await sandbox.desk.pump.advance_to(START_NS)
        yield ZerodhaVenue(sandbox, root, prices, proxy, made, folder)
    finally:
        await proxy.stop()
        sandbox.stop()
        await serving
