"""Which of several sources is heard: the first that works, without fluttering between two."""

from dataclasses import dataclass

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSettings:
    """`silent_after_ns`: a source without a tick for so long, while another one ticks, does not work.
    `switch_after_ns`: how long the present source must fail before another is heard.  `return_after_ns`: how long a
    better one must have worked without a break before it is heard again."""

    silent_after_ns: int = 5 * NANOSECONDS_PER_SECOND
    switch_after_ns: int = 2 * NANOSECONDS_PER_SECOND
    return_after_ns: int = 60 * NANOSECONDS_PER_SECOND

    def __post_init__(self) -> None:
        if min(self.silent_after_ns, self.switch_after_ns, self.return_after_ns) < 0:
            raise InvalidValueError("a time after which sources are switched cannot be negative")


@dataclass(slots=True)
class _State:
    is_up: bool = False
    last_ns: int = 0
    """When it was last heard."""
    failing_since: int | None = None
    working_since: int | None = None


class SourceChoice:
    """Sources in order of preference; the first is heard at the start.  No I/O, no clock: `now_ns` is passed in."""

    def __init__(self, count: int, settings: SwitchSettings, now_ns: int) -> None:
        if count < 1:
            raise InvalidValueError("a feed needs at least one source")
        self._settings = settings
        self._states = [_State(last_ns=now_ns) for _ in range(count)]
        self.active = 0

    def heard(self, source: int, now_ns: int) -> None:
        """Ticks of a source came."""
        self._states[source].last_ns = now_ns

    def stream(self, source: int, now_ns: int, *, is_up: bool) -> None:
        """The connection of a source is up or not."""
        state = self._states[source]
        if is_up and not state.is_up:
            state.last_ns = now_ns  # time to be heard
        state.is_up = is_up

    def last_heard_ns(self) -> int:
        """When the source that is heard was last heard."""
        return self._states[self.active].last_ns

    def is_failing(self) -> bool:
        """Whether the source that is heard does not work at the moment."""
        return self._states[self.active].failing_since is not None

    def is_up(self, source: int) -> bool:
        return self._states[source].is_up

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
                self.active = working[0] if working else self.active
            return self.active
        for better in range(self.active):
            since = self._states[better].working_since
            if since is not None and now_ns - since >= self._settings.return_after_ns:
                self.active = better
                break
        return self.active

    def _works(self, source: int, now_ns: int) -> bool:
        state = self._states[source]
        if not state.is_up:
            return False
        others = max((each.last_ns for i, each in enumerate(self._states) if i != source), default=0)
        silent = now_ns - state.last_ns > self._settings.silent_after_ns
        return not (silent and others > state.last_ns)
