"""The few system calls of Linux that Python has no name for."""

import ctypes
import os

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22


def prctl(option: int, *values: int | ctypes.c_void_p) -> None:
    """Errors: `OSError`."""
    _checked(
        _library().prctl(ctypes.c_int(option), *_longs(values), *_longs((0,) * (4 - len(values)))), "prctl"
    )


def unshare(flags: int) -> None:
    """Errors: `OSError`."""
    _checked(_library().unshare(ctypes.c_int(flags)), "unshare")


def syscall(number: int, *values: int | ctypes.c_void_p) -> int:
    """Errors: `OSError`."""
    return _checked(_library().syscall(ctypes.c_long(number), *_longs(values)), f"system call {number}")


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _longs(values: tuple[int | ctypes.c_void_p, ...]) -> tuple[ctypes.c_long | ctypes.c_void_p, ...]:
    return tuple(ctypes.c_long(value) if isinstance(value, int) else value for value in values)


def _checked(answer: int, what: str) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return answer
