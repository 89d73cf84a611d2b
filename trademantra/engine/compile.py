"""Compiled kernels: fixed signatures, compiled when they are first called, kept on disk.

A kernel is a plain function over arrays.  It is compiled for the one signature that it declares, which makes it a
first-class function: the loops that take it as an argument are compiled once, for every kernel there will
ever be, and a later process finds all of it in the cache (measured: 0.39 s for a whole process).

Declaring one loads nothing: numba (105 MB with its typing, 0.7 s) comes with the first call.  So a process that only
reads what a strategy declares does without.  Nothing falls back by itself: a call runs compiled code, and who wants
the plain Python function, with the same bits, says `uncompiled`.

numba looks only at the file in which a kernel stands to tell whether its cached code is out of date, not at the
files of the parts that are linked into it.  So the cache folder is named by a hash of all sources of engine, charges
and strategies: a change anywhere compiles anew, and stale code is never run.  It lies beside this file in `__pycache__`, under
NUMBA_CACHE_DIR if that is set, or in the user's cache folder when the first is not writable.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, update_wrapper
from pathlib import Path
from threading import RLock
from types import CellType, CodeType, FunctionType
from typing import Any, Protocol, TypeVar, cast

import numpy as np

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.signature import (
    CODES,
    INDEX,
    INTEGERS,
    MATRIX,
    NOTHING,
    NUMBER,
    VECTOR,
    ArrayOf,
    Scalar,
    Signature,
    TupleOf,
    Word,
)

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


CACHE_FOLDER = _cache_folder()

F = TypeVar("F", bound=Callable[..., object])


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


INDICATOR = NOTHING(MATRIX, INTEGERS, NUMBER, VECTOR, VECTOR, MATRIX, INDEX, INDEX)
SIGNALS = NOTHING(MATRIX, INTEGERS, INTEGERS, MATRIX, INTEGERS, VECTOR, VECTOR, CODES, MATRIX, INDEX, INDEX)


@dataclass(frozen=True, slots=True)
class Options:
    """How a kernel is compiled.

    `is_kept`: in the cache on disk.  `counts_references`: False for a kernel that allocates nothing and keeps no array.
    """

    is_kept: bool = True
    is_parallel: bool = False
    is_inlined: bool = False
    counts_references: bool = True

    def given(self) -> dict[str, Any]:
        """As numba has them."""
        told: dict[str, Any] = {"cache": self.is_kept, "parallel": self.is_parallel}
        if self.is_inlined:
            told["inline"] = "always"
        if not self.counts_references:
            told["_nrt"] = False
        return told


class Kernel:
    """A function that runs compiled when it is called, and plain as `uncompiled` gives it.

    Either way all the kernels that it calls run as it does.  `signature` None: a part, compiled for each use of types.
    """

    def __init__(
        self, function: Callable[..., object], signature: Signature | None, options: Options
    ) -> None:
        update_wrapper(self, function)
        self.function = cast(FunctionType, function)
        self.signature = signature
        self._options = options
        self._takes_kernels = signature is not None and signature.takes_kernels
        self._half_made: Callable[..., Any] | None = None  # these two under the lock
        self._half_plain: FunctionType | None = None

    def __call__(self, *arguments: Any) -> Any:  # noqa: ANN401  (each kernel is declared with its own types)
        if self._takes_kernels:
            return self.compiled(*map(_handed_over, arguments))
        return self.compiled(*arguments)

    @cached_property
    def compiled(self) -> Callable[..., Any]:
        """What numba makes of it; compiled now, or found in the cache on disk, if it has a signature."""
        with _LOCK:
            return self._half_made or self._compile()

    @cached_property
    def plain(self) -> Callable[..., Any]:
        """The Python function; the kernels that it calls are plain too."""
        with _LOCK:
            if self._half_plain is None:
                self._half_plain = _twin(self.function)
                _link(self._half_plain, self.function, lambda each: each.plain, range)
            return self._half_plain

    def _compile(self) -> Callable[..., Any]:
        import numba
        from numba.core.errors import NumbaExperimentalFeatureWarning

        numba.config.CACHE_DIR = str(CACHE_FOLDER)  # type: ignore[attr-defined]  # numba sets its options at run time
        # First-class functions are what the engine is built on; numba calls them experimental at each use.
        warnings.filterwarnings("ignore", category=NumbaExperimentalFeatureWarning)
        twin = _twin(self.function)
        made: Any = numba.njit(**self._options.given(), nogil=True, fastmath=False, error_model="numpy")(twin)
        self._half_made = made  # one of those that it calls may call it
        try:
            _link(twin, self.function, lambda each: each.compiled, numba.prange)
            if self.signature is not None:
                made.compile(_numba_signature(self.signature))
                made.disable_compile()
        except BaseException:
            self._half_made = None
            raise
        return cast(Callable[..., Any], made)


_OF_MODULE = ("__builtins__", "__name__", "__file__", "__package__")
_LOCK = RLock()  # numba compiles one kernel at a time anyway


def parallel_range(count: int) -> range:
    """`range`, whose turns a parallel kernel shares out among threads."""
    return range(count)


def is_compiled() -> bool:
    """Whether the engine's main loop is in the cache on disk, so that it need not be compiled now."""
    return any(CACHE_FOLDER.rglob("walk.run_all-*.nbi"))


