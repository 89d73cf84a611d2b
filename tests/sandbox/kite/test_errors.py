"""Bad input: Kite's error body, its type and status, and nothing changed (specs/brokers.md 1.6)."""

import dataclasses
import json
from collections.abc import Iterator

import pytest

from tests.sandbox.kite.asking import Asking, order
from tests.sandbox.kite.market_making import opening
from tests.sandbox.kite.serving import running
from trademantra.sandbox.kite.accounts import default_account
from trademantra.sandbox.kite.settings import PROTECTION_REFUSAL, KiteSettings, Profile


@pytest.fixture(scope="module")
def asking() -> Iterator[Asking]:
    with running() as server:
        server.feed_batch(opening(server.known))
        yield Asking.of(server)


def state(asking: Asking) -> object:
    paths = ("/orders", "/trades", "/portfolio/positions", "/user/margins", "/gtt/triggers", "/alerts")
    return [asking.get(path) for path in paths]


INPUT = (400, "InputException")
BAD_ORDERS = [
    ({"exchange": None}, "exchange"),
    ({"exchange": "XXX"}, "exchange"),
    ({"tradingsymbol": None}, "tradingsymbol"),
    ({"tradingsymbol": "NOSUCH"}, "tradingsymbol"),
    ({"tradingsymbol": "INFY\x00"}, "tradingsymbol"),
    ({"transaction_type": "HOLD"}, "transaction_type"),
    ({"order_type": "LIMITED"}, "order_type"),
    ({"product": "XYZ"}, "product"),
    ({"product": "CO"}, "product"),
    ({"quantity": None}, "quantity"),
    ({"quantity": 0}, "quantity"),
    ({"quantity": -10}, "quantity"),
    ({"quantity": "1.5"}, "quantity"),
    ({"quantity": "1e3"}, "quantity"),
    ({"quantity": "١٠"}, "quantity"),
    ({"quantity": 10**12}, "quantity"),
    ({"price": None}, "price"),
    ({"price": 0}, "price"),
    ({"price": -5}, "price"),
    ({"price": "NaN"}, "price"),
    ({"price": "Infinity"}, "price"),
    ({"price": 1400.01}, "Tick size"),
    ({"order_type": "SL", "trigger_price": None}, "trigger_price"),
    ({"order_type": "SL", "trigger_price": 1450}, "Trigger price"),
    ({"validity": "GTC"}, "validity"),
    ({"validity": "TTL"}, "validity_ttl"),
    ({"tag": "x" * 21}, "tag"),
    ({"tag": "no space"}, "tag"),
    ({"order_type": "MARKET", "market_protection": 101}, "market_protection"),
    ({"order_type": "MARKET", "market_protection": -2}, "market_protection"),
    ({"exchange": "NSE", "tradingsymbol": "NIFTY 50"}, "index"),
    ({"exchange": "NFO", "tradingsymbol": "NIFTY26NOVFUT", "product": "NRML", "quantity": 10}, "lot size"),
    ({"exchange": "MCX", "tradingsymbol": "CRUDEOIL26DECFUT", "product": "NRML", "price": 5600, "validity": "IOC"}, "IOC"),
    ({"disclosed_quantity": "x"}, "disclosed_quantity"),
    ({"autoslice": "maybe"}, "autoslice"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "named"), BAD_ORDERS)
def test_a_bad_order_is_refused_and_nothing_changes(asking: Asking, wrong: dict, named: str) -> None:
    before = state(asking)
    status, kind, message = asking.refused(asking.ask("POST", "/orders/regular", order(**wrong)))
    assert (status, kind) == INPUT
    assert named.lower() in message.lower()
    assert state(asking) == before


@pytest.mark.parametrize("order_type", ["MARKET", "SL-M"])
@pytest.mark.parametrize("protection", [None, 0])
def test_market_orders_need_protection(asking: Asking, order_type: str, protection: int | None) -> None:
    terms = order(order_type=order_type, trigger_price=1600, market_protection=protection)
    assert asking.refused(asking.ask("POST", "/orders/regular", terms)) == (*INPUT, PROTECTION_REFUSAL)


