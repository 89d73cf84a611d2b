"""Speed of the bar store and of resampling on one synthetic year of 1-minute bars: `.venv/bin/python bench/bars.py`."""

import os
import tempfile
from datetime import date, time, timedelta
from pathlib import Path

import numpy as np
from timing import median_seconds, peak_megabytes, row

from trademantra.core.bar import Timeframe
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.data.quality import check
from trademantra.data.resample import daily_spans, resample
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars

SESSIONS = 246
ONE_MINUTE = Timeframe.parse("1m")
LONGER = tuple(Timeframe.parse(text) for text in ("5m", "15m", "1h", "1d", "1w", "1mo"))
REPEATS = 25


def main() -> None:
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(366)]
    spans = daily_spans([day for day in days if day.weekday() < 5][:SESSIONS], time(9, 15), time(15, 30))
    ts = np.concatenate([np.arange(span.open_ns, span.close_ns, NANOSECONDS_PER_MINUTE) for span in spans])
    random = np.random.default_rng(2024)
    n = len(ts)
    close = 20_000 + np.cumsum(random.integers(-9, 10, n))
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(open_, close) + random.integers(0, 9, n)
    low = np.minimum(open_, close) - random.integers(0, 9, n)
    prices = [np.round(field * 0.05, 2) for field in (open_, high, low, close)]
    bars = Bars.of(ts, *prices, random.integers(0, 60_000, n))

    print(f"A year is {n:,} bars; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    print("| task | goal | measured |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        store = BarStore(Path(folder))
        series = Series("NSE", "RELIANCE", ONE_MINUTE)
        store.append(series, bars)
        stored = store.series()[0].bytes / 1e6
        seconds = median_seconds(lambda: store.read(series), REPEATS)
        row(
            f"read one symbol-year of 1-minute bars ({stored:.1f} MB on disk)",
            "≤ 5 ms",
            f"{seconds * 1e3:.1f} ms",
        )
        month = int(ts[n // 2]), int(ts[n // 2 + 21 * 375])
        seconds = median_seconds(lambda: store.read(series, *month), REPEATS)
        row("read one month of that year", "-", f"{seconds * 1e3:.1f} ms")
        seconds = median_seconds(
            lambda: [resample(bars, ONE_MINUTE, timeframe, spans) for timeframe in LONGER], REPEATS
        )
        row("resample that year to 5m, 15m, 1h, 1d, 1w, 1mo", "≤ 50 ms", f"{seconds * 1e3:.1f} ms")
        seconds = median_seconds(lambda: check(bars, ONE_MINUTE, spans), REPEATS)
        row("check that year for every fault", "-", f"{seconds * 1e3:.1f} ms")

        years = iter(range(REPEATS + 1))
        seconds = median_seconds(
            lambda: store.append(Series("NSE", f"S{next(years)}", ONE_MINUTE), bars), REPEATS
        )
        row(
            "append a year at once (durable)",
            "-",
            f"{seconds * 1e3:.0f} ms, {n / seconds / 1e6:.1f} M bars/s",
        )
        growing = Series("NSE", "GROWING", ONE_MINUTE)
        store.append(growing, bars.slice(0, n - 375 * (REPEATS + 1)))
        ends = iter(range(n - 375 * REPEATS, n + 1, 375))

        def append_a_day() -> None:
            end = next(ends)
            store.append(growing, bars.slice(end - 375, end))

        seconds = median_seconds(append_a_day, REPEATS)
        row("append a session to an almost full year (durable)", "-", f"{seconds * 1e3:.0f} ms")

        for i in range(2_000):
            store.append(Series("BSE", f"{i}", Timeframe.parse("1d")), bars.slice(0, 1))
        seconds = median_seconds(store.series, 3)
        row("list 2,028 series", "-", f"{seconds * 1e3:.0f} ms")
    row("peak memory", "-", f"{peak_megabytes():.0f} MiB")


if __name__ == "__main__":
    main()
