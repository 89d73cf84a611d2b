"""Ticks of a session over stored bars: the close of each bar, told when the last of its events has come."""

from collections.abc import Collection, Mapping, Sequence

from trademantra.brokers.paper.feed.paths import SEGMENTS
from trademantra.data.resample import SessionSpan
from trademantra.engine.bars import Bars
from trademantra.engine.ticks import Tick
from trademantra.trading.runner.run_log import TicksTold
from trademantra.trading.session.replay_steps import Step, lengths_within


class ReplayTicks:
    """`play`: the stored bars by symbol, each `bar_ns` long unless a window of `spans` ends it, in the order of the listings."""

    def __init__(self, play: Mapping[str, Bars], bar_ns: int, spans: Sequence[SessionSpan]) -> None:
        self._symbols, self._play = list(play), play
        self._lengths = {symbol: lengths_within(spans, bars, bar_ns) for symbol, bars in play.items()}
        self._ends = {
            symbol: {last_ns: i for i, last_ns in enumerate(lasts.tolist())}
            for symbol, bars in play.items()
            for lasts in (bars.ts + self._lengths[symbol] // SEGMENTS * (SEGMENTS - 1),)
        }
        self._volumes = dict.fromkeys(play, 0.0)
        self._fed = 0

    def begin_day(self) -> None:
        """Nothing was traded yet today."""
        self._volumes = dict.fromkeys(self._play, 0.0)

    def fed(self, step: Step) -> TicksTold:
        """What this instant, which was fed to the exchange, brings to strategies that hear ticks."""
        self._fed += len(step.events)
        ticks = []
        for row in step.events.token_row.tolist():
            symbol = self._symbols[row]
            i = self._ends[symbol].get(step.at_ns)
            if i is not None:
                bars = self._play[symbol]
                self._volumes[symbol] += float(bars.volume[i])
                ends_ns = int(bars.ts[i] + self._lengths[symbol][i])
                ticks.append(Tick(symbol, ends_ns, float(bars.close[i]), volume=self._volumes[symbol]))
        return TicksTold(self._fed, tuple(ticks))


def of_symbols(told: TicksTold, symbols: Collection[str]) -> TicksTold:
    """What one run hears of it."""
    return TicksTold(told.fed, tuple(tick for tick in told.ticks if tick.symbol in symbols))
