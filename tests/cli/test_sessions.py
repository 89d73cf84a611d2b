"""`tm sessions` and `tm phase` from the outside."""

import json
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.data.instruments.dumps import kite_file
from trademantra.cli import sessions
from trademantra.core.errors import (
    AmbiguousInstrumentError,
    BadInputError,
    InvalidValueError,
    MissingFactError,
    NotFoundError,
    TradeMantraError,
    UnknownInstrumentError,
)
from trademantra.core.time import ns_of, parse_instant
from trademantra.data.instruments.master import import_files, master_path
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setenv("TRADEMANTRA_HOME", str(tmp_path / "home"))
    for name in ("NASDAQ:STORED:1d", "NSE:TWICE:1d", "BSE:TWICE:1d"):
        BarStore(tmp_path / "home" / "bars").append(
            Series.parse(name), Bars.of([1_700_000_000_000_000_000], [1.0], [1.0], [1.0], [1.0], [1.0])
        )
    fresh = typer.Typer()
    sessions.register(fresh)
    return fresh


def run(app: typer.Typer, *words: str) -> str:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def phase_of(app: typer.Typer, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(app, "phase", *words, "--json"))
    return found


def test_a_day_shows_every_kind(app: typer.Typer) -> None:
    shown = run(app, "sessions", "2026-11-20")
    for line in (
        "Friday 2026-11-20",
        "share with derivatives",
        "other share",
        "09:05-09:10 preopen_limit_only ~09:08",
        "15:15-15:20 cas_reference",
        "09:15-15:30 continuous",
        "09:15-15:40 continuous",
        "09:00-17:00 continuous",
        "09:00-23:55 continuous",
    ):
        assert line in shown


def test_a_holiday_says_so_and_shows_the_evening_of_mcx(app: typer.Typer) -> None:
    shown = run(app, "sessions", "2026-11-24")
    assert "closed: holiday (Guru Nanak Jayanti)" in shown
    assert "17:00-23:55 continuous" in shown
    assert "closed: weekend" in run(app, "sessions", "2026-11-21", "-e", "NSE")


def test_a_drill_shows_its_pause(app: typer.Typer) -> None:
    shown = run(app, "sessions", "2024-03-02", "--exchange", "bse", "--segment", "equity")
    assert "drill" in shown
    assert "10:00-11:15 closed" in shown


def test_json_tiles_the_day(app: typer.Typer) -> None:
    rows = json.loads(run(app, "sessions", "2026-09-07", "-s", "equity", "--json"))
    assert [row["instrument"] for row in rows] == ["share with derivatives", "other share"]
    for row in rows:
        phases = row["phases"]
        assert phases[0]["start"] == "2026-09-07T00:00:00+05:30"
        assert phases[-1]["end"] == "2026-09-08T00:00:00+05:30"
        assert all(a["end"] == b["start"] for a, b in pairwise(phases))
    closed = json.loads(run(app, "sessions", "2026-11-10", "--json"))
    assert {row["day"] for row in closed} == {"closed", "partial"}
    assert closed[0]["reason"] == "closed: holiday (Diwali Balipratipada)"


def test_what_is_known_of_a_day_is_shown_with_what_is_not(app: typer.Typer) -> None:
    rows = json.loads(run(app, "sessions", "2023-06-01", "--json"))
    by_name = {row["instrument"]: row for row in rows}
    assert by_name["other share"]["day"] == "regular"
    assert by_name["currency derivatives"]["error"]["code"] == "missing_fact"
    assert "holidays" in run(app, "sessions", "2023-06-01")


