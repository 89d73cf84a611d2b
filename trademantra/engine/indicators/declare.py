"""What an indicator is: a kernel with names, parameters, outputs and a warm-up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.compile import IndicatorKernel
from trademantra.engine.grid import scale_of
from trademantra.engine.parameters import Parameter, resolve

VALUE_ROWS = 5  # open, high, low, close, volume


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator.

    `warm_up` gives the number of leading bars without a value, `state_size` the length of the kernel's state,
    both from the parameter values in declared order.
    """

    name: str
    title: str
    kernel: IndicatorKernel
    outputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    warm_up: Callable[[tuple[float, ...]], int]
    state_size: Callable[[tuple[float, ...]], int]
    source: str = ""  # where the definition comes from

    def values(self, given: Mapping[str, float]) -> tuple[float, ...]:
        """Parameter values in declared order.  Errors: `InvalidValueError` naming indicator and parameter."""
        return resolve(f"indicator {self.name}", self.parameters, given)

    def batch(self, bars: Bars, session: Int64Array | None = None, **given: float) -> dict[str, Float64Array]:
        """Each output over all bars: arrays of shape (n,), NaN during the warm-up.

        `session` (n,) numbers the trading session of each bar; by default all bars are one session.
        """
        values = self.values(given)
        matrix = matrix_of(bars)
        n = len(bars)
        out = np.empty((len(self.outputs), n))
        self.kernel(
            matrix,
            np.zeros(n, np.int64) if session is None else session,
            scale_of(bars),
            np.array(values, np.float64),
            np.zeros(self.state_size(values)),
            out,
            0,
            n,
        )
        return dict(zip(self.outputs, out, strict=True))


class Live:
    """An indicator fed bar by bar: the same kernel, the same bits as `batch`.

    `scale` must be that of the instrument's price grid (`grid.scale_of` of its history, or 1 / tick size).
    """

    __slots__ = ("_count", "_indicator", "_matrix", "_out", "_parameters", "_scale", "_session", "_state")

    def __init__(self, indicator: Indicator, scale: float = 1.0, **given: float) -> None:
        values = indicator.values(given)
        self._indicator = indicator
        self._scale = scale
        self._parameters = np.array(values, np.float64)
        self._state = np.zeros(indicator.state_size(values))
        self._matrix = np.empty((VALUE_ROWS, 256))
        self._session = np.empty(256, np.int64)
        self._out = np.empty((len(indicator.outputs), 1))
        self._count = 0

    def update(
        self, open: float, high: float, low: float, close: float, volume: float, session: int = 0
    ) -> tuple[float, ...]:
        """Take one finished bar; the outputs at that bar, NaN during the warm-up."""
        i = self._count
        if i == self._matrix.shape[1]:
            self._matrix = np.concatenate([self._matrix, np.empty_like(self._matrix)], axis=1)
            self._session = np.concatenate([self._session, np.empty_like(self._session)])
        self._matrix[:, i] = (open, high, low, close, volume)
        self._session[i] = session
        self._count = i + 1
        self._indicator.kernel(
            self._matrix, self._session, self._scale, self._parameters, self._state, self._out, i, i + 1
        )
        return tuple(self._out[:, 0].tolist())


def matrix_of(bars: Bars) -> Float64Array:
    """(5, n) open, high, low, close, volume; without a copy when the fields already lie so in memory."""
    base = bars.open.base
    if (
        base is not None
        and base.shape == (VALUE_ROWS, len(bars))
        and base.flags.c_contiguous
        and base.dtype == np.float64
        and all(
            field.base is base and field.ctypes.data == base[row].ctypes.data
            for row, field in enumerate((bars.open, bars.high, bars.low, bars.close, bars.volume))
        )
    ):
        return base
    return np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume])


def require(condition: bool, message: str) -> None:
    """Raise `InvalidValueError` with `message` unless `condition`."""
    if not condition:
        raise InvalidValueError(message)
