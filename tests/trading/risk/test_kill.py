"""A kill holds: over a restart, a crash, damaged files and a full disk; and ends only by an audited release."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trading.risk.scene import NOON, SECOND, Scene
from trademantra.core.errors import BadInputError, InvalidValueError, NotFoundError
from trademantra.core.order import Side
from trademantra.trading.risk.audit import AuditLine, AuditLog
from trademantra.trading.risk.dead_man import ALIVE_NAME
from trademantra.trading.risk.kill import KillNotSavedError, KillSwitch, ReleaseRefusedError
from trademantra.trading.risk.kill_files import AUDIT_NAME, KILL_NAME, STATE_NAME, KillScope, KillSource

ALL, USER, ACCOUNT, STRATEGY = KillScope
LATER = NOON + SECOND
BY = {"who": "asha", "why": "a test"}


def blocked(switch, user="u1", account="a1", strategy="s1", now=LATER):
    return switch.blocking(user, account, strategy, now) is not None


def restarted(folder, now=LATER):
    return KillSwitch(folder, now)


@pytest.mark.parametrize(
    ("scope", "name", "other"),
    [(ALL, "", None), (USER, "u1", {"user": "u2"}), (ACCOUNT, "a1", {"account": "a2"}), (STRATEGY, "s1", {"strategy": "s2"})],
)  # fmt: skip
def test_each_scope_blocks_its_own_over_a_restart_until_released(tmp_path, scope, name, other):
    switch = KillSwitch(tmp_path, NOON)
    assert not blocked(switch)
    switch.engage(scope, name, now_ns=NOON, flatten=True, **BY)
    for each in (switch, restarted(tmp_path)):
        assert blocked(each)
        assert other is None or not blocked(each, **other)
        assert [(kill.scope, kill.name, kill.flatten) for kill in each.poll(LATER)] == [(scope, name, True)]
        assert each.poll(LATER) == []
    switch.release(scope, name, now_ns=LATER, who="asha", why="found the fault")
    assert not blocked(switch)
    assert not blocked(restarted(tmp_path))
    lines = AuditLog(tmp_path / AUDIT_NAME).read()
    assert [(line.event, line.facts["who"], line.facts["why"]) for line in lines] == [
        ("killed", "asha", "a test"), ("released", "asha", "found the fault")
    ]  # fmt: skip


def test_the_gate_refuses_entries_and_lets_exits_pass(tmp_path):
    switch = KillSwitch(tmp_path, NOON)
    scene = Scene({}, block=switch)
    scene.hold(10)
    switch.engage(ACCOUNT, "a1", now_ns=NOON, **BY)
    assert scene.ask(Side.BUY, 1).rule == "killed"
    assert "asha" in scene.ask(Side.BUY, 1).text
    assert scene.ask(Side.SELL, 10).quantity == 10


def test_a_release_needs_who_and_why_and_something_to_release(tmp_path):
    switch = KillSwitch(tmp_path, NOON)
    with pytest.raises(NotFoundError, match="nothing"):
        switch.release(ALL, now_ns=NOON, **BY)
    switch.engage(ACCOUNT, "a1", now_ns=NOON, **BY)
    with pytest.raises(InvalidValueError, match="why"):
        switch.release(ACCOUNT, "a1", who="asha", why=" ", now_ns=NOON)
    with pytest.raises(NotFoundError, match="account a1"):
        switch.release(ALL, now_ns=NOON, **BY)
    assert blocked(switch)


def test_releasing_one_scope_leaves_the_others(tmp_path):
    switch = KillSwitch(tmp_path, NOON)
    switch.engage(ALL, now_ns=NOON, **BY)
    switch.engage(ACCOUNT, "a1", now_ns=NOON, **BY)
    switch.release(ALL, now_ns=NOON, **BY)
    assert blocked(switch)
    assert not blocked(switch, account="a2")


def test_a_kill_can_become_one_that_flattens(tmp_path):
    switch = KillSwitch(tmp_path, NOON)
    switch.engage(ALL, now_ns=NOON, **BY)
    switch.poll(NOON)
    switch.engage(ALL, now_ns=NOON, flatten=True, **BY)
    assert [kill.flatten for kill in switch.poll(NOON)] == [True]
    switch.engage(ALL, now_ns=NOON, **BY)  # and does not lose it again
    assert [kill.flatten for kill in restarted(tmp_path).poll(LATER)] == [True]


@pytest.mark.parametrize("name", ["", "a1"])
def test_a_kill_names_what_it_must(tmp_path, name):
    with pytest.raises(InvalidValueError):
        KillSwitch(tmp_path, NOON).engage(ACCOUNT if not name else ALL, name, now_ns=NOON, **BY)


# -- the KILL file


def test_the_file_kills_everything_and_its_removal_releases_nothing(tmp_path):
    switch = KillSwitch(tmp_path, NOON)
    (tmp_path / KILL_NAME).touch()
    assert not blocked(switch, now=NOON + SECOND // 10 - 1)  # it looks ten times a second
    assert blocked(switch, now=NOON + SECOND // 10)
    assert [kill.source for kill in switch.poll(LATER)] == [KillSource.FILE]
    with pytest.raises(ReleaseRefusedError, match="KILL"):
        switch.release(ALL, now_ns=LATER, **BY)
    (tmp_path / KILL_NAME).unlink()
    assert blocked(switch, now=LATER + SECOND)
    assert blocked(restarted(tmp_path))
    switch.release(ALL, now_ns=LATER, **BY)
    assert not blocked(switch, now=LATER + SECOND)


def test_a_file_that_is_there_at_the_start_kills(tmp_path):
    (tmp_path / KILL_NAME).touch()
    assert blocked(KillSwitch(tmp_path, NOON), now=NOON)


def test_lines_of_the_file_name_scopes(tmp_path):
    text = '{"scope": "account", "id": "a1", "flatten": true}\n\n{"scope": "strategy", "id": "s9", "who": "ravi", "why": "x"}\n'
    (tmp_path / KILL_NAME).write_text(text)
    switch = KillSwitch(tmp_path, NOON)
    assert blocked(switch)
    assert not blocked(switch, account="a2")
    assert blocked(switch, account="a2", strategy="s9")
    assert {kill.key: (kill.flatten, kill.who) for kill in switch.poll(LATER)} == {
        (ACCOUNT, "a1"): (True, "the KILL file"), (STRATEGY, "s9"): (False, "ravi")
    }  # fmt: skip
    (tmp_path / KILL_NAME).write_text(text + '{"scope": "all"}')
    assert blocked(switch, account="a2", now=LATER + SECOND)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"stop", b"{}", b"[]", b'{"scope": "account"}', b'{"scope": "planet", "id": "x"}',
     b'{"scope": "account", "id": 5}', b'{"scope": "account", "id": "a1", "flatten": "yes"}',
     b'{"scope": "account", "id": "a9", "unless": "x"}', b'{"scope":"account","id":"a9"}\n{"sc', b" " * 70_000, b" \n "],
)  # fmt: skip
def test_content_that_cannot_be_read_kills_everything(tmp_path, content):
    (tmp_path / KILL_NAME).write_bytes(content)
    assert blocked(KillSwitch(tmp_path, NOON))


@pytest.mark.parametrize(
    "make", [Path.mkdir, lambda path: path.symlink_to("nowhere"), lambda path: os.mkfifo(path)]
)
def test_a_kill_that_is_no_file_kills_everything(tmp_path, make):
    make(tmp_path / KILL_NAME)
    assert blocked(KillSwitch(tmp_path, NOON))


# -- damage


def engaged(tmp_path):
    switch = KillSwitch(tmp_path, NOON)
    switch.engage(ACCOUNT, "a1", now_ns=NOON, **BY)
    switch.engage(ACCOUNT, "a2", now_ns=NOON, **BY)
    switch.release(ACCOUNT, "a2", now_ns=NOON, **BY)
    return switch


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("position", range(0, 400, 7))
@pytest.mark.parametrize("name", [STATE_NAME, AUDIT_NAME])
def test_any_flipped_bit_kills_everything(tmp_path, name, position):
    engaged(tmp_path)
    flip(tmp_path / name, position)
    assert blocked(restarted(tmp_path), account="a2")


@pytest.mark.parametrize("length", [0, 1, 50, -1])
@pytest.mark.parametrize("name", [STATE_NAME, AUDIT_NAME])
def test_a_file_that_was_cut_kills_everything(tmp_path, name, length):
    engaged(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:length] if length >= 0 else path.read_bytes()[:-1])
    if name == STATE_NAME and length == -1:
        path.write_bytes(path.read_bytes()[:-1])
    assert blocked(restarted(tmp_path), account="a2")


@pytest.mark.parametrize("name", [STATE_NAME, AUDIT_NAME])
def test_a_file_that_is_gone_kills_everything(tmp_path, name):
    running = engaged(tmp_path)
    (tmp_path / name).unlink()
    assert blocked(restarted(tmp_path), account="a2")
    if name == STATE_NAME:
        assert blocked(running, account="a2")


def test_the_last_audit_lines_cannot_be_cut_off(tmp_path):
    engaged(tmp_path)
    path = tmp_path / AUDIT_NAME
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert blocked(restarted(tmp_path), account="a2")


@pytest.mark.parametrize("name", [STATE_NAME, AUDIT_NAME])
def test_damage_is_released_with_a_name_and_keeps_what_is_known(tmp_path, name):
    engaged(tmp_path)
    flip(tmp_path / name, 60)
    running, other = restarted(tmp_path), restarted(tmp_path)
    assert [kill.source for kill in running.poll(LATER)].count(KillSource.DAMAGE) == 1
    with pytest.raises(KillNotSavedError):
        running.engage(STRATEGY, "s7", now_ns=LATER, **BY)
    assert blocked(running, strategy="s7")
    other.release(ALL, now_ns=LATER, **BY)
    for switch in (other, restarted(tmp_path, LATER + SECOND), running):  # running hears it from the file
        assert not blocked(switch, account="a2", now=LATER + SECOND)
    assert blocked(restarted(tmp_path), account="a1") == (name == STATE_NAME)  # the audit file still says so
    assert [line.event for line in AuditLog(tmp_path / AUDIT_NAME).read()] == ["repaired", "released"]
    assert len(list(tmp_path.glob("*.damaged-*"))) == 2
    running.poll(LATER + 2 * SECOND)
    assert blocked(restarted(tmp_path), strategy="s7")  # and what it could not save before is saved now


@pytest.mark.parametrize("name", [STATE_NAME, AUDIT_NAME])
def test_a_repair_that_is_cut_short_leaves_everything_killed(tmp_path, monkeypatch, name):
    engaged(tmp_path)
    (tmp_path / name).unlink() if name == STATE_NAME else flip(tmp_path / name, 60)
    switch = restarted(tmp_path)

    def cut_short(*_):
        raise OSError("the machine stops here")

    with monkeypatch.context() as patched:
        patched.setattr(AuditLog, "append", cut_short)
        with pytest.raises(KillNotSavedError):
            switch.release(ALL, now_ns=LATER, **BY)
    assert blocked(switch, account="a2")
    again = restarted(tmp_path)
    assert blocked(again, account="a2")
    again.release(ALL, now_ns=LATER, **BY)
    assert not blocked(restarted(tmp_path), account="a2")


def test_damage_that_passes_by_itself_releases_nothing(tmp_path):
    switch = engaged(tmp_path)
    path, content = tmp_path / STATE_NAME, (tmp_path / STATE_NAME).read_bytes()
    path.write_bytes(b"rubbish")
    assert blocked(switch, account="a2", now=LATER)
    path.write_bytes(content)
    assert blocked(switch, account="a2", now=LATER + SECOND)
    switch.poll(LATER + SECOND)
    assert blocked(restarted(tmp_path), account="a2")


def test_a_disk_that_takes_nothing_does_not_stop_a_kill(tmp_path):
    switch = KillSwitch(tmp_path, NOON)
    folder = tmp_path / "kill.lock"
    folder.mkdir()  # the lock cannot be taken
    with pytest.raises(KillNotSavedError, match="in force"):
        switch.engage(ALL, now_ns=NOON, **BY)
    assert blocked(switch)
    assert [kill.scope for kill in switch.poll(LATER)] == [ALL]
    assert switch.unsaved_reason
    with pytest.raises(KillNotSavedError, match="stays"):
        switch.release(ALL, now_ns=LATER, **BY)
    assert blocked(switch)
    folder.rmdir()
    switch.poll(LATER)
    assert not switch.unsaved_reason
    assert blocked(restarted(tmp_path))


def test_a_kill_that_was_never_saved_can_be_released(tmp_path):
    switch = KillSwitch(tmp_path, NOON)
    (tmp_path / "kill.lock").mkdir()
    with pytest.raises(KillNotSavedError):
        switch.engage(ALL, now_ns=NOON, **BY)
    (tmp_path / "kill.lock").rmdir()
    switch.release(ALL, now_ns=NOON, **BY)
    assert not blocked(switch)
    switch.poll(LATER)
    assert not blocked(restarted(tmp_path))


# -- two processes, and crashes


def test_another_process_is_heard(tmp_path):
    desk, command = KillSwitch(tmp_path, NOON), KillSwitch(tmp_path, NOON)
    desk.poll(NOON)
    command.engage(ACCOUNT, "a1", now_ns=NOON, **BY)
    assert blocked(desk, now=LATER)
    assert [kill.name for kill in desk.poll(LATER)] == ["a1"]
    desk.engage(ACCOUNT, "a2", now_ns=LATER, **BY)
    command.release(ACCOUNT, "a1", now_ns=LATER, **BY)
    assert not blocked(desk, now=LATER + SECOND)
    assert blocked(desk, account="a2", now=LATER + SECOND)
    assert blocked(restarted(tmp_path), account="a2")


CHILD = """
import sys
from pathlib import Path
from trademantra.trading.risk.kill import KillSwitch
from trademantra.trading.risk.kill_files import KillScope

