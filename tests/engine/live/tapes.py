"""Days of prices for live runs: bars, and inside each the events of a replay or ticks."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tests.engine.live.exchange import MINUTE, Days
from tests.engine.scripted import FIRST_DAY
from tests.strategies.tape import MONDAY, walk
from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import LiveSession
from trademantra.engine.timeline import IST_OFFSET_NS, by_days


def four_events(bars: Bars, timeframe_ns: int) -> Bars:
    """Each bar as the tick of its open, then the stretches to its nearer extreme, to the other, to its close."""
    rows, times = [], []
    for i in range(len(bars)):
        o, h, lo, c, v = (float(a[i]) for a in (bars.open, bars.high, bars.low, bars.close, bars.volume))
        first, second = (lo, h) if c >= o else (h, lo)
        for k, (a, b) in enumerate(((o, o), (o, first), (first, second), (second, c))):
            rows.append((a, max(a, b), min(a, b), b, v / 4.0))
            times.append(int(bars.ts[i]) + k * timeframe_ns // 4)
    return Bars.of(times, *zip(*rows, strict=True))


def ticks(bars: Bars, timeframe_ns: int, seed: int) -> Bars:
    """Each bar as ticks that start at its open, touch its extremes, and end at its close."""
    random = np.random.default_rng(seed)
    rows, times = [], []
    for i in range(len(bars)):
        o, h, lo, c, v = (float(a[i]) for a in (bars.open, bars.high, bars.low, bars.close, bars.volume))
        between = [h, lo, *(round(float(random.uniform(lo, h)) * 20.0) / 20.0 for _ in range(4))]
        random.shuffle(between)
        path = [o, *between, c]
        rows += [(p, p, p, p, v / len(path)) for p in path]
        times += [int(bars.ts[i]) + k * timeframe_ns // len(path) for k in range(len(path))]
    return Bars.of(times, *zip(*rows, strict=True))


def days_of(
    named: Mapping[str, Bars],
    warm: int,
    minutes: int,
    *,
    leave: int | None = None,
    last_entry: int | None = None,
    seed: int | None = None,
    session_minutes: int = 375,
) -> Days:
    """All sessions after the first `warm` of them; `seed`: ticks instead of four events a bar."""
    timeframe = minutes * MINUTE
    prices = {
        symbol: four_events(bars, timeframe) if seed is None else ticks(bars, timeframe, seed + j)
        for j, (symbol, bars) in enumerate(named.items())
    }
    lines = {symbol: by_days(bars.ts, IST_OFFSET_NS) for symbol, bars in named.items()}
    sessions = []
    one, line = next(iter(named.values())), next(iter(lines.values()))
    firsts = np.concatenate(([0], line.ends[:-1] + 1))
    for start in firsts[warm:].tolist():
        opened = int(one.ts[start])
        sessions.append(
            LiveSession(int(line.day[start]), opened, opened + session_minutes * MINUTE, leave, last_entry)
        )
    if leave is not None:
        lines = {symbol: each.with_square_off(leave, last_entry) for symbol, each in lines.items()}
    return Days(named, prices, lines, sessions, timeframe)


def walks(
    count: int, sessions: int, bars_a_session: int = 75, minutes: int = 5, seed: int = 1
) -> dict[str, Bars]:
    """Walks on days for which there are charges."""
    made = {}
    for k in range(count):
        bars = walk(seed + k, sessions, bars_a_session, minutes)
        made[f"S{k}"] = replace(bars, ts=bars.ts + (FIRST_DAY - MONDAY) * NANOSECONDS_PER_DAY)
    return made
