"""The adapter against a scripted broker: login, orders, lost replies, refusals, limits, secrets."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.brokers.zerodha.scripted_kite import (
    API_KEY,
    CUT,
    REQUEST_TOKEN,
    SECRETS,
    SILENCE,
    TOKEN,
    Answer,
    Asked,
    NoPause,
    Says,
    ScriptedKite,
    adapter_to,
    box_in,
    data,
    error,
    order_row,
    scripted_kite,
    settings_for,
)
from trademantra.brokers.errors import (
    BrokerError,
    BrokerUnavailableError,
    NotSupportedError,
    PermissionRefusedError,
    RateLimitedError,
    RequestRefusedError,
    SessionExpiredError,
)
from trademantra.brokers.events import SessionChanged, SessionState
from trademantra.brokers.orders import Accepted, OrderChange, OrderRequest, Refused, Unknown, Variety
from trademantra.brokers.port import BrokerAdapter
from trademantra.brokers.zerodha.adapter import ZerodhaAdapter
from trademantra.brokers.zerodha.client import Sleep
from trademantra.brokers.zerodha.reply import MalformedReplyError
from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import Instrument
from trademantra.core.order import OrderStatus, OrderType, Product, Side, Validity
from trademantra.core.time import IST, ManualClock, ns_of

MORNING = ns_of(datetime(2026, 11, 20, 9, 30, tzinfo=IST))
Case = Callable[[ScriptedKite, ZerodhaAdapter, ManualClock], Awaitable[None]]


def run(
    case: Case, folder: Path, *, logged_in: bool = True, sleep: Sleep | None = None, **changes: float | str
) -> None:
    """One case with a server, a fresh account and a clock that stands still."""

    async def whole() -> None:
        clock = ManualClock(MORNING)
        async with (
            scripted_kite() as kite,
            adapter_to(kite, folder, clock, logged_in=logged_in, sleep=sleep, **changes) as adapter,
        ):
            await case(kite, adapter, clock)

    asyncio.run(whole())


async def named(adapter: ZerodhaAdapter, symbol: str) -> Instrument:
    return next(one for one in await adapter.instruments() if one.symbol == symbol)


async def limit_order(adapter: ZerodhaAdapter, symbol: str = "INFY", quantity: int = 10) -> OrderRequest:
    return OrderRequest(
        instrument=await named(adapter, symbol),
        side=Side.BUY,
        quantity=Decimal(quantity),
        order_type=OrderType.LIMIT,
        product=Product.CNC,
        price=Decimal("1500.50"),
        tag="tag1",
    )


def as_port(adapter: ZerodhaAdapter) -> BrokerAdapter:
    """mypy proves here that the adapter is what the port asks for."""
    return adapter


# ---------------------------------------------------------------- the login


def test_a_login_lasts_until_six_and_is_found_again_after_a_restart(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        assert adapter.session_ends_ns == ns_of(datetime(2026, 11, 21, 6, 0, tzinfo=IST))
        again = ZerodhaAdapter(settings_for(kite), box_in(tmp_path), clock, Random(2), sleep=NoPause())
        assert again.session is SessionState.ACTIVE
        await again.orders()
        assert kite.asked[-1].authorization == f"token {API_KEY}:{TOKEN}"
        clock.advance_to(ns_of(datetime(2026, 11, 21, 6, 0, tzinfo=IST)))
        before = len(kite.asked)
        with pytest.raises(SessionExpiredError):
            await again.orders()
        assert len(kite.asked) == before, "an expired session sends nothing"
        assert again.session is SessionState.EXPIRED
        assert again.session_ends_ns is None
        await again.close()

    run(case, tmp_path)


def test_the_login_page_names_the_app(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        assert adapter.login_url() == f"https://kite.zerodha.com/connect/login?v=3&api_key={API_KEY}"

    run(case, tmp_path, logged_in=False)


@pytest.mark.parametrize(
    "answer",
    [{}, {"request_token": "abc", "status": "error"}, {"request_token": "a/../b", "status": "success"}],
)
def test_a_redirect_without_a_token_starts_nothing(tmp_path: Path, answer: dict[str, str]) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        with pytest.raises(RequestRefusedError, match="request token"):
            await adapter.complete_login(answer)
        assert adapter.session is SessionState.LOGGED_OUT
        assert kite.asked == []

    run(case, tmp_path, logged_in=False)


def test_a_wrong_request_token_does_not_end_the_session_in_force(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        with pytest.raises(SessionExpiredError):
            await adapter.complete_login({"request_token": "somebodyelses"})
        assert adapter.session is SessionState.ACTIVE

    run(case, tmp_path)


def test_the_login_of_another_user_is_not_taken(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        with pytest.raises(SessionExpiredError, match="AB1234 logged in, but this account is XY0001"):
            await adapter.complete_login({"request_token": REQUEST_TOKEN})
        assert adapter.session is SessionState.LOGGED_OUT

    run(case, tmp_path, logged_in=False, user_id="XY0001")


def test_a_refused_token_ends_the_session_once_and_nothing_spins(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        dead = error(403, "TokenException", f"Incorrect `api_key` or `access_token` {TOKEN}.")
        kite.on("GET /orders", dead)
        kite.on("GET /trades", dead)
        results = await asyncio.gather(
            adapter.orders(), adapter.trades(), adapter.orders(), return_exceptions=True
        )
        assert [type(one) for one in results] == [SessionExpiredError] * 3
        asked = len(kite.asked)
        with pytest.raises(SessionExpiredError):
            await adapter.orders()
        assert len(kite.asked) == asked
        changes = [event for event in drained(adapter) if isinstance(event, SessionChanged)]
        assert [change.state for change in changes] == [
            SessionState.LOGGING_IN,
            SessionState.ACTIVE,
            SessionState.EXPIRED,
        ]
        assert TOKEN not in changes[-1].reason
        await adapter.complete_login({"request_token": REQUEST_TOKEN})
        assert adapter.session is SessionState.ACTIVE

    run(case, tmp_path)


def test_a_late_refusal_of_the_old_token_does_not_end_the_new_login(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        await adapter.instruments()
        kite.on("GET /orders", SILENCE)
        reading = asyncio.create_task(adapter.orders())
        await kite.until(lambda: bool(kite.requests("GET /orders")))
        await adapter.complete_login({"request_token": REQUEST_TOKEN})
        adapter._session.refused(1, "late")
        assert adapter.session is SessionState.ACTIVE
        reading.cancel()

    run(case, tmp_path)


def test_a_logout_forgets_the_token_even_when_the_broker_does_not_answer(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        kite.on("DELETE /session/token", CUT)
        with pytest.raises(BrokerUnavailableError):
            await adapter.logout()
        assert adapter.session is SessionState.LOGGED_OUT
        assert box_in(tmp_path).names() == (f"zerodha/{API_KEY}/api_secret",)
        await adapter.logout()

    run(case, tmp_path)


# ---------------------------------------------------------------- orders


def test_each_kind_of_order_goes_out_in_the_brokers_words(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        for variety in ("regular", "amo", "iceberg", "co"):
            kite.on(f"POST /orders/{variety}", data({"order_id": "42"}))
        limit = await limit_order(adapter)
        plain = {
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "transaction_type": "BUY",
            "order_type": "LIMIT",
            "product": "CNC",
            "quantity": "10",
            "validity": "DAY",
            "tag": "tag1",
            "price": "1500.5",
        }
        market = {**plain, "order_type": "MARKET", "market_protection": "-1"}
        del market["price"]
        stop = Decimal("1490.05")
        future = replace(limit, instrument=await named(adapter, "NIFTY24NOV26FUT"), quantity=Decimal(130))
        cases: list[tuple[OrderRequest, str, dict[str, str]]] = [
            (limit, "regular", plain),
            (replace(limit, order_type=OrderType.MARKET, price=None), "regular", market),
            (
                replace(limit, order_type=OrderType.MARKET, price=None, market_protection=Decimal("2.50")),
                "regular",
                {**market, "market_protection": "2.5"},
            ),
            (
                replace(limit, order_type=OrderType.SL, trigger_price=stop),
                "regular",
                {**plain, "order_type": "SL", "trigger_price": "1490.05"},
            ),
            (
                replace(limit, order_type=OrderType.SL_M, price=None, trigger_price=stop),
                "regular",
                {**market, "order_type": "SL-M", "trigger_price": "1490.05"},
            ),
            (
                replace(limit, validity=Validity.TTL, ttl_minutes=5),
                "regular",
                {**plain, "validity": "TTL", "validity_ttl": "5"},
            ),
            (replace(limit, variety=Variety.AMO), "amo", plain),
            (
                replace(limit, variety=Variety.ICEBERG, legs=3),
                "iceberg",
                {**plain, "iceberg_legs": "3", "iceberg_quantity": "4"},
            ),
            (
                replace(limit, variety=Variety.COVER, trigger_price=stop),
                "co",
                {**plain, "trigger_price": "1490.05"},
            ),
            (
                replace(future, slice_automatically=True, algo_id="ALGO7", disclosed_quantity=Decimal(65)),
                "regular",
                {
                    **plain,
                    "exchange": "NFO",
                    "tradingsymbol": "NIFTY26NOVFUT",
                    "quantity": "130",
                    "autoslice": "true",
                    "algo_id": "ALGO7",
                    "disclosed_quantity": "65",
                },
            ),
        ]
        for request, variety, form in cases:
            assert await adapter.place(request) == Accepted("42")
            assert kite.requests(f"POST /orders/{variety}")[-1].form == form

    run(case, tmp_path, orders_per_second=100)


def test_lots_are_converted_at_the_edge_both_ways(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        kite.on("POST /orders/regular", data({"order_id": "42"}))
        gold = replace(await named(adapter, "GOLDM04DEC26FUT"), lot_size=Decimal(100))
        request = replace(
            await limit_order(adapter), instrument=gold, quantity=Decimal(300), product=Product.NRML
        )
        assert await adapter.place(request) == Accepted("42")
        assert kite.asked[-1].form["quantity"] == "3"
        row = order_row(
            exchange="MCX", tradingsymbol="GOLDM26DECFUT", quantity=3, filled_quantity=1, product="NRML"
        )
        kite.on("GET /orders", data([row]))
        (order,) = await adapter.orders()
        assert (order.instrument, order.quantity, order.filled_quantity) == (gold, Decimal(300), Decimal(100))
        broken = await adapter.place(replace(request, quantity=Decimal(150)))
        assert broken == Refused("MCX:GOLDM:2026-12-04:FUT: 150 is no whole number of lots of 100")
        assert len(kite.requests("POST /orders/regular")) == 1

    run(case, tmp_path)


@pytest.mark.parametrize("quantity", ["2.5", "0.1"])
def test_a_fraction_of_a_share_is_refused_before_it_is_sent(tmp_path: Path, quantity: str) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        answer = await adapter.place(replace(await limit_order(adapter), quantity=Decimal(quantity)))
        assert isinstance(answer, Refused)
        assert kite.requests("POST /orders/regular") == []

    run(case, tmp_path)


def test_slices_are_told_and_a_failed_slice_is_never_a_success(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        good = {"order_id": "1", "children": [{"order_id": "2"}, {"order_id": "3"}]}
        failed = {
            "error": {
                "code": 400,
                "error_type": "MarginException",
                "message": "Insufficient funds",
                "data": None,
            }
        }
        kite.on(
            "POST /orders/regular",
            data(good),
            data({"order_id": "1", "children": [{"order_id": "2"}, failed]}),
        )
        request = replace(await limit_order(adapter), slice_automatically=True)
        assert await adapter.place(request) == Accepted("1", ("2", "3"))
        half = await adapter.place(request)
        assert isinstance(half, Unknown)
        assert "Insufficient funds" in half.reason
        assert "accepted: 2" in half.reason

    run(case, tmp_path)


UNCLEAR: list[Answer] = [
    CUT,
    SILENCE,
    error(502, "DataException", "bad gateway"),
    error(503, "NetworkException", "OMS unreachable"),
    error(500, "GeneralException", "something"),
    error(500, "MarginException", "a refusal by its name, but not below 500"),
    Says(502, b"<html>bad gateway</html>", "text/html"),
    Says(400, b"<html>a proxy's page</html>", "text/html"),
    Says(200, b"{", "application/json"),
    Says(200, b"[]", "application/json"),
    data({"no": "order id"}),
    data(None),
    Says(200, b"hello", "text/plain"),
]


@pytest.mark.parametrize("answer", UNCLEAR)
def test_a_lost_reply_is_unknown_is_not_sent_again_and_is_found_by_its_tag(
    tmp_path: Path, answer: Answer
) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        kite.on("POST /orders/regular", answer)
        result = await adapter.place(await limit_order(adapter))
        assert isinstance(result, Unknown), result
        assert len(kite.requests("POST /orders/regular")) == 1
        kite.on("GET /orders", data([order_row("7"), order_row("8", tag="other"), order_row("9", tag=None)]))
        assert [order.broker_order_id for order in await adapter.orders_by_tag("tag1")] == ["7"]

    run(case, tmp_path, timeout_seconds=0.3)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(400, "InputException", "Invalid price"), Refused("Invalid price", "InputException")),
        (error(400, "OrderException", "No such order"), Refused("No such order", "OrderException")),
        (
            error(400, "MarginException", "Insufficient funds"),
            Refused("Insufficient funds", "MarginException"),
        ),
        (error(403, "PermissionException", "IP not allowed"), PermissionRefusedError),
        (error(429, "NetworkException", "Too many requests"), RateLimitedError),
        (error(403, "TokenException", "Session expired"), SessionExpiredError),
    ],
)
def test_a_refusal_of_an_order_is_told_as_what_it_is(
    tmp_path: Path, answer: Answer, kind: Refused | type[BrokerError]
) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        kite.on("POST /orders/regular", answer)
        request = await limit_order(adapter)
        if isinstance(kind, Refused):
            assert await adapter.place(request) == kind
        else:
            with pytest.raises(kind):
                await adapter.place(request)
        assert len(kite.requests("POST /orders/regular")) == 1

    run(case, tmp_path)


def test_changes_and_cancels_are_addressed_by_the_orders_variety(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        cover = order_row(
            "5", "TRIGGER PENDING", variety="co", product="CO", order_type="SL", parent_order_id="4"
        )
        kite.on("GET /orders", data([cover, order_row("6", variety="amo", status="AMO REQ RECEIVED")]))
        kite.on("PUT /orders/amo/6", data({"order_id": "6"}))
        kite.on("DELETE /orders/co/5", data({"order_id": "5"}))
        change = OrderChange(quantity=Decimal(20), order_type=OrderType.MARKET, trigger_price=Decimal("1.5"))
        assert await adapter.modify("6", change) == Accepted("6")
        assert kite.asked[-1].form == {
            "quantity": "20",
            "order_type": "MARKET",
            "trigger_price": "1.5",
            "market_protection": "-1",
        }
        assert await adapter.cancel("5") == Accepted("5")
        assert kite.asked[-1].query == {"parent_order_id": ["4"]}
        assert isinstance(await adapter.cancel("none"), Refused)
        assert isinstance(await adapter.modify("6", OrderChange()), Refused)
        kite.on("DELETE /orders/co/5", SILENCE)
        assert isinstance(await adapter.cancel("5"), Unknown)

    run(case, tmp_path, timeout_seconds=0.5)


def test_a_bracket_is_not_supported(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        with pytest.raises(NotSupportedError):
            await adapter.place(replace(await limit_order(adapter), stop_trigger=Decimal(1400)))

    run(case, tmp_path)


# ---------------------------------------------------------------- books


@pytest.mark.parametrize("odd", [{"order_type": "SL-Q"}, {"exchange": "NOSUCH"}, {"transaction_type": None}])
def test_a_row_of_others_that_cannot_be_read_hides_none_of_ours(
    tmp_path: Path, odd: dict[str, object]
) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        kite.on("GET /orders", data([order_row("7", **odd, tag=None), order_row("8")]))
        assert [order.broker_order_id for order in await adapter.orders()] == ["8"]
        kite.on(
            "GET /orders", data([order_row("7", **odd), order_row("8")])
        )  # ours: the book says nothing then
        with pytest.raises((BrokerError, UnknownInstrumentError)):
            await adapter.orders()

    run(case, tmp_path)


@pytest.mark.parametrize(
    "answer",
    [data(None), data({}), error(503, "NetworkException", "down"), Says(200, b"<", "text/html"), CUT],
)
@pytest.mark.parametrize(
    "path", ["/orders", "/trades", "/portfolio/positions", "/portfolio/holdings", "/user/margins"]
)
def test_a_book_that_cannot_be_read_is_an_error_and_never_empty(
    tmp_path: Path, answer: Answer, path: str
) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        kite.on(f"GET {path}", answer)
        read: dict[str, Callable[[], Awaitable[object]]] = {
            "/orders": adapter.orders,
            "/trades": adapter.trades,
            "/portfolio/positions": adapter.positions,
            "/portfolio/holdings": adapter.holdings,
            "/user/margins": adapter.funds,
        }
        if path == "/user/margins" and answer == data({}):
            assert await adapter.funds() == ()  # no segment is enabled
            return
        with pytest.raises(BrokerError):
            await read[path]()

    run(case, tmp_path)


def test_a_read_is_tried_again_with_growing_pauses(tmp_path: Path) -> None:
    pauses = NoPause()

    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        await adapter.instruments()
        busy = Says(429, b'{"status":"error","error_type":"NetworkException"}', headers=("Retry-After: 7",))
        kite.on("GET /orders", error(502, "DataException", "x"), busy, CUT, data([order_row()]))
        assert len(await adapter.orders()) == 1
        assert len(kite.requests("GET /orders")) == 4
        first, second, third = pauses.asked
        assert 0.25 <= first <= 0.5
        assert second == 7
        assert 1.0 <= third <= 2.0

    run(case, tmp_path, sleep=pauses)


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": "ten"},
        {"quantity": None},
        {"status": None},
        {"order_type": "XX"},
        {"order_timestamp": "yesterday"},
        {"filled_quantity": True},
        {"price": [1]},
        {"order_id": ""},
        {"product": "ZZZ"},
    ],
)
def test_a_row_that_cannot_be_read_is_an_error(tmp_path: Path, change: dict[str, object]) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        kite.on("GET /orders", data([{**order_row(), **change}]))
        with pytest.raises(MalformedReplyError):
            await adapter.orders()

    run(case, tmp_path)


@pytest.mark.parametrize(
    ("raw", "filled", "status"),
    [
        ("PUT ORDER REQ RECEIVED", 0, OrderStatus.SENT),
        ("VALIDATION PENDING", 0, OrderStatus.SENT),
        ("OPEN PENDING", 0, OrderStatus.SENT),
        ("OPEN", 0, OrderStatus.OPEN),
        ("OPEN", 3, OrderStatus.PARTLY_FILLED),
        ("TRIGGER PENDING", 0, OrderStatus.TRIGGER_PENDING),
        ("AMO REQ RECEIVED", 0, OrderStatus.OPEN),
        ("MODIFY VALIDATION PENDING", 0, OrderStatus.MODIFYING),
        ("MODIFY PENDING", 2, OrderStatus.MODIFYING),
        ("CANCEL PENDING", 0, OrderStatus.CANCELLING),
        ("COMPLETE", 10, OrderStatus.FILLED),
        ("CANCELLED", 4, OrderStatus.CANCELLED),
        ("REJECTED", 0, OrderStatus.REJECTED),
        ("EXPIRED", 0, OrderStatus.EXPIRED),
        ("UPDATE", 3, OrderStatus.PARTLY_FILLED),
        ("SOMETHING NEW", 0, OrderStatus.UNKNOWN),
    ],
)
def test_every_word_of_the_broker_has_its_state(
    tmp_path: Path, raw: str, filled: int, status: OrderStatus
) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        kite.on("GET /orders", data([order_row(status=raw, filled_quantity=filled)]))
        (order,) = await adapter.orders()
        assert (order.status, order.raw_status) == (status, raw)
        assert order.updated_ns == ns_of(datetime(2026, 11, 20, 10, 0, tzinfo=IST))

    run(case, tmp_path)


def test_a_holding_that_is_no_longer_listed_is_still_a_holding(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        row = {
            "exchange": "NSE",
            "tradingsymbol": "GONE-BZ",
            "isin": "INE000A01012",
            "quantity": 5,
            "t1_quantity": 2,
            "average_price": 10.05,
            "last_price": 0.1,
            "product": "CNC",
        }
        kite.on("GET /portfolio/holdings", data([row]))
        (holding,) = await adapter.holdings()
        assert (holding.instrument.symbol, holding.instrument.series, holding.isin) == (
            "GONE",
            "BZ",
            "INE000A01012",
        )
        assert (holding.average_price, holding.t1_quantity) == (Decimal("10.05"), Decimal(2))

    run(case, tmp_path)


def test_a_contract_listed_since_the_morning_is_fetched_once(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        new = order_row(exchange="NFO", tradingsymbol="NIFTY26DEC26000CE")
        kite.on("GET /orders", data([new]))
        await adapter.instruments()
        with pytest.raises(UnknownInstrumentError, match="NIFTY26DEC26000CE"):
            await adapter.orders()
        assert len(kite.requests("GET /instruments")) == 1, "not more often than every ten minutes"
        clock.advance_to(clock.now_ns() + 11 * 60 * 10**9)
        line = "12999999,1,NIFTY26DEC26000CE,NIFTY,0,2026-12-29,26000,0.05,65,CE,NFO-OPT,NFO\n"
        (first,) = kite.answers["GET /instruments"]
        assert isinstance(first, Says)
        kite.on("GET /instruments", replace(first, body=first.body + line.encode()))
        (order,) = await adapter.orders()
        assert order.instrument.key == "NSE:NIFTY:2026-12-29:26000:CE"

    run(case, tmp_path)


def test_no_order_waits_for_a_list_that_is_fetched_anew(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, _: ManualClock) -> None:
        kite.on("POST /orders/regular", data({"order_id": "7"}))
        wanted = await limit_order(adapter)
        kite.on("GET /instruments", SILENCE)
        fetching = asyncio.create_task(named(adapter, "NOSUCHNAME"))
        await kite.until(lambda: len(kite.requests("GET /instruments")) == 2)
        async with asyncio.timeout(5):
            assert await adapter.place(wanted) == Accepted("7")
            assert await adapter.orders() == []
        fetching.cancel()

    run(case, tmp_path)


# ---------------------------------------------------------------- limits and secrets


def test_orders_stay_below_the_limit_and_a_wait_too_long_sends_nothing(tmp_path: Path) -> None:
    class Waits:
        """Lets the clock move by what is slept."""

        clock: ManualClock

        async def __call__(self, seconds: float) -> None:
            self.clock.advance_to(self.clock.now_ns() + int(seconds * 1e9))

    waits = Waits()
    sent: list[int] = []

    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        waits.clock = clock
        clock.advance_to(MORNING + 950_000_000)  # the broker's second may begin at any instant of ours

        def note(asked: Asked) -> Says:
            sent.append(clock.now_ns())
            return data({"order_id": "1"})

        kite.on("POST /orders/regular", note)
        kite.on("GET /orders", data([order_row()]))
        kite.on("DELETE /orders/regular/1", note)
        request = await limit_order(adapter)
        for _ in range(12):
            await adapter.place(request)
            await adapter.cancel("1")
        for at in sent:
            assert sum(at <= other < at + 10**9 for other in sent) <= 9
        assert len(sent) == 24

    run(case, tmp_path, sleep=waits)

    async def used_up(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        waits.clock = clock
        kite.on("POST /orders/regular", data({"order_id": "1"}))
        request = await limit_order(adapter)
        await adapter.place(request)
        with pytest.raises(RateLimitedError, match="nothing was sent") as refusal:
            await adapter.place(request)
        assert refusal.value.retry_after_seconds == pytest.approx(60, abs=5)
        assert len(kite.requests("POST /orders/regular")) == 1

    run(used_up, tmp_path, sleep=waits, orders_per_minute=1)


def test_no_secret_in_any_log_error_or_foreign_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []

    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        echo = error(400, "InputException", f"echo {TOKEN} {REQUEST_TOKEN} {SECRETS[0]}")
        for answer in (echo, *UNCLEAR, error(403, "PermissionException", TOKEN)):
            kite.on("POST /orders/regular", answer)
            kite.on("GET /orders", answer)
            for call in (partial(adapter.place, await limit_order(adapter)), adapter.orders):
                try:
                    texts.append(repr(await call()))
                except BrokerError as failure:
                    texts.append(f"{failure} {failure!r} {failure.__cause__!r} {failure.__context__!r}")
        adapter._watch()
        await kite.until(lambda: bool(kite.sockets))
        await kite.push('{"type":"error","data":"bad ' + TOKEN + '"}')
        kite.on("DELETE /session/token", echo)
        with pytest.raises(BrokerError) as refusal:
            await adapter.logout()
        texts.append(str(refusal.value))
        texts.append(f"{adapter} {vars(adapter)} {drained(adapter)}")

    run(case, tmp_path, timeout_seconds=0.3, read_tries=1, orders_per_second=100)
    everything = caplog.text + "".join(texts)
    assert "zerodha" in caplog.text
    for secret in SECRETS:
        assert secret not in everything
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in SECRETS:
        assert secret.encode() not in stored


def test_tokens_are_never_sent_in_the_clear_to_another_machine() -> None:
    for change in (
        {"root": "http://kite.example"},
        {"stream_root": "ws://kite.example"},
        {"root": "ftp://x"},
    ):
        with pytest.raises(InvalidValueError):
            replace(settings_for(ScriptedKite()), **change)  # type: ignore[arg-type]


def drained(adapter: ZerodhaAdapter) -> list[object]:
    """The events that are waiting."""
    found: list[object] = []
    while not adapter._events.empty():
        found.append(adapter._events.get_nowait())
    return found


def test_quotes_come_for_what_is_known(tmp_path: Path) -> None:
    async def case(kite: ScriptedKite, adapter: ZerodhaAdapter, clock: ManualClock) -> None:
        infy = await named(adapter, "INFY")
        strange = replace(infy, symbol="STRANGE")
        level = {"price": 1500.05, "quantity": 3, "orders": 1}
        row = {
            "instrument_token": 408065,
            "timestamp": "2026-11-20 09:30:01",
            "last_price": 1500.1,
            "volume": 12,
            "oi": 0,
            "lower_circuit_limit": 1350.1,
            "ohlc": {"open": 1499, "high": 1501, "low": 1498.5, "close": 1490},
            "depth": {"buy": [level, {"price": 0, "quantity": 0, "orders": 0}], "sell": []},
        }
        kite.on("GET /quote", data({"NSE:INFY": row}))
        quotes = await adapter.quotes([infy, strange, await named(adapter, "NIFTY")])
        assert kite.asked[-1].query == {"i": ["NSE:INFY", "NSE:NIFTY 50"]}
        quote = quotes[infy]
        assert list(quotes) == [infy]
        assert (quote.last_price, quote.previous_close) == (Decimal("1500.1"), Decimal(1490))
        assert quote.open_interest is None
        assert [one.price for one in quote.bids] == [Decimal("1500.05")]
        assert quote.at_ns == MORNING + int(timedelta(seconds=1).total_seconds() * 1e9)

    run(case, tmp_path)
