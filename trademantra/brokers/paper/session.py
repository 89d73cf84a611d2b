"""The login of a paper account: no browser, no secret, and an end each day where one is wanted."""

from collections.abc import Callable
from datetime import datetime, time, timedelta

from trademantra.brokers.errors import SessionExpiredError
from trademantra.brokers.events import SessionChanged, SessionState
from trademantra.core.time import IST, Clock, datetime_of, ns_of


class PaperSession:
    """Where the login stands.  `tell` hears each change once."""

    __slots__ = ("_clock", "_ends", "_ends_ns", "_state", "_tell")

    def __init__(self, clock: Clock, ends: time | None, tell: Callable[[SessionChanged], None]) -> None:
        """`ends`: time of day in India at which every login ends; None: it lasts."""
        self._clock = clock
        self._ends = ends
        self._tell = tell
        self._state = SessionState.LOGGED_OUT
        self._ends_ns: int | None = None

    @property
    def state(self) -> SessionState:
        """The state now: a login whose time is over is told as EXPIRED first."""
        if self._ends_ns is not None and self._clock.now_ns() >= self._ends_ns:
            self.expire("the login of the day is over")
        return self._state

    @property
    def ends_ns(self) -> int | None:
        return self._ends_ns

    def begin(self) -> None:
        self._ends_ns = None if self._ends is None else _next(self._ends, self._clock.now_ns())
        self._enter(SessionState.ACTIVE, "logged in")

    def expire(self, reason: str) -> None:
        """End a login that nobody gave up; without one nothing happens."""
        if self._state is SessionState.ACTIVE:
            self._ends_ns = None
            self._enter(SessionState.EXPIRED, reason)

    def end(self) -> None:
        self._ends_ns = None
        self._enter(SessionState.LOGGED_OUT, "logged out")

    def require(self) -> None:
        """Errors: `SessionExpiredError` without a login."""
        if self.state is not SessionState.ACTIVE:
            raise SessionExpiredError(f"the paper account is {self._state}", hint="log in again")

    def _enter(self, state: SessionState, reason: str) -> None:
        if state is not self._state:
            self._state = state
            self._tell(SessionChanged(state, reason))


def _next(at: time, now_ns: int) -> int:
    """The next instant after now at which it is that time in India."""
    now = datetime_of(now_ns, IST)
    today = datetime.combine(now.date(), at, IST)
    return ns_of(today if today > now else today + timedelta(days=1))
