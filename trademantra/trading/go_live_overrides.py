"""Going live against the checklist: the account's owner may, with a reason, for one strategy with one set of parameters.

The hash-chained file `go-live-audit.jsonl` in the data folder is the record and the truth: an override holds while its
line is there and no later line withdraws it.  A file that was tampered with grants nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from trademantra.core.errors import BadInputError, NotFoundError, TradeMantraError
from trademantra.core.time import datetime_of
from trademantra.data.durable import exclusive_lock
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import AccountMode, ZerodhaAccountSettings
from trademantra.trading.accounts.store import AccountStore
from trademantra.trading.go_live import Checklist, GoLiveThresholds, checklist_of
from trademantra.trading.record.store import RecordStore
from trademantra.trading.risk.audit import AuditLine, AuditLog

AUDIT_NAME, _LOCK_NAME = "go-live-audit.jsonl", "go-live.lock"
SHORTEST_REASON = 20
_OVERRIDDEN, _WITHDRAWN, _THRESHOLDS = "go_live_overridden", "go_live_withdrawn", "go_live_thresholds"


class OverrideRefusedError(TradeMantraError):
    """The override was not made."""

    code: ClassVar[str] = "override_refused"


@dataclass(frozen=True, slots=True)
class Subject:
    """What an override is for: other parameters or another account need their own."""

    strategy: str
    parameters_hash: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Override:
    """Who let `subject` go live, when and why."""

    subject: Subject
    who: str
    why: str
    at_ns: int

    def __str__(self) -> str:
        return f"{self.who} let it go live at {datetime_of(self.at_ns):%Y-%m-%d %H:%M}: {self.why}"


class GoLiveOverrides:
    """The overrides of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._lock = folder / _LOCK_NAME
        self._audit = AuditLog(folder / AUDIT_NAME)

    def find(self, subject: Subject) -> Override | None:
        """The override in force; None when there is none.  Errors: `BadInputError` for a file that was tampered with."""
        found: Override | None = None
        for line in self._audit.read():
            facts = line.facts
            named = Subject(
                str(facts.get("strategy")), str(facts.get("parameters_hash")), str(facts.get("account_id"))
            )
            if named != subject:
                continue
            if line.event == _OVERRIDDEN:
                found = Override(subject, str(facts.get("who")), str(facts.get("why")), line.at_ns)
            elif line.event == _WITHDRAWN:
                found = None
        return found

    def make(
        self, checklist: Checklist, account: Account, *, who: str, why: str, typed_name: str, now_ns: int
    ) -> Override:
        """Let the strategy of `checklist` go live on `account` all the same; audited before it counts.

        Errors: `OverrideRefusedError` for somebody who is not the owner, a reason of less than 20 characters or a name
        that is not the account's; `BadInputError`, `OSError`: it was not made.
        """
        if who != account.user_id:
            raise OverrideRefusedError(
                f"account {account.account_id} belongs to {account.user_id}, not to {who}",
                hint="only its owner can override the go-live checklist",
            )
        if len(why.strip()) < SHORTEST_REASON:
            raise OverrideRefusedError(
                f"the reason has {len(why.strip())} characters, {SHORTEST_REASON} are the least",
                hint="say why this strategy may trade real money without the record",
            )
        if typed_name.strip() != account.account_id:
            raise OverrideRefusedError(
                f"{typed_name.strip()!r} is not the name of the account",
                hint=f"type {account.account_id} to confirm",
            )
        subject = Subject(checklist.strategy, checklist.parameters_hash, account.account_id)
        missing = ", ".join(line.measure for line in checklist.lines if not line.is_ok)
        self._append(_OVERRIDDEN, subject, who, why.strip(), now_ns, missing=missing)
        return Override(subject, who, why.strip(), now_ns)

    def withdraw(self, subject: Subject, *, who: str, why: str, now_ns: int) -> None:
        """Errors: `NotFoundError` when there is none; those of `find`."""
        if self.find(subject) is None:
            raise NotFoundError(
                f"{subject.strategy} ({subject.parameters_hash}) has no override on account {subject.account_id}"
            )
        self._append(_WITHDRAWN, subject, who, why, now_ns)

    def note_thresholds(self, account: Account, new: GoLiveThresholds, *, who: str, now_ns: int) -> None:
        """An account's thresholds change: that too opens or closes the gate."""
        facts = {"account_id": account.account_id, "who": who, "from": str(account.go_live), "to": str(new)}
        with exclusive_lock(self._lock):
            self._audit.read()
            self._audit.append(AuditLine(now_ns, _THRESHOLDS, facts))

    def _append(self, event: str, subject: Subject, who: str, why: str, now_ns: int, **more: str) -> None:
        facts = {
            "strategy": subject.strategy, "parameters_hash": subject.parameters_hash,
            "account_id": subject.account_id, "who": who, "why": why, **more,
        }  # fmt: skip
        with exclusive_lock(self._lock):
            self._audit.read()  # nothing is put on top of a broken chain
            self._audit.append(AuditLine(now_ns, event, facts))


class GoLiveGate:
    """Asked before a strategy is started on an account."""

    def __init__(self, record: RecordStore, accounts: AccountStore, overrides: GoLiveOverrides) -> None:
        self._record, self._accounts, self._overrides = record, accounts, overrides

    async def checklist(self, account: Account, strategy: str, parameters_hash: str) -> Checklist:
        """What the owner's paper record has, against the account's thresholds."""
        without = await self._not_counted(account)
        return await checklist_of(self._record, strategy, parameters_hash, account.go_live, without)

    async def why_not_live(self, account: Account, strategy: str, parameters_hash: str) -> str | None:
        """Why the strategy must not start on this account; None when it may.  Paper accounts ask for nothing."""
        if account.mode is AccountMode.PAPER:
            return None
        checklist = await self.checklist(account, strategy, parameters_hash)
        if checklist.is_met:
            return None
        try:
            override = self._overrides.find(Subject(strategy, parameters_hash, account.account_id))
        except BadInputError as error:
            return f"the audit file of overrides cannot be trusted: {error}"
        if override is not None:
            return None
        missing = "; ".join(
            f"{line.title} {line.have_text}, needed {line.need_text}"
            for line in checklist.lines
            if not line.is_ok
        )
        return (
            f"{strategy} ({parameters_hash}) has no sufficient paper record: {missing}; "
            f"tm account go-live {strategy} --account {account.account_id} shows it"
        )

    async def _not_counted(self, account: Account) -> Collection[str]:
        """Other people's accounts, and sandboxes, whose prices are invented."""
        return {
            each.account_id
            for each in await self._accounts.accounts(closed=True)
            if each.user_id != account.user_id
            or (isinstance(each.settings, ZerodhaAccountSettings) and each.settings.is_sandbox)
        }
