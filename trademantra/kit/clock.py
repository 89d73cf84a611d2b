"""The present, from the operating system."""

import time


class SystemClock:
    """The wall clock as a `core.time.Clock`.  Made once at the top of a program and passed down.

    >>> SystemClock().now_ns() > 1_700_000_000_000_000_000
    True
    """

    __slots__ = ()

    def now_ns(self) -> int:
        return time.time_ns()
