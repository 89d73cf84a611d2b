"""Totals of the day ("traded so far") as one row of numbers, whichever source is heard.

Two brokers do not count alike: one leaves trades out, the other began to count later.  A jump from one's total to the other's
would be a volume that nobody traded, in bars, in the simulated exchange and in limits.  So what is heard is shown as
`total + shift`: when another source is heard, the shift becomes such that its last total is what was shown last.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trademantra.brokers.market import Quote
from trademantra.engine.bars import Float64Array
from trademantra.trading.feeds.ticks import UNKNOWN, InstrumentTable, TickBatch


class DayTotals:
    """Of the sources of one hub.  A day begins with `forget`."""

    def __init__(self, table: InstrumentTable, sources: int) -> None:
        self._table = table
        self._told: Float64Array = np.full((sources, 0), np.nan)  # each source's own last totals
        self._shown: Float64Array = np.zeros(0)
        self._shift: Float64Array = np.zeros(0)  # of the source that is heard
        self._unsure = np.zeros(0, np.bool_)
        self._heard = 0

    def note(self, source: int, quotes: Sequence[Quote]) -> None:
        """What a source that is not heard says."""
        self._grow()
        told = self._told[source]
        for quote in quotes:
            row = self._table.find(quote.instrument)
            if row is not None and quote.volume is not None:
                told[row] = quote.volume

    def switch(self, source: int) -> None:
        """From now on `source` is heard."""
        self._grow()
        self._heard = source
        self._shift = self._shown - self._told[source]
        self._unsure = np.isnan(self._shift)
        self._shift[np.isnan(self._shown)] = 0.0  # nothing was shown: nothing can jump

    def forget(self) -> None:
        """A day begins: totals start at zero at every source."""
        self._told[:] = np.nan
        self._shown[:] = np.nan
        self._shift[:] = 0.0
        self._unsure[:] = False

    def joined(self, batch: TickBatch) -> Sequence[int]:
        """Rows of which the source that is heard tells its first total since it is heard: what traded in between is not
        known, so bars until now are not complete."""
        self._grow()
        rows: list[int] = np.unique(batch.row[self._unsure[batch.row] & (batch.total >= 0.0)]).tolist()
        return rows

    def shown(self, batch: TickBatch, source: int) -> TickBatch:
        """Ticks with the totals to show.  Those of a source that is not heard (asked for meanwhile) show none."""
        if source != self._heard:
            return replace(batch, total=np.full(len(batch), float(UNKNOWN)))
        self._grow()
        place = np.flatnonzero(batch.total >= 0.0)
        if not len(place):
            return batch
        row, total = batch.row[place], batch.total[place]
        for first in np.flatnonzero(np.isnan(self._shift[row])).tolist():
            # at least the last trade is new where its time is told; what is older cannot be told apart
            of_last = (
                max(float(batch.quantity[place[first]]), 0.0) if batch.trade_ns[place[first]] > 0 else 0.0
            )
            if np.isnan(self._shift[row[first]]):
                self._shift[row[first]] = self._shown[row[first]] + of_last - total[first]
        self._unsure[row] = False
        self._told[source, row] = total
        shown = batch.total.copy()
        shown[place] = np.maximum(total + self._shift[row], 0.0)
        self._shown[row] = shown[place]
        return replace(batch, total=shown)

    def _grow(self) -> None:
        count, known = len(self._table), len(self._shown)
        if count > known:
            more = 2 * count - known
            self._told = np.concatenate([self._told, np.full((len(self._told), more), np.nan)], axis=1)
            self._shown = np.concatenate([self._shown, np.full(more, np.nan)])
            self._shift = np.concatenate([self._shift, np.zeros(more)])
            self._unsure = np.concatenate([self._unsure, np.zeros(more, np.bool_)])
