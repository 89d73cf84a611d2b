"""The Python API on sample data, against what the commands and the engine say."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import trademantra
from trademantra import (
    Bars,
    SignalStrategy,
    TradeMantraError,
    TradingRules,
    backtest,
    check,
    load_strategy,
    strategy_names,
    sweep,
    walk_forward,
)
from trademantra.cli import app
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.engine.rules import FillAt, Level, Size

pytestmark = pytest.mark.usefixtures("home")
GRID = {"fast": range(5, 50, 15), "slow": (60, 120)}
WORDS = ["--set", "fast=10", "--cash", "50000", "--stop", "8%", "--costs", "flat:0.001", "--fill", "close"]


def told(*words: str) -> dict[str, object]:
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_run_is_that_of_the_command() -> None:
    mine = backtest(
        "sma_cross",
        "AAPL",
        fast=10,
        costs="flat:0.001",
        rules={"cash": 50_000, "stop": "8%", "fill": "close"},
    )
    theirs = told("backtest", "sma_cross", "--bars", "AAPL", *WORDS)
    assert {**mine.as_dict(), "command_line": None} == {**theirs, "command_line": None}


def test_rules_are_changed_word_by_word_or_replaced_whole() -> None:
    own = load_strategy("donchian_breakout").rules
    changed = backtest("donchian_breakout", "AAPL", rules={"size": "cash:10000", "trail": "9%"}).rules
    assert changed.stop == own.stop
    assert (changed.size, changed.trail, changed.lot) == (Size.parse("cash:10000"), Level.parse("9%"), 1.0)
    replaced = backtest("donchian_breakout", "AAPL", rules=TradingRules(cash=5_000.0)).rules
    assert (replaced.stop, replaced.cash) == (Level(), 5_000.0)
    assert backtest("sma_cross", "AAPL", rules={"lot": 0.0}).rules.lot == 0.0  # what is said wins
    assert backtest("sma_cross", "AAPL", rules={"fill": "close"}).rules.fill_at is FillAt.CLOSE


def test_parameters_may_be_keywords_or_a_mapping() -> None:
    one = backtest("opening_range_breakout", "SYNBANK1", timeframe="5m", length=30, parameters={"last": 200})
    assert (one.parameters["length"], one.parameters["last"]) == (30.0, 200.0)


def test_days_bound_a_run_and_several_symbols_make_a_portfolio() -> None:
    rotation = backtest(
        "dual_momentum", ["AAPL", "GOOG", "MSFT"], first="2008-01-01", last=date(2011, 12, 31), top=1
    )
    times = rotation.equity_frame()["time"]
    assert times.dt.year().unique().sort().to_list() == [2008, 2009, 2010, 2011]
    assert rotation.symbols == ("AAPL", "GOOG", "MSFT")
    assert set(rotation.trades_frame()["symbol"]) == {"AAPL", "GOOG", "MSFT"}


def test_frames_hold_what_the_engine_recorded() -> None:
    result = backtest("sma_cross", "AAPL", costs="flat:0.001")
    trades, fills, equity = result.trades_frame(), result.fills_frame(), result.equity_frame()
    assert len(trades) == result.metrics.trades > 10
    np.testing.assert_allclose(trades["gross"] - trades["costs"], trades["net"], atol=1e-6)
    assert fills["costs"].sum() == pytest.approx(result.metrics.costs, rel=1e-12)
    assert set(fills["side"]) == {"buy", "sell"}
    assert (trades["entry_time"] < trades["exit_time"]).all()
    assert equity["equity"][-1] == result.metrics.final_equity
    assert equity["drawdown"].min() == pytest.approx(result.metrics.max_drawdown, rel=1e-12)
    assert trades.schema["entry_time"] == pl.Datetime("ns", "America/New_York")
    growth = (1.0 + result.months_frame()["return"]).product() - 1.0
    assert growth == pytest.approx(result.metrics.total_return, rel=1e-9)


def test_a_run_without_trades_has_empty_frames() -> None:
    result = backtest("sma_cross", "AAPL", last="2000-12-31", fast=90, slow=150)
    assert len(result.trades_frame()) == len(result.fills_frame()) == 0
    assert result.trades_frame().schema["net"] == pl.Float64
    assert "–" in repr(result)


def test_a_run_shows_itself(tmp_path: Path) -> None:
    result = backtest("sma_cross", "AAPL", costs="flat:0.001")
    said = repr(result)
    assert "NASDAQ:AAPL:1d, 2000-03-01 to 2013-03-01, 3,270 bars" in said
    assert f"{100 * result.metrics.total_return:,.2f} %" in said
    assert "splits" in said
    assert "size equity:1, fills at the next open" in said
    assert "stop 8%" in repr(backtest("sma_cross", "AAPL", rules={"stop": "8%"}))
    shown = result._repr_html_()
    assert "<svg" in shown
    assert "<script" not in shown
    page = result.report(tmp_path / "report.html")
    assert "SMA cross" in page.read_text(encoding="utf-8")


def test_reports_restate_what_a_broker_would_have_charged(tmp_path: Path) -> None:
    result = backtest("ema_cross", "SYNBANK1", timeframe="15m", costs="zerodha:MIS")
    assert result.metrics.trades > 10
    assert "FY 2025-26" in result.report(str(tmp_path / "report.html")).read_text(encoding="utf-8")


def test_arrays_are_taken_as_they_are() -> None:
    days = np.arange(400)
    closes = 100.0 + days % 40
    bars = Bars.of(days * 86_400_000_000_000, closes, closes, closes, closes, np.full(400, 1e6))
    result = backtest("sma_cross", {"SAW": bars}, fast=5, slow=20)
    assert result.symbols == ("SAW",)
    assert str(result.context.timeframe) == "1d"
    assert result.trades_frame()["quantity"][0] % 1 != 0
    with pytest.raises(InvalidValueError, match="first chooses among stored bars"):
        backtest("sma_cross", bars, first="1970-02-01")


def test_a_sweep_is_that_of_the_command(tmp_path: Path) -> None:
    made = sweep("sma_cross", "AAPL", GRID, costs="flat:0.001")
    theirs = told(
        "sweep", "sma_cross", "--bars", "AAPL", "--grid", "fast=5:49:15", "--grid", "slow=60,120",
        "--costs", "flat:0.001",
    )  # fmt: skip
    assert len(made) == theirs["combinations"] == 6
    assert made.best() == theirs["top"][0]["parameters"]
    assert made.luck is not None
    assert made.top(2)["sharpe"].to_list() == [row["scores"]["sharpe"] for row in theirs["top"][:2]]
    best = backtest("sma_cross", "AAPL", costs="flat:0.001", parameters=made.best())
    assert best.metrics.sharpe == pytest.approx(made.frame()["sharpe"].max(), rel=1e-9)
    assert "probability of overfitting" in repr(made)
    assert "How much of the best is luck" in made.report(tmp_path / "sweep.html").read_text(encoding="utf-8")


def test_a_heat_map_has_a_cell_for_every_pair() -> None:
    made = sweep("sma_cross", "AAPL", {**GRID, "stop": (2.0, 8.0)}, overfitting=False)
    assert made.luck is None
    heat, frame = made.heat_map("slow", "fast"), made.frame()
    assert heat.scores.shape == (2, 3)
    for i, slow in enumerate(heat.rows):
        for j, fast in enumerate(heat.columns):
            some = frame.filter((pl.col("slow") == slow) & (pl.col("fast") == fast))["sharpe"]
            assert heat.scores[i, j] == some.max()
    worst = made.heat_map("fast", "stop", "costs")
    assert worst.scores[0, 0] == frame.filter((pl.col("fast") == 5) & (pl.col("stop") == 2.0))["costs"].min()
    assert heat.frame().columns == ["slow", "fast=5", "fast=20", "fast=35"]
    assert made._repr_html_().count("<td") == 3 * 2
    with pytest.raises(InvalidValueError, match="two of the swept parameters"):
        made.heat_map("fast", "fast")


def test_refused_combinations_leave_holes_in_a_heat_map() -> None:
    made = sweep("sma_cross", "AAPL", {"fast": (10, 80), "slow": (60, 120)})
    assert np.isnan(made.heat_map().scores).sum() == 1
    assert "1 refused" in repr(made)


def test_a_walk_forward_is_that_of_the_command() -> None:
    made = walk_forward("sma_cross", "AAPL", GRID, costs="flat:0.001")
    theirs = told(
        "walkforward", "sma_cross", "--bars", "AAPL", "--grid", "fast=5:49:15", "--grid", "slow=60,120",
        "--costs", "flat:0.001", "--no-overfitting",
    )  # fmt: skip
    assert made.metrics.as_dict() == theirs["metrics"]
    assert made.efficiency == theirs["efficiency"]
    steps = made.steps_frame()
    assert steps["fast"].to_list() == [step["parameters"]["fast"] for step in theirs["steps"]]
    assert steps["test_sharpe"].to_list() == [step["test"]["sharpe"] for step in theirs["steps"]]
    assert "out of sample" in repr(made)
    assert "<svg" in made._repr_html_()
    assert made.equity_frame()["equity"][-1] == made.metrics.final_equity


def test_a_check_is_that_of_the_command() -> None:
    made = check("supertrend", "AAPL")
    theirs = told("check", "supertrend", "--bars", "AAPL")
    assert made.passed
    assert made.frame()["words"].to_list() == [each["words"] for each in theirs["findings"]]
    assert made.stability.score == theirs["stability"]["score"]
    assert "passed" in repr(made)
    assert "<table" in made._repr_html_()


def test_a_check_without_bars_runs_on_invented_ones() -> None:
    assert check("sma_cross", cuts=6).passed


def test_names_are_exported_and_listed() -> None:
    assert {"backtest", "sweep", "walk_forward", "check", "Strategy", "Bars"} <= set(dir(trademantra))
    for name in trademantra._HOMES:
        assert getattr(trademantra, name) is not None
    assert "sma_cross" in strategy_names()
    assert isinstance(load_strategy("sma_cross"), SignalStrategy)
    with pytest.raises(AttributeError, match="nothing_such"):
        trademantra.nothing_such  # noqa: B018


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"rules": {"csh": 1}}, "did you mean cash"),
        ({"rules": {"fill": "never"}}, "next_open, close"),
        ({"rules": {"limit_fill": "x"}}, "through or touch"),
        ({"rules": {"stop": "lots"}}, "not a distance"),
        ({"fast": "10"}, "not a number"),
        ({"fst": 10}, "it has: fast, slow"),
        ({"parameters": {"fast": 9}, "fast": 10}, "given twice"),
        ({"segment": "shoes"}, "one of: equity"),
        ({"timezone": "Mars/Olympus"}, "Asia/Kolkata"),
        ({"first": "yesterday"}, "YYYY-MM-DD"),
        ({"timeframe": "5x"}, "not a timeframe"),
        ({"costs": "zerodha"}, "BROKER:PRODUCT"),
    ],
)
def test_wrong_words_say_what_is_right(words: dict[str, object], message: str) -> None:
    with pytest.raises(TradeMantraError) as caught:
        backtest("sma_cross", "AAPL", **words)
    assert message in str(caught.value)


def test_wrong_bars_and_kinds_say_what_is_right() -> None:
    with pytest.raises(NotFoundError, match="did you mean"):
        backtest("sma_cross", "APPL")
    with pytest.raises(InvalidValueError, match="no bars were named"):
        backtest("sma_cross", [])
    with pytest.raises(InvalidValueError, match="no bars were given"):
        backtest("sma_cross", {})
    with pytest.raises(InvalidValueError, match="of another kind"):
        sweep("dual_momentum", ["AAPL", "GOOG"], {"top": (1, 2)})
    with pytest.raises(InvalidValueError, match="no score"):
        sweep("sma_cross", "AAPL", GRID, objective="luck")
