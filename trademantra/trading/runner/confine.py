"""What a worker takes from itself before it loads a strategy, and what of it this machine could enforce."""

import errno
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from trademantra.trading.runner.landlock import SIGNAL_VERSION, landlock_version, restrict
from trademantra.trading.runner.linux import PR_SET_PDEATHSIG, prctl, unshare
from trademantra.trading.runner.plain import row, table, text, whole
from trademantra.trading.runner.seccomp import refuse_calls

_NEW_USER, _NEW_NET = 0x1000_0000, 0x4000_0000
_ON_LINUX = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class ConfineTerms:
    """Limits of a worker.  `memory_bytes` of its own data; paths as `landlock.restrict` takes them."""

    memory_bytes: int
    open_files: int
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    listed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds for a worker on this machine; `missing` says why something does not.

    files: only its strategy, this program and Python's own can be read, only its own folders written.
    network: no connection to anywhere.  processes: it starts none, and can neither signal nor read another.
    memory: it cannot take more than its limit.  parent: it ends when the desk does.
    """

    files: bool
    network: bool
    processes: bool
    memory: bool
    parent: bool
    missing: tuple[str, ...] = ()


def plain_terms(terms: ConfineTerms) -> dict[str, object]:
    return {
        "memory_bytes": terms.memory_bytes,
        "open_files": terms.open_files,
        "readable": list(terms.readable),
        "writable": list(terms.writable),
        "listed": list(terms.listed),
    }


def terms_of(plain: object) -> ConfineTerms:
    """Errors: `ProtocolError`."""
    given = table(plain, "terms", frozenset({"memory_bytes", "open_files", "readable", "writable", "listed"}))
    readable, writable, listed = (
        tuple(text(path, name) for path in row(given[name], name))
        for name in ("readable", "writable", "listed")
    )
    return ConfineTerms(
        whole(given["memory_bytes"], "memory_bytes", 1),
        whole(given["open_files"], "open_files", 1),
        readable,
        writable,
        listed,
    )


def die_with_parent(parent: int) -> None:
    """End at once when the desk ends, or has ended already."""
    if _ON_LINUX:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def confine(terms: ConfineTerms) -> dict[str, object]:
    """Confine this process for good; answers what `confinement_of` reads."""
    missing: list[str] = []
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = _limited(resource.RLIMIT_DATA, terms.memory_bytes, missing)
    _limited(resource.RLIMIT_NOFILE, terms.open_files, missing)
    if not _ON_LINUX:
        missing.append("files, network and processes: only Linux can confine them")
        return _plain(Confinement(False, False, False, False, False), missing)
    network = _without_network(missing)
    files = _only_files(terms, missing)
    calls = _without_calls(missing)
    held = Confinement(files, network or calls, calls, memory, True)
    return _plain(held, missing)


def confinement_of(plain: object) -> Confinement:
    """Errors: `ProtocolError`."""
    names = ("files", "network", "processes", "memory", "parent")
    given = table(plain, "confinement", frozenset({*names, "missing"}))
    files, network, processes, memory, parent = (given[name] is True for name in names)
    missing = tuple(text(each, "missing", 500) for each in row(given["missing"], "missing"))
    return Confinement(files, network, processes, memory, parent, missing)


def _plain(held: Confinement, missing: list[str]) -> dict[str, object]:
    return {
        "files": held.files,
        "network": held.network,
        "processes": held.processes,
        "memory": held.memory,
        "parent": held.parent,
        "missing": missing,
    }


def _limited(which: int, most: int, missing: list[str]) -> bool:
    hard = resource.getrlimit(which)[1]
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    try:
        resource.setrlimit(which, (wanted, wanted))
    except (OSError, ValueError) as error:
        missing.append(f"limit {which}: {error}")
        return False
    return True


def _without_network(missing: list[str]) -> bool:
    """A network of its own, with nothing in it."""
    user, group = os.getuid(), os.getgid()
    try:
        unshare(_NEW_USER | _NEW_NET)
    except OSError as error:
        missing.append(f"network namespace: {error.strerror}")
        return False
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        try:
            Path(f"/proc/self/{name}").write_text(line, encoding="ascii")
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EACCES, errno.ENOENT):
                raise
    return True


def _only_files(terms: ConfineTerms, missing: list[str]) -> bool:
    version = landlock_version()
    if version == 0:
        missing.append("files: this kernel has no Landlock (Linux 5.13, lsm=landlock)")
        return False
    if version < SIGNAL_VERSION:
        missing.append(f"Landlock version {version} of {SIGNAL_VERSION}: an older kernel")
    paths = ([Path(path) for path in paths] for paths in (terms.readable, terms.writable, terms.listed))
    try:
        restrict(version, *paths)
    except OSError as error:
        missing.append(f"files: {error.strerror}")
        return False
    return True


def _without_calls(missing: list[str]) -> bool:
    try:
        if refuse_calls():
            return True
        missing.append("processes: no system call table for this machine")
    except OSError as error:
        missing.append(f"processes: {error.strerror}")
    return False
