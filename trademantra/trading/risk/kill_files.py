"""What the kill switch keeps on the disk, and how each file is read: whatever cannot be read kills everything.

- `kill.json`: what is killed and the dead-man timer, replaced whole, with its own SHA-256.
- `kill-audit.jsonl`: who killed and released what, when and why, hash-chained (`audit`).  Written first; a kill that is
  in one of the two files only is in force.
- `KILL`: made by a person.  Its existence kills everything; lines of JSON in it name scopes instead.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias, cast

from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.core.time import datetime_of
from trademantra.data.durable import replace_file
from trademantra.trading.risk.audit import AuditLine, AuditLog

STATE_NAME, AUDIT_NAME, LOCK_NAME, KILL_NAME = "kill.json", "kill-audit.jsonl", "kill.lock", "KILL"
_VERSION = 1
_LARGEST_KILL_FILE = 65_536


class KillScope(StrEnum):
    ALL = "all"
    USER = "user"
    ACCOUNT = "account"
    STRATEGY = "strategy"
    """A strategy by its id, in every account."""


class KillSource(StrEnum):
    REQUEST = "request"
    """A person or program asked: API, command, message."""
    FILE = "file"
    DEAD_MAN = "dead_man"
    DAMAGE = "damage"
    """The switch's own files could not be read."""


