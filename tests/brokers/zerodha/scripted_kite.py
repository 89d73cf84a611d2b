"""The other side of the wire for odd cases: a tiny HTTP and WebSocket server that does what a test tells it."""

import asyncio
import json
import logging
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from trademantra.brokers.events import BrokerEvent, SessionState
from trademantra.brokers.zerodha.adapter import ZerodhaAdapter
from trademantra.brokers.zerodha.settings import ZerodhaSettings
from trademantra.core.time import Clock
from trademantra.kit.secrets import KeyFile, Secret, SecretsBox

API_KEY, API_SECRET, TOKEN, REQUEST_TOKEN = "appkey01", "appsecretXYZ", "accesstokenABC", "requesttoken9"
SECRETS = (API_SECRET, TOKEN, REQUEST_TOKEN)
INSTRUMENTS = """\
instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange
408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE
738561,2885,RELINFRA-BE,RELIANCE INFRA,0,,0,0.05,1,EQ,NSE,NSE
256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE
12683010,49543,NIFTY26NOVFUT,NIFTY,0,2026-11-24,0,0.1,65,FUT,NFO-FUT,NFO
12683266,49544,NIFTY26N2426000CE,NIFTY,0,2026-11-24,26000,0.05,65,CE,NFO-OPT,NFO
111111175,434027,GOLDM26DECFUT,GOLDM,0,2026-12-04,0,1,1,FUT,MCX-FUT,MCX
"""


@dataclass(frozen=True)
class Asked:
    """A request that came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    form: dict[str, str]
    authorization: str


@dataclass(frozen=True)
class Says:
    """An answer; `cut` closes the connection instead of sending it."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[str, ...] = ()
    cut: bool = False
    silent: bool = False


def data(value: object) -> Says:
    return Says(body=json.dumps({"status": "success", "data": value}).encode())


def error(status: int, error_type: str, message: str) -> Says:
    reply = {"status": "error", "message": message, "data": None, "error_type": error_type}
    return Says(status, json.dumps(reply).encode())


CUT = Says(cut=True)
SILENCE = Says(silent=True)
Answer = Says | Callable[[Asked], Says]


@dataclass
class ScriptedKite:
    """Answers by "METHOD /path"; a list is used up one by one and its last answer stays."""

    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    stream_port: int = 0
    sockets: list[ServerConnection] = field(default_factory=list)
    heard: list[dict[str, object]] = field(default_factory=list)
    stream_status: int = 101
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.on("GET /instruments", Says(body=INSTRUMENTS.encode(), content_type="text/csv"))
        self.on("GET /orders", data([]))
        self.on("GET /trades", data([]))
        self.on("POST /session/token", self._session)

    def on(self, what: str, *answers: Answer) -> None:
        self.answers[what] = list(answers)

    def requests(self, what: str) -> list[Asked]:
        return [one for one in self.asked if f"{one.method} {one.path}" == what]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something that came over the wire makes it true."""
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(true)

    async def push(self, message: str | bytes) -> None:
        await self.sockets[-1].send(message)

    def _session(self, asked: Asked) -> Says:
        form = asked.form
        right = sha256((API_KEY + REQUEST_TOKEN + API_SECRET).encode()).hexdigest()
        if form != {"api_key": API_KEY, "request_token": REQUEST_TOKEN, "checksum": right}:
            return error(403, "TokenException", f"Token is invalid or has expired: {form}")
        return data({"user_id": "AB1234", "access_token": TOKEN, "api_key": API_KEY, "refresh_token": ""})

    async def _note(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, target, _ = first.split(" ")
                parts = urlsplit(target)
                form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                asked = Asked(
                    method, parts.path, parse_qs(parts.query), form, headers.get("authorization", "")
                )
                self.asked.append(asked)
                answers = self.answers[f"{method} {parts.path}"]
                answer = (answers.pop(0) if len(answers) > 1 else answers[0]) if answers else None
                says = error(404, "GeneralException", "Route not found") if answer is None else answer
                says = says(asked) if callable(says) else says
                await self._note()
                if says.silent:
                    await reader.read()
                    return
                if says.cut:
                    return
                lines = [
                    f"HTTP/1.1 {says.status} X",
                    f"Content-Type: {says.content_type}",
                    f"Content-Length: {len(says.body)}",
                    *says.headers,
                ]
                writer.write("\r\n".join([*lines, "", ""]).encode() + says.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _socket(self, connection: ServerConnection) -> None:
        self.sockets.append(connection)
        await self._note()
        with suppress(ConnectionClosed):
            async for message in connection:
                self.heard.append(json.loads(message))
                await self._note()

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        query = parse_qs(urlsplit(request.path).query)
        if self.stream_status == 101 and query == {"api_key": [API_KEY], "access_token": [TOKEN]}:
            return None
        return connection.respond(self.stream_status if self.stream_status != 101 else 403, "no")


@asynccontextmanager
async def scripted_kite() -> AsyncIterator[ScriptedKite]:
    kite = ScriptedKite()
    silent = logging.Logger("the broker's own log", logging.CRITICAL + 1)
    server = await asyncio.start_server(kite._serve, "127.0.0.1", 0)
    stream: Server = await serve(
        kite._socket, "127.0.0.1", 0, process_request=kite._handshake, ping_interval=None, logger=silent
    )
    kite.port = server.sockets[0].getsockname()[1]
    kite.stream_port = next(iter(stream.sockets)).getsockname()[1]
    try:
        yield kite
    finally:
        stream.close()
        server.close()
        await stream.wait_closed()


class NoPause:
    """A sleep that takes no time and remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await asyncio.sleep(0)


