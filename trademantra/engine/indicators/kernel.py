"""How indicator kernels are compiled."""

from typing import cast

from trademantra.engine.compile import INDICATOR, F, Kernel, Options


def indicator_kernel(function: F) -> F:
    """An `IndicatorKernel`, compiled for the one signature `INDICATOR`.

    Without reference counting: a kernel allocates nothing and keeps no array, and numba would otherwise count
    the arrays that parts take at every bar (measured on a Bollinger band: 60 ns a bar with it, 12 without).
    """
    return cast(F, Kernel(function, INDICATOR, Options(counts_references=False)))


def kernel_part(function: F) -> F:
    """A part that many kernels call, compiled once a process and linked into them.

    Written into each call instead (`compile.inlined`), the price sources alone took 24 of the 40 seconds in which
    all indicators compile; they run equally fast either way.
    """
    return cast(F, Kernel(function, None, Options(is_kept=False, counts_references=False)))
