"""Finer bars are found, cut and matched with the bars of a run."""

from dataclasses import replace
from datetime import date, time
from pathlib import Path

import numpy as np
import pytest

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.time import ist_ns
from trademantra.data.bar_file import SeriesInfo
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars
from trademantra.engine.finer import lay_inside
from trademantra.python.runs import backtest
from trademantra.research.finer import FinerSpec, with_finer
from trademantra.research.inputs import RunSpec, prepare_run

MINUTE = Timeframe.parse("1m")


def minutes(seed: int, days: tuple[int, ...] = (7, 8, 9)) -> Bars:
    """One-minute bars of whole NSE sessions in October 2024, prices on the paisa."""
    random = np.random.default_rng(seed)
    ts = np.concatenate(
        [ist_ns(date(2024, 10, day), time(9, 15)) + np.arange(375) * 60_000_000_000 for day in days]
    )
    close = np.round(500.0 + np.cumsum(random.integers(-30, 31, len(ts))) * 0.05, 2)
    opening = np.concatenate(([500.0], close[:-1]))
    high = np.round(np.maximum(opening, close) + random.integers(0, 6, len(ts)) * 0.05, 2)
    low = np.round(np.minimum(opening, close) - random.integers(0, 6, len(ts)) * 0.05, 2)
    return Bars.of(ts, opening, high, low, close, random.integers(100, 5_000, len(ts)))


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    made = BarStore(tmp_path / "bars")
    for seed, symbol in enumerate(("INFY", "TCS")):
        made.append(
            Series.parse(f"NSE:{symbol}:1m"),
            minutes(seed),
            SeriesInfo(source="a test", timezone="Asia/Kolkata"),
        )
    return made


@pytest.mark.parametrize("timeframe", ["15m", "7m", "1h", "1d", "1w"])
def test_longer_bars_made_of_minutes_fit_them(store: BarStore, timeframe: str) -> None:
    spec = RunSpec(sources=("INFY", "TCS"), timeframe=Timeframe.parse(timeframe), last=date(2024, 10, 8))
    prepared = with_finer(prepare_run(spec, store), spec, FinerSpec(timeframe=MINUTE), store)
    assert prepared.finer_series == ("NSE:INFY:1m", "NSE:TCS:1m")
    for symbol, bars in prepared.given.bars.items():
        laid = lay_inside(symbol, bars, prepared.given.finer[symbol])
        assert laid.inside[0] == 0
        assert laid.inside[-1] == 750
    assert with_finer(prepared, spec, FinerSpec(), store) is prepared


def test_finer_bars_that_go_on_are_cut_at_the_end_of_the_last_bar(store: BarStore) -> None:
    spec = RunSpec(sources=("INFY",), timeframe=Timeframe.parse("15m"), last=date(2024, 10, 8))
    prepared = prepare_run(spec, store)
    bars = prepared.given.bars["INFY"].slice(0, 30)
    prepared = replace(prepared, given=replace(prepared.given, bars={"INFY": bars}))
    finer = with_finer(prepared, spec, FinerSpec(("INFY",), MINUTE), store).given.finer["INFY"]
    assert len(finer) == 375 + 5 * 15
    lay_inside("INFY", bars, finer)


@pytest.mark.parametrize(
    ("finer", "told"),
    [
        (FinerSpec(timeframe=Timeframe.parse("15m")), "bars of 15m are not finer than bars of 15m"),
        (FinerSpec(timeframe=Timeframe.parse("1d")), "bars of 1d are not finer than bars of 15m"),
        (FinerSpec(("TCS", "INFY"), MINUTE), "the finer bars are those of TCS, the run has INFY"),
    ],
)
def test_bars_that_are_not_finer_are_refused(store: BarStore, finer: FinerSpec, told: str) -> None:
    spec = RunSpec(sources=("INFY",), timeframe=Timeframe.parse("15m"))
    with pytest.raises(InvalidValueError, match=told):
        with_finer(prepare_run(spec, store), spec, finer, store)
    with pytest.raises(NotFoundError, match="WIPRO"):
        with_finer(prepare_run(spec, store), spec, FinerSpec(("WIPRO",), MINUTE), store)


def test_the_python_call_takes_names_and_arrays(store: BarStore, tmp_path: Path) -> None:
    stored = backtest(
        "sma_cross", "INFY", timeframe="5m", finer_timeframe="1m", data_dir=tmp_path, fast=3, slow=8
    )
    assert len(stored.result.given.finer["INFY"]) == 1_125
    arrays = backtest(
        "sma_cross", "INFY", timeframe="5m", finer=minutes(0), data_dir=tmp_path, fast=3, slow=8
    )
    assert arrays.result.trades.tobytes() == stored.result.trades.tobytes()
    own = backtest("sma_cross", minutes(0), finer=minutes(0), fast=3, slow=8)
    assert (
        own.result.trades.tobytes()
        == backtest("sma_cross", minutes(0), fast=3, slow=8).result.trades.tobytes()
    )
    with pytest.raises(InvalidValueError, match=r"INFY: bar 0 .*its finer bars"):
        backtest("sma_cross", "INFY", timeframe="5m", finer=minutes(5), data_dir=tmp_path)
    with pytest.raises(InvalidValueError, match="arrays are arrays too"):
        backtest("sma_cross", minutes(0), finer="INFY", data_dir=tmp_path)
