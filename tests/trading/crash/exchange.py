"""The other side of the crash test: the Kite sandbox in a process of its own, which is never killed, and its own word."""

import asyncio
import json
import os
import signal
import socket
import urllib.request
from collections.abc import Mapping, Sequence
from decimal import Decimal
from urllib.parse import urlencode

from tests.brokers.contract.simulated import START_NS, exchange_settings, listings, open_market
from tests.trading.crash.world import API_KEY, API_SECRET, SPEED, USER, WanderingPrices, World
from trademantra.sandbox.kite.accounts import KiteAccount
from trademantra.sandbox.kite.candles import NoPast
from trademantra.sandbox.kite.market import Market
from trademantra.sandbox.kite.server import Sandbox, Wiring
from trademantra.sandbox.kite.settings import KiteSettings

CASH = Decimal(500_000_000)
ORDER_CALLS = {"method": "[PD]*", "path": "/orders/*"}  # POST, PUT and DELETE
FAULTS: Sequence[Mapping[str, object]] = (
    {"kind": "drop_reply", "probability": 0.06, **ORDER_CALLS},
    {"kind": "bad_gateway", "probability": 0.04, **ORDER_CALLS},
    {"kind": "late_bad_gateway", "probability": 0.04, **ORDER_CALLS},
    {"kind": "rate_limited", "probability": 0.04, **ORDER_CALLS},
    {"kind": "delay", "probability": 0.15, "delay_ms": 60, **ORDER_CALLS},
    {
        "kind": "delay",
        "probability": 0.05,
        "delay_ms": 700,
        **ORDER_CALLS,
    },  # 7 s by the desk's clock, also of the dead
    {"kind": "bad_gateway", "probability": 0.05, "method": "GET", "path": "/orders*"},
    {"kind": "bad_gateway", "probability": 0.05, "method": "GET", "path": "/trades*"},
    {"kind": "rate_limited", "probability": 0.05, "method": "GET", "path": "/[!s]*"},  # not its own routes
    {"kind": "duplicate_update", "probability": 0.2},
    {"kind": "reorder_updates", "probability": 0.2},
    {"kind": "drop_update", "probability": 0.1},
    {"kind": "socket_cut", "probability": 0.1},
)


def serve(listener: socket.socket, world: World) -> None:
    """Run until SIGTERM."""
    known = listings()
    sandbox = Sandbox(
        root=world.root,
        accounts=[
            KiteAccount(
                user_id=USER,
                api_key=API_KEY,
                api_secret=API_SECRET,
                redirect_url=f"{world.root}/connect/finish",
                cash=CASH,
            )
        ],
        settings=KiteSettings(auto_login=True, rate_limits=False),
        market=Market(
            listings=known,
            source=WanderingPrices(known, world.seed),
            past=NoPast(),
            began_ns=START_NS,
            settings=exchange_settings(),
        ),
        wiring=Wiring(wall=world.clock, report=lambda text: os.write(2, f"{text}\n".encode()) and None),
        journal=None,
        speed=SPEED,
    )
    asyncio.run(_serve(sandbox, listener))


async def _serve(sandbox: Sandbox, listener: socket.socket) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sandbox.stop)
    watching = asyncio.create_task(_end_with_parent(sandbox, os.getppid()))
    await sandbox.host.run(open_market)
    await sandbox.serve(listener, lambda: None)
    watching.cancel()


async def _end_with_parent(sandbox: Sandbox, parent: int) -> None:
    """A test that is killed leaves no exchange behind."""
    while os.getppid() == parent:
        await asyncio.sleep(1)
    sandbox.stop()


class Account:
    """The account as a plain program sees it over REST: what the desk is judged by, and a person's own orders."""

    def __init__(self, root: str, token: str) -> None:
        self._root, self._token = root, token

    def rows(self, path: str) -> Sequence[Mapping[str, object]]:
        return self._ask("GET", path)

    def orders_by_tag(self) -> dict[str, str]:
        """State of each tagged order."""
        return {str(row["tag"]): str(row["status"]) for row in self.rows("/orders") if row["tag"]}

    def place_by_hand(self, fields: Mapping[str, object]) -> str:
        """An order that the desk knows nothing of."""
        return str(self._ask("POST", "/orders/regular", urlencode(fields).encode())["order_id"])

    def switch_faults_on(self, seed: int) -> None:
        for number, fault in enumerate(FAULTS):
            self._control("POST", json.dumps({**fault, "seed": seed % 10**6 + number}).encode())

    def switch_faults_off(self) -> Mapping[str, int]:
        """How often each struck."""
        struck: dict[str, int] = {}
        for fault in self._control("GET")["faults"]:
            struck[fault["kind"]] = struck.get(fault["kind"], 0) + fault["struck"]
        self._control("DELETE")
        return struck

    def _ask(self, method: str, path: str, body: bytes | None = None):
        headers = {"X-Kite-Version": "3", "Authorization": f"token {API_KEY}:{self._token}"}
        return self._exchange(method, path, body, headers)["data"]

    def _control(self, method: str, body: bytes | None = None):
        return self._exchange(method, "/sandbox/faults", body, {"content-type": "application/json"})

    def _exchange(self, method, path, body, headers):
        request = urllib.request.Request(self._root + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read(), parse_float=str)
