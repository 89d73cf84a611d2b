"""`tm data` as a person and a program use it."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from trademantra.cli.data import data_app, register
from trademantra.cli.data_views import sparkline
from trademantra.core.errors import (
    AmbiguousInstrumentError,
    BadInputError,
    InvalidValueError,
    NotFoundError,
    TradeMantraError,
)
from trademantra.core.time import IST
from trademantra.data.bar_file import SeriesInfo
from trademantra.data.series import Series
from trademantra.data.store import BarStore

runner = CliRunner()


def tm(home: Path, *words: str, ok: bool = True) -> Result:
    app = typer.Typer()
    register(app)
    register(app)
    result = runner.invoke(app, ["data", *words, "--data-dir", str(home)], env={"COLUMNS": "100"})
    if isinstance(result.exception, TradeMantraError):
        raise result.exception
    assert not ok or result.exit_code == 0, result.output
    return result


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def minutes(tmp_path: Path) -> Path:
    """A session of a share, times without a zone."""
    begin = datetime(2026, 1, 5, 9, 15)
    rows = [
        f"{begin + timedelta(minutes=i):%d-%m-%Y,%H:%M},{100 + i / 20},{101 + i / 20},{99 + i / 20},{100.5 + i / 20},{i + 1}"
        for i in range(375)
    ]
    path = tmp_path / "ALPHA.csv"
    path.write_text("Date,Time,Open,High,Low,Close,Volume\n" + "\n".join(rows) + "\n")
    return path


STATED = ("--symbol", "NSE:ABC", "--timezone", "IST", "--date-format", "dd-mm-yyyy")


def test_registering_twice_adds_one_group() -> None:
    app = typer.Typer()
    register(app)
    register(app)
    assert [group.typer_instance for group in app.registered_groups] == [data_app]


def test_import_shows_how_it_reads_and_what_it_stored(home: Path, minutes: Path) -> None:
    shown = tm(home, "import", str(minutes), *STATED).stdout
    for words in (
        "Date + Time",
        "05-01-2026 09:15",
        "dd-mm-yyyy hh:mm",
        "Asia/Kolkata",
        "1m (from the spacing",
        "NSE:ABC:1m",
    ):
        assert words in shown
    assert "375 bars stored in 1 series." in shown


def test_import_json(home: Path, minutes: Path) -> None:
    report = json.loads(tm(home, "import", str(minutes), *STATED, "--json", "--dry-run").stdout)
    assert report["written"] is False
    assert report["series"] == [
        {
            "series": "NSE:ABC:1m", "bars": 375, "new": 375, "same": 0, "changed": 0,
            "first": "2026-01-05T09:15:00+05:30", "last": "2026-01-05T15:29:00+05:30",
        }
    ]  # fmt: skip
    assert report["files"][0]["fields"][0] == {
        "field": "ts", "column": "Date + Time", "sample": "05-01-2026 09:15, 05-01-2026 09:16", "read_as": "dd-mm-yyyy hh:mm",
    }  # fmt: skip
    assert not home.exists()


def test_import_takes_mappings_and_skips_bad_rows(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.csv"
    path.write_text(
        "when,O,max,min,last\n2026-01-05T09:15+05:30,1,2,1,2\n2026-01-05T09:16+05:30,1,2,1,no\n2026-01-05T09:17+05:30,1,2,1,2\n"
    )
    words = (
        "import",
        str(path),
        "--exchange",
        "nse",
        "--symbol",
        "x",
        "--map",
        "ts=When",
        "--map",
        "close=LAST",
    )
    with pytest.raises(BadInputError, match="line 3, column 'last'"):
        tm(home, *words)
    assert not (tmp_path / "import-rejects.csv").exists()
    assert "1 bad row left out; see import-rejects.csv" in tm(home, *words, "--skip-bad").stdout
    assert (
        (tmp_path / "import-rejects.csv")
        .read_text()
        .splitlines()[1]
        .endswith('"2026-01-05T09:16+05:30,1,2,1,no"')
    )
    tm(home, *words, "--skip-bad")
    assert (tmp_path / "import-rejects-2.csv").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--stamp", "middle"), ("--decimal", "x"), ("--timezone", "Mars/Base"), ("--map", "open"), ("--map", "opne=O"),
        ("--map", "open=-"), ("--timeframe", "fast"), ("--lot-size", "NIFTY=few"), ("--exchange", "../x"), ("--symbol", "\x07"),
        ("--map", "open=O", "--map", "open=P"), ("--symbol-from-name",),
    ],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(home: Path, minutes: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidValueError) as caught:
        tm(home, "import", str(minutes), *STATED, *words)
    assert caught.value.message
    assert not home.exists()


def test_list_says_what_to_do_when_empty(home: Path) -> None:
    shown = tm(home, "list").stdout
    assert "tm data sample" in shown
    assert "tm data import" in shown
    assert json.loads(tm(home, "list", "--json").stdout) == []


def test_list(home: Path, minutes: Path) -> None:
    tm(home, "import", str(minutes), *STATED)
    shown = tm(home, "list").stdout
    for words in ("NSE:ABC:1m", "375", "2026-01-05", "CSV", "1 series"):
        assert words in shown
    (entry,) = json.loads(tm(home, "list", "--json").stdout)
    assert entry.pop("bytes") > 0
    assert entry == {
        "series": "NSE:ABC:1m", "exchange": "NSE", "symbol": "ABC", "timeframe": "1m", "bars": 375,
        "first": "2026-01-05T09:15:00+05:30", "last": "2026-01-05T15:29:00+05:30", "source": "CSV",
        "adjusted": False, "synthetic": False, "label": "",
    }  # fmt: skip


def test_check_exits_with_one_when_something_is_wrong(home: Path, minutes: Path) -> None:
    tm(home, "import", str(minutes), *STATED)
    assert "none with findings" in tm(home, "check").stdout
    lines = minutes.read_text().splitlines()
    minutes.write_text("\n".join(lines[:50] + lines[60:]))
    tm(home, "import", str(minutes), "--symbol", "NSE:GAPPY", *STATED[2:])
    result = tm(home, "check", ok=False)
    assert result.exit_code == 1
    assert "gap 1" in result.stdout
    report = json.loads(tm(home, "check", "gappy", "--json", ok=False).stdout)
    assert [(each["series"], each["clean"], each["missing"]) for each in report] == [
        ("NSE:GAPPY:1m", False, 10)
    ]
    assert report[0]["findings"] == [
        {
            "fault": "gap",
            "first": "2026-01-05T10:04:00+05:30",
            "last": "2026-01-05T10:13:00+05:30",
            "bars": 10,
            "detail": "",
        }
    ]
    assert tm(home, "check", "ABC").exit_code == 0


def test_check_of_nothing(home: Path) -> None:
    with pytest.raises(NotFoundError, match="no market data"):
        tm(home, "check")


def test_show(home: Path, minutes: Path) -> None:
    tm(home, "import", str(minutes), *STATED)
    shown = tm(home, "show", "ABC", "--rows", "2").stdout
    for words in (
        "raw prices, from CSV",
        "times in Asia/Kolkata",
        "2026-01-05 15:28",
        "2026-01-05 15:29",
        "119.20",
        "375 bars",
    ):
        assert words in shown
    assert "15:27" not in shown
    (line,) = [line for line in shown.splitlines() if set(line) & set("▁▂▃▄▅▆▇█") and "─" not in line]
    assert len(line) == 100
    assert line == "".join(sorted(line))
    for spelling in ("NSE:ABC", "nse:abc:1m"):
        assert tm(home, "show", spelling).exit_code == 0


def test_show_json_and_range(home: Path, minutes: Path) -> None:
    tm(home, "import", str(minutes), *STATED)
    value = json.loads(
        tm(home, "show", "ABC", "--rows", "1", "--from", "2026-01-05", "--to", "2026-01-05", "--json").stdout
    )
    assert value["range_bars"] == 375
    assert value["shown"] == [
        {
            "ts": "2026-01-05T15:29:00+05:30",
            "open": 118.7,
            "high": 119.7,
            "low": 117.7,
            "close": 119.2,
            "volume": 375.0,
        }
    ]
    with pytest.raises(NotFoundError, match="in that range"):
        tm(home, "show", "ABC", "--from", "2026-01-06")
    with pytest.raises(InvalidValueError, match="is after"):
        tm(home, "show", "ABC", "--from", "2026-01-06", "--to", "2026-01-05")


def test_show_names_what_is_near(home: Path, minutes: Path) -> None:
    tm(home, "import", str(minutes), *STATED)
    with pytest.raises(NotFoundError) as caught:
        tm(home, "show", "ABD")
    assert "NSE:ABC" in caught.value.hint
    tm(home, "import", str(minutes), "--symbol", "BSE:ABC", *STATED[2:])
    with pytest.raises(AmbiguousInstrumentError, match="BSE:ABC:1m, NSE:ABC:1m"):
        tm(home, "show", "ABC")


def test_synthetic_and_adjusted_bars_say_so(home: Path, minutes: Path) -> None:
    tm(home, "import", str(minutes), *STATED, "--adjusted")
    assert "adjusted for splits by its source" in tm(home, "show", "ABC").stdout
    assert "(adjusted)" in tm(home, "list").stdout
    store = BarStore(home / "bars")
    bars = store.read(Series.parse("NSE:ABC:1m"))
    store.append(
        Series.parse("SYNTH:S:1m"),
        bars,
        SeriesInfo(source="made up", timezone="Asia/Kolkata", synthetic=True),
    )
    shown = tm(home, "show", "S").stdout
    assert "SYNTHETIC: invented prices" in shown
    assert "Asia/Kolkata" in shown
    assert "SYNTHETIC" in tm(home, "list").stdout


def test_names_are_printed_as_they_are(home: Path, tmp_path: Path) -> None:
    """No picture for `:ABC:`, no markup for `[red]`."""
    path = tmp_path / "[bold]x.csv"
    begin = datetime(2026, 1, 5, 9, 15, tzinfo=IST)
    path.write_text(
        "ts,open,high,low,close\n"
        + "\n".join(f"{(begin + timedelta(minutes=i)).isoformat()},1,2,1,2" for i in range(4))
    )
    assert "[bold]x.csv" in tm(home, "import", str(path), "--symbol", "NSE:[RED]").stdout
    assert "NSE:[RED]:1m" in tm(home, "list").stdout
    assert "NSE:[RED]:1m" in tm(home, "show", "[RED]").stdout


@pytest.mark.parametrize("width", [1, 7, 80])
def test_a_sparkline_fits_and_follows_the_values(width: int) -> None:
    rising = sparkline([float(i) for i in range(200)], width)
    assert len(rising) == width
    assert list(rising) == sorted(rising)
    assert sparkline([5.0] * 200, width) == "▄" * width
    assert sparkline([], width) == ""
    assert len(sparkline([1.0, 2.0], width)) == min(2, width)


def test_help_has_examples() -> None:
    app = typer.Typer()
    register(app)
    for command in ("import", "list", "check", "show"):
        assert "tm data" in runner.invoke(app, ["data", command, "--help"]).output


@pytest.mark.parametrize("width", ["60", "80", "200"])
def test_no_number_is_cut_off(home: Path, minutes: Path, width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and numbers stay whole on narrow terminals; a long source may be shortened."""
    tm(home, "import", str(minutes), *STATED)
    store = BarStore(home / "bars")
    bars = store.read(Series.parse("NSE:ABC:1m"))
    store.append(Series.parse("SYNTH:A-LONGER-NAME:1m"), bars, SeriesInfo(source="x" * 300, synthetic=True))
    app = typer.Typer()
    register(app)
    monkeypatch.setenv("COLUMNS", width)
    listed = runner.invoke(app, ["data", "list", "--data-dir", str(home)]).stdout
    for words in (
        "NSE:ABC:1m",
        "SYNTH:A-LONGER-NAME:1m",
        " 375 ",
        "2026-01-05",
        *(["SYNTHETIC"] if int(width) > 60 else []),
    ):
        assert words in listed, words
    shown = runner.invoke(app, ["data", "show", "ABC", "--rows", "1", "--data-dir", str(home)]).stdout
    for words in ("2026-01-05 15:29", "118.70", "119.70", "117.70", "119.20", " 375"):
        assert words in shown, words
    assert max(len(line) for line in (listed + shown).splitlines() if "/" not in line) <= int(width)


