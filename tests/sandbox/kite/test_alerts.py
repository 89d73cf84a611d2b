"""Alerts strike when the market gets there, and not before."""

import json
from collections.abc import Iterator

import pytest

from tests.sandbox.kite.asking import Asking
from tests.sandbox.kite.market_making import INFY, OPENING, TCS, opening, ticks
from tests.sandbox.kite.serving import Running, running

SECOND = 10**9
TERMS = {
    "name": "up", "lhs_exchange": "NSE", "lhs_tradingsymbol": "INFY", "lhs_attribute": "LastTradedPrice",
    "operator": ">=", "rhs_type": "constant", "rhs_constant": "1510",
}  # fmt: skip


@pytest.fixture
def desk() -> Iterator[tuple[Running, Asking]]:
    with running() as server:
        server.feed_batch(opening(server.known))
        yield server, Asking.of(server)


def test_an_alert_strikes_each_time_its_condition_becomes_true(desk: tuple[Running, Asking]) -> None:
    server, asking = desk
    alert = asking.post("/alerts", TERMS)["uuid"]
    counts = []
    for number, price in enumerate([1509.0, 1510.0, 1512.0, 1500.0, 1511.0], start=1):
        server.feed(ticks(INFY, [price], start_ns=OPENING + number * SECOND))
        counts.append(asking.get(f"/alerts/{alert}")["alert_count"])
    assert counts == [0, 1, 1, 1, 2]
    history = asking.get(f"/alerts/{alert}/history")
    assert [row["created_at"] for row in history] == ["2026-11-20 09:15:02", "2026-11-20 09:15:05"]
    assert history[0]["condition"] == "LastTradedPrice(NSE:INFY) >= 1510"
    assert history[0]["meta"][0]["last_price"] == 1510
    assert history[0]["order_meta"] is None


def test_an_alert_with_orders_places_them_once(desk: tuple[Running, Asking]) -> None:
    server, asking = desk
    params = {
        "transaction_type": "BUY",
        "product": "MIS",
        "order_type": "LIMIT",
        "quantity": 3,
        "price": 3000.0,
    }
    basket = {
        "name": "b",
        "type": "alert",
        "tags": [],
        "items": [
            {"type": "insert", "tradingsymbol": "TCS", "exchange": "NSE", "weight": 1, "params": params},
            {
                "type": "insert",
                "tradingsymbol": "TCS",
                "exchange": "NSE",
                "weight": 1,
                "params": params | {"quantity": 0},
            },
        ],
    }
    alert = asking.post("/alerts", TERMS | {"type": "ato", "basket": json.dumps(basket)})["uuid"]
    for number, price in enumerate([1511.0, 1500.0, 1511.0], start=1):
        server.feed(ticks(INFY, [price], start_ns=OPENING + number * SECOND))
    (order,) = asking.get("/orders")
    assert (order["tradingsymbol"], order["quantity"], order["price"]) == ("TCS", 3, 3000)
    (struck,) = asking.get(f"/alerts/{alert}/history")
    assert struck["order_meta"][0] == {"order_id": order["order_id"]}
    assert struck["order_meta"][1]["error"]["error_type"] == "InputException"
    after = asking.get(f"/alerts/{alert}")
    assert (after["status"], after["alert_count"]) == ("disabled", 1)


@pytest.mark.parametrize(
    ("attribute", "constant", "price", "strikes"),
    [
        ("HighPrice", "1520", 1520.0, 1),
        ("LowPrice", "1500", 1499.0, 0),
        ("OpenPrice", "1500", 1499.0, 1),
        ("ClosePrice", "1490", 1499.0, 1),
        ("DayChange", "20", 1510.0, 1),
        ("DayChangePercent", "2", 1519.0, 0),
        ("Volume", "200", 1501.0, 1),
        ("OI", "1", 1501.0, 0),
    ],
)
def test_each_attribute(
    desk: tuple[Running, Asking], attribute: str, constant: str, price: float, strikes: int
) -> None:
    server, asking = desk
    alert = asking.post("/alerts", TERMS | {"lhs_attribute": attribute, "rhs_constant": constant})["uuid"]
    server.feed(ticks(INFY, [price], start_ns=OPENING + SECOND))
    assert asking.get(f"/alerts/{alert}")["alert_count"] == strikes


def test_an_alert_may_compare_two_instruments_and_be_switched_off(desk: tuple[Running, Asking]) -> None:
    server, asking = desk
    two = TERMS | {"operator": ">", "rhs_type": "instrument", "rhs_exchange": "NSE", "rhs_tradingsymbol": "TCS",
                   "rhs_attribute": "LastTradedPrice"}  # fmt: skip
    alert = asking.post("/alerts", two)["uuid"]
    asking.done(asking.ask("PUT", f"/alerts/{alert}", two | {"status": "disabled"}))
    server.feed(ticks(TCS, [1400.0], start_ns=OPENING + SECOND))
    assert asking.get(f"/alerts/{alert}")["alert_count"] == 0
    asking.done(asking.ask("PUT", f"/alerts/{alert}", two | {"status": "enabled"}))
    server.feed(ticks(TCS, [1401.0], start_ns=OPENING + 2 * SECOND))
    assert asking.get(f"/alerts/{alert}")["alert_count"] == 1
