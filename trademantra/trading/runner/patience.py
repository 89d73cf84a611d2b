"""How long an answer is waited for: a strategy that computes or sleeps too long is late, one on a busy machine is not."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds that a process has had, and whether it wants more right now."""

    seconds: float
    wants_to_run: bool


def usage_of(pid: int) -> Usage | None:
    """From /proc (proc(5), read 2026-11-21: state, utime, stime); None where there is none, or no such process.

    >>> usage_of(2**22 + 1) is None
    True
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    ticks = int(fields[11]) + int(fields[12])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), fields[0] == "R")


class Patience:
    """Ends `limit` when a process has had its `seconds` for an answer.

    A process that wanted to run and had less than half of them is given as many again, at most `most_times` in all.
    `usage` looks at it.
    """

    def __init__(
        self, limit: asyncio.Timeout, seconds: float, most_times: int, usage: Callable[[], Usage | None]
    ) -> None:
        self._limit, self._seconds, self._most_times, self._usage = limit, seconds, most_times, usage
        self._clock = asyncio.get_running_loop()
        self._before = usage()
        self._times = 1
        self._timer = self._clock.call_later(seconds, self._overdue)

    def again(self) -> None:
        """Something was heard: the time begins anew."""
        self._timer.cancel()
        self._times = 1
        self._timer = self._clock.call_later(self._seconds, self._overdue)

    def end(self) -> None:
        self._timer.cancel()

    def _overdue(self) -> None:
        if self._times < self._most_times and self._is_starved():
            self._times += 1
            self._timer = self._clock.call_later(self._seconds, self._overdue)
        else:
            self._limit.reschedule(self._clock.time())

    def _is_starved(self) -> bool:
        before, self._before = self._before, self._usage()
        if before is None or self._before is None or not self._before.wants_to_run:
            return False
        return self._before.seconds - before.seconds < self._seconds / 2
