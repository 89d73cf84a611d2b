"""The accounts behind an event run: one record an instrument, one cash, the compiled step for each."""

from collections.abc import Mapping
from functools import cached_property
from math import inf, nan
from typing import Protocol

import numpy as np

from trademantra.engine.bars import Bars, Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import compiled, part
from trademantra.engine.finer import NO_FINER, Finer
from trademantra.engine.grid import level_scale_of, scale_of
from trademantra.engine.history import History
from trademantra.engine.indicators.declare import matrix_of
from trademantra.engine.indicators.risk import RETURN_DEVIATION
from trademantra.engine.indicators.volatility import ATR
from trademantra.engine.live.booking import close_at
from trademantra.engine.pool import PLENTY, Member, Pool
from trademantra.engine.records import (
    ACCOUNT,
    FILL,
    RULES,
    TRADE,
    AccountRecord,
    RecordArray,
    RulesRecord,
    Signal,
)
from trademantra.engine.rules import TradingRules
from trademantra.engine.signature import CODES, INDEX, INTEGERS, MATRIX, TRUTH, VECTOR, records
from trademantra.engine.step import BY_SQUARE_OFF, drop_entry, pass_bar, settle_at_close, step, want_out
from trademantra.engine.terms import MemberTerms, Terms
from trademantra.engine.timeline import Timeline
from trademantra.engine.walk import next_event
from trademantra.markets.charges.numeric import CHARGE_RULE

NEVER = 2**62
HORIZON = 4096  # bars that one look ahead covers; bounds the cost of a look that finds nothing
SQUARE_OFF = int(Signal.SQUARE_OFF)
_UNKNOWN: Float64Array = np.empty(0)
BOOK = (
    records(ACCOUNT), INDEX, records(RULES), records(CHARGE_RULE), VECTOR, records(FILL), records(TRADE), MATRIX,
    MATRIX, INTEGERS, CODES, INDEX, INDEX, INDEX,
)  # fmt: skip
_INSIDE = (
    records(ACCOUNT), INDEX, records(RULES), records(CHARGE_RULE), VECTOR, records(FILL), records(TRADE), MATRIX,
    INDEX, INDEX, INDEX, INDEX, TRUTH,
)  # fmt: skip


@part
def catch_up(account: AccountRecord, rules: RulesRecord, bars: Float64Array, first: int, last: int) -> None:
    """Keep the best price of a position over bars [first, last), which passed without a step."""
    if rules.trail_kind == 0:
        return
    for i in range(first, last):
        if account.quantity > 0.0:
            account.peak = max(account.peak, bars[1, i])
        elif account.quantity < 0.0:
            account.peak = min(account.peak, bars[2, i])


@compiled(INDEX(*BOOK))
def step_at(
    accounts: RecordArray,
    j: int,
    rules: RecordArray,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    bars: Float64Array,
    finer: Float64Array,
    inside: Int64Array,
    marks: Int8Array,
    i: int,
    day: int,
    seen: int,
) -> int:
    """Step account j at bar i; the number of fills that it has made so far.  Bars from `seen` passed quietly."""
    catch_up(accounts[j], rules[0], bars, seen, i)
    square_off = (marks[i] & SQUARE_OFF) != 0
    begin, end, source = i, i + 1, bars
    if len(inside) > 0:
        begin, end, source = inside[i], inside[i + 1], finer
    if begin == end:
        pass_bar(accounts[j], rules[0], i, square_off, bars[3, i])
    for at in range(begin, end):
        step(accounts[j], rules[0], charges, levies, fills, trades, source[:, at], -inf, inf, i, day,
             square_off and at == begin, at == end - 1)  # fmt: skip
    return int(accounts[j].fills)


@compiled(INDEX(*_INSIDE))
def step_inside(
    accounts: RecordArray,
    j: int,
    rules: RecordArray,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    prices: Float64Array,
    first: int,
    stop: int,
    i: int,
    day: int,
    square_off: bool,
) -> int:
    """Step account j through columns [first, stop) of `prices`, inside bar i, which does not close with them.

    `square_off` begins the bar in which intraday positions leave.  The number of fills so far.
    """
    if square_off:
        drop_entry(accounts[j])
        if accounts[j].quantity != 0.0:
            want_out(accounts[j], rules[0], BY_SQUARE_OFF)
    for at in range(first, stop):
        step(
            accounts[j],
            rules[0],
            charges,
            levies,
            fills,
            trades,
            prices[:, at],
            -inf,
            inf,
            i,
            day,
            False,
            False,
        )
    return int(accounts[j].fills)


