"""The journal keeps what it acknowledged, whole and in order, whatever happens to its process or its disk."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.brokers.paper.journal import (
    RESERVE_BYTES,
    Journal,
    JournalError,
    JournalInUseError,
)

APPENDING_FOR_EVER = """
import sys
from pathlib import Path
from trademantra.brokers.paper.journal import Journal

journal = Journal.open(Path(sys.argv[1]))
start = int(sys.argv[2])
points = []
for number in range(start, start + 1_000_000):
    points.append((number, journal.append([b"%d of %d" % (part, number) for part in range(number % 4 + 1)])))
    if number % 500 == 499:
        points.append((number, journal.cut(b"up to %d" % number)))
    while len(points) > 20:
        done, point = points.pop(0)
        point.result()
        print(done, flush=True)
"""

HOLDING = """
import sys
from pathlib import Path
from trademantra.brokers.paper.journal import Journal

journal = Journal.open(Path(sys.argv[1]))
journal.append([b"mine"]).result()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "exchange.journal"


def test_what_was_appended_is_there_in_order_after_reopening(path: Path) -> None:
    with Journal.open(path) as journal:
        assert journal.recover().lines == ()
        points = [journal.append([b"%d" % number, b"\x00\xff"]) for number in range(300)]
        assert [point.result() for point in points] == list(range(2, 602, 2))
    with Journal.open(path) as journal:
        recovered = journal.recover()
        assert recovered.snapshot is None
        assert recovered.lines == tuple(
            line for number in range(300) for line in (b"%d" % number, b"\x00\xff")
        )
        assert journal.append([b"next"]).result() == 601


def test_each_commit_is_synced_before_it_counts(path: Path) -> None:
    """A killed process cannot show this; what a power cut leaves rests on it (sqlite.org/pragma.html#pragma_synchronous)."""
    with Journal.open(path) as journal:
        mode = journal._connection.execute("PRAGMA journal_mode").fetchone()
        assert (mode, journal._connection.execute("PRAGMA synchronous").fetchone()) == (("wal",), (2,))


