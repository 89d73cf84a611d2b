"""`tm backtest` from the outside."""

import json
import re
from csv import DictReader
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from trademantra.cli.backtest import register
from trademantra.cli.backtest_view import money
from trademantra.core.errors import BadInputError, InvalidValueError, NotFoundError
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.time import IST, datetime_of, ist_ns
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars
from trademantra.markets.sessions import trading_days_between

COUNT = 120


def run(home: Path, *words: str) -> str:
    app = typer.Typer()
    register(app)
    app.command("other")(lambda: None)  # with one command only typer drops its name
    result = CliRunner().invoke(
        app, ["backtest", "sma_cross", "--set", "fast=3", "--set", "slow=8", *words, "--data-dir", str(home)]
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def days(phase: float, count: int = COUNT) -> Bars:
    from datetime import time

    dates = trading_days_between(date(2025, 1, 1), date(2025, 12, 31), Exchange.NSE, Segment.EQUITY)[:count]
    close = np.round(100.0 + 10.0 * np.sin(np.arange(count) / 9.0 + phase), 2)
    ts = np.array([ist_ns(day, time()) for day in dates])
    return Bars.of(ts, close, close + 1.0, close - 1.0, close, np.full(count, 1_000.0))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store = BarStore(tmp_path / "bars")
    for place, name in enumerate(("NSE:AAA:1d", "NSE:BBB:1d", "NSE:NIFTY:1d")):
        store.append(Series.parse(name), days(place))
    store.append(Series.parse("BSE:AAA:1d"), days(3.0, 90))
    return tmp_path


def test_the_exchange_chooses_among_stored_symbols(home: Path) -> None:
    told = json.loads(run(home, "--bars", "AAA", "--exchange", "bse", "--json"))
    assert told["series"] == ["BSE:AAA:1d"]
    with pytest.raises(NotFoundError, match="no bars of MCX are stored") as refused:
        run(home, "--bars", "AAA", "--exchange", "MCX")
    assert refused.value.hint == "bars are stored of BSE, NSE"
    with pytest.raises(InvalidValueError, match="'NSEE' is not an exchange"):
        run(home, "--bars", "AAA", "--exchange", "NSEE")


def test_each_of_several_symbols_is_held_against_the_benchmark(home: Path) -> None:
    both = json.loads(run(home, "--bars", "NSE:AAA", "--bars", "NSE:BBB", "--benchmark", "NIFTY", "--json"))
    for name, told in zip(("AAA", "BBB"), both, strict=True):
        alone = json.loads(run(home, "--bars", f"NSE:{name}", "--benchmark", "NIFTY", "--json"))
        assert told["metrics"]["beta"] is not None
        assert told["metrics"] == alone["metrics"]


def csv(folder: Path, header: str, rows: list[str]) -> str:
    path = folder / "prices.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def daily_rows(count: int, line: str) -> list[str]:
    days_of = [f"2025-{1 + k // 28:02}-{1 + k % 28:02}" for k in range(count)]
    return [line.format(day=day, close=100 + k % 9) for k, day in enumerate(days_of)]


@pytest.mark.parametrize(
    ("row", "option"),
    [("2025-03-29,100,101,99,x,5", "--skip-bad"), ("1/2/2025 soon,1,1,1,1,1", "--date-format")],
)
def test_an_option_that_only_the_import_has_comes_with_its_command(home: Path, row: str, option: str) -> None:
    rows = daily_rows(60, "{day},{close},110,90,{close},5")
    file = csv(home, "date,open,high,low,close,volume", [*rows, row])
    with pytest.raises(BadInputError) as refused:
        run(home, "--bars", file)
    assert option in refused.value.hint
    assert f"tm data import {file} --exchange NSE --symbol PRICES --timezone UTC" in refused.value.hint
    assert "--bars PRICES" in refused.value.hint


def test_columns_that_are_not_found_name_the_import_too(home: Path) -> None:
    file = csv(home, "when,a,b,c,d", ["2025-01-01,1,1,1,1"])
    with pytest.raises(BadInputError) as refused:
        run(home, "--bars", file)
    assert "--map" in refused.value.hint
    assert "tm data import" in refused.value.hint


def test_ist_is_a_zone_everywhere(home: Path) -> None:
    file = csv(
        home,
        "time,open,high,low,close,volume",
        daily_rows(60, "{day} 09:15:00,{close},110,90,{close},5"),
    )
    told, again = (
        json.loads(run(home, "--bars", file, "--timezone", zone, "--json"))
        for zone in ("IST", "Asia/Kolkata")
    )
    assert told["metrics"] == again["metrics"]
    with pytest.raises(InvalidValueError, match="not a time zone"):
        run(home, "--bars", file, "--timezone", "IST5")


def test_a_jump_in_the_prices_is_a_warning_in_the_notes(home: Path) -> None:
    split = days(0.0)
    halved = np.where(np.arange(COUNT) < 60, 1.0, 0.5)
    prices = (getattr(split, name) * halved for name in ("open", "high", "low", "close"))
    BarStore(home / "bars").append(Series.parse("NSE:SPLIT:1d"), Bars.of(split.ts, *prices, split.volume))
    notes = json.loads(run(home, "--bars", "SPLIT", "--json"))["notes"]
    [warning] = [note for note in notes if note.startswith("warning:")]
    assert "NSE:SPLIT:1d jumps by more than 15 %" in warning
    assert str(datetime_of(int(split.ts[60]), IST).date()) in warning
    assert "jumps by more than" in " ".join(run(home, "--bars", "SPLIT").split())
    assert not [
        note for note in json.loads(run(home, "--bars", "NSE:AAA", "--json"))["notes"] if "jumps" in note
    ]


def test_it_is_told_which_close_of_a_yahoo_file_is_used(home: Path) -> None:
    header = "Date,Open,High,Low,Close,Adj Close,Volume"
    file = csv(home, header, daily_rows(60, "{day},{close},110,90,{close},50,5"))
    notes = json.loads(run(home, "--bars", file, "--json"))["notes"]
    assert any("close is 'Close'; 'Adj Close' is left out" in note for note in notes)
    only = csv(home, "Date,Open,High,Low,Adj Close,Volume", daily_rows(60, "{day},{close},110,90,50,5"))
    with pytest.raises(BadInputError, match="the only close is 'Adj Close'"):
        run(home, "--bars", only)


def test_series_of_two_exchanges_are_told_apart(home: Path) -> None:
    with pytest.raises(InvalidValueError, match="several exchanges: BSE:AAA:1d, NSE:BBB:1d") as refused:
        run(home, "--bars", "BSE:AAA", "--bars", "BBB")
    assert "run BSE and NSE apart" in refused.value.hint
    assert "--timeframe" not in refused.value.hint


def test_rupees_are_grouped_for_people_and_plain_for_programs(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "trades.csv"
    words = ("--bars", "NSE:AAA", "--cash", "12345678", "--costs", "flat:0.0003")
    shown = run(home, *words, "--trades", str(out))
    told = json.loads(run(home, *words, "--json"))
    assert money(told["metrics"]["final_equity"], "INR") in shown
    assert re.search(r"\d,\d\d,\d\d,\d\d\d\.\d\d", shown)
    rows = list(DictReader(out.read_text().splitlines()))
    assert rows
    for row in rows:
        for name in ("entry_price", "exit_price", "quantity", "gross", "costs", "net"):
            assert len(row[name].replace("-", "").replace(".", "").strip("0")) <= 12, row
            assert "," not in row[name]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--risk-free", "nan"), "not an annual rate"),
        (("--risk-free", "6.5"), "not an annual rate.*0.065"),
        (("--from", "2025-06-01", "--to", "2025-05-01"), "--from 2025-06-01 is after --to 2025-05-01"),
    ],
)
def test_options_that_make_no_sense_are_told(home: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        run(home, "--bars", "NSE:AAA", *words)
