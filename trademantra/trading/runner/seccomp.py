"""A filter of system calls: no new processes, no sockets, no hands on other processes.  Threads are allowed.

Numbers: the Linux kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h); the
filter's form: https://docs.kernel.org/userspace-api/seccomp_filter.html; read 2026-11-21.
"""

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass
from itertools import chain

from trademantra.trading.runner.linux import PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, prctl

_MODE_FILTER = 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF: ld abs, jeq, jge, jset, ret
_ALLOW, _REFUSE, _KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000
_NUMBER, _ARCHITECTURE, _FIRST_VALUE = 0, 4, 16  # places in struct seccomp_data (little endian: the low half)
_THREAD = 0x0001_0000  # CLONE_THREAD
_X32 = 0x4000_0000  # the second numbering of x86-64


@dataclass(frozen=True, slots=True)
class _Calls:
    architecture: int
    clone: int
    clone3: int
    refused: tuple[int, ...]


# fork, vfork, execve, execveat; socket, connect; kill, tkill, pidfd_send_signal, pidfd_getfd; ptrace,
# process_vm_readv, process_vm_writev; io_uring_setup (would go around the filter); unshare, setns, mount; bpf, keyctl
_CALLS = {
    "x86_64": _Calls(
        0xC000_003E, 56, 435,
        (57, 58, 59, 322, 41, 42, 62, 200, 424, 438, 101, 310, 311, 425, 272, 308, 165, 321, 250),
    ),
    "aarch64": _Calls(
        0xC000_00B7, 220, 435, (221, 281, 198, 203, 129, 130, 424, 438, 117, 270, 271, 425, 97, 268, 40, 280, 219)
    ),
}  # fmt: skip


def refuse_calls() -> bool:
    """Set the filter for good; False on a machine whose numbers are not known here.  Errors: `OSError`."""
    calls = _CALLS.get(platform.machine())
    if calls is None:
        return False
    program = b"".join(chain.from_iterable(_program(calls)))
    code = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(code)), 16)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, _MODE_FILTER, ctypes.cast(head, ctypes.c_void_p))
    return True


def _program(calls: _Calls) -> tuple[list[bytes], ...]:
    not_permitted, not_known = _REFUSE | errno.EPERM, _REFUSE | errno.ENOSYS
    return (
        [_step(_LOAD, _ARCHITECTURE), _step(_EQUAL, calls.architecture, 1, 0), _step(_RETURN, _KILL)],
        [_step(_LOAD, _NUMBER), _step(_AT_LEAST, _X32, 0, 1), _step(_RETURN, not_permitted)],
        # the C library then falls back to clone, whose flags a filter can read
        [_step(_EQUAL, calls.clone3, 0, 1), _step(_RETURN, not_known)],
        *([_step(_EQUAL, number, 0, 1), _step(_RETURN, not_permitted)] for number in calls.refused),
        [_step(_EQUAL, calls.clone, 0, 3), _step(_LOAD, _FIRST_VALUE), _step(_ANY_BIT, _THREAD, 1, 0)],
        [_step(_RETURN, not_permitted), _step(_RETURN, _ALLOW)],
    )


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
