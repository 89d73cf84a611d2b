"""Bars of many kinds, pleasant and nasty, made from a seed."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from trademantra.engine.bars import Bars, Int64Array

MakeBars: TypeAlias = Callable[..., tuple[Bars, Int64Array]]

KINDS = ("tick", "off_grid", "constant", "steps", "jumps", "tiny_moves", "huge", "tiny")


@pytest.fixture(scope="session")
def make_bars() -> MakeBars:
    return bars_of_kind


@pytest.fixture(scope="session")
def kinds() -> tuple[str, ...]:
    return KINDS


def bars_of_kind(
    seed: int, n: int, kind: str = "tick", *, no_volume: float = 0.0, session_bars: int = 0
) -> tuple[Bars, Int64Array]:
    """(bars, session numbers).

    `no_volume` is the share of bars without volume; `session_bars` the bars of a session (0: of random length).
    """
    rng = np.random.default_rng(seed)
    close, spread = _closes(rng, n, kind)
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(open_, close) + spread
    low = np.minimum(open_, close) - spread[::-1]
    if kind in ("tick", "steps"):
        open_, high, low, close = (np.round(field, 2) for field in (open_, high, low, close))
    volume = np.where(rng.random(n) < no_volume, 0.0, rng.integers(1, 100_000, n).astype(np.float64))
    if session_bars:
        session = np.arange(n) // session_bars
    else:
        session = np.cumsum(rng.random(n) < rng.choice([0.02, 0.2, 1.0])).astype(np.int64)
    return Bars.of(np.arange(n), open_, high, low, close, volume), session


def _closes(
    rng: np.random.Generator, n: int, kind: str
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Closes and what highs and lows reach beyond open and close."""
    walk = np.cumsum(rng.normal(0.0, 1.0, n))
    noise = rng.random(n)
    if kind == "tick":
        return np.round(500.0 * np.exp(0.004 * walk), 2), np.round(noise, 2)
    if kind == "off_grid":
        return 500.0 * np.exp(0.004 * walk), noise
    if kind == "constant":
        return np.full(n, 123.45), np.zeros(n)
    if kind == "steps":  # long stretches without any move
        return np.round(100.0 + np.cumsum((rng.random(n) < 0.1) * rng.choice([-0.05, 0.05], n)), 2), np.where(
            noise < 0.9, 0.0, 0.05
        )
    if kind == "jumps":  # splits that were not adjusted, both ways
        return 1e5 * np.exp(0.001 * walk) * np.where((np.arange(n) // 40) % 2, 1e-4, 1.0), 1e-3 * noise
    if kind == "tiny_moves":
        return 1e5 + 0.01 * np.round(rng.normal(0, 1, n)), 0.01 * np.round(noise)
    if kind == "huge":
        return 1e15 * np.exp(0.01 * walk), 1e12 * noise
    return 1e-9 * np.exp(0.01 * walk), 1e-12 * noise
