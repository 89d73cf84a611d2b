"""Indicators over 1,000,000 bars, ours against TA-Lib in the same run, and one live update.

    .venv/bin/python bench/indicators.py

Both write new arrays for their outputs.  Ours is the kernel as the engine calls it, with the price grid known;
finding the grid (`scale_of`, once per series) is a row of its own.  Runs alternate; medians of 15.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import talib
from timing import median_seconds, row

from trademantra.engine.bars import Bars
from trademantra.engine.grid import scale_of
from trademantra.engine.indicators.declare import Indicator, Live, matrix_of
from trademantra.engine.indicators.registry import INDICATORS

BARS = 1_000_000
UPDATES = 20_000
NO_SLOWER = ("sma", "ema", "rsi", "atr", "macd", "bollinger")


def made_bars() -> tuple[Bars, np.ndarray]:
    """A random walk on a grid of 0.05 with 375 bars a session."""
    rng = np.random.default_rng(1)
    close = np.round(500.0 * np.exp(np.cumsum(rng.normal(0.0, 4e-4, BARS))) * 20.0) / 20.0
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(open_, close) + rng.integers(0, 10, BARS) * 0.05
    low = np.minimum(open_, close) - rng.integers(0, 10, BARS) * 0.05
    volume = rng.integers(0, 100_000, BARS).astype(np.float64)
    return Bars.of(np.arange(BARS), open_, high, low, close, volume), np.arange(BARS) // 375


def peers(bars: Bars) -> dict[str, Callable[[], object]]:
    """TA-Lib's counterpart, with the same parameters."""
    high, low, close, volume = bars.high, bars.low, bars.close, bars.volume
    return {
        "sma": lambda: talib.SMA(close, 20),
        "ema": lambda: talib.EMA(close, 20),
        "dema": lambda: talib.DEMA(close, 20),
        "tema": lambda: talib.TEMA(close, 20),
        "wma": lambda: talib.WMA(close, 20),
        "kama": lambda: talib.KAMA(close, 10),
        "linear_regression": lambda: (talib.LINEARREG(close, 20), talib.LINEARREG_SLOPE(close, 20)),
        "macd": lambda: talib.MACD(close, 12, 26, 9),
        "momentum": lambda: talib.MOM(close, 10),
        "roc": lambda: talib.ROC(close, 10),
        "rsi": lambda: talib.RSI(close, 14),
        "stochastic": lambda: talib.STOCH(high, low, close, 14, 3, 0, 3, 0),
        "williams_r": lambda: talib.WILLR(high, low, close, 14),
        "cci": lambda: talib.CCI(high, low, close, 20),
        "mfi": lambda: talib.MFI(high, low, close, volume, 14),
        "true_range": lambda: talib.TRANGE(high, low, close),
        "atr": lambda: talib.ATR(high, low, close, 14),
        "standard_deviation": lambda: talib.STDDEV(close, 20),
        "bollinger": lambda: talib.BBANDS(close, 20, 2.0, 2.0),
        "donchian": lambda: (talib.MAX(high, 20), talib.MIN(low, 20)),
        "adx": lambda: (
            talib.ADX(high, low, close, 14),
            talib.PLUS_DI(high, low, close, 14),
            talib.MINUS_DI(high, low, close, 14),
        ),
        "parabolic_sar": lambda: talib.SAR(high, low),
        "aroon": lambda: (talib.AROON(high, low, 14), talib.AROONOSC(high, low, 14)),
        "obv": lambda: talib.OBV(close, volume),
        "accumulation_distribution": lambda: talib.AD(high, low, close, volume),
    }


def ours(of: Indicator, bars: Bars, session: np.ndarray, scale: float) -> Callable[[], object]:
    """One run of the kernel over all bars."""
    matrix, values = matrix_of(bars), of.values({})
    parameters = np.array(values, np.float64)

    def work() -> object:
        out = np.empty((len(of.outputs), BARS))
        of.kernel(matrix, session, scale, parameters, np.zeros(of.state_size(values)), out, 0, BARS)
        return out

    return work


def alternating(first: Callable[[], object], second: Callable[[], object] | None) -> tuple[float, float]:
    """Median times of both, run in turn so that a busy machine slows both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(15):
        for work, seconds in zip((first, second), times, strict=True):
            if work is not None:
                begin = time.perf_counter()
                work()
                seconds.append(time.perf_counter() - begin)
    return statistics.median(times[0]), statistics.median(times[1]) if second else float("nan")


def live_nanoseconds(of: Indicator, bars: Bars, scale: float) -> float:
    """Time of one live update, with Python around it."""
    rows = list(
        zip(
            *(getattr(bars, f)[:UPDATES].tolist() for f in ("open", "high", "low", "close", "volume")),
            strict=True,
        )
    )

    def work() -> None:
        update = Live(of, scale).update
        for open_, high, low, close, volume in rows:
            update(open_, high, low, close, volume)

    return median_seconds(work, repeats=3) / UPDATES * 1e9


def main() -> None:
    bars, session = made_bars()
    scale = scale_of(bars)
    theirs = peers(bars)
    print("| indicator, 1,000,000 bars | TA-Lib | ours, and one live update |\n|---|---|---|")
    for name, of in INDICATORS.items():
        mine, other = alternating(ours(of, bars, session, scale), theirs.get(name))
        ratio = f", {other / mine:.2f} x TA-Lib's speed" if name in theirs else ""
        goal = f"{other * 1e3:.2f} ms" if name in theirs else "-"
        goal += " (aim: no slower)" if name in NO_SLOWER else ""
        live = live_nanoseconds(of, bars, scale)
        row(name, goal, f"{mine * 1e3:.2f} ms{ratio}; live {live:,.0f} ns")
    row("scale_of, once per series", "-", f"{median_seconds(lambda: scale_of(bars)) * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
