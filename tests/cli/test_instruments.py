"""`tm instruments` from the outside."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.data.instruments.dumps import kite_file
from trademantra.cli import instruments
from trademantra.core.errors import (
    BadInputError,
    InvalidValueError,
    NotFoundError,
    TradeMantraError,
    UnknownInstrumentError,
)

LINES = [
    '738561,2885,RELIANCE,"RELIANCE INDUSTRIES",0,,0,0.1,1,EQ,NSE,NSE',
    '128083204,500325,RELIANCE,"RELIANCE INDUSTRIES",0,,0,0.05,1,EQ,BSE,BSE',
    "12468482,48705,NIFTY26N1724500CE,NIFTY,0,2026-11-17,24500,0.05,65,CE,NFO-OPT,NFO",
    "12468738,48706,NIFTY26N1724500PE,NIFTY,0,2026-11-17,24500,0.05,65,PE,NFO-OPT,NFO",
    "12468226,48704,NIFTY26NOVFUT,NIFTY,0,2026-11-23,0,0.1,65,FUT,NFO-FUT,NFO",
]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setenv("TRADEMANTRA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    fresh = typer.Typer()
    instruments.register(fresh)
    return fresh


def run(app: typer.Typer, *words: object) -> str:
    result = CliRunner().invoke(app, ["instruments", *map(str, words)])
    if isinstance(result.exception, TradeMantraError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_import_find_chain_and_list(app: typer.Typer, tmp_path: Path) -> None:
    file = kite_file(tmp_path, LINES)
    assert "5 listings opened" in run(app, "import", file, "--broker", "kite", "--as-of", "2026-11-10")
    assert "0 listings opened, 0 closed" in run(
        app, "import", file, "--broker", "kite", "--as-of", "2026-11-10"
    )
    (call,) = json.loads(run(app, "find", "NIFTY17NOV2624500CE", "--json"))
    assert (call["key"], call["lot_size"], call["tick_size"]) == (
        "NSE:NIFTY:2026-11-17:24500:CE",
        "65",
        "0.05",
    )
    assert [one["token"] for one in call["listings"]] == ["12468482"]
    for name in ("12468482", "NSE:NIFTY:2026-11-17:24500:CE", "NIFTY26N1724500CE"):
        assert json.loads(run(app, "find", name, "--json")) == [call]
    assert [one["key"] for one in json.loads(run(app, "find", "RELIANCE", "--json"))] == [
        "NSE:RELIANCE",
        "BSE:RELIANCE",
    ]
    assert len(json.loads(run(app, "find", "RELIANCE", "--exchange", "bse", "--json"))) == 1
    chain = json.loads(run(app, "chain", "nifty", "--json"))
    assert (chain["expiry"], chain["expiries"]) == ("2026-11-17", ["2026-11-17", "2026-11-23"])
    assert [(one["strike"], one["put"]["right"]) for one in chain["strikes"]] == [("24500", "PE")]
    assert {one["venue"]: one["open"] for one in json.loads(run(app, "list", "--json"))} == {
        "NFO": 3,
        "NSE": 1,
        "BSE": 1,
    }
    assert "NSE:RELIANCE" in run(app, "find", "RELIANCE")
    assert "24500" in run(app, "chain", "NIFTY")
    assert "NFO" in run(app, "list")


def test_bad_rows_and_bad_words(app: typer.Typer, tmp_path: Path) -> None:
    file = kite_file(tmp_path, [*LINES, LINES[2].replace(",65,", ",x,").replace("12468482", "1")])
    with pytest.raises(BadInputError, match="line 7"):
        run(app, "import", file, "--broker", "kite", "--as-of", "2026-11-10")
    output = run(app, "import", file, "--broker", "kite", "--as-of", "2026-11-10", "--skip-bad")
    assert "bad rows left out: 1, listed in instrument-rejects.csv" in output
    assert "lot_size" in (tmp_path / "instrument-rejects.csv").read_text()
    with pytest.raises(InvalidValueError, match="not a date"):
        run(app, "import", file, "--broker", "kite", "--as-of", "yesterday")
    with pytest.raises(InvalidValueError, match="no exchange 'MOON'"):
        run(app, "find", "RELIANCE", "--exchange", "MOON")
    with pytest.raises(UnknownInstrumentError, match="NOPE"):
        run(app, "find", "NOPE")
    with pytest.raises(UnknownInstrumentError):
        run(app, "find", "RELIANCE", "--on", "2026-11-09")


def test_a_day_that_is_still_to_come_is_refused_and_locks_nothing(app: typer.Typer, tmp_path: Path) -> None:
    file = kite_file(tmp_path, LINES)
    with pytest.raises(InvalidValueError, match="2199-01-01 is in the future: today is"):
        run(app, "import", file, "--broker", "kite", "--as-of", "2199-01-01")
    assert not (tmp_path / "home").exists()
    run(app, "import", file, "--broker", "kite", "--as-of", "2026-11-10")


def test_a_first_import_that_was_cut_off_is_told_and_mended_by_the_next(
    app: typer.Typer, tmp_path: Path
) -> None:
    master = tmp_path / "home" / "instruments.sqlite3"
    master.parent.mkdir()
    for leftover in (b"", sqlite_file_without_tables(tmp_path)):
        master.write_bytes(leftover)
        for words in (("list",), ("find", "RELIANCE"), ("chain", "NIFTY")):
            with pytest.raises(NotFoundError, match="is empty: its first import was cut off"):
                run(app, *words)
    run(app, "import", kite_file(tmp_path, LINES), "--broker", "kite", "--as-of", "2026-11-10")
    assert "NSE:RELIANCE" in run(app, "find", "RELIANCE")


def sqlite_file_without_tables(folder: Path) -> bytes:
    path = folder / "new.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    return path.read_bytes()


@pytest.mark.parametrize("words", [("list",), ("find", "RELIANCE"), ("chain", "NIFTY")])
def test_a_master_that_is_damaged_or_something_else_is_named(
    app: typer.Typer, tmp_path: Path, words: tuple[str, ...]
) -> None:
    master = tmp_path / "home" / "instruments.sqlite3"
    run(app, "import", kite_file(tmp_path, LINES), "--broker", "kite", "--as-of", "2026-11-10")
    sound = master.read_bytes()
    master.write_bytes(sound[:4096] + b"\xff" * (len(sound) - 4096))
    with pytest.raises(BadInputError, match="damaged"):
        run(app, *words)
    with closing(sqlite3.connect(tmp_path / "other.sqlite3")) as connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
    master.write_bytes((tmp_path / "other.sqlite3").read_bytes())
    with pytest.raises(BadInputError, match="another program's database"):
        run(app, *words)
    with pytest.raises(BadInputError, match="another program's database"):
        run(app, "import", kite_file(tmp_path, LINES), "--broker", "kite", "--as-of", "2026-11-11")
    master.unlink()
    master.mkdir()
    with pytest.raises(BadInputError, match="cannot be used"):
        run(app, *words)


def test_help_has_an_example_for_each_command(app: typer.Typer) -> None:
    for command in ("import", "find", "chain", "list"):
        assert f"tm instruments {command}" in run(app, command, "--help")
