"""`tm data sample` from the outside, in a folder of its own."""

import re

import pytest
import typer
from typer.testing import CliRunner

from trademantra.cli.sample import register, sample
from trademantra.core.errors import DataConflictError, InvalidValueError, MissingFactError

SMALL = ["--symbols", "2", "--days", "2"]


@pytest.fixture
def tm(tmp_path):
    """Runs the command on a fresh data folder; answers its result."""
    app = typer.Typer()
    app.command()(sample)

    def run(*arguments: str):
        result = CliRunner().invoke(
            app, ["--data-dir", str(tmp_path / "data"), *arguments], env={"COLUMNS": "120"}
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def test_it_says_what_was_made_that_it_is_synthetic_and_what_to_do_next(tm, tmp_path):
    result = tm(*SMALL)
    assert result.exit_code == 0
    assert re.search(r"NASDAQ:AAPL:1d +3,270 +real +made", result.output)
    assert re.search(r"SYNTH:SYNINDEX:1m +750 +SYNTHETIC +made", result.output)
    assert "invented" in result.output
    assert f"stored in {tmp_path / 'data'}" in result.output
    assert f"tm data show SYNTH:SYNBANK1:1m --data-dir {tmp_path / 'data'}" in result.output
    assert (tmp_path / "data" / "bars" / "SYNTH" / "SYNBANK1" / "1m" / "2026.parquet").is_file()


def test_a_second_time_everything_is_already_there(tm):
    tm(*SMALL)
    again = tm(*SMALL).output
    assert again.count("already there") == 10
    assert " made" not in again


def test_another_market_is_refused_with_the_ways_out(tm):
    tm(*SMALL, "--only", "synthetic")
    with pytest.raises(DataConflictError, match="--force replaces it"):
        tm(*SMALL, "--only", "synthetic", "--seed", "8")
    assert tm(*SMALL, "--only", "synthetic", "--seed", "8", "--force").output.count("replaced") == 5


def test_real_prices_alone_are_not_called_invented(tm):
    output = tm("--only", "real").output
    assert "SYNTH" not in output
    assert "tm data show NASDAQ:AAPL:1d" in output


def test_no_progress_bar_is_written_where_nobody_looks(tm):
    result = tm("--only", "real")
    assert result.stderr == ""
    assert "\x1b" not in result.output


@pytest.mark.parametrize(
    ("arguments", "error", "fault"),
    [
        (["--from", "2026-13-01"], InvalidValueError, "is not a date"),
        (["--from", "2026-12-01"], MissingFactError, "2027.*fewer --days"),
        (["--from", "1999-01-01"], MissingFactError, "1999"),
    ],
)
def test_wrong_days_are_errors_and_nothing_is_written(tm, tmp_path, arguments, error, fault):
    with pytest.raises(error, match=fault):
        tm(*arguments)
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(tm, tmp_path):
    (tmp_path / "data").write_text("a file, not a folder")
    with pytest.raises(InvalidValueError, match=r"data is not a folder.*--data-dir"):
        tm(*SMALL)


@pytest.mark.parametrize(
    "arguments",
    [["--symbols", "0"], ["--symbols", "401"], ["--days", "0"], ["--seed", "-1"], ["--only", "both"]],
)
def test_impossible_options_are_refused(tm, arguments):
    assert tm(*arguments).exit_code == 2


def test_it_is_a_command_of_tm_data_once():
    app = typer.Typer()
    for _ in range(2):
        register(app)
    shown = CliRunner().invoke(app, ["data", "--help"], env={"COLUMNS": "120"}).output
    assert shown.count("Make sample data, offline") == 1
