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
