"""The socket: what it takes, what it sends, and whom it cuts."""

import asyncio
import json
import socket as sockets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kiteconnect import KiteTicker
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.sandbox.kite.asking import Asking
from tests.sandbox.kite.market_making import FUTURE, INFY, NIFTY, OPENING, TCS, listings, opening, ticks
from tests.sandbox.kite.serving import Running, running
from trademantra.brokers.listings import Listing, Listings
from trademantra.sandbox.kite.server import listen
from trademantra.sandbox.kite.settings import KiteSettings

SECOND = 10**9
QUIET = KiteSettings(rate_limits=False, heartbeat_seconds=60.0)


@contextmanager
def ticker(server: Running, token: str) -> Iterator[ClientConnection]:
    with connect(f"ws{server.root[4:]}/?api_key=testkey&access_token={token}", max_size=None) as connection:
        yield connection


def say(connection: ClientConnection, action: str, value: object) -> None:
    connection.send(json.dumps({"a": action, "v": value}))


def frame(connection: ClientConnection) -> dict[int, dict]:
    """The next frame of ticks, by token; heartbeats are passed over."""
    while True:
        message = connection.recv(timeout=10)
        assert isinstance(message, bytes), message
        if len(message) > 1:
            return {t["instrument_token"]: t for t in KiteTicker("k", "t")._parse_binary(message)}


def text(connection: ClientConnection) -> dict:
    while True:
        message = connection.recv(timeout=10)
        if isinstance(message, str):
            return json.loads(message)


@pytest.fixture
def desk() -> Iterator[tuple[Running, Asking]]:
    with running(QUIET) as server:
        server.feed_batch(opening(server.known))
        yield server, Asking.of(server)


def test_a_subscription_begins_with_a_snapshot_and_goes_on_with_ticks(desk: tuple[Running, Asking]) -> None:
    server, asking = desk
    with ticker(server, asking.token) as connection:
        say(connection, "subscribe", [INFY])
        first = frame(connection)
        assert (first[INFY]["mode"], first[INFY]["last_price"]) == ("quote", 1500.0)
        server.feed(ticks(INFY, [1502.5], start_ns=OPENING + SECOND))
        assert frame(connection)[INFY]["last_price"] == 1502.5
        server.feed(ticks(TCS, [3011.0], start_ns=OPENING + 2 * SECOND))
        server.feed(ticks(INFY, [1503.0], start_ns=OPENING + 3 * SECOND))
        assert set(frame(connection)) == {INFY}  # nothing was sent of what is not subscribed


def test_modes_and_unsubscribe(desk: tuple[Running, Asking]) -> None:
    server, asking = desk
    with ticker(server, asking.token) as connection:
        say(connection, "mode", ["full", [INFY, NIFTY]])
        first = frame(connection)
        assert {token: tick["mode"] for token, tick in first.items()} == {INFY: "full", NIFTY: "full"}
        assert len(first[INFY]["depth"]["buy"]) == 5
        assert "depth" not in first[NIFTY]
        say(connection, "mode", ["ltp", [NIFTY]])
        assert frame(connection)[NIFTY]["mode"] == "ltp"
        say(connection, "unsubscribe", [INFY])
        say(connection, "subscribe", [TCS])
        assert set(frame(connection)) == {TCS}
        server.feed(ticks(INFY, [1501.0], start_ns=OPENING + SECOND))
        server.feed(ticks(NIFTY, [25001.0], start_ns=OPENING + 2 * SECOND))
        assert set(frame(connection)) == {NIFTY}


