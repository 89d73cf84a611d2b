"""The exchange's journal: what it says is on the disk before anybody hears it.

One file (SQLite, write-ahead log, `synchronous=FULL`), one owner, one thread that writes.  Lines that are appended while
a commit is under way go to the disk together in the next one, so many clients share each sync.
"""

import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from trademantra.core.errors import TradeMantraError

RESERVE_BYTES = 64 * 1024 * 1024
"""Free space below which no new orders are taken; cancels and fills go on while it lasts."""

_APPLICATION_ID = 0x544D4A31  # "TMJ1"
_LAYOUT = 1
_LARGEST_GROUP = 4096  # batches in one commit: bounds the wait of the first of them
_TABLES = (
    "CREATE TABLE entries (sequence INTEGER PRIMARY KEY, line BLOB NOT NULL)",
    "CREATE TABLE snapshot (only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT NULL, body BLOB NOT NULL)",
)


class JournalError(TradeMantraError):
    """The journal cannot be read or written.  Nothing that waits for it may be answered as done."""

    code: ClassVar[str] = "journal_failed"


class JournalInUseError(JournalError):
    """Another process, or another journal of this one, owns the file."""

    code = "journal_in_use"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a journal held when it was opened: the last snapshot, and the lines that came after it, in order."""

    snapshot: bytes | None
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Lines that become durable together or not at all; with `snapshot`, all earlier lines are dropped as well."""

    lines: tuple[bytes, ...]
    snapshot: bytes | None
    done: "Future[int]"


