"""What Kite Connect can do (specs/brokers.md 0.4 to 0.6 and section 1, as of 2026-11-20)."""

from datetime import time

from trademantra.brokers.manifest import Feature, Manifest, RateLimit
from trademantra.brokers.orders import Variety
from trademantra.core.order import OrderType, Product, Validity

TOKEN_DIES = time(6, 0)
"""Kite ends every login between 06:00 and 07:30 IST; the earliest is what can be relied on."""
STREAM_TOKENS = 3_000
QUOTES_PER_CALL = 500
TAG_LENGTH = 20


def zerodha_manifest() -> Manifest:
    """Features are those that the adapter offers natively.  GTT, alerts and margin calculators exist at the broker
    but have no call in `BrokerAdapter` yet; brackets ended there in 2020.
    """
    return Manifest(
        name="zerodha",
        title="Zerodha (Kite Connect)",
        exchanges=frozenset({"NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "NCO"}),
        products=frozenset(Product),
        order_types=frozenset(OrderType),
        validities=frozenset(Validity),
        varieties=frozenset(Variety),
        features=frozenset(
            {
                Feature.SLICING,
                Feature.CONVERT,
                Feature.POSTBACK,
                Feature.ORDER_STREAM,
                Feature.DEPTH,
                Feature.HISTORY,
            }
        ),
        limits={
            "orders": (RateLimit(10, 1), RateLimit(400, 60), RateLimit(5_000, 86_400)),
            "book": (RateLimit(10, 1),),
            "quotes": (RateLimit(1, 1),),
            "history": (RateLimit(3, 1),),
        },
        stream_tokens=STREAM_TOKENS,
        tag_length=TAG_LENGTH,
        token_dies=TOKEN_DIES,
        market_needs_protection=True,
        static_address=True,
    )
