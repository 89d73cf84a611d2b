"""What a paper account adds to the contract: its daily end, finished history, shared hosts, a stopped exchange."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tests.brokers.paper.placing import ACCOUNTS, SHARE, START_NS, TOKEN, build
from tests.brokers.paper.test_host import price_event, request
from trademantra.brokers.errors import (
    BrokerUnavailableError,
    NotSupportedError,
    RequestRefusedError,
    SessionExpiredError,
)
from trademantra.brokers.events import BrokerEvent, OrderUpdate, SessionChanged, SessionState
from trademantra.brokers.market import Quote, StreamMode
from trademantra.brokers.newest import NewestQuotes
from trademantra.brokers.orders import Accepted, Refused, Unknown
from trademantra.brokers.paper.broker import PaperBroker, PaperBrokerSettings
from trademantra.brokers.paper.history import finished, stored_history
from trademantra.brokers.paper.host import ExchangeHost
from trademantra.brokers.paper.journal import Journal
from trademantra.brokers.paper.terms import RefusedRequestError
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Exchange as Place
from trademantra.core.instrument import Instrument, InstrumentKind, Segment
from trademantra.core.time import (
    NANOSECONDS_PER_DAY,
    NANOSECONDS_PER_MINUTE,
    ManualClock,
    datetime_of,
    ist_ns,
    ns_of,
)
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars

DAY, MINUTE = Timeframe.parse("1d"), Timeframe.parse("1m")


def clock_of(host: ExchangeHost) -> ManualClock:
    clock = host.exchange.clock
    assert isinstance(clock, ManualClock)
    return clock


def broker_of(host: ExchangeHost, account: str = ACCOUNTS[0], **terms: object) -> PaperBroker:
    settings = PaperBrokerSettings(account_id=account, **terms)  # type: ignore[arg-type]
    return PaperBroker(host, clock_of(host), settings)


@asynccontextmanager
async def told(broker: PaperBroker) -> AsyncIterator[list[BrokerEvent]]:
    """Everything that a broker tells until it is closed."""
    events: list[BrokerEvent] = []

    async def read() -> None:
        events.extend([event async for event in broker.events()])

    reading = asyncio.create_task(read())
    yield events
    await broker.close()
    await reading


def test_the_login_ends_at_its_time_of_day_and_says_so_once() -> None:
    async def main() -> None:
        host = ExchangeHost(build)
        broker = broker_of(host, session_ends=time(6, 0))
        async with told(broker) as events:
            await host.feed([price_event()])
            await broker.complete_login({})
            assert broker.session_ends_ns == ist_ns(date(2026, 11, 21), time(6, 0))
            clock_of(host).advance_to(broker.session_ends_ns - 1)
            assert isinstance(await broker.place(request()), Accepted)
            clock_of(host).advance_to(broker.session_ends_ns)
            await host.feed([price_event(101.0, broker.session_ends_ns)])  # the market notices it
            for _ in range(2):
                with pytest.raises(SessionExpiredError, match=r"is expired \(log in again\)"):
                    await broker.place(request("two"))
        changes = [event.state for event in events if isinstance(event, SessionChanged)]
        assert changes == [SessionState.ACTIVE, SessionState.EXPIRED]

    asyncio.run(main())


def test_accounts_of_one_exchange_hear_of_their_own_orders_only() -> None:
    async def main() -> None:
        host = ExchangeHost(build)
        first, second = (broker_of(host, name) for name in ACCOUNTS)
        async with told(first) as heard_by_first, told(second) as heard_by_second:
            await host.feed([price_event()])
            await first.complete_login({})
            await second.complete_login({})
            placed = await first.place(request())
            assert isinstance(placed, Accepted)
            assert list(await second.orders()) == []
            assert isinstance(await second.cancel(placed.broker_order_id), Refused)
        assert any(isinstance(event, OrderUpdate) for event in heard_by_first)
        assert not any(isinstance(event, OrderUpdate) for event in heard_by_second)

    asyncio.run(main())


def test_an_account_that_is_not_open_is_refused_at_once() -> None:
    async def main() -> None:
        with pytest.raises(RefusedRequestError, match="nobody"):
            broker_of(ExchangeHost(build), "nobody")

    asyncio.run(main())


def test_a_journal_that_fails_makes_orders_unknown_then_refused_and_books_errors(tmp_path: Path) -> None:
    async def main() -> None:
        host = ExchangeHost(build, Journal.open(tmp_path / "journal", largest_bytes=150_000))
        broker = broker_of(host)
        await host.feed([price_event()])
        await broker.complete_login({})
        placed = 0
        while isinstance(result := await broker.place(request(f"n{placed}")), Accepted):
            placed += 1
        assert isinstance(result, Unknown), result
        assert "disk is full" in result.reason
        after = await broker.place(request("after"))
        assert isinstance(after, Refused)
        assert "disk is full" in after.reason
        for read in (broker.orders, broker.positions, broker.funds):
            with pytest.raises(BrokerUnavailableError, match="disk is full"):
                await read()
        host.close()
        again = ExchangeHost(build, Journal.open(tmp_path / "journal"))
        assert len(again.exchange.orders(ACCOUNTS[0])) == placed
        again.close()

    asyncio.run(main())


def test_history_never_shows_what_the_clock_has_not_reached(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    ts = START_NS + np.arange(-5, 5) * NANOSECONDS_PER_MINUTE
    ten = [100.0] * 10
    store.append(Series("NSE", "COURSE", MINUTE), Bars.of(ts, ten, ten, ten, ten, ten))

    async def main() -> None:
        host = ExchangeHost(build)
        clock = clock_of(host)
        settings = PaperBrokerSettings(account_id=ACCOUNTS[0])
        broker = PaperBroker(host, clock, settings, history=stored_history(store))
        await broker.complete_login({})
        first, last = datetime_of(int(ts[0])), datetime_of(int(ts[-1]))
        for passed, seen in ((0, 5), (NANOSECONDS_PER_MINUTE - 1, 5), (NANOSECONDS_PER_MINUTE, 6)):
            clock.advance_to(START_NS + passed)
            bars = await broker.history(SHARE, MINUTE, first, last)
            assert bars.ts.tolist() == ts[:seen].tolist()
        with pytest.raises(RequestRefusedError, match=r"no 1d bars of NSE:COURSE are stored"):
            await broker.history(SHARE, DAY, first, last)
        with pytest.raises(NotSupportedError):
            await broker_with_login(host).history(SHARE, MINUTE, first, last)

    asyncio.run(main())


def broker_with_login(host: ExchangeHost) -> PaperBroker:
    broker = broker_of(host, ACCOUNTS[1])
    broker._session.begin()
    return broker


@pytest.mark.parametrize(
    ("exchange", "timeframe", "start", "known"),
    [
        (Place.NSE, "1d", "2026-11-16T09:15+05:30", "2026-11-17T00:00+05:30"),
        (Place.NSE, "1w", "2026-11-16T09:15+05:30", "2026-11-23T00:00+05:30"),
        (Place.NSE, "1mo", "2026-11-02T09:15+05:30", "2026-12-03T00:00+05:30"),
        (Place.NYSE, "1d", "2026-11-16T20:00+05:30", "2026-11-17T10:30+05:30"),
        (Place.BINANCE, "1d", "2026-11-16T05:30+05:30", "2026-11-17T05:30+05:30"),
    ],
)
def test_a_bar_of_days_is_known_when_its_last_day_is_over_where_it_trades(
    exchange: Place, timeframe: str, start: str, known: str
) -> None:
    instrument = Instrument(exchange=exchange, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="X")
    bars = Bars.of([ns_of(datetime.fromisoformat(start))], [1.0], [1.0], [1.0], [1.0], [1.0])
    known_ns = ns_of(datetime.fromisoformat(known))
    seen = [
        len(finished(bars, instrument, Timeframe.parse(timeframe), at)) for at in (known_ns - 1, known_ns)
    ]
    assert seen == [0, 1]


def test_a_reader_of_ticks_gets_the_newest_of_each_and_then_the_end() -> None:
    def quote(price: int, symbol: str) -> Quote:
        one = Instrument(exchange=Place.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=symbol)
        return Quote(instrument=one, at_ns=price, last_price=Decimal(price))

    async def main() -> list[Sequence[int]]:
        newest = NewestQuotes()
        for price in range(1, 100):
            newest.put([quote(price, "A"), quote(price + 1000, "B")])
        newest.put([quote(5, "C")])
        newest.close()
        return [[one.at_ns for one in batch] async for batch in newest]

    assert asyncio.run(main()) == [[99, 1099, 5]]


def test_rubbish_is_refused_without_a_trace() -> None:
    async def main() -> None:
        host = ExchangeHost(build)
        broker = broker_of(host, stream_tokens=0)
        await broker.complete_login({"anything": "goes"})
        unlisted = Instrument(
            exchange=Place.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="NOWHERE"
        )
        with pytest.raises(RequestRefusedError, match="NSE:NOWHERE is not listed"):
            await broker.subscribe([unlisted], StreamMode.LTP)
        with pytest.raises(RequestRefusedError, match="1 instruments on one stream, at most 0"):
            await broker.subscribe([SHARE], StreamMode.LTP)
        assert await broker.quotes([unlisted, SHARE]) == {}
        assert broker.tick_age_ns(unlisted) is None
        assert isinstance(await broker.cancel(""), Refused)
        assert broker.login_url() == ""
        assert TOKEN in host.exchange.listings.tokens
        clock_of(host).advance_to(START_NS + NANOSECONDS_PER_DAY)
        assert broker.session is SessionState.ACTIVE  # without a daily end it lasts

    asyncio.run(main())
