"""The first promise: what a strategy trades on paper, over a recorded day, is what its back-test trades.

Five strategies, 30 instruments, on generated prices and on real ones; each session goes through the worker process, the
gate, the journal, the policy, the simulated exchange and the desk's brackets.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.trading.session.market import generated, real, table_of
from trademantra.cli import app

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

SHARES = 30
LAST_DAY = {"generated": "2026-06-03", "real": "2016-09-09"}
STRATEGIES = {
    "supertrend": "--short --intraday --size quantity:10 --set length=5 --set multiplier=1.5",  # reversals
    "opening_range_breakout": "--set tries=2 --set length=20 --size cash:200000",  # stop entries, own stop and target
    "macd": "--short --intraday --timeframe 15m --size equity:0.9 --trail 0.6% --set fast=3 --set slow=7 --set smoothing=4",
    "rsi_reversion": "--size risk:0.005 --stop 0.4% --target 0.6% --costs zerodha:CNC --set length=7 --set oversold=35",
    "gap_open": "--set least=0.1 --set positions=9 --slippage ticks:1 --costs zerodha:MIS",  # the auction, one pot of cash
}
# What their days must hold, so that the test goes on meaning something.
WAYS_OUT = {
    "supertrend": {"signal", "square_off"},
    "opening_range_breakout": {"stop", "target", "square_off"},
    "macd": {"signal", "trail"},
    "rsi_reversion": {"signal", "stop", "target"},
    "gap_open": {"stop"},
}


@dataclass(frozen=True)
class Told:
    exit_code: int
    last: dict
    lines: list[str]


def tm(home: Path, *words: str) -> Told:
    result = CliRunner().invoke(app, [*words, "--data-dir", str(home)], catch_exceptions=False)
    return told(result.exit_code, result.stdout)


def told(exit_code: int, output: str) -> Told:
    lines = output.strip().splitlines()
    return Told(exit_code, json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}, lines)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@cache
def recorded(kind: str, bar: str, home: Path) -> Path:
    file = home / f"{kind}-{bar}.parquet"
    table_of((generated if kind == "generated" else real)(SHARES, bar=bar)).write_parquet(file)
    return file


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("kind", ["generated", "real"])
def test_a_recorded_day_trades_as_its_backtest(kind: str, name: str, home: Path) -> None:
    words = ("--replay", str(recorded(kind, "5m", home)), *STRATEGIES[name].split())
    session = tm(home, "paper", name, *words, "--json").last
    assert session["days"] == [LAST_DAY[kind]]
    assert len(session["symbols"]) == SHARES
    assert session["totals"]["trades"] >= 5, "a session without trades proves nothing"
    assert {trade["reason"] for trade in session["trades"]} >= WAYS_OUT[name]
    assert (session["refused"], session["stopped"], session["calls"]) == ([], [], [])
    compared = tm(home, "parity", session["session"])
    assert compared.lines[-1] == "identical", "\n".join(compared.lines)
    assert compared.exit_code == 0


def test_the_command_says_identical(home: Path) -> None:
    """As a user types it, in processes of its own, on minutes."""
    first, second = list(generated(SHARES))[:2]
    words = ("--replay", str(recorded("generated", "1m", home)), "--symbol", first, "--symbol", second)
    session = told(*command(home, "paper", "supertrend", *words, "--timeframe", "5m", "--json")).last
    assert session["totals"]["trades"] > 0
    code, output = command(home, "parity", session["session"])
    assert (code, output.splitlines()[-1]) == (0, "identical")


def command(home: Path, *words: str) -> tuple[int, str]:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "trademantra", *words],
        env=os.environ | {"TRADEMANTRA_HOME": str(home), "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout
