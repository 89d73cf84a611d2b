"""The paper adapter's other side: the simulated exchange itself."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import time
from pathlib import Path

from tests.brokers.contract.simulated import (
    CASH,
    CONTRACT,
    SHARE,
    START_NS,
    exchange_settings,
    first_prices,
    listings,
    minute_bars,
    open_market,
    orders_there,
    trade,
)
from tests.brokers.contract.venue import Fault, OrderThere
from trademantra.brokers.manifest import RateLimit
from trademantra.brokers.paper.broker import PaperBroker, PaperBrokerSettings
from trademantra.brokers.paper.entries import JournalEntry
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.host import ExchangeHost, Sink
from trademantra.brokers.paper.journal import Journal
from trademantra.brokers.paper.link import Link, Mishap, RequestKind
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_SECOND, ManualClock
from trademantra.engine.bars import Bars

ACCOUNT = "paper"
SESSION_ENDS = time(6, 0)
MANY = 1000
_ORDER_FAULTS = {
    Fault.LOSE_REQUEST: Mishap.LOSE_REQUEST,
    Fault.LOSE_REPLY: Mishap.LOSE_REPLY,
    Fault.REFUSE_RATE: Mishap.REFUSE_RATE,
}


class PaperVenue:
    """`tests.brokers.contract.venue.Venue` of the in-process exchange."""

    share = SHARE
    contract = CONTRACT
    cash = CASH
    other_loggers: Collection[str] = ()
    faults: Collection[Fault] = (*_ORDER_FAULTS, Fault.FAIL_READS)

    def __init__(self, host: ExchangeHost, clock: ManualClock) -> None:
        self._host = host
        self._clock = clock
        self.link = Link()
        self.adapter = PaperBroker(
            host,
            clock,
            PaperBrokerSettings(
                account_id=ACCOUNT, session_ends=SESSION_ENDS, limits={"orders": (RateLimit(10, 1),)}
            ),
            history=_history,
            link=self.link,
        )

    async def login_answer(self) -> Mapping[str, str]:
        return {}

    async def move(self, instrument: Instrument, price: str, volume: int = 1_000_000) -> None:
        self._clock.advance_to(self._clock.now_ns() + NANOSECONDS_PER_SECOND)
        await self._host.advance()
        await self._host.feed([trade(instrument, price, volume, self._clock.now_ns())])

    async def expire_session(self) -> None:
        """The only way in which a paper login ends: its time comes.  The exchange's day does not turn here."""
        self.adapter.end_session("the broker ended it")

    async def inject(self, fault: Fault) -> None:
        if fault is Fault.FAIL_READS:
            self.link.plan(RequestKind.BOOK, Mishap.LOSE_REPLY, MANY)
        else:
            self.link.plan(RequestKind.ORDERS, _ORDER_FAULTS[fault])

    async def clear_faults(self) -> None:
        self.link.clear()

    @asynccontextmanager
    async def stream_down(self) -> AsyncIterator[None]:
        self.link.cut_stream()
        try:
            yield
        finally:
            self.link.mend_stream()

    async def orders_there(self) -> Sequence[OrderThere]:
        return orders_there(self._host.exchange, ACCOUNT, {})

    def bars_there(self) -> Bars:
        return minute_bars()

    def secrets(self) -> Collection[str]:
        return ()


def _history(instrument: Instrument, timeframe: Timeframe) -> Bars:
    assert (instrument, str(timeframe)) == (SHARE, "1m")
    return minute_bars()


@asynccontextmanager
async def open_venue(folder: Path) -> AsyncIterator[PaperVenue]:
    clock = ManualClock(START_NS)

    def build(snapshot: bytes | None, entries: Sequence[JournalEntry], sink: Sink) -> Exchange:
        exchange = Exchange.restore(snapshot, entries, listings(), clock, exchange_settings(), sink)
        exchange.open_account(ACCOUNT, CASH)
        return exchange

    host = ExchangeHost(build, Journal.open(folder / "exchange.journal"))
    venue = PaperVenue(host, clock)
    try:
        await host.run(open_market)
        await host.feed(first_prices())
        yield venue
    finally:
        host.close()
