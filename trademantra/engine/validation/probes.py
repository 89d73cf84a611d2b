"""What a strategy decides when its bars end, go on otherwise, or begin later: one probe a kind of strategy.

A probe knows the decisions on all bars, the truth that every other run is held to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.grid import scale_of
from trademantra.engine.panel import AllocationStrategy, Panel
from trademantra.engine.records import Signal
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.validation.windows import market_of
from trademantra.engine.walk import LEVELS, TILE

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
ENTRIES = int(Signal.ENTER_LONG | Signal.ENTER_SHORT)
SETTLING_MULTIPLE = 10  # warm-ups after which Wilder's average keeps exp(-10) = 5e-5 of where it began
LEVEL_NAMES = ("limit", "trigger", "stop", "target")
_SHOCK = 0.08


class Future(StrEnum):
    """What comes after a cut."""

    NONE = "bars end"
    UP = "prices jump up and go the other way"
    DOWN = "prices jump down and go the other way"


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that is not what it was: position on the clock, what was said on all bars, what is said now."""

    index: int
    before: str
    after: str


class Probe(Protocol):
    """A strategy with its decisions on all bars; `clock` (n,) are the times of the bars that it decides at."""

    @property
    def clock(self) -> Int64Array: ...

    def decided(self) -> Int64Array:
        """Positions at which something was decided."""

    def difference(self, cut: int, future: Future) -> Difference | None:
        """The first decision before bar `cut` that changes when the bars from there on are others."""

    def differs_again(self) -> Difference | None:
        """The first decision that changes when the same bars are run again."""


class LaterStart(Protocol):
    """A probe of a strategy that declares its warm-up."""

    @property
    def clock(self) -> Int64Array: ...

    @property
    def warm_up(self) -> int: ...

    @property
    def settling(self) -> int:
        """Bars after which the place where the bars begin must not matter."""

    def starts(self) -> Int64Array:
        """Positions where a later run may begin: session starts, rebalance bars."""

    def from_bar(self, begin: int) -> tuple[Float64Array, Float64Array]:
        """Decisions on bars [begin, n): of a run that begins there, and of the run on all bars."""

    def enters(self, said: Float64Array) -> Int64Array:
        """Positions of rows that open a position."""


def otherwise(bars: Float64Array, cut: int, future: Future, scale: float) -> Float64Array:
    """A copy of `bars` (5, n, ...) whose bars from `cut` on jump and then mirror their path, on the same price grid."""
    changed = bars.copy()
    base = bars[CLOSE, cut - 1]
    factor = 1.0 + _SHOCK if future is Future.UP else 1.0 - _SHOCK
    after = changed[:, cut:]
    prices = factor * base * base / bars[:4, cut:]
    if scale > 0.0:
        prices = np.maximum(np.rint(prices * scale), 1.0) / scale
    after[OPEN], after[CLOSE] = prices[OPEN], prices[CLOSE]
    after[HIGH], after[LOW] = prices[LOW], prices[HIGH]  # mirrored: the low was the high
    after[VOLUME] = 3.0 * bars[VOLUME, cut:] + 1.0
    return changed


def cut_off(bars: Float64Array, cut: int) -> Float64Array:
    """A copy of `bars` (5, n, ...) that ends before `cut`; it lies in memory as large as the whole.

    A kernel that reads too far reads NaN then, where it would read foreign memory otherwise.
    """
    shape = (bars.shape[0], cut, *bars.shape[2:])
    room = np.full(bars.size + TILE, np.nan)
    part = room[: int(np.prod(shape))].reshape(shape)
    part[...] = bars[:, :cut]
    return part


