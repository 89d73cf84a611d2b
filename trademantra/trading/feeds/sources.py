"""Which of several sources is heard: the first that works, without fluttering between two."""

from dataclasses import dataclass

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSettings:
    """`silent_after_ns`: a source without a tick for so long, while another one ticks, does not work.  `behind_ns`: how
    much later than another it may tick; in a market that rests one of two sources always ticks first.
    `switch_after_ns`: how long the present source must fail before another is heard.  `return_after_ns`: how long a
    better one must have worked without a break before it is heard again; each time that it fails within
    `longest_return_ns` of its return the wait doubles, up to that."""

    silent_after_ns: int = 5 * NANOSECONDS_PER_SECOND
    behind_ns: int = NANOSECONDS_PER_SECOND
    switch_after_ns: int = 2 * NANOSECONDS_PER_SECOND
    return_after_ns: int = 60 * NANOSECONDS_PER_SECOND
    longest_return_ns: int = 16 * NANOSECONDS_PER_MINUTE

    def __post_init__(self) -> None:
        times = (self.silent_after_ns, self.behind_ns, self.switch_after_ns, self.return_after_ns, self.longest_return_ns)  # fmt: skip
        if min(times) < 0:
            raise InvalidValueError("a time after which sources are switched cannot be negative")


@dataclass(slots=True)
class _State:
    is_up: bool = False
    last_ns: int = 0
    """When it was last heard."""
    failing_since: int | None = None
    working_since: int | None = None
    outrun_ns: int | None = None
    """When another source was first heard after this one should have been."""
    returned_ns: int | None = None
    """When it was last preferred again."""
    return_after_ns: int = 0


class SourceChoice:
    """Sources in order of preference; the first is heard at the start.  No I/O, no clock: `now_ns` is passed in."""

    def __init__(self, count: int, settings: SwitchSettings, now_ns: int) -> None:
        if count < 1:
            raise InvalidValueError("a feed needs at least one source")
        self._settings = settings
        self._states = [
            _State(last_ns=now_ns, return_after_ns=settings.return_after_ns) for _ in range(count)
        ]
        self.active = 0

    def heard(self, source: int, now_ns: int) -> None:
        """Ticks of a source came."""
        for number, state in enumerate(self._states):
            if number == source:
                state.last_ns, state.outrun_ns = now_ns, None
            elif state.outrun_ns is None and now_ns - state.last_ns > self._settings.behind_ns:
                state.outrun_ns = now_ns

    def stream(self, source: int, now_ns: int, *, is_up: bool) -> None:
        """The connection of a source is up or not."""
        state = self._states[source]
        if is_up and not state.is_up:
            state.last_ns, state.outrun_ns = now_ns, None  # time to be heard
        state.is_up = is_up

    def last_heard_ns(self) -> int:
        """When the source that is heard was last heard."""
        return self._states[self.active].last_ns

    def is_failing(self) -> bool:
        """Whether the source that is heard does not work at the moment."""
        return self._states[self.active].failing_since is not None

    def is_up(self, source: int) -> bool:
        """Whether its connection is up."""
        return self._states[source].is_up

    def works(self, source: int) -> bool:
        """Whether it worked at the last look."""
        return self._states[source].working_since is not None

    def heard_ns(self, source: int) -> int:
        """When a source was last heard, or when it was last given time to be."""
        return self._states[source].last_ns

    def choose(self, now_ns: int) -> int:
        """Look at all sources; answer with the one to hear from now on."""
        for source, state in enumerate(self._states):
            if self._works(source, now_ns):
                state.failing_since = None
                state.working_since = now_ns if state.working_since is None else state.working_since
            else:
                state.working_since = None
                state.failing_since = now_ns if state.failing_since is None else state.failing_since
        present = self._states[self.active]
        if present.failing_since is not None:
            if now_ns - present.failing_since >= self._settings.switch_after_ns:
                working = [i for i, state in enumerate(self._states) if state.working_since is not None]
                if working:
                    self._left(present, now_ns)
                    self.active = working[0]
            return self.active
        for better in range(self.active):
            state = self._states[better]
            if state.working_since is not None and now_ns - state.working_since >= state.return_after_ns:
                self.active, state.returned_ns = better, now_ns
                break
        return self.active

    def _left(self, state: _State, now_ns: int) -> None:
        """A source that failed again soon after its return must prove itself longer."""
        longest, least = self._settings.longest_return_ns, self._settings.return_after_ns
        soon = state.returned_ns is not None and now_ns - state.returned_ns < longest
        state.return_after_ns = max(least, min(2 * state.return_after_ns, longest)) if soon else least

    def _works(self, source: int, now_ns: int) -> bool:
        state = self._states[source]
        if not state.is_up:
            return False
        outrun_ns, settings = state.outrun_ns, self._settings
        silent = now_ns - state.last_ns > settings.silent_after_ns
        return not (silent and outrun_ns is not None and now_ns - outrun_ns >= settings.behind_ns)
