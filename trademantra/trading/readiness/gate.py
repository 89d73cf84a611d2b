"""Nothing trades on an account that is not ready: where each account stands in its day, and why it may not enter.

The states of an account's day are a table.  A day begins UNCHECKED at midnight of India, whatever was before; a login
that ends or is made anew leads back to a check.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from trademantra.brokers.events import SessionState
from trademantra.core.time import Clock, ist_date
from trademantra.trading.readiness.report import ReadinessReport


class DayStage(StrEnum):
    """Where an account stands in its day.  Entries go out in READY alone; exits always."""

    UNCHECKED = "unchecked"
    READY = "ready"
    NOT_READY = "not_ready"
    LOGGED_OUT = "logged_out"


class DayEvent(StrEnum):
    PASSED = "the check passed"
    FAILED = "the check failed"
    LOGIN_MADE = "somebody logged in"
    LOGIN_ENDED = "the login ended"


_D = DayStage
# What is not here leaves the stage as it is: a check that was under way when the login ended does not make it ready.
TRANSITIONS: MappingProxyType[tuple[DayStage, DayEvent], DayStage] = MappingProxyType(
    {
        (_D.UNCHECKED, DayEvent.PASSED): _D.READY,
        (_D.UNCHECKED, DayEvent.FAILED): _D.NOT_READY,
        (_D.UNCHECKED, DayEvent.LOGIN_ENDED): _D.LOGGED_OUT,
        (_D.READY, DayEvent.FAILED): _D.NOT_READY,
        (_D.READY, DayEvent.LOGIN_ENDED): _D.LOGGED_OUT,
        (_D.NOT_READY, DayEvent.PASSED): _D.READY,
        (_D.NOT_READY, DayEvent.LOGIN_MADE): _D.UNCHECKED,
        (_D.NOT_READY, DayEvent.LOGIN_ENDED): _D.LOGGED_OUT,
        (_D.LOGGED_OUT, DayEvent.LOGIN_MADE): _D.UNCHECKED,
    }
)


@dataclass(slots=True)
class _Day:
    day: date
    stage: DayStage = DayStage.UNCHECKED
    why: str = ""


class AccountGate:
    """Asked by the desk before each entry.  In memory; told by `heard` and `session_changed`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._days: dict[str, _Day] = {}

    def why_not_ready(self, account_id: str) -> str | None:
        """Why entries of this account are refused (rule "not_ready"), with what to do; None when they are not."""
        day = self._of(account_id)
        if day.stage is DayStage.READY:
            return None
        if day.stage is DayStage.NOT_READY:
            return f"account {account_id} is not ready: {day.why}"
        if day.stage is DayStage.LOGGED_OUT:
            return f"account {account_id} is not ready: its login has ended; tm account login {account_id}"
        return f"account {account_id} has not been checked today ({day.day}); tm account check {account_id} shows why"

    def stage(self, account_id: str) -> DayStage:
        return self._of(account_id).stage

    def heard(self, report: ReadinessReport) -> None:
        """A check of today; one of another day says nothing about this one."""
        today = ist_date(self._clock.now_ns())
        if ist_date(report.at_ns) != today:
            return
        for account in report.accounts:
            day = self._of(account.account_id)
            day.why = account.why_not or ""
            self._step(day, DayEvent.PASSED if account.is_ready else DayEvent.FAILED)

    def session_changed(self, account_id: str, state: SessionState) -> None:
        """The account's login changed: `brokers.events.SessionChanged`."""
        if state is SessionState.ACTIVE:
            self._step(self._of(account_id), DayEvent.LOGIN_MADE)
        elif state in (SessionState.EXPIRED, SessionState.LOGGED_OUT):
            self._step(self._of(account_id), DayEvent.LOGIN_ENDED)

    def _of(self, account_id: str) -> _Day:
        today = ist_date(self._clock.now_ns())
        day = self._days.get(account_id)
        if day is None or day.day != today:
            day = self._days[account_id] = _Day(today)
        return day

    def _step(self, day: _Day, event: DayEvent) -> None:
        day.stage = TRANSITIONS.get((day.stage, event), day.stage)