KillKey: TypeAlias = tuple[KillScope, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Entries in this scope are blocked.  Whoever carries it out cancels working entries, and closes positions if
    `flatten`.  `name` is the id of user, account or strategy; empty for all.
    """

    scope: KillScope
    name: str = ""
    flatten: bool = False
    who: str
    why: str
    source: KillSource = KillSource.REQUEST
    at_ns: int

    def __post_init__(self) -> None:
        if (self.scope is KillScope.ALL) != (not self.name):
            raise InvalidValueError(
                f"a kill of scope {self.scope} {'has no' if self.name else 'needs an'} id",
                hint="all stands alone; user, account and strategy name one",
            )

    @property
    def key(self) -> KillKey:
        return self.scope, self.name

    def __str__(self) -> str:
        what = "everything" if self.scope is KillScope.ALL else f"{self.scope} {self.name}"
        return f"{what} was killed at {datetime_of(self.at_ns):%Y-%m-%d %H:%M:%S} by {self.who}: {self.why}"


@dataclass(frozen=True, slots=True)
class DeadMan:
    """Everything, or the account `name`, is killed when nobody reports within `period_ns`."""

    period_ns: int
    flatten: bool
    scope: KillScope = KillScope.ALL
    name: str = ""

    def __post_init__(self) -> None:
        if (self.scope is KillScope.ALL) != (not self.name):
            raise InvalidValueError("a dead-man timer is for all, or for a named account, user or strategy")

    @property
    def key(self) -> KillKey:
        return self.scope, self.name


@dataclass(frozen=True, slots=True)
class KillRecord:
    """What the files hold."""

    kills: Mapping[KillKey, Kill]
    dead_men: Mapping[KillKey, DeadMan] = field(default_factory=dict)


Signature: TypeAlias = tuple[int, int, int, int] | None


def signature(path: Path) -> Signature:
    """What changes when a file changes; None when there is none.  Errors: `OSError` when that cannot be told."""
    try:
        seen = path.lstat()
    except FileNotFoundError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def read_record(folder: Path) -> KillRecord | None:
    """What is on the disk; None for a folder in which no kill switch ever was.

    Errors: `BadInputError`, `OSError` for files that cannot be trusted.
    """
    audit = AuditLog(folder / AUDIT_NAME)
    state = folder / STATE_NAME
    if not os.path.lexists(state):
        if audit.exists():
            raise BadInputError(state, "it is gone, but its audit file is there")
        return None
    kills, dead_men, written_hash = _read_state(state)
    hashes, lines = audit.read_with_hashes()
    if written_hash not in hashes:
        raise BadInputError(audit.path, f"the line that {STATE_NAME} was written after is gone")
    for line in lines[hashes.index(written_hash) :]:  # written, but a crash came before kill.json
        if line.event == "killed":
            kill = kill_of(line)
            kills[kill.key] = kill
    return KillRecord(kills, dead_men)


def write_record(folder: Path, record: KillRecord, audit_hash: str) -> None:
    """Replace `kill.json`, durably."""
    content: dict[str, object] = {
        "version": _VERSION,
        "audit": audit_hash,
        "dead_men": [
            {"scope": each.scope.value, "id": each.name, "period_ns": each.period_ns, "flatten": each.flatten}
            for each in record.dead_men.values()
        ],
        "kills": [facts_of(kill) | {"at_ns": kill.at_ns} for kill in record.kills.values()],
    }
    content["sha256"] = _digest(content)
    replace_file(folder / STATE_NAME, json.dumps(content, indent=1, ensure_ascii=False).encode())


def facts_of(kill: Kill) -> dict[str, str | int | bool]:
    return {
        "scope": kill.scope.value, "id": kill.name, "flatten": kill.flatten, "who": kill.who, "why": kill.why,
        "source": kill.source.value,
    }  # fmt: skip


def kill_of(line: AuditLine) -> Kill:
    """Errors: `BadInputError`."""
    return _kill(dict(line.facts) | {"at_ns": line.at_ns}, AUDIT_NAME)


def read_kill_file(path: Path, at_ns: int) -> list[Kill]:
    """What a `KILL` file that is there asks for: everything, unless each of its lines names a scope."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_KILL_FILE:
            return [_everything("a KILL file that is no short text file", at_ns)]
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        kills = [_named(line, at_ns) for line in lines]
    except (OSError, ValueError, KeyError, TypeError, InvalidValueError) as error:
        return [_everything(f"a KILL file that cannot be read: {error}", at_ns)]
    return kills or [_everything("a KILL file in the data folder", at_ns)]


def _named(line: str, at_ns: int) -> Kill:
    told = json.loads(line)
    if not isinstance(told, dict) or not told.keys() <= {"scope", "id", "flatten", "who", "why"}:
        raise InvalidValueError("a line names other things than scope, id, flatten, who, why")
    flatten = told.get("flatten", False)
    if not isinstance(flatten, bool):
        raise InvalidValueError("flatten is true or false")
    return Kill(
        scope=KillScope(told["scope"]), name=_text(told.get("id", "")), flatten=flatten,
        who=_text(told.get("who", "the KILL file")), why=_text(told.get("why", "no reason given")),
        source=KillSource.FILE, at_ns=at_ns,
    )  # fmt: skip


def _everything(why: str, at_ns: int) -> Kill:
    return Kill(scope=KillScope.ALL, who="the KILL file", why=why, source=KillSource.FILE, at_ns=at_ns)


def _read_state(path: Path) -> tuple[dict[KillKey, Kill], dict[KillKey, DeadMan], str]:
    try:
        content = json.loads(path.read_bytes())
        digest = content.pop("sha256")
        if digest != _digest(content):
            raise BadInputError(path, "its checksum does not fit: it was damaged or changed by hand")
        if content["version"] != _VERSION:
            raise BadInputError(path, f"it is of version {content['version']}", hint="update the product")
        kills = [_kill(told, path) for told in content["kills"]]
        timers = [_dead_man(told) for told in _timers(content)]
        return (
            {kill.key: kill for kill in kills},
            {each.key: each for each in timers},
            _text(content["audit"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(path, f"it cannot be read: {error}") from error


def _timers(content: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    """The timers; a file from before there were several has one, of everything."""
    if "dead_men" in content:
        return cast(list[Mapping[str, object]], content["dead_men"])
    only = cast("Mapping[str, object] | None", content["dead_man"])
    return [] if only is None else [{"scope": "all", "id": "", **only}]


def _dead_man(told: Mapping[str, object]) -> DeadMan:
    scope, name = KillScope(_text(told["scope"])), _text(told["id"])
    return DeadMan(int(str(told["period_ns"])), bool(told["flatten"]), scope, name)


def _kill(told: Mapping[str, object], file: Path | str) -> Kill:
    try:
        at_ns, flatten = told["at_ns"], told["flatten"]
        if not isinstance(at_ns, int) or not isinstance(flatten, bool):
            raise BadInputError(file, "a kill without time or without flatten")
        return Kill(
            scope=KillScope(_text(told["scope"])), name=_text(told["id"]), flatten=flatten, who=_text(told["who"]),
            why=_text(told["why"]), source=KillSource(_text(told["source"])), at_ns=at_ns,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, InvalidValueError) as error:
        raise BadInputError(file, f"a kill cannot be read: {error}") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _digest(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
