"""What a readiness check found: per account one line a subject, and one message for all accounts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trademantra.core.time import datetime_of
from trademantra.trading.accounts.settings import AccountMode


class Subject(StrEnum):
    """What is looked at, in the order in which it is shown."""

    TOKEN = "token"  # noqa: S105  (a word, no secret)
    ADDRESS = "static_ip"
    CLOCK = "clock"
    INSTRUMENTS = "instruments"
    FEED = "feed"
    MARGIN = "margin"
    DISK = "disk"
    JOURNAL = "journal"
    KILL = "kill_switch"
    LOCK = "lock"

    @property
    def words(self) -> str:
        """For people."""
        return "static IP" if self is Subject.ADDRESS else self.value.replace("_", " ")


class Outcome(StrEnum):
    OK = "ok"
    WARN = "warn"
    """Worth a look; trading goes on."""
    FAIL = "fail"
    """The account is not ready."""
    UNKNOWN = "unknown"
    """It cannot be told from here; the hint says who can."""


_MARKS: Mapping[Outcome, str] = {
    Outcome.OK: "✓", Outcome.WARN: "!", Outcome.FAIL: "✗", Outcome.UNKNOWN: "?",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One subject of one account.  `hint`: what to do; "" where nothing is to be done."""

    subject: Subject
    outcome: Outcome
    text: str
    hint: str = ""

    @property
    def mark(self) -> str:
        return _MARKS[self.outcome]

    @property
    def line(self) -> str:
        tail = f" → {self.hint}" if self.hint and self.outcome is not Outcome.OK else ""
        return f"{self.mark} {self.subject.words}: {self.text}{tail}"


@dataclass(frozen=True, slots=True)
class AccountReadiness:
    """`name`: as people know the account; `checks` in the order of `Subject`."""

    account_id: str
    name: str
    mode: AccountMode
    checks: Sequence[Check]

    @property
    def is_ready(self) -> bool:
        return all(check.outcome is not Outcome.FAIL for check in self.checks)

    @property
    def why_not(self) -> str | None:
        """What stands in the way, in one line; None when nothing does."""
        failed = [check for check in self.checks if check.outcome is Outcome.FAIL]
        if not failed:
            return None
        first = failed[0]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        hint = f"; {first.hint}" if first.hint else ""
        return f"{first.subject.words}: {first.text}{hint}{more}"

    def as_json(self) -> dict[str, object]:
        return {
            "account_id": self.account_id,
            "name": self.name,
            "mode": self.mode.value,
            "ready": self.is_ready,
            "checks": [
                {"subject": each.subject.value, "outcome": each.outcome.value, "text": each.text, "hint": each.hint}
                for each in self.checks
            ],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """Told on the bus, once for all accounts; `text` is what is sent and shown.  `is_sandbox`: `at_ns` is a sandbox's time."""

    at_ns: int
    accounts: Sequence[AccountReadiness]
    is_sandbox: bool = False

    @property
    def is_ready(self) -> bool:
        return all(account.is_ready for account in self.accounts)

    @property
    def text(self) -> str:
        """The message: for accounts that are ready only what is not plainly well, for the others everything."""
        ready = sum(account.is_ready for account in self.accounts)
        lines = [
            f"Readiness at {datetime_of(self.at_ns):%Y-%m-%d %H:%M}{' (sandbox)' if self.is_sandbox else ''}: {ready} of {len(self.accounts)} accounts ready"
        ]
        for account in self.accounts:
            lines.append(
                f"{account.name}, {account.mode}: {'ready' if account.is_ready else 'NOT READY, no entries go out'}"
            )
            lines += [
                f"  {check.line}"
                for check in account.checks
                if not account.is_ready or check.outcome is not Outcome.OK
            ]
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        return {
            "at_ns": self.at_ns,
            "ready": self.is_ready,
            "accounts": [account.as_json() for account in self.accounts],
        }
