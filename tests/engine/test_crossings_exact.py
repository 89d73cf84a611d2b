"""Averages that are equal in exact arithmetic are equal in the engine: a tie makes no trade and loses none."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.scripted import RULES as ANY
from trademantra.engine.bars import Bars
from trademantra.engine.combinations import prepare, run_combinations
from trademantra.engine.timeline import by_days
from trademantra.strategies.sma_cross import STRATEGY

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

RULES = replace(ANY, allow_short=False)
TICKS = {"0.05": Fraction(1, 20), "0.01": Fraction(1, 100), "0.0025": Fraction(1, 400), "1": Fraction(1)}


def expected_fills(prices: list[Fraction], fast: int, slow: int) -> list[tuple[int, int]]:
    """(bar, side) of long-only crossings in rationals: decided at a close, filled at the next open."""

    def average(i: int, length: int) -> Fraction | None:
        return sum(prices[i - length + 1 : i + 1], Fraction(0)) / length if i >= length - 1 else None

    fills, held = [], False
    for i in range(1, len(prices) - 1):
        now, before = (average(i, fast), average(i, slow)), (average(i - 1, fast), average(i - 1, slow))
        if None in now or None in before:
            continue
        if now[0] > now[1] and before[0] <= before[1] and not held:  # type: ignore[operator]
            fills.append((i + 1, 1))
            held = True
        elif now[0] < now[1] and before[0] >= before[1] and held:  # type: ignore[operator]
            fills.append((i + 1, -1))
            held = False
    return fills


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(sorted(TICKS)),
    st.sampled_from((20, 120, 600)),
    st.integers(2, 9),
    st.integers(1, 25),
    st.sampled_from((1, 2, 5)),
    st.sampled_from((40, 2_000, 500_000)),
)
def test_ties_on_the_grid(seed: int, tick: str, n: int, fast: int, more: int, reach: int, level: int) -> None:
    """Small moves around one price make many ties."""
    random = np.random.default_rng(seed)
    ticks = level + random.integers(-reach, reach + 1, n)
    prices = [int(t) * TICKS[tick] for t in ticks]
    slow = fast + more
    if n <= slow + 1:
        return
    close = np.array([float(p) for p in prices])
    bars = Bars.of(np.arange(n) * 60_000_000_000, close, close, close, close, np.full(n, 1e9))
    outcome = run_combinations(
        STRATEGY, prepare(bars, by_days(bars.ts)), [{"fast": fast, "slow": slow}], [RULES], record=True
    )
    got = [(int(f["index"]), int(f["side"])) for f in outcome.fills]
    assert got == expected_fills(prices, fast, slow)


def test_a_flat_market_never_crosses() -> None:
    close = np.full(400, 1_234.35)
    bars = Bars.of(np.arange(400), close, close, close, close, close)
    outcome = run_combinations(
        STRATEGY, prepare(bars, by_days(bars.ts)), [{"fast": 7, "slow": 30}], [RULES], record=True
    )
    assert len(outcome.fills) == 0
