"""The best bid and ask of the instruments for which somebody asked: all five levels of all of them cost too much."""

from collections.abc import Iterable, Sequence
from math import nan

from trademantra.brokers.market import DepthLevel, Quote
from trademantra.core.instrument import Instrument
from trademantra.trading.feeds.ticks import InstrumentTable


class BestPrices:
    """Of one hub; quotes are noted as they are heard."""

    def __init__(self, table: InstrumentTable) -> None:
        self._table = table
        self._best: dict[int, tuple[float, float]] = {}

    def follow(self, instruments: Iterable[Instrument]) -> None:
        """From now on keep those of these."""
        for instrument in instruments:
            self._best.setdefault(self._table.add(instrument), (nan, nan))

    def note(self, quotes: Sequence[Quote]) -> None:
        """Quotes that were just heard.  One without depth says nothing of it."""
        if not self._best:
            return
        for quote in quotes:
            row = self._table.find(quote.instrument)
            if row in self._best and (quote.bids or quote.asks):
                self._best[row] = (_first(quote.bids), _first(quote.asks))

    def of(self, row: int) -> tuple[float, float]:
        """Bid and ask; NaN where a side is empty or not known."""
        return self._best.get(row, (nan, nan))


def _first(levels: Sequence[DepthLevel]) -> float:
    return float(levels[0].price) if levels and levels[0].price > 0 else nan
