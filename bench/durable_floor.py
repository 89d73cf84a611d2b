"""What any bridge with a durable order log pays: one SQLite row behind a Starlette route, called over HTTP.

OpenAlgo publishes this architecture: a route validates, a service calls the broker, a row goes to SQLite by SQLAlchemy
(marketcalls/openalgo: services/place_order_service.py at 07d5249, database/apilog_db.py at 1ef6958, seen 2026-11-21).  There the
row is written after the broker's answer, by another thread, and a crash between loses it; here, as on the desk, it is durable
first.  No validation, no ORM, no limits, no broker: whatever does more takes longer.
"""

import argparse
import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BODY = {
    "strategy": "s1", "symbol": "S0001", "exchange": "NSE", "action": "BUY", "quantity": "10", "pricetype": "LIMIT",
    "product": "MIS", "price": "100",
}  # fmt: skip


def serve(file: Path) -> None:
    """The server's process: one worker, one connection, a thread for the commit as Starlette does for plain functions."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, request TEXT NOT NULL, at_ns INTEGER NOT NULL)"
    )
    one = asyncio.Lock()

    def write(text: str) -> None:
        database.execute("INSERT INTO orders (request, at_ns) VALUES (?, ?)", (text, time.time_ns()))

    async def place(request: Request) -> JSONResponse:
        text = json.dumps(await request.json())
        async with one:
            await run_in_threadpool(write, text)
        return JSONResponse({"status": "success", "called_ns": time.perf_counter_ns()})

    async def spent(_: Request) -> JSONResponse:
        return JSONResponse({"cpu": time.process_time()})

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    app = Starlette(routes=[Route("/placeorder", place, methods=["POST"]), Route("/spent", spent)])
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


@dataclass(frozen=True, slots=True)
class Reply:
    sent_ns: int
    called_ns: int


class Connection:
    """A keep-alive connection that costs its owner next to nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.lock = asyncio.Lock()

    @classmethod
    async def open(cls, port: int) -> "Connection":
        while True:
            try:
                return cls(*await asyncio.open_connection("127.0.0.1", port))
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)

    async def ask(self, method: str, path: str, body: bytes = b"") -> dict[str, object]:
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        heads = await self._reader.readuntil(b"\r\n\r\n")
        length = int(heads.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        answer: dict[str, object] = json.loads(await self._reader.readexactly(length))
        return answer

    def close(self) -> None:
        self._writer.close()


async def order(connections: Sequence[Connection], number: int) -> Reply:
    """Send one; `called_ns` is where the broker would be called."""
    body = json.dumps(BODY).encode()
    sent = time.perf_counter_ns()
    each = connections[number % len(connections)]
    async with each.lock:
        answer = await each.ask("POST", "/placeorder", body)
    called = answer["called_ns"]
    assert isinstance(called, int)
    return Reply(sent, called)


async def spent(connection: Connection) -> float:
    """CPU seconds of the server so far."""
    seconds = (await connection.ask("GET", "/spent"))["cpu"]
    assert isinstance(seconds, float)
    return seconds


@contextmanager
def server() -> Iterator[int]:
    """Its port, while it runs."""
    with tempfile.TemporaryDirectory(prefix="tm-floor-") as folder:
        words = [sys.executable, __file__, str(Path(folder) / "orders.db")]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ)
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    serve(parser.parse_args().file)
