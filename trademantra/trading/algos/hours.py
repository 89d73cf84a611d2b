"""When an exchange trades continuously: stops can rest then, and only then."""

from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.markets.sessions import NO_OVERRIDES, Overrides, Phase, PhaseWindow, window_at

_LOOK_AGAIN_NS = NANOSECONDS_PER_MINUTE


class TradingHours:
    """The phase windows of instruments, each looked up once.  Where no dated fact is known, it counts as trading."""

    def __init__(self, overrides: Overrides = NO_OVERRIDES) -> None:
        self._overrides = overrides
        self._windows: dict[str, PhaseWindow] = {}

    def window(self, instrument: Instrument, now_ns: int) -> PhaseWindow:
        found = self._windows.get(instrument.key)
        if found is None or not found.start_ns <= now_ns < found.end_ns:
            try:
                found = window_at(now_ns, instrument, overrides=self._overrides)
            except MissingFactError:
                found = PhaseWindow(Phase.CONTINUOUS, now_ns, now_ns + _LOOK_AGAIN_NS)
            self._windows[instrument.key] = found
        return found

    def opens_ns(self, instrument: Instrument, now_ns: int) -> int | None:
        """When to look again; None while trading is continuous."""
        window = self.window(instrument, now_ns)
        return None if window.phase is Phase.CONTINUOUS else window.end_ns
