"""Whether the clock here and the stamps of prices agree: prices that lie ahead of the clock make no bars."""

from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.trading.feeds.bar_rules import TickCounts
from trademantra.trading.feeds.events import ClockBehind

_STRETCH_NS = 10 * NANOSECONDS_PER_SECOND


class ClockWatch:
    """Looks at what became of ticks, a stretch of ten seconds at a time.

    Told once, when at least half of a stretch's ticks are refused for their time, and again only after a stretch without
    any such tick: strategies that hear no bars must not be waited for in silence.
    """

    def __init__(self, now_ns: int) -> None:
        self._since_ns = now_ns
        self._ahead = self._heard = 0
        self._told = False

    def look(self, source: str, counts: TickCounts, now_ns: int) -> ClockBehind | None:
        """`counts` since the start, at `now_ns`; what is to be told, if anything."""
        if now_ns - self._since_ns < _STRETCH_NS:
            return None
        heard = counts.taken + counts.late + counts.ahead
        ahead, fresh = counts.ahead - self._ahead, heard - self._heard
        self._since_ns, self._ahead, self._heard = now_ns, counts.ahead, heard
        if not ahead:
            self._told = self._told and not fresh
            return None
        if self._told or 2 * ahead < fresh:
            return None
        self._told = True
        return ClockBehind(source, ahead, fresh)
