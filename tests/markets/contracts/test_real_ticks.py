"""Ticks against what a broker's master lists (shared/data/instruments, class B: read in place)."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from trademantra.core.instrument import Exchange
from trademantra.markets.contracts.classes import InstrumentClass
from trademantra.markets.contracts.ticks import tick_size

MASTERS = Path(__file__).parents[4] / "shared" / "data" / "instruments"
ON = date(2026, 2, 20)


def upstox() -> pl.DataFrame:
    path = MASTERS / "upstox_complete_2026_03.parquet"
    if not path.exists():
        pytest.skip(f"no real instrument master at {path}")
    return pl.read_parquet(path)


def share_that_agrees(rows: pl.DataFrame, instrument_class: InstrumentClass, prices: pl.Series) -> float:
    agree = [
        tick_size(Exchange.NSE, instrument_class, Decimal(repr(price)), ON) == Decimal(repr(tick))
        for price, tick in zip(prices, rows["tick_size"], strict=True)
    ]
    return sum(agree) / len(agree)


def test_futures_ticks_follow_the_price_but_for_those_that_crossed_a_band_since_the_month_end() -> None:
    """The master has last prices, the exchange looks at the last month-end close: 40 of 618 have crossed since."""
    frame = upstox().filter(pl.col("exchange") == "NSE_FO")
    stocks = frame.filter(pl.col("instrument_type") == "FUTSTK")
    assert share_that_agrees(stocks, InstrumentClass.STOCK_FUTURE, stocks["last_price"]) > 0.93
    indices = frame.filter(pl.col("instrument_type") == "FUTIDX")
    assert share_that_agrees(indices, InstrumentClass.INDEX_FUTURE, indices["last_price"]) == 1.0


def test_option_ticks_go_by_the_underlying() -> None:
    """Tick of stock options from the price of the near future: all but underlyings near 250."""
    frame = upstox().filter(pl.col("exchange") == "NSE_FO")
    near = frame.filter(pl.col("instrument_type") == "FUTSTK", pl.col("expiry") == date(2026, 2, 24))
    prices = dict(near.select("name", "last_price").iter_rows())
    options = frame.filter(pl.col("instrument_type") == "OPTSTK").select("name", "tick_size").unique()
    differing = {}
    for name, tick in options.iter_rows():
        price = prices[name]
        if tick_size(Exchange.NSE, InstrumentClass.STOCK_OPTION, Decimal(repr(price)), ON) != Decimal(
            repr(tick)
        ):
            differing[name] = price
    assert len(options) > 200
    assert len(differing) < 8
    assert all(200 < price < 300 for price in differing.values())
    index = frame.filter(pl.col("instrument_type") == "OPTIDX")
    assert set(index["tick_size"]) == {0.05}


def test_fund_units_move_by_a_paisa() -> None:
    units = upstox().filter(
        (pl.col("exchange") == "NSE_EQ")
        & pl.col("instrument_key").str.contains("INF")
        & (pl.col("last_price") > 0)
    )
    assert share_that_agrees(units, InstrumentClass.ETF, units["last_price"]) > 0.97