def compile_loaded() -> None:
    """Compile, or load from the cache, the kernels of all modules that are loaded: no later call of theirs waits."""
    for name, module in sorted(sys.modules.items()):
        for each in list(vars(module).values()) if name.startswith("trademantra.") else ():
            if isinstance(each, Kernel) and each.signature is not None and each.__module__ == name:
                _ = each.compiled


def compiled(signature: Signature, *, parallel: bool = False) -> Callable[[F], F]:
    """Declare a kernel, to be compiled for `signature`.

    Never with fast-math: sums keep their order, so results do not depend on the machine's vector width.
    Division by zero gives inf or NaN, as in numpy.
    """

    def declared(function: F) -> F:
        return cast(F, Kernel(function, signature, Options(is_parallel=parallel)))

    return declared


def inlined(function: F) -> F:
    """A small part of a kernel, compiled into its callers."""
    return cast(F, Kernel(function, None, Options(is_inlined=True)))


def indicator_kernel(function: F) -> F:
    """An `IndicatorKernel`."""
    return compiled(INDICATOR)(function)


def signal_kernel(function: F) -> F:
    """A `SignalKernel`."""
    return compiled(SIGNALS)(function)


def part(function: F) -> F:
    """A larger part of a kernel, compiled once for each use of types and linked into the kernels that call it."""
    return cast(F, Kernel(function, None, Options(is_kept=False)))


def uncompiled(function: F) -> F:
    """The plain Python function behind a part or kernel: the same bits, for callers of a few numbers at a time.

    It loads no compiler, nor does any kernel that it calls.  Numbers must be Python's own: numpy's wrap and warn.
    """
    return cast(F, cast(Kernel, function).plain)


def on_views(function: F) -> F:
    """As `uncompiled`, for a kernel over arrays: it is given views of them, which hold Python's own numbers.

    Half the time of numpy's (measured on the bar builder: 4 us a tick, compiled 0.7).  A view has no rows: such a kernel
    reads and writes an array of two dimensions at both, `market[row, LAST]`.
    """
    plain = cast(Kernel, function).plain

    def run(*given: object) -> object:
        return plain(*[each.data if isinstance(each, np.ndarray) else each for each in given])

    return cast(F, run)


def _handed_over(argument: object) -> object:
    """Kernels among the arguments of a kernel, as compiled code takes them."""
    if isinstance(argument, Kernel):
        return argument.compiled
    if isinstance(argument, tuple):
        return tuple(map(_handed_over, argument))
    return argument


def _twin(function: FunctionType) -> FunctionType:
    """The same code with names and cells of its own, which `_link` fills."""
    cells = tuple(CellType(cell.cell_contents) for cell in function.__closure__ or ())
    own = {name: function.__globals__[name] for name in _OF_MODULE if name in function.__globals__}
    made = FunctionType(function.__code__, own, function.__name__, function.__defaults__, cells)
    made.__qualname__, made.__module__, made.__doc__ = (
        function.__qualname__,
        function.__module__,
        function.__doc__,
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _link(
    twin: FunctionType, function: FunctionType, of: Callable[[Kernel], object], turns: Callable[[int], object]
) -> None:
    """Give `twin` what `function` names: of each kernel what `of` makes of it, `turns` in place of `parallel_range`."""

    def linked(value: object) -> object:
        if value is parallel_range:
            return turns
        return of(value) if isinstance(value, Kernel) else value

    for name in _names(function.__code__):
        if name in function.__globals__:
            twin.__globals__[name] = linked(function.__globals__[name])
    for cell in twin.__closure__ or ():
        cell.cell_contents = linked(cell.cell_contents)


def _names(code: CodeType) -> set[str]:
    """Names of globals that code may read, in the functions inside it too."""
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*inner)


def _numba_signature(signature: Signature) -> Any:  # noqa: ANN401  (numba's types are untyped)
    return _numba_type(signature.result)(*map(_numba_type, signature.arguments))


def _numba_type(word: Word) -> Any:  # noqa: ANN401
    from numba import from_dtype, types

    match word:
        case Scalar():
            return getattr(types, word.value)
        case ArrayOf(item, dimensions, read_only):
            held: Any = _numba_type(item) if isinstance(item, Scalar) else from_dtype(item)
            return types.Array(held, dimensions, "C", readonly=read_only)
        case TupleOf(item, count):
            return types.UniTuple(_numba_type(item), count)  # type: ignore[no-untyped-call]
        case Signature():
            return types.FunctionType(_numba_signature(word))
