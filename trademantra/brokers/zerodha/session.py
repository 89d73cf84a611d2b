"""The daily login: an explicit table of states, one token, one certain end."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from trademantra.brokers.errors import SessionExpiredError
from trademantra.brokers.events import SessionState
from trademantra.brokers.zerodha.manifest import TOKEN_DIES
from trademantra.core.errors import BadInputError, IllegalTransitionError, InvalidValueError
from trademantra.core.time import IST, Clock, datetime_of, ns_of
from trademantra.kit.secrets import Secret, SecretsBox, SecretsLockedError


class SessionStep(StrEnum):
    """What happens to a login."""

    STARTED = "the login was started"
    ACCEPTED = "the broker accepted the login"
    FAILED = "the login failed"
    REFUSED = "the broker ended the session"
    DAY_ENDED = "the broker's day ended at 06:00"
    LEFT = "the user logged out"


_S = SessionState
# What is not here is illegal.  A login that is started while another is active leaves that one in force until it is
# accepted: a wrong request token, which anybody can send to the redirect address, must not end the day's session.
TRANSITIONS: MappingProxyType[tuple[SessionState, SessionStep], SessionState] = MappingProxyType(
    {
        (_S.LOGGED_OUT, SessionStep.STARTED): _S.LOGGING_IN,
        (_S.LOGGED_OUT, SessionStep.LEFT): _S.LOGGED_OUT,
        (_S.LOGGING_IN, SessionStep.STARTED): _S.LOGGING_IN,
        (_S.LOGGING_IN, SessionStep.ACCEPTED): _S.ACTIVE,
        (_S.LOGGING_IN, SessionStep.FAILED): _S.LOGGED_OUT,
        (_S.LOGGING_IN, SessionStep.LEFT): _S.LOGGED_OUT,
        (_S.ACTIVE, SessionStep.STARTED): _S.ACTIVE,
        (_S.ACTIVE, SessionStep.ACCEPTED): _S.ACTIVE,
        (_S.ACTIVE, SessionStep.FAILED): _S.ACTIVE,
        (_S.ACTIVE, SessionStep.REFUSED): _S.EXPIRED,
        (_S.ACTIVE, SessionStep.DAY_ENDED): _S.EXPIRED,
        (_S.ACTIVE, SessionStep.LEFT): _S.LOGGED_OUT,
        (_S.LOGGED_OUT, SessionStep.ACCEPTED): _S.ACTIVE,  # another login of the same time had failed
        (_S.LOGGED_OUT, SessionStep.FAILED): _S.LOGGED_OUT,
        (_S.EXPIRED, SessionStep.STARTED): _S.LOGGING_IN,
        (_S.EXPIRED, SessionStep.ACCEPTED): _S.ACTIVE,  # the old token died while the new login was under way
        (_S.EXPIRED, SessionStep.FAILED): _S.EXPIRED,
        (_S.EXPIRED, SessionStep.LEFT): _S.LOGGED_OUT,
    }
)


def ends_after(login_ns: int) -> int:
    """When a login of that instant ends for certain: the next 06:00 in India.

    >>> datetime_of(ends_after(ns_of(datetime(2026, 11, 20, 8, 55, tzinfo=IST)))).isoformat()
    '2026-11-21T06:00:00+05:30'
    """
    login = datetime_of(login_ns, IST)
    end = datetime.combine(login.date(), TOKEN_DIES, IST)
    return ns_of(end if end > login else end + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Login:
    """An accepted login.  `number` tells logins of this process apart: a refusal of an old one ends nothing."""

    number: int
    user_id: str
    token: Secret
    ends_ns: int


class Session:
    """The login of one account.  `tell` hears each change of state once.

    The token lives here and in the secrets box; a program that starts again on the same day finds it there.  So does
    one that runs: while its own login is over it looks whether another process (`tm account login`) put a new one into
    the box, and it never removes a login that is not its own.
    """

    __slots__ = ("_box", "_box_seen", "_clock", "_hidden", "_login", "_name", "_number", "_state", "_tell")

    def __init__(
        self, name: str, box: SecretsBox, clock: Clock, tell: Callable[[SessionState, str], None]
    ) -> None:
        self._name = name
        self._box = box
        self._clock = clock
        self._tell = tell
        self._hidden: set[Secret] = set()
        self._number = 0
        self._state = SessionState.LOGGED_OUT
        self._login: Login | None = None
        self._box_seen = _signature(box.path)
        self._restore()

    @property
    def state(self) -> SessionState:
        """The state now: a login whose day has ended is found expired here, and one of another process is found."""
        if self._login is not None and self._clock.now_ns() >= self._login.ends_ns:
            self._end(SessionStep.DAY_ENDED)
        if self._login is None and self._state is not SessionState.LOGGING_IN:
            self._look_into_box()
        return self._state

    @property
    def ends_ns(self) -> int | None:
        return self._login.ends_ns if self.state is SessionState.ACTIVE and self._login else None

    def login(self) -> Login:
        """The login in force.  Errors: `SessionExpiredError` without asking the broker."""
        if self.state is not SessionState.ACTIVE or self._login is None:
            reason = "the login has ended" if self._state is SessionState.EXPIRED else "nobody is logged in"
            raise SessionExpiredError(f"Zerodha: {reason}", hint="log in again in the browser")
        return self._login

    def start(self) -> None:
        self._step(SessionStep.STARTED)

    def fail(self, reason: str) -> None:
        self._step(SessionStep.FAILED, reason)

    def accept(self, user_id: str, token: Secret) -> None:
        """Take a new token, into the box first."""
        now = self._clock.now_ns()
        stored = {"access_token": token.reveal(), "user_id": user_id, "login_ns": now}
        self._box.put(self._name, Secret(json.dumps(stored)))
        self._box_seen = _signature(self._box.path)
        self._take(user_id, token, now)
        self._step(SessionStep.ACCEPTED, f"logged in as {user_id}")

    def refused(self, number: int, reason: str) -> None:
        """The broker refused the token of a login: final for that one, and told once."""
        if self._login is not None and self._login.number == number:
            self._end(SessionStep.REFUSED, reason)

    def leave(self) -> None:
        """Forget the login."""
        self._forget()
        self._step(SessionStep.LEFT)

    def hide(self, secret: Secret) -> None:
        """From now on `without_secrets` removes this one too."""
        self._hidden.add(secret)

    def without_secrets(self, text: str) -> str:
        """A text of the broker's with every secret of this session, present and past, blotted out."""
        for secret in self._hidden:
            text = text.replace(secret.reveal(), "…")
        return text

    def _take(self, user_id: str, token: Secret, login_ns: int) -> None:
        self.hide(token)
        self._number += 1
        self._login = Login(self._number, user_id, token, ends_after(login_ns))

    def _restore(self) -> None:
        stored = _stored(self._box.get(self._name))
        if stored is None:
            return
        self._take(stored.user_id, stored.token, stored.login_ns)
        self._state = SessionState.ACTIVE
        if self._clock.now_ns() >= ends_after(stored.login_ns):
            self._forget()
            self._state = SessionState.EXPIRED

    def _look_into_box(self) -> None:
        """Take a login that another process made.  The file is read when it changed; one `stat` while it did not."""
        seen = _signature(self._box.path)
        if seen == self._box_seen:
            return
        self._box_seen = seen
        try:
            stored = _stored(self._box.get(self._name))
        except (SecretsLockedError, BadInputError, OSError):
            return  # a box that does not open holds no login for us; whoever logs in is told why
        if stored is None or self._clock.now_ns() >= ends_after(stored.login_ns):
            return
        if any(stored.token.reveal() == known.reveal() for known in self._hidden):
            return  # one that was ours, and is over
        self._take(stored.user_id, stored.token, stored.login_ns)
        self._step(SessionStep.ACCEPTED, f"logged in as {stored.user_id} by another program")

    def _end(self, step: SessionStep, reason: str = "") -> None:
        self._forget()
        self._step(step, reason)

    def _forget(self) -> None:
        own, self._login = self._login, None
        stored = _stored(self._box.get(self._name))
        if own is None or stored is None:
            return
        if stored.token.reveal() == own.token.reveal():
            self._box.remove(self._name)
            self._box_seen = _signature(self._box.path)
        else:
            self._box_seen = None  # another program logged in meanwhile: its login is looked at next

    def _step(self, step: SessionStep, reason: str = "") -> None:
        following = TRANSITIONS.get((self._state, step))
        if following is None:
            raise IllegalTransitionError(f"Zerodha session: {self._state} does not lead on when {step}")
        changed = following is not self._state or step is SessionStep.ACCEPTED
        self._state = following
        if changed:
            self._tell(following, self.without_secrets(reason) or step.value)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A login in the box."""

    user_id: str
    token: Secret
    login_ns: int


def _stored(secret: Secret | None) -> _Stored | None:
    """None where there is none, or one of another version of this program."""
    if secret is None:
        return None
    try:
        fields = json.loads(secret.reveal())
        return _Stored(str(fields["user_id"]), Secret(fields["access_token"]), int(fields["login_ns"]))
    except (ValueError, KeyError, TypeError, InvalidValueError):
        return None


def _signature(path: Path) -> tuple[int, int] | None:
    """What changes when the box is written; None while there is none."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_ino, seen.st_mtime_ns
