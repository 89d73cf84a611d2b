"""Indicators anchored to sessions: against plain definitions, and numbers checked by hand."""

from collections.abc import Callable
from itertools import pairwise
from math import nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars, Int64Array
from trademantra.engine.indicators.levels import of_sessions
from trademantra.engine.indicators.registry import INDICATORS

MakeBars = Callable[..., tuple[Bars, Int64Array]]
kinds_with_volume = st.sampled_from(["tick", "off_grid", "steps", "tiny_moves"])


def sessions_of(session: Int64Array) -> list[range]:
    """The bars of each session, in order."""
    edges = [0, *(np.flatnonzero(np.diff(session)) + 1).tolist(), len(session)]
    return [range(a, b) for a, b in pairwise(edges) if b > a]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(0, 200),
    kind=kinds_with_volume,
    multiplier=st.floats(0.5, 4),
    source=st.sampled_from([3, 5, 6]),
)
def test_vwap(seed: int, n: int, kind: str, multiplier: float, source: int, make_bars: MakeBars) -> None:
    bars, session = make_bars(seed, n, kind, no_volume=0.3)
    h, low, c = bars.high, bars.low, bars.close
    x = {3: c, 5: (h + low) / 2, 6: (h + low + c) / 3}[source]
    ours = INDICATORS["vwap"].batch(bars, session, multiplier=multiplier, source=source)
    for bars_of_session in sessions_of(session):
        for i in bars_of_session:
            part = slice(bars_of_session.start, i + 1)
            volume = bars.volume[part]
            if volume.sum() == 0:
                assert all(np.isnan(column[i]) for column in ours.values())
                continue
            mean = np.average(x[part], weights=volume)
            reach = multiplier * sqrt(np.average((x[part] - mean) ** 2, weights=volume))
            np.testing.assert_allclose(ours["vwap"][i], mean, rtol=1e-12)
            np.testing.assert_allclose(ours["upper"][i], mean + reach, rtol=1e-9)
            np.testing.assert_allclose(ours["lower"][i], mean - reach, rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 200), kind=kinds_with_volume, length=st.integers(1, 20))
def test_opening_range_and_gap(seed: int, n: int, kind: str, length: int, make_bars: MakeBars) -> None:
    bars, session = make_bars(seed, n, kind)
    high, low = np.full(n, nan), np.full(n, nan)
    points, percent = np.full(n, nan), np.full(n, nan)
    for k, part in enumerate(sessions_of(session)):
        if len(part) >= length:
            known = slice(part.start + length - 1, part.stop)
            high[known] = bars.high[part.start : part.start + length].max()
            low[known] = bars.low[part.start : part.start + length].min()
        if k > 0:
            before, now = bars.close[part.start - 1], bars.open[part.start]
            points[part.start : part.stop] = now - before
            percent[part.start : part.stop] = (now / before - 1) * 100
    ours = INDICATORS["opening_range"].batch(bars, session, length=length)
    np.testing.assert_array_equal(ours["high"], high)
    np.testing.assert_array_equal(ours["low"], low)
    gap = INDICATORS["session_gap"].batch(bars, session)
    np.testing.assert_allclose(gap["points"], points, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gap["percent"], percent, rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 200), kind=kinds_with_volume)
def test_levels_of_the_session_before(seed: int, n: int, kind: str, make_bars: MakeBars) -> None:
    bars, session = make_bars(seed, n, kind)
    names = ("previous_session", "cpr", "pivots", "camarilla", "fibonacci")
    ours = {name: INDICATORS[name].batch(bars, session) for name in names}
    parts = sessions_of(session)
    for k, part in enumerate(parts):
        if k == 0:
            for columns in ours.values():
                assert all(np.isnan(column[: part.stop]).all() for column in columns.values())
            continue
        last = slice(parts[k - 1].start, parts[k - 1].stop)
        h, low, c = bars.high[last].max(), bars.low[last].min(), bars.close[last][-1]
        p = (h + low + c) / 3
        bc = (h + low) / 2
        tc = 2 * p - bc
        expected = {
            "previous_session": [h, low, c],
            "cpr": [p, min(bc, tc), max(bc, tc), 100 * abs(tc - bc) / p],
            "pivots": [
                p,
                2 * p - low,
                p + (h - low),
                h + 2 * (p - low),
                2 * p - h,
                p - (h - low),
                low - 2 * (h - p),
            ],
            "camarilla": [c + s * (h - low) * 1.1 / d for s in (1, -1) for d in (12, 6, 4, 2)],
            "fibonacci": [p, *(p + s * f * (h - low) for s in (1, -1) for f in (0.382, 0.618, 1.0))],
        }
        for name, values in expected.items():
            for column, value in zip(ours[name].values(), values, strict=True):
                np.testing.assert_allclose(column[part.start : part.stop], value, rtol=1e-9, atol=1e-9)


def test_cpr_by_hand() -> None:
    """High 110, low 100, close 108: P = 106, BC = 105, TC = 107, width 2/106; a narrow day swaps the two."""
    bars = Bars.of([1, 2, 3], [104, 108, 101], [110, 109, 103], [100, 101, 100], [108, 101.5, 102], [1, 1, 1])
    cpr = INDICATORS["cpr"].batch(bars, np.array([1, 2, 3]))
    assert [cpr[k][1] for k in ("pivot", "bottom", "top")] == [106.0, 105.0, 107.0]
    assert cpr["width"][1] == pytest.approx(100 * 2 / 106)
    # day 2: high 109, low 101, close 101.5: P = 311.5/3, (H+L)/2 = 105 lies above 2P - 105
    assert cpr["top"][2] == 105.0
    assert cpr["bottom"][2] == pytest.approx(2 * 311.5 / 3 - 105)


def test_levels_from_official_daily_closes() -> None:
    """Daily bars, one session each, give levels by the official close; the bars of a day take the day's."""
    daily = Bars.of([1, 2], [100, 105], [110, 112], [95, 101], [105, 108], [1, 1])
    days = np.array([20260803, 20260804])
    pivot = INDICATORS["pivots"].batch(daily, days)["pivot"]
    session = np.array([20260803, 20260804, 20260804, 20260805])
    spread = of_sessions(pivot, days, session)
    np.testing.assert_array_equal(spread, [nan, 310 / 3, 310 / 3, nan])
    assert np.isnan(of_sessions(pivot[:0], days[:0], session)).all()
    with pytest.raises(InvalidValueError, match="rising"):
        of_sessions(pivot, days[::-1].copy(), session)
