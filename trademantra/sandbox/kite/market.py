"""What a sandbox trades."""

from dataclasses import dataclass
from decimal import Decimal

from trademantra.brokers.listings import Listings
from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.sandbox.kite.candles import Past
from trademantra.sandbox.kite.pump import PriceSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Instruments, the prices that come, and what is known from before; `began_ns` is where the clock starts.

    `band_percent`: shares trade within so much of their last close; None: they have no bands.
    """

    listings: Listings
    source: PriceSource
    past: Past
    began_ns: int
    settings: ExchangeSettings
    band_percent: Decimal | None = None
