"""What a signal strategy says at every bar, bars to say it about, and inputs for whole runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_MINUTE
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Bars, Float64Array, Int8Array
from trademantra.engine.grid import scale_of
from trademantra.engine.indicators.declare import matrix_of
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.timeline import IST_OFFSET_NS, Timeline, by_days
from trademantra.strategies.registry import load_strategy, strategy_names

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "india"
MONDAY = (date(2024, 1, 1) - date(1970, 1, 1)).days
OPEN_NS = 9 * 3_600 * 10**9 + 15 * 60 * 10**9 - IST_OFFSET_NS  # 09:15 IST, from UTC midnight

SIGNALS = tuple(n for n in strategy_names() if isinstance(load_strategy(n), SignalStrategy))
# Short lengths and loose conditions, so that a short series holds many signals of each kind.
LIVELY: dict[str, dict[str, float]] = {
    "bollinger_reversion": {"length": 8, "deviations": 1.0},
    "cpr_breakout": {"widest": 5.0, "tries": 3, "after": 15},
    "donchian_breakout": {"entry": 6, "leave": 3},
    "ema_cross": {"fast": 3, "slow": 8},
    "keltner_squeeze": {"length": 8, "least": 2},
    "macd": {"fast": 3, "slow": 7, "smoothing": 4, "zero_line": 1},
    "nr7_breakout": {"length": 4, "trend": 10, "reward": 2.5},
    "opening_range_breakout": {"length": 20, "tries": 3, "stop": 0.5, "target": 1.5, "buffer": 0.05},
    "rsi_reversion": {"length": 5, "oversold": 35, "overbought": 65, "middle": 45},
    "sma_cross": {"fast": 3, "slow": 8},
    "supertrend": {"length": 5, "multiplier": 1.5},
    "vwap_cross": {"after": 10},
}


@dataclass(frozen=True, slots=True)
class Tape:
    """`codes` (n,) and `levels` (4, n)."""

    codes: Int8Array
    levels: Float64Array


def tape_of(
    strategy: SignalStrategy, bars: Bars, timeline: Timeline, given: Mapping[str, float], tile: int = 512
) -> Tape:
    """Walk the tiles as the engine does.  Codes start as rubbish: a bar that the kernel leaves out shows."""
    values = strategy.values(given)
    n, matrix, scale = len(bars), matrix_of(bars), scale_of(bars)
    settings = [column.values(strategy.name, values) for column in strategy.columns]
    states = [
        np.zeros(column.indicator.state_size(setting))
        for column, setting in zip(strategy.columns, settings, strict=True)
    ]
    rows = sum(len(column.indicator.outputs) for column in strategy.columns)
    block = np.full((rows, tile + 1), np.nan)
    own = np.zeros(max(1, strategy.state_size))
    numbers = np.array([values[p.name] for p in strategy.parameters])
    codes, levels = np.empty(n, np.int8), np.full((4, n), np.nan)
    for start in range(0, n, tile):
        stop = min(start + tile, n)
        block[:, 0] = block[:, tile]
        row = 0
        for column, setting, state in zip(strategy.columns, settings, states, strict=True):
            made = np.empty((len(column.indicator.outputs), tile))
            column.indicator.kernel(
                matrix, timeline.session, scale, np.array(setting, np.float64), state, made, start, stop
            )
            block[row : row + len(made), 1 : 1 + stop - start] = made[:, : stop - start]
            row += len(made)
        said = np.full(tile, 77, np.int8)
        told = np.full((4, tile if strategy.has_levels else 1), np.nan)
        strategy.kernel(
            matrix, timeline.session, timeline.minute, block, np.arange(rows + 2), numbers, own, said, told, start,
            stop,
        )  # fmt: skip
        codes[start:stop] = said[: stop - start]
        if strategy.has_levels:
            levels[:, start:stop] = told[:, : stop - start]
    return Tape(codes, levels)


def walk(seed: int, sessions: int, bars_a_session: int = 75, minutes: int = 5, drift: float = 0.0) -> Bars:
    """A random walk on a grid of 0.05 with overnight gaps, quiet and busy stretches, and some bars without volume."""
    rng = np.random.default_rng(seed)
    n = sessions * bars_a_session
    pace = np.repeat(rng.choice([0.0004, 0.0015, 0.004], (n + 9) // 10), 10)[:n]
    moves = rng.normal(drift, 1.0, n) * pace
    gaps = np.where(np.arange(n) % bars_a_session == 0, rng.normal(0.0, 0.008, n), 0.0)
    close = 500.0 * np.exp(np.cumsum(moves + gaps))
    opening = np.concatenate(([500.0], close[:-1])) * np.exp(gaps)
    high = np.maximum(opening, close) * (1.0 + rng.random(n) * pace)
    low = np.minimum(opening, close) * (1.0 - rng.random(n) * pace)
    volume = np.where(rng.random(n) < 0.05, 0.0, rng.integers(1, 10_000, n))
    fields = [np.round(field * 20.0) / 20.0 for field in (opening, high, low, close)]
    return Bars.of(times(sessions, bars_a_session, minutes), *fields, volume)


def times(sessions: int, bars_a_session: int, minutes: int = 5) -> np.ndarray:
    """Bar starts from 09:15 IST on consecutive days."""
    day = (MONDAY + np.arange(sessions)) * NANOSECONDS_PER_DAY + OPEN_NS
    return (day[:, None] + np.arange(bars_a_session) * minutes * NANOSECONDS_PER_MINUTE).ravel()


def timeline_of(bars: Bars, *, intraday: bool = False) -> Timeline:
    """Calendar days of India as sessions; intraday positions leave at 15:15."""
    timeline = by_days(bars.ts, IST_OFFSET_NS)
    return timeline.with_square_off(360) if intraday else timeline


def input_of(bars: Bars | Mapping[str, Bars], *, intraday: bool = False) -> BacktestInput:
    """Input of a run without costs."""
    named = {"X": bars} if isinstance(bars, Bars) else dict(bars)
    return BacktestInput(named, {s: timeline_of(b, intraday=intraday) for s, b in named.items()})


def hand_made(prices: list[tuple[float, float, float, float]], bars_a_session: int, minutes: int = 5) -> Bars:
    """Bars from (open, high, low, close) rows."""
    assert len(prices) % bars_a_session == 0
    rows = np.array(prices)
    ts = times(len(prices) // bars_a_session, bars_a_session, minutes)
    return Bars.of(ts, *rows.T, np.full(len(prices), 100.0))


def real_bars(file: str, symbols: tuple[str, ...]) -> dict[str, Bars]:
    """Bars of a file of shared/data, which has no licence to be copied here; skips the test where it is absent."""
    path = REAL / f"{file}.parquet"
    if not path.exists():
        pytest.skip(f"{path} is not there: real bars without a licence stay outside the project")
    when = "date" if "daily" in file else "ts"
    frame = pl.scan_parquet(path).filter(pl.col("symbol").is_in(symbols)).sort("symbol", when).collect()
    made = {}
    for symbol in symbols:
        one = frame.filter(pl.col("symbol") == symbol)
        ts = one[when].dt.cast_time_unit("ns") if when == "ts" else one[when].cast(pl.Datetime("ns"))
        opening, high, low, close = (one[name].to_numpy() for name in ("open", "high", "low", "close"))
        made[symbol] = Bars.of(
            ts.dt.epoch("ns").to_numpy(),
            opening,
            np.maximum(
                high, opening
            ),  # a few bars of 2024-06-25 open outside their range (README of the data)
            np.minimum(low, opening),
            close,
            one["volume"].cast(pl.Float64).to_numpy(),
        )
    return made
