"""What a paper account offers: everything that the exchange knows, with the limits that its owner sets."""

from collections.abc import Mapping
from datetime import time

from trademantra.brokers.manifest import Feature, Manifest, RateLimit
from trademantra.brokers.orders import Variety
from trademantra.core.order import OrderType, Product, Validity

TAG_LENGTH = 20


def paper_manifest(
    *,
    venues: frozenset[str],
    limits: Mapping[str, tuple[RateLimit, ...]],
    stream_tokens: int,
    session_ends: time | None,
    has_history: bool,
    needs_protection: bool,
) -> Manifest:
    """`venues`: those that are listed; `has_history`: whether there is a source of past bars."""
    features = {
        Feature.BRACKET,
        Feature.SLICING,
        Feature.CONVERT,
        Feature.ORDER_STREAM,
        Feature.DEPTH,
    }
    return Manifest(
        name="paper",
        title="Paper (simulated exchange)",
        exchanges=venues,
        products=frozenset(Product),
        order_types=frozenset(OrderType),
        validities=frozenset(Validity),
        varieties=frozenset(Variety),
        features=frozenset(features | {Feature.HISTORY} if has_history else features),
        limits=dict(limits),
        stream_tokens=stream_tokens,
        tag_length=TAG_LENGTH,
        token_dies=session_ends,
        market_needs_protection=needs_protection,
        static_address=False,
    )
