"""Puts a sandbox together and runs it: sockets, clock, market, postbacks, until it is told to stop."""

import asyncio
import errno
import secrets
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import uvicorn

from trademantra.brokers.paper.entries import JournalEntry
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.host import ExchangeHost
from trademantra.brokers.paper.journal import Journal
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.errors import InvalidValueError, TradeMantraError
from trademantra.core.time import Clock, ManualClock, ist_date
from trademantra.sandbox.kite import order_routes, wire
from trademantra.sandbox.kite.accounts import KiteAccount
from trademantra.sandbox.kite.alerts import Alerts
from trademantra.sandbox.kite.app import make_app
from trademantra.sandbox.kite.bands import set_bands
from trademantra.sandbox.kite.candles import Candles
from trademantra.sandbox.kite.columns import MarketColumns
from trademantra.sandbox.kite.desk import Desk
from trademantra.sandbox.kite.faults import FaultBook
from trademantra.sandbox.kite.instrument_file import InstrumentFile
from trademantra.sandbox.kite.json_form import Json
from trademantra.sandbox.kite.limits import RateLimits
from trademantra.sandbox.kite.market import Market
from trademantra.sandbox.kite.packets import IntArray
from trademantra.sandbox.kite.postback import HttpPoster, Postbacks
from trademantra.sandbox.kite.pump import Pump
from trademantra.sandbox.kite.sessions import Sessions
from trademantra.sandbox.kite.settings import KiteSettings
from trademantra.sandbox.kite.ticker import Ticker
from trademantra.sandbox.kite.updates import OrderUpdates

_BEAT_SECONDS = 0.25
_HELD_SECONDS = 0.5
_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What comes from outside, so that a test can bring its own."""

    wall: Clock
    read_seconds: Callable[[], float] = time.monotonic
    make_token: Callable[[], str] = lambda: secrets.token_hex(16)
    make_uuid: Callable[[], uuid.UUID] = uuid.uuid4
    report: Callable[[str], None] = print


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.  Errors: `InvalidValueError` that says what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named because asyncio turns Nagle's delay off only for sockets that say they are TCP
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise InvalidValueError(
                f"port {port} of {host} is taken by another program",
                hint="choose another one with --port, or 0",
            ) from error
        raise InvalidValueError(
            f"cannot listen at {host} port {port}: {error}", hint="check --host and --port"
        ) from error
    listener.listen(1024)
    return listener


def root_of(listener: socket.socket) -> str:
    """The URL that a program on this machine uses."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


class Sandbox:
    """One server, not yet running."""

    def __init__(
        self,
        root: str,
        accounts: Sequence[KiteAccount],
        settings: KiteSettings,
        market: Market,
        wiring: Wiring,
        journal: Journal | None,
        speed: float,
    ) -> None:
        self._wiring = wiring
        clock = ManualClock(market.began_ns)

        def build(
            snapshot: bytes | None, entries: Sequence[JournalEntry], sink: Callable[[JournalEntry], None]
        ) -> Exchange:
            exchange = Exchange.restore(snapshot, entries, market.listings, clock, market.settings, sink)
            there = set(exchange.accounts())
            for account in accounts:
                if account.user_id not in there:
                    exchange.open_account(account.user_id, account.cash)
            return exchange

        self.host = ExchangeHost(build, journal)
        exchange = self.host.exchange
        clock.advance_to(max(clock.now_ns(), exchange.now_ns))
        if clock.now_ns() > market.began_ns:
            market.source.skip_to(clock.now_ns())
        self._band_percent, self._band_day = market.band_percent, ist_date(clock.now_ns())
        if self._band_percent is not None:
            set_bands(exchange, self._band_percent, self._band_day)
        faults = FaultBook()
        sessions = Sessions(accounts, clock, wiring.wall, wiring.make_token, settings.request_token_seconds)
        ticker = Ticker(MarketColumns(exchange), settings, faults, wiring.read_seconds)
        sessions.ended.append(ticker.cut_session)
        postbacks = Postbacks(HttpPoster())
        alerts = Alerts(clock, exchange.quote, self._place_basket, wiring.make_uuid)
        candles = Candles(market.listings, market.past, clock.now_ns())
        pump = Pump(self.host, clock, market.source, speed, wiring.read_seconds, self._on_prices)
        self.desk = Desk(
            root=root,
            settings=settings,
            accounts=tuple(accounts),
            exchange=exchange,
            clock=clock,
            sessions=sessions,
            limits=RateLimits(wiring.wall, enforced=settings.rate_limits),
            faults=faults,
            ticker=ticker,
            postbacks=postbacks,
            alerts=alerts,
            candles=candles,
            instruments=InstrumentFile(market.listings),
            pump=pump,
            read_seconds=wiring.read_seconds,
            make_uuid=wiring.make_uuid,
        )
        self._updates = OrderUpdates(
            {account.user_id: account for account in accounts}, ticker, postbacks, faults, self._after_a_while
        )
        self.host.subscribe(self._updates)
        self._server: _Server | None = None

    def stop(self) -> None:
        """End `serve`; open requests are answered first.  Call it in the server's event loop."""
        if self._server is not None:
            self._server.stop()

    async def serve(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Run until `stop`, or until cancelled."""
        config = uvicorn.Config(
            make_app(self.desk, self.host),
            http=wire.HttpProtocol,
            ws=wire.SocketProtocol,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self._server = server = _Server(config, ready)
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._pump()),
                group.create_task(self._beat()),
                group.create_task(self.desk.postbacks.run(self._wiring.report)),
            ]
            try:
                await server.serve(sockets=[listener])
            finally:
                for task in background:
                    task.cancel()
                self.host.close()

    async def _pump(self) -> None:
        """The market; when it cannot go on (the journal's disk is full), that is said once and answers are errors."""
        try:
            await self.desk.pump.run()
        except TradeMantraError as error:
            self._wiring.report(f"the market stands still: {error}")

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            self.desk.ticker.beat()
            self.desk.sessions.end_expired()

    def _on_prices(self, batch: EventBatch, rows: IntArray) -> None:
        self._renew_bands(int(batch.at_ns[-1]))
        self.desk.candles.take(batch)
        self.desk.ticker.publish(rows)
        watched = self.desk.alerts.watched
        if watched:
            for token in self.desk.exchange.listings.tokens[rows].tolist():
                if token in watched:
                    self.desk.alerts.on_ticks(token)

    def _renew_bands(self, now_ns: int) -> None:
        """With the first prices of a day."""
        day = ist_date(now_ns)
        if self._band_percent is not None and day > self._band_day:
            self._band_day = day
            set_bands(self.desk.exchange, self._band_percent, day)

    def _place_basket(self, user_id: str, basket: Json) -> Json:
        return order_routes.place_basket(self.desk, user_id, basket)

    def _after_a_while(self, action: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(_HELD_SECONDS, action)


class _Server(uvicorn.Server):
    """Tells when it takes requests, and ends when it is told; leaves signals to `run`."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stopped.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def main_loop(self) -> None:
        await self._stopped.wait()


def run(sandbox: Sandbox, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Run a sandbox in an event loop of its own until SIGINT or SIGTERM."""
    loop_factory = uvicorn.Config(app="", loop="auto", log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        loop = runner.get_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows: Ctrl-C cancels the task instead
                loop.add_signal_handler(number, sandbox.stop)
        runner.run(sandbox.serve(listener, ready))
