"""`tm backtest` from the outside."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from trademantra.cli.backtest import register
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.time import ist_ns
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars
from trademantra.markets.sessions import trading_days_between

COUNT = 120


def run(home: Path, *words: str) -> str:
    app = typer.Typer()
    register(app)
    app.command("other")(lambda: None)  # with one command only typer drops its name
    result = CliRunner().invoke(
        app, ["backtest", "sma_cross", "--set", "fast=3", "--set", "slow=8", *words, "--data-dir", str(home)]
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def days(phase: float, count: int = COUNT) -> Bars:
    from datetime import time

    dates = trading_days_between(date(2025, 1, 1), date(2025, 12, 31), Exchange.NSE, Segment.EQUITY)[:count]
    close = np.round(100.0 + 10.0 * np.sin(np.arange(count) / 9.0 + phase), 2)
    ts = np.array([ist_ns(day, time()) for day in dates])
    return Bars.of(ts, close, close + 1.0, close - 1.0, close, np.full(count, 1_000.0))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store = BarStore(tmp_path / "bars")
    for place, name in enumerate(("NSE:AAA:1d", "NSE:BBB:1d", "NSE:NIFTY:1d")):
        store.append(Series.parse(name), days(place))
    store.append(Series.parse("BSE:AAA:1d"), days(3.0, 90))
    return tmp_path


def test_the_exchange_chooses_among_stored_symbols(home: Path) -> None:
    told = json.loads(run(home, "--bars", "AAA", "--exchange", "bse", "--json"))
    assert told["series"] == ["BSE:AAA:1d"]
    with pytest.raises(NotFoundError, match="no bars of MCX are stored") as refused:
        run(home, "--bars", "AAA", "--exchange", "MCX")
    assert refused.value.hint == "bars are stored of BSE, NSE"
    with pytest.raises(InvalidValueError, match="'NSEE' is not an exchange"):
        run(home, "--bars", "AAA", "--exchange", "NSEE")


def test_each_of_several_symbols_is_held_against_the_benchmark(home: Path) -> None:
    both = json.loads(run(home, "--bars", "NSE:AAA", "--bars", "NSE:BBB", "--benchmark", "NIFTY", "--json"))
    for name, told in zip(("AAA", "BBB"), both, strict=True):
        alone = json.loads(run(home, "--bars", f"NSE:{name}", "--benchmark", "NIFTY", "--json"))
        assert told["metrics"]["beta"] is not None
        assert told["metrics"] == alone["metrics"]
