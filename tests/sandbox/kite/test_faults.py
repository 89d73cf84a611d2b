"""Each failure on demand, as a client meets it."""

import json
import time as clock_time

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from tests.sandbox.kite.asking import Asking, order
from tests.sandbox.kite.market_making import INFY, OPENING, TCS, opening, ticks
from tests.sandbox.kite.serving import Running, running
from tests.sandbox.kite.test_ticker import QUIET, frame, say, text, ticker

SECOND = 10**9


@pytest.fixture
def desk():
    with running(QUIET) as server:
        server.feed_batch(opening(server.known))
        yield server, Asking.of(server)


def on(server: Running, kind: str, **more: object) -> None:
    server.control("POST", "faults", {"kind": kind, **more})


def test_a_dropped_reply_leaves_an_order_behind(desk) -> None:
    server, asking = desk
    on(server, "drop_reply", method="POST", path="/orders/*", count=1)
    with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):  # cut, not left waiting
        asking.ask("POST", "/orders/regular", order(tag="lost1"))
    assert [row["tag"] for row in asking.get("/orders")] == ["lost1"]
    asking.place()  # the fault struck once


def test_a_late_bad_gateway_leaves_an_order_behind_too(desk) -> None:
    server, asking = desk
    on(server, "late_bad_gateway", path="/orders/*", count=1)
    assert asking.refused(asking.ask("POST", "/orders/regular", order()))[:2] == (502, "DataException")
    assert len(asking.get("/orders")) == 1


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("rate_limited", (429, "NetworkException")),
        ("bad_gateway", (502, "DataException")),
        ("ip_not_registered", (403, "PermissionException")),
    ],
)
def test_a_refusing_fault_places_nothing(desk, kind: str, refusal: tuple[int, str]) -> None:
    server, asking = desk
    on(server, kind, method="POST", count=1)
    assert asking.refused(asking.ask("POST", "/orders/regular", order()))[:2] == refusal
    assert asking.get("/orders") == []


def test_an_expired_token_stays_expired_and_cuts_the_sockets(desk) -> None:
    server, asking = desk
    with ticker(server, asking.token) as connection:
        on(server, "token_expired", path="/orders", count=1)
        assert asking.refused(asking.ask("GET", "/orders"))[:2] == (403, "TokenException")
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=10)
    assert asking.refused(asking.ask("GET", "/user/profile"))[:2] == (403, "TokenException")


def test_a_delay_delays(desk) -> None:
    server, asking = desk
    on(server, "delay", path="/user/profile", delay_ms=120, count=1)
    begun = clock_time.monotonic()
    asking.get("/user/profile")
    assert clock_time.monotonic() - begun >= 0.12


def test_updates_are_doubled_and_reordered(desk) -> None:
    server, asking = desk
    with ticker(server, asking.token) as connection:
        on(server, "duplicate_update", count=1)
        first = asking.place()
        assert [text(connection)["data"]["order_id"] for _ in range(2)] == [first, first]
        on(server, "reorder_updates", count=1)
        second, third = asking.place(), asking.place()
        assert [text(connection)["data"]["order_id"] for _ in range(2)] == [third, second]
        on(server, "reorder_updates", count=1)
        last = asking.place()  # nothing overtakes it: it comes after a while
        assert text(connection)["data"]["order_id"] == last
        on(server, "drop_update", count=1)
        asking.place()
        seen = asking.place()
        assert text(connection)["data"]["order_id"] == seen


def test_a_socket_is_cut(desk) -> None:
    server, asking = desk
    with ticker(server, asking.token) as connection:
        on(server, "socket_cut", count=1)
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=10)


