"""A long paper session at 20 times the market's speed: memory flat, nothing lost.

    .venv/bin/python bench/desk_soak.py [--minutes 24] [--instruments 40] [--speed 20]

The whole replay desk runs as `tm paper --replay` runs it: strategies in a process of their own, brackets, risk gate, journal on disk,
simulated exchange, tick hub.  Bars are generated, each instrument has its own run of an EMA cross of 2 and 4 bars, both ways, with stops and
targets, so that orders never end.  24 minutes are 8 hours of market.  Memory is read every ten seconds; at the end the exchange is compared with the journal.
"""

import argparse
import asyncio
import sqlite3
import tempfile
import time
from datetime import date
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path

import numpy as np
from timing import row

from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import Product
from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, ist_ns
from trademantra.data.resample import SessionSpan
from trademantra.engine.bars import Bars
from trademantra.engine.records import SizeKind
from trademantra.engine.rules import Level, Size, TradingRules
from trademantra.kit.clock import SystemClock
from trademantra.trading.risk.limits import RiskLimits
from trademantra.trading.runner.spec import StrategySource
from trademantra.trading.session.plan import ReplayPlan
from trademantra.trading.session.replay import ReplaySession

DAY = date(2026, 11, 20)
OPENS = ist_ns(DAY, time_of_day(0))
MINUTE = Timeframe(1, "m")
EVERY_SECONDS = 10.0


def generated(number: int, minutes: int, first: int) -> Bars:
    """A random walk in steps of a tick, of the minutes from `first` on."""
    random = np.random.default_rng(number)
    steps = random.integers(-6, 7, (minutes, 4)).cumsum().reshape(minutes, 4)
    ticks = np.maximum(2_000 + steps, 200)
    opens, closes = ticks[:, 0], ticks[:, 3]
    ts = OPENS + (first + np.arange(minutes)) * NANOSECONDS_PER_MINUTE
    return Bars.of(
        ts, opens * 0.05, ticks.max(axis=1) * 0.05, ticks.min(axis=1) * 0.05, closes * 0.05,
        np.full(minutes, 1e6),
    )  # fmt: skip


def plan(folder: Path, instruments: int, minutes: int) -> ReplayPlan:
    shares = {
        f"C{number:03}": Instrument(
            exchange=Exchange.BINANCE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=f"C{number:03}",
            tick_size=Decimal("0.05"), has_derivatives=True,
        )
        for number in range(instruments)
    }  # fmt: skip
    rules = TradingRules(
        cash=1e6, lot=1.0, tick=0.05, as_live=True, allow_short=True, stop=Level.parse("1%"), target=Level.parse("1%"),
        size=Size(SizeKind.QUANTITY, 10),
    )  # fmt: skip
    return ReplayPlan(
        session_id="soak", folder=folder, strategy=StrategySource.shipped("ema_cross"), alone=True, weights=False, instruments=shares,
        play={symbol: generated(number, minutes, 60) for number, symbol in enumerate(shares)}, bar=MINUTE,
        warm_up={symbol: generated(1_000 + number, 60, 0) for number, symbol in enumerate(shares)},
        spans=(SessionSpan(DAY, OPENS, OPENS + (60 + minutes) * NANOSECONDS_PER_MINUTE),), timeframe=MINUTE, values={"fast": 2, "slow": 4},
        rules=rules, charges=None, bars_per_year=525_600.0, costs="none", tariff="none", product=Product.CNC,
        leave_minute=None, begin_ns=OPENS + 60 * NANOSECONDS_PER_MINUTE, source="generated", limits=RiskLimits(),
        always_open=True,
    )  # fmt: skip


