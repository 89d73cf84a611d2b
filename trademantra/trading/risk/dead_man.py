"""Dead-man timers: what is killed when nobody has said for a while that somebody is there.

Timers are kept with the kills (`kill_files`); how long each still runs only the process that counts knows.  It counts from
its own start, from the arming, from a release, or from the last sign of life: a call of `heard`, or a change of the file
`alive` in the data folder, which every process sees.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND
from trademantra.trading.risk.kill_files import DeadMan, KillKey, KillScope, Signature, signature

ALIVE_NAME = "alive"
_WARNED_BEFORE_NS = 5 * NANOSECONDS_PER_MINUTE
_WARNED_PART = 3  # of a short period: a warning still leaves time


@dataclass(slots=True)
class _Counting:
    timer: DeadMan
    since_ns: int
    is_warned: bool = False


class DeadMen:
    """Of one process and folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / ALIVE_NAME
        self._seen: Signature = None
        self._seen = self._signature()
        self._counting: dict[KillKey, _Counting] = {}

    def look(self, timers: Mapping[KillKey, DeadMan], now_ns: int) -> Sequence[tuple[DeadMan, int]]:
        """Timers that ran out, with the time since the last sign of life.  `timers`: those that are armed now."""
        for key in [key for key in self._counting if key not in timers]:
            del self._counting[key]
        for key, timer in timers.items():
            known = self._counting.get(key)
            if known is None or known.timer != timer or now_ns < known.since_ns:  # a clock that was set back
                self._counting[key] = _Counting(timer, now_ns)
        seen = self._signature()
        if seen != self._seen:
            self._seen = seen
            if seen is not None:
                self.heard(now_ns)
        return [
            (each.timer, now_ns - each.since_ns)
            for each in self._counting.values()
            if now_ns - each.since_ns > each.timer.period_ns
        ]

    def heard(self, now_ns: int) -> None:
        """Somebody is there: every timer begins anew."""
        for each in self._counting.values():
            each.since_ns, each.is_warned = now_ns, False

    def begin(self, key: KillKey, now_ns: int) -> None:
        """One timer begins anew."""
        known = self._counting.get(key)
        if known is not None:
            known.since_ns, known.is_warned = now_ns, False

    def left_ns(self, key: KillKey, now_ns: int) -> int | None:
        """Until a timer runs out; None where it is not armed."""
        known = self._counting.get(key)
        return None if known is None else max(0, known.since_ns + known.timer.period_ns - now_ns)

    def warnings(self, now_ns: int, killed: Collection[KillKey]) -> Sequence[str]:
        """What is soon to happen, each told once: five minutes before, or a third of a shorter period.

        Of what is `killed` already there is nothing to tell.
        """
        told = []
        for key, each in self._counting.items():
            left_ns = each.since_ns + each.timer.period_ns - now_ns
            before_ns = min(_WARNED_BEFORE_NS, each.timer.period_ns // _WARNED_PART)
            if 0 <= left_ns <= before_ns and not each.is_warned and key not in killed:
                each.is_warned = True
                what = "everything" if key[0] is KillScope.ALL else f"{key[0]} {key[1]}"
                closed = " and its positions closed" if each.timer.flatten else ""
                told.append(
                    f"dead-man timer: in {minutes(left_ns)} {what} is killed{closed}; tm desk alive keeps it"
                )
        return told

    def _signature(self) -> Signature:
        try:
            return signature(self._file)
        except OSError:
            return self._seen  # what cannot be told is no sign of life


def minutes(length_ns: int) -> str:
    """
    >>> minutes(300_000_000_000), minutes(90_000_000_000), minutes(20_000_000_000)
    ('5 minutes', '1:30 minutes', '0:20 minutes')
    """
    whole, seconds = divmod(-(-length_ns // NANOSECONDS_PER_SECOND), 60)
    return f"{whole}:{seconds:02d} minutes" if seconds else f"{whole} minutes"