@pytest.mark.parametrize(
    ("exchange", "stored"), [("nfo", "NSE"), ("BFO", "BSE"), ("CDS", "NSE"), ("MCX_FO", "MCX")]
)
def test_a_brokers_name_of_a_segment_is_stored_under_its_exchange(
    home: Path, minutes: Path, exchange: str, stored: str
) -> None:
    tm(home, "import", str(minutes), *STATED[2:], "--symbol", "ABC", "--exchange", exchange)
    assert [str(entry.series) for entry in BarStore(home / "bars").series()] == [f"{stored}:ABC:1m"]


def test_a_segment_before_the_symbol_is_mapped_too(home: Path, minutes: Path) -> None:
    tm(home, "import", str(minutes), *STATED[2:], "--symbol", "NFO:NIFTY26NOVFUT")
    assert [str(entry.series) for entry in BarStore(home / "bars").series()] == ["NSE:NIFTY26NOVFUT:1m"]


@pytest.mark.parametrize(
    "words", [("--symbol", "ABC", "--exchange", "NSEE"), ("--symbol", "NSEE:ABC"), ("--symbol", "NIFTY:FUT")]
)
def test_an_exchange_that_there_is_not_stores_nothing(
    home: Path, minutes: Path, words: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidValueError, match="is not an exchange"):
        tm(home, "import", str(minutes), *STATED[2:], *words)
    assert BarStore(home / "bars").series() == ()