@pytest.mark.parametrize(
    ("symbol", "options", "exchange", "segment", "phase"),
    [
        ("RELIANCE", [], "NSE", "equity", "cas_reference"),
        ("nse:infy", [], "NSE", "equity", "cas_reference"),
        ("SMALLCO", ["--no-closing-auction"], "NSE", "equity", "continuous"),
        ("SMALLCO", ["--closing-auction"], "NSE", "equity", "cas_reference"),
        ("NIFTY", [], "NSE", "index", "cas_reference"),
        ("SENSEX", [], "BSE", "index", "cas_reference"),
        ("BSE:CDSL", [], "BSE", "equity", "continuous"),
        ("NIFTY26NOVFUT", [], "NSE", "equity_futures", "continuous"),
        ("NIFTYNXT5026NOVFUT", [], "NSE", "equity_futures", "continuous"),
        ("NIFTY26N2324500CE", [], "NSE", "equity_options", "continuous"),
        ("SENSEX26N2685000PE", [], "BSE", "equity_options", "continuous"),
        ("BFO:SENSEX26NOVFUT", [], "BSE", "equity_futures", "continuous"),
        ("M&M26DEC3000CE", [], "NSE", "equity_options", "continuous"),
        ("USDINR26DECFUT", [], "NSE", "currency_futures", "continuous"),
        ("GOLD26DECFUT", [], "MCX", "commodity_futures", "continuous"),
        ("CRUDEOIL26DEC5000PE", [], "MCX", "commodity_options", "continuous"),
        ("MCX:KAPAS", [], "MCX", "commodity_futures", "continuous"),
        ("AAPL", ["-e", "NASDAQ"], "NASDAQ", "equity", "closed"),
        ("EURUSD", ["-e", "forex"], "FOREX", "forex", "continuous"),
        ("BTCUSDT", ["-e", "BINANCE"], "BINANCE", "crypto_spot", "continuous"),
        ("btcusdt", [], "BINANCE", "crypto_spot", "continuous"),
        ("EURUSD", [], "FOREX", "forex", "continuous"),
        ("NSE:NIFTY:2026-11-24:FUT", [], "NSE", "equity_futures", "continuous"),
        ("NIFTY:2026-11-24:FUT", [], "NSE", "equity_futures", "continuous"),
        ("NSE:NIFTY:2026-11-24:24500:CE", [], "NSE", "equity_options", "continuous"),
        ("SENSEX:2026-11-26:85000.5:PE", [], "BSE", "equity_options", "continuous"),
        ("NSE:USDINR:2026-12-29:FUT", [], "NSE", "currency_futures", "continuous"),
        ("MCX:GOLD:2026-12-04:FUT", [], "MCX", "commodity_futures", "continuous"),
        ("MCX_FO:GOLD26DECFUT", [], "MCX", "commodity_futures", "continuous"),
        ("NSE:SMALLCO", ["--no-closing-auction"], "NSE", "equity", "continuous"),
        ("STORED", [], "NASDAQ", "equity", "closed"),
    ],
)
def test_a_symbol_is_recognised(
    app: typer.Typer, symbol: str, options: list[str], exchange: str, segment: str, phase: str
) -> None:
    found = phase_of(app, "2026-11-20T15:17", symbol, *options)
    assert (found["exchange"], found["segment"], found["phase"]) == (exchange, segment, phase)


def test_a_time_without_zone_is_read_in_india_and_said_so(app: typer.Typer) -> None:
    assert "no zone: read as India time" in run(app, "phase", "2026-11-20T15:17", "RELIANCE")
    zoned = run(app, "phase", "2026-11-20T09:47:00Z", "RELIANCE")
    assert "no zone" not in zoned
    assert "cas_reference" in zoned
    assert "until Fri 2026-11-20 15:20 IST, then cas_entry" in zoned


def test_without_a_time_it_is_now_and_today_where_the_exchange_is(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "now_ns", lambda: ns_of(parse_instant("2026-11-19T20:00:00+00:00")))
    assert phase_of(app, "RELIANCE")["instant"] == "2026-11-20T01:30:00+05:30"
    assert "no zone" not in run(app, "phase", "RELIANCE")
    assert "Friday 2026-11-20" in run(app, "sessions")
    assert "Thursday 2026-11-19" in run(app, "sessions", "-e", "NYSE")


def test_a_random_end_is_told(app: typer.Typer) -> None:
    assert "may end at any moment from 15:28" in run(app, "phase", "2026-11-20T15:26", "NIFTY")
    assert phase_of(app, "2026-11-20T15:26", "NIFTY")["random_end_from"] == "2026-11-20T15:28:00+05:30"


def test_a_closed_market_is_followed_to_its_opening(app: typer.Typer) -> None:
    assert "until Mon 2026-11-23 09:15 IST, then continuous" in run(
        app, "phase", "2026-11-20T23:00", "NIFTY26N2324500CE"
    )
    assert phase_of(app, "2026-11-23T23:00", "NIFTY26DECFUT")["end"] == "2026-11-25T09:00:00+05:30"
    assert "not known: no row in table 'special_sessions'" in run(app, "phase", "2026-11-07T12:00", "INFY")


