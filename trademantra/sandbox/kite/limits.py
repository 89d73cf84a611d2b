"""Request rates as Kite counts them (specs/brokers.md 0.6): calendar seconds, minutes and days."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from trademantra.brokers.manifest import RateLimit
from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock
from trademantra.sandbox.kite.errors import NETWORK, KiteReplyError
from trademantra.sandbox.kite.json_form import IST_SECONDS


class Budget(StrEnum):
    """What a request is counted as; `FREE` is never counted."""

    ORDERS = "orders"
    QUOTES = "quotes"
    HISTORY = "history"
    OTHER = "other"
    FREE = "free"


LIMITS = MappingProxyType(
    {
        Budget.ORDERS: (RateLimit(10, 1), RateLimit(400, 60), RateLimit(5000, 86_400)),
        Budget.QUOTES: (RateLimit(1, 1),),
        Budget.HISTORY: (RateLimit(3, 1),),
        Budget.OTHER: (RateLimit(10, 1),),
        Budget.FREE: (),
    }
)


@dataclass(slots=True)
class _Window:
    number: int = -1
    taken: int = 0


class RateLimits:
    """Counts requests of each account by the wall clock; windows are calendar seconds, minutes and Indian days."""

    def __init__(self, wall: Clock, *, enforced: bool) -> None:
        self._wall = wall
        self.enforced = enforced
        self._windows: dict[tuple[str, Budget, int], _Window] = {}

    def take(self, account: str, budget: Budget) -> None:
        """Count one request.  Errors: 429 NetworkException, which is not counted."""
        if not self.enforced or budget is Budget.FREE:
            return
        second = self._wall.now_ns() // NANOSECONDS_PER_SECOND + IST_SECONDS
        windows = []
        for limit in LIMITS[budget]:
            window = self._windows.setdefault((account, budget, limit.seconds), _Window())
            number = second // limit.seconds
            if window.number != number:
                window.number, window.taken = number, 0
            if window.taken >= limit.count:
                raise KiteReplyError(429, NETWORK, "Too many requests")
            windows.append(window)
        for window in windows:
            window.taken += 1
