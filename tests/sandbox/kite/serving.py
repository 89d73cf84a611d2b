"""Runs a sandbox in a thread, on a free port, and stops it."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2

from tests.sandbox.kite.market_making import MORNING, Script, listings
from trademantra.brokers.listings import Listings
from trademantra.brokers.paper.market import EventBatch
from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.brokers.paper.terms import PriceEvent
from trademantra.core.time import datetime_of
from trademantra.kit.clock import SystemClock
from trademantra.sandbox.kite.accounts import KiteAccount, default_account
from trademantra.sandbox.kite.candles import NoPast, Past
from trademantra.sandbox.kite.server import Market, Sandbox, Wiring, listen, root_of
from trademantra.sandbox.kite.sessions import checksum
from trademantra.sandbox.kite.settings import KiteSettings, Profile


@dataclass(slots=True)
class Running:
    """A sandbox that answers at `root`."""

    root: str
    sandbox: Sandbox
    source: Script
    known: Listings
    loop: asyncio.AbstractEventLoop
    reports: list[str] = field(default_factory=list)
    clients: list[httpx2.Client] = field(default_factory=list)

    def control(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """A call of the sandbox's own routes."""
        request = urllib.request.Request(
            f"{self.root}/sandbox/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as reply:
            return json.load(reply)

    def feed(self, events: Sequence[PriceEvent]) -> None:
        """Prices, which are traded on before this returns."""
        self.feed_batch(EventBatch.of(self.known, events))

    def feed_batch(self, batch: EventBatch) -> None:
        self.source.add(batch)
        self.control("POST", "clock", {"advance_to": _iso(int(batch.at_ns[-1]))})

    def login(self, account: KiteAccount | None = None) -> str:
        """An access token, of the first account unless another is named."""
        account = account or self.sandbox.desk.accounts[0]
        sessions = self.sandbox.desk.sessions

        async def open_session() -> str:
            token = sessions.begin(account)
            given = checksum(account.api_key, token, account.api_secret)
            return sessions.exchange(account.api_key, token, given).access_token

        return asyncio.run_coroutine_threadsafe(open_session(), self.loop).result(10)


def _iso(ns: int) -> str:
    return datetime_of(ns).isoformat()


@contextmanager
def running(
    settings: KiteSettings | None = None,
    accounts: Sequence[KiteAccount] | None = None,
    *,
    known: Listings | None = None,
    past: Past | None = None,
    began_ns: int = MORNING,
    wiring: Wiring | None = None,
) -> Iterator[Running]:
    """A server in a thread; its clock stands still until a test moves it."""
    chosen = settings or KiteSettings(rate_limits=False)
    known = known or listings()
    source = Script()
    reports: list[str] = []
    listener = listen("127.0.0.1", 0)
    root = root_of(listener)
    protected = chosen.profile is Profile.CURRENT
    market = Market(
        listings=known,
        source=source,
        past=past or NoPast(),
        began_ns=began_ns,
        settings=ExchangeSettings(unprotected_orders=not protected),
    )
    ready = threading.Event()
    running_server: list[Running] = []

    async def main() -> None:
        sandbox = Sandbox(
            root=root,
            accounts=accounts or [default_account(root)],
            settings=chosen,
            market=market,
            wiring=wiring or Wiring(wall=SystemClock(), report=reports.append),
            journal=None,
            speed=1.0,
        )
        sandbox.desk.pump.set_pace(paused=True)
        loop = asyncio.get_running_loop()
        running_server.append(Running(root, sandbox, source, known, loop, reports))
        await sandbox.serve(listener, ready.set)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(30), "the sandbox did not start"
    server = running_server[0]
    try:
        yield server
    finally:
        for client in server.clients:
            client.close()
        server.loop.call_soon_threadsafe(server.sandbox.stop)
        thread.join(20)
        assert not thread.is_alive(), "the sandbox did not stop"
