"""`tm sandbox kite` as a user starts and stops it."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
from kiteconnect import KiteConnect
from typer.testing import CliRunner

from trademantra.cli import app
from trademantra.core.errors import TradeMantraError

DAY = "2026-11-20"


@contextmanager
def started(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its root, once it has said that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trademantra", "sandbox", "kite", "--port", "0", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert "ready at http://127.0.0.1:" in line, (line, process.stderr.read())
        yield process, line.split("ready at ")[1].split()[0]
    finally:
        process.kill()
        process.wait(20)
        process.stdout.close()
        process.stderr.close()


def client(root: str) -> KiteConnect:
    page = httpx2.get(f"{root}/connect/login?v=3&api_key=testkey", trust_env=False)
    kite = KiteConnect("testkey", root=root)
    kite.generate_session(
        parse_qs(urlsplit(page.headers["location"]).query)["request_token"][0], "testsecret"
    )
    return kite


def control(root: str, path: str, body: object) -> object:
    return httpx2.post(f"{root}/sandbox/{path}", json=body, trust_env=False, timeout=30).json()


def test_it_prints_one_line_trades_and_stops_cleanly() -> None:
    with started("--day", DAY, "--shares", "3") as (process, root):
        kite = client(root)
        rows = {row["tradingsymbol"]: row for row in kite.instruments()}
        assert "SYNBANK1" in rows
        assert {row["instrument_type"] for row in rows.values()} == {"EQ", "FUT", "CE", "PE"}
        control(root, "clock", {"advance_to": f"{DAY}T09:30", "paused": True})
        shares = kite.place_order(
            "regular", "NSE", "SYNBANK1", "BUY", 10, "MIS", "MARKET", market_protection=-1
        )
        assert kite.order_history(shares)[-1]["status"] == "COMPLETE"  # it met the standing price
        future = next(name for name, row in rows.items() if row["instrument_type"] == "FUT")
        bought = kite.place_order("regular", "NFO", future, "BUY", 65, "NRML", "MARKET", market_protection=-1)
        assert kite.order_history(bought)[-1]["status"] in ("COMPLETE", "REJECTED")
        candles = kite.historical_data(
            rows["SYNINDEX"]["instrument_token"], "2026-11-18 09:15:00", f"{DAY} 15:30:00", "15minute"
        )
        assert len(candles) == 2 * 24 + 1 + (candles[-1]["date"].strftime("%H:%M") == "09:30")
        kite.reqsession.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read() == "stopped\n"
        assert process.stderr.read() == ""


def test_a_killed_server_goes_on_where_it_was(tmp_path: Path) -> None:
    words = ("--day", DAY, "--shares", "1", "--journal", str(tmp_path / "desk.journal"))
    with started(*words) as (process, root):
        kite = client(root)
        control(root, "clock", {"advance_to": f"{DAY}T10:00", "paused": True})
        price = kite.ltp("NSE:SYNBANK1")["NSE:SYNBANK1"]["last_price"]
        limit = round(price * 0.9, 1)
        resting = kite.place_order(
            "regular", "NSE", "SYNBANK1", "BUY", 10, "CNC", "LIMIT", price=limit, tag="kept"
        )
        traded = kite.place_order(
            "regular", "NSE", "SYNBANK1", "BUY", 5, "CNC", "MARKET", market_protection=-1
        )
        before = (kite.orders(), kite.trades(), kite.margins())
        kite.reqsession.close()
        process.kill()
        process.wait(20)
    with started(*words) as (_, root):
        control(root, "clock", {"paused": True})
        kite = client(root)
        orders = {row["order_id"]: row for row in kite.orders()}
        assert orders[resting] == next(row for row in before[0] if row["order_id"] == resting)
        assert (kite.trades(), kite.margins()["equity"]["utilised"]["delivery"]) == (
            before[1],
            before[2]["equity"]["utilised"]["delivery"],
        )
        assert orders[traded]["status"] == "COMPLETE"
        state = httpx2.get(f"{root}/sandbox/state", trust_env=False).json()
        assert state["clock"]["now"] >= f"{DAY}T10:00"
        kite.reqsession.close()


def test_stored_bars_are_replayed(tmp_path: Path) -> None:
    from trademantra.core.bar import Timeframe
    from trademantra.data.sample.install import SampleRequest, synthetic_market
    from trademantra.data.sample.minutes import generate_bars
    from trademantra.data.series import Series
    from trademantra.data.store import BarStore

    market = synthetic_market(SampleRequest(shares=2, days=2, seed=3))
    for symbol, bars in generate_bars(market).items():
        BarStore(tmp_path).append(Series("NSE", symbol, Timeframe.parse("1m")), bars)
    first, last = (day.trade_date.isoformat() for day in market.days)
    with started("--replay", str(tmp_path), "--profile", "legacy", "--speed", "0.001") as (_, root):
        kite = client(root)
        control(root, "clock", {"advance_to": f"{last}T09:20", "paused": True})
        order = kite.place_order("regular", "NSE", "SYNBANK1", "BUY", 10, "MIS", "MARKET")
        assert kite.order_history(order)[-1]["status"] == "COMPLETE"
        token = next(
            row["instrument_token"] for row in kite.instruments() if row["tradingsymbol"] == "SYNBANK1"
        )
        days = kite.historical_data(token, f"{first} 00:00:00", f"{last} 23:59:59", "day")
        assert [row["date"].date().isoformat() for row in days] == [first, last]
        stored = BarStore(tmp_path).read(Series("NSE", "SYNBANK1", Timeframe.parse("1m")))
        minutes = kite.historical_data(token, f"{last} 09:15:00", f"{last} 09:18:00", "minute")
        today = stored.ts >= market.days[1].intervals[0][0]
        assert [row["high"] for row in minutes] == stored.high[today][:4].tolist()
        assert [row["volume"] for row in minutes] == stored.volume[today][:4].tolist()
        kite.reqsession.close()


def refused(*words: str) -> str:
    done = CliRunner().invoke(app, ["sandbox", "kite", "--port", "0", *words])
    assert isinstance(done.exception, TradeMantraError), done
    return str(done.exception)


def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "choose another one with --port" in refused("--port", port)
    assert "cannot listen" in refused("--host", "203.0.113.1")
    (tmp_path / "accounts.json").write_text(json.dumps({"accounts": [{"user_id": "A"}]}))
    assert "api_key" in refused("--accounts", str(tmp_path / "accounts.json"))
    assert "no intraday bars" in refused("--replay", str(tmp_path))
    assert "two markets" in refused("--replay", str(tmp_path), "--synthetic")
    assert "not a date" in refused("--day", "tomorrow")
    assert "holidays" in refused("--day", "2035-01-01")
