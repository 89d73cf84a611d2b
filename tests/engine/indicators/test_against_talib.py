"""TA-Lib gives the same numbers to 1e-9 where it means the same; where it starts differently, once both have settled."""

from collections.abc import Callable

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.indicators.registry import INDICATORS

MakeBars = Callable[..., tuple[Bars, Int64Array]]

lengths = st.integers(2, 40)
seeds = st.integers(0, 2**32)
pleasant = st.sampled_from(["tick", "off_grid"])


def agree(ours: Float64Array, theirs: Float64Array, size: float = 0.0) -> None:
    """Equal to 1e-9 of the value, or of `size` (the prices that a difference near zero was taken from)."""
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * size)


def in_paise(bars: Bars, kind: str) -> tuple[Float64Array, Float64Array, Float64Array]:
    """High, low, close in whole paise where they are on that grid.

    In rupees TA-Lib sees moves that are equal as unequal by float noise, and counts them for one side.
    """
    scale = 100.0 if kind == "tick" else 1.0
    high, low, close = (field * scale for field in (bars.high, bars.low, bars.close))
    return (np.rint(high), np.rint(low), np.rint(close)) if kind == "tick" else (high, low, close)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, n=st.integers(0, 300), kind=pleasant, length=lengths)
def test_averages(seed: int, n: int, kind: str, length: int, make_bars: MakeBars) -> None:
    bars, _ = make_bars(seed, n, kind)
    theirs = {
        "sma": talib.SMA,
        "ema": talib.EMA,
        "dema": talib.DEMA,
        "tema": talib.TEMA,
        "wma": talib.WMA,
    }
    for name, function in theirs.items():
        agree(INDICATORS[name].batch(bars, length=length)[name], function(bars.close, length))
    kama = INDICATORS["kama"].batch(bars, length=length)["kama"]
    agree(kama, talib.KAMA(bars.close, length))
    line = INDICATORS["linear_regression"].batch(bars, length=length)
    agree(line["value"], talib.LINEARREG(bars.close, length))
    agree(line["slope"], talib.LINEARREG_SLOPE(bars.close, length), size=500.0)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, n=st.integers(0, 300), kind=pleasant, length=lengths)
def test_momentum(seed: int, n: int, kind: str, length: int, make_bars: MakeBars) -> None:
    bars, _ = make_bars(seed, n, kind)
    close = bars.close
    agree(INDICATORS["momentum"].batch(bars, length=length)["momentum"], talib.MOM(close, length), size=500.0)
    agree(INDICATORS["roc"].batch(bars, length=length)["roc"], talib.ROC(close, length), size=100.0)
    agree(INDICATORS["rsi"].batch(bars, length=length)["rsi"], talib.RSI(close, length))
    rsi = INDICATORS["stochastic_rsi"].batch(bars, rsi_length=length, length=7, smooth_k=1, smooth_d=3)
    k, d = talib.STOCHRSI(close, length, 7, 3)
    agree(rsi["k"], k, size=100.0)
    agree(rsi["d"], d, size=100.0)


@settings(max_examples=25, deadline=None)
@given(
    seed=seeds,
    n=st.integers(0, 300),
    kind=pleasant,
    length=lengths,
    smooth_k=st.integers(1, 6),
    smooth_d=st.integers(1, 6),
)
def test_oscillators(
    seed: int, n: int, kind: str, length: int, smooth_k: int, smooth_d: int, make_bars: MakeBars
) -> None:
    bars, _ = make_bars(seed, n, kind)
    high, low, close, volume = bars.high, bars.low, bars.close, bars.volume
    stochastic = INDICATORS["stochastic"].batch(bars, length=length, smooth_k=smooth_k, smooth_d=smooth_d)
    k, d = talib.STOCH(high, low, close, length, smooth_k, 0, smooth_d, 0)
    agree(stochastic["k"], k, size=100.0)
    agree(stochastic["d"], d, size=100.0)
    williams = INDICATORS["williams_r"].batch(bars, length=length)["williams_r"]
    agree(williams, talib.WILLR(high, low, close, length), size=100.0)
    cci = INDICATORS["cci"].batch(bars, length=length)["cci"]
    agree(cci, talib.CCI(high, low, close, length), size=1000.0)
    mfi = INDICATORS["mfi"].batch(bars, length=length)["mfi"]
    agree(mfi, talib.MFI(*in_paise(bars, kind), volume, length), size=100.0)
    aroon = INDICATORS["aroon"].batch(bars, length=length)
    down, up = talib.AROON(high, low, length)
    agree(aroon["up"], up)
    agree(aroon["down"], down)
    agree(aroon["oscillator"], talib.AROONOSC(high, low, length))


