"""Files that survive a crash: whole replacement of one file, and a lock that dies with its process."""

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trademantra.core.errors import InvalidValueError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_TEMPORARY_PREFIX = ".writing-"
_WINDOWS_TRIES = 100
_WINDOWS_PAUSE_SECONDS = 0.02


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path` so that a reader, also after a crash, finds the whole old or the whole new file.

    The bytes go to a temporary file in the same folder and to the disk (`fsync`) before the name moves over;
    the folder is synced after it.  Missing folders are made.  Call under `exclusive_lock`.
    Errors: `InvalidValueError` for a path that is there and is no file (a folder, a device): it is left alone.
    """
    path = path.resolve() if path.is_symlink() else path
    if path.exists() and not path.is_file():
        raise InvalidValueError(f"{path} is there and is not a file", hint="name another path")
    _make_folder(path.parent)
    temporary = path.parent / f"{_TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _move(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there, and make the removal durable."""
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)


def remove_leftovers(folder: Path) -> int:
    """Remove what writers that were killed left in `folder`.  Call under `exclusive_lock`.  Answers how many."""
    leftovers = list(folder.glob(f"{_TEMPORARY_PREFIX}*"))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return len(leftovers)


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Wait for, hold and release the lock named by the file `path`: one holder among all threads and processes.

    The operating system releases it when its process ends, however it ends; the file itself stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


if sys.platform == "win32":

    def _lock(handle: int) -> None:
        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            except OSError:
                time.sleep(_WINDOWS_PAUSE_SECONDS)
            else:
                return

    def _move(temporary: Path, path: Path) -> None:
        # Windows refuses to replace a file while a reader has it open; readers are quick, so try again.
        for _ in range(_WINDOWS_TRIES):
            try:
                temporary.replace(path)
            except PermissionError:
                time.sleep(_WINDOWS_PAUSE_SECONDS)
            else:
                return
        temporary.replace(path)

    def _sync_folder(folder: Path) -> None:
        """Windows has no way to sync a folder; its file systems journal the rename."""

else:

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

    def _move(temporary: Path, path: Path) -> None:
        temporary.replace(path)

    def _sync_folder(folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, each entry durable in the folder that holds it."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        _sync_folder(each.parent)
