"""The account's limits as windows of the limiter (specs/brokers.md 0.6)."""

from enum import StrEnum
from types import MappingProxyType

from trademantra.brokers.zerodha.settings import ZerodhaSettings
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, Clock
from trademantra.kit.limiter import Counting, RateLimiter, Window

_INDIA_NS = 330 * NANOSECONDS_PER_MINUTE


class CallKind(StrEnum):
    """What the broker counts together.  `ORDERS`: place, modify and cancel."""

    ORDERS = "orders"
    BOOK = "book"
    QUOTES = "quotes"
    HISTORY = "history"


def limiters(settings: ZerodhaSettings, clock: Clock) -> MappingProxyType[CallKind, RateLimiter]:
    """One limiter a kind, for one account.

    The broker counts orders per calendar second of its own clock.  Ours is another clock and the wire takes time, so
    orders are held to their number in *any* second, which keeps every calendar second of any clock, and reads to
    calendar seconds.
    """
    second, minute = NANOSECONDS_PER_SECOND, NANOSECONDS_PER_MINUTE
    orders = (
        Window(settings.orders_per_second, second, Counting.ROLLING),
        Window(settings.orders_per_minute, minute, Counting.ROLLING),
        Window(settings.orders_per_day, NANOSECONDS_PER_DAY, offset_ns=_INDIA_NS),
    )
    return MappingProxyType(
        {
            CallKind.ORDERS: RateLimiter(orders, clock),
            CallKind.BOOK: RateLimiter([Window(settings.reads_per_second, second)], clock),
            CallKind.QUOTES: RateLimiter(
                [Window(settings.quotes_per_second, second, Counting.ROLLING)], clock
            ),
            CallKind.HISTORY: RateLimiter([Window(settings.histories_per_second, second)], clock),
        }
    )
