"""Which bars the runs of a session know already: of each series every bar is told once, in order.

The warm-up and the feed overlap: the feed fetches what it missed while it was connected, and a session that begins in the
middle of a day has read the same bars from history.
"""

from collections.abc import Collection, Mapping, Sequence

from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument
from trademantra.engine.bars import Bars
from trademantra.trading.feeds.bar_rules import BarClosed
from trademantra.trading.runner.run_log import BarsClosed, LogEntry


class ToldBars:
    """Of the instruments (by symbol) and the timeframe of one session.  While it opens, bars are kept back."""

    def __init__(self, instruments: Mapping[str, Instrument], timeframe: Timeframe) -> None:
        self._instruments, self._timeframe = instruments, timeframe
        self._newest_ns: dict[str, int] = {}
        self._early: list[BarClosed] = []

    def knows(self, warm_up: Mapping[str, Bars], log: Collection[LogEntry]) -> None:
        """A run was warmed up with these bars, and told of those in its log."""
        for symbol, bars in warm_up.items():
            if len(bars):
                self._note(symbol, int(bars.ts[-1]))
        for entry in log:
            if isinstance(entry, BarsClosed):
                for symbol, bar in entry.bars:
                    self._note(symbol, bar.start_ns)

    def of(self, closed: Collection[BarClosed]) -> Sequence[BarClosed]:
        """Those of this session."""
        return [
            each
            for each in closed
            if each.timeframe == self._timeframe
            and (mine := self._instruments.get(each.instrument.symbol)) is not None
            and mine.key == each.instrument.key
        ]

    def keep(self, closed: Collection[BarClosed]) -> None:
        """They closed before the runs could hear them."""
        self._early += self.of(closed)

    def take_kept(self) -> Sequence[BarClosed]:
        """What was kept, in the order of time."""
        early, self._early = self._early, []
        return sorted(early, key=lambda each: each.end_ns)

    def fresh(self, closed: Collection[BarClosed]) -> Sequence[BarClosed]:
        """Those of this session that its runs do not know; from now on they do."""
        found = [
            each
            for each in self.of(closed)
            if each.bar.start_ns > self._newest_ns.get(each.instrument.symbol, 0)
        ]
        for each in found:
            self._note(each.instrument.symbol, each.bar.start_ns)
        return found

    def _note(self, symbol: str, start_ns: int) -> None:
        self._newest_ns[symbol] = max(self._newest_ns.get(symbol, 0), start_ns)
