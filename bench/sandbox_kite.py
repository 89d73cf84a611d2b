"""Speed and memory of the Kite sandbox: `python bench/sandbox_kite.py [--short]`.

Load comes from a process of its own, on the other core: raw keep-alive connections for REST, raw sockets for the ticker.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from datetime import time as clock_time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import numpy as np

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.paper.journal import Journal
from trademantra.brokers.paper.market import EventBatch
from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import NANOSECONDS_PER_SECOND, ist_ns
from trademantra.kit.clock import SystemClock
from trademantra.sandbox.kite.accounts import KiteAccount, default_account
from trademantra.sandbox.kite.candles import NoPast
from trademantra.sandbox.kite.days import Days
from trademantra.sandbox.kite.market import Market
from trademantra.sandbox.kite.server import Sandbox, Wiring, listen, root_of, run
from trademantra.sandbox.kite.settings import KiteSettings

DAY = date(2026, 11, 20)
BEGAN = ist_ns(DAY, clock_time(10, 0))
ACCOUNTS = 20


def instrument(number: int) -> Listing:
    share = Instrument(
        exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=f"S{number}",
        has_derivatives=False,
    )  # fmt: skip
    return Listing("NSE", share.symbol, (number + 1) << 8 | 1, share, share.symbol, Decimal(1000))


def accounts(root: str, count: int) -> list[KiteAccount]:
    rich = dataclasses.replace(default_account(root), cash=Decimal(10) ** 12)
    return [dataclasses.replace(rich, user_id=f"U{n}", api_key=f"key{n}") for n in range(count)]


def prices(instruments: int, seconds: int) -> EventBatch:
    """Every instrument once a second, all at the same instant: the worst case for a fan-out."""
    generator = np.random.default_rng(7)
    rows = np.tile(np.arange(instruments), seconds)
    at = np.repeat(BEGAN + np.arange(seconds) * NANOSECONDS_PER_SECOND, instruments)
    steps = generator.integers(-3, 4, len(rows)).reshape(seconds, instruments).cumsum(axis=0).ravel()
    price = np.round(1000 + steps * 0.05, 2)
    volume, unknown = np.full(len(at), 100.0), np.full(len(at), np.nan)
    return EventBatch(rows, at, price, price, price, price, volume, unknown)


def serve(arguments: argparse.Namespace) -> None:
    """The server's process: prints its line, and on SIGTERM its CPU time and memory."""
    listings = (
        Listings.read_kite(arguments.file)
        if arguments.file
        else Listings.of([instrument(number) for number in range(arguments.instruments)])
    )
    batch = prices(min(arguments.instruments, len(listings)), arguments.seconds)
    listener = listen("127.0.0.1", 0)
    root = root_of(listener)
    sandbox = Sandbox(
        root=root,
        accounts=accounts(root, ACCOUNTS),
        settings=KiteSettings(rate_limits=False, sockets_per_key=100),
        market=Market(
            listings=listings, source=Days([DAY], lambda day: batch), past=NoPast(), began_ns=BEGAN,
            settings=ExchangeSettings(unprotected_orders=False),
        ),
        wiring=Wiring(wall=SystemClock()),
        journal=Journal.open(arguments.journal) if arguments.journal else None,
        speed=1.0,
    )  # fmt: skip

    def ready() -> None:
        # from here on the price of second n is due n seconds later; the clock is the system's, common to processes
        sandbox.desk.pump.set_pace(speed=1.0)
        print(root, time.monotonic(), flush=True)

    run(sandbox, listener, ready)


class Server:
    """The server in a process of its own."""

    def __init__(self, *words: str) -> None:
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", *words], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert self.process.stdout is not None
        self.root, began = self.process.stdout.readline().split()
        self.began = float(began)
        self.start_seconds = time.perf_counter() - begun

    def token(self, number: int) -> str:
        import hashlib

        with httpx2.Client(trust_env=False) as client:
            page = client.get(f"{self.root}/connect/login?v=3&api_key=key{number}")
            request = page.headers["location"].split("request_token=")[1].split("&")[0]
            given = hashlib.sha256(f"key{number}{request}testsecret".encode()).hexdigest()
            form = {"api_key": f"key{number}", "request_token": request, "checksum": given}
            return client.post(f"{self.root}/session/token", data=form).json()["data"]["access_token"]

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


