"""A whole trading day as the broker's own clients drive it: `KiteConnect` and `KiteTicker`."""

import dataclasses
import hashlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from kiteconnect import KiteConnect
from kiteconnect import exceptions as kite_errors

from tests.sandbox.kite.market_making import (
    FUTURE,
    INFY,
    NIFTY,
    OPENING,
    TCS,
    opening,
    ticks,
)
from tests.sandbox.kite.serving import Running, running
from trademantra.sandbox.kite.accounts import KiteAccount, default_account
from trademantra.sandbox.kite.settings import KiteSettings

SECOND = 10**9
SCRIPT = Path(__file__).parent / "official_ticker.py"


class Receiver(BaseHTTPRequestHandler):
    """The app's server for postbacks; its first answer is a failure, which must be tried again."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        refused = self.server.refusals > 0
        self.server.refusals -= refused
        self.send_response(503 if refused else 200)
        self.send_header("content-length", "0")
        self.end_headers()
        if not refused:
            self.server.received.put(json.loads(body))

    def log_message(self, *args: object) -> None:
        return


@contextmanager
def postback_server(refusals: int) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.received, server.refusals = queue.Queue(), refusals
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class Ticker:
    """The official ticker in a process of its own."""

    def __init__(self, root: str, token: str, instruments: list[int]) -> None:
        listed = ",".join(str(token) for token in instruments)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(SCRIPT), f"ws{root[4:]}", token, listed],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"TZ": "Asia/Kolkata", "PATH": ""},
        )

    def next(self, kind: str) -> object:
        """The next message of a kind; others are passed over."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if message["kind"] == kind:
                return message["data"]
        raise AssertionError(f"the ticker ended before it told of {kind}")

    def ticks(self) -> dict[int, dict]:
        found = self.next("ticks")
        assert isinstance(found, list)
        return {tick["instrument_token"]: tick for tick in found}

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process.stdout.close()


def log_in(server: Running, account: KiteAccount) -> KiteConnect:
    """The browser's part, then the exchange of tokens with the checksum."""
    page = httpx2.get(f"{server.root}/connect/login?v=3&api_key={account.api_key}", trust_env=False)
    assert page.status_code == 302
    query = parse_qs(urlsplit(page.headers["location"]).query)
    assert (query["action"], query["status"], query["type"]) == (["login"], ["success"], ["login"])
    kite = KiteConnect(account.api_key, root=server.root)
    session = kite.generate_session(query["request_token"][0], account.api_secret)
    assert session["login_time"] == datetime(2026, 11, 20, 9, 14, 30)
    assert session["access_token"] == kite.access_token
    with pytest.raises(kite_errors.TokenException):
        kite.generate_session(query["request_token"][0], account.api_secret)
    return kite


def test_a_whole_day() -> None:
    with postback_server(refusals=1) as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/postback"
        account = dataclasses.replace(default_account("http://127.0.0.1:1"), postback_url=url)
        with running(KiteSettings(rate_limits=False), [account]) as server:
            kite = log_in(server, account)
            ticker = Ticker(server.root, kite.access_token, [INFY, TCS, NIFTY, FUTURE])
            try:
                trade_the_day(server, kite, ticker, receiver.received, account)
            finally:
                ticker.close()
                kite.reqsession.close()
    assert server.reports == []


