"""The road of an order through the desk, timed: intent to adapter call, CPU, bursts, an exit behind a queue.

    .venv/bin/python bench/desk_orders.py [--database URL] [--orders 1000] [--rate 100] [--rounds 3]

The desk is whole (`desk_world`); its database is a SQLite file with synchronous=FULL, or the PostgreSQL of --database
("pg": one is started for the run).  In the same run: what one write and sync costs on this disk, and the floor of any bridge with
a durable order log (`durable_floor`).
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

import durable_floor
from desk_world import world
from timing import row

from trademantra.core.order import Side
from trademantra.trading.intents import OrderIntent, Purpose

_BURST = 200
_LIMIT = 9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", default="", help="URL, or pg for a PostgreSQL server of this run")
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.database == "pg":
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from tests.databases import fresh, server

        with server() as uri:
            _rounds(chosen, lambda: fresh(uri))
    else:
        _rounds(chosen, lambda: str(chosen.database))


def _rounds(chosen: argparse.Namespace, url: Callable[[], str]) -> None:
    for _ in range(chosen.rounds):
        _disk(chosen.rate)
        asyncio.run(_steady(url(), chosen.orders, chosen.rate))
        asyncio.run(_burst(url()))
        asyncio.run(_exit_behind_entries(url()))
        if not chosen.database:
            asyncio.run(_floor(chosen.orders, chosen.rate))


def _disk(rate: int) -> None:
    """512 bytes written over an old block and synced: at full speed, and with the pauses of the steady run."""
    with tempfile.TemporaryDirectory(prefix="tm-disk-") as folder:
        handle = os.open(Path(folder) / "file", os.O_CREAT | os.O_RDWR)
        os.pwrite(handle, bytes(2**20), 0)
        os.fsync(handle)
        for name, pause in (("at full speed", 0.0), (f"{rate} a second", 1 / rate)):
            seen = []
            for number in range(300):
                begin = time.perf_counter_ns()
                os.pwrite(handle, bytes(512), 512 * number)
                os.fsync(handle)
                seen.append(time.perf_counter_ns() - begin)
                time.sleep(pause)
            row(f"this disk: one write and fsync, {name}", "-", _percentiles(seen))
        os.close(handle)


async def _paced(orders: int, rate: int, one: Callable[[int], Coroutine[None, None, None]]) -> int:
    """Begin `rate` a second; answers by how many ns the latest of 100 beginnings was late at its 99th percentile."""
    tasks: list[asyncio.Task[None]] = []
    late: list[int] = []
    begin = time.perf_counter_ns()
    for number in range(orders):
        due = begin + number * 10**9 // rate
        while (left := due - time.perf_counter_ns()) > 0:
            await asyncio.sleep(left / 1e9)
        late.append(time.perf_counter_ns() - due)
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)
    return sorted(late)[len(late) * 99 // 100]


async def _steady(url: str, orders: int, rate: int) -> None:
    async with world(url) as made:
        begun: list[tuple[OrderIntent, int]] = []

        async def one(number: int) -> None:
            intent = made.intent()
            begun.append((intent, time.perf_counter_ns()))
            await made.desk.submit(intent)

        await _paced(50, rate, one)
        await made.settled(50)
        begun.clear()
        commits, cpu, wall = made.journal.commits, time.process_time(), time.perf_counter()
        late = await _paced(orders, rate, one)
        await made.settled(50 + orders)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        taken = [made.called_ns(intent) - begin for intent, begin in begun]
        before = made.desk.book.all()
        assert len(before) == orders + 50
        assert all(each.order.status.is_final for each in before)
        name = f"{made.rules} rules"
        row(
            f"intent to adapter call, {orders} orders at {rate}/s, {name}",
            "p50 <= 2 ms, p99 <= 10 ms",
            _percentiles(taken),
        )
        row(
            "CPU an order, all threads, fill and ledger included",
            "<= 1.5 ms",
            f"{1000 * cpu / orders:.2f} ms",
        )
        per = (made.journal.commits - commits) / orders
        row("commits an order; the sender was late by (p99)", "-", f"{per:.1f}; {late / 1e6:.1f} ms")
        assert wall < 2 * orders / rate


async def _burst(url: str) -> None:
    async with world(url) as made:
        intents = [made.intent() for _ in range(_BURST)]
        begin, cpu = time.perf_counter_ns(), time.process_time()
        await asyncio.gather(*[made.desk.submit(each) for each in intents])
        while len(made.broker.calls.placed) < _BURST:
            await asyncio.sleep(0.001)
        taken = [made.called_ns(each) - begin for each in intents]
        await made.settled(_BURST)
        whole = time.perf_counter_ns() - begin
        cpu = time.process_time() - cpu
        row(f"burst of {_BURST}: the last one is sent after", "<= 0.5 s", f"{max(taken) / 1e9:.3f} s")
        row(
            "burst: the first one after; all filled and durable after; CPU each", "-",
            f"{min(taken) / 1e6:.0f} ms; {whole / 1e9:.3f} s; {1000 * cpu / _BURST:.2f} ms",
        )  # fmt: skip


async def _exit_behind_entries(url: str) -> None:
    """A position, 200 entries that wait for a limiter of 9 a second, and in the midst of it an exit, ten times over."""
    async with world(url, limit=_LIMIT) as made:
        for number in range(10):
            await made.desk.submit(made.intent(row=number))
        await made.settled(10)
        await asyncio.gather(*[made.desk.submit(made.intent(price=None, row=20)) for _ in range(_BURST)])
        taken = []
        for number in range(10):
            await asyncio.sleep(1.0 + 0.037 * number)
            wanted = made.intent(side=Side.SELL, price=None, purpose=Purpose.EXIT, row=number)
            begin = time.perf_counter_ns()
            await made.desk.submit(wanted)
            tag = made.desk.book.of_intent(wanted.intent_id)[0].tag
            while tag not in made.broker.calls.placed:
                await asyncio.sleep(0.0005)
            taken.append(made.called_ns(wanted) - begin)
            waiting = len(made.desk.book.working())
        row(
            f"exit behind {_BURST} queued entries, {_LIMIT} requests a second (10 exits, {waiting} entries still wait after)",
            "<= 20 ms", f"{_percentiles(taken)}, longest {max(taken) / 1e6:.1f} ms",
        )  # fmt: skip


async def _floor(orders: int, rate: int) -> None:
    with durable_floor.server() as port:
        connections = [await durable_floor.Connection.open(port) for _ in range(20)]
        replies: list[durable_floor.Reply] = []

        async def one(number: int) -> None:
            replies.append(await durable_floor.order(connections, number))

        await _paced(50, rate, one)
        replies.clear()
        cpu = await durable_floor.spent(connections[0])
        await _paced(orders, rate, one)
        cpu = await durable_floor.spent(connections[0]) - cpu
        taken = [each.called_ns - each.sent_ns for each in replies]
        row(f"floor: one durable row behind Starlette, {orders} orders at {rate}/s", "-", _percentiles(taken))
        row("floor: CPU an order of the server", "-", f"{1000 * cpu / orders:.2f} ms")
        begin = time.perf_counter_ns()
        burst = await asyncio.gather(*[durable_floor.order(connections, number) for number in range(_BURST)])
        last = max(each.called_ns for each in burst) - begin
        row(f"floor: burst of {_BURST}: the last one after", "-", f"{last / 1e9:.3f} s")
        for each in connections:
            each.close()


def _percentiles(nanoseconds: Sequence[int]) -> str:
    seen = sorted(nanoseconds)
    return f"p50 {seen[len(seen) // 2] / 1e6:.2f} ms, p99 {seen[len(seen) * 99 // 100] / 1e6:.2f} ms"


if __name__ == "__main__":
    main()
