"""Orders a second on the paper exchange with its durable journal, and how long a restart takes.

Every 100 orders the market falls through their limit and fills them.

`.venv/bin/python bench/paper_journal.py [FOLDER]`: FOLDER on the disk to measure (default: the system's temporary one).
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from datetime import time as day_time
from decimal import Decimal
from pathlib import Path

import numpy as np
from timing import row

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.orders import Accepted, OrderRequest
from trademantra.brokers.paper.broker import PaperBroker, PaperBrokerSettings
from trademantra.brokers.paper.entries import JournalEntry
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.host import ExchangeHost, Sink
from trademantra.brokers.paper.journal import Journal
from trademantra.brokers.paper.settings import ExchangeSettings, Hours
from trademantra.brokers.paper.terms import PriceEvent
from trademantra.core.instrument import Exchange as Place
from trademantra.core.instrument import Instrument, InstrumentKind, Segment
from trademantra.core.order import OrderType, Product, Side
from trademantra.core.time import ManualClock, ist_ns

ORDERS = 3_000
RESTING = 100
RATE = 200
START_NS = ist_ns(date(2026, 11, 20), day_time(10, 0))
TOKEN = 1001 << 8 | 1
SHARE = Instrument(
    exchange=Place.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="BENCH", series="EQ"
)


class Desk:
    """One account on a fresh exchange."""

    def __init__(self, path: Path | None) -> None:
        self.clock = ManualClock(START_NS)
        self.host = ExchangeHost(self.build, None if path is None else Journal.open(path))
        self.broker = PaperBroker(self.host, self.clock, PaperBrokerSettings(account_id="bench"))
        self.times: list[float] = []

    def build(self, snapshot: bytes | None, entries: Sequence[JournalEntry], sink: Sink) -> Exchange:
        known = Listings.of([Listing("NSE", "BENCH", TOKEN, SHARE)])
        settings = ExchangeSettings(hours=Hours.ALWAYS, square_off=None)
        exchange = Exchange.restore(snapshot, entries, known, self.clock, settings, sink)
        if not exchange.accounts():
            exchange.open_account("bench", Decimal(10) ** 10)
        return exchange

    async def open(self) -> None:
        await self.broker.complete_login({})
        await self.move(100.0, START_NS)

    async def move(self, price: float, at_ns: int) -> None:
        await self.host.feed([PriceEvent(TOKEN, at_ns, price, price, price, price, 1000.0)])

    async def place(self, number: int) -> None:
        """One resting limit order; notes how long it took."""
        request = OrderRequest(
            instrument=SHARE,
            side=Side.BUY,
            quantity=Decimal(1),
            order_type=OrderType.LIMIT,
            product=Product.MIS,
            price=Decimal(90),
            tag=f"n{number}",
        )
        begin = time.perf_counter()
        answer = await self.broker.place(request)
        self.times.append(time.perf_counter() - begin)
        if not isinstance(answer, Accepted):
            raise SystemExit(f"order {number} was not accepted: {answer}")
        if number % RESTING == RESTING - 1:
            await self.move(89.0, START_NS + 2 * number)
            await self.move(100.0, START_NS + 2 * number + 1)


async def as_fast_as_it_goes(desk: Desk, clients: int) -> float:
    """Orders a second with so many clients, each waiting for its answers."""
    numbers = iter(range(ORDERS))

    async def client() -> None:
        for number in numbers:
            await desk.place(number)

    await desk.open()
    begin = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return ORDERS / (time.perf_counter() - begin)


async def at_a_rate(desk: Desk) -> None:
    """Orders that come at fixed moments, however long the answers take."""
    await desk.open()
    loop = asyncio.get_running_loop()
    begin = loop.time()
    tasks = []
    for number in range(ORDERS // 3):
        await asyncio.sleep(max(0.0, begin + number / RATE - loop.time()))
        tasks.append(asyncio.create_task(desk.place(number)))
    await asyncio.gather(*tasks)


def milliseconds(times: Sequence[float]) -> str:
    middle, late = np.percentile(times, (50, 99)) * 1e3
    return f"p50 {middle:.1f} ms, p99 {late:.1f} ms"


def main() -> None:
    parent = sys.argv[1] if len(sys.argv) > 1 else None
    print(f"{ORDERS:,} orders; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    print("| task | goal | measured |\n|---|---|---|")
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        for durable in (False, True):
            for clients in (1, 16):
                path = Path(folder) / f"{clients}.journal" if durable else None
                desk = Desk(path)
                rate = asyncio.run(as_fast_as_it_goes(desk, clients))
                desk.host.close()
                row(
                    f"place and fill orders, {clients} at once, journal {'on' if durable else 'off'}",
                    "≥ 400/s" if durable else "-",
                    f"{rate:,.0f}/s, {milliseconds(desk.times)}",
                )
        desk = Desk(Path(folder) / "rate.journal")
        asyncio.run(at_a_rate(desk))
        desk.host.close()
        row(f"one order at {RATE}/s, journal on", "p99 ≤ 15 ms", milliseconds(desk.times))
        path = Path(folder) / "16.journal"
        size = path.stat().st_size
        begin = time.perf_counter()
        desk = Desk(path)
        seconds = time.perf_counter() - begin
        desk.host.close()
        row(f"start again after {ORDERS:,} orders ({size / 1e6:.1f} MB)", "-", f"{seconds * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