def test_the_socket_tells_the_same_as_a_quote(desk: tuple[Running, Asking]) -> None:
    server, asking = desk
    server.feed(ticks(INFY, [1500.0, 1507.5, 1495.0, 1499.95], start_ns=OPENING + SECOND))
    quote = asking.get("/quote", ("i", "NSE:INFY"))["NSE:INFY"]
    with ticker(server, asking.token) as connection:
        say(connection, "mode", ["full", [INFY]])
        tick = frame(connection)[INFY]
    assert tick["last_price"] == quote["last_price"]
    assert tick["ohlc"] == quote["ohlc"]
    assert tick["volume_traded"] == quote["volume"]
    assert tick["average_traded_price"] == pytest.approx(quote["average_price"], abs=0.005)
    assert tick["total_buy_quantity"] == quote["buy_quantity"]
    assert tick["total_sell_quantity"] == quote["sell_quantity"]
    assert tick["depth"] == quote["depth"]


def test_sockets_of_one_subscription_get_the_same_bytes(desk: tuple[Running, Asking]) -> None:
    server, asking = desk
    with ticker(server, asking.token) as one, ticker(server, asking.token) as other:
        for connection in (one, other):
            say(connection, "subscribe", [INFY, FUTURE])
            connection.recv(timeout=10)
        server.feed(ticks(INFY, [1511.0], start_ns=OPENING + SECOND))
        assert one.recv(timeout=10) == other.recv(timeout=10)


