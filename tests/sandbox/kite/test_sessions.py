from datetime import date, time, timedelta

import pytest

from trademantra.core.time import NANOSECONDS_PER_SECOND, ManualClock, ist_ns
from trademantra.sandbox.kite.accounts import default_account
from trademantra.sandbox.kite.errors import KiteReplyError
from trademantra.sandbox.kite.sessions import Sessions, checksum

DAY = date(2026, 11, 20)
ACCOUNT = default_account("http://127.0.0.1:8700")
KEY, SECRET = ACCOUNT.api_key, ACCOUNT.api_secret


class Desk:
    def __init__(self, at: time = time(9, 0)) -> None:
        self.clock, self.wall = ManualClock(ist_ns(DAY, at)), ManualClock(0)
        self.made = 0
        self.sessions = Sessions([ACCOUNT], self.clock, self.wall, self._token, 300.0)

    def _token(self) -> str:
        self.made += 1
        return f"token{self.made}"

    def login(self) -> str:
        request = self.sessions.begin(ACCOUNT)
        return self.sessions.exchange(KEY, request, checksum(KEY, request, SECRET)).access_token


def refusal(call) -> tuple[int, str]:
    with pytest.raises(KiteReplyError) as caught:
        call()
    return caught.value.status, caught.value.error_type


def test_a_request_token_works_once() -> None:
    desk = Desk()
    request = desk.sessions.begin(ACCOUNT)
    given = checksum(KEY, request, SECRET)
    session = desk.sessions.exchange(KEY, request, given)
    assert desk.sessions.authenticate(f"{KEY}:{session.access_token}") is session
    assert refusal(lambda: desk.sessions.exchange(KEY, request, given)) == (403, "TokenException")


def test_a_wrong_checksum_does_not_use_the_token_up() -> None:
    desk = Desk()
    request = desk.sessions.begin(ACCOUNT)
    for wrong in ("0" * 64, "é", checksum(KEY, request, "othersecret")):
        assert refusal(lambda given=wrong: desk.sessions.exchange(KEY, request, given)) == (
            403,
            "TokenException",
        )
    desk.sessions.exchange(KEY, request, checksum(KEY, request, SECRET))


def test_a_request_token_dies_after_five_minutes_of_the_wall() -> None:
    desk = Desk()
    request = desk.sessions.begin(ACCOUNT)
    desk.wall.advance_to(300 * NANOSECONDS_PER_SECOND)
    assert refusal(lambda: desk.sessions.exchange(KEY, request, checksum(KEY, request, SECRET)))[0] == 403


def test_a_request_token_belongs_to_its_app() -> None:
    desk = Desk()
    request = desk.sessions.begin(ACCOUNT)
    assert (
        refusal(lambda: desk.sessions.exchange("other", request, checksum("other", request, SECRET)))[0]
        == 403
    )


@pytest.mark.parametrize("field", ["api_key", "request_token", "checksum"])
def test_a_missing_field_is_named(field: str) -> None:
    given = {"api_key": KEY, "request_token": "x", "checksum": "y"} | {field: ""}
    with pytest.raises(KiteReplyError, match=field) as caught:
        Desk().sessions.exchange(given["api_key"], given["request_token"], given["checksum"])
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("login", "end"),
    [
        (time(9, 0), ist_ns(DAY + timedelta(days=1), time(6))),
        (time(23, 59), ist_ns(DAY + timedelta(days=1), time(6))),
        (time(5, 59), ist_ns(DAY, time(6))),
        (time(6, 0), ist_ns(DAY + timedelta(days=1), time(6))),
    ],
)
def test_a_session_ends_at_six_in_the_morning(login: time, end: int) -> None:
    desk = Desk(login)
    token = desk.login()
    ended = []
    desk.sessions.ended.append(ended.append)
    desk.clock.advance_to(end - 1)
    desk.sessions.authenticate(f"{KEY}:{token}")
    desk.clock.advance_to(end)
    assert refusal(lambda: desk.sessions.authenticate(f"{KEY}:{token}")) == (403, "TokenException")
    assert [session.access_token for session in ended] == [token]


def test_a_new_login_ends_the_one_before() -> None:
    desk = Desk()
    first = desk.login()
    second = desk.login()
    assert refusal(lambda: desk.sessions.authenticate(f"{KEY}:{first}"))[0] == 403
    desk.sessions.authenticate(f"{KEY}:{second}")


def test_logout_ends_a_session_once() -> None:
    desk = Desk()
    token = desk.login()
    desk.sessions.end(KEY, token)
    assert refusal(lambda: desk.sessions.end(KEY, token)) == (403, "TokenException")
