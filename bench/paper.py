"""The simulated exchange: ticks a second with 100 resting orders, and orders a second.

Run: .venv/bin/python bench/paper.py
"""

from datetime import date, time
from decimal import Decimal

import numpy as np
from timing import median_seconds, peak_megabytes, row

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.orders import OrderChange, OrderRequest
from trademantra.brokers.paper.entries import JournalEntry
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.market import EventBatch
from trademantra.brokers.paper.settings import ExchangeSettings, Hours
from trademantra.core.instrument import Exchange as Venue
from trademantra.core.instrument import Instrument, InstrumentKind, Segment
from trademantra.core.order import OrderType, Product, Side
from trademantra.core.time import ManualClock, ist_ns

TICKS = 1_000_000
INSTRUMENTS = 3_000
RESTING = 100
ORDERS = 2_000
ACCOUNTS = 20
DAY = date(2026, 11, 20)
TICK = Decimal("0.05")


def instrument(number: int) -> Instrument:
    return Instrument(
        exchange=Venue.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=f"S{number}",
        has_derivatives=True,
    )  # fmt: skip


def exchange(sink: bool = False) -> Exchange:
    listings = Listings.of(
        Listing("NSE", f"S{number}", number << 8 | 1, instrument(number), previous_close=Decimal(100))
        for number in range(INSTRUMENTS)
    )
    entries: list[JournalEntry] = []
    clock = ManualClock(ist_ns(DAY, time(9, 30)))
    settings = ExchangeSettings(hours=Hours.EXCHANGE)
    made = (
        Exchange(listings, clock, settings, entries.append) if sink else Exchange(listings, clock, settings)
    )
    for number in range(ACCOUNTS):
        made.open_account(account(number), Decimal(10) ** 10)
    return made


def account(number: int) -> str:
    return f"AB{number % ACCOUNTS:04d}"


def limit(number: int, side: Side, price: Decimal) -> OrderRequest:
    return OrderRequest(
        instrument=instrument(number), side=side, quantity=Decimal(10), order_type=OrderType.LIMIT, price=price,
        product=Product.MIS, tag="bench",
    )  # fmt: skip


def ticks(spread: int, begin_ns: int) -> EventBatch:
    """A random walk of each instrument inside `spread` ticks around 100, 25 µs apart."""
    random = np.random.default_rng(1)
    price = (2_000 + random.integers(-spread, spread + 1, TICKS)) * 0.05
    return EventBatch(
        random.integers(0, INSTRUMENTS, TICKS), begin_ns + np.arange(TICKS, dtype=np.int64) * 25_000, price, price,
        price, price, random.integers(1, 500, TICKS).astype(np.float64), np.full(TICKS, np.nan),
    )  # fmt: skip


def scan_rate(spread: int, sink: bool) -> tuple[float, int]:
    """Seconds for a million ticks, and trades among them."""
    trades = 0

    def run() -> None:
        nonlocal trades
        made.feed_batch(batch)
        trades = len(made.trades(account(0)))

    seconds = []
    for _ in range(5):
        made = exchange(sink)
        for number in range(RESTING):
            side = Side.BUY if number % 2 else Side.SELL
            made.place(account(0), limit(number, side, 100 - side.sign * 20 * TICK))
        batch = ticks(spread, made.now_ns)
        seconds.append(median_seconds(run, repeats=1, warm_up=0))
    return sorted(seconds)[2], trades


def main() -> None:
    print("| task | goal | measured |\n|---|---|---|")
    for name, spread in (("none reached", 15), ("all filled on the way", 25)):
        for sink in (False, True):
            seconds, trades = scan_rate(spread, sink)
            row(
                f"{TICKS:,} ticks, {INSTRUMENTS:,} instruments, {RESTING} resting orders, {name}"
                f"{', journaled' if sink else ''}",
                "≥ 1,000,000/s",
                f"{TICKS / seconds:,.0f}/s, {trades} trades",
            )
    for sink in (False, True):
        made = exchange(sink)
        placed: list[str] = []

        def place(made: Exchange = made, placed: list[str] = placed) -> None:
            placed.extend(
                made.place(account(number), limit(number % INSTRUMENTS, Side.BUY, Decimal(99))).order_id
                for number in range(ORDERS)
            )

        seconds = median_seconds(place, repeats=3, warm_up=1)
        row(
            f"place a limit order, {ACCOUNTS} accounts, {4 * ORDERS // ACCOUNTS} orders each{', journaled' if sink else ''}",
            "≥ 1,500/s over HTTP",
            f"{ORDERS / seconds:,.0f}/s",
        )

        def change(made: Exchange = made, placed: list[str] = placed) -> None:
            for number, order_id in enumerate(placed[-ORDERS:]):
                made.modify(account(number), order_id, OrderChange(price=Decimal("99.05")))

        row("modify", "", f"{ORDERS / median_seconds(change, repeats=3, warm_up=1):,.0f}/s")
        begin = len(made.snapshot())
        row("snapshot", "", f"{begin / 1e6:.1f} MB in {median_seconds(made.snapshot, repeats=3):.2f} s")
    row("peak memory", "", f"{peak_megabytes():.0f} MiB")


if __name__ == "__main__":
    main()
