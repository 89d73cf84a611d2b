"""What a sandbox trades."""

from dataclasses import dataclass

from trademantra.brokers.listings import Listings
from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.sandbox.kite.candles import Past
from trademantra.sandbox.kite.pump import PriceSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Instruments, the prices that come, and what is known from before; `began_ns` is where the clock starts."""

    listings: Listings
    source: PriceSource
    past: Past
    began_ns: int
    settings: ExchangeSettings