@pytest.mark.parametrize("variety", ["bo", "nosuch"])
def test_an_unknown_variety(asking: Asking, variety: str) -> None:
    assert asking.refused(asking.ask("POST", f"/orders/{variety}", order()))[:2] == INPUT


def test_no_auction_is_held(asking: Asking) -> None:
    reply = asking.ask("POST", "/orders/auction", order(auction_number="1"))
    assert asking.refused(reply)[:2] == INPUT


@pytest.mark.parametrize(
    ("variety", "terms"),
    [
        ("iceberg", {}),
        ("iceberg", {"iceberg_legs": 11}),
        ("iceberg", {"iceberg_legs": 2, "iceberg_quantity": 3}),
    ],
)
def test_iceberg_legs_must_make_up_the_quantity(asking: Asking, variety: str, terms: dict) -> None:
    assert asking.refused(asking.ask("POST", f"/orders/{variety}", order(**terms)))[:2] == INPUT


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_order_of_nobody(asking: Asking, method: str) -> None:
    reply = asking.ask(
        method, "/orders/regular/999999999999999", {"quantity": 1} if method == "PUT" else None
    )
    assert asking.refused(reply)[:2] == (400, "OrderException")
    assert asking.refused(asking.ask("GET", "/orders/999999999999999"))[:2] == (400, "OrderException")
    assert asking.refused(asking.ask("GET", "/orders/999999999999999/trades"))[:2] == (400, "OrderException")


def test_a_finished_order_cannot_be_changed(asking: Asking) -> None:
    order_id = asking.place()
    asking.done(asking.ask("DELETE", f"/orders/regular/{order_id}"))
    assert asking.refused(asking.ask("DELETE", f"/orders/regular/{order_id}"))[:2] == (400, "OrderException")
    assert asking.refused(asking.ask("PUT", f"/orders/regular/{order_id}", {"quantity": 5}))[:2] == (
        400,
        "OrderException",
    )


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_a_session_there_is_nothing(asking: Asking, token: str) -> None:
    for path in ("/orders", "/user/profile", "/quote?i=NSE:INFY", "/gtt/triggers", "/alerts"):
        assert asking.refused(asking.ask("GET", path, token=token))[:2] == (403, "TokenException")


def test_an_unknown_route_and_a_wrong_method(asking: Asking) -> None:
    assert asking.refused(asking.ask("GET", "/nosuch"))[:2] == (404, "GeneralException")
    assert asking.refused(asking.ask("GET", "/mf/orders")) == (
        404, "GeneralException", "Mutual funds are not part of this sandbox."
    )  # fmt: skip
    assert asking.refused(asking.ask("DELETE", "/orders"))[:2] == (405, "GeneralException")
    assert asking.ask("HEAD", "/orders").status_code == 405


BAD_SPANS = [
    ({"from": "2026-11-20 09:15:00"}, "to"),
    ({"from": "yesterday", "to": "2026-11-20"}, "from"),
    ({"from": "2026-11-21", "to": "2026-11-20"}, "from is after to"),
    ({"from": "2026-01-01", "to": "2026-11-20"}, "interval exceeds max limit: 60 days"),
    ({"from": "2026-11-19", "to": "2026-11-20", "continuous": "1"}, "continuous"),
]


@pytest.mark.parametrize(("span", "named"), BAD_SPANS)
def test_bad_spans_of_history(asking: Asking, span: dict, named: str) -> None:
    reply = asking.ask("GET", "/instruments/historical/408065/minute", query=list(span.items()))
    status, kind, message = asking.refused(reply)
    assert (status, kind) == INPUT
    assert named in message


