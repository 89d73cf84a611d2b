"""Indicators and signals of a growing series: the same kernels over the same tiles as a back-test, so the same bits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import TypeAlias

import numpy as np

from trademantra.engine.bars import Float64Array
from trademantra.engine.compile import uncompiled
from trademantra.engine.grid import snapped
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.indicators.risk import RETURN_DEVIATION
from trademantra.engine.indicators.volatility import ATR
from trademantra.engine.live.series import Series
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.walk import LEVELS, TILE

_snapped = uncompiled(snapped)
Placed: TypeAlias = tuple[Indicator, tuple[float, ...]]


class Columns:
    """Indicator columns of one series, kept up to its last bar.

    `block` (rows, TILE + 1) holds those of the tile at hand; that of bar i is at `i - start + 1`, and position 0 is
    the bar before.  ATR and deviation of returns are there when the rules ask for them.
    """

    def __init__(self, series: Series, placed: Sequence[Placed], rules: TradingRules) -> None:
        self.series = series
        self._placed = list(placed)
        self._atr = self._deviation = -1
        self._rows = [0]
        for indicator, _ in self._placed:
            self._rows.append(self._rows[-1] + len(indicator.outputs))
        if rules.needs_atr:
            self._atr = self._place(ATR)
        if rules.needs_deviation:
            self._deviation = self._place(RETURN_DEVIATION)
        self._settings = [np.array(setting, np.float64) for _, setting in self._placed]
        self.use = np.array([*range(self._rows[-1]), self._atr, self._deviation], np.int64)
        self._known = 0
        self._width = 0  # of the tile before
        self._scale = nan
        self.block = np.full((self._rows[-1], TILE + 1), nan)
        self._states: list[Float64Array] = []

    def tiles(self) -> Iterator[tuple[int, int]]:
        """Compute the bars that came in; [start, stop) of each tile while `block` holds it.

        From the first bar on again when the price grid has become finer: sums are those of whole steps of it.
        """
        series = self.series
        if series.scale != self._scale:
            self._scale, self._known, self._width = series.scale, 0, 0
            self.block[:] = nan
            self._states = [np.zeros(indicator.state_size(setting)) for indicator, setting in self._placed]
        while self._known < series.count:
            start, stop = self._known, min(series.count, self._known + TILE)
            self.block[:, 0] = self.block[:, self._width]
            for k, (indicator, _) in enumerate(self._placed):
                made = np.empty((len(indicator.outputs), TILE))
                indicator.kernel(
                    series.values, series.session, self._scale, self._settings[k], self._states[k], made, start, stop
                )  # fmt: skip
                self.block[self._rows[k] : self._rows[k + 1], 1 : 1 + stop - start] = made[:, : stop - start]
            self._known, self._width = stop, stop - start
            yield start, stop

    def catch_up(self) -> None:
        """Go on to the last bar."""
        for _ in self.tiles():
            pass

    @property
    def atr(self) -> float:
        """At the last close; NaN before there is one."""
        return float(self.block[self._atr, self._width]) if self._atr >= 0 else nan

    @property
    def deviation(self) -> float:
        """At the last close; NaN before there is one."""
        return float(self.block[self._deviation, self._width]) if self._deviation >= 0 else nan

    def _place(self, indicator: Indicator) -> int:
        self._placed.append((indicator, indicator.values({})))
        self._rows.append(self._rows[-1] + len(indicator.outputs))
        return self._rows[-2]


@dataclass(frozen=True, slots=True)
class Said:
    """What a kernel says at the close of the last bar: a sum of `Signal`s, and the levels of an entry."""

    code: int = 0
    limit: float = nan
    trigger: float = nan
    stop: float = nan
    target: float = nan


class Signals:
    """A signal strategy on one series."""

    def __init__(
        self, strategy: SignalStrategy, values: Mapping[str, float], rules: TradingRules, series: Series
    ) -> None:
        self._strategy = strategy
        placed = [(column.indicator, column.values(strategy.name, values)) for column in strategy.columns]
        self.columns = Columns(series, placed, rules)
        self._parameters = np.array([values[p.name] for p in strategy.parameters], np.float64)
        self._state = np.zeros(max(1, strategy.state_size))

    def heard(self) -> Said:
        """Go on to the last bar; what is said there."""
        series, said = self.columns.series, Said()
        for start, stop in self.columns.tiles():
            if start == 0:
                self._state[:] = 0.0
            codes = np.zeros(TILE, np.int8)
            levels = np.full((LEVELS, TILE if self._strategy.has_levels else 1), nan)
            self._strategy.kernel(
                series.values, series.session, series.minute, self.columns.block, self.columns.use,
                self._parameters, self._state, codes, levels, start, stop,
            )  # fmt: skip
            last = stop - start - 1
            said = Said(int(codes[last]))
            if said.code and self._strategy.has_levels and stop == series.count:
                scale = series.level_scale
                said = Said(said.code, *(_snapped(float(level), scale) for level in levels[:, last]))
        return said