switch = KillSwitch(Path(sys.argv[1]), 1)
for number in range(1, 10**6):
    switch.engage(KillScope.ACCOUNT, f"a{number}", who="child", why="again", now_ns=number)
    print("killed", number, flush=True)
    if number % 3 == 0:
        switch.release(KillScope.ACCOUNT, f"a{number}", who="child", why="again", now_ns=number)
        print("released", number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 4, 7, 12, 25])
def test_what_was_answered_holds_after_kill_9(tmp_path, lines):
    """Killed somewhere in the midst of the next write: each answered kill is there, and no answered release is undone."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, tmp_path], stdout=subprocess.PIPE, text=True)
    told = [child.stdout.readline().split() for _ in range(lines)]
    child.send_signal(signal.SIGKILL)
    told += [
        words for words in (line.split() for line in child.communicate()[0].splitlines()) if len(words) == 2
    ]
    switch = KillSwitch(tmp_path, NOON)
    torn = any(kill.source is KillSource.DAMAGE for kill in switch.in_force())
    answered = {(event, int(number)) for event, number in told}
    last = max(number for _, number in answered)
    for number in range(1, last + 3):
        held = torn or blocked(switch, account=f"a{number}", now=NOON)
        if ("killed", number) in answered and number % 3:
            assert held
        if ("released", number) in answered or number > last + 1:
            assert torn or not held
    if not torn:
        switch.engage(ALL, now_ns=NOON, **BY)
    switch.release(ALL, now_ns=NOON, **BY)
    AuditLog(tmp_path / AUDIT_NAME).read()


@pytest.mark.parametrize("event", ["killed", "released"])
def test_a_crash_between_the_two_files_leaves_it_killed(tmp_path, event):
    switch = KillSwitch(tmp_path, NOON)
    switch.engage(ACCOUNT, "a2", now_ns=NOON, **BY)
    if event == "released":
        switch.engage(ACCOUNT, "a1", now_ns=NOON, **BY)
    state = (tmp_path / STATE_NAME).read_bytes()
    if event == "released":
        switch.release(ACCOUNT, "a1", now_ns=NOON, **BY)
    else:
        switch.engage(ACCOUNT, "a1", now_ns=NOON, **BY)
    (tmp_path / STATE_NAME).write_bytes(state)
    after = restarted(tmp_path)
    assert blocked(after, account="a1")
    assert not blocked(after, account="a3")


# -- dead man


def test_the_dead_man_timer(tmp_path):
    switch = KillSwitch(tmp_path, NOON)
    switch.arm(60 * SECOND, now_ns=NOON, flatten=True, **BY)
    switch.feed(NOON + 30 * SECOND)
    assert not blocked(switch, now=NOON + 90 * SECOND)
    assert blocked(switch, now=NOON + 91 * SECOND)
    (kill,) = switch.poll(NOON + 91 * SECOND)
    assert (kill.scope, kill.flatten, kill.source) == (ALL, True, KillSource.DEAD_MAN)
    again = restarted(tmp_path, NOON + 100 * SECOND)
    assert blocked(again, now=NOON + 100 * SECOND)
    again.release(ALL, now_ns=NOON + 100 * SECOND, **BY)
    assert not blocked(again, now=NOON + 160 * SECOND)  # armed still, counted from the release
    assert blocked(again, now=NOON + 161 * SECOND)
    again.release(ALL, now_ns=NOON + 170 * SECOND, **BY)
    again.disarm(now_ns=NOON + 170 * SECOND, **BY)
    assert not blocked(restarted(tmp_path, NOON + 900 * SECOND), now=NOON + 9000 * SECOND)
    with pytest.raises(InvalidValueError):
        again.arm(SECOND - 1, now_ns=NOON, **BY)


def test_timers_of_accounts_kill_their_own_account_and_stay_over_a_restart(tmp_path):
    switch = KillSwitch(tmp_path, NOON)
    switch.arm(60 * SECOND, now_ns=NOON, **BY)
    switch.arm(30 * SECOND, now_ns=NOON, scope=ACCOUNT, name="a1", flatten=True, **BY)
    desk = restarted(tmp_path, NOON)  # it counts from its own start
    assert [(key, each.period_ns) for key, each in desk.dead_men.items()] == [
        ((ALL, ""), 60 * SECOND), ((ACCOUNT, "a1"), 30 * SECOND),
    ]  # fmt: skip
    assert not blocked(desk, account="a1", now=NOON + 30 * SECOND)
    assert blocked(desk, account="a1", now=NOON + 31 * SECOND)
    assert not blocked(desk, account="a2", now=NOON + 31 * SECOND)
    (kill,) = desk.poll(NOON + 31 * SECOND)
    assert (kill.scope, kill.name, kill.flatten, kill.source) == (ACCOUNT, "a1", True, KillSource.DEAD_MAN)
    desk.release(ACCOUNT, "a1", now_ns=NOON + 40 * SECOND, **BY)
    assert not blocked(desk, account="a1", now=NOON + 60 * SECOND)
    assert blocked(desk, account="a2", now=NOON + 61 * SECOND)  # its own release did not feed the other
    desk.disarm(now_ns=NOON, scope=ACCOUNT, name="a1", **BY)
    assert list(restarted(tmp_path, NOON).dead_men) == [(ALL, "")]


def test_a_sign_of_life_by_another_process_counts_for_all_timers(tmp_path):
    desk = KillSwitch(tmp_path, NOON)
    desk.arm(60 * SECOND, now_ns=NOON, **BY)
    desk.arm(90 * SECOND, now_ns=NOON, scope=ACCOUNT, name="a1", **BY)
    file = tmp_path / ALIVE_NAME
    file.touch()
    assert not desk.poll(NOON + 50 * SECOND)
    assert desk.left_ns((ALL, ""), NOON + 50 * SECOND) == 60 * SECOND
    os.utime(file, ns=(1, 1))  # touched again
    assert not desk.poll(NOON + 100 * SECOND)
    assert not desk.poll(NOON + 160 * SECOND)
    file.unlink()  # no sign of life
    assert [kill.scope for kill in desk.poll(NOON + 161 * SECOND)] == [ALL]


def test_a_timer_warns_once_before_it_kills(tmp_path):
    desk = KillSwitch(tmp_path, NOON)
    desk.arm(15 * 60 * SECOND, now_ns=NOON, flatten=True, scope=ACCOUNT, name="a1", **BY)
    assert not desk.warnings(NOON + 10 * 60 * SECOND - 1)
    (text,) = desk.warnings(NOON + 10 * 60 * SECOND)
    assert (
        text
        == "dead-man timer: in 5 minutes account a1 is killed and its positions closed; tm desk alive keeps it"
    )
    assert not desk.warnings(NOON + 11 * 60 * SECOND)
    desk.feed(NOON + 12 * 60 * SECOND)
    assert not desk.warnings(NOON + 13 * 60 * SECOND)
    assert len(desk.warnings(NOON + 23 * 60 * SECOND)) == 1
    desk.poll(NOON + 28 * 60 * SECOND)
    assert not desk.warnings(NOON + 28 * 60 * SECOND)


def test_a_file_from_before_timers_had_scopes_is_read(tmp_path):
    switch = KillSwitch(tmp_path, NOON)
    switch.arm(60 * SECOND, now_ns=NOON, flatten=True, **BY)
    content = json.loads((tmp_path / STATE_NAME).read_bytes())
    del content["sha256"], content["dead_men"]
    content["dead_man"] = {"period_ns": 60 * SECOND, "flatten": True}
    content["sha256"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (tmp_path / STATE_NAME).write_text(json.dumps(content))
    after = restarted(tmp_path, NOON)
    assert (list(after.dead_men), after.poll(NOON)) == ([(ALL, "")], [])


def test_a_release_by_another_process_starts_the_timer_anew(tmp_path):
    desk = KillSwitch(tmp_path, NOON)
    desk.arm(60 * SECOND, now_ns=NOON, **BY)
    desk.poll(NOON + 61 * SECOND)
    restarted(tmp_path, NOON + 70 * SECOND).release(ALL, now_ns=NOON + 70 * SECOND, **BY)
    assert not blocked(desk, now=NOON + 71 * SECOND)
    assert not blocked(desk, now=NOON + 130 * SECOND)
    assert blocked(desk, now=NOON + 140 * SECOND)


def test_one_process_cannot_take_back_that_another_flattens(tmp_path):
    desk, command = KillSwitch(tmp_path, NOON), KillSwitch(tmp_path, NOON)
    command.engage(ALL, now_ns=NOON, flatten=True, **BY)
    desk.engage(ALL, now_ns=NOON, **BY)
    assert [kill.flatten for kill in restarted(tmp_path).poll(LATER)] == [True]


# -- audit


def test_a_changed_line_is_named(tmp_path):
    log = AuditLog(tmp_path / "audit")
    assert log.read() == []
    for number in range(5):
        log.append(AuditLine(number, "done", {"number": number, "text": "₹"}))
    assert [line.facts["number"] for line in log.read()] == list(range(5))
    lines = log.path.read_bytes().splitlines(keepends=True)
    changed = lines[2].replace(b'"number":2', b'"number":7')
    for wrong, place in (
        ([*lines[:2], changed, *lines[3:]], "line 4"), ([*lines[:2], *lines[3:]], "line 3"),
        ([lines[1], lines[0], *lines[2:]], "line 1"), ([*lines[:2], lines[1], *lines[2:]], "line 3"),
        ([*lines, b"rubbish\n"], "line 6"), ([*lines, lines[-1][:-1]], "line 6"), ([b"{}\n", *lines], "line 1"),
    ):  # fmt: skip
        log.path.write_bytes(b"".join(wrong))
        with pytest.raises(BadInputError, match=place):
            log.read()


def test_lines_are_json_and_hold_the_hash_of_the_one_above(tmp_path):
    engaged(tmp_path)
    lines = (tmp_path / AUDIT_NAME).read_bytes().split(b"\n")[:-1]
    assert [json.loads(line)["before"] for line in lines[1:]] == [
        hashlib.sha256(line).hexdigest() for line in lines[:-1]
    ]
