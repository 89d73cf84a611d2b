"""`tm backtest` from the outside, as a user calls it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from tests.research.test_finer import minutes
from trademantra.cli import backtest
from trademantra.core.errors import InvalidValueError
from trademantra.data.bar_file import SeriesInfo
from trademantra.data.series import Series
from trademantra.data.store import BarStore

Tm = Callable[..., Result]
BRACKET = ("--set", "fast=3", "--set", "slow=8", "--stop", "0.4%", "--target", "0.4%", "--trail", "0.2%")


@pytest.fixture
def tm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tm:
    monkeypatch.setenv("TRADEMANTRA_HOME", str(tmp_path))
    BarStore(tmp_path / "bars").append(
        Series.parse("NSE:INFY:1m"), minutes(0), SeriesInfo(source="a test", timezone="Asia/Kolkata")
    )
    app = typer.Typer()
    backtest.register(app)
    app.command("other")(lambda: None)

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, ["backtest", *arguments], env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def test_finer_bars_decide_and_are_told(tm: Tm, tmp_path: Path) -> None:
    run = ("sma_cross", "--bars", "INFY", "--timeframe", "15m", *BRACKET)
    page = tmp_path / "page.html"
    coarse, fine = (
        json.loads(tm(*run, *more, "--json", "--html", str(page)).stdout)
        for more in ((), ("--finer-timeframe", "1m"))
    )
    assert coarse["finer"] is None
    assert fine["finer"] == {"series": ["NSE:INFY:1m"], "bars": {"INFY": 1125}}
    assert fine["fingerprint"] != coarse["fingerprint"]
    assert fine["trades"] != coarse["trades"]
    assert fine["bars"] == coarse["bars"]
    assert "NSE:INFY:1m, 1,125 finer bars" in page.read_text()
    said = tm(*run, "--finer", "INFY", "--finer-timeframe", "1m").stdout
    assert "Inside a bar: orders meet the finer bars" in " ".join(said.split())


def test_a_file_of_finer_bars_serves_the_only_symbol(tm: Tm, tmp_path: Path) -> None:
    bars = minutes(0)
    rows = zip(bars.ts // 10**9, bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    lines = ["time,open,high,low,close,volume", *(",".join(f"{x:.10g}" for x in row) for row in rows)]
    file = tmp_path / "prices_1m.csv"
    file.write_text("\n".join(lines) + "\n")
    run = ("sma_cross", "--bars", "INFY", "--timeframe", "15m", *BRACKET, "--json")
    told = json.loads(tm(*run, "--finer", str(file), "--exchange", "NSE").stdout)
    assert told["finer"]["bars"] == {"INFY": 1125}
    assert told["trades"] == json.loads(tm(*run, "--finer-timeframe", "1m").stdout)["trades"]


def test_finer_bars_that_are_none_are_refused(tm: Tm) -> None:
    with pytest.raises(InvalidValueError, match="not finer"):
        tm("sma_cross", "--bars", "INFY", "--timeframe", "5m", "--finer-timeframe", "15m")