def settings_for(kite: ScriptedKite, **changes: float | str) -> ZerodhaSettings:
    root, stream = f"http://127.0.0.1:{kite.port}", f"ws://127.0.0.1:{kite.stream_port}"
    fields = {"api_key": API_KEY, "root": root, "stream_root": stream, "quotes_per_second": 100, **changes}
    return ZerodhaSettings(**fields)  # type: ignore[arg-type]


def box_in(folder: Path) -> SecretsBox:
    key = KeyFile(folder / "box.key")
    if not key.path.exists():
        key.make()
    box = SecretsBox(folder / "secrets.box", key)
    box.put(f"zerodha/{API_KEY}/api_secret", Secret(API_SECRET))
    return box


@asynccontextmanager
async def adapter_to(
    kite: ScriptedKite,
    folder: Path,
    clock: Clock,
    *,
    logged_in: bool = True,
    sleep: Callable[[float], Awaitable[None]] | None = None,
    **changes: float | str,
) -> AsyncIterator[ZerodhaAdapter]:
    adapter = ZerodhaAdapter(
        settings_for(kite, **changes), box_in(folder), clock, Random(1), sleep=sleep or NoPause()
    )
    try:
        if logged_in:
            await adapter.complete_login({"request_token": REQUEST_TOKEN, "status": "success"})
            assert adapter.session is SessionState.ACTIVE
        yield adapter
    finally:
        await adapter.close()


async def collected(
    adapter: ZerodhaAdapter, enough: Callable[[list[BrokerEvent]], bool]
) -> list[BrokerEvent]:
    """Events until there are enough of them."""
    found: list[BrokerEvent] = []
    async with asyncio.timeout(20):
        async for event in adapter.events():
            found.append(event)
            if enough(found):
                break
    return found


def order_row(order_id: str = "1", status: str = "OPEN", **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "order_id": order_id,
        "status": status,
        "variety": "regular",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "instrument_token": 408065,
        "order_type": "LIMIT",
        "transaction_type": "BUY",
        "validity": "DAY",
        "product": "CNC",
        "quantity": 10,
        "price": 1500.5,
        "trigger_price": 0,
        "average_price": 0,
        "filled_quantity": 0,
        "pending_quantity": 10,
        "cancelled_quantity": 0,
        "order_timestamp": "2026-11-20 10:00:00",
        "exchange_update_timestamp": None,
        "exchange_timestamp": None,
        "status_message": None,
        "exchange_order_id": None,
        "parent_order_id": None,
        "tag": "tag1",
        **changes,
    }
    return row


def ltp_frame(*prices: tuple[int, int]) -> bytes:
    packets = [struct.pack(">HII", 8, token, price) for token, price in prices]
    return struct.pack(">H", len(packets)) + b"".join(packets)