@pytest.mark.parametrize(
    ("profile", "interval", "days"),
    [
        (Profile.CURRENT, "minute", 60), (Profile.CURRENT, "5minute", 100), (Profile.CURRENT, "30minute", 200),
        (Profile.CURRENT, "60minute", 400), (Profile.CURRENT, "day", 2000),
        (Profile.LEGACY, "minute", 30), (Profile.LEGACY, "3minute", 90), (Profile.LEGACY, "15minute", 180),
        (Profile.LEGACY, "60minute", 365), (Profile.LEGACY, "day", 2000),
    ],
)  # fmt: skip
def test_span_limits_of_each_profile(profile: Profile, interval: str, days: int) -> None:
    from datetime import date, timedelta

    with running(KiteSettings(profile=profile, rate_limits=False)) as server:
        asking = Asking.of(server)
        last = date(2026, 11, 20)
        path = f"/instruments/historical/408065/{interval}"
        for extra, fine in ((0, True), (1, False)):
            span = [("from", str(last - timedelta(days=days + extra))), ("to", str(last))]
            reply = asking.ask("GET", path, query=span)
            if fine:
                assert asking.done(reply) == {"candles": []}
            else:
                assert asking.refused(reply)[2] == f"interval exceeds max limit: {days} days"


def test_unknown_instruments_of_history(asking: Asking) -> None:
    for token in ("1", "x", "99999999999999999999"):
        path = f"/instruments/historical/{token}/minute"
        assert (
            asking.refused(asking.ask("GET", path, query=[("from", "2026-11-20"), ("to", "2026-11-20")]))[:2]
            == INPUT
        )


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{}", b"[]", b"[1]", b"[{}]", b"null", b'[{"quantity": NaN}]', b"[" * 100_000]
)
def test_calculators_read_rubbish(asking: Asking, body: bytes) -> None:
    for path in ("/margins/orders", "/margins/basket", "/charges/orders"):
        reply = asking.client.post(
            path, content=body, headers={"Authorization": f"token testkey:{asking.token}"}
        )
        assert asking.refused(reply)[:2] == INPUT


LEG = {"transaction_type": "SELL", "quantity": 1, "order_type": "LIMIT", "product": "CNC", "price": 1400}
CONDITION = {"exchange": "NSE", "tradingsymbol": "INFY", "trigger_values": [1400], "last_price": 1500}
BAD_GTTS = [
    {"type": "triple"},
    {"condition": "{"},
    {"condition": json.dumps(CONDITION | {"trigger_values": [1400, 1600]})},
    {"condition": json.dumps(CONDITION | {"trigger_values": "1400"})},
    {"condition": json.dumps(CONDITION | {"trigger_values": [True]})},
    {"condition": json.dumps(CONDITION | {"trigger_values": [1499]})},
    {"condition": json.dumps(CONDITION | {"tradingsymbol": "NOSUCH"})},
    {"condition": json.dumps(CONDITION | {"last_price": -1})},
    {"orders": "[]"},
    {"orders": json.dumps([LEG, LEG])},
    {"orders": json.dumps([LEG | {"order_type": "MARKET"}])},
    {"orders": json.dumps([LEG | {"quantity": -1}])},
    {"orders": json.dumps([LEG | {"quantity": 1.5}])},
    {"orders": json.dumps([LEG | {"tradingsymbol": "TCS"}])},
    {"orders": "[[]]"},
]


@pytest.mark.parametrize("wrong", BAD_GTTS)
def test_bad_gtts(asking: Asking, wrong: dict) -> None:
    before = state(asking)
    form = {"type": "single", "condition": json.dumps(CONDITION), "orders": json.dumps([LEG])} | wrong
    assert asking.refused(asking.ask("POST", "/gtt/triggers", form))[:2] == INPUT
    assert state(asking) == before