@settings(max_examples=25, deadline=None)
@given(seed=seeds, n=st.integers(2, 300), kind=pleasant, length=lengths)
def test_ranges_and_bands(seed: int, n: int, kind: str, length: int, make_bars: MakeBars) -> None:
    bars, _ = make_bars(seed, n, kind)
    high, low, close = bars.high, bars.low, bars.close
    agree(INDICATORS["true_range"].batch(bars)["true_range"][1:], talib.TRANGE(high, low, close)[1:])
    # TA-Lib leaves the first bar out of ATR; a bar before it that closes within its range makes both count it.
    led = [np.concatenate([field[:1], field]) for field in (high, low, close)]
    agree(INDICATORS["atr"].batch(bars, length=length)["atr"], talib.ATR(*led, length)[1:])
    deviation = INDICATORS["standard_deviation"].batch(bars, length=length)["standard_deviation"]
    upper, middle, lower = talib.BBANDS(close, length, 2.5, 2.5)
    bands = INDICATORS["bollinger"].batch(bars, length=length, multiplier=2.5)
    agree(bands["middle"], middle)
    agree(bands["upper"], upper, size=500.0)
    agree(bands["lower"], lower, size=500.0)
    np.testing.assert_allclose(deviation, (bands["upper"] - bands["middle"]) / 2.5, rtol=1e-9, atol=1e-10)
    channel = INDICATORS["donchian"].batch(bars, length=length)
    agree(channel["upper"], talib.MAX(high, length))
    agree(channel["lower"], talib.MIN(low, length))


@settings(max_examples=25, deadline=None)
@given(seed=seeds, n=st.integers(1, 300), kind=pleasant)
def test_volume(seed: int, n: int, kind: str, make_bars: MakeBars) -> None:
    bars, _ = make_bars(seed, n, kind, no_volume=0.2)
    # TA-Lib's OBV starts from the first bar's volume, TradingView's from 0.
    agree(INDICATORS["obv"].batch(bars)["obv"] + bars.volume[0], talib.OBV(bars.close, bars.volume))
    line = INDICATORS["accumulation_distribution"].batch(bars)["accumulation_distribution"]
    agree(line, talib.AD(bars.high, bars.low, bars.close, bars.volume), size=1e5)


@pytest.mark.parametrize("kind", ["tick", "off_grid"])
@pytest.mark.parametrize("length", [5, 14])
def test_what_starts_differently_settles(kind: str, length: int, make_bars: MakeBars) -> None:
    bars, _ = make_bars(11, 3_000, kind)
    high, low, close = in_paise(bars, kind)
    settled = slice(60 * length, None)
    adx = INDICATORS["adx"].batch(bars, length=length, smoothing=length)
    for output, function in (("adx", talib.ADX), ("plus_di", talib.PLUS_DI), ("minus_di", talib.MINUS_DI)):
        theirs = function(high, low, close, length)
        agree(adx[output][settled], theirs[settled])
        assert np.isnan(adx[output]).sum() >= np.isnan(theirs).sum()
    macd = INDICATORS["macd"].batch(bars, fast=length, slow=2 * length, smoothing=9)
    for output, theirs in zip(macd, talib.MACD(bars.close, length, 2 * length, 9), strict=True):
        agree(macd[output][settled], theirs[settled], size=500.0)
        np.testing.assert_array_equal(np.isnan(macd[output]), np.isnan(theirs))


def test_macd_is_the_difference_of_the_averages(make_bars: MakeBars) -> None:
    bars, _ = make_bars(3, 400)
    macd = INDICATORS["macd"].batch(bars)
    line = INDICATORS["ema"].batch(bars, length=12)["ema"] - INDICATORS["ema"].batch(bars, length=26)["ema"]
    agree(macd["macd"][33:], line[33:], size=1.0)
    signal = talib.EMA(line[25:], 9)
    agree(macd["signal"][33:], signal[8:], size=1.0)


def test_parabolic_sar_mostly_agrees(make_bars: MakeBars) -> None:
    """TA-Lib clamps before it tests for a reversal and starts by directional movement; TradingView neither."""
    bars, _ = make_bars(7, 3_000)
    ours = INDICATORS["parabolic_sar"].batch(bars)["sar"]
    same = np.isclose(ours[100:], talib.SAR(bars.high, bars.low)[100:], rtol=1e-9)
    assert same.mean() > 0.8
