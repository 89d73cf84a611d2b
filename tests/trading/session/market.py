"""Recorded days for paper sessions: generated ones, and real ones from beside the project."""

from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.brokers.paper.market import share
from trademantra.core.bar import Timeframe
from trademantra.data.resample import SessionSpan, resample
from trademantra.data.sample.calendar import trading_days_from
from trademantra.data.sample.market import SyntheticMarket
from trademantra.data.sample.minutes import generate_bars
from trademantra.data.sample.universe import synthetic_index, synthetic_shares
from trademantra.engine.bars import Bars
from trademantra.markets.sessions import sessions_between

# Class B data: it has no licence, is read from beside the project, and no row of it enters the project.
INDIA = Path(__file__).parents[3].parent / "shared" / "data" / "india" / "nse_1m_stocks_2016_08.parquet"
M1 = Timeframe.parse("1m")
FIRST = date(2026, 6, 1)


@cache
def generated(symbols: int = 30, days: int = 3, bar: str = "1m") -> dict[str, Bars]:
    """An invented market: as many shares, the first days of June 2026."""
    shares = synthetic_shares(symbols)
    market = SyntheticMarket(
        days=trading_days_from(FIRST, days), shares=shares, indices=(synthetic_index(shares),), seed=7
    )
    made = generate_bars(market, [each.symbol for each in shares])
    return {symbol: longer(bars, bar) for symbol, bars in made.items()}


def longer(bars: Bars, bar: str) -> Bars:
    timeframe = Timeframe.parse(bar)
    return bars if timeframe == M1 else resample(bars, M1, timeframe, spans_over(bars))


def spans_over(bars: Bars) -> tuple[SessionSpan, ...]:
    first, last = (np.datetime64(int(ns), "ns").astype("datetime64[D]").item() for ns in bars.ts[[0, -1]])
    return tuple(
        SessionSpan(session.trade_date, session.open_ns, session.close_ns)
        for session in sessions_between(first, last, share())
    )


def table_of(market: dict[str, Bars]) -> pl.DataFrame:
    """As a file of bars holds them."""
    return pl.concat(
        pl.DataFrame(
            {
                "symbol": [symbol] * len(bars),
                "ts": pl.Series(bars.ts).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("Asia/Kolkata"),
                **{name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")},
            }
        )
        for symbol, bars in market.items()
    )


@cache
def real(symbols: int = 30, bar: str = "1m") -> dict[str, Bars]:
    """The last three days of the most traded shares; skips where the data is not beside the project."""
    if not INDIA.is_file():
        pytest.skip(f"{INDIA} is not there: class B data lies beside the project only")
    table = pl.read_parquet(INDIA).filter(
        ~pl.col("symbol").str.contains("NIFTY|VIX") & (pl.col("ts").dt.date() >= date(2016, 9, 7))
    )
    value = (pl.col("volume") * pl.col("close")).sum()
    ranked = table.group_by("symbol").agg(value.alias("value")).sort("value", "symbol", descending=True)
    made = {}
    for symbol in ranked["symbol"].head(symbols):
        one = table.filter(pl.col("symbol") == symbol).sort("ts")
        ts = one["ts"].dt.convert_time_zone("UTC").dt.cast_time_unit("ns").to_physical().to_numpy()
        columns = [one[name].to_numpy().astype(float) for name in ("open", "high", "low", "close", "volume")]
        made[symbol] = longer(Bars.of(ts, *columns), bar)
    return made