def test_a_stale_feed_is_silent_about_some_instruments(desk) -> None:
    server, asking = desk
    with ticker(server, asking.token) as connection:
        say(connection, "subscribe", [INFY, TCS])
        assert set(frame(connection)) == {INFY, TCS}
        on(server, "stale_feed", tokens=[INFY])
        server.feed(
            [
                *ticks(INFY, [1501.0], start_ns=OPENING + SECOND),
                *ticks(TCS, [3001.0], start_ns=OPENING + SECOND),
            ]
        )
        assert set(frame(connection)) == {TCS}
        server.control("DELETE", "faults")
        server.feed(ticks(INFY, [1502.0], start_ns=OPENING + 2 * SECOND))
        assert frame(connection)[INFY]["last_price"] == 1502.0


def test_a_garbage_frame_is_sent(desk) -> None:
    server, asking = desk
    with ticker(server, asking.token) as connection:
        on(server, "garbage_frame", count=1)
        assert len(connection.recv(timeout=10)) == 10


def test_probability_comes_from_the_seed(desk) -> None:
    server, asking = desk

    def outcomes() -> list[int]:
        server.control("DELETE", "faults")
        on(server, "bad_gateway", path="/user/profile", probability=0.5, seed=3)
        return [asking.ask("GET", "/user/profile").status_code for _ in range(20)]

    first = outcomes()
    assert set(first) == {200, 502}
    assert outcomes() == first


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"kind": "flood"}, {"kind": "delay"}, {"kind": "bad_gateway", "probability": 0},
        {"kind": "bad_gateway", "count": 0}, {"kind": "bad_gateway", "path": "/x", "colour": "red"},
        {"kind": "stale_feed", "tokens": ["x"]}, [], "x", None,
    ],
)  # fmt: skip
def test_bad_faults_are_refused(desk, wrong: object) -> None:
    server, _ = desk
    with httpx2.Client(base_url=server.root, trust_env=False) as client:
        reply = client.post(
            "/sandbox/faults", content=json.dumps(wrong), headers={"content-type": "application/json"}
        )
    assert reply.status_code == 400
    assert reply.json()["error_type"] == "InputException"
    assert server.control("GET", "faults") == {"faults": []}


def test_a_web_page_cannot_post_to_the_controls(desk) -> None:
    server, asking = desk
    reply = asking.client.post(
        "/sandbox/faults", content='{"kind": "bad_gateway"}', headers={"content-type": "text/plain"}
    )
    assert reply.status_code == 400
    assert server.control("GET", "faults") == {"faults": []}


def test_the_clock_moves_stops_and_never_goes_back(desk) -> None:
    server, asking = desk
    assert server.control("POST", "clock", {"advance_seconds": 60})["now"] == "2026-11-20T09:16:00+05:30"
    assert server.control("POST", "clock", {"speed": 60, "paused": True}) | {"now": "", "now_ns": 0} == {
        "now": "", "now_ns": 0, "next_price": None, "speed": 60.0, "paused": True
    }  # fmt: skip
    for wrong in ({"advance_to": "2026-11-20T09:00"}, {"advance_to": "noon"}, {"speed": -1}, {"wind": 1},
                  {"advance_seconds": 10**8}):  # fmt: skip
        reply = asking.client.post("/sandbox/clock", json=wrong)
        assert asking.refused(reply)[:2] == (400, "InputException")
    server.control("POST", "clock", {"advance_to": "2026-11-21T06:00"})
    assert asking.refused(asking.ask("GET", "/orders"))[:2] == (403, "TokenException")


@pytest.mark.parametrize("name", ["evil.example", "evil.example:8700", "127.0.0.1.evil.example"])
def test_a_foreign_name_for_this_machine_is_refused(desk, name: str) -> None:
    """DNS rebinding: the page of `evil.example` asks 127.0.0.1, and its Host header gives it away."""
    server, _ = desk
    for path in ("/sandbox/state", "/connect/login?v=3&api_key=testkey", "/quote/ltp?i=NSE:TCS"):
        reply = httpx2.get(f"{server.root}{path}", headers={"host": name})
        assert (reply.status_code, reply.json()["error_type"]) == (403, "PermissionException")
    port = server.root.rsplit(":", 1)[1]
    for own in ("localhost", f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert httpx2.get(f"{server.root}/sandbox/state", headers={"host": own}).status_code == 200