def test_a_snapshot_replaces_the_lines_before_it_and_no_others(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append([b"before"])
        journal.cut(b"state")
        assert journal.append([b"after"]).result() == 2
    with Journal.open(path) as journal:
        assert journal.recover().snapshot == b"state"
        assert journal.recover().lines == (b"after",)
        journal.cut(b"later state").result()
    with Journal.open(path) as journal:
        assert (journal.recover().snapshot, journal.recover().lines) == (b"later state", ())
        assert journal.append([]).result() == 2


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.lists(st.binary(max_size=40), max_size=4), st.binary(max_size=40), st.just(...), st.just(None)
        ),
        max_size=25,
    )
)
def test_any_course_of_appends_cuts_and_reopenings_equals_a_list(
    tmp_path_factory: pytest.TempPathFactory, course: list[object]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "exchange.journal"
    journal = Journal.open(path)
    snapshot: bytes | None = None
    lines: list[bytes] = []
    for step in course:
        if isinstance(step, bytes):
            journal.cut(step)
            snapshot, lines = step, []
        elif isinstance(step, list):
            journal.append(step)
            lines += step
        else:
            journal.close()
            journal = Journal.open(path)
            recovered = journal.recover()
            assert (recovered.snapshot, list(recovered.lines)) == (snapshot, lines)
    journal.close()
    with Journal.open(path) as again:
        assert (again.recover().snapshot, list(again.recover().lines)) == (snapshot, lines)


def test_a_killed_writer_loses_nothing_acknowledged_and_stores_no_half(path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    start = 0
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", APPENDING_FOR_EVER, str(path), str(start)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        for _ in range(chance.randrange(1, 1500)):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        acknowledged = start - 1
        for line in writer.stdout:
            acknowledged = int(line) if line.endswith("\n") else acknowledged
        writer.stdout.close()
        writer.wait()
        with Journal.open(path) as journal:
            start = check_whole(journal, acknowledged)


def check_whole(journal: Journal, acknowledged: int) -> int:
    """Each append is there with all its parts, none twice, none missing up to `acknowledged`.  The next number."""
    recovered = journal.recover()
    number = 0 if recovered.snapshot is None else int(recovered.snapshot.split()[-1]) + 1
    lines = list(recovered.lines)
    while lines:
        parts = number % 4 + 1
        assert lines[:parts] == [b"%d of %d" % (part, number) for part in range(parts)]
        del lines[:parts]
        number += 1
    assert number > acknowledged
    return number


def test_a_second_owner_is_refused_until_the_first_is_gone(path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(JournalInUseError, match=r"is in use \(another exchange runs on it"):
        Journal.open(path)
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    with Journal.open(path) as journal:
        assert journal.recover().lines == (b"mine",)
        with pytest.raises(JournalInUseError):
            Journal.open(path)


def outcomes(points: list["Future[int]"]) -> Iterator[int | None]:
    for point in points:
        error = point.exception()
        assert error is None or isinstance(error, JournalError)
        yield None if error else point.result()


def test_a_full_disk_stops_everything_after_the_first_line_that_did_not_fit(path: Path) -> None:
    with Journal.open(path, largest_bytes=200_000) as journal:
        kept = 0
        while journal.append([b"x" * 1000, b"y" * 1000]).exception() is None:
            kept += 1
        assert 0 < 2 * kept * 1000 < 200_000
        assert set(outcomes([journal.append([b"small"]) for _ in range(50)])) == {None}
        with pytest.raises(JournalError, match=r"cannot be written \(database or disk is full\)"):
            journal.check_room()
    with Journal.open(path) as journal:
        assert journal.recover().lines == (b"x" * 1000, b"y" * 1000) * kept
        journal.check_room()


FILE_LIMIT = """
import resource, signal, sys
from pathlib import Path
from trademantra.brokers.paper.journal import Journal, JournalError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal.open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
for number in range(1000):
    try:
        journal.append([b"%d" % number * 500, b"end"]).result()
    except JournalError as error:
        assert str(journal.failure) == str(error)
        break
    print(number, flush=True)
else:
    sys.exit("no write failed")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    journal.append([b"late"]).result()
except JournalError:
    print("stays stopped", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_disk_that_refuses_a_write_stops_the_journal_and_harms_nothing(path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FILE_LIMIT, str(path)], capture_output=True, text=True, check=True
    )
    *numbers, last = run.stdout.split("\n")[:-1]
    assert last == "stays stopped"
    with Journal.open(path) as journal:
        lines = journal.recover().lines
    # the write whose sync failed was not acknowledged: it may be there, whole, or not
    assert len(lines) // 2 in (len(numbers), len(numbers) + 1)
    assert lines == tuple(
        line for number in range(len(lines) // 2) for line in (b"%d" % number * 500, b"end")
    )


def test_a_nearly_full_disk_takes_no_new_orders_but_still_writes(path: Path) -> None:
    free = [RESERVE_BYTES]
    with Journal.open(path, free_bytes=lambda: free[0]) as journal:
        journal.check_room()
        free[0] -= 1
        journal.append([b"fill"]).result()
        with pytest.raises(JournalError, match=r"less than 64 MB are free .* \(make room; cancels"):
            journal.check_room()
        assert journal.append([b"cancel"]).result() == 2
        free[0] += 1
        journal.append([b"fill"]).result()
        journal.check_room()


def test_a_closed_journal_and_a_late_recovery_say_so(path: Path) -> None:
    journal = Journal.open(path)
    journal.append([b"one"]).result()
    with pytest.raises(JournalError, match="recover before you append"):
        journal.recover()
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="is closed"):
        journal.append([b"two"]).result()


def test_files_that_are_no_journal_are_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_bytes(b"not a journal, but long enough to be read as a page header" * 50)
    with pytest.raises(JournalError, match=r"notes\.txt"):
        Journal.open(text)
    assert text.read_bytes() == b"not a journal, but long enough to be read as a page header" * 50

    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE entries (sequence INTEGER PRIMARY KEY, line BLOB)")
    connection.close()
    with pytest.raises(JournalError, match="is no exchange journal"):
        Journal.open(other)
    with pytest.raises(JournalError, match="cannot open the journal"):
        Journal.open(tmp_path)


def test_a_journal_of_another_layout_or_with_a_hole_is_refused(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append([b"%d" % number for number in range(5)]).result()
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM entries WHERE sequence = 3")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="holds 4 of the lines 1 to 5"):
        Journal.open(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="journal of layout 9"):
        Journal.open(path)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")
def test_a_damaged_page_is_found_when_the_journal_is_opened(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append([b"%d" % number * 100 for number in range(200)]).result()
    damaged = bytearray(path.read_bytes())
    damaged[4096 * 3 : 4096 * 3 + 64] = os.urandom(64)
    path.write_bytes(damaged)
    with pytest.raises(JournalError, match=r"damaged|malformed"):
        Journal.open(path)
