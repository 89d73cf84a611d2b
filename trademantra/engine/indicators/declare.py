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
    both from the parameter values in declared order.  `warm_up_sessions` counts leading sessions without a
    value (for levels that come from the session before); their bars are not in `warm_up`.
    """

    name: str
    title: str
    kernel: IndicatorKernel
    outputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    warm_up: Callable[[tuple[float, ...]], int]
    state_size: Callable[[tuple[float, ...]], int]
    source: str = ""  # where the definition comes from
    warm_up_sessions: int = 0

    def values(self, given: Mapping[str, float]) -> tuple[float, ...]:
        """Parameter values in declared order.  Errors: `InvalidValueError` naming indicator and parameter."""
        return resolve(f"indicator {self.name}", self.parameters, given)

    def batch(self, bars: Bars, session: Int64Array | None = None, **given: float) -> dict[str, Float64Array]:
        """Each output over all bars: arrays of shape (n,), NaN during the warm-up.

        `session` (n,) numbers the trading session of each bar; by default all bars are one session.
        Errors: `InvalidValueError` for a parameter, or for session numbers that do not fit the bars.

        >>> from trademantra.engine.indicators.averages import SMA
        >>> prices = [10.0, 11.0, 12.0]
        >>> bars = Bars.of([1, 2, 3], prices, prices, prices, prices, [1, 1, 1])
        >>> SMA.batch(bars, length=2)["sma"].tolist()
        [nan, 10.5, 11.5]
        """
        values = self.values(given)
        n = len(bars)
        matrix = matrix_of(bars)
        out = np.empty((len(self.outputs), n))
        self.kernel(
            matrix,
            session_numbers(session, n),
            scale_of(Bars(bars.ts, *matrix)),
            np.array(values, np.float64),
            np.zeros(self.state_size(values)),
            out,
            0,
            n,
        )
        return dict(zip(self.outputs, out, strict=True))


class Live:
    """An indicator fed bar by bar: the same kernel, the same bits as `batch`.

    `scale` must be that of the instrument's price grid (`grid.scale_of` of its history): with another scale
    window sums may differ from `batch` in the last bit.

    >>> from trademantra.engine.indicators.averages import SMA
    >>> live = Live(SMA, scale=100.0, length=2)
    >>> [live.update(price, price, price, price, 1.0) for price in (10.0, 10.05, 10.1)]
    [(nan,), (10.025,), (10.075,)]
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

    def feed(self, bars: Bars, session: Int64Array | None = None) -> dict[str, Float64Array]:
        """Take many finished bars, as of a history that warms up; the outputs at each.

        `session` as in `Indicator.batch`; numbers go on from those of the bars before.
        """
        first, last = self._count, self._count + len(bars)
        while last > self._matrix.shape[1]:
            self._grow()
        self._matrix[:, first:last] = matrix_of(bars)
        self._session[first:last] = session_numbers(session, len(bars))
        out = np.empty((len(self._indicator.outputs), len(bars)))
        self._count = last
        self._indicator.kernel(
            self._matrix, self._session, self._scale, self._parameters, self._state, out, first, last
        )
        return dict(zip(self._indicator.outputs, out, strict=True))

    def update(
        self, open: float, high: float, low: float, close: float, volume: float, session: int = 0
    ) -> tuple[float, ...]:
        """Take one finished bar; the outputs at that bar, NaN during the warm-up."""
        i = self._count
        if i == self._matrix.shape[1]:
            self._grow()
        self._matrix[:, i] = (open, high, low, close, volume)
        self._session[i] = session
        self._count = i + 1
        self._indicator.kernel(
            self._matrix, self._session, self._scale, self._parameters, self._state, self._out, i, i + 1
        )
        return tuple(self._out[:, 0].tolist())

    def _grow(self) -> None:
        self._matrix = np.concatenate([self._matrix, np.empty_like(self._matrix)], axis=1)
        self._session = np.concatenate([self._session, np.empty_like(self._session)])


def session_numbers(session: Int64Array | None, n: int) -> Int64Array:
    """`session` as kernels read it; zeros for None.  Errors: `InvalidValueError` when it does not fit n bars."""
    if session is None:
        return np.zeros(n, np.int64)
    numbers = np.asarray(session)
    require(
        numbers.shape == (n,) and (n == 0 or np.issubdtype(numbers.dtype, np.integer)),
        f"session: {n} whole numbers are needed, one a bar; got {numbers.dtype} of shape {numbers.shape}",
    )
    numbers = np.ascontiguousarray(numbers, np.int64)
    return numbers if numbers.flags.writeable else numbers.copy()


def matrix_of(bars: Bars) -> Float64Array:
    """(5, n) open, high, low, close, volume; without a copy when the fields already lie so in memory."""
    base = bars.open.base
    if (
        base is not None
        and base.shape == (VALUE_ROWS, len(bars))
        and base.flags.c_contiguous
        and base.flags.writeable  # kernels are compiled for writable arrays
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
