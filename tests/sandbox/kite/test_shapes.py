"""Every answer against the field names and types of specs/brokers.md 1.4."""

import json
from collections.abc import Iterator, Mapping

import pytest

from tests.sandbox.kite.asking import Asking
from tests.sandbox.kite.market_making import INFY, OPENING, opening, ticks
from tests.sandbox.kite.serving import running
from trademantra.sandbox.kite.sessions import checksum

# s text, n number, b boolean, ? may be null, {} object, [] list
ORDER = """placed_by s, order_id s, exchange_order_id ?s, parent_order_id ?s, status s, status_message ?s,
status_message_raw ?s, order_timestamp s, exchange_update_timestamp ?s, exchange_timestamp ?s, variety s, modified b,
exchange s, tradingsymbol s, instrument_token n, order_type s, transaction_type s, validity s, validity_ttl n, product s,
quantity n, disclosed_quantity n, price n, trigger_price n, average_price n, filled_quantity n, pending_quantity n,
cancelled_quantity n, market_protection n, meta {}, tag ?s, guid s"""
TRADE = """trade_id s, order_id s, exchange s, tradingsymbol s, instrument_token n, product s, average_price n, quantity n,
exchange_order_id s, transaction_type s, fill_timestamp s, order_timestamp s, exchange_timestamp s"""
POSITION = """tradingsymbol s, exchange s, instrument_token n, product s, quantity n, overnight_quantity n, multiplier n,
average_price n, close_price n, last_price n, value n, pnl n, m2m n, unrealised n, realised n, buy_quantity n, buy_price n,
buy_value n, buy_m2m n, sell_quantity n, sell_price n, sell_value n, sell_m2m n, day_buy_quantity n, day_buy_price n,
day_buy_value n, day_sell_quantity n, day_sell_price n, day_sell_value n"""
HOLDING = """tradingsymbol s, exchange s, instrument_token n, isin s, product s, price n, quantity n, used_quantity n,
t1_quantity n, realised_quantity n, authorised_quantity n, authorised_date s, authorisation {}, opening_quantity n,
short_quantity n, collateral_quantity n, collateral_type s, discrepancy b, average_price n, last_price n, close_price n,
pnl n, day_change n, day_change_percentage n, mtf {}"""
PROFILE = """user_id s, user_type s, email s, user_name s, user_shortname s, broker s, exchanges [], products [],
order_types [], avatar_url ?s, meta {}"""
SESSION = (
    PROFILE + ", api_key s, access_token s, public_token s, enctoken s, refresh_token s, silo s, login_time s"
)
SEGMENT = "enabled b, net n, available {}, utilised {}"
AVAILABLE = "adhoc_margin n, cash n, opening_balance n, live_balance n, collateral n, intraday_payin n"
UTILISED = """debits n, exposure n, m2m_realised n, m2m_unrealised n, option_premium n, payout n, span n, holding_sales n,
turnover n, liquid_collateral n, stock_collateral n, delivery n"""
QUOTE = """instrument_token n, timestamp s, last_trade_time s, last_price n, last_quantity n, buy_quantity n,
sell_quantity n, volume n, average_price n, oi n, oi_day_high n, oi_day_low n, net_change n, lower_circuit_limit n,
upper_circuit_limit n, ohlc {}, depth {}"""
MARGIN = """type s, tradingsymbol s, exchange s, span n, exposure n, option_premium n, additional n, bo n, cash n, var n,
pnl {}, leverage n, charges {}, total n"""
CHARGES = """transaction_tax n, transaction_tax_type s, exchange_turnover_charge n, sebi_turnover_charge n, brokerage n,
stamp_duty n, gst {}, total n"""
NOTE = """transaction_type s, tradingsymbol s, exchange s, variety s, product s, order_type s, quantity n, price n,
charges {}"""
GTT = """id n, user_id s, parent_trigger ?s, type s, created_at s, updated_at s, expires_at s, status s, condition {},
orders [], meta {}"""
ALERT = """type s, user_id s, uuid s, name s, status s, disabled_reason s, lhs_exchange s, lhs_tradingsymbol s,
lhs_attribute s, operator s, rhs_type s, rhs_exchange s, rhs_tradingsymbol s, rhs_attribute s, rhs_constant n,
alert_count n, created_at s, updated_at s"""
TYPES = {"s": str, "n": (int, float), "b": bool, "{}": dict, "[]": list}


def has_shape(value: object, shape: str, *, optional: frozenset[str] = frozenset()) -> None:
    assert isinstance(value, Mapping)
    wanted = dict(field.split() for field in shape.replace("\n", " ").split(", "))
    assert set(value) - optional == set(wanted), set(value) ^ set(wanted)
    for name, kind in wanted.items():
        found = value[name]
        if kind.startswith("?") and found is None:
            continue
        kind = kind.removeprefix("?")
        assert isinstance(found, TYPES[kind]), (name, found)
        assert kind != "n" or not isinstance(found, bool), (name, found)


