"""Common data for every engine benchmark: synthetic, seeded, the same bytes for every peer.

Prices are rounded to four decimals, so two moving averages practically never tie and every
peer, however it sums, sees the same crossovers.  Trend regimes keep an all-in crossover
strategy alive after fees, so final equity stays a number worth comparing.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

CACHE = Path(os.environ.get("BENCH_DATA") or Path(tempfile.gettempdir()) / "engine-bench-data")
START_NS = 1_420_070_400_000_000_000  # 2015-01-01T00:00Z
MINUTE_NS = 60_000_000_000


def minute_bars(
    n: int = 1_000_000, seed: int = 7, sigma: float = 4e-4, drift: float = 4.0e-5, mean_regime: int = 600
) -> dict[str, np.ndarray]:
    """Open/high/low/close/volume with alternating trend regimes and small opening gaps."""
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(1.0 / mean_regime, size=2 * n // mean_regime + 10)
    signs = np.where(np.arange(len(lengths)) % 2 == 0, 1.0, -1.0)
    trend = np.repeat(signs, lengths)[:n] * drift
    close = 100.0 * np.exp(np.cumsum(trend + sigma * rng.standard_normal(n)))
    open_ = np.empty(n)
    open_[0] = 100.0
    open_[1:] = close[:-1] * np.exp(0.25 * sigma * rng.standard_normal(n - 1))
    high = np.maximum(open_, close) * np.exp(0.4 * sigma * np.abs(rng.standard_normal(n)))
    low = np.minimum(open_, close) * np.exp(-0.4 * sigma * np.abs(rng.standard_normal(n)))
    volume = rng.integers(100, 10_000, n).astype(np.float64)
    ts = START_NS + MINUTE_NS * np.arange(1, n + 1, dtype=np.int64)
    out = {k: np.round(v, 4) for k, v in dict(open=open_, high=high, low=low, close=close).items()}
    return {**out, "volume": volume, "ts": ts}


def wild_bars(n: int = 1_000_000, seed: int = 25) -> dict[str, np.ndarray]:
    """Bars volatile enough that 2% stops, 4% targets and 3% trails are hit thousands of times."""
    return minute_bars(n, seed, sigma=2e-3, drift=2e-5)


def daily_panel(instruments: int = 500, days: int = 2_500, seed: int = 11) -> dict[str, np.ndarray]:
    """Daily open and close of many instruments sharing one market factor: arrays (days, instruments)."""
    rng = np.random.default_rng(seed)
    market = 0.0003 + 0.009 * rng.standard_normal((days, 1))
    beta = rng.uniform(0.5, 1.5, (1, instruments))
    own = rng.normal(0.0, 0.0002, (1, instruments)) + 0.015 * rng.standard_normal((days, instruments))
    start = rng.uniform(50, 2_000, (1, instruments))
    close = start * np.exp(np.cumsum(beta * market + own, axis=0))
    open_ = np.vstack([start, close[:-1]]) * np.exp(0.004 * rng.standard_normal((days, instruments)))
    return {"open": np.round(open_, 2), "close": np.round(close, 2)}


def combos(count: int) -> np.ndarray:
    """(fast, slow) window pairs of the sweep: 20x50 = 1,000 or 100x100 = 10,000."""
    if count == 10_000:
        fast, slow = np.arange(5, 105), np.arange(110, 310, 2)
    else:
        fast, slow = np.arange(5, 45, 2), np.arange(50, 300, 5)
    grid = np.array([(f, s) for f in fast for s in slow], dtype=np.int64)
    return grid[:count]


def load(name: str) -> dict[str, np.ndarray]:
    """'bars<N>' (calm), 'wild<N>' (0.2% a bar, for stops) or 'panel'; built once, kept on disk."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{name}.npz"
    if not path.exists():
        made = (
            daily_panel()
            if name == "panel"
            else wild_bars(int(name[4:]))
            if name.startswith("wild")
            else minute_bars(int(name[4:]))
        )
        np.savez(path, **made)
    with np.load(path) as z:
        return {k: z[k] for k in z.files}
