"""The stream: subscribed again after a loss, never silently stale, and one merged account of orders and trades."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest

from tests.brokers.zerodha.scripted_kite import (
    API_SECRET,
    REQUEST_TOKEN,
    Asked,
    NoPause,
    Says,
    ScriptedKite,
    adapter_to,
    collected,
    data,
    error,
    ltp_frame,
    order_row,
    scripted_kite,
)
from trademantra.brokers.errors import RequestRefusedError, SessionExpiredError
from trademantra.brokers.events import (
    BrokerEvent,
    OrderUpdate,
    SessionChanged,
    SessionState,
    StreamChanged,
    StreamState,
    TradeUpdate,
)
from trademantra.brokers.market import Quote, StreamMode
from trademantra.brokers.zerodha.adapter import ZerodhaAdapter
from trademantra.brokers.zerodha.client import Sleep
from trademantra.brokers.zerodha.postback import PostbackRefusedError
from trademantra.core.instrument import Instrument
from trademantra.core.order import OrderStatus
from trademantra.core.time import IST, ManualClock, ns_of

MORNING = ns_of(datetime(2026, 11, 20, 9, 30, tzinfo=IST))
INFY, RELINFRA, NIFTY = 408065, 738561, 256265
Case = Callable[[ScriptedKite, ZerodhaAdapter, ManualClock], Awaitable[None]]


def run(
    case: Case, folder: Path, *, logged_in: bool = True, sleep: Sleep | None = None, **changes: float | str
) -> None:
    async def whole() -> None:
        clock = ManualClock(MORNING)
        # Nothing polls unless a case asks for it; a pause before the next connection takes no time.
        wanted: dict[str, float | str] = {"poll_seconds": 1_000.0, **changes}
        async with (
            scripted_kite() as kite,
            adapter_to(kite, folder, clock, logged_in=logged_in, sleep=sleep, **wanted) as adapter,
        ):
            await case(kite, adapter, clock)

    asyncio.run(whole())


async def shares(adapter: ZerodhaAdapter) -> dict[str, Instrument]:
    return {one.symbol: one for one in await adapter.instruments()}


def modes(kite: ScriptedKite) -> dict[int, object]:
    """What the socket is subscribed to, from what it heard."""
    found: dict[int, object] = {}
    for message in kite.heard:
        if message["a"] == "mode":
            mode, tokens = cast("tuple[str, list[int]]", message["v"])
            found.update(dict.fromkeys(tokens, mode))
        elif message["a"] == "unsubscribe":
            for token in cast("list[int]", message["v"]):
                found.pop(token, None)
    return found


def trade_row(trade_id: str, order_id: str, quantity: int) -> dict[str, object]:
    return {
        "trade_id": trade_id,
        "order_id": order_id,
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "product": "CNC",
        "average_price": 1500.25,
        "quantity": quantity,
        "exchange_order_id": "11",
        "fill_timestamp": "2026-11-20 10:00:02",
    }


def said(**changes: object) -> str:
    return json.dumps({"type": "order", "id": "", "data": order_row(**changes)})  # type: ignore[arg-type]


def test_ticks_become_quotes_of_the_newest_and_know_their_age(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        known = await shares(adapter)
        infy, relinfra = known["INFY"], known["RELINFRA"]
        assert adapter.tick_age_ns(infy) is None
        await adapter.subscribe([infy, relinfra], StreamMode.LTP)
        stream = adapter.quotes_stream()
        first = asyncio.ensure_future(anext(stream))
        await kite.until(lambda: modes(kite) == {INFY: "ltp", RELINFRA: "ltp"})
        await kite.push(ltp_frame((INFY, 150_000), (NIFTY, 5), (INFY, 150_005)))
        (quote,) = await first
        assert quote == Quote(instrument=infy, at_ns=MORNING, last_price=Decimal("1500.05"))
        clock.advance_to(MORNING + 3_000_000_000)
        assert adapter.tick_age_ns(infy) == 3_000_000_000
        assert adapter.tick_age_ns(relinfra) is None
        assert adapter.dropped_packets == {"not subscribed": 1}
        # A slow reader: many frames, then one look.
        for price in range(100, 150):
            await kite.push(ltp_frame((INFY, price), (RELINFRA, price)))
        await kite.push(ltp_frame((RELINFRA, 777)))
        newest: dict[Instrument, Decimal] = {}
        while newest.get(relinfra) != Decimal("7.77"):
            newest.update({one.instrument: one.last_price for one in await anext(stream)})
        assert newest == {infy: Decimal("1.49"), relinfra: Decimal("7.77")}

    run(case, tmp_path)


def test_a_cut_socket_comes_back_with_the_last_modes_and_then_reads_the_book(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        known = await shares(adapter)
        await adapter.subscribe([known["INFY"], known["NIFTY"]], StreamMode.QUOTE)
        await kite.until(lambda: len(modes(kite)) == 2)
        await adapter.subscribe([known["INFY"]], StreamMode.FULL)
        await adapter.unsubscribe([known["NIFTY"]])
        await adapter.subscribe([known["RELINFRA"]], StreamMode.LTP)
        await kite.until(lambda: modes(kite) == {INFY: "full", RELINFRA: "ltp"})
        await kite.until(lambda: len(kite.requests("GET /orders")) == 2)  # at the start and when connected
        kite.on("GET /orders", data([order_row("5", "COMPLETE", filled_quantity=10)]))
        kite.on("GET /trades", data([trade_row("t1", "5", 10)]))
        kite.heard.clear()
        kite.sockets[-1].transport.abort()  # as a cut cable
        await kite.until(lambda: len(kite.sockets) == 2)
        await kite.until(lambda: modes(kite) == {INFY: "full", RELINFRA: "ltp"})
        events = await collected(adapter, lambda found: isinstance(found[-1], TradeUpdate))
        orders = [event.order.broker_order_id for event in events if isinstance(event, OrderUpdate)]
        assert orders == ["5"]
        states = [event.state for event in events if isinstance(event, StreamChanged)]
        assert states == [
            StreamState.CONNECTING,
            StreamState.CONNECTED,
            StreamState.DISCONNECTED,
            StreamState.CONNECTING,
            StreamState.CONNECTED,
        ]

    run(case, tmp_path)


def test_pauses_between_connections_grow_and_vary(tmp_path: Path) -> None:
    pauses = NoPause()

    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        kite.stream_status = 503
        await adapter.subscribe([(await shares(adapter))["INFY"]], StreamMode.LTP)
        async with asyncio.timeout(20):
            while len(pauses.asked) < 9:
                await asyncio.sleep(0)
        for number, pause in enumerate(pauses.asked[:9]):
            longest = min(0.5 * 2**number, 30.0)
            assert longest / 2 <= pause <= longest
        assert (
            len({round(pause / min(0.5 * 2**number, 30.0), 6) for number, pause in enumerate(pauses.asked)})
            > 5
        )

    run(case, tmp_path, sleep=pauses)


def test_a_socket_that_says_nothing_counts_as_lost(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        await adapter.subscribe([(await shares(adapter))["INFY"]], StreamMode.LTP)
        await kite.until(lambda: len(kite.sockets) >= 2)

    run(case, tmp_path, silence_seconds=0.05)


@pytest.mark.parametrize(
    "garbage", [b"\x00", b"\xff" * 100, b"\x00\x02\x00\x08abc", "no json", "[]", '{"type":7}']
)
def test_garbage_on_the_socket_changes_nothing(tmp_path: Path, garbage: bytes | str) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        infy = (await shares(adapter))["INFY"]
        await adapter.subscribe([infy], StreamMode.LTP)
        stream = adapter.quotes_stream()
        first = asyncio.ensure_future(anext(stream))
        await kite.until(lambda: len(modes(kite)) == 1)
        await kite.push(garbage)
        await kite.push('{"type":"order","data":{"order_id":"1"}}')
        await kite.push(ltp_frame((INFY, 5)))
        assert [one.last_price for one in await first] == [Decimal("0.05")]
        assert len(kite.sockets) == 1

    run(case, tmp_path)


def test_messages_book_and_copies_are_one_stream_in_order(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        await adapter.instruments()
        kite.on("GET /orders", data([order_row(status="OPEN")]))
        kite.on(
            "GET /trades",
            data([]),
            data([trade_row("a", "1", 4)]),
            data([trade_row("a", "1", 4), trade_row("b", "1", 6)]),
        )

        def ended(found: list[BrokerEvent]) -> bool:
            return sum(isinstance(event, TradeUpdate) for event in found) == 2

        waiting = asyncio.ensure_future(collected(adapter, ended))
        await kite.until(lambda: bool(kite.requests("GET /orders")) and bool(kite.sockets))
        open_, part = (
            said(status="OPEN"),
            said(status="OPEN", filled_quantity=4, order_timestamp="2026-11-20 10:00:02"),
        )
        done = said(
            status="COMPLETE",
            filled_quantity=10,
            average_price=1500.25,
            order_timestamp="2026-11-20 10:00:03",
        )
        for message in (
            said(status="PUT ORDER REQ RECEIVED"),
            open_,
            part,
            open_,
            part,
            done,
            part,
            done,
            open_,
        ):
            clock.advance_to(clock.now_ns() + 1)
            await kite.push(message)
        events = await waiting
        told = [
            (one.order.raw_status, int(one.order.filled_quantity))
            for one in events
            if isinstance(one, OrderUpdate)
        ]
        assert told == [("OPEN", 0), ("OPEN", 4), ("COMPLETE", 10)]
        trades = [one.trade.trade_id for one in events if isinstance(one, TradeUpdate)]
        assert trades == ["a", "b"]
        kite.on(
            "GET /orders",
            data([order_row(status="COMPLETE", filled_quantity=10, order_timestamp="2026-11-20 10:00:04")]),
        )
        await adapter.orders()
        await adapter.trades()
        assert adapter._events.empty()

    run(case, tmp_path)


def postback(**changes: object) -> bytes:
    row = {**order_row(**changes), "user_id": "AB1234", "unfilled_quantity": 0}  # type: ignore[arg-type]
    row["checksum"] = sha256(f"{row['order_id']}{row['order_timestamp']}{API_SECRET}".encode()).hexdigest()
    return json.dumps(row).encode()


def test_a_true_postback_makes_the_book_be_read_at_once(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        waiting = asyncio.ensure_future(collected(adapter, lambda found: isinstance(found[-1], OrderUpdate)))
        await kite.until(lambda: bool(kite.requests("GET /orders")))
        kite.on("GET /orders", data([order_row("1", "CANCELLED")]))
        adapter.receive_postback(postback(status="COMPLETE"))
        found = (await waiting)[-1]
        assert isinstance(found, OrderUpdate)
        assert found.order.status is OrderStatus.CANCELLED, "the book is believed, not the body"

    run(case, tmp_path)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"not json",
        b"[1]",
        b"x" * 100_000,
        postback().replace(b'"checksum": "', b'"checksum": "0'),
        postback().replace(b'"order_id": "1"', b'"order_id": "2"'),
        json.dumps({"order_id": "1", "order_timestamp": "x", "checksum": "é"}).encode(),
        postback().replace(b"AB1234", b"ZZ9999"),
    ],
)
def test_a_false_postback_is_refused(tmp_path: Path, body: bytes) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        with pytest.raises(PostbackRefusedError):
            adapter.receive_postback(body)
        assert kite.requests("GET /orders") == []

    run(case, tmp_path, user_id="AB1234")


def test_a_change_of_a_stop_within_one_second_ends_with_its_new_terms(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        await adapter.instruments()
        stop = {"order_type": "SL", "trigger_price": 1490}
        moved = {"order_type": "SL", "trigger_price": 1480}
        waiting = asyncio.ensure_future(
            collected(
                adapter,
                lambda found: (
                    isinstance(found[-1], OrderUpdate)
                    and found[-1].order.trigger_price == Decimal(1480)
                    and found[-1].order.status is OrderStatus.TRIGGER_PENDING
                ),
            )
        )
        await kite.until(lambda: len(kite.requests("GET /orders")) == 2 and bool(kite.sockets))
        kite.on("GET /orders", data([order_row(status="TRIGGER PENDING", **moved)]))
        await kite.push(said(status="TRIGGER PENDING", **stop))
        await kite.push(said(status="UPDATE", **moved))
        events = await waiting
        states = [one.order.status for one in events if isinstance(one, OrderUpdate)]
        assert states == [OrderStatus.TRIGGER_PENDING, OrderStatus.UNKNOWN, OrderStatus.TRIGGER_PENDING]

    run(case, tmp_path)


def test_the_book_is_polled_beside_the_stream(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        kite.stream_status = 503
        kite.on("GET /orders", data([]), data([]), data([order_row()]))
        events = await collected(adapter, lambda found: isinstance(found[-1], OrderUpdate))
        assert isinstance(events[-1], OrderUpdate)

    run(case, tmp_path, poll_seconds=0.02)


def test_a_session_that_ends_stops_the_stream_and_a_new_login_brings_it_back(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        infy = (await shares(adapter))["INFY"]
        await adapter.subscribe([infy], StreamMode.FULL)
        await kite.until(lambda: modes(kite) == {INFY: "full"})
        kite.on("GET /trades", error(403, "TokenException", "expired"))
        with pytest.raises(SessionExpiredError):
            await adapter.trades()
        await kite.sockets[0].wait_closed()
        with pytest.raises(SessionExpiredError):
            await adapter.subscribe([infy], StreamMode.LTP)
        kite.heard.clear()
        await adapter.complete_login({"request_token": REQUEST_TOKEN})
        await kite.until(lambda: INFY in modes(kite))
        assert len(kite.sockets) == 2

    run(case, tmp_path)


def test_a_logout_leaves_the_stream_before_the_token_is_given_back(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        await adapter.subscribe([(await shares(adapter))["INFY"]], StreamMode.LTP)
        await kite.until(lambda: bool(kite.sockets))
        stream_then: list[StreamState] = []

        def note(asked: Asked) -> Says:
            stream_then.append(adapter.stream)
            return data("true")

        kite.on("DELETE /session/token", note)
        await adapter.logout()
        assert stream_then == [StreamState.DISCONNECTED]
        assert adapter.session is SessionState.LOGGED_OUT

    run(case, tmp_path)


def test_a_stream_refused_for_its_token_ends_the_session_once(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        kite.stream_status = 403
        kite.on("GET /user/profile", error(403, "TokenException", "expired"))
        events = await collected(
            adapter,
            lambda found: any(
                isinstance(one, SessionChanged) and one.state is SessionState.EXPIRED for one in found
            ),
        )
        assert (
            sum(isinstance(one, SessionChanged) and one.state is SessionState.EXPIRED for one in events) == 1
        )
        assert len(kite.requests("GET /user/profile")) == 1

    run(case, tmp_path)


def test_a_socket_takes_three_thousand_instruments(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        await adapter._ticker.subscribe(range(3_000), StreamMode.LTP)
        with pytest.raises(RequestRefusedError, match="3000 instruments"):
            await adapter._ticker.subscribe([3_000], StreamMode.LTP)
        await adapter._ticker.subscribe([5], StreamMode.FULL)
        assert adapter._ticker.modes[5] is StreamMode.FULL
        assert len(adapter._ticker.modes) == 3_000

    run(case, tmp_path)


def test_close_ends_every_reader(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        await adapter.subscribe([(await shares(adapter))["INFY"]], StreamMode.LTP)
        stream = adapter.quotes_stream()
        quotes = asyncio.ensure_future(anext(stream, None))
        events = asyncio.ensure_future(collected(adapter, lambda found: False))
        await kite.until(lambda: bool(kite.sockets))
        await adapter.close()
        async with asyncio.timeout(20):
            assert await quotes is None
            assert await events

    run(case, tmp_path)
