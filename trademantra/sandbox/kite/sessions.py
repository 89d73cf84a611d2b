"""Logins: request tokens, access tokens and their daily end (specs/brokers.md 0.4 and 1.2)."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import time, timedelta

from trademantra.core.time import IST, NANOSECONDS_PER_SECOND, Clock, datetime_of, ns_of
from trademantra.sandbox.kite.accounts import KiteAccount
from trademantra.sandbox.kite.errors import bad_token, missing

SESSIONS_END = time(6, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One login.  It ends at `expires_ns` of the exchange's clock, or when it is revoked."""

    account: KiteAccount
    access_token: str
    public_token: str
    enctoken: str
    login_ns: int
    expires_ns: int


@dataclass(frozen=True, slots=True)
class _RequestToken:
    account: KiteAccount
    expires_ns: int


def checksum(*parts: str) -> str:
    """Lower-hex SHA-256 of the parts put together.

    >>> checksum("a", "b")[:12]
    'fb8e20fc2e4c'
    """
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def end_of(login_ns: int) -> int:
    """The next 06:00 in India: sessions that began before it end there.

    >>> from datetime import date; from trademantra.core.time import ist_ns
    >>> end_of(ist_ns(date(2026, 11, 20), time(9, 0))) == ist_ns(date(2026, 11, 21), time(6, 0))
    True
    """
    login = datetime_of(login_ns, IST)
    end = login.replace(hour=SESSIONS_END.hour, minute=SESSIONS_END.minute, second=0, microsecond=0)
    return ns_of(end if end > login else end + timedelta(days=1))


class Sessions:
    """Who is logged in.  Sessions end by `clock`, the exchange's; request tokens by `wall`, as a person is behind them.

    `make_token` gives unguessable text.  A new login to an app ends the user's login before it: one session for each
    user and app.  `ended` is told the access token of every session that ends, so that its sockets can be cut.
    """

    def __init__(
        self,
        accounts: Sequence[KiteAccount],
        clock: Clock,
        wall: Clock,
        make_token: Callable[[], str],
        request_token_seconds: float,
    ) -> None:
        self.accounts = tuple(accounts)
        self._clock = clock
        self._wall = wall
        self._make_token = make_token
        self._request_ns = int(request_token_seconds * NANOSECONDS_PER_SECOND)
        self._requests: dict[str, _RequestToken] = {}
        self._by_credentials: dict[str, Session] = {}
        self._current: dict[tuple[str, str], Session] = {}
        self.ended: list[Callable[[Session], None]] = []

    def users_of(self, api_key: str) -> tuple[KiteAccount, ...]:
        """Users of an app, in the order of the file; empty for an unknown key."""
        return tuple(account for account in self.accounts if account.api_key == api_key)

    def begin(self, account: KiteAccount) -> str:
        """The request token of a user who has just shown that it is he."""
        now = self._wall.now_ns()
        self._requests = {token: row for token, row in self._requests.items() if row.expires_ns > now}
        token = self._make_token()
        self._requests[token] = _RequestToken(account, now + self._request_ns)
        return token

    def exchange(self, api_key: str, request_token: str, given: str) -> Session:
        """Turn a request token into a session.  Errors: TokenException for a token that is unknown, used, too old
        or of another app, and for a wrong checksum (which does not use the token up)."""
        for name, value in (("api_key", api_key), ("request_token", request_token), ("checksum", given)):
            if not value:
                raise missing(name)
        row = self._requests.get(request_token)
        if row is None or row.account.api_key != api_key or row.expires_ns <= self._wall.now_ns():
            raise bad_token("Token is invalid or has expired.")
        wanted = checksum(api_key, request_token, row.account.api_secret)
        if not hmac.compare_digest(wanted.encode(), given.lower().encode()):
            raise bad_token("Invalid `checksum`.")
        del self._requests[request_token]
        return self._open(row.account)

    def authenticate(self, credentials: str) -> Session:
        """The session of `api_key:access_token`.  Errors: TokenException."""
        session = self._by_credentials.get(credentials)
        if session is None:
            raise bad_token()
        if session.expires_ns <= self._clock.now_ns():
            self._end(session)
            raise bad_token()
        return session

    def end(self, api_key: str, access_token: str) -> None:
        """Log out.  Errors: TokenException when there is no such session."""
        self._end(self.authenticate(f"{api_key}:{access_token}"))

    def end_all(self, user_id: str | None = None) -> int:
        """End every session, or every one of a user; how many there were."""
        chosen = [s for s in self._current.values() if user_id is None or s.account.user_id == user_id]
        for session in chosen:
            self._end(session)
        return len(chosen)

    def end_expired(self) -> None:
        """End what the clock has ended.  To be called when it moves."""
        now = self._clock.now_ns()
        for session in [s for s in self._current.values() if s.expires_ns <= now]:
            self._end(session)

    def current(self) -> Iterable[Session]:
        """Sessions that are open now."""
        return tuple(self._current.values())

    def _open(self, account: KiteAccount) -> Session:
        login_ns = self._clock.now_ns()
        session = Session(
            account=account,
            access_token=self._make_token(),
            public_token=self._make_token(),
            enctoken=self._make_token(),
            login_ns=login_ns,
            expires_ns=end_of(login_ns),
        )
        before = self._current.get((account.api_key, account.user_id))
        if before is not None:
            self._end(before)
        self._current[account.api_key, account.user_id] = session
        self._by_credentials[f"{account.api_key}:{session.access_token}"] = session
        return session

    def _end(self, session: Session) -> None:
        account = session.account
        self._by_credentials.pop(f"{account.api_key}:{session.access_token}", None)
        if self._current.get((account.api_key, account.user_id)) is session:
            del self._current[account.api_key, account.user_id]
        for listener in self.ended:
            listener(session)
