"""Landlock: from here on this process, and whatever it starts, sees only the files that it was given.

It also ends TCP (Linux 6.7) and signals to processes outside (6.12), and with it goes ptrace of them.  Needs no rights.
Numbers and structures: Linux UAPI header linux/landlock.h and https://docs.kernel.org/userspace-api/landlock.html,
read 2026-11-21.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Sequence
from pathlib import Path

from trademantra.trading.runner.linux import PR_SET_NO_NEW_PRIVS, prctl, syscall

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_ASK_VERSION = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | 1 << 15  # the rest are rights on folders
_READ = _READ_FILE | _READ_DIR
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # how many rights each version knows; 16 from version 5 on
_ALL_TCP = 0b11
_ALL_SCOPES = 0b11  # abstract sockets, signals

TCP_VERSION, SIGNAL_VERSION = 4, 6


def landlock_version() -> int:
    """0 where the kernel has no Landlock, or has it switched off."""
    try:
        return syscall(_CREATE_RULESET, 0, 0, _ASK_VERSION)
    except OSError:
        return 0


def restrict(
    version: int, readable: Sequence[Path], writable: Sequence[Path], listed: Sequence[Path]
) -> None:
    """Confine this thread and all that it starts.  What does not exist is left out.

    `readable`: files and folders; `writable`: folders, to be read and written; `listed`: folders whose names may be seen.
    Errors: `OSError`.
    """
    rights = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    attributes = struct.pack(
        "=QQQ",
        rights,
        _ALL_TCP if version >= TCP_VERSION else 0,
        _ALL_SCOPES if version >= SIGNAL_VERSION else 0,
    )
    size = 24 if version >= SIGNAL_VERSION else 16 if version >= TCP_VERSION else 8
    held = ctypes.create_string_buffer(attributes, 24)
    rules = syscall(_CREATE_RULESET, ctypes.cast(held, ctypes.c_void_p), size, 0)
    try:
        for paths, allowed in ((readable, _READ), (writable, rights & ~_EXECUTE), (listed, _READ_DIR)):
            for path in paths:
                _allow(rules, path, allowed)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        syscall(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, allowed: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            allowed &= _OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, opened), 12)
        syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, ctypes.cast(rule, ctypes.c_void_p), 0)
    finally:
        os.close(opened)
