"""Nothing enters on an account that is not ready, whatever is heard in whatever order."""

from datetime import date, time

from hypothesis import given
from hypothesis import strategies as st

from trademantra.brokers.events import SessionState
from trademantra.core.time import NANOSECONDS_PER_DAY, ManualClock, ist_ns
from trademantra.trading.accounts.settings import AccountMode
from trademantra.trading.readiness.gate import TRANSITIONS, AccountGate, DayEvent, DayStage
from trademantra.trading.readiness.report import AccountReadiness, Check, Outcome, ReadinessReport, Subject

MORNING = ist_ns(date(2026, 11, 23), time(9, 0))


def report(outcome, at_ns=MORNING, account_id="a1"):
    check = Check(Subject.DISK, outcome, "0.1 GB free", "make room")
    return ReadinessReport(at_ns, [AccountReadiness(account_id, "A", AccountMode.LIVE, [check])])


def test_only_a_passed_check_of_today_lets_entries_out():
    clock = ManualClock(MORNING)
    gate = AccountGate(clock)
    assert "has not been checked today (2026-11-23)" in gate.why_not_ready("a1")
    gate.heard(report(Outcome.OK, MORNING - NANOSECONDS_PER_DAY))
    assert gate.stage("a1") is DayStage.UNCHECKED
    gate.heard(report(Outcome.FAIL))
    assert gate.why_not_ready("a1") == "account a1 is not ready: disk: 0.1 GB free; make room"
    gate.heard(report(Outcome.UNKNOWN))
    assert gate.why_not_ready("a1") is None
    assert gate.why_not_ready("a2") is not None
    gate.heard(report(Outcome.WARN))
    assert gate.why_not_ready("a1") is None
    clock.advance_to(MORNING + NANOSECONDS_PER_DAY)
    assert "has not been checked today (2026-11-24)" in gate.why_not_ready("a1")


def test_a_login_that_ends_stops_entries_until_a_login_and_a_check():
    gate = AccountGate(ManualClock(MORNING))
    gate.heard(report(Outcome.OK))
    gate.session_changed("a1", SessionState.EXPIRED)
    assert "tm account login a1" in gate.why_not_ready("a1")
    gate.heard(report(Outcome.OK))  # it was under way when the login ended
    assert gate.why_not_ready("a1") is not None
    gate.session_changed("a1", SessionState.LOGGING_IN)
    gate.session_changed("a1", SessionState.ACTIVE)
    assert "has not been checked" in gate.why_not_ready("a1")
    gate.heard(report(Outcome.OK))
    assert gate.why_not_ready("a1") is None


EVENTS = st.lists(st.sampled_from(["ok", "fail", "in", "out", "night"]), max_size=30)


@given(EVENTS)
def test_ready_means_that_a_check_passed_since_the_last_thing_that_counts(events):
    clock = ManualClock(MORNING)
    gate = AccountGate(clock)
    logged_out, ready = False, False
    for event in events:
        if event == "night":
            clock.advance_to(clock.now_ns() + NANOSECONDS_PER_DAY)
            logged_out = ready = False
        elif event == "in":
            gate.session_changed("a1", SessionState.ACTIVE)
            logged_out = False
        elif event == "out":
            gate.session_changed("a1", SessionState.LOGGED_OUT)
            logged_out, ready = True, False
        else:
            gate.heard(report(Outcome.OK if event == "ok" else Outcome.FAIL, clock.now_ns()))
            ready = event == "ok" and not logged_out
        assert (gate.why_not_ready("a1") is None) is ready


def test_only_a_passed_check_leads_to_ready():
    for (_, event), after in TRANSITIONS.items():
        assert (after is DayStage.READY) <= (event is DayEvent.PASSED)
    for stage in DayStage:
        assert any(before is stage and after is not stage for (before, _), after in TRANSITIONS.items())