@pytest.mark.parametrize(
    "message",
    [
        "", "x", "[]", "{}", '{"a": "subscribe"}', '{"a": "subscribe", "v": "408065"}',
        '{"a": "subscribe", "v": [true]}', '{"a": "subscribe", "v": [1.5]}', '{"a": "mode", "v": ["full"]}',
        '{"a": "mode", "v": ["loud", [1]]}', '{"a": "fly", "v": []}', "[" * 5000,
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_read_is_answered_and_changes_nothing(
    desk: tuple[Running, Asking], message: str
) -> None:
    server, asking = desk
    with ticker(server, asking.token) as connection:
        connection.send(message)
        answer = text(connection)
        assert answer["type"] == "error"
        assert answer["data"]
        say(connection, "subscribe", [INFY])
        assert set(frame(connection)) == {INFY}


def test_unknown_tokens_are_passed_over(desk: tuple[Running, Asking]) -> None:
    server, asking = desk
    with ticker(server, asking.token) as connection:
        say(connection, "subscribe", [1, -5, 2**40, INFY])
        assert set(frame(connection)) == {INFY}


def test_a_socket_takes_so_many_instruments_and_no_more() -> None:
    share = listings().find("NSE", "INFY")
    known = Listings.of(
        [share]
        + [
            Listing(
                "NSE", f"S{n}", 256 * (n + 10_000) + 1, _renamed(share, f"S{n}"), "", share.previous_close
            )
            for n in range(3001)
        ]
    )
    tokens = known.tokens.tolist()
    with running(QUIET, known=known) as server:
        asking = Asking.of(server)
        with ticker(server, asking.token) as connection:
            say(connection, "subscribe", tokens[:3001])
            assert "3000" in text(connection)["data"]
            say(connection, "subscribe", tokens[:3000])
            assert len(frame(connection)) == 3000  # the previous close, before anything has traded
            say(connection, "subscribe", tokens[3000:3001])
            assert text(connection)["type"] == "error"


def _renamed(listing: Listing, symbol: str):
    import dataclasses

    return dataclasses.replace(listing.instrument, symbol=symbol, isin=None)


def test_a_fourth_socket_and_a_wrong_token_are_refused(desk: tuple[Running, Asking]) -> None:
    server, asking = desk
    with ticker(server, asking.token), ticker(server, asking.token), ticker(server, asking.token):
        with pytest.raises(InvalidStatus) as refused, ticker(server, asking.token):
            pass
        assert refused.value.response.status_code == 403
    for token in ("", "wrong"):
        with pytest.raises(InvalidStatus) as refused, ticker(server, token):
            pass
        assert refused.value.response.status_code == 403


def test_silence_is_filled_with_heartbeats() -> None:
    settings = KiteSettings(rate_limits=False, heartbeat_seconds=0.05)
    with running(settings) as server, ticker(server, Asking.of(server).token) as connection:
        assert [connection.recv(timeout=10) for _ in range(2)] == [b"\x00", b"\x00"]


def test_order_updates_come_as_texts(desk: tuple[Running, Asking]) -> None:
    server, asking = desk
    with ticker(server, asking.token) as connection:
        say(connection, "subscribe", [INFY])
        frame(connection)
        order_id = asking.place(price=1490)
        opened = text(connection)
        assert opened["type"] == "order"
        assert (opened["data"]["order_id"], opened["data"]["status"]) == (order_id, "OPEN")
        asking.done(asking.ask("PUT", f"/orders/regular/{order_id}", {"quantity": 20}))
        assert (text(connection)["data"]["status"]) == "UPDATE"
        server.feed(ticks(INFY, [1480.0], start_ns=OPENING + SECOND))
        done = text(connection)["data"]
        assert (done["status"], done["filled_quantity"], done["unfilled_quantity"]) == ("COMPLETE", 20, 0)


def test_the_end_of_a_session_cuts_its_sockets(desk: tuple[Running, Asking]) -> None:
    server, asking = desk
    with ticker(server, asking.token) as connection:
        asking.done(
            asking.ask(
                "DELETE", "/session/token", query=[("api_key", "testkey"), ("access_token", asking.token)]
            )
        )
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=10)


def test_a_client_that_reads_nothing_is_cut_and_costs_no_memory() -> None:
    """It is sent no more than the kernel takes: what it misses is one set of rows, not a queue."""
    settings = KiteSettings(rate_limits=False, heartbeat_seconds=60.0, slow_seconds=0.2)
    with running(settings) as server:
        server.feed_batch(opening(server.known))
        asking = Asking.of(server)
        host, port = server.root[7:].split(":")
        with sockets.create_connection((host, int(port))) as raw:
            raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 2048)
            raw.sendall(
                f"GET /?api_key=testkey&access_token={asking.token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            assert raw.recv(1024).startswith(b"HTTP/1.1 101")
            while server.sandbox.desk.ticker.sockets == 0:
                pass
            _flood(server)
            while server.sandbox.desk.ticker.sockets:
                pass


def _flood(server: Running) -> None:
    """Order messages until the client is cut: they are the only thing that waits, and they are bounded."""
    most = server.sandbox.desk.settings.updates_waiting

    async def tell() -> None:
        for _ in range(50 * most):
            server.sandbox.desk.ticker.tell("AB1234", {"type": "message", "data": "x" * 4000})
            await asyncio.sleep(0)
            if not server.sandbox.desk.ticker.sockets:
                return

    asyncio.run_coroutine_threadsafe(tell(), server.loop).result(30)


def test_a_tick_that_finds_a_socket_busy_reaches_it_later(desk: tuple[Running, Asking]) -> None:
    """Two ticks in one step of the loop: the first is on its way when the second comes, which must not be lost."""
    server, asking = desk
    hub = server.sandbox.desk.ticker
    with ticker(server, asking.token) as connection:
        say(connection, "subscribe", [INFY, TCS])
        frame(connection)
        exchange = server.sandbox.host.exchange
        known = server.known

        async def two_at_once() -> None:
            for number, (token, price) in enumerate(((INFY, 1501.0), (TCS, 3001.0), (INFY, 1502.0)), start=1):
                exchange.feed(ticks(token, [price], start_ns=OPENING + number * SECOND))
                hub.publish(known.rows_of([token]))

        asyncio.run_coroutine_threadsafe(two_at_once(), server.loop).result(10)
        seen = frame(connection)
        while {token: tick["last_price"] for token, tick in seen.items()} != {INFY: 1502.0, TCS: 3001.0}:
            seen |= frame(connection)


def test_answers_are_not_held_back_by_nagle() -> None:
    """asyncio turns the delay of small packets off only for sockets that name their protocol: 40 ms a request."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == sockets.IPPROTO_TCP
