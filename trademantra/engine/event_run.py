"""Run an event strategy: bars in time order, and for each what comes before, the step, what comes after."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import nan

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.blame import blamed
from trademantra.engine.charging import no_charges
from trademantra.engine.events import BarView, Context, EventStrategy, event_of
from trademantra.engine.finer import Finer
from trademantra.engine.portfolio import NEVER, Book, Mover, Portfolio, settle_at, step_at
from trademantra.engine.records import RecordArray
from trademantra.engine.rule_checks import check_rules
from trademantra.engine.rules import FillAt, TradingRules
from trademantra.engine.timeline import Timeline


@dataclass(frozen=True, slots=True, eq=False)
class EventOutcome:
    """One run: accounts (m,), levies (10,), fills and trades in time order, equity `curve` (n,) at `ts` (n,)."""

    symbols: tuple[str, ...]
    ts: Int64Array
    accounts: RecordArray
    levies: Float64Array
    fills: RecordArray
    trades: RecordArray
    curve: Float64Array
    refused: int
    own_sizes: int  # entries that the strategy sized itself


def run_events(
    strategy: EventStrategy,
    bars: Mapping[str, Bars],
    timelines: Mapping[str, Timeline],
    rules: TradingRules,
    charges: RecordArray | None = None,
    bars_per_year: float = 252.0,
    finer: Mapping[str, Finer] | None = None,
) -> EventOutcome:
    """Run an event strategy on one or many instruments that share one portfolio.

    `finer` decides what happens inside the bars of the instruments that it names; callbacks see whole bars only.

    Errors: `InvalidValueError` for no bars, and for a callback that raises, naming the strategy and the line.
    """
    if not bars or not all(len(one) for one in bars.values()):
        raise InvalidValueError("there are no bars to run on", hint="widen --from and --to, or import data")
    check_rules(
        strategy.name, rules, lambda: max(float(one.high.max()) for one in bars.values()), gives_stops=True
    )
    portfolio = Portfolio(
        bars, timelines, rules, no_charges() if charges is None else charges, bars_per_year, finer or {}
    )
    with blamed(strategy.name):
        _Loop(strategy, portfolio).run()
    return _outcome(portfolio)


class _Loop:
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
                while waiting and minute >= waiting[0]:
                    strategy.on_time(context, waiting.pop(0))
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
            while waiting and minute >= waiting[0]:
                strategy.on_time(context, waiting.pop(0))
            self._portfolio.opens_ns = NEVER
            for book, i in _exits_first(group):
                if book.due <= i:
                    self._move(book, i, step_at)
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
                for book, i in _exits_first(group):
                    if book.due == i + 1:
                        self._move(book, i, settle_at)

    def _together(self) -> Iterator[list[tuple[Book, int]]]:
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
        for fill in self._portfolio.move(book, i, how):
            if self._has_fills:
                self._strategy.on_fill(self._context, event_of(book.symbol, fill))


def _exits_first(group: list[tuple[Book, int]]) -> list[tuple[Book, int]]:
    """What leaves at this moment frees the cash of what enters."""
    return sorted(group, key=lambda each: bool(each[0].record["exit_reason"] == 0))


def _outcome(portfolio: Portfolio) -> EventOutcome:
    """Join the instruments: indices become those of the common clock, the curve follows from the fills."""
    books = portfolio.books
    ts = np.unique(np.concatenate([book.bars.ts for book in books])) if len(books) > 1 else books[0].bars.ts
    unit = portfolio.rules.multiplier
    curve = np.full(len(ts), portfolio.rules.cash)
    accounts = portfolio.accounts.copy()
    all_fills, all_trades = [], []
    for book in books:
        at = np.searchsorted(ts, book.bars.ts)
        fills = book.fills[: int(book.record["fills"])].copy()
        trades = book.trades[: int(book.record["trades"])].copy()
        flow, held = np.zeros(len(ts)), np.zeros(len(ts))
        where = at[fills["index"]]
        np.add.at(flow, where, -fills["side"] * fills["quantity"] * fills["price"] * unit - fills["costs"])
        np.add.at(held, where, fills["side"] * fills["quantity"])
        prices = np.full(len(ts), nan)
        prices[at] = book.bars.close
        known = np.maximum.accumulate(np.where(np.isnan(prices), -1, np.arange(len(ts))))
        held = np.cumsum(held)
        held[np.abs(held) < 1e-9] = 0.0
        worth = np.where(held == 0.0, 0.0, held * unit * prices[np.maximum(known, 0)])
        curve += np.cumsum(flow) + worth
        fills["index"], fills["instrument"] = where, book.j
        trades["entry_index"], trades["exit_index"] = at[trades["entry_index"]], at[trades["exit_index"]]
        trades["instrument"] = book.j
        accounts["entry_index"][book.j] = at[accounts["entry_index"][book.j]]
        all_fills.append(fills)
        all_trades.append(trades)
    fills, trades = np.concatenate(all_fills), np.concatenate(all_trades)
    return EventOutcome(
        tuple(book.symbol for book in books),
        ts,
        accounts,
        portfolio.levies,
        fills[np.argsort(fills["index"], kind="stable")],
        trades[np.argsort(trades["exit_index"], kind="stable")],
        curve,
        portfolio.refused + int(portfolio.accounts["refused"].sum()),
        portfolio.own_sizes,
    )
