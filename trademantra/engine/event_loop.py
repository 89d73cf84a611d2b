"""The loop of an event strategy: bars in time order, and for each what comes before, the step, what comes after."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from trademantra.engine.events import BarView, Context, EventStrategy, event_of
from trademantra.engine.portfolio import NEVER, Book, Mover, Portfolio, settle_at, step_at
from trademantra.engine.records import RecordArray
from trademantra.engine.rules import FillAt

Group = list[tuple[Book, int]]
"""Instruments with a bar of the same start, in their given order, and the place of that bar."""


class EventLoop:
    """Bars in time order; for each: callbacks that come before it, the step, callbacks that come after it."""

    def __init__(self, strategy: EventStrategy, portfolio: Portfolio) -> None:
        self._strategy = strategy
        self._portfolio = portfolio
        self._books = portfolio.books
        self._context = Context(portfolio)
        self._has_bars = type(strategy).on_bar is not EventStrategy.on_bar
        self._has_fills = type(strategy).on_fill is not EventStrategy.on_fill
        self._has_sessions = type(strategy).on_session is not EventStrategy.on_session
        self._same_close = portfolio.rules.fill_at is FillAt.CLOSE

    def run(self) -> None:
        self._strategy.on_start(self._context)
        if len(self._books) == 1 and self._has_bars:
            self._run_one(self._books[0])
        else:
            self._run_many()

    def _trade(self, group: Group) -> None:
        """Let orders meet the bars of one start."""
        for book, i in exits_first(group):
            if book.due <= i:
                self._move(book, i, step_at)

    def _run_one(self, book: Book) -> None:
        """The fast path: one instrument, every bar seen."""
        strategy, context, view = self._strategy, self._context, BarView()
        view.symbol = book.symbol
        on_bar, times = strategy.on_bar, sorted(strategy.times)
        wants_before = self._has_sessions or bool(times)
        session_before = -1
        line = book.timeline
        rows = zip(
            line.session.tolist(),
            line.minute.tolist(),
            book.bars.ts.tolist(),
            *book.matrix.tolist(),
            strict=True,
        )
        waiting: list[int] = []
        for i, (session, minute, ts, opening, high, low, close, volume) in enumerate(rows):
            if wants_before:
                self._portfolio.opens_ns = ts
                if session != session_before:
                    session_before = session
                    waiting = list(times)
                    context.in_auction = True
                    strategy.on_session(context)
                    context.in_auction = False
                self._call_on_time(waiting, minute)
                self._portfolio.opens_ns = NEVER
            if book.due <= i:
                self._move(book, i, step_at)
            book.i = view.index = i
            book.last = close
            view.session, view.minute, view.ts = session, minute, ts
            view.open, view.high, view.low, view.close, view.volume = opening, high, low, close, volume
            on_bar(context, view)
            if self._same_close and book.due == i + 1:
                self._move(book, i, settle_at)

    def _run_many(self) -> None:
        strategy, context, view = self._strategy, self._context, BarView()
        times = sorted(strategy.times)
        waiting: list[int] = []
        session_day = -1
        for group in self._together():
            first, at = group[0]
            day, minute = first.days[at], int(first.timeline.minute[at])
            self._portfolio.opens_ns = int(first.bars.ts[at])
            if day != session_day:
                session_day = day
                waiting = list(times)
                context.in_auction = True
                strategy.on_session(context)
                context.in_auction = False
            self._call_on_time(waiting, minute)
            self._portfolio.opens_ns = NEVER
            self._trade(group)
            for book, i in group:
                book.i = i
                book.last = float(book.matrix[3, i])
            if self._has_bars:
                for book, i in group:
                    view.symbol, view.index, view.ts = book.symbol, i, int(book.bars.ts[i])
                    view.session, view.minute = int(book.timeline.session[i]), int(book.timeline.minute[i])
                    view.open, view.high, view.low, view.close, view.volume = book.matrix[:, i].tolist()
                    strategy.on_bar(context, view)
            self._portfolio.leave_when_ruined()
            if self._same_close:
                for book, i in exits_first(group):
                    if book.due == i + 1:
                        self._move(book, i, settle_at)

    def _call_on_time(self, waiting: list[int], minute: int) -> None:
        context = self._context
        while waiting and minute >= waiting[0]:
            at = waiting.pop(0)
            context.in_auction = at < 0
            self._strategy.on_time(context, at)
            context.in_auction = False

    def _together(self) -> Iterator[Group]:
        """Bars of all instruments that start at the same time, in time order; books in their given order."""
        stamps = np.concatenate([book.bars.ts for book in self._books])
        owner = np.concatenate([np.full(book.count, book.j) for book in self._books])
        place = np.concatenate([np.arange(book.count) for book in self._books])
        order = np.argsort(stamps, kind="stable")
        stamps, owner, place = stamps[order], owner[order], place[order]
        cuts = np.flatnonzero(np.diff(stamps)) + 1
        bounds = [0, *cuts.tolist(), len(stamps)]
        owners, places = owner.tolist(), place.tolist()
        for start, stop in pairwise(bounds):
            yield [(self._books[owners[at]], places[at]) for at in range(start, stop)]

    def _move(self, book: Book, i: int, how: Mover) -> None:
        self._tell(book, self._portfolio.move(book, i, how))

    def _tell(self, book: Book, fills: RecordArray) -> None:
        """The strategy of its executions."""
        if self._has_fills:
            for fill in fills:
                self._strategy.on_fill(self._context, event_of(book.symbol, fill))


def exits_first(group: Sequence[tuple[Book, int]]) -> list[tuple[Book, int]]:
    """What leaves at this moment frees the cash of what enters."""
    return sorted(group, key=lambda each: bool(each[0].record["exit_reason"] == 0))