def resident() -> tuple[float, float]:
    """MiB of this process, and of its children together."""
    mine, others = 0.0, 0.0
    children = Path("/proc/self/task")
    numbers = [one for task in children.iterdir() for one in (task / "children").read_text().split()]
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            mine = int(line.split()[1]) / 1024
    for number in numbers:
        for line in Path(f"/proc/{number}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                others += int(line.split()[1]) / 1024
    return mine, others


class Soak(ReplaySession):
    """The replay, kept to its pace and watched."""

    def __init__(self, chosen: ReplayPlan, speed: float) -> None:
        super().__init__(chosen, SystemClock(), pace=self._keep_pace)
        self._speed = speed
        self._began = 0.0
        self.late = 0.0
        self.samples: list[tuple[float, float, float]] = []
        self.at_the_end: dict[str, int] = {}

    def _keep_pace(self, at_ns: int) -> "asyncio.Future[None] | None":
        now = time.perf_counter()
        self._began = self._began or now
        passed = now - self._began
        if not self.samples or passed >= self.samples[-1][0] + EVERY_SECONDS:
            self.samples.append((passed, *resident()))
        left = (at_ns - self.plan.begin_ns) / NANOSECONDS_PER_SECOND / self._speed - passed
        self.late = max(self.late, -left)
        return asyncio.ensure_future(asyncio.sleep(left)) if left > 0 else None

    async def _finish(self) -> None:
        await super()._finish()
        counts = self._hub.builder.counts
        self.at_the_end = {
            "orders there": len(await self._broker.orders()),
            "trades there": len(await self._broker.trades()),
            "events": len(self._events.at_ns),
            "ticks": counts.taken + counts.repeated,
            "late or refused ticks": counts.late + counts.outside + counts.ahead + counts.impossible,
            "held there": int(sum(abs(each.quantity) for each in await self._broker.positions())),
            "held here": int(sum(abs(each.quantity) for each in self._desk.book.positions.values())),
        }


def slope(samples: list[tuple[float, float, float]], column: int) -> float:
    """MiB a wall minute, least squares over the second half."""
    later = samples[len(samples) // 2 :]
    if len(later) < 3:
        return float("nan")
    return float(np.polyfit([each[0] / 60 for each in later], [each[column] for each in later], 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=24.0, help="of wall time")
    parser.add_argument("--instruments", type=int, default=40)
    parser.add_argument("--speed", type=float, default=20.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tm-soak-") as name:
        folder = Path(name) / "session"
        session = Soak(plan(folder, chosen.instruments, int(chosen.minutes * chosen.speed)), chosen.speed)
        cpu = time.process_time()
        outcome = asyncio.run(session.run())
        cpu = time.process_time() - cpu
        end, samples = session.at_the_end, session.samples
        database = sqlite3.connect(folder / "desk.db")
        [orders] = database.execute("SELECT count(*) FROM desk_order").fetchone()
        [executions, sent] = database.execute(
            "SELECT (SELECT count(*) FROM desk_execution WHERE quantity != 0), "
            "(SELECT count(*) FROM desk_order WHERE broker_order_id IS NOT NULL)"
        ).fetchone()
        database.close()
        log = sum(each.stat().st_size for each in folder.glob("desk.db-wal")) / 2**20
        hours = chosen.minutes * chosen.speed / 60
        what = f"{hours:.1f} h of market at {chosen.speed:g}x, {chosen.instruments} runs, {orders} orders, {outcome.fills} fills"
        row(
            what,
            "keeps its pace",
            f"at most {session.late:.1f} s late, {cpu / chosen.minutes / 0.6:.0f} % of a core",
        )
        for column, process in ((1, "desk"), (2, "workers")):
            each = [sample[column] for sample in samples]
            middle = each[len(each) // 2]
            row(
                f"memory of the {process}: first, middle, last, largest", "flat",
                f"{each[0]:.0f}, {middle:.0f}, {each[-1]:.0f}, {max(each):.0f} MB; "
                f"{slope(samples, column) * 60 / chosen.speed:+.2f} MB an hour of market in the second half",
            )  # fmt: skip
        row("write-ahead log at the end", "-", f"{log:.1f} MB")
        row(
            "lost or doubled", "0",
            f"orders {orders} journaled, {sent} sent, {end['orders there']} there; fills {executions} journaled, {end['trades there']} there; "
            f"ticks {end['ticks']} of {end['events']}; held {end['held here']} here, {end['held there']} there",
        )  # fmt: skip
        lost = [
            sent != end["orders there"], executions != end["trades there"], end["ticks"] != end["events"],
            end["late or refused ticks"] > 0, end["held here"] != end["held there"], bool(outcome.stopped), bool(outcome.calls),
        ]  # fmt: skip
        if any(lost):
            raise SystemExit(
                f"something was lost: {end}, {outcome.stopped}, {outcome.calls[:3]}, {outcome.refused[:3]}"
            )


if __name__ == "__main__":
    main()
