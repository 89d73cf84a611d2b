"""The simulated exchange that stands behind every venue here: two instruments, and a clock that we move."""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal

import numpy as np

from tests.brokers.contract.venue import OrderThere
from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.settings import ExchangeSettings, Hours, Liquidity
from trademantra.brokers.paper.terms import PriceEvent
from trademantra.core.instrument import Exchange as Venue
from trademantra.core.instrument import Instrument, InstrumentKind, Segment
from trademantra.core.time import IST, NANOSECONDS_PER_MINUTE, ns_of
from trademantra.engine.bars import Bars

DAY = date(2026, 11, 20)
START_NS = ns_of(datetime.combine(DAY, time(10, 0), IST))
CASH = Decimal(1_000_000)

SHARE = Instrument(
    exchange=Venue.NSE,
    segment=Segment.EQUITY,
    kind=InstrumentKind.SHARE,
    symbol="CONTRACTED",
    series="EQ",
    tick_size=Decimal("0.05"),
)
CONTRACT = Instrument(
    exchange=Venue.NSE,
    segment=Segment.EQUITY_FUTURES,
    kind=InstrumentKind.FUTURE,
    symbol="CONTRACTED26NOVFUT",
    underlying="CONTRACTED",
    expiry=date(2026, 11, 26),
    lot_size=Decimal(5),
    tick_size=Decimal("0.10"),
    freeze_quantity=Decimal(20),
)
SHARE_TOKEN, CONTRACT_TOKEN = 1001 << 8 | 1, 2002 << 8 | 2
LISTINGS = (
    Listing("NSE", "CONTRACTED", SHARE_TOKEN, SHARE, previous_close=Decimal(100)),
    Listing("NFO", "CONTRACTED26NOVFUT", CONTRACT_TOKEN, CONTRACT, previous_close=Decimal(1000)),
)


def listings() -> Listings:
    return Listings.of(LISTINGS)


def exchange_settings() -> ExchangeSettings:
    """Open at all hours; an event's volume is all that fills in it."""
    return ExchangeSettings(
        liquidity=Liquidity(participation=1.0), hours=Hours.ALWAYS, square_off=None, unprotected_orders=False
    )


def minute_bars() -> Bars:
    """60 minutes of the share before the clock starts."""
    ts = START_NS + np.arange(-60, 0) * NANOSECONDS_PER_MINUTE
    close = [round(100.0 + minute % 7 * 0.05, 2) for minute in range(60)]
    volume = [10.0 * (minute + 1) for minute in range(60)]
    return Bars.of(ts, [100.0] * 60, [round(price + 0.05, 2) for price in close], [99.95] * 60, close, volume)


def open_market(exchange: Exchange) -> None:
    """Wide circuit limits, so that the scenarios' prices are all possible."""
    exchange.set_circuit_limits(SHARE_TOKEN, Decimal(50), Decimal(150))
    exchange.set_circuit_limits(CONTRACT_TOKEN, Decimal(500), Decimal(1500))


def first_prices() -> tuple[PriceEvent, PriceEvent]:
    """What stands when a scenario begins."""
    return trade(SHARE, "100.00", 1000, START_NS), trade(CONTRACT, "1000.00", 1000, START_NS)


def trade(instrument: Instrument, price: str, volume: int, at_ns: int) -> PriceEvent:
    """One trade in the market."""
    at = float(price)
    token = SHARE_TOKEN if instrument.key == SHARE.key else CONTRACT_TOKEN
    return PriceEvent(token, at_ns, at, at, at, at, float(volume))


def orders_there(exchange: Exchange, account_id: str, received: Mapping[str, int]) -> list[OrderThere]:
    """The exchange's own book; `received`: when each order came, by the clock that limits are counted with."""
    return [
        OrderThere(
            order_id=order.order_id,
            tag=order.request.tag,
            status=order.status,
            quantity=order.request.quantity,
            filled_quantity=order.filled_quantity,
            received_ns=received.get(order.order_id, order.placed_ns),
        )
        for order in exchange.orders(account_id)
    ]
