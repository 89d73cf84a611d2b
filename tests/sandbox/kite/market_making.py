"""A small invented market for the server's tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal

import numpy as np

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.paper.market import EventBatch
from trademantra.brokers.paper.terms import PriceEvent
from trademantra.core.instrument import (
    Exchange,
    Instrument,
    InstrumentKind,
    OptionRight,
    QuantityUnit,
    Segment,
)
from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, ist_ns

DAY = date(2026, 11, 20)
OPENING = ist_ns(DAY, time(9, 15))
MORNING = ist_ns(DAY, time(9, 14, 30))
INFY, TCS, NIFTY, FUTURE, OPTION, CRUDE = 408065, 2953217, 256265, 14866434, 14900226, 1138951


def listings() -> Listings:
    """Two shares, an index, a future and an option on it, and a crude future that is counted in lots."""
    expiry = date(2026, 11, 24)
    return Listings.of(
        [
            Listing("NSE", "INFY", INFY, _share("INFY"), "INFOSYS", Decimal("1490.00")),
            Listing("NSE", "TCS", TCS, _share("TCS"), "TCS", Decimal("3000.00")),
            Listing(
                "NSE", "NIFTY 50", NIFTY,
                Instrument(exchange=Exchange.NSE, segment=Segment.INDEX, kind=InstrumentKind.INDEX, symbol="NIFTY 50"),
                "NIFTY 50", Decimal("24900.00"),
            ),
            Listing(
                "NFO", "NIFTY26NOVFUT", FUTURE,
                Instrument(
                    exchange=Exchange.NSE, segment=Segment.EQUITY_FUTURES, kind=InstrumentKind.FUTURE,
                    symbol="NIFTY26NOVFUT", underlying="NIFTY", expiry=expiry, lot_size=Decimal(65),
                    freeze_quantity=Decimal(1800),
                ),
                "NIFTY", Decimal("24950.00"),
            ),
            Listing(
                "NFO", "NIFTY26NOV25000CE", OPTION,
                Instrument(
                    exchange=Exchange.NSE, segment=Segment.EQUITY_OPTIONS, kind=InstrumentKind.OPTION,
                    symbol="NIFTY26NOV25000CE", underlying="NIFTY", expiry=expiry, strike=Decimal(25000),
                    right=OptionRight.CALL, lot_size=Decimal(65), freeze_quantity=Decimal(1800),
                ),
                "NIFTY", Decimal("150.00"),
            ),
            Listing(
                "MCX", "CRUDEOIL26DECFUT", CRUDE,
                Instrument(
                    exchange=Exchange.MCX, segment=Segment.COMMODITY_FUTURES, kind=InstrumentKind.FUTURE,
                    symbol="CRUDEOIL26DECFUT", underlying="CRUDEOIL", expiry=date(2026, 12, 18),
                    lot_size=Decimal(100), tick_size=Decimal(1), quantity_unit=QuantityUnit.LOTS,
                ),
                "CRUDEOIL", Decimal(5600),
            ),
        ]
    )  # fmt: skip


def _share(symbol: str) -> Instrument:
    return Instrument(
        exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=symbol,
        isin="INE009A01021" if symbol == "INFY" else "INE467B01029", has_derivatives=True,
    )  # fmt: skip


def ticks(
    token: int, prices: Sequence[float], *, start_ns: int = OPENING, step_s: int = 1
) -> list[PriceEvent]:
    """One tick a step, 100 units each."""
    return [
        PriceEvent(
            token=token, at_ns=start_ns + i * step_s * NANOSECONDS_PER_SECOND, open=price, high=price, low=price,
            close=price, volume=100.0,
        )
        for i, price in enumerate(prices)
    ]  # fmt: skip


def opening(known: Listings) -> EventBatch:
    """A first price of everything, at the opening."""
    first = {INFY: 1500.0, TCS: 3010.0, NIFTY: 25000.0, FUTURE: 25050.0, OPTION: 160.0, CRUDE: 5650.0}
    return EventBatch.of(known, [event for token, price in first.items() for event in ticks(token, [price])])


@dataclass(slots=True)
class Script:
    """A `PriceSource` that plays what a test gives it."""

    batches: list[EventBatch] = field(default_factory=list)

    def add(self, batch: EventBatch) -> None:
        self.batches.append(batch)

    def next_ns(self) -> int | None:
        return int(self.batches[0].at_ns[0]) if self.batches else None

    def take(self, until_ns: int, most: int) -> EventBatch:
        batch = self.batches[0]
        stop = min(int(np.searchsorted(batch.at_ns, until_ns, side="right")), most)
        head, tail = _cut(batch, 0, stop), _cut(batch, stop, len(batch))
        self.batches[0:1] = [tail] if len(tail) else []
        return head

    def skip_to(self, from_ns: int) -> None:
        while (upcoming := self.next_ns()) is not None and upcoming <= from_ns:
            self.take(from_ns, 1_000_000)


def _cut(batch: EventBatch, start: int, stop: int) -> EventBatch:
    return EventBatch(
        batch.token_row[start:stop], batch.at_ns[start:stop], batch.open[start:stop], batch.high[start:stop],
        batch.low[start:stop], batch.close[start:stop], batch.volume[start:stop], batch.open_interest[start:stop],
    )  # fmt: skip


MINUTE = NANOSECONDS_PER_MINUTE