@compiled(INDEX(*BOOK))
def settle_at(
    accounts: RecordArray,
    j: int,
    rules: RecordArray,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    bars: Float64Array,
    finer: Float64Array,
    inside: Int64Array,
    marks: Int8Array,
    i: int,
    day: int,
    seen: int,
) -> int:
    """Fill market decisions at the close of bar i; the number of fills so far."""
    catch_up(accounts[j], rules[0], bars, seen, i + 1)
    bar = bars[:, i] if len(inside) == 0 else finer[:, inside[i + 1] - 1]
    settle_at_close(accounts[j], rules[0], charges, levies, fills, trades, bar, -inf, inf, i, day)
    return int(accounts[j].fills)


@compiled(INDEX(records(ACCOUNT), INDEX, records(RULES), MATRIX, CODES, INDEX, TRUTH))
def due_from(
    accounts: RecordArray,
    j: int,
    rules: RecordArray,
    bars: Float64Array,
    marks: Int8Array,
    i: int,
    fine: bool,
) -> int:
    """First bar from i at which account j needs a step, or the end of the look ahead."""
    account = accounts[j]
    if account.entry_side != 0 or account.exit_reason != 0:
        return i
    if account.quantity == 0.0:
        return NEVER
    start = i - i % 8
    last = min(bars.shape[1], i + HORIZON)
    codes = marks[start:]
    words = marks[start : start + (last - start) // 8 * 8].view(np.int64)
    peak = account.peak
    due = next_event(account, rules[0], bars, codes, words, start, i, last, fine)
    account.peak = peak  # it looked at bars that the strategy has not seen and may act before
    return int(due)


class Mover(Protocol):
    """`step_at` or `settle_at`."""

    def __call__(
        self,
        accounts: RecordArray,
        j: int,
        rules: RecordArray,
        charges: RecordArray,
        levies: Float64Array,
        fills: RecordArray,
        trades: RecordArray,
        bars: Float64Array,
        finer: Float64Array,
        inside: Int64Array,
        marks: Int8Array,
        i: int,
        day: int,
        seen: int,
    ) -> int: ...


class Book(Member):
    """One instrument of a back-test: its bars, its place in them, its account record."""

    def __init__(
        self,
        symbol: str,
        j: int,
        bars: Bars,
        timeline: Timeline,
        record: np.void,
        finer: Finer,
        terms: MemberTerms,
    ) -> None:
        super().__init__(symbol, j, record, terms)
        self.bars, self.timeline, self.finer = bars, timeline, finer
        self.matrix = matrix_of(bars)
        self.history = History(bars.ts, self.matrix)
        n = len(bars)
        self.marks: Int8Array = np.zeros(n, np.int8)
        if len(timeline.allowed):
            self.marks = (timeline.allowed & np.int8(SQUARE_OFF)).astype(np.int8)
        self.count = n
        self.days: list[int] = timeline.day.tolist()
        self.due = NEVER
        self.seen = 0  # bars before it have raised the peak of a position
        self.atr = self.deviation = _UNKNOWN  # at each close, where the rules ask for them

    def past(self) -> Bars:
        return self.history.until(self.i + 1)

    @cached_property
    def level_scale(self) -> float:
        return level_scale_of(self.bars, scale_of(self.bars))

    @property
    def atr_now(self) -> float:
        return float(self.atr[self.i]) if len(self.atr) and self.i >= 0 else nan

    @property
    def deviation_now(self) -> float:
        return float(self.deviation[self.i]) if len(self.deviation) and self.i >= 0 else nan

    @property
    def fine(self) -> bool:
        """Whether finer bars decide what happens inside a bar."""
        return len(self.finer.inside) > 0

    def make_room(self, i: int) -> None:
        """Space for all fills and trades that bar i can make: at most three fills a bar that orders meet."""
        inside = self.finer.inside
        self.hold_room(4 * (int(inside[i + 1] - inside[i]) if self.fine else 1))


class Portfolio(Pool):
    """All instruments of a back-test and the cash that they share.

    With several, before a step the member's record is given the equity of the whole, less its own position, and what
    the step changes goes back to the pool.  As live, entries are sized when they are decided and a step needs no cash.
    """

    books: list[Book]

    def __init__(
        self,
        bars: Mapping[str, Bars],
        timelines: Mapping[str, Timeline],
        rules: TradingRules,
        charges: RecordArray,
        bars_per_year: float,
        finer: Mapping[str, Finer],
        own: Mapping[str, Terms] | None = None,
    ) -> None:
        super().__init__(rules, charges, bars_per_year, list(bars), own)
        self.books = [
            Book(
                symbol,
                j,
                one,
                timelines[symbol],
                self.accounts[j],
                finer.get(symbol, NO_FINER),
                self.terms[symbol],
            )
            for j, (symbol, one) in enumerate(bars.items())
        ]
        self.by_symbol = {book.symbol: book for book in self.books}
        self.only = self.books[0] if len(self.books) == 1 else None
        self.opens_ns = NEVER  # while callbacks before a bar run: when that bar starts
        self._as_live = rules.as_live
        if rules.needs_atr:
            for book in self.books:
                book.atr = ATR.batch(book.bars, book.timeline.session)["atr"]
        if rules.needs_deviation:
            for book in self.books:
                deviations = RETURN_DEVIATION.batch(book.bars, book.timeline.session)
                book.deviation = deviations["return_deviation"]

    def may_enter(self, j: int, signal: int) -> bool:
        """By the timeline: at the close of the last known bar, or before the next one."""
        book = self.books[j]
        allowed, session, i = book.timeline.allowed, book.timeline.session, book.i + 1
        if not len(allowed):
            return True
        if i == 0 or (self.opens_ns != NEVER and i < book.count and session[i] != session[i - 1]):
            early = book.timeline.minute[i] < book.timeline.first_entry
            return (
                bool(allowed[i]) and not allowed[i] & SQUARE_OFF and not early
            )  # before a session's first bar
        return bool(allowed[i - 1] & signal)

    def auction_price(self, j: int) -> float:
        """The open of the session's first bar, where the instrument has one in its first minute."""
        book = self.books[j]
        i = book.i + 1
        starts = i < book.count and book.bars.ts[i] == self.opens_ns
        return float(book.matrix[0, i]) if starts else nan

    def day_now(self, j: int) -> int:
        days = self.books[j].days
        i = self.books[j].i + (1 if self.opens_ns != NEVER else 0)
        return days[min(max(i, 0), len(days) - 1)]

    @property
    def today(self) -> int:
        days = [book.days[book.i] for book in self.books if book.i >= 0]
        opening = [
            book.days[book.i + 1]
            for book in self.books
            if book.i + 1 < book.count and book.bars.ts[book.i + 1] == self.opens_ns
        ]
        return max(days + opening, default=min(book.days[0] for book in self.books))

    def move(self, book: Book, i: int, how: Mover) -> RecordArray:
        """Step or settle one instrument at bar i; the fills that this made."""
        before = self._lend(book, float(book.matrix[0 if how is step_at else 3, i]))
        book.make_room(i)
        made = how(
            self.accounts, book.j, book.numbers, book.charges, self.levies, book.fills, book.trades, book.matrix,
            book.finer.matrix, book.finer.inside, book.marks, i, book.days[i], book.seen,
        )  # fmt: skip
        book.seen = i + 1
        fresh = self._take_back(book, made, before)
        book.due = due_from(self.accounts, book.j, book.numbers, book.matrix, book.marks, i + 1, book.fine)
        return fresh

    def begin_bar(self, book: Book, i: int) -> None:
        """For a run that is stepped inside its bars: what leaves and lapses as bar i begins."""
        if book.marks[i] & SQUARE_OFF:
            self._inside(book, i, 0, 0, square_off=True)

    def meet(self, book: Book, i: int, at: int) -> RecordArray:
        """Step one instrument through one finer bar (column `at`) of bar i, or through all of bar i where it has none."""
        prices, at = (book.finer.matrix, at) if book.fine else (book.matrix, i)
        before = self._lend(book, float(prices[0, at]))
        book.hold_room(4)
        return self._take_back(book, self._inside(book, i, at, at + 1), before)

    def close_bar(self, book: Book, i: int) -> None:
        """Bar i is over: what that means for orders and positions, as live."""
        book.seen = i + 1
        close_at(self.accounts, book.j, book.numbers, i, float(book.matrix[3, i]))

    def _inside(self, book: Book, i: int, first: int, stop: int, *, square_off: bool = False) -> int:
        prices = book.finer.matrix if book.fine else book.matrix
        return step_inside(
            self.accounts, book.j, book.numbers, book.charges, self.levies, book.fills, book.trades, prices, first,
            stop, i, book.days[i], square_off,
        )  # fmt: skip

    def _lend(self, book: Book, price: float) -> float:
        """Several that share cash: give the member what the whole has, less its own position; how much that is."""
        if self.only is not None or self._as_live:
            return 0.0
        record = book.record
        book.last = price
        others = [
            abs(float(other.record["quantity"])) * other.rules.multiplier * other.last
            for other in self.books
            if other is not book and other.record["quantity"] != 0.0
        ]
        before = self.equity - float(record["quantity"]) * book.rules.multiplier * book.last
        record["cash"] = before
        slots = self.rules.slots
        full = slots > 0 and len(others) >= slots  # every slot is taken: whatever fills now is refused
        record["reserved"] = inf if full else sum(others) * self.rules.margin
        return before

    def _take_back(self, book: Book, made: int, lent: float) -> RecordArray:
        """What the member's step changed is that of the whole; its fills up to `made` that nobody was told of."""
        record = book.record
        if self.only is None and not self._as_live:
            self.pool += float(record["cash"]) - lent
            record["cash"] = PLENTY
        fresh = book.fills[book.told : made].copy()
        if self._as_live:
            self.pay(book, fresh)
        book.told = made
        return fresh
