"""How soon the next request may go, for limits that are counted in several windows at once."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from trademantra.core.errors import InvalidValueError, TradeMantraError
from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock

_SPARE_PART = 4  # one in so many slots of a window may be kept free


class LimitReachedError(TradeMantraError):
    """No slot is free soon enough; `wait_ns` says when the next one is.  Nothing was booked."""

    code: ClassVar[str] = "limit_reached"

    def __init__(self, message: str, *, wait_ns: int) -> None:
        super().__init__(message, hint="wait, or send less")
        self.wait_ns = wait_ns


class Counting(StrEnum):
    """CALENDAR: windows begin at whole multiples of their length.  ROLLING: any stretch of that length is a window."""

    CALENDAR = "calendar"
    ROLLING = "rolling"


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` in each window of `length_ns`.

    `offset_ns` shifts where calendar windows begin, for days of a zone: India's begin 5:30 h before those of UTC.
    Errors: `InvalidValueError` for a count or length that is not positive.
    """

    count: int
    length_ns: int
    counting: Counting = Counting.CALENDAR
    offset_ns: int = 0

    def __post_init__(self) -> None:
        if self.count < 1 or self.length_ns < 1:
            raise InvalidValueError(f"a limit of {self.count} in {self.length_ns} ns allows nothing")

    def start_of(self, instant_ns: int) -> int:
        """Where the calendar window that holds an instant begins."""
        return instant_ns - (instant_ns + self.offset_ns) % self.length_ns


class RateLimiter:
    """Gives each request the earliest instant that keeps every window, in the order of asking.

    Not thread-safe: one event loop asks.  It only says when; the caller waits.  A clock that goes back does not
    give slots twice.

    >>> from trademantra.core.time import ManualClock
    >>> limiter = RateLimiter([Window(2, NANOSECONDS_PER_SECOND)], ManualClock(0))
    >>> [limiter.reserve() for _ in range(5)]
    [0, 0, 1000000000, 1000000000, 2000000000]
    """

    __slots__ = ("_booked", "_clock", "_longest", "_windows")

    def __init__(self, windows: Sequence[Window], clock: Clock) -> None:
        self._windows = tuple(windows)
        self._clock = clock
        self._longest = max((window.count for window in windows), default=0)
        self._booked: deque[int] = deque(maxlen=self._longest)  # instants given out, never falling

    def wait_ns(self, spare: int = 0) -> int:
        """How long a request would have to wait now; books nothing.

        `spare`: so many slots of each window are to stay free for requests that matter more, but no more than a quarter of it.
        """
        now = self._clock.now_ns()
        return self._earliest(now, spare) - now

    def reserve(self, *, longest_wait_ns: int | None = None) -> int:
        """Book a slot; answers the instant (ns UTC) at which the request may go, not before now.

        Errors: `LimitReachedError` when that is further away than `longest_wait_ns`.
        """
        now = self._clock.now_ns()
        at = self._earliest(now)
        if longest_wait_ns is not None and at - now > longest_wait_ns:
            seconds = (at - now) / NANOSECONDS_PER_SECOND
            raise LimitReachedError(
                f"the limit is used up; the next slot is {seconds:.1f} s away", wait_ns=at - now
            )
        self._booked.append(at)
        return at

    def _earliest(self, now: int, spare: int = 0) -> int:
        at = max(now, self._booked[-1]) if self._booked else now
        # Each window only moves the instant later, and what an earlier window allowed stays allowed or moves again.
        while True:
            moved = at
            for window in self._windows:
                moved = self._after(window, moved, spare)
            if moved == at:
                return at
            at = moved

    def _after(self, window: Window, at: int, spare: int) -> int:
        """The earliest instant from `at` on that this window allows."""
        booked, count = self._booked, window.count - min(spare, window.count // _SPARE_PART)
        if len(booked) < count:
            return at
        oldest = booked[len(booked) - count]
        if window.counting is Counting.ROLLING:
            return max(at, oldest + window.length_ns)
        start = window.start_of(at)
        return start + window.length_ns if oldest >= start else at
