"""Price bands of an invented market: the exchange takes no price beyond them, and quotes show them."""

from datetime import date
from decimal import Decimal

from trademantra.brokers.paper.exchange import Exchange
from trademantra.core.instrument import InstrumentKind
from trademantra.markets.contracts.bands import BandGroup, price_band


def set_bands(exchange: Exchange, percent: Decimal, day: date) -> None:
    """Bands of a day for all shares whose close of the day before is known, `percent` around it."""
    for listing in exchange.listings:
        instrument, state = listing.instrument, exchange.quote(listing.token)
        base = listing.previous_close if state is None else state.previous_close
        if instrument.kind is not InstrumentKind.SHARE or not base:
            continue
        group = BandGroup.SHARE_WITHOUT_DERIVATIVES
        band = price_band(group, base, instrument.tick_size, day, assigned_percent=percent)
        exchange.set_circuit_limits(listing.token, band.lower, band.upper)
