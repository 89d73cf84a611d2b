"""How indicator kernels are compiled."""

from typing import cast

import numba

from trademantra.engine.compile import INDICATOR, F


def indicator_kernel(function: F) -> F:
    """An `IndicatorKernel`, compiled at import with the one signature `INDICATOR`.

    Without reference counting: a kernel allocates nothing and keeps no array, and numba would otherwise count
    the arrays that parts take at every bar (measured on a Bollinger band: 60 ns a bar with it, 12 without).
    """
    compile_kernel = numba.njit(  # type: ignore[call-overload]  # numba's own types leave _nrt out
        INDICATOR, cache=True, nogil=True, fastmath=False, error_model="numpy", _nrt=False
    )
    return cast(F, compile_kernel(function))


def kernel_part(function: F) -> F:
    """A part that many kernels call, compiled once a process and linked into them.

    Written into each call instead (`compile.inlined`), the price sources alone took 24 of the 40 seconds in which
    all indicators compile; they run equally fast either way.
    """
    compile_part = numba.njit(  # type: ignore[call-overload]  # numba's own types leave _nrt out
        nogil=True, fastmath=False, error_model="numpy", _nrt=False
    )
    return cast(F, compile_part(function))
