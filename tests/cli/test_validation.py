"""`tm walkforward`, `tm montecarlo` and `tm check` from the outside."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from trademantra.cli import check, montecarlo, sweep, walkforward
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.engine.validation.synthetic import synthetic_input
from trademantra.strategies.sma_cross import STRATEGY

CHEAT = """
from trademantra.engine.events import EventStrategy

class Cheat(EventStrategy):
    name = title = idea = source = market = "cheat"

    def on_bar(self, context, bar):
        whole = context._portfolio.books[0].matrix[3]
        if bar.index + 1 < len(whole) and whole[bar.index + 1] > bar.close * 1.01:
            context.buy(quantity=1.0)
        else:
            context.exit()
"""


@pytest.fixture(scope="module")
def prices(tmp_path_factory):
    """A file of 900 invented days."""
    [bars] = synthetic_input(STRATEGY, np.random.default_rng(11)).bars.values()
    file = tmp_path_factory.mktemp("prices") / "INVENTED.csv"
    days = bars.ts.astype("datetime64[ns]").astype("datetime64[D]")
    rows = ["symbol,date,open,high,low,close,volume"]
    rows += [
        f"INVENTED,{days[i]},{bars.open[i]},{bars.high[i]},{bars.low[i]},{bars.close[i]},{bars.volume[i]:.0f}"
        for i in range(900)
    ]
    file.write_text("\n".join(rows) + "\n")
    return ["--bars", str(file), "--exchange", "BINANCE"]  # trades on every day of the week


@pytest.fixture
def tm(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEMANTRA_HOME", str(tmp_path))
    app = typer.Typer()
    for area in (walkforward, montecarlo, check, sweep):
        area.register(app)

    def run(*arguments: str):
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


GRID = ["--grid", "fast=3,5,8", "--grid", "slow=10,20"]


class TestWalkForward:
    def test_steps_efficiency_and_the_judgement_of_the_grid(self, tm, prices):
        result = tm("walkforward", "sma_cross", *prices, *GRID, "--train", "300", "--test", "150")
        assert result.exit_code == 0
        assert "rolling walk-forward, best of 6 by sharpe" in result.output
        assert "walk-forward efficiency" in result.output
        assert "deflated Sharpe ratio" in result.output
        assert "probability of overfitting" in result.output

    def test_json_has_every_step_and_the_schema(self, tm, prices):
        result = tm("walkforward", "sma_cross", *prices, *GRID, "--train", "300", "--test", "150", "--json")
        made = json.loads(result.output)
        assert made["schema"] == "trademantra.walkforward/1"
        assert [step["test_sessions"] for step in made["steps"]] == [
            [300, 450],
            [450, 600],
            [600, 750],
            [750, 900],
        ]
        assert made["steps"][0]["first"] < made["steps"][0]["last"] < made["steps"][1]["first"]
        assert len(made["combinatorial"]["paths"]) == 9
        assert made["overfitting"]["splits"] == 12_870
        assert made["metrics"]["sessions"] == 600
        assert 0.0 <= made["deflated_sharpe"]["probability"] <= 1.0

    def test_the_judgement_can_be_left_out(self, tm, prices):
        made = json.loads(tm("walkforward", "sma_cross", *prices, *GRID, "--no-overfitting", "--json").output)
        assert "overfitting" not in made
        assert len(made["steps"]) == 6

    def test_errors_say_what_to_change(self, tm, prices):
        with pytest.raises(InvalidValueError, match="900 sessions do not hold"):
            tm("walkforward", "sma_cross", *prices, *GRID, "--train", "800", "--test", "300")
        with pytest.raises(InvalidValueError, match="signal strategies"):
            tm("walkforward", "dual_momentum", *prices, "--grid", "top=1,2")
        with pytest.raises(InvalidValueError, match="names fast twice"):
            tm("walkforward", "sma_cross", *prices, "--grid", "fast=3,5", "--grid", "fast=8")


class TestMonteCarlo:
    def test_tables_and_the_test_of_entries(self, tm, prices):
        result = tm(
            "montecarlo", "sma_cross", *prices, "--set", "fast=5", "--set", "slow=20", "--paths", "500"
        )
        assert "trade shuffle, 500 paths" in result.output
        assert "block bootstrap of sessions (mean block 10), 500 paths" in result.output
        assert "parameters varied by ±20 %, 300 paths" in result.output
        assert "random entry: the average trade made" in result.output

    def test_the_same_seed_gives_the_same_json(self, tm, prices):
        options = [
            "montecarlo",
            "sma_cross",
            *prices,
            "--set",
            "fast=5",
            "--set",
            "slow=20",
            "--paths",
            "200",
            "--json",
        ]
        one, two, other = tm(*options).output, tm(*options).output, tm(*options, "--seed", "8").output
        assert one == two
        assert one != other
        made = json.loads(one)
        assert made["schema"] == "trademantra.montecarlo/1"
        assert set(made["methods"]) == {"trade_shuffle", "session_bootstrap", "parameter_jitter"}
        assert list(made["methods"]["trade_shuffle"]["percentiles"]["max_drawdown"]) == [
            "1",
            "5",
            "25",
            "50",
            "75",
            "95",
            "99",
        ]
        assert 0.0 < made["random_entry"]["p_value"] <= 1.0

    def test_what_cannot_be_done_is_said(self, tm, prices):
        made = json.loads(
            tm(
                "montecarlo",
                "sma_cross",
                *prices,
                "--set",
                "slow=400",
                "--paths",
                "50",
                "--jitter",
                "0",
                "--json",
            ).output
        )
        assert list(made["methods"]) == ["session_bootstrap"]
        assert made["random_entry"] is None
        assert any("too few to shuffle" in note for note in made["notes"])


class TestCheck:
    def test_a_shipped_strategy_passes_on_invented_bars(self, tm):
        result = tm("check", "supertrend")
        assert result.exit_code == 0
        assert "✓ causality passed" in result.output
        assert "✓ memory passed" in result.output
        assert "scores on invented bars say nothing about worth" in result.output
        assert "multiplier" in result.output

    def test_bars_of_ones_own(self, tm, prices):
        result = tm("check", "ema_cross", *prices)
        assert result.exit_code == 0
        assert "BINANCE:INVENTED" in result.output
        assert "invented bars" not in result.output

    def test_a_cheating_file_fails_with_exit_code_1_and_the_bar(self, tm, tmp_path):
        file = tmp_path / "cheat.py"
        file.write_text(CHEAT)
        result = tm("check", str(file))
        assert result.exit_code == 1
        assert "✗ causality failed: looks 1 bar ahead: at bar" in result.output
        assert "stability" not in result.output
        made = json.loads(tm("check", str(file), "--json").output)
        assert made["passed"] is False
        [causality] = [each for each in made["findings"] if each["check"] == "causality"]
        assert causality["bar"] >= 0
        assert causality["time"].startswith("202")

    def test_json_holds_the_stability_plot(self, tm, prices):
        made = json.loads(
            tm("check", "sma_cross", *prices, "--set", "fast=5", "--set", "slow=20", "--json").output
        )
        assert made["schema"] == "trademantra.check/1"
        assert [line["parameter"] for line in made["stability"]["lines"]] == ["fast", "slow"]
        assert len(made["stability"]["heat"]["scores"]) == len(made["stability"]["heat"]["rows"]["values"])

    def test_stability_fails_only_when_it_is_required(self, tm):
        strict = tm("check", "supertrend", "--within", "0", "--require-stable", "100")
        assert strict.exit_code == 1
        assert "stability failed" in strict.output
        assert tm("check", "supertrend", "--within", "100", "--require-stable", "0").exit_code == 0

    def test_unknown_names_are_user_errors(self, tm):
        with pytest.raises(NotFoundError):
            tm("check", "supertrent")
        with pytest.raises(InvalidValueError, match="no parameter 'speed'"):
            tm("check", "supertrend", "--set", "speed=3")


def test_a_sweep_says_how_much_of_its_best_is_luck(tm, prices):
    grid = ["sma_cross", *prices, "--grid", "fast=3:12:3", "--grid", "slow=20:40:10"]
    swept = json.loads(tm("sweep", *grid, "--json").stdout)
    walked = json.loads(tm("walkforward", *grid, "--json").stdout)
    assert swept["deflated_sharpe"]["combinations"] == 12
    for name in ("deflated_sharpe", "overfitting"):
        assert swept[name] == walked[name]
    assert swept["deflated_sharpe"]["best_sharpe"] == pytest.approx(
        swept["top"][0]["scores"]["sharpe"], abs=1e-9
    )
    shown = tm("sweep", *grid).stdout
    assert "deflated Sharpe ratio" in shown
    assert "probability of overfitting" in shown


def test_a_sweep_is_judged_only_when_wanted(tm, prices):
    grid = ["sma_cross", *prices, "--grid", "fast=3:12:3", "--grid", "slow=20:40:10"]
    assert json.loads(tm("sweep", *grid, "--json", "--no-overfitting").stdout)["overfitting"] is None
    one = json.loads(tm("sweep", "sma_cross", *prices, "--grid", "fast=5", "--json", "--overfitting").stdout)
    assert one["deflated_sharpe"] is None
