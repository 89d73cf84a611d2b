"""A signal strategy, live: the kernel says, the account decides, the exchange fills."""

from collections.abc import Mapping, Sequence

from trademantra.core.bar import Bar
from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars
from trademantra.engine.blame import blamed
from trademantra.engine.live.booking import decide_at
from trademantra.engine.live.books import LivePool
from trademantra.engine.live.columns import Said, Signals
from trademantra.engine.live.wants import LiveFill, LiveSession, LiveTrade, Want
from trademantra.engine.records import Reason, RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.ticks import Tick
from trademantra.engine.timeline import Timeline


class SignalRun:
    """See `run.LiveRun`."""

    hears_ticks = False

    def __init__(
        self,
        strategy: SignalStrategy,
        symbols: Sequence[str],
        timeframe_ns: int,
        values: Mapping[str, float],
        rules: TradingRules,
        charges: RecordArray,
        bars_per_year: float,
    ) -> None:
        if len(symbols) != 1:
            raise InvalidValueError(
                f"strategy {strategy.name} runs on one instrument, {len(symbols)} were given",
                hint="run it once for each symbol",
            )
        self._strategy = strategy
        self._timeframe_ns = timeframe_ns
        self._pool = LivePool(symbols, timeframe_ns, rules, charges, bars_per_year)
        [self._book] = self._pool.books
        self._signals = Signals(strategy, strategy.values(values), rules, self._book.series)

    def warm_up(self, bars: Mapping[str, Bars], timelines: Mapping[str, Timeline]) -> None:
        for symbol, one in bars.items():
            self._pool.book_of(symbol).series.extend(one, timelines[symbol])
        self._pool.warmed_up()
        self._heard()

    def on_session(self, session: LiveSession, auction: Mapping[str, float]) -> list[Want]:
        self._pool.begin(session, auction)
        return self._pool.wants()

    def on_clock(self, now_ns: int) -> list[Want]:
        self._pool.square_off(self._book, now_ns)
        return self._pool.wants()

    def on_bars(self, closed: Sequence[tuple[str, Bar]]) -> list[Want]:
        for symbol, bar in closed:
            self._one(symbol, bar)
        return self._pool.wants()

    def on_ticks(self, ticks: Sequence[Tick]) -> list[Want]:
        """It decides on bars."""
        del ticks
        return []

    def on_fill(self, fill: LiveFill) -> list[Want]:
        self._pool.book_fill(fill)
        return self._pool.wants()

    def on_entry_gone(self, symbol: str, text: str) -> list[Want]:
        self._pool.entry_gone(symbol)
        return self._pool.wants()

    def position(self, symbol: str) -> float:
        return float(self._pool.book_of(symbol).record["quantity"])

    @property
    def equity(self) -> float:
        return self._pool.equity

    @property
    def refused(self) -> int:
        return int(self._book.record["refused"])

    def leaving(self) -> dict[str, Reason]:
        return self._pool.leaving()

    def trades(self) -> list[LiveTrade]:
        return self._pool.trades()

    def _one(self, symbol: str, bar: Bar) -> None:
        pool, book = self._pool, self._pool.book_of(symbol)
        pool.take(book, bar)
        pool.look_back(book)
        said = self._heard()
        code = said.code & book.allowed
        if code:
            columns = self._signals.columns
            decide_at(
                pool.accounts, book.j, book.numbers, book.charges, code, said.limit, said.trigger, said.stop,
                said.target, columns.atr, columns.deviation, bar.close, pool.session.day,
            )  # fmt: skip
            book.sized_at = bar.close
        pool.square_off(book, bar.start_ns + self._timeframe_ns)

    def _heard(self) -> Said:
        with blamed(self._strategy.name):
            return self._signals.heard()