def order(number: int, key: int, token: str) -> bytes:
    body = (
        f"variety=regular&exchange=NSE&tradingsymbol=S{number % 100}&transaction_type=BUY&quantity=1&product=MIS"
        f"&order_type=LIMIT&price=900&validity=DAY&tag=b{number}"
    ).encode()
    return (
        b"POST /orders/regular HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Kite-Version: 3\r\n"
        + f"Authorization: token key{key}:{token}\r\n".encode()
        + b"Content-Type: application/x-www-form-urlencoded\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


async def place(
    root: str, tokens: list[str], connections: int, orders: int, rate: float | None
) -> np.ndarray:
    """Latencies in seconds.  `rate`: orders a second over all connections, sent on time whether answered or not."""
    host, port = root[7:].split(":")
    latencies: list[float] = []
    begun = time.perf_counter()

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        key = number % len(tokens)
        for n in range(orders // connections):
            due = time.perf_counter()
            if rate:
                due = begun + (n * connections + number) / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(order(n * connections + number, key, tokens[key]))
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            assert b'"success"' in body, body
            latencies.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(client(number) for number in range(connections)))
    return np.array(latencies)


def rest(short: bool) -> None:
    with TemporaryDirectory() as folder:
        for name, words in (("off", []), ("on", ["--journal", f"{folder}/bench.journal"])):
            server = Server("--instruments", "100", "--seconds", "1", *words)
            tokens = [server.token(n) for n in range(ACCOUNTS)]
            asyncio.run(place(server.root, tokens, 20, 200, None))
            count = 1000 if short else 4000
            begun = time.perf_counter()
            asyncio.run(place(server.root, tokens, 40 if name == "on" else 8, count, None))
            pace = count / (time.perf_counter() - begun)
            taken = asyncio.run(place(server.root, tokens, 20, 400 if short else 2000, 200.0))
            server.stop()
            p50, p99 = np.percentile(taken, [50, 99]) * 1000
            print(f"place order, journal {name}: {pace:,.0f}/s; at 200/s p50 {p50:.1f} ms, p99 {p99:.1f} ms")


async def listen_to(
    server: Server, tokens: list[str], mode: str, instruments: int, seconds: int
) -> np.ndarray:
    """From the moment at which prices are due to when a client has the whole frame with them, in seconds."""
    from websockets.asyncio.client import connect

    delays: list[float] = []
    subscribed = [(number + 1) << 8 | 1 for number in range(instruments)]

    async def socket(number: int) -> None:
        url = f"ws{server.root[4:]}/?api_key=key{number}&access_token={tokens[number]}"
        async with connect(url, max_size=None, compression=None) as connection:
            await connection.send(json.dumps({"a": "mode", "v": [mode, subscribed]}))
            await connection.recv()  # the snapshot
            ended = time.monotonic() + seconds
            while (left := ended - time.monotonic()) > 0:
                try:
                    frame = await asyncio.wait_for(connection.recv(), left)
                except TimeoutError:
                    return
                if len(frame) > 1000:
                    delays.append((time.monotonic() - server.began) % 1.0)

    await asyncio.gather(*(socket(number) for number in range(len(tokens))))
    return np.array(delays)


def fan_out(short: bool) -> None:
    for mode in ("quote", "full"):
        seconds = 8 if short else 20
        server = Server("--instruments", "3000", "--seconds", str(seconds + 30))
        tokens = [server.token(n) for n in range(ACCOUNTS)]
        delays = asyncio.run(listen_to(server, tokens, mode, 3000, seconds))
        server.stop()
        p50, p99 = np.percentile(delays, [50, 99]) * 1000
        print(f"ticker {mode}: 3,000 instruments x 1 tick/s to 20 clients: p50 {p50:.0f} ms, p99 {p99:.0f} ms, "
              f"{len(delays)} frames")  # fmt: skip


def start(folder: Path) -> None:
    file = folder / "instruments.csv"
    columns = "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange"
    rows = [f"{(n + 1) << 8 | 1},{n + 1},S{n},COMPANY {n},0,,0,0.05,1,EQ,NSE,NSE" for n in range(100_000)]
    file.write_text("\n".join([columns, *rows]))
    server = Server("--file", str(file), "--instruments", "100", "--seconds", "1")
    time.sleep(2)
    print(f"start with 100,000 instruments: {server.start_seconds:.1f} s (of it Python's imports about a second); "
          f"idle {server.memory_mb():.0f} MB")  # fmt: skip
    server.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--instruments", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--file", type=Path)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments)
        return
    with TemporaryDirectory() as folder:
        start(Path(folder))
    rest(arguments.short)
    fan_out(arguments.short)


if __name__ == "__main__":
    main()
