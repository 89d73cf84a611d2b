"""The session's table is whole, and a login of any minute ends at the next 06:00 of India."""

from datetime import datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.brokers.zerodha.scripted_kite import box_in
from trademantra.brokers.errors import SessionExpiredError
from trademantra.brokers.events import SessionState
from trademantra.brokers.zerodha.session import TRANSITIONS, Session, SessionStep, ends_after
from trademantra.core.errors import IllegalTransitionError
from trademantra.core.time import IST, ManualClock, datetime_of, ns_of
from trademantra.kit.secrets import Secret

MORNING = ns_of(datetime(2026, 11, 20, 9, 0, tzinfo=IST))


@given(st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(IST)))
def test_every_login_ends_at_the_next_six(login: datetime) -> None:
    end = datetime_of(ends_after(ns_of(login)))
    assert end.time() == time(6, 0)
    assert timedelta(0) < end - login <= timedelta(days=1)


def test_every_state_can_be_left_and_only_a_login_makes_one_active() -> None:
    for state in SessionState:
        assert any(before is state and after is not state for (before, _), after in TRANSITIONS.items())
    for (before, step), after in TRANSITIONS.items():
        if after is SessionState.ACTIVE and before is not SessionState.ACTIVE:
            assert step is SessionStep.ACCEPTED
        if after is SessionState.EXPIRED and before is not SessionState.EXPIRED:
            assert before is SessionState.ACTIVE


def test_what_the_table_does_not_hold_is_illegal(tmp_path: Path) -> None:
    session = Session("s", box_in(tmp_path), ManualClock(MORNING), lambda state, reason: None)
    with pytest.raises(IllegalTransitionError):
        session._step(SessionStep.REFUSED)


def test_each_change_is_told_once(tmp_path: Path) -> None:
    told: list[SessionState] = []
    clock = ManualClock(MORNING)
    session = Session("s", box_in(tmp_path), clock, lambda state, reason: told.append(state))
    session.start()
    session.accept("AB1234", Secret("token1"))
    clock.advance_to(MORNING + 21 * 3_600 * 10**9)
    for _ in range(3):
        assert session.state is SessionState.EXPIRED
        with pytest.raises(SessionExpiredError):
            session.login()
    session.refused(1, "late")
    assert told == [SessionState.LOGGING_IN, SessionState.ACTIVE, SessionState.EXPIRED]


def test_a_session_of_yesterday_is_found_expired_and_its_token_is_gone(tmp_path: Path) -> None:
    box = box_in(tmp_path)
    first = Session("s", box, ManualClock(MORNING), lambda state, reason: None)
    first.start()
    first.accept("AB1234", Secret("token1"))
    later = Session("s", box, ManualClock(MORNING + 24 * 3_600 * 10**9), lambda state, reason: None)
    assert later.state is SessionState.EXPIRED
    assert "s" not in box.names()


def test_a_stored_session_of_another_version_is_no_session(tmp_path: Path) -> None:
    box = box_in(tmp_path)
    for rubbish in ("x", "{}", "[1]", '{"user_id": "a", "access_token": "", "login_ns": "z"}'):
        box.put("s", Secret(rubbish))
        session = Session("s", box, ManualClock(MORNING), lambda state, reason: None)
        assert session.state is SessionState.LOGGED_OUT


def other(folder: Path, clock: ManualClock) -> Session:
    """The same account in another process."""
    return Session("s", box_in(folder), clock, lambda state, reason: None)


def log_in(session: Session, token: str) -> None:
    session.start()
    session.accept("AB1234", Secret(token))


def test_a_login_of_another_process_is_found_after_the_own_one_ended(tmp_path: Path) -> None:
    clock, told = ManualClock(MORNING), []
    desk = Session("s", box_in(tmp_path), clock, lambda state, reason: told.append((state, reason)))
    assert desk.state is SessionState.LOGGED_OUT
    log_in(other(tmp_path, clock), "token1")
    assert desk.state is SessionState.ACTIVE  # found without a restart
    assert told == [(SessionState.ACTIVE, "logged in as AB1234 by another program")]
    clock.advance_to(MORNING + 24 * 3_600 * 10**9)
    log_in(other(tmp_path, clock), "token2")  # before the desk has noticed that its own day ended
    assert desk.state is SessionState.ACTIVE
    assert desk.login().token.reveal() == "token2"
    assert [state for state, _ in told] == [SessionState.ACTIVE, SessionState.EXPIRED, SessionState.ACTIVE]
    assert other(tmp_path, clock).state is SessionState.ACTIVE  # nobody removed it from the box


def test_a_login_of_another_process_ends_the_own_one_and_follows_it(tmp_path: Path) -> None:
    clock = ManualClock(MORNING)
    desk = other(tmp_path, clock)
    log_in(desk, "token1")
    log_in(other(tmp_path, clock), "token2")  # Kite ends token1 with that
    assert desk.login().token.reveal() == "token1"
    desk.refused(desk.login().number, "token is invalid")
    assert desk.login().token.reveal() == "token2"
    desk.refused(1, "late")
    assert desk.state is SessionState.ACTIVE
    desk.refused(desk.login().number, "token is invalid")  # and that one is over too
    assert desk.state is SessionState.EXPIRED
    assert "s" not in box_in(tmp_path).names()


def test_what_is_over_is_not_found_again(tmp_path: Path) -> None:
    clock, box = ManualClock(MORNING), box_in(tmp_path)
    desk = other(tmp_path, clock)
    log_in(desk, "token1")
    kept = box.get("s")
    assert kept is not None
    desk.refused(desk.login().number, "token is invalid")
    box.put("s", kept)  # an old copy of the box
    assert desk.state is SessionState.EXPIRED
    box.path.write_bytes(b"rubbish")
    assert desk.state is SessionState.EXPIRED
