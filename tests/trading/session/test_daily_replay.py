"""Strategies on daily bars over stored intraday ones: decided at the close, done at the next open, as their back-test."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.trading.session.market import generated, table_of
from trademantra.cli import app
from trademantra.core.time import NANOSECONDS_PER_MINUTE

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

CALLBACKS = """
from trademantra.engine.events import EventStrategy

class Mine(EventStrategy):
    name = title = idea = source = market = "mine"
    times = (-1,)

    def on_time(self, context, minute):
        for symbol in context.symbols:
            price, history = context.preopen(symbol), context.history(symbol)
            if price == price and len(history) and price > history.close[-1] and not context.position(symbol):
                context.buy(symbol, quantity=10, stop=price * 0.985)

    def on_bar(self, context, bar):
        if context.position(bar.symbol) and bar.close < bar.open:
            context.exit(bar.symbol)
"""
SIGNALS = "ema_cross --set fast=2 --set slow=3 --long-only --size cash:200000 --stop 1.5% --target 2%"


@pytest.mark.parametrize("kind", ["signals", "callbacks"])
def test_a_session_on_daily_bars_trades_as_its_backtest(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "bars.parquet"
    table_of(generated(4, days=16, bar="75m")).write_parquet(file)
    mine = tmp_path / "mine.py"
    mine.write_text(CALLBACKS)
    words = SIGNALS.split() if kind == "signals" else [str(mine)]
    session = tm(
        tmp_path, "paper", *words, "--replay", str(file), "--timeframe", "1d", "--from", "2026-06-04",
        "--costs", "zerodha:CNC", "--json",
    )  # fmt: skip
    made = json.loads(session.stdout.strip().splitlines()[-1])
    assert (made["refused"], made["stopped"], made["calls"]) == ([], [], [])
    assert made["totals"]["trades"] >= 3
    assert {trade["reason"] for trade in made["trades"]} & {"stop", "target"}
    assert {trade["entry_ns"] // NANOSECONDS_PER_MINUTE % 1440 for trade in made["trades"]} == {225}  # 09:15
    compared = tm(tmp_path, "parity", made["session"])
    assert (compared.exit_code, compared.stdout.strip().splitlines()[-1]) == (0, "identical"), compared.stdout


def tm(home: Path, *words: str):
    return CliRunner().invoke(app, [*words, "--data-dir", str(home)], catch_exceptions=False)
