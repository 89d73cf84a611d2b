"""Bars as the engine reads them: one contiguous array a field."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trademantra.core.errors import InvalidValueError

Int8Array: TypeAlias = NDArray[np.int8]
Int64Array: TypeAlias = NDArray[np.int64]
Float64Array: TypeAlias = NDArray[np.float64]

PRICE_FIELDS = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars of one instrument in time order.

    Shapes: each array has the same length n and is C-contiguous.  `ts` is int64 nanoseconds UTC at the
    **start** of each bar, strictly increasing.  `open high low close` are float64 prices in the
    instrument's currency; `volume` is float64 units traded (0 where the source has none, as for an index).
    Errors: `InvalidValueError` naming the first bad bar; see `check`.
    """

    ts: Int64Array
    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array
    volume: Float64Array

    @classmethod
    def of(
        cls,
        ts: Sequence[int] | Int64Array,
        open: Sequence[float] | Float64Array,
        high: Sequence[float] | Float64Array,
        low: Sequence[float] | Float64Array,
        close: Sequence[float] | Float64Array,
        volume: Sequence[float] | Float64Array,
    ) -> "Bars":
        """Copies in one block of memory (which saves the engine a copy later), then `check`."""
        fields = [np.asarray(field, dtype=np.float64) for field in (open, high, low, close, volume)]
        times = np.ascontiguousarray(ts, dtype=np.int64)
        for name, field in zip((*PRICE_FIELDS, "volume"), fields, strict=True):
            if field.shape != times.shape:
                raise InvalidValueError(f"bars: {name} has shape {field.shape}, ts has {times.shape}")
        bars = cls(times, *np.stack(fields))
        bars.check()
        return bars

    @classmethod
    def empty(cls) -> "Bars":
        nothing = np.empty(0, np.float64)
        return cls(np.empty(0, np.int64), nothing, nothing, nothing, nothing, nothing)

    def __len__(self) -> int:
        return len(self.ts)

    def slice(self, start: int, stop: int) -> "Bars":
        """Bars [start, stop), as views."""
        return Bars(
            self.ts[start:stop],
            self.open[start:stop],
            self.high[start:stop],
            self.low[start:stop],
            self.close[start:stop],
            self.volume[start:stop],
        )

    def between(self, start_ns: int, stop_ns: int) -> "Bars":
        """Bars that start in [start_ns, stop_ns), as views."""
        first, last = np.searchsorted(self.ts, [start_ns, stop_ns])
        return self.slice(int(first), int(last))

    def check(self) -> None:
        """Raise for unequal lengths, unsorted or duplicate times, non-finite or non-positive prices,
        open or close outside [low, high], and negative volume."""
        n = len(self.ts)
        for name in (*PRICE_FIELDS, "volume"):
            if getattr(self, name).shape != (n,):
                raise InvalidValueError(f"bars: {name} has shape {getattr(self, name).shape}, ts has ({n},)")
        if n == 0:
            return
        steps = np.diff(self.ts)
        if n > 1 and steps.min() <= 0:
            i = int(np.argmax(steps <= 0)) + 1
            fault = "repeats the time of" if steps[i - 1] == 0 else "is earlier than"
            raise InvalidValueError(
                f"bar {i} ({self._at(i)}) {fault} the bar before it", hint="sort, drop duplicates"
            )
        for name in PRICE_FIELDS:
            self._refuse_where(
                ~(np.isfinite(getattr(self, name)) & (getattr(self, name) > 0.0)),
                f"{name} is not a positive number",
            )
        self._refuse_where(self.high < np.maximum(self.open, self.close), "high is below open or close")
        self._refuse_where(self.low > np.minimum(self.open, self.close), "low is above open or close")
        self._refuse_where(
            ~(np.isfinite(self.volume) & (self.volume >= 0.0)), "volume is negative or not a number"
        )

    def _refuse_where(self, bad: NDArray[np.bool_], fault: str) -> None:
        if bad.any():
            i = int(np.argmax(bad))
            values = ", ".join(f"{name} {getattr(self, name)[i]}" for name in (*PRICE_FIELDS, "volume"))
            raise InvalidValueError(f"bar {i} ({self._at(i)}): {fault}: {values}")

    def _at(self, i: int) -> str:
        return f"{np.datetime64(int(self.ts[i]), 'ns').astype('datetime64[s]')}Z"