def test_bad_alerts(asking: Asking) -> None:
    good = {"name": "up", "lhs_exchange": "NSE", "lhs_tradingsymbol": "INFY", "lhs_attribute": "LastTradedPrice",
            "operator": ">=", "rhs_type": "constant", "rhs_constant": "1600"}  # fmt: skip
    for wrong in (
        {"name": ""}, {"operator": "~"}, {"lhs_attribute": "Smell"}, {"rhs_constant": "x"}, {"rhs_type": "moon"},
        {"lhs_tradingsymbol": "NOSUCH"}, {"type": "ato"}, {"type": "ato", "basket": "[]"},
        {"type": "ato", "basket": '{"items": [{}]}'},
        {"type": "ato", "basket": '{"items": [{"params": {"a": ' + "[" * 400 + "]" * 400 + "}}]}"},
    ):  # fmt: skip
        assert asking.refused(asking.ask("POST", "/alerts", good | wrong))[:2] == INPUT
    assert asking.refused(asking.ask("GET", "/alerts/nosuch"))[:2] == INPUT
    assert asking.refused(asking.ask("DELETE", "/alerts"))[:2] == INPUT


def test_bad_bodies(asking: Asking) -> None:
    headers = {"Authorization": f"token testkey:{asking.token}"}
    for body in (b"\xff\xfe\x00", b"quantity=%ff", b"&" * 5000, b"a" * 2_000_000):
        reply = asking.client.post("/orders/regular", content=body, headers=headers)
        assert asking.refused(reply)[:2] == INPUT


def test_too_many_quotes(asking: Asking) -> None:
    keys = [("i", f"NSE:S{n}") for n in range(1001)]
    assert asking.refused(asking.ask("GET", "/quote", query=keys[:501]))[:2] == INPUT
    assert asking.get("/quote", *keys[:500]) == {}
    assert asking.refused(asking.ask("GET", "/quote/ltp", query=keys))[:2] == INPUT
    assert asking.refused(asking.ask("GET", "/quote"))[:2] == INPUT


def test_orders_come_from_registered_addresses_only() -> None:
    account = dataclasses.replace(default_account("http://127.0.0.1"), registered_addresses=("203.0.113.7",))
    with running(accounts=[account]) as server:
        asking = Asking.of(server)
        server.feed_batch(opening(server.known))
        for method, path in (
            ("POST", "/orders/regular"), ("PUT", "/orders/regular/1"), ("DELETE", "/orders/regular/1")
        ):  # fmt: skip
            reply = asking.ask(method, path, order() if method != "DELETE" else None)
            assert asking.refused(reply)[:2] == (403, "PermissionException")
        assert asking.get("/orders") == []


def test_the_legacy_profile_knows_none_of_the_rules_of_2026() -> None:
    account = dataclasses.replace(default_account("http://127.0.0.1"), registered_addresses=("203.0.113.7",))
    with running(KiteSettings(profile=Profile.LEGACY, rate_limits=False), [account]) as server:
        asking = Asking.of(server)
        server.feed_batch(opening(server.known))
        asking.place(order_type="MARKET", price=None, algo_id="anything at all")


def test_algo_ids_are_checked_against_the_registered_ones() -> None:
    account = dataclasses.replace(default_account("http://127.0.0.1"), algo_ids=frozenset({"ALGO7"}))
    with running(accounts=[account]) as server:
        asking = Asking.of(server)
        server.feed_batch(opening(server.known))
        asking.place(algo_id="ALGO7")
        asking.place()
        assert asking.refused(asking.ask("POST", "/orders/regular", order(algo_id="ALGO8")))[:2] == INPUT


def test_users_see_only_their_own(asking: Asking) -> None:
    first = default_account("http://127.0.0.1")
    second = dataclasses.replace(first, user_id="ZZ9999")
    with running(accounts=[first, second]) as server:
        server.feed_batch(opening(server.known))
        mine = Asking.of(server)
        order_id = mine.place()
        theirs = Asking.of(server, second)
        assert theirs.get("/orders") == []
        assert theirs.refused(theirs.ask("GET", f"/orders/{order_id}"))[:2] == (400, "OrderException")
        assert theirs.refused(theirs.ask("DELETE", f"/orders/regular/{order_id}"))[:2] == (
            400,
            "OrderException",
        )
        assert mine.order(order_id)["status"] == "OPEN"