def test_a_length_that_is_not_stored_is_made_from_shorter_bars(home: Path, minutes: Path) -> None:
    tm(home, "import", str(minutes), *STATED)
    shown = json.loads(tm(home, "show", "ABC", "--timeframe", "15m", "--rows", "2", "--json").stdout)
    assert (shown["timeframe"], shown["made_from"], shown["range_bars"], shown["bars"]) == (
        "15m",
        "1m",
        25,
        25,
    )
    assert shown["shown"][-1]["ts"] == "2026-01-05T15:15:00+05:30"
    assert shown["shown"][-1]["volume"] == sum(range(361, 376))
    assert "made from 1m, raw prices" in tm(home, "show", "ABC", "--timeframe", "15m").stdout
    assert json.loads(tm(home, "show", "ABC", "--json").stdout)["made_from"] is None
    with pytest.raises(NotFoundError, match="30s"):
        tm(home, "show", "ABC", "--timeframe", "30s")


@pytest.mark.parametrize("words", [("list",), ("check",), ("show", "ABC")])
def test_a_data_folder_that_is_a_file_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "passwd"
    file.write_text("root")
    with pytest.raises(InvalidValueError, match="is not a folder"):
        tm(file, *words)


def test_damage_inside_one_file_does_not_end_the_check_of_the_others(home: Path, minutes: Path) -> None:
    tm(home, "import", str(minutes), *STATED)
    tm(home, "import", str(minutes), *STATED[2:], "--symbol", "NSE:OTHER")
    [file] = (home / "bars" / "NSE" / "ABC" / "1m").glob("*.parquet")
    content = bytearray(file.read_bytes())
    content[300] ^= 1
    file.write_bytes(content)
    result = tm(home, "check", "--json", ok=False)
    assert result.exit_code == 1
    assert [one["series"] for one in json.loads(result.stdout)] == ["NSE:OTHER:1m"]
    assert str(file) in result.stderr
    assert "does not agree with its checksum" in result.stderr
