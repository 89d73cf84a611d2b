"""Ticks to bars at the desk: what a busy market costs.  Run: .venv/bin/python bench/feeds.py

3,000 instruments, 2 ticks a second each in batches of a tenth of a second, as the quotes of a broker's adapter (made beforehand: decoding is the adapter's);
50 strategies listen to 60 instruments' 1-minute bars each; everything is recorded.  The clock is moved by hand, so
that CPU seconds per second of market are measured: 1.0 is a whole core.
"""

import asyncio
import tempfile
import time
from datetime import date
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path

import numpy as np
from timing import median_seconds, peak_megabytes, row

from trademantra.brokers.market import Quote
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import NANOSECONDS_PER_SECOND, ManualClock, ist_ns
from trademantra.data.resample import SessionSpan
from trademantra.engine.bars import Bars
from trademantra.trading.feeds.bar_builder import BarBuilder
from trademantra.trading.feeds.bar_rules import BarClosed, BarSettings
from trademantra.trading.feeds.hours import TradingHours
from trademantra.trading.feeds.hub_settings import TickSource
from trademantra.trading.feeds.recorder import Recorder
from trademantra.trading.feeds.recording import read_recording
from trademantra.trading.feeds.replay import ReplayAdapter
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch

INSTRUMENTS, STRATEGIES, SECONDS, BATCHES_A_SECOND = 3_000, 50, 130, 10
MINUTE = Timeframe(1, "m")
OPENS = ist_ns(date(2026, 11, 20), time_of_day(9, 15))
HOURS = TradingHours((SessionSpan(date(2026, 11, 20), OPENS, OPENS + 22_500 * NANOSECONDS_PER_SECOND),))


def instruments() -> list[Instrument]:
    return [
        Instrument(
            exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=f"S{number:04}"
        )
        for number in range(INSTRUMENTS)
    ]


def market(shares: list[Instrument]) -> list[tuple[int, list[Quote]]]:
    """(arrival, quotes) of each batch: each instrument twice a second."""
    random = np.random.default_rng(1)
    batches = []
    total = np.zeros(INSTRUMENTS, np.int64)
    groups = BATCHES_A_SECOND // 2
    for step in range(SECONDS * BATCHES_A_SECOND):
        now = OPENS + step * NANOSECONDS_PER_SECOND // BATCHES_A_SECOND
        rows = np.arange(step % groups, INSTRUMENTS, groups)
        total[rows] += random.integers(0, 50, len(rows))
        paise = random.integers(9_000, 11_000, len(rows))
        stamp = now - 50_000_000
        batches.append(
            (now, [Quote(instrument=shares[row], at_ns=stamp, last_price=Decimal(int(price)).scaleb(-2),
                         last_trade_ns=stamp, volume=int(total[row]), last_quantity=5)
                   for row, price in zip(rows.tolist(), paise.tolist(), strict=True)])
        )  # fmt: skip
    return batches


async def desk(
    shares: list[Instrument], batches: list[tuple[int, list[Quote]]], folder: Path | None
) -> tuple[float, float, int]:
    """CPU seconds of all threads, the longest batch in seconds, bars told to strategies."""
    clock = ManualClock(OPENS - NANOSECONDS_PER_SECOND)
    recorder = None if folder is None else Recorder(folder, InstrumentTable())
    source = TickSource("broker", ReplayAdapter(lambda *_: Bars.empty()))
    hub = TickHub([source], clock, lambda _: HOURS, recorder=recorder)
    per_strategy = INSTRUMENTS // STRATEGIES
    wanted: dict[str, list[int]] = {}
    for number in range(STRATEGIES):
        mine = shares[number * per_strategy : (number + 1) * per_strategy]
        await hub.subscribe(f"strategy {number}", mine, timeframes=[MINUTE])
        for each in mine:
            wanted.setdefault(each.key, []).append(number)
    told = 0
    owners = {shares[i].symbol: wanted[shares[i].key] for i in range(INSTRUMENTS)}

    def on_bar(closed: BarClosed) -> None:
        nonlocal told
        told += len(owners[closed.instrument.symbol])

    hub.on_bar(on_bar)
    longest = 0.0
    begin = time.process_time()
    for now, quotes in batches:
        clock.advance_to(now)
        started = time.perf_counter()
        hub.hear(0, quotes)
        await hub.turn()
        longest = max(longest, time.perf_counter() - started)
    await hub.settled()
    used = time.process_time() - begin
    await hub.close()
    counts = hub.builder.counts
    if counts.late or counts.taken + counts.repeated + counts.outside != sum(
        len(quotes) for _, quotes in batches
    ):
        raise SystemExit(f"ticks were lost: {counts}")
    return used, longest, told


def main() -> None:
    shares = instruments()
    batches = market(shares)
    for name, recorded in (("", False), (", recorded", True)):
        with tempfile.TemporaryDirectory() as folder:
            used, longest, told = asyncio.run(desk(shares, batches, Path(folder) if recorded else None))
            task = f"{INSTRUMENTS:,} instruments × 2 ticks/s, {STRATEGIES} strategies on 1-minute bars{name}"
            row(
                task,
                "≤ 30 % of a core",
                f"{100 * used / SECONDS:.1f} %, longest batch {1000 * longest:.0f} ms, {told:,} bars",
            )
            if recorded:
                path = Path(folder) / "2026-11-20"
                size = sum(each.stat().st_size for each in path.iterdir())
                ticks = sum(len(batch) for batch in read_recording(path).batches())
                row("recorded ticks on disk", "-", f"{size / ticks:.1f} bytes a tick")
    ticks = 1_000_000
    table = InstrumentTable()
    for each in shares:
        table.add(each)
    random = np.random.default_rng(2)
    batch = TickBatch.of(
        random.integers(0, INSTRUMENTS, ticks), OPENS + np.arange(ticks) * 59_000, np.round(random.random(ticks) + 100, 2),
        total=np.arange(ticks, dtype=np.float64),
    )  # fmt: skip

    def build(*, is_compiled: bool) -> None:
        made = BarBuilder(table, BarSettings(is_compiled=is_compiled))
        for each in shares:
            made.subscribe(each, MINUTE, HOURS, OPENS - 1)
        made.take(batch)
        made.advance(OPENS + 70 * NANOSECONDS_PER_SECOND)

    for is_compiled in (False, True):
        row(
            f"the builder alone, {'compiled' if is_compiled else 'plain as at a desk'}, subscribing 3,000 and closing their minute",
            "-",
            f"{ticks / median_seconds(lambda chosen=is_compiled: build(is_compiled=chosen)) / 1e6:.2f} M ticks/s",
        )
    row("peak memory", "-", f"{peak_megabytes():.0f} MiB")


if __name__ == "__main__":
    main()
