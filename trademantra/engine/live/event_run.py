"""An event strategy, live: the same callbacks and the same context as in a back-test, over bars that come one by one."""

from collections.abc import Mapping, Sequence
from math import nan

import numpy as np

from trademantra.core.bar import Bar
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.engine.bars import Bars
from trademantra.engine.blame import blamed
from trademantra.engine.events import BarView, Context, EventStrategy, TickView, event_of, hears_ticks
from trademantra.engine.live.books import LiveBook, LivePool
from trademantra.engine.live.wants import LiveFill, LiveSession, LiveTrade, Want
from trademantra.engine.records import Reason, RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.engine.terms import Terms
from trademantra.engine.ticks import Tick
from trademantra.engine.timeline import Timeline


class EventRun:
    """See `run.LiveRun`.  What `on_fill` asks for goes out at once; a back-test lets it fill at the next bar's open."""

    def __init__(
        self,
        strategy: EventStrategy,
        symbols: Sequence[str],
        timeframe_ns: int,
        rules: TradingRules,
        charges: RecordArray,
        bars_per_year: float,
        own: Mapping[str, Terms] | None = None,
    ) -> None:
        self._strategy = strategy
        self._timeframe_ns = timeframe_ns
        self._pool = LivePool(symbols, timeframe_ns, rules, charges, bars_per_year, own)
        self._context = Context(self._pool)
        self._view = BarView()
        self._tick = TickView()
        self.hears_ticks = hears_ticks(type(strategy))
        self._times = sorted(strategy.times)
        self._waiting: list[int] = []
        self._started = False

    def warm_up(self, bars: Mapping[str, Bars], timelines: Mapping[str, Timeline]) -> None:
        """Every callback of the past is called, in the order of a back-test, and nothing that it asks for is let in."""
        self._start()
        for symbol, one in bars.items():
            self._pool.book_of(symbol)
            one.check()
            if len(timelines[symbol]) != len(one):
                raise InvalidValueError(f"{symbol}: its timeline does not belong to its bars")
        day, volumes = -1, dict.fromkeys(bars, 0.0)
        for start_ns in np.unique(
            np.concatenate([np.empty(0, np.int64), *(one.ts for one in bars.values())])
        ).tolist():
            group = [
                (book, i)
                for book in self._pool.books
                if book.symbol in bars and (i := _place(bars[book.symbol], start_ns)) >= 0
            ]
            book, i = group[0]
            line = timelines[book.symbol]
            if int(line.day[i]) != day:
                day, volumes = int(line.day[i]), dict.fromkeys(bars, 0.0)
                self._pool.past_day = day
                self._pool.auction = {b.symbol: float(bars[b.symbol].open[k]) for b, k in group}
                self._before_session()
            self._before_bar(int(line.minute[i]))
            if self.hears_ticks:
                for book, i in group:
                    volumes[book.symbol] += float(bars[book.symbol].volume[i])
                self._call_on_tick([self._close(bars[book.symbol], book, i, volumes) for book, i in group])
            for book, i in group:
                line, one = timelines[book.symbol], bars[book.symbol]
                book.series.append(_bar(one, i), int(line.session[i]), int(line.minute[i]), int(line.day[i]))
                book.know()
            self._call_on_bar([book for book, _ in group])
        self._pool.warmed_up()
        for book in self._pool.books:
            book.columns.catch_up()

    def on_session(self, session: LiveSession, auction: Mapping[str, float]) -> list[Want]:
        self._start()
        if self._pool.begin(session, auction):
            self._before_session()
        return self._pool.wants()

    def on_clock(self, now_ns: int) -> list[Want]:
        session, begins = self._pool.session, now_ns
        if now_ns >= session.open_ns:  # callbacks come where bars begin, as in a back-test
            begins = self._pool.hours.start_of(min(now_ns, session.close_ns - 1))
        self._before_bar((begins - session.open_ns) // NANOSECONDS_PER_MINUTE)
        for book in self._pool.books:
            self._pool.square_off(book, now_ns)
        return self._pool.wants()

    def on_bars(self, closed: Sequence[tuple[str, Bar]]) -> list[Want]:
        pool = self._pool
        for symbol, bar in closed:
            book = pool.book_of(symbol)
            pool.take(book, bar)
            book.columns.catch_up()
            pool.look_back(book)
        books = sorted((pool.book_of(symbol) for symbol, _ in closed), key=lambda book: book.j)
        self._call_on_bar(books)
        pool.leave_when_ruined()
        for book in books:
            pool.square_off(book, int(book.series.ts[book.i]) + self._timeframe_ns)
        return pool.wants()

    def on_ticks(self, ticks: Sequence[Tick]) -> list[Want]:
        if self.hears_ticks:
            self._call_on_tick(ticks)
        return self._pool.wants()

    def on_fill(self, fill: LiveFill) -> list[Want]:
        for made in self._pool.book_fill(fill):
            with blamed(self._strategy.name):
                self._strategy.on_fill(self._context, event_of(fill.symbol, made))
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
        return self._pool.refused + int(self._pool.accounts["refused"].sum())

    def leaving(self) -> dict[str, Reason]:
        return self._pool.leaving()

    def trades(self) -> list[LiveTrade]:
        return self._pool.trades()

    def _start(self) -> None:
        if not self._started:
            self._started = True
            with blamed(self._strategy.name):
                self._strategy.on_start(self._context)

    def _before_session(self) -> None:
        self._waiting = list(self._times)
        pool, context = self._pool, self._context
        pool.before_bar = context.in_auction = True
        pool.began_ns = 0
        with blamed(self._strategy.name):
            self._strategy.on_session(context)
        pool.before_bar = context.in_auction = False

    def _before_bar(self, minute: int) -> None:
        pool, context = self._pool, self._context
        pool.before_bar, pool.began_ns = True, max(0, minute) * NANOSECONDS_PER_MINUTE
        while self._waiting and minute >= self._waiting[0]:
            at = self._waiting.pop(0)
            context.in_auction = at < 0
            with blamed(self._strategy.name):
                self._strategy.on_time(context, at)
        pool.before_bar = context.in_auction = False

    def _call_on_tick(self, ticks: Sequence[Tick]) -> None:
        """All that were told at one moment; what may enter is what may at the open of the bar that is forming."""
        for tick in ticks:
            self._pool.book_of(tick.symbol).last = tick.price
        self._pool.before_bar = True
        for tick in ticks:
            self._tick.show(tick)
            with blamed(self._strategy.name):
                self._strategy.on_tick(self._context, self._tick)
        self._pool.before_bar = False

    def _close(self, bars: Bars, book: LiveBook, i: int, volumes: Mapping[str, float]) -> Tick:
        """Of a bar of the past the close is what is known of its ticks."""
        ends_ns = int(bars.ts[i]) + self._timeframe_ns
        return Tick(book.symbol, ends_ns, float(bars.close[i]), nan, nan, volumes[book.symbol])

    def _call_on_bar(self, books: Sequence[LiveBook]) -> None:
        view = self._view
        for book in books:
            series, i = book.series, book.i
            view.symbol, view.index, view.ts = book.symbol, i, int(series.ts[i])
            view.session, view.minute = int(series.session[i]), int(series.minute[i])
            view.open, view.high, view.low, view.close, view.volume = series.values[:, i].tolist()
            with blamed(self._strategy.name):
                self._strategy.on_bar(self._context, view)


def _place(bars: Bars, start_ns: int) -> int:
    """Index of the bar that starts then, or -1."""
    i = int(np.searchsorted(bars.ts, start_ns))
    return i if i < len(bars) and bars.ts[i] == start_ns else -1


def _bar(bars: Bars, i: int) -> Bar:
    fields = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    return Bar(int(bars.ts[i]), *(float(each[i]) for each in fields))
