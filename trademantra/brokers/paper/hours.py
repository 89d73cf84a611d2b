"""What the exchange does at a moment: phases of the day, by instrument, and when intraday positions are closed."""

from dataclasses import replace
from datetime import date, time

from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.settings import Hours
from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_DAY, ist_date, ist_ns
from trademantra.markets.sessions import (
    Overrides,
    Phase,
    PhaseWindow,
    Session,
    session_on,
    square_off_time,
    window_at,
)
from trademantra.markets.sessions.squareoff import DEFAULT_BROKER

# Phases in which a price is one at which orders trade: the auctions' prices come while they are matched.
TRADING = frozenset({Phase.CONTINUOUS, Phase.PREOPEN_MATCHING, Phase.CAS_MATCHING, Phase.POST_CLOSE})
TAKING = frozenset(
    {
        Phase.PREOPEN_ENTRY, Phase.PREOPEN_LIMIT_ONLY, Phase.CONTINUOUS, Phase.CAS_ENTRY, Phase.CAS_LIMIT_ONLY,
        Phase.POST_CLOSE,
    }
)  # fmt: skip
_STILL_TO_COME = frozenset(
    {Phase.CONTINUOUS, Phase.CAS_REFERENCE, Phase.CAS_ENTRY, Phase.CAS_LIMIT_ONLY, Phase.CAS_MATCHING}
)


class TradingHours:
    """Phases of the day.  Facts that the tables lack are unknown here, never guessed."""

    __slots__ = ("_hours", "_leaving", "_overrides", "_square_off", "_windows")

    def __init__(self, hours: Hours, overrides: Overrides, square_off: str | None) -> None:
        self._hours = hours
        self._overrides = overrides
        self._square_off = square_off
        self._windows: dict[int, PhaseWindow] = {}
        self._leaving: dict[tuple[int, date], int | None] = {}

    def window(self, listing: Listing, at_ns: int) -> PhaseWindow:
        """The phase at an instant, from when until when.  Errors: `MissingFactError`."""
        found = self._windows.get(listing.token)
        if found is None or not found.start_ns <= at_ns < found.end_ns:
            found = self._windows[listing.token] = self._find(listing.instrument, at_ns)
        return found

    def phase(self, listing: Listing, at_ns: int) -> Phase | None:
        """None where it is not known."""
        try:
            return self.window(listing, at_ns).phase
        except MissingFactError:
            return None

    def next_change_ns(self, listing: Listing, at_ns: int) -> int:
        """When the present phase ends; where it is not known, when the day does."""
        try:
            return self.window(listing, at_ns).end_ns
        except MissingFactError:
            return ist_ns(ist_date(at_ns), time()) + NANOSECONDS_PER_DAY

    def is_over(self, listing: Listing, at_ns: int) -> bool:
        """Whether no trading comes any more on the day; False where that is not known."""
        if self._hours is Hours.ALWAYS:
            return False
        session = self._session(listing.instrument, ist_date(at_ns))
        return session is not None and not any(
            window.end_ns > at_ns and window.phase in _STILL_TO_COME for window in session.windows
        )

    def square_off_ns(self, listing: Listing, day: date) -> int | None:
        """When intraday positions are closed; where the broker's time is not known, that of the default profile."""
        if self._square_off is None or self._hours is Hours.ALWAYS:
            return None
        key = (listing.token, day)
        if key not in self._leaving:
            if self._leaving and next(iter(self._leaving))[1] != day:
                self._leaving.clear()
            self._leaving[key] = self._find_square_off(self._square_off, listing.instrument, day)
        return self._leaving[key]

    def _find_square_off(self, chosen: str, instrument: Instrument, day: date) -> int | None:
        for broker in (chosen, DEFAULT_BROKER):
            try:
                return ist_ns(day, square_off_time(broker, instrument, day, overrides=self._overrides))
            except MissingFactError:
                continue
        return None

    def _find(self, instrument: Instrument, at_ns: int) -> PhaseWindow:
        if self._hours is Hours.ALWAYS:
            start_ns = ist_ns(ist_date(at_ns), time())
            return PhaseWindow(Phase.CONTINUOUS, start_ns, start_ns + NANOSECONDS_PER_DAY)
        return window_at(at_ns, instrument, overrides=self._overrides)

    def _session(self, instrument: Instrument, day: date) -> Session | None:
        for known in (instrument, replace(instrument, has_derivatives=False)):
            try:
                return session_on(day, known, overrides=self._overrides)
            except MissingFactError:
                continue
        return None