def test_an_own_file_gives_the_hours(app: typer.Typer, tmp_path: Path) -> None:
    mine = tmp_path / "sessions.toml"
    mine.write_text(
        '[[session]]\ndate = 2026-11-08\nexchanges = ["NSE"]\ngroups = ["cash"]\nkind = "muhurat"\n'
        'phases = ["00:00 closed", "18:15 continuous", "19:15 closed"]\n',
        encoding="utf-8",
    )
    found = phase_of(app, "2026-11-08T18:30", "INFY", "--sessions-file", str(mine))
    assert (found["phase"], found["end"]) == ("continuous", "2026-11-08T19:15:00+05:30")
    shown = run(app, "sessions", "2026-11-08", "-s", "equity", "--sessions-file", str(mine))
    assert "muhurat" in shown


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["sessions", "20 Nov"], InvalidValueError, "not a date"),
        (["sessions", "2027-01-04"], MissingFactError, "equity in 2027"),
        (["sessions", "2026-11-08"], MissingFactError, "2026-11-08"),
        (["sessions", "2026-11-20", "-e", "NASDAK"], InvalidValueError, "NASDAK"),
        (["sessions", "2026-11-20", "-e", "GIFT"], NotFoundError, "GIFT"),
        (["phase", "noon", "INFY"], InvalidValueError, "not a time"),
        (["phase", "2026-11-20T15:20", "NSE:SMALLCO"], MissingFactError, "SMALLCO"),
        (["phase", "2026-11-20T15:20", "RELIANC"], UnknownInstrumentError, "did you mean RELIANCE"),
        (
            ["phase", "2026-11-20T15:20", "SMALLCO"],
            UnknownInstrumentError,
            "Say where it trades: NSE:SMALLCO",
        ),
        (["phase", "2026-11-20T15:20", "NSE:NIFTY:2026-13-24:FUT"], InvalidValueError, "not a date"),
        (["phase", "2026-11-20T15:20", "TWICE"], AmbiguousInstrumentError, "BSE and NSE"),
        (["phase", "2026-11-20T15:20"], InvalidValueError, "no symbol after"),
        (["phase", "2026-11-20T15:20", "INFY", "TCS"], InvalidValueError, "'TCS' is too much"),
        (["phase", "2026-11-20T15:20", "FILE:INFY"], InvalidValueError, "not an exchange"),
        (["phase", "2026-11-20T15:20", "NSE:"], UnknownInstrumentError, "empty"),
        (["phase", "2026-11-20T15:20", "XYZ:INFY"], InvalidValueError, "XYZ"),
        (["phase", "2026-11-20T15:20", "NIFTY26N3524500CE"], UnknownInstrumentError, "does not exist"),
        (
            ["phase", "2026-11-20T15:20", "NIFTY", "-s", "equity_options"],
            UnknownInstrumentError,
            "names no contract",
        ),
        (["phase", "2026-11-20T15:20", "MCX:TIN"], MissingFactError, "TIN"),
        (["phase", "2026-11-20T15:20", "INFY", "--sessions-file", "/no/such"], BadInputError, "/no/such"),
        (["phase", "2026-11-20T15:20", "INFY", "--sessions-file", __file__], BadInputError, "is not TOML"),
    ],
)
def test_rubbish_is_an_error_that_helps(
    app: typer.Typer, words: list[str], error: type[TradeMantraError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(app, *words)


def test_a_share_of_which_the_auction_is_not_known_is_not_promised_the_later_end(app: typer.Typer) -> None:
    told = run(app, "phase", "2026-11-20T11:00", "NSE:PFC")
    assert "until Fri 2026-11-20 15:15 IST, then not known" in told
    assert "15:30" in told
    assert "15:30 IST, then" in run(app, "phase", "2026-11-20T11:00", "NSE:PFC", "--no-closing-auction")


def test_a_symbol_of_the_instrument_master_is_known(app: typer.Typer, tmp_path: Path) -> None:
    file = kite_file(tmp_path, ['128083204,500325,NEWCO,"NEW CO",0,,0,0.05,1,EQ,BSE,BSE'])
    with pytest.raises(UnknownInstrumentError):
        phase_of(app, "2026-11-20T11:00", "NEWCO")
    import_files(master_path(), [file], broker="kite", as_of=date(2026, 11, 19))
    assert phase_of(app, "2026-11-20T11:00", "NEWCO")["exchange"] == "BSE"
    with pytest.raises(UnknownInstrumentError):
        phase_of(app, "2026-11-20T11:00", "NEWCOO")
