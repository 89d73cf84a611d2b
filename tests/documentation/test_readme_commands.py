"""Every `./tm` line of README runs as it stands there, on sample data."""

import json
import re
import shlex
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from trademantra.cli import app

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
LINES = [re.split(r"\s+#", line)[0].strip() for line in re.findall(r"^    \./tm (.*)$", README, re.MULTILINE)]
NOT_RUN = {
    "test": "it is what runs this test",
    "sandbox kite": "a server, which runs until it is stopped; tests/sandbox starts it",
    "lock": "it asks the package index, and changes files of the project",
}
ORDERS = {
    "broker": "zerodha",
    "trade_date": "2026-11-20",
    "orders": [
        {"exchange": "NSE", "segment": "equity", "product": "MIS", "side": side, "symbol": "TCS", "quantity": 10,
         "price": 250}
        for side in ("BUY", "SELL")
    ],
}  # fmt: skip
INSTRUMENTS = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,"
    "segment,exchange\n"
    "12610050,49258,NIFTY26AUG24500CE,NIFTY,0,2026-08-25,24500,0.05,65,CE,NFO-OPT,NFO\n"
)


@pytest.fixture
def files(desk: Path) -> Path:
    """What a reader has under the names that README uses."""
    (desk / "orders.json").write_text(json.dumps(ORDERS), encoding="utf-8")
    (desk / "instruments.csv").write_text(INSTRUMENTS, encoding="utf-8")
    minutes = pl.datetime_range(
        pl.datetime(2026, 1, 1, 9, 15), pl.datetime(2026, 1, 1, 15, 29), "1m", eager=True
    )
    prices = pl.Series([100.0 + k % 7 for k in range(len(minutes))])
    pl.DataFrame(
        {
            "datetime": minutes,
            "open": prices,
            "high": prices + 1,
            "low": prices - 1,
            "close": prices,
            "volume": 100,
        }
    ).write_csv(desk / "RELIANCE.csv")
    return desk


@pytest.mark.parametrize("line", [line for line in LINES if line not in NOT_RUN])
def test_it_runs(line: str, files: Path) -> None:
    command, _, source = line.partition(" < ")
    given = (files / source).read_text(encoding="utf-8") if source else None
    result = CliRunner().invoke(app, shlex.split(command), input=given, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.output.strip()
    for named in re.findall(r"--html (\S+)", line):
        assert (files / named).stat().st_size > 100_000


def test_lines_are_found_and_exceptions_are_there() -> None:
    assert len(LINES) > 12
    assert set(NOT_RUN) <= set(LINES)
