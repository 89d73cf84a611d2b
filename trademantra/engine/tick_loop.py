"""The loop of an event strategy that hears ticks: inside each bar, prices and ticks in the order in which they came.

Orders meet one finer bar at a time, so that what `on_tick` asks for meets the next one.  A tick is told when the prices
before it have met the orders; it is the close of a finer bar at its end, of a bar at its end where none are finer, or what
a live run was told.
"""

from collections.abc import Iterator
from itertools import groupby
from math import nan
from typing import NamedTuple

from trademantra.core.errors import InvalidValueError
from trademantra.engine.event_loop import EventLoop, Group, exits_first
from trademantra.engine.events import EventStrategy, TickView
from trademantra.engine.finer import length_of
from trademantra.engine.portfolio import NEVER, Book, Portfolio
from trademantra.engine.ticks import Tick, ToldRun

_TICKS, _PRICES = 0, 1  # of one order, ticks come first


class _Moment(NamedTuple):
    """Something inside a bar: prices that orders meet (column `at` of the finer bars of `book`), or a tick that is told."""

    order: int
    kind: int
    book: Book
    i: int
    at: int
    tick: Tick | None


class TickLoop(EventLoop):
    """`told`: what a live run was told, instead of the closes of finer bars."""

    def __init__(self, strategy: EventStrategy, portfolio: Portfolio, told: ToldRun | None) -> None:
        super().__init__(strategy, portfolio)
        self._view = TickView()
        self._lengths = [length_of(book.bars) for book in self._books]
        if told is not None:  # of its bars some may have come late: one length for all
            self._lengths = [min((each for each in self._lengths if each), default=0)] * len(self._books)
        self._told = [] if told is None else list(told.told)
        self._from_ns = NEVER if told is None else told.begin_ns
        self._next = 0
        # of each instrument the day, and what was traded in it as far as it was told
        self._volumes = [(-1, 0.0)] * len(self._books)
        for book in self._books:
            if book.fine and not len(book.finer.order):
                raise InvalidValueError(
                    f"{book.symbol}: strategy {strategy.name} hears ticks, and the order of its finer bars is not known",
                    hint="lay them by time (finer), or give Finer.order",
                )

    def run(self) -> None:
        self._strategy.on_start(self._context)
        self._run_many()

    def _trade(self, group: Group) -> None:
        start_ns = int(group[0][0].bars.ts[group[0][1]])
        portfolio = self._portfolio
        for book, i in group:
            portfolio.begin_bar(book, i)
        moments = sorted(self._moments(group, start_ns), key=lambda each: each[:2])
        for (_, kind), together in groupby(moments, key=lambda each: each[:2]):
            if kind == _PRICES:
                self._meet(list(together))
            else:
                self._call_on_tick([each.tick for each in together if each.tick is not None], start_ns)
        for book, i in group:
            portfolio.close_bar(book, i)

    def _meet(self, together: list[_Moment]) -> None:
        """Prices of one moment: what leaves then frees the cash of what enters."""
        at = {id(each.book): each.at for each in together}
        for book, i in exits_first([(each.book, each.i) for each in together]):
            record = book.record
            if record["quantity"] != 0.0 or record["entry_side"] != 0 or record["exit_reason"] != 0:
                self._tell(book, self._portfolio.meet(book, i, at[id(book)]))

    def _call_on_tick(self, ticks: list[Tick], start_ns: int) -> None:
        portfolio, view = self._portfolio, self._view
        for tick in ticks:
            portfolio.by_symbol[tick.symbol].last = tick.price
        portfolio.opens_ns = start_ns  # what may enter is what may at the open of this bar
        for tick in ticks:
            view.show(tick)
            self._strategy.on_tick(self._context, view)
        portfolio.opens_ns = NEVER

    def _moments(self, group: Group, start_ns: int) -> Iterator[_Moment]:
        derived = start_ns < self._from_ns
        for book, i in group:
            if not book.fine:
                yield _Moment(start_ns, _PRICES, book, i, i, None)
            else:
                first, stop = int(book.finer.inside[i]), int(book.finer.inside[i + 1])
                for at, order in enumerate(book.finer.order[first:stop].tolist(), first):
                    yield _Moment(order, _PRICES, book, i, at, None)
            if derived:
                yield from self._closes(book, i)
        if not derived:
            yield from self._pictures(start_ns)

    def _closes(self, book: Book, i: int) -> Iterator[_Moment]:
        """The close of each finer bar of bar i as a tick at its end, or that of the bar itself."""
        day, volume = self._volumes[book.j]
        volume = volume if day == book.days[i] else 0.0
        if book.fine and len(book.finer.ends) and self._from_ns == NEVER:
            part = slice(int(book.finer.inside[i]), int(book.finer.inside[i + 1]))
            starts, ends, prices = book.finer.order[part], book.finer.ends[part], book.finer.matrix[:, part]
        else:
            starts, prices = book.bars.ts[i : i + 1], book.matrix[:, i : i + 1]
            ends = starts + self._lengths[book.j]
        for start, end, price, traded in zip(
            starts.tolist(), ends.tolist(), prices[3].tolist(), prices[4].tolist(), strict=True
        ):
            volume += traded
            tick = Tick(book.symbol, end, price, nan, nan, volume)
            yield _Moment(max(end, start + 1), _TICKS, book, i, -1, tick)
        self._volumes[book.j] = (book.days[i], volume)

    def _pictures(self, start_ns: int) -> Iterator[_Moment]:
        """What the live run was told while these bars formed."""
        while self._next < len(self._told) and self._told[self._next].since_ns <= start_ns:
            told = self._told[self._next]
            self._next += 1
            for tick in told.ticks:
                if tick.symbol in self._portfolio.by_symbol:
                    yield _Moment(told.order, _TICKS, self._books[0], -1, -1, tick)