@pytest.fixture(scope="module")
def asking() -> Iterator[Asking]:
    """A desk with a position, a working order, a traded one, and shares bought for delivery."""
    with running() as server:
        client = Asking.of(server)
        server.feed_batch(opening(server.known))
        client.place(tag="mine")
        client.place(product="CNC", order_type="LIMIT", price=1600)
        client.place(variety="iceberg", iceberg_legs=2, iceberg_quantity=5)
        server.feed(ticks(INFY, [1500.0, 1501.0], start_ns=OPENING + 10**9))
        yield client


def test_session_and_profile(asking: Asking) -> None:
    with running() as server:
        desk = server.sandbox.desk
        other = Asking.of(server)
        request = desk.sessions.begin(desk.accounts[0])
        other.token = ""
        given = checksum("testkey", request, "testsecret")
        body = other.post(
            "/session/token", {"api_key": "testkey", "request_token": request, "checksum": given}
        )
        has_shape(body, SESSION)
        assert body["meta"] == {"demat_consent": "consent"}
    has_shape(asking.get("/user/profile"), PROFILE)
    full = asking.get("/user/profile/full")
    assert set(full) - {"bank_accounts", "dp_ids", "pan", "phone", "twofa_type", "password_timestamp"} - {
        "twofa_timestamp", "tags"
    } == set(asking.get("/user/profile"))  # fmt: skip


def test_margins(asking: Asking) -> None:
    segments = asking.get("/user/margins")
    assert set(segments) == {"equity", "commodity"}
    for segment in segments.values():
        has_shape(segment, SEGMENT)
        has_shape(segment["available"], AVAILABLE)
        has_shape(segment["utilised"], UTILISED)
    assert asking.get("/user/margins/equity") == segments["equity"]


def test_orders_and_trades(asking: Asking) -> None:
    orders = asking.get("/orders")
    for order in orders:
        has_shape(order, ORDER, optional=frozenset({"tags"}))
        assert (
            order["pending_quantity"] + order["filled_quantity"] + order["cancelled_quantity"]
            <= order["quantity"]
        )
        assert ("tags" in order) is (order["tag"] is not None)
        history = asking.get(f"/orders/{order['order_id']}")
        assert history[0]["status"] == "PUT ORDER REQ RECEIVED"
        assert history[-1] == order
    tagged = next(order for order in orders if order["tag"])
    assert (tagged["tag"], tagged["tags"]) == ("mine", ["mine"])
    iceberg = next(order for order in orders if order["variety"] == "iceberg")
    assert iceberg["meta"]["iceberg"] == {
        "leg": 1, "legs": 2, "leg_quantity": 5, "total_quantity": 10, "remaining_quantity": 10
    }  # fmt: skip
    done = next(order for order in orders if order["status"] == "COMPLETE")
    assert done["pending_quantity"] == 0
    trades = asking.get("/trades")
    assert trades == asking.get(f"/orders/{done['order_id']}/trades")
    for trade in trades:
        has_shape(trade, TRADE)
        assert len(trade["order_timestamp"]) == len("HH:MM:SS")
        assert len(trade["fill_timestamp"]) == 19


def test_positions_keep_the_invariants(asking: Asking) -> None:
    book = asking.get("/portfolio/positions")
    assert set(book) == {"net", "day"}
    assert book["net"]
    for row in [*book["net"], *book["day"]]:
        has_shape(row, POSITION)
        assert row["value"] == row["sell_value"] - row["buy_value"]
        assert row["pnl"] == row["value"] + row["quantity"] * row["last_price"] * row["multiplier"]


def test_holdings() -> None:
    with running() as server:
        asking = Asking.of(server)
        server.feed_batch(opening(server.known))
        asking.place(product="CNC", price=1600)
        server.feed(ticks(INFY, [1500.0], start_ns=OPENING + 10**9))
        server.control("POST", "clock", {"advance_to": "2026-11-24T10:00"})
        asking.token = server.login()
        server.feed(ticks(INFY, [1510.0], start_ns=OPENING + 4 * 86_400 * 10**9 + 3600 * 10**9))
        (row,) = asking.get("/portfolio/holdings")
        has_shape(row, HOLDING)
        assert (row["quantity"] + row["t1_quantity"], row["average_price"]) == (10, 1500)
        has_shape(row["mtf"], "quantity n, used_quantity n, average_price n, value n, initial_margin n")
        summary = asking.get("/portfolio/holdings/summary")
        assert summary["invested_amount"] == 15_000
        assert summary["total_pnl"] == 100
        (compact,) = asking.get("/portfolio/holdings/compact")
        assert compact["tradingsymbol"] == "INFY"
        assert asking.get("/portfolio/holdings/auctions") == []
        asked = asking.post("/portfolio/holdings/authorise", {"isin[]": row["isin"], "quantity[]": 5})
        assert set(asked) == {"request_id"}