class SignalProbe:
    """Codes and levels of a signal strategy, computed as the engine's walk computes them."""

    def __init__(self, strategy: SignalStrategy, values: Mapping[str, float], given: BacktestInput) -> None:
        market = market_of(strategy, given)
        self._strategy, self._values = strategy, values
        self._matrix, self._scale = market.matrix, market.scale
        self._timeline = market.timeline
        self.clock = market.bars.ts
        self.warm_up = strategy.warm_up(values)
        sessions = 2 + max((c.indicator.warm_up_sessions for c in strategy.columns), default=0)
        begun = np.searchsorted(self._timeline.session, min(sessions, self._timeline.session[-1]))
        self.settling = max(SETTLING_MULTIPLE * self.warm_up, int(begun))
        self._said = self._run(self._matrix, len(self.clock))

    def decided(self) -> Int64Array:
        return np.flatnonzero(self._said[:, 0])

    def difference(self, cut: int, future: Future) -> Difference | None:
        if future is Future.NONE:
            bars = cut_off(self._matrix, cut)
        else:
            bars = otherwise(self._matrix, cut, future, self._scale)
        return self._compare(self._run(bars, cut), cut)

    def differs_again(self) -> Difference | None:
        return self._compare(self._run(self._matrix, len(self.clock)), len(self.clock))

    def starts(self) -> Int64Array:
        return self._timeline.ends[:-1] + 1

    def from_bar(self, begin: int) -> tuple[Float64Array, Float64Array]:
        bars = np.ascontiguousarray(self._matrix[:, begin:])
        return self._run(bars, bars.shape[1], begin), self._said[begin:]

    def enters(self, said: Float64Array) -> Int64Array:
        return np.flatnonzero(said[:, 0].astype(np.int64) & ENTRIES)

    def _compare(self, said: Float64Array, until: int) -> Difference | None:
        wrong = ~np.isclose(said[:until], self._said[:until], rtol=0.0, atol=0.0, equal_nan=True).all(axis=1)
        if not wrong.any():
            return None
        i = int(np.argmax(wrong))
        return Difference(i, signal_words(self._said[i]), signal_words(said[i]))

    def _run(self, bars: Float64Array, stop: int, begin: int = 0) -> Float64Array:
        """(stop, 5): code and levels at each bar; levels count at entries only.  `begin`: bars left out before."""
        strategy = self._strategy
        session = self._timeline.session[begin : begin + bars.shape[1]]
        session = session - session[0]  # a copy: the timeline belongs to others
        minute = np.ascontiguousarray(self._timeline.minute[begin : begin + bars.shape[1]])
        columns = []
        rows = 0
        for column in strategy.columns:
            arguments = column.values(strategy.name, self._values)
            size, outputs = column.indicator.state_size(arguments), len(column.indicator.outputs)
            columns.append((column.indicator.kernel, np.array(arguments), np.zeros(size), rows, outputs))
            rows += outputs
        use = np.array([*range(rows), -1, -1], np.int64)
        parameters = np.array([self._values[p.name] for p in strategy.parameters], np.float64)
        state = np.zeros(max(1, strategy.state_size))
        block = np.full((rows, TILE + 1), np.nan)
        codes, levels = np.zeros(TILE, np.int8), np.full((LEVELS, TILE if strategy.has_levels else 1), np.nan)
        said = np.full((stop, 1 + LEVELS), np.nan)
        for start in range(0, stop, TILE):
            last = min(start + TILE, stop)
            block[:, 0] = block[:, TILE]
            for kernel, arguments_array, own, row, outputs in columns:
                made = np.empty((outputs, TILE))
                kernel(bars, session, self._scale, arguments_array, own, made, start, last)
                block[row : row + outputs, 1 : 1 + last - start] = made[:, : last - start]
            levels[:, :] = np.nan
            strategy.kernel(bars, session, minute, block, use, parameters, state, codes, levels, start, last)
            said[start:last, 0] = codes[: last - start]
            if strategy.has_levels:
                enters = (codes[: last - start] & ENTRIES) != 0
                said[start:last, 1:] = np.where(enters[:, None], levels[:, : last - start].T, np.nan)
        return said


class AllocationProbe:
    """Target weights of an allocation strategy at its rebalance bars; NaN rows between them."""

    def __init__(
        self, strategy: AllocationStrategy, values: Mapping[str, float], given: BacktestInput
    ) -> None:
        panel = Panel.align(given.bars)
        self._strategy, self._values, self._bars = strategy, values, panel.values
        self._symbols = panel.symbols
        self._scale = min(scale_of(bars) for bars in given.bars.values())
        self._every = int(values[strategy.every])
        self.clock = panel.ts
        self.warm_up = int(sum(values[name] for name in strategy.warm_up))
        self.settling = SETTLING_MULTIPLE * self.warm_up
        self._said = self._run(self._bars, len(panel))

    def decided(self) -> Int64Array:
        """Rebalances at which something is held."""
        return np.flatnonzero((np.nan_to_num(self._said) != 0.0).any(axis=1))

    def difference(self, cut: int, future: Future) -> Difference | None:
        if future is Future.NONE:
            return self._compare(self._run(cut_off(self._bars, cut), cut), cut)
        return self._compare(self._run(otherwise(self._bars, cut, future, self._scale), cut), cut)

    def differs_again(self) -> Difference | None:
        return self._compare(self._run(self._bars, len(self.clock)), len(self.clock))

    def starts(self) -> Int64Array:
        return np.arange(self._every, len(self.clock), self._every)

    def from_bar(self, begin: int) -> tuple[Float64Array, Float64Array]:
        bars = np.ascontiguousarray(self._bars[:, begin:])
        return self._run(bars, bars.shape[1]), self._said[begin:]

    def enters(self, said: Float64Array) -> Int64Array:
        return np.flatnonzero((np.nan_to_num(said) != 0.0).any(axis=1))

    def _compare(self, said: Float64Array, until: int) -> Difference | None:
        wrong = ~np.isclose(said[:until], self._said[:until], rtol=0.0, atol=0.0, equal_nan=True).all(axis=1)
        if not wrong.any():
            return None
        i = int(np.argmax(wrong))
        return Difference(i, self._words(self._said[i]), self._words(said[i]))

    def _words(self, weights: Float64Array) -> str:
        held = [f"{s} {w:.4g}" for s, w in zip(self._symbols, weights, strict=True) if w == w and w != 0.0]
        return f"hold {', '.join(held)}" if held else "hold nothing"

    def _run(self, bars: Float64Array, stop: int) -> Float64Array:
        strategy = self._strategy
        parameters = np.array([self._values[p.name] for p in strategy.parameters], np.float64)
        state = np.zeros(strategy.state_size)
        said = np.full((stop, bars.shape[2]), np.nan)
        for i in np.flatnonzero(strategy.rebalances(stop, self._values)).tolist():
            weights = np.zeros(bars.shape[2])
            strategy.kernel(bars, i, parameters, state, weights)
            said[i] = weights
        return said


def signal_words(row: Float64Array) -> str:
    """What a row of code and levels says."""
    code = int(row[0])
    said = " + ".join(
        signal.name.lower().replace("_", " ") for signal in Signal if code & signal and signal.name
    )
    levels = [f"{name} {value:g}" for name, value in zip(LEVEL_NAMES, row[1:], strict=True) if value == value]
    return f"{said or 'nothing'}{' at ' if levels else ''}{', '.join(levels)}"
