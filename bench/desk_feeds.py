"""A busy market through the desk: ticks to bars, and bars to strategies in their worker process.  .venv/bin/python bench/desk_feeds.py

The market of `feeds.py` (3,000 instruments, 2 ticks a second each, recorded); 50 strategies of the library with 60 instruments' 1-minute bars
each decide in their worker.  The clock is moved by hand: CPU seconds a second of market, the desk's process and the worker apart.
"""

import asyncio
import resource
import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

from feeds import HOURS, INSTRUMENTS, MINUTE, OPENS, SECONDS, STRATEGIES, instruments, market
from timing import row

from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_SECOND, ManualClock
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import LiveSession
from trademantra.strategies.registry import load_strategy
from trademantra.trading.feeds.bar_rules import BarClosed
from trademantra.trading.feeds.hub_settings import TickSource
from trademantra.trading.feeds.recorder import Recorder
from trademantra.trading.feeds.replay import ReplayAdapter
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.feeds.ticks import InstrumentTable
from trademantra.trading.runner.run_log import SessionBegan
from trademantra.trading.runner.runs import ClosedBar
from trademantra.trading.runner.settings import RunnerSettings
from trademantra.trading.runner.spec import RunSpec, StrategySource
from trademantra.trading.runner.workers import StrategyWorkers

EACH = INSTRUMENTS // STRATEGIES


async def started(folder: Path, shares: list[Instrument]) -> StrategyWorkers:
    workers = StrategyWorkers(folder, RunnerSettings(decision_seconds=30.0), lambda event: None)
    rules = replace(load_strategy("gap_open").rules, as_live=True)
    source = StrategySource.shipped("gap_open")
    runs = []
    for number in range(STRATEGIES):
        symbols = tuple(share.symbol for share in shares[number * EACH : (number + 1) * EACH])
        runs.append(f"run {number}")
        await workers.start(
            RunSpec(run_id=runs[-1], strategy=source, symbols=symbols, timeframe=MINUTE, rules=rules)
        )
    day = LiveSession(
        (date(2026, 11, 20) - date(1970, 1, 1)).days, OPENS, OPENS + 22_500 * NANOSECONDS_PER_SECOND
    )
    await workers.begin_session(dict.fromkeys(runs, SessionBegan(day, {})))
    return workers


async def desk(folder: Path) -> None:
    shares = instruments()
    batches = market(shares)
    clock = ManualClock(OPENS - NANOSECONDS_PER_SECOND)
    source = TickSource("broker", ReplayAdapter(lambda *_: Bars.empty()))
    hub = TickHub([source], clock, lambda _: HOURS, recorder=Recorder(folder / "recorded", InstrumentTable()))
    for number in range(STRATEGIES):
        await hub.subscribe(
            f"strategy {number}", shares[number * EACH : (number + 1) * EACH], timeframes=[MINUTE]
        )
    workers = await started(folder / "workers", shares)
    closed: list[BarClosed] = []
    hub.on_bar(closed.append)
    longest, told, deciding = 0.0, 0, []
    begin = time.process_time()
    for now, quotes in batches:
        clock.advance_to(now)
        at = time.perf_counter()
        hub.hear(0, quotes)
        await hub.turn()
        longest = max(longest, time.perf_counter() - at)
        if closed:
            bars = [ClosedBar(each.instrument.symbol, each.timeframe, each.bar) for each in closed]
            closed.clear()
            told += len(bars)
            at = time.perf_counter()
            await workers.decide(bars)
            deciding.append(time.perf_counter() - at)
    await hub.settled()
    used = time.process_time() - begin
    await hub.close()
    states = {str(status.state) for status in workers.status()}
    await workers.close()
    if told != INSTRUMENTS * (SECONDS // 60) or states != {"running"}:
        raise SystemExit(f"bars were lost or strategies stopped: {told} bars, {states}")
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    task = f"{INSTRUMENTS:,} instruments × 2 ticks/s, recorded, {STRATEGIES} strategies on {EACH} 1-minute bars each in a worker: the desk"
    row(task, "≤ 30 % of a core", f"{100 * used / SECONDS:.1f} %, longest batch {1000 * longest:.0f} ms")
    row(
        f"{INSTRUMENTS:,} bars closed to all wants heard", "-",
        f"{1000 * min(deciding):.0f} to {1000 * max(deciding):.0f} ms",
    )  # fmt: skip
    row(
        "the worker's own CPU, its start and loading of strategies included", "-",
        f"{children.ru_utime + children.ru_stime:.1f} s in {SECONDS} s of market; {children.ru_maxrss / 1024:.0f} MB",
    )  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tm-feeds-") as name:
        asyncio.run(desk(Path(name)))


if __name__ == "__main__":
    main()
