"""Strategies in worker processes: what the desk itself spends.  Run: .venv/bin/python bench/runner.py

50 strategies of the library, each on 60 instruments of 3,000 in all, 1-minute bars; then one file of a user alone.
CPU is that of the desk's process: what the workers spend is on their own core.
"""

import asyncio
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from datetime import time as time_of_day
from pathlib import Path
from statistics import median, quantiles

from timing import row

from trademantra.core.bar import Bar, Timeframe
from trademantra.core.time import NANOSECONDS_PER_MINUTE, ist_ns
from trademantra.engine.live.wants import LiveSession
from trademantra.strategies.registry import load_strategy
from trademantra.trading.runner.run_log import SessionBegan
from trademantra.trading.runner.runs import ClosedBar
from trademantra.trading.runner.settings import RunnerSettings
from trademantra.trading.runner.spec import RunSpec, StrategySource
from trademantra.trading.runner.workers import StrategyWorkers

INSTRUMENTS, STRATEGIES, MINUTES = 3_000, 50, 60
MINUTE = Timeframe(1, "m")
DAY = date(2026, 11, 20)
OPENS = ist_ns(DAY, time_of_day(9, 15))
SESSION = SessionBegan(
    LiveSession((DAY - date(1970, 1, 1)).days, OPENS, ist_ns(DAY, time_of_day(15, 30))), {}
)
SYMBOLS = [f"NSE:S{number:04}" for number in range(INSTRUMENTS)]

MINE = """
from trademantra.engine.events import EventStrategy

class Mine(EventStrategy):
    name = title = idea = source = market = "mine"

    def on_bar(self, context, bar):
        if bar.close > 101.0 and context.position(bar.symbol) == 0.0:
            context.buy(bar.symbol)
"""


def bars(minute: int, symbols: Sequence[str]) -> list[ClosedBar]:
    start = OPENS + minute * NANOSECONDS_PER_MINUTE
    made = []
    for number, symbol in enumerate(symbols):
        close = 100.0 + (number * 7 + minute * 13) % 41 / 20
        made.append(ClosedBar(symbol, MINUTE, Bar(start, close, close + 0.5, close - 0.5, close, 1_000.0)))
    return made


def spec(run_id: str, source: StrategySource, symbols: Sequence[str]) -> RunSpec:
    rules = replace(load_strategy("gap_open").rules, as_live=True)
    return RunSpec(run_id=run_id, strategy=source, symbols=tuple(symbols), timeframe=MINUTE, rules=rules)


async def ask(workers: StrategyWorkers, symbols: Sequence[str], name: str) -> None:
    await workers.decide(bars(0, symbols))
    walls, total = [], 0.0
    for minute in range(1, MINUTES):
        closed = bars(minute, symbols)
        begin, cpu = time.perf_counter(), time.process_time()
        await workers.decide(closed)
        walls.append(time.perf_counter() - begin)
        total += time.process_time() - cpu
    each = total / len(walls)
    row(
        f"{name}: CPU of the desk for the bars of one instant",
        "-",
        f"{each * 1e3:.2f} ms, {each / len(symbols) * 1e6:.1f} µs a bar",
    )
    row(
        f"{name}: bars closed to all wants heard",
        "-",
        f"p50 {median(walls) * 1e3:.1f} ms, p99 {quantiles(walls, n=100)[98] * 1e3:.1f} ms",
    )


async def measure(folder: Path) -> None:
    workers = StrategyWorkers(folder, RunnerSettings(decision_seconds=30.0), lambda event: None)
    begin = time.perf_counter()
    many = StrategySource.shipped("gap_open")
    for number in range(STRATEGIES):
        await workers.start(spec(f"run {number}", many, SYMBOLS[number * 60 : number * 60 + 60]))
    row("50 strategies on 60 instruments each, started", "-", f"{time.perf_counter() - begin:.2f} s")
    await workers.begin_session({f"run {number}": SESSION for number in range(STRATEGIES)})
    await ask(workers, SYMBOLS, "50 strategies, 3,000 instruments")
    for number in range(STRATEGIES):
        await workers.stop(f"run {number}")
    file = folder / "mine.py"
    file.write_text(MINE, encoding="utf-8")
    begin = time.perf_counter()
    await workers.start(spec("mine", StrategySource.file(file), SYMBOLS[:1]))
    row("a user's file, its process started and confined", "-", f"{time.perf_counter() - begin:.2f} s")
    await workers.begin_session({"mine": SESSION})
    await ask(workers, SYMBOLS[:1], "one strategy, one instrument")
    await workers.close()


def main() -> None:
    print("| task | goal | measured |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))
    row(
        "memory of the largest worker",
        "-",
        f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB",
    )


main()