def trade_the_day(
    server: Running, kite: KiteConnect, ticker: Ticker, posted: "queue.Queue[dict]", account: KiteAccount
) -> None:
    # before the market opens
    assert kite.profile()["user_id"] == "AB1234"
    assert kite.margins("equity")["net"] == 1_000_000
    rows = {row["tradingsymbol"]: row for row in kite.instruments()}
    assert rows["NIFTY26NOVFUT"]["lot_size"] == 65
    assert [row["exchange"] for row in kite.instruments("MCX")] == ["MCX"]
    ticker.next("connect")
    server.feed_batch(opening(server.known))

    # ticks in three modes
    seen = ticker.ticks()
    while not _has_opened(seen):
        seen |= ticker.ticks()
    assert seen[TCS]["ohlc"]["close"] == 3000.0
    assert seen[NIFTY]["tradable"] is False
    assert seen[FUTURE]["exchange_timestamp"] == "2026-11-20 09:15:00"
    assert len(seen[FUTURE]["depth"]["sell"]) == 5

    # a limit order: modified, filled, told by socket and postback
    limit = kite.place_order("regular", "NSE", "INFY", "BUY", 10, "MIS", "LIMIT", price=1490, tag="day1")
    assert ticker.next("order")["status"] == "OPEN"
    assert kite.modify_order("regular", limit, quantity=20, price=1495) == limit
    assert ticker.next("order")["status"] == "UPDATE"
    server.feed(ticks(INFY, [1494.0], start_ns=OPENING + SECOND))
    update = ticker.next("order")
    assert (update["order_id"], update["status"], update["filled_quantity"]) == (limit, "COMPLETE", 20)
    bodies = [posted.get(timeout=20), posted.get(timeout=20)]
    assert [body["status"] for body in bodies] == ["UPDATE", "COMPLETE"]
    for body in bodies:
        text = body["order_id"] + body["order_timestamp"] + account.api_secret
        assert body["checksum"] == hashlib.sha256(text.encode()).hexdigest()
        assert (body["user_id"], body["unfilled_quantity"] + body["filled_quantity"]) == ("AB1234", 20)
    history = kite.order_history(limit)
    assert history[0]["status"] == "PUT ORDER REQ RECEIVED"
    assert history[-1]["status"] == "COMPLETE"
    assert [row["order_id"] for row in kite.orders() if row["tag"] == "day1"] == [limit]
    assert sum(trade["quantity"] for trade in kite.order_trades(limit)) == 20

    # a protected market order, a stop, IOC, minutes, disclosed quantity
    market = kite.place_order("regular", "NSE", "TCS", "BUY", 5, "MIS", "MARKET", market_protection=-1)
    stop = kite.place_order("regular", "NSE", "INFY", "SELL", 20, "MIS", "SL", price=1480, trigger_price=1485)
    ioc = kite.place_order("regular", "NSE", "TCS", "BUY", 5, "MIS", "LIMIT", price=2000, validity="IOC")
    minutes = kite.place_order(
        "regular",
        "NSE",
        "TCS",
        "BUY",
        5,
        "MIS",
        "LIMIT",
        price=2900,
        validity="TTL",
        validity_ttl=2,
        disclosed_quantity=5,
    )
    with pytest.raises(kite_errors.InputException, match="without market protection"):
        kite.place_order("regular", "NSE", "TCS", "BUY", 5, "MIS", "MARKET")
    server.feed(
        [
            *ticks(TCS, [3005.0], start_ns=OPENING + 2 * SECOND),
            *ticks(INFY, [1484.0, 1483.0], start_ns=OPENING + 3 * SECOND),
        ]
    )
    states = {row["order_id"]: row["status"] for row in kite.orders()}
    assert (states[market], states[stop], states[ioc], states[minutes]) == (
        "COMPLETE", "COMPLETE", "CANCELLED", "OPEN"
    )  # fmt: skip
    server.control("POST", "clock", {"advance_seconds": 150})
    assert kite.order_history(minutes)[-1]["status"] == "CANCELLED"

    # iceberg, cover, slices, lots
    now = OPENING + 200 * SECOND
    iceberg = kite.place_order(
        "iceberg", "NSE", "INFY", "BUY", 20, "MIS", "LIMIT", price=1490, iceberg_legs=2, iceberg_quantity=10
    )
    assert kite.order_history(iceberg)[-1]["meta"]["iceberg"]["legs"] == 2
    server.feed(ticks(INFY, [1483.0, 1483.0, 1483.0], start_ns=now))
    legs = [row for row in kite.orders() if row["variety"] == "iceberg"]
    assert [(row["status"], row["filled_quantity"]) for row in legs] == [("COMPLETE", 10), ("COMPLETE", 10)]
    cover = kite.place_order("co", "NSE", "TCS", "BUY", 5, "MIS", "LIMIT", price=3010, trigger_price=2990)
    server.feed(ticks(TCS, [3004.0, 3004.0], start_ns=now + 10 * SECOND))
    assert kite.order_history(cover)[-1]["product"] == "CO"
    (guard,) = [row for row in kite.orders() if row["status"] == "TRIGGER PENDING"]
    assert guard["parent_order_id"] == cover
    assert kite.exit_order("co", guard["order_id"], parent_order_id=cover) == guard["order_id"]
    server.feed(ticks(TCS, [3004.0], start_ns=now + 15 * SECOND))
    assert kite.order_history(guard["order_id"])[-1]["status"] == "COMPLETE"
    sliced = kite.place_autoslice_order(
        "regular", "NFO", "NIFTY26NOV25000CE", "BUY", 3640, "NRML", "LIMIT", price=100
    )
    assert len(sliced["children"]) == 3
    for child in sliced["children"]:
        kite.cancel_order("regular", child["order_id"])
    lots = kite.place_order("regular", "MCX", "CRUDEOIL26DECFUT", "BUY", 1, "NRML", "LIMIT", price=5600)
    assert kite.order_history(lots)[-1]["quantity"] == 1
    kite.cancel_order("regular", lots)

    # a GTT that triggers
    leg = {"transaction_type": "SELL", "quantity": 20, "order_type": "LIMIT", "product": "MIS", "price": 1500}
    oco = kite.place_gtt("two-leg", "INFY", "NSE", [1400, 1500], 1483, [leg | {"price": 1390}, leg])[
        "trigger_id"
    ]
    assert kite.modify_gtt(oco, "two-leg", "INFY", "NSE", [1400, 1505], 1483, [leg | {"price": 1390}, leg])
    single = kite.place_gtt("single", "TCS", "NSE", [2500], 3004, [leg | {"price": 2500}])["trigger_id"]
    kite.delete_gtt(single)
    server.feed(ticks(INFY, [1506.0, 1507.0], start_ns=now + 20 * SECOND))
    gtt = kite.get_gtt(oco)
    assert gtt["status"] == "triggered"
    assert gtt["orders"][1]["result"]["order_result"]["status"] == "success"
    assert [row["id"] for row in kite.get_gtts()] == [oco]
    sold = gtt["orders"][1]["result"]["order_result"]["order_id"]
    assert kite.order_history(sold)[-1]["status"] == "COMPLETE"

    # the market as it is asked for
    assert kite.ltp("NSE:INFY")["NSE:INFY"]["last_price"] == 1507
    assert kite.ohlc(["NSE:TCS", "NSE:NOSUCH"])["NSE:TCS"]["ohlc"]["open"] == 3010
    assert kite.quote("NFO:NIFTY26NOVFUT")["NFO:NIFTY26NOVFUT"]["timestamp"] == datetime(2026, 11, 20, 9, 15)
    candles = kite.historical_data(INFY, "2026-11-20 09:15:00", "2026-11-20 09:16:00", "minute", oi=True)
    assert [candle["high"] for candle in candles] == [1500]
    assert kite.trigger_range("BUY", "NSE:INFY")["NSE:INFY"]["upper"] == 1507
    order = {"exchange": "NFO", "tradingsymbol": "NIFTY26NOVFUT", "transaction_type": "SELL", "variety": "regular",
             "product": "NRML", "order_type": "LIMIT", "quantity": 65, "price": 25050, "trigger_price": 0}  # fmt: skip
    assert kite.order_margins([order])[0]["span"] > 0
    assert kite.basket_order_margins([order], consider_positions=False)["final"]["total"] > 0
    note = kite.get_virtual_contract_note([order | {"order_id": "1", "average_price": 25050}])
    assert note[0]["charges"]["total"] > 0

    # positions, conversion, end of the day
    net = {(row["tradingsymbol"], row["product"]): row for row in kite.positions()["net"]}
    assert net["INFY", "MIS"]["quantity"] == 0
    assert net["TCS", "MIS"]["quantity"] == 5
    assert kite.convert_position("NSE", "TCS", "BUY", "day", 5, "MIS", "CNC") is True
    products = {
        row["product"]: row["quantity"] for row in kite.positions()["net"] if row["tradingsymbol"] == "TCS"
    }
    assert products["CNC"] == 5
    left = kite.place_order("regular", "NSE", "TCS", "BUY", 1, "CNC", "LIMIT", price=2800)
    server.control("POST", "clock", {"advance_to": "2026-11-20T23:00"})
    assert kite.order_history(left)[-1]["status"] == "CANCELLED"

    # the next morning
    server.control("POST", "clock", {"advance_to": "2026-11-21T06:00"})
    with pytest.raises(kite_errors.TokenException):
        kite.holdings()
    ticker.next("close")
    fresh = httpx2.get(f"{server.root}/connect/login?v=3&api_key=testkey", trust_env=False)
    kite.generate_session(
        parse_qs(urlsplit(fresh.headers["location"]).query)["request_token"][0], "testsecret"
    )
    (holding,) = kite.holdings()
    assert (holding["tradingsymbol"], holding["quantity"] + holding["t1_quantity"]) == ("TCS", 5)
    assert kite.orders() == []
    assert kite.get_auction_instruments() == []
    assert kite.invalidate_access_token() is True


def _has_opened(seen: dict[int, dict]) -> bool:
    """Whether the last tick of each is of the opening and in its mode; before it, it is yesterday's close."""
    wanted = {
        INFY: ("ltp", 1500.0),
        TCS: ("quote", 3010.0),
        NIFTY: ("full", 25000.0),
        FUTURE: ("full", 25050.0),
    }
    return all(
        token in seen and (seen[token]["mode"], seen[token]["last_price"]) == now
        for token, now in wanted.items()
    )
