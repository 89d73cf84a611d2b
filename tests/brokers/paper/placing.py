"""A course of orders and prices on a durable exchange: always the same, so that any prefix can be played again.

Run as a program it plays on for ever on the journal that it is given and prints the number of each step that was
acknowledged.
"""

import asyncio
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from random import Random

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.orders import OrderChange, OrderRequest
from trademantra.brokers.paper.entries import JournalEntry
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.host import ExchangeHost, Sink
from trademantra.brokers.paper.journal import Journal
from trademantra.brokers.paper.settings import ExchangeSettings, Hours
from trademantra.brokers.paper.terms import PriceEvent, RefusedRequestError
from trademantra.core.instrument import Exchange as Place
from trademantra.core.instrument import Instrument, InstrumentKind, Segment
from trademantra.core.order import OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND, ManualClock

START_NS = 1_795_149_000_000_000_000  # 2026-11-20 10:00 in India
ACCOUNTS = ("first", "second")
SHARE = Instrument(
    exchange=Place.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="COURSE", series="EQ"
)
TOKEN = 1001 << 8 | 1


def build(snapshot: bytes | None, entries: Sequence[JournalEntry], sink: Sink) -> Exchange:
    known = Listings.of([Listing("NSE", "COURSE", TOKEN, SHARE, previous_close=Decimal(100))])
    settings = ExchangeSettings(hours=Hours.ALWAYS, square_off=None)
    exchange = Exchange.restore(snapshot, entries, known, ManualClock(START_NS), settings, sink)
    for account in ACCOUNTS:
        if account not in exchange.accounts():
            exchange.open_account(account, Decimal(10_000_000))
    return exchange


def step(exchange: Exchange, number: int) -> None:
    """One command; step `number` is always the same command on the same state."""
    chance = Random(f"course {number}")
    account = chance.choice(ACCOUNTS)
    working = [order for order in exchange.orders(account) if not order.status.is_final]
    price = Decimal(chance.randrange(1900, 2100)) / 20
    match chance.randrange(5):
        case 0 | 1:
            request = OrderRequest(
                instrument=SHARE,
                side=chance.choice((Side.BUY, Side.SELL)),
                quantity=Decimal(chance.randrange(1, 50)),
                order_type=OrderType.LIMIT,
                product=Product.MIS,
                price=price,
                tag=f"step{number}",
            )
            exchange.place(account, request)
        case 2 if working:
            exchange.modify(account, chance.choice(working).order_id, OrderChange(price=price))
        case 3 if working:
            exchange.cancel(account, chance.choice(working).order_id)
        case _:
            at, volume = float(price), float(chance.randrange(1, 100))
            at_ns = START_NS + number * NANOSECONDS_PER_SECOND
            exchange.feed([PriceEvent(TOKEN, at_ns, at, at, at, at, volume)])


def step_or_refusal(exchange: Exchange, number: int) -> None:
    try:
        step(exchange, number)
    except RefusedRequestError:
        return


def state_of(exchange: Exchange) -> bytes:
    """Everything that the exchange is, as it writes itself."""
    return exchange.snapshot()


async def play(path: Path, first: int) -> None:
    """Several steps are under way at once, as from several clients."""
    host = ExchangeHost(build, Journal.open(path))

    async def one(number: int) -> None:
        await host.run(lambda exchange: step_or_refusal(exchange, number))
        print(number, flush=True)

    waiting: list[asyncio.Task[None]] = []
    for number in range(first, first + 1_000_000):
        waiting.append(asyncio.create_task(one(number)))
        await asyncio.sleep(0)
        if len(waiting) == 8:
            await waiting.pop(0)


if __name__ == "__main__":
    asyncio.run(play(Path(sys.argv[1]), int(sys.argv[2])))
