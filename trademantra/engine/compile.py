"""Compiled kernels: fixed signatures, compiled at import, kept on disk.

A kernel is a plain function over arrays.  It is compiled eagerly for one signature, which makes it a
first-class function: the loops that take it as an argument are compiled once, for every kernel there will
ever be, and a later process finds all of it in the cache (measured: 0.39 s for a whole process).

numba looks only at the file in which a kernel stands to tell whether its cached code is out of date, not at the
files of the parts that are linked into it.  So the cache folder is named by a hash of all sources of engine, charges
and strategies: a change anywhere compiles anew, and stale code is never run.  It lies beside this file in `__pycache__`, under
NUMBA_CACHE_DIR if that is set, or in the user's cache folder when the first is not writable.
"""

import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numba
from numba import types
from numba.core.errors import NumbaExperimentalFeatureWarning

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array

_KEPT_CACHES = 4


def _cache_folder() -> Path:
    package = Path(__file__).parent
    beside = [package.parent / "markets" / "charges", package.parent / "strategies"]
    sources = [
        *sorted(package.rglob("*.py")),
        *(each for folder in beside for each in sorted(folder.glob("*.py"))),
    ]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    named = os.environ.get("NUMBA_CACHE_DIR")
    roots = [Path(named)] if named else [package / "__pycache__", Path.home() / ".cache" / "trademantra"]
    for root in roots:
        folder = root / "kernels" / digest.hexdigest()[:16]
        if folder.is_dir():
            return folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        older = sorted(folder.parent.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)
        for each in older[_KEPT_CACHES:]:
            shutil.rmtree(each, ignore_errors=True)
        return folder
    return Path(tempfile.mkdtemp(prefix="trademantra-kernels-"))


# Must happen before the first kernel is declared, and every kernel is declared through this module.
CACHE_FOLDER = _cache_folder()
numba.config.CACHE_DIR = str(CACHE_FOLDER)  # type: ignore[attr-defined]  # numba sets its options at run time

F = TypeVar("F", bound=Callable[..., object])

# First-class functions are what the engine is built on; numba calls them experimental at each use.
warnings.filterwarnings("ignore", category=NumbaExperimentalFeatureWarning)

VECTOR = types.float64[::1]
MATRIX = types.float64[:, ::1]
CUBE = types.float64[:, :, ::1]
INTEGERS = types.int64[::1]
CODES = types.int8[::1]
INDEX = types.int64
NUMBER = types.float64


class IndicatorKernel(Protocol):
    """Compute an indicator for bars [start, stop), going on from `state`.

    `bars` is (5, n): open, high, low, close, volume.  `session` (n,) numbers the trading session of each bar.
    `scale` is the number of grid steps in one unit of price (1.0 where prices lie on no grid); see `grid`.
    `parameters` (p,) in declared order.  `state` (s,) is zero before bar 0 and belongs to the kernel.
    Writes `out[r, i - start]` for each output r; NaN before the warm-up is over.  Reads no bar after i
    for the value at i.  One pass, one order of operations: batch, tiles and live updates give the same bits.
    """

    def __call__(
        self,
        bars: Float64Array,
        session: Int64Array,
        scale: float,
        parameters: Float64Array,
        state: Float64Array,
        out: Float64Array,
        start: int,
        stop: int,
    ) -> None: ...


class SignalKernel(Protocol):
    """Write what a strategy says at the close of each bar of [start, stop).

    `columns` (rows, tile + 1) holds the indicator columns; that of bar i is at `i - start + 1`, so position 0 is
    the bar before the tile.  `use` lists the rows of this strategy's outputs in declared order.
    `minute` (n,) counts minutes since the session opened.  `parameters` in declared order; `state` is the kernel's.
    Must write `codes[i - start]` (a sum of `Signal`s, 0 for nothing) for every bar.  `levels` (4, tile) is there
    for strategies that declare it, NaN before each call: limit price, trigger price, stop, target of an entry.
    Reads no bar after i for the signal at i.
    """

    def __call__(
        self,
        bars: Float64Array,
        session: Int64Array,
        minute: Int64Array,
        columns: Float64Array,
        use: Int64Array,
        parameters: Float64Array,
        state: Float64Array,
        codes: Int8Array,
        levels: Float64Array,
        start: int,
        stop: int,
    ) -> None: ...


INDICATOR = types.void(MATRIX, INTEGERS, NUMBER, VECTOR, VECTOR, MATRIX, INDEX, INDEX)
SIGNALS = types.void(
    MATRIX, INTEGERS, INTEGERS, MATRIX, INTEGERS, VECTOR, VECTOR, CODES, MATRIX, INDEX, INDEX
)


def is_compiled() -> bool:
    """Whether the engine's main loop is in the cache on disk, so that it need not be compiled now."""
    return any(CACHE_FOLDER.rglob("walk.run_all-*.nbi"))


def compiled(signature: Any, *, parallel: bool = False) -> Callable[[F], F]:  # noqa: ANN401  (numba's types are untyped)
    """Compile for `signature` at import.

    Never with fast-math: sums keep their order, so results do not depend on the machine's vector width.
    Division by zero gives inf or NaN, as in numpy.
    """
    return cast(
        Callable[[F], F],
        numba.njit(signature, cache=True, nogil=True, fastmath=False, error_model="numpy", parallel=parallel),
    )


def inlined(function: F) -> F:
    """A small part of a kernel, compiled into its callers."""
    return cast(
        F, numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy", inline="always")(function)
    )


def indicator_kernel(function: F) -> F:
    """An `IndicatorKernel`, compiled at import."""
    return compiled(INDICATOR)(function)


def signal_kernel(function: F) -> F:
    """A `SignalKernel`, compiled at import."""
    return compiled(SIGNALS)(function)


def part(function: F) -> F:
    """A larger part of a kernel, compiled once for each use of types and linked into the kernels that call it."""
    return cast(F, numba.njit(nogil=True, fastmath=False, error_model="numpy")(function))


def uncompiled(function: F) -> F:
    """The plain Python function behind a part or kernel: the same bits, for callers of a few numbers at a time."""
    return cast(F, function.py_func)  # type: ignore[attr-defined]  # what numba's dispatchers carry
