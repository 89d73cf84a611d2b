"""The instruments of a live run: bars as they close, fills as they come, and what is still to be asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from struct import pack

import numpy as np

from trademantra.core.bar import Bar
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.engine.bars import Bars
from trademantra.engine.live.booking import close_at, enter_at, leave_at, surplus_at
from trademantra.engine.live.columns import Columns
from trademantra.engine.live.series import Series, place_of
from trademantra.engine.live.wants import (
    Drop,
    Enter,
    Leave,
    LiveFill,
    LiveSession,
    LiveTrade,
    Protection,
    Want,
    check_fill,
    trade_of,
)
from trademantra.engine.matching import DUST, on_tick
from trademantra.engine.pool import Member, Pool
from trademantra.engine.records import EntryKind, Reason, RecordArray, Signal
from trademantra.engine.rules import TradingRules
from trademantra.engine.terms import MemberTerms, Terms

_ALL = int(Signal.ENTER_LONG | Signal.EXIT_LONG | Signal.ENTER_SHORT | Signal.EXIT_SHORT)
_EXITS = int(Signal.EXIT_LONG | Signal.EXIT_SHORT)
_ENTRY_FIELDS = (
    "entry_side", "entry_kind", "entry_price", "entry_left", "entry_stop", "entry_target", "entry_atr",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hours:
    """A session and its bars: offsets from the open in nanoseconds.  The rules are those of `Timeline.with_square_off`."""

    session: LiveSession
    timeframe_ns: int

    @property
    def leaves_ns(self) -> int | None:
        """Start of the bar at whose open intraday positions leave, as an offset; None: they are carried."""
        session = self.session
        if session.leave_minute is None:
            return None
        ends_ns = session.close_ns - session.open_ns
        if session.auction_minute is not None:
            ends_ns = session.auction_minute * NANOSECONDS_PER_MINUTE
        last = (ends_ns - 1) // self.timeframe_ns * self.timeframe_ns
        bars = -(-session.leave_minute * NANOSECONDS_PER_MINUTE // self.timeframe_ns)
        return min(bars * self.timeframe_ns, last)

    def allowed(self, start_ns: int) -> int:
        """The `Signal`s that are let in at the close of the bar that starts at `start_ns`."""
        following = start_ns - self.session.open_ns + self.timeframe_ns
        leaves, last = self.leaves_ns, self.session.last_entry_minute
        if leaves is not None and following >= leaves:
            return _EXITS
        if self.is_early(following):
            return _EXITS
        cuts = [cut for cut in (last, self.session.leave_minute) if cut is not None]
        late = bool(cuts) and following // NANOSECONDS_PER_MINUTE >= min(cuts)
        return _EXITS if late else _ALL

    def is_early(self, happens: int) -> bool:
        """Whether what happens so long after the open (ns) comes before the first entry; the next day's open does too."""
        first = self.session.first_entry_minute
        if first is None:
            return False
        tomorrow = happens >= self.session.close_ns - self.session.open_ns
        return (0 if tomorrow else happens // NANOSECONDS_PER_MINUTE) < first

    def start_of(self, at_ns: int) -> int:
        """Start of the bar in which an instant lies."""
        passed = max(0, at_ns - self.session.open_ns)
        return self.session.open_ns + passed // self.timeframe_ns * self.timeframe_ns


class LiveBook(Member):
    """One instrument of a live run."""

    def __init__(self, symbol: str, j: int, record: np.void, terms: MemberTerms, timeframe_ns: int) -> None:
        super().__init__(symbol, j, record, terms)
        self.series = Series(symbol)
        self.columns = Columns(self.series, (), terms.rules)
        self.allowed = 0  # signals that were let in at the last close
        self.today = False  # whether a bar of this session has closed
        self.squared = False  # whether intraday positions have left for today
        self.leaving = False  # whether the exit that the record wants is asked for
        self._timeframe_ns = timeframe_ns
        self.crossed = 0.0  # of an entry's fills: what came before those of the exit that it follows
        self._sent: bytes = b""  # the entry that is at work outside
        self._forming_ns = 0  # start of the bar in which the last fill came

    def past(self) -> Bars:
        return self.series.until(self.series.count)

    @property
    def level_scale(self) -> float:
        return self.series.level_scale

    @property
    def atr_now(self) -> float:
        return self.columns.atr

    @property
    def deviation_now(self) -> float:
        return self.columns.deviation

    def know(self) -> None:
        """The last bar of the series is over."""
        self.i = self.series.count - 1
        if self.i >= 0:
            self.last = float(self.series.values[3, self.i])

    def index_of(self, at_ns: int) -> int:
        """The bar in which an instant lies: a finished one, or the one that is forming."""
        return place_of(self.series.ts[: self.series.count], self._timeframe_ns, at_ns)

    def filled_in(self, start_ns: int) -> None:
        self._forming_ns = start_ns

    def start_of(self, index: int) -> int:
        return int(self.series.ts[index]) if index < self.series.count else self._forming_ns

    def drop(self) -> None:
        self.record["entry_side"] = 0
        self.record["entry_left"] = nan
        self.crossed = 0.0

    def forget_entry(self) -> None:
        """Nothing works outside any more."""
        self._sent = b""

    def entry_shrank(self) -> None:
        """The entry outside has filled in part or in full: what is left of it is what is wanted."""
        self._sent = self._entry()

    def changes(self) -> tuple[Leave | None, Drop | None, Enter | None]:
        """What must be asked for, so that what works outside is what the record wants."""
        record, leave, drop, enter = self.record, None, None, None
        reason = int(record["exit_reason"])
        wants_out = record["quantity"] != 0.0 and reason != 0
        if wants_out and not self.leaving:
            leave = Leave(self.symbol, Reason(reason))
        self.leaving = bool(wants_out)
        entry = self._entry()
        if entry != self._sent:
            drop = Drop(self.symbol) if self._sent else None
            enter = self._enter() if entry else None
            self._sent = entry
        return leave, drop, enter

    def _entry(self) -> bytes:
        """The working entry of the record, as something that can be compared (NaN too); empty: none."""
        if self.record["entry_side"] == 0:
            return b""
        return pack("7d", *(float(self.record[name]) + 0.0 for name in _ENTRY_FIELDS))

    def _enter(self) -> Enter:
        record, rules = self.record, self.rules
        side = int(record["entry_side"])
        return Enter(
            self.symbol,
            side,
            float(record["entry_left"]),
            EntryKind(int(record["entry_kind"])),
            float(record["entry_price"]),
            Protection(
                on_tick(rules.tick, -side, float(record["entry_stop"])),
                on_tick(rules.tick, -side, float(record["entry_target"])),
                rules.stop,
                rules.target,
                rules.trail,
                float(record["entry_atr"]),
            ),
            self.sized_at,
        )


class LivePool(Pool):
    """The instruments of a live run and their cash; fills come from an exchange, bars when they are over."""

    books: list[LiveBook]
    by_symbol: dict[str, LiveBook]

    def __init__(
        self,
        symbols: Sequence[str],
        timeframe_ns: int,
        rules: TradingRules,
        charges: RecordArray,
        bars_per_year: float,
        own: Mapping[str, Terms] | None = None,
    ) -> None:
        super().__init__(rules, charges, bars_per_year, symbols, own)
        self.books = [
            LiveBook(symbol, j, self.accounts[j], self.terms[symbol], timeframe_ns)
            for j, symbol in enumerate(symbols)
        ]
        self.by_symbol = {book.symbol: book for book in self.books}
        self.only = self.books[0] if len(self.books) == 1 else None
        self.warming = True  # bars of the past: nothing is let in
        self.past_day = 0  # of these bars
        self.before_bar = False  # while callbacks before a bar run: on_session, on_time
        self.began_ns = 0  # since the open, when the bar begins that those callbacks come before
        self._timeframe_ns = timeframe_ns
        self._hours: Hours | None = None
        self._day = -1
        self._sessions = 0  # that have begun, those of the warm-up included
        self.auction: Mapping[str, float] = {}

    @property
    def session(self) -> LiveSession:
        return self.hours.session

    @property
    def hours(self) -> Hours:
        """Of the present session.  Errors: `InvalidValueError` before the first one."""
        if self._hours is None:
            raise InvalidValueError(
                "no session has begun", hint="say on_session before fills, bars or the clock"
            )
        return self._hours

    def may_enter(self, j: int, signal: int) -> bool:
        book = self.books[j]
        if self.warming:
            return False
        if self.before_bar and not book.today:
            return self.hours.leaves_ns != 0 and not self.hours.is_early(self.began_ns)
        return bool(book.allowed & signal)

    def auction_price(self, j: int) -> float:
        return self.auction.get(self.books[j].symbol, nan)

    def day_now(self, j: int) -> int:
        return self.hours.session.day

    @property
    def today(self) -> int:
        return self.past_day if self.warming else self.hours.session.day

    def book_of(self, symbol: str) -> LiveBook:
        """Errors: `InvalidValueError` for an instrument that is not in this run."""
        try:
            return self.by_symbol[symbol]
        except KeyError as error:
            raise InvalidValueError(
                f"no instrument {symbol!r} in this run", hint=f"there are: {', '.join(self.by_symbol)}"
            ) from error

    def warmed_up(self) -> None:
        """The bars of the past are in."""
        self.warming = False
        for book in self.books:
            book.know()
            if book.i >= 0:
                self._sessions = max(self._sessions, 1 + int(book.series.session[book.i]))
                self._day = max(self._day, int(book.series.day[book.i]))
        for book in self.books:
            book.today = book.i >= 0 and int(book.series.day[book.i]) == self._day

    def begin(self, session: LiveSession, auction: Mapping[str, float]) -> bool:
        """A trading day begins; False for a second call, which only says what has become known since."""
        self.auction = auction
        self._hours = Hours(session, self._timeframe_ns)
        if session.day == self._day:
            return False
        self._day = session.day
        self._sessions += 1
        for book in self.books:
            book.today = book.squared = False
        return True

    def take(self, book: LiveBook, bar: Bar) -> None:
        """A bar is over.  Errors: `InvalidValueError` for one outside the session, or not in order."""
        hours = self.hours
        session = hours.session
        if not session.open_ns <= bar.start_ns < session.close_ns:
            raise InvalidValueError(
                f"{book.symbol}: the bar at {bar.start_ns} does not lie in the session from {session.open_ns} to "
                f"{session.close_ns}",
                hint="say on_session before the first bar of each day",
            )
        minute = (bar.start_ns - session.open_ns) // NANOSECONDS_PER_MINUTE
        book.series.append(bar, self._sessions - 1, minute, session.day)
        book.know()
        book.today = True
        book.allowed = hours.allowed(bar.start_ns)

    def look_back(self, book: LiveBook) -> None:
        """Time exits, ruin and the age of an entry, at the close that was just taken."""
        close_at(self.accounts, book.j, book.numbers, book.i, book.last)

    def square_off(self, book: LiveBook, now_ns: int) -> None:
        """Leave and cancel what is intraday, when the bar at whose open it leaves begins."""
        hours = self.hours
        leaves = hours.leaves_ns
        if leaves is None or book.squared or now_ns < hours.session.open_ns + leaves:
            return
        book.squared = True
        book.drop()
        if book.record["quantity"] != 0.0:
            self.want_out(book, Reason.SQUARE_OFF)

    def book_fill(self, fill: LiveFill) -> RecordArray:
        """Book an execution; the fill records that it made.

        What nobody waits for any more is booked too, because it is held, and left again.  In a reversal the entry's fill
        may come before that of the exit: units are alike, so the first one closes and the later one enters.
        Errors: `InvalidValueError` for an unknown instrument, side, or a number that is not positive.
        """
        book, record = self.book_of(fill.symbol), self.book_of(fill.symbol).record
        check_fill(fill)
        hours = self.hours
        # before the first bar of a day is over it is in that bar, however long after the last one it comes
        opening = not book.today and fill.at_ns >= hours.session.open_ns
        index = book.series.count if opening else book.index_of(fill.at_ns)
        if index == book.series.count:
            book.filled_in(hours.start_of(fill.at_ns))
        book.hold_room(3)
        held = float(record["quantity"])
        where = (self.accounts, book.j, book.numbers, book.charges, self.levies, book.fills, book.trades)
        what = (index, hours.session.day, fill.side, fill.price)
        left = fill.quantity
        if held * fill.side < 0.0:
            reason = Reason.SIGNAL if fill.reason is Reason.ENTRY else fill.reason
            taken = min(left, abs(held))
            leave_at(*where, *what, taken, int(reason))
            left -= taken
            book.leaving = bool(record["quantity"] != 0.0 and record["exit_reason"] != 0)  # its order goes on
            if fill.reason is Reason.ENTRY and record["entry_side"] == fill.side:
                book.crossed += taken
        if left > DUST * fill.quantity:
            waits = record["entry_side"] == fill.side
            swapped = waits and fill.reason is not Reason.ENTRY and book.crossed > DUST * left
            entered = (
                left if waits and fill.reason is Reason.ENTRY else min(left, book.crossed) if swapped else 0.0
            )
            if entered:
                enter_at(*where, *what, entered)
                book.entry_shrank()
                book.crossed -= entered if swapped else 0.0
            if left - entered > DUST * fill.quantity:
                surplus_at(*where, *what, left - entered)
        made = book.fills[book.told : int(record["fills"])].copy()
        book.told += len(made)
        self.pay(book, made)
        return made

    def entry_gone(self, symbol: str) -> None:
        """What is left of the entry will not fill."""
        book = self.book_of(symbol)
        if book.record["entry_side"] != 0 and book.record["entry_fresh"] == 1:
            book.record["refused"] += 1
        book.drop()
        book.forget_entry()

    def wants(self) -> list[Want]:
        """What has changed since the last time: first what leaves, then what is dropped, then what enters."""
        leaves, drops, enters = zip(*(book.changes() for book in self.books), strict=True)
        return [want for group in (leaves, drops, enters) for want in group if want is not None]

    def leaving(self) -> dict[str, Reason]:
        """Instruments that are held and are to be left, whether or not it was asked for, and why."""
        return {
            book.symbol: Reason(int(book.record["exit_reason"]))
            for book in self.books
            if book.record["quantity"] != 0.0 and book.record["exit_reason"] != 0
        }

    def trades(self) -> list[LiveTrade]:
        """The closed trades, in the order of their last bars."""
        made = [
            trade_of(each, book.symbol, book.start_of)
            for book in self.books
            for each in book.trades[: int(book.record["trades"])]
        ]
        return sorted(made, key=lambda trade: trade.exit_ns)