class Journal:
    """Durable lines of one exchange.  Thread-safe; `append` answers at once with a future of its durable point.

    After the first write that fails (disk full, I/O error) every later one fails with the same `JournalError`, so that
    the file never holds a later line without an earlier one.  Open it anew when the cause is gone.

    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> with Journal.open(Path(folder.name) / "exchange.journal") as journal:
    ...     journal.append([b"one", b"two"]).result()
    2
    >>> with Journal.open(Path(folder.name) / "exchange.journal") as journal:
    ...     journal.recover().lines
    (b'one', b'two')
    >>> folder.cleanup()
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, free_bytes: Callable[[], int]) -> None:
        """For `open`, which makes the connection safe first."""
        self.path = path
        self._connection = connection
        self._free_bytes = free_bytes
        self._sequence = _checked_end(connection, path)
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._failure: JournalError | None = None
        self._closed = False
        self._order = threading.Lock()  # keeps the queue's order that of the sequence numbers
        self._short = free_bytes() < RESERVE_BYTES
        self._writer: threading.Thread | None = None  # from the first append on, the connection is its own

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        largest_bytes: int | None = None,
        free_bytes: Callable[[], int] | None = None,
    ) -> Self:
        """Open or make the file at `path` and own it until `close` or the end of the process.

        `largest_bytes` bounds the file; `free_bytes` tells the free space of its disk.
        Errors: `JournalInUseError`; `JournalError` for a file that is damaged, or is no journal of this version.
        """
        path = path.absolute()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(
                f"cannot open the journal {path}: {error}", hint="name another path"
            ) from error
        try:
            _own(connection, path, largest_bytes)
            return cls(connection, path, free_bytes or (lambda: shutil.disk_usage(path.parent).free))
        except sqlite3.Error as error:
            connection.close()
            raise JournalError(
                f"cannot read the journal {path}: {error}",
                hint="is it a journal of this program? restore it from a backup, or name another path",
            ) from error
        except BaseException:
            connection.close()
            raise

    def recover(self) -> Recovered:
        """What the file held when it was opened.  Errors: `JournalError` once something has been appended."""
        with self._order:
            if self._writer is not None or self._closed:
                raise JournalError(
                    f"the journal {self.path} is being written", hint="recover before you append"
                )
            return _read(self._connection)

    def append(self, lines: Sequence[bytes]) -> "Future[int]":
        """The lines' durable point: the sequence number of the last, once all of them are on the disk.

        The lines of one call are stored together or not at all.  The future fails with `JournalError`.
        """
        return self._send(tuple(lines), None)

    def cut(self, snapshot: bytes) -> "Future[int]":
        """Store `snapshot`, the state after every line appended so far, and drop those lines."""
        return self._send((), snapshot)

    @property
    def failure(self) -> JournalError | None:
        """Why nothing is written any more; None while all is well."""
        return self._failure

    def check_room(self) -> None:
        """Call before a new order is taken.  Errors: `JournalError` when writing failed or the disk is nearly full."""
        if self._failure is not None:
            raise JournalError(self._failure.message, hint=self._failure.hint)
        if self._short:
            raise JournalError(
                f"less than {RESERVE_BYTES >> 20} MB are free on the disk of {self.path}: no new orders are taken",
                hint="make room; cancels and open orders go on",
            )

    def close(self) -> None:
        """Write what is waiting, then let go of the file."""
        with self._order:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        if self._writer is not None:
            self._writer.join()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, lines: tuple[bytes, ...], snapshot: bytes | None) -> "Future[int]":
        done: Future[int] = Future()
        done.set_running_or_notify_cancel()  # a waiter that gives up does not undo a write
        with self._order:
            if self._closed:
                done.set_exception(JournalError(f"the journal {self.path} is closed", hint="open it again"))
            else:
                if self._writer is None:
                    name = f"journal {self.path.name}"
                    self._writer = threading.Thread(target=self._write_all, name=name, daemon=True)
                    self._writer.start()
                self._queue.put(_Batch(lines, snapshot, done))
        return done

    def _write_all(self) -> None:
        """The writer thread: everything that waits goes into one transaction."""
        ending = False
        while not ending:
            group: list[_Batch] = []
            batch = self._queue.get()
            while batch is not None:
                group.append(batch)
                if len(group) == _LARGEST_GROUP or self._queue.empty():
                    break
                batch = self._queue.get()
            ending = batch is None
            if group:
                self._commit(group)

    def _commit(self, group: Sequence[_Batch]) -> None:
        points = []
        if self._failure is None:
            try:
                points = self._store(group)
                self._short = self._free_bytes() < RESERVE_BYTES
            except (sqlite3.Error, OSError) as error:
                self._failure = JournalError(
                    f"the journal {self.path} cannot be written ({error}): no orders are taken",
                    hint="make room or mend the disk, then start again; what was acknowledged is safe",
                )
        for index, batch in enumerate(group):
            if self._failure is None:
                batch.done.set_result(points[index])
            else:
                batch.done.set_exception(JournalError(self._failure.message, hint=self._failure.hint))

    def _store(self, group: Sequence[_Batch]) -> list[int]:
        connection, sequence = self._connection, self._sequence
        points: list[int] = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for batch in group:
                if batch.snapshot is not None:
                    connection.execute("DELETE FROM entries")
                    connection.execute(
                        "INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?)", (sequence, batch.snapshot)
                    )
                connection.executemany(
                    "INSERT INTO entries VALUES (?, ?)", enumerate(batch.lines, start=sequence + 1)
                )
                sequence += len(batch.lines)
                points.append(sequence)
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._sequence = sequence
        return points


def _own(connection: sqlite3.Connection, path: Path, largest_bytes: int | None) -> None:
    """Lock the file for this connection alone, check that it is ours, and make its tables if it is new."""
    try:
        # Exclusive mode: SQLite keeps the file lock until the connection ends, and needs no shared memory.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        raise JournalInUseError(
            f"the journal {path} is in use",
            hint="another exchange runs on it: stop that one, or give this one another path",
        ) from error
    ours = _number(connection, "application_id")
    layout = _number(connection, "user_version")
    empty = _number(connection, "schema_version") == 0
    if not empty and (ours, layout) != (_APPLICATION_ID, _LAYOUT):
        what = f"a journal of layout {layout}" if ours == _APPLICATION_ID else "no exchange journal"
        raise JournalError(
            f"{path} is {what}", hint=f"this version reads layout {_LAYOUT}; name another path"
        )
    if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise JournalError(f"the disk of {path} cannot hold a write-ahead log", hint="use a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    if largest_bytes is not None:
        connection.execute(
            f"PRAGMA max_page_count = {max(1, largest_bytes // _number(connection, 'page_size'))}"
        )
    if empty:
        connection.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            connection.execute(table)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_LAYOUT}")
        connection.execute("COMMIT")


def _checked_end(connection: sqlite3.Connection, path: Path) -> int:
    """The number of the last line.  Errors: `JournalError` for a damaged page or a missing line."""
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != ("ok",):
        raise JournalError(f"the journal {path} is damaged: {verdict[0]}", hint="restore it from a backup")
    kept = connection.execute("SELECT sequence FROM snapshot").fetchone()
    start = kept[0] if kept is not None else 0
    count, first, last = connection.execute(
        "SELECT count(*), min(sequence), max(sequence) FROM entries"
    ).fetchone()
    if count == 0:
        return int(start)
    if first != start + 1 or last != start + count:
        raise JournalError(
            f"the journal {path} holds {count} of the lines {start + 1} to {last}",
            hint="restore it from a backup",
        )
    return int(last)


def _read(connection: sqlite3.Connection) -> Recovered:
    kept = connection.execute("SELECT body FROM snapshot").fetchone()
    lines = connection.execute("SELECT line FROM entries ORDER BY sequence")
    return Recovered(None if kept is None else kept[0], tuple(line for (line,) in lines))


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
