"""`tm optimise` from the outside: what it prints, writes and refuses."""

import json
from math import inf
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from trademantra.cli.optimise import register
from trademantra.core.errors import DataConflictError, InvalidValueError, NotFoundError
from trademantra.engine.sweep import SCORES

ROWS = 260


def run(folder: Path, *words: str) -> str:
    app = typer.Typer()
    register(app)
    app.command("other")(lambda: None)  # with one command only typer drops its name
    where = ["--bars", str(folder / "bars.csv"), "--exchange", "NYSE", "--data-dir", str(folder / "home")]
    result = CliRunner().invoke(app, ["optimise", *words, *where])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    day = pl.date_range(pl.date(2023, 1, 2), pl.date(2024, 12, 31), "1d", eager=True)
    days = day.filter(day.dt.weekday() <= 5)[:ROWS]
    close = [100.0 + 8.0 * ((k * 7) % 23) / 23.0 + k / 10.0 for k in range(ROWS)]
    prices = {"open": close, "high": [c + 1 for c in close], "low": [c - 1 for c in close], "close": close}
    frame = pl.DataFrame({"symbol": ["X"] * ROWS, "date": days, **prices, "volume": [1000.0] * ROWS})
    frame.write_csv(tmp_path / "bars.csv")
    return tmp_path


def test_json_and_parquet_hold_the_trials(folder: Path) -> None:
    out = folder / "out.parquet"
    words = (
        "sma_cross",
        "--vary",
        "fast=2:8:2",
        "--vary",
        "slow=4:20:4",
        "--method",
        "grid",
        "--json",
        "--top",
        "3",
    )
    told = json.loads(run(folder, *words, "--out", str(out), "--objective", "total_return"))
    assert told["schema"] == "trademantra.optimise/1"
    assert told["ranges"] == ["fast=2:8:2", "slow=4:20:4"]
    assert (told["trials"], told["wanted"], told["refused"], told["interrupted"]) == (20, 20, 4, False)
    assert Path(told["file"]).exists()
    frame = pl.read_parquet(out)
    assert frame.columns == ["trial", "fast", "slow", *SCORES, "refused"]
    assert frame["trial"].to_list() == list(range(20))
    assert frame.filter(pl.col("refused") != "").select("fast", "slow").rows() == [(4.0, 4.0), (6.0, 4.0), (8.0, 4.0), (8.0, 8.0)]  # fmt: skip
    ranked = frame.filter(pl.col("refused") == "").sort("total_return", descending=True, maintain_order=True)
    assert [row["trial"] for row in told["best"]] == ranked["trial"][:3].to_list()
    assert {name: value for name, value in told["best"][0].items() if value is not None} == {
        name: value for name, value in ranked.drop("refused").row(0, named=True).items() if abs(value) < inf
    }


def test_a_study_is_named_found_again_and_extended(folder: Path) -> None:
    words = ("sma_cross", "--vary", "fast=2:8", "--vary", "slow=10:20", "--trials", "12", "--json")
    first = json.loads(run(folder, *words))
    assert first["study"].startswith("sma_cross-tpe-")
    with pytest.raises(DataConflictError, match="is there already") as caught:
        run(folder, *words)
    assert "--resume" in caught.value.hint
    again = json.loads(run(folder, *words, "--resume"))
    assert again == first
    more = json.loads(run(folder, *words, "--resume", "--trials", "15"))
    assert (more["trials"], more["study"]) == (15, first["study"])
    with pytest.raises(NotFoundError, match="no study other"):
        run(folder, *words, "--resume", "--study", "other")


def test_several_objectives_show_a_front(folder: Path) -> None:
    text = run(
        folder, "sma_cross", "--trials", "20", "--vary", "fast=2:8", "--vary", "slow=9:20:1",
        "--objective", "total_return", "--objective", "max_drawdown", "--study", "front",
    )  # fmt: skip
    assert "unbeaten in total_return and max_drawdown" in " ".join(text.split())
    assert "note: no costs" in text


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--vary", "fast"), "cannot be read"),
        (("--vary", "quick=1:5"), "no parameter 'quick'"),
        (("--objective", "luck"), "no score 'luck'"),
        (("--method", "annealing"), "no method"),
        (("--method", "grid", "--trials", "5"), "a grid runs all"),
        (
            ("--method", "grid", "--vary", "fast=2:500", "--vary", "slow=3:2000", "--vary", "stop=0:50:0.1"),
            "points, at most",
        ),
        (("--study", "a/b"), "cannot be used"),
        (("--cluster", "nowhere"), "is no address"),
        (("--set", "fast=3", "--vary", "fast=2:5"), "set and varied"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(folder: Path, words: tuple[str, ...], fault: str) -> None:
    with pytest.raises(InvalidValueError, match=fault):
        run(folder, "sma_cross", *words)
    assert not list((folder / "home" / "studies").glob("*.npz"))
