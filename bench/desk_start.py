"""How soon a desk trades and what it takes to wait: `.venv/bin/python bench/desk_start.py [--rounds 5]`.

Each round is a new process: from its start to the first order that is durable and at the broker's adapter; then three quiet seconds, and its memory.
Once the account's desk alone, once with all that a live desk has: feeds, algorithms, the Zerodha adapter's code and a strategy in a worker.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import row

_QUIET_SECONDS = 3.0
_HEAVY = ("numba", "scipy", "polars", "pandas", "alembic", "talib")


async def alone() -> None:
    """One order through a desk that has nothing else."""
    from desk_world import world

    async with world() as made:
        await made.desk.submit(made.intent())
        await made.settled(1)
        await _tell()


async def whole() -> None:
    """The same in the process of a live desk, with a strategy that waits in its worker."""
    from dataclasses import replace
    from datetime import date

    from desk_world import OPEN_NS, world

    import trademantra.brokers.zerodha.adapter
    import trademantra.trading.house.house  # noqa: F401  # what `tm live` runs
    from trademantra.core.bar import Timeframe
    from trademantra.data.resample import SessionSpan
    from trademantra.engine.bars import Bars
    from trademantra.strategies.registry import load_strategy
    from trademantra.trading.feeds.hours import TradingHours
    from trademantra.trading.feeds.hub_settings import TickSource
    from trademantra.trading.feeds.replay import ReplayAdapter
    from trademantra.trading.feeds.tick_hub import TickHub
    from trademantra.trading.runner.settings import RunnerSettings
    from trademantra.trading.runner.spec import RunSpec, StrategySource
    from trademantra.trading.runner.workers import StrategyWorkers

    async with world() as made:
        minute = Timeframe(1, "m")
        hours = TradingHours((SessionSpan(date(2026, 11, 20), OPEN_NS, OPEN_NS + 3_600 * 10**9),))
        source = TickSource("broker", ReplayAdapter(lambda *_: Bars.empty()))
        hub = TickHub([source], made.clock, lambda _: hours)
        await hub.subscribe("strategy", list(made.shares), timeframes=[minute])
        with tempfile.TemporaryDirectory(prefix="tm-start-") as name:
            workers = StrategyWorkers(Path(name), RunnerSettings(), lambda event: None)
            rules = replace(load_strategy("gap_open").rules, as_live=True)
            symbols = tuple(each.symbol for each in made.shares)
            await workers.start(
                RunSpec(
                    run_id="run", strategy=StrategySource.shipped("gap_open"), symbols=symbols, timeframe=minute, rules=rules
                )
            )  # fmt: skip
            await made.desk.submit(made.intent())
            await made.settled(1)
            await _tell()
            await workers.close()
        await hub.close()


async def _tell() -> None:
    print(time.monotonic(), flush=True)
    await asyncio.sleep(_QUIET_SECONDS)
    mine, children = memory("self"), Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    workers = [memory(each) for each in children]
    loaded = [name for name in _HEAVY if name in sys.modules]
    print(json.dumps({"mine": mine, "workers": workers, "loaded": loaded}), flush=True)


def memory(process: str) -> dict[str, float]:
    """MB resident, and of that what is this process's share (pages of libraries are divided among their users)."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return {"Rss": sizes["Rss"], "Pss": sizes["Pss"]}


def measure(kind: str, rounds: int) -> None:
    seconds, told = [], {}
    for _ in range(rounds):
        begin = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, __file__, "--child", kind], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        seconds.append(float(process.stdout.readline()) - begin)
        told = json.loads(process.stdout.readline())
        process.wait()
        process.stdout.close()
    row(
        f"{kind}: process start to first order accepted ({rounds} starts)", "<= 3 s",
        f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s",
    )  # fmt: skip
    workers = ", ".join(f"worker {each['Rss']:.0f} / {each['Pss']:.0f} MB" for each in told["workers"])
    row(
        f"{kind}: idle, resident / own share", "<= 150 MB",
        f"{told['mine']['Rss']:.0f} / {told['mine']['Pss']:.0f} MB ({', '.join(told['loaded'])}); {workers or 'no worker'}",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", choices=("alone", "whole"))
    chosen = parser.parse_args()
    if chosen.child:
        asyncio.run(alone() if chosen.child == "alone" else whole())
        return
    for kind in ("alone", "whole"):
        measure(kind, chosen.rounds)


if __name__ == "__main__":
    main()
