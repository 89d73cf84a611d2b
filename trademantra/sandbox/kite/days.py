"""A `PriceSource` that makes or reads the prices of one day when that day comes."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np

from trademantra.brokers.paper.feed.sources import merged
from trademantra.brokers.paper.market import EventBatch


class Days:
    """Prices day by day.  `make` gives the prices of a day in time order, possibly none."""

    def __init__(self, days: Sequence[date], make: Callable[[date], EventBatch]) -> None:
        self._days = deque(days)
        self._make = make
        self._day: EventBatch | None = None
        self._place = 0

    def next_ns(self) -> int | None:
        day = self._current()
        return None if day is None else int(day.at_ns[self._place])

    def take(self, until_ns: int, most: int) -> EventBatch:
        day = self._current()
        if day is None:
            return merged([])
        start = self._place
        stop = start + int(np.searchsorted(day.at_ns[start : start + most], until_ns, side="right"))
        self._place = stop
        return _part(day, start, stop)

    def skip_to(self, from_ns: int) -> None:
        """Leave out what comes before: after a restart the exchange has it already."""
        while (upcoming := self.next_ns()) is not None and upcoming <= from_ns:
            self.take(from_ns, 1_000_000)

    def _current(self) -> EventBatch | None:
        """The day that has prices left; None when there is none any more."""
        while self._day is None or self._place == len(self._day):
            if not self._days:
                return None
            self._day, self._place = self._make(self._days.popleft()), 0
        return self._day


def _part(batch: EventBatch, start: int, stop: int) -> EventBatch:
    return EventBatch(
        batch.token_row[start:stop],
        batch.at_ns[start:stop],
        batch.open[start:stop],
        batch.high[start:stop],
        batch.low[start:stop],
        batch.close[start:stop],
        batch.volume[start:stop],
        batch.open_interest[start:stop],
    )
