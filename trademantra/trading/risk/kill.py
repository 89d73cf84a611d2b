"""The kill switch: blocks entries, and tells the desk what to cancel and close.  It needs no database and no network.

Invariants:
- a kill is in force in memory before anything else is tried, and stays in force when the disk refuses;
- what `engage` returned from holds after a crash at any later instant; a kill ends by `release` alone;
- whatever cannot be read counts as a kill of everything;
- every kill and release is a line of the audit file, written before it counts on the disk.

Several processes may use one folder: each sees within a look what another wrote.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

from trademantra.core.errors import BadInputError, InvalidValueError, NotFoundError, TradeMantraError
from trademantra.core.time import NANOSECONDS_PER_SECOND, datetime_of
from trademantra.data.durable import exclusive_lock, replace_file
from trademantra.trading.risk.audit import AuditLine, AuditLog
from trademantra.trading.risk.dead_man import DeadMen
from trademantra.trading.risk.kill_files import (
    AUDIT_NAME,
    KILL_NAME,
    LOCK_NAME,
    STATE_NAME,
    DeadMan,
    Kill,
    KillKey,
    KillRecord,
    KillScope,
    KillSource,
    Signature,
    facts_of,
    read_kill_file,
    read_record,
    signature,
    write_record,
)

_LOOK_EVERY_NS = NANOSECONDS_PER_SECOND // 10
_NEVER: Signature = (-1, -1, -1, -1)


class KillNotSavedError(TradeMantraError):
    """The kill is in force in this process, but the disk did not take it: a restart would forget it."""

    code: ClassVar[str] = "kill_not_saved"


class ReleaseRefusedError(TradeMantraError):
    """The kill stays."""

    code: ClassVar[str] = "release_refused"


class KillSwitch:
    """The switch over the data folder `folder`.

    The desk calls `poll` a few times a second and carries out what it answers; the gate asks `blocking` for each entry.
    Opening reads the files; what they hold, or their damage, is answered by the first `poll`.
    """

    def __init__(self, folder: Path, now_ns: int) -> None:
        self.folder = folder
        self.unsaved_reason = ""
        self._audit = AuditLog(folder / AUDIT_NAME)
        self._saved = KillRecord({})
        self._saved_once = False
        self._unsaved: dict[KillKey, Kill] = {}
        self._damage: Kill | None = None
        self._in_force: dict[KillKey, Kill] = {}
        self._requests: list[Kill] = []
        self._kill_file: Signature = None
        self._state_file: Signature = _NEVER
        self._looked_ns = now_ns - _LOOK_EVERY_NS
        self._dead_men = DeadMen(folder)
        self._look(now_ns)

    # -- asking

    def blocking(self, user_id: str, account_id: str, strategy_id: str, now_ns: int) -> str | None:
        """Why entries of this strategy in this account of this user are blocked; None when they are not."""
        if now_ns - self._looked_ns >= _LOOK_EVERY_NS or now_ns < self._looked_ns:
            self._look(now_ns)
        if not self._in_force:
            return None
        for key in (
            (KillScope.ALL, ""),
            (KillScope.USER, user_id),
            (KillScope.ACCOUNT, account_id),
            (KillScope.STRATEGY, strategy_id),
        ):
            kill = self._in_force.get(key)
            if kill is not None:
                return f"{kill}; only exits go out until somebody releases it (tm desk release)"
        return None

    def in_force(self) -> Sequence[Kill]:
        return list(self._in_force.values())

    @property
    def dead_men(self) -> Mapping[KillKey, DeadMan]:
        """The timers that are armed."""
        return self._saved.dead_men

    def left_ns(self, key: KillKey, now_ns: int) -> int | None:
        """Until a timer runs out, as this process counts; None where none is armed."""
        return self._dead_men.left_ns(key, now_ns)

    def warnings(self, now_ns: int) -> Sequence[str]:
        """Timers that will run out soon, in words, each told once.  Of what is killed already there is none."""
        self._look(now_ns)
        return self._dead_men.warnings(now_ns, self._in_force.keys())

    def poll(self, now_ns: int) -> Sequence[Kill]:
        """Look at the files and the timer; answers kills that the desk has not been handed yet, each once.

        After a start these are all in force: nobody knows how far they were carried out.  What could not be saved is
        tried again at the next poll; `unsaved_reason` says why.
        """
        self._look(now_ns)
        if self._unsaved and self._damage is None:
            try:
                self._save(now_ns)
            except KillNotSavedError as error:
                self.unsaved_reason = error.message
        requests, self._requests = self._requests, []
        return requests

    # -- acting

    def engage(
        self, scope: KillScope, name: str = "", *, who: str, why: str, now_ns: int, flatten: bool = False
    ) -> Kill:
        """Kill now.  Returns when it is on the disk.

        Errors: `KillNotSavedError`: in force all the same, until this process ends.
        """
        kill = Kill(
            scope=scope,
            name=name,
            flatten=flatten,
            who=_said(who, "who"),
            why=_said(why, "why"),
            at_ns=now_ns,
        )
        self._add(kill)
        self._save(now_ns)
        return kill

    def release(self, scope: KillScope, name: str = "", *, who: str, why: str, now_ns: int) -> None:
        """Lift one kill; others stay.  The audit line is on the disk before it counts.

        A kill for damaged files is lifted as scope ALL: the files are set aside, and begun anew with what the audit file
        still says.  Errors: `ReleaseRefusedError` while the `KILL` file is there; `NotFoundError`; `KillNotSavedError`.
        """
        facts = {"scope": scope.value, "id": name, "who": _said(who, "who"), "why": _said(why, "why")}
        self._look(now_ns)
        if self._kill_file is not None:
            raise ReleaseRefusedError(
                f"{self.folder / KILL_NAME} is there", hint="remove the file, then release"
            )
        if (scope, name) not in self._in_force:
            known = ", ".join(f"{key[0]} {key[1]}".strip() for key in self._in_force) or "nothing"
            raise NotFoundError(
                f"{scope} {name} is not killed".replace("  ", " "), hint=f"killed is: {known}"
            )
        try:
            with self._lock():
                if self._damage is not None and scope is KillScope.ALL:
                    kept = self._set_aside(facts, now_ns)
                else:
                    kept = self._read_again()
                kills = {key: kill for key, kill in kept.kills.items() if key != (scope, name)}
                self._write(AuditLine(now_ns, "released", facts), KillRecord(kills, kept.dead_men))
        except (OSError, BadInputError) as error:
            raise KillNotSavedError(
                f"the release could not be written, so the kill stays: {error}"
            ) from error
        self._unsaved.pop((scope, name), None)
        self._damage = None
        self._dead_men.begin((scope, name), now_ns)
        self._settle()

    def arm(
        self,
        period_ns: int,
        *,
        who: str,
        why: str,
        now_ns: int,
        flatten: bool = False,
        scope: KillScope = KillScope.ALL,
        name: str = "",
    ) -> None:
        """Kill everything, or this scope, when nobody reports for `period_ns`: by `feed`, or the file `alive`.

        Stays armed over a restart, counted from the start.  Armed again it begins anew.  Errors: `KillNotSavedError`.
        """
        if period_ns < NANOSECONDS_PER_SECOND:
            raise InvalidValueError(f"a dead-man timer of {period_ns} ns", hint="a second is the least")
        timer = DeadMan(period_ns, flatten, scope, name)
        facts: dict[str, str | int | bool] = {
            "scope": scope.value, "id": name, "period_ns": period_ns, "flatten": flatten,
        }  # fmt: skip
        self._time(timer.key, timer, AuditLine(now_ns, "armed", facts | _person(who, why)))
        self._dead_men.look(self._saved.dead_men, now_ns)
        self._dead_men.begin(timer.key, now_ns)

    def disarm(
        self, *, who: str, why: str, now_ns: int, scope: KillScope = KillScope.ALL, name: str = ""
    ) -> None:
        """Errors: `KillNotSavedError`."""
        facts: dict[str, str | int | bool] = {"scope": scope.value, "id": name}
        self._time((scope, name), None, AuditLine(now_ns, "disarmed", facts | _person(who, why)))

    def feed(self, now_ns: int) -> None:
        """Somebody is there."""
        self._dead_men.heard(now_ns)

    # -- looking

    def _look(self, now_ns: int) -> None:
        """Two `stat` calls; files are read when they changed."""
        self._looked_ns = now_ns
        try:
            seen = signature(self.folder / KILL_NAME)
        except OSError:
            seen = _NEVER
        if seen != self._kill_file:
            self._kill_file = seen
            if seen is not None:
                for kill in read_kill_file(self.folder / KILL_NAME, now_ns):
                    self._add(kill)
        try:
            state = signature(self.folder / STATE_NAME)
        except OSError:
            state = _NEVER
        if state != self._state_file or state == _NEVER:
            self._state_file = state
            self._reload(now_ns)
        for timer, silent_ns in self._dead_men.look(self._saved.dead_men, now_ns):
            late = silent_ns // NANOSECONDS_PER_SECOND
            self._add(
                Kill(
                    scope=timer.scope, name=timer.name, flatten=timer.flatten, who="the dead-man timer",
                    why=f"nobody reported for {late} s", source=KillSource.DEAD_MAN, at_ns=now_ns,
                )
            )  # fmt: skip

    def _reload(self, now_ns: int) -> None:
        try:
            record = self._on_disk()
            repaired = self._damage is not None and self._was_repaired(self._damage.at_ns)
        except (OSError, BadInputError) as error:
            if self._damage is None:
                self._damage = Kill(
                    scope=KillScope.ALL, who="the kill switch", why=f"its files cannot be read: {error}",
                    source=KillSource.DAMAGE, at_ns=now_ns,
                )  # fmt: skip
        else:
            if self._damage is not None and not repaired:  # readable again by itself: that releases nothing
                self._unsaved[self._damage.key] = self._damage
            self._damage = None
            if record is not None:
                self._saved, self._saved_once = record, True
        self._settle()

    def _was_repaired(self, since_ns: int) -> bool:
        return any(line.event == "repaired" and line.at_ns >= since_ns for line in self._audit.read())

    # -- keeping

    def _add(self, kill: Kill) -> None:
        known = self._in_force.get(kill.key)
        if known is None or (kill.flatten and not known.flatten):
            self._unsaved[kill.key] = kill
            self._settle()

    def _settle(self) -> None:
        """What is in force, from all that is known; what is new in it is for the desk to carry out."""
        before = self._in_force
        now: dict[KillKey, Kill] = dict(self._saved.kills)
        for kill in (*self._unsaved.values(), *([self._damage] if self._damage else [])):
            known = now.get(kill.key)
            if known is None or (kill.flatten and not known.flatten):
                now[kill.key] = kill
        self._in_force = now
        for key in before.keys() - now.keys():
            self._dead_men.begin(key, self._looked_ns)  # released, here or by another process
        for key, kill in now.items():
            if key not in before or (kill.flatten and not before[key].flatten):
                self._requests.append(kill)

    def _save(self, now_ns: int) -> None:
        """Put the unsaved kills on the disk.  Errors: `KillNotSavedError`."""
        try:
            with self._lock():
                kept = self._read_again()
                kills = dict(kept.kills)
                for kill in list(self._unsaved.values()):
                    if kill.key in kills and kills[kill.key].flatten:
                        continue  # another process asked for as much or more
                    kills[kill.key] = kill
                    self._write(AuditLine(now_ns, "killed", facts_of(kill)), KillRecord(kills, kept.dead_men))
        except (OSError, BadInputError) as error:
            raise KillNotSavedError(
                f"the kill is in force but could not be written: {error}",
                hint=f"make a file named {KILL_NAME} in {self.folder}, so that a restart knows",
            ) from error
        self._unsaved.clear()
        self.unsaved_reason = ""
        self._settle()

    def _time(self, key: KillKey, timer: DeadMan | None, line: AuditLine) -> None:
        try:
            with self._lock():
                kept = self._read_again()
                timers = {each: armed for each, armed in kept.dead_men.items() if each != key}
                if timer is not None:
                    timers[key] = timer
                self._write(line, KillRecord(kept.kills, timers))
        except (OSError, BadInputError) as error:
            raise KillNotSavedError(f"the dead-man timer could not be changed: {error}") from error

    def _lock(self) -> AbstractContextManager[None]:
        return exclusive_lock(self.folder / LOCK_NAME)

    def _read_again(self) -> KillRecord:
        """What is on the disk now, perhaps by another process.  Call under the lock."""
        return self._on_disk() or KillRecord({})

    def _on_disk(self) -> KillRecord | None:
        record = read_record(self.folder)
        if record is None and self._saved_once:
            raise BadInputError(self.folder / STATE_NAME, "it was removed")
        return record

    def _write(self, line: AuditLine, record: KillRecord) -> None:
        write_record(self.folder, record, self._audit.append(line))
        self._saved, self._saved_once = record, True
        self._state_file = signature(self.folder / STATE_NAME)

    def _set_aside(self, facts: dict[str, str], now_ns: int) -> KillRecord:
        """Begin the files anew; the old ones stay beside them, their names in the first line.  Call under the lock."""
        kills: dict[KillKey, Kill] = {}
        try:
            for line in self._audit.read():
                key = KillScope(str(line.facts.get("scope", "all"))), str(line.facts.get("id", ""))
                if line.event == "killed":
                    kills[key] = _restored(line, key)
                elif line.event == "released":
                    kills.pop(key, None)
        except (OSError, BadInputError):
            kills = {}
        stamp = f"{datetime_of(now_ns):%Y%m%dT%H%M%S}"
        state = self.folder / STATE_NAME
        _move_aside(state, stamp)
        # no start can read this: a crash from here on leaves everything killed
        replace_file(state, b"being repaired")
        _move_aside(self._audit.path, stamp)
        told: dict[str, str | int | bool] = {**facts, "damaged": f"*.damaged-{stamp}"}
        record = KillRecord(kills, self._saved.dead_men)
        self._write(AuditLine(now_ns, "repaired", told), record)
        return record


def _restored(line: AuditLine, key: KillKey) -> Kill:
    return Kill(
        scope=key[0], name=key[1], flatten=bool(line.facts.get("flatten", False)), who=str(line.facts.get("who", "")),
        why=str(line.facts.get("why", "")), at_ns=line.at_ns,
    )  # fmt: skip


def _move_aside(path: Path, stamp: str) -> None:
    if signature(path) is None:
        return
    aside, number = path.with_name(f"{path.name}.damaged-{stamp}"), 1
    while signature(aside) is not None:
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    path.rename(aside)


def _said(text: str, name: str) -> str:
    if not text.strip():
        raise InvalidValueError(f"a kill or release needs to know {name}")
    return text.strip()


def _person(who: str, why: str) -> dict[str, str | int | bool]:
    return {"who": _said(who, "who"), "why": _said(why, "why")}