def test_quotes(asking: Asking) -> None:
    quotes = asking.get(
        "/quote", ("i", "NSE:INFY"), ("i", "NSE:NIFTY 50"), ("i", "NSE:NOSUCH"), ("i", "junk")
    )
    assert set(quotes) == {"NSE:INFY", "NSE:NIFTY 50"}
    has_shape(quotes["NSE:INFY"], QUOTE)
    depth = quotes["NSE:INFY"]["depth"]
    assert {side: len(levels) for side, levels in depth.items()} == {"buy": 5, "sell": 5}
    for levels in depth.values():
        for level in levels:
            has_shape(level, "price n, quantity n, orders n")
    assert set(quotes["NSE:NIFTY 50"]) == {
        "instrument_token", "timestamp", "last_trade_time", "last_price", "net_change", "ohlc"
    }  # fmt: skip
    day = asking.get("/quote/ohlc", ("i", "NSE:INFY"))["NSE:INFY"]
    has_shape(day, "instrument_token n, last_price n, ohlc {}")
    has_shape(day["ohlc"], "open n, high n, low n, close n")
    has_shape(asking.get("/quote/ltp", ("i", "NSE:INFY"))["NSE:INFY"], "instrument_token n, last_price n")
    band = asking.get("/instruments/trigger_range/buy", ("i", "NSE:INFY"))["NSE:INFY"]
    assert band["lower"] < band["upper"]


def test_instruments_are_gzip_csv_in_the_broker_s_columns(asking: Asking) -> None:
    reply = asking.ask("GET", "/instruments")
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["content-type"].startswith("text/csv")
    lines = reply.text.splitlines()
    assert lines[0] == (
        "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
        "instrument_type,segment,exchange"
    )
    assert lines[1].startswith(f"{INFY},{INFY >> 8},INFY,INFOSYS,0,,0.0,0.05,1,EQ,NSE,NSE")
    only = asking.ask("GET", "/instruments/NFO").text.splitlines()[1:]
    assert [line.rsplit(",", 2)[1] for line in only] == ["NFO-FUT", "NFO-OPT"]


def test_calculators(asking: Asking) -> None:
    order = {
        "exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY", "variety": "regular",
        "product": "MIS", "order_type": "MARKET", "quantity": 10, "price": 0, "trigger_price": 0,
    }  # fmt: skip
    (margin,) = asking.done(asking.ask("POST", "/margins/orders", json=[order]))
    has_shape(margin, MARGIN)
    has_shape(margin["charges"], CHARGES)
    has_shape(margin["charges"]["gst"], "igst n, cgst n, sgst n, total n")
    has_shape(margin["pnl"], "realised n, unrealised n")
    assert margin["total"] > 0
    basket = asking.done(
        asking.ask("POST", "/margins/basket", json=[order, order], query=[("consider_positions", "True")])
    )
    assert set(basket) == {"initial", "final", "orders", "charges"}
    has_shape(basket["initial"], MARGIN)
    has_shape(basket["final"], MARGIN)
    assert len(basket["orders"]) == 2
    executed = order | {"order_id": "1", "average_price": 1500.5}
    (note,) = asking.done(asking.ask("POST", "/charges/orders", json=[executed]))
    has_shape(note, NOTE)
    has_shape(note["charges"], CHARGES)
    assert (note["quantity"], note["price"]) == (10, 1500.5)


def test_gtt(asking: Asking) -> None:
    condition = {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "trigger_values": [1400, 1600],
        "last_price": 1501,
    }
    leg = {"exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "SELL", "quantity": 1,
           "order_type": "LIMIT", "product": "CNC", "price": 1400}  # fmt: skip
    form = {
        "type": "two-leg",
        "condition": json.dumps(condition),
        "orders": json.dumps([leg, leg | {"price": 1600}]),
    }
    made = asking.post("/gtt/triggers", form)["trigger_id"]
    gtt = asking.get(f"/gtt/triggers/{made}")
    has_shape(gtt, GTT)
    assert gtt["condition"] == condition | {"instrument_token": INFY}
    assert gtt["orders"] == [leg | {"result": None}, leg | {"price": 1600, "result": None}]
    assert gtt in asking.get("/gtt/triggers")
    assert asking.done(asking.ask("DELETE", f"/gtt/triggers/{made}")) == {"trigger_id": made}
    assert made not in [row["id"] for row in asking.get("/gtt/triggers")]


def test_alerts(asking: Asking) -> None:
    terms = {"name": "up", "lhs_exchange": "NSE", "lhs_tradingsymbol": "INFY", "lhs_attribute": "LastTradedPrice",
             "operator": ">=", "rhs_type": "constant", "rhs_constant": "1600.5"}  # fmt: skip
    alert = asking.post("/alerts", terms)
    has_shape(alert, ALERT)
    assert alert["rhs_constant"] == 1600.5
    assert asking.get(f"/alerts/{alert['uuid']}") == alert
    changed = asking.done(asking.ask("PUT", f"/alerts/{alert['uuid']}", terms | {"rhs_constant": 1700}))
    assert changed["rhs_constant"] == 1700
    assert asking.get(f"/alerts/{alert['uuid']}/history") == []
    assert asking.done(asking.ask("DELETE", "/alerts", query=[("uuid", alert["uuid"])])) is None
    assert asking.get("/alerts") == []
