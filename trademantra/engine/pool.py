"""Instruments that share one portfolio: what a back-test of callbacks and a live run have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import inf, nan, sqrt

import numpy as np

from trademantra.engine.account import open_account
from trademantra.engine.bars import Bars
from trademantra.engine.charging import LEVY_COUNT
from trademantra.engine.compile import compiled
from trademantra.engine.records import ACCOUNT, FILL, RULES, TRADE, Reason, RecordArray, SizeKind
from trademantra.engine.rules import TradingRules
from trademantra.engine.signature import INDEX, NOTHING, NUMBER, records
from trademantra.engine.step import size_entry
from trademantra.engine.terms import MemberTerms, Terms
from trademantra.markets.charges.numeric import CHARGE_RULE

PLENTY = 1e300  # cash of a portfolio member between its steps: ruin is the portfolio's, not the member's


@compiled(NOTHING(records(ACCOUNT), records(RULES)))
def open_all(accounts: RecordArray, rules: RecordArray) -> None:
    for j in range(len(accounts)):
        open_account(accounts[j], rules[0])


@compiled(NOTHING(records(ACCOUNT), INDEX, records(RULES), records(CHARGE_RULE), NUMBER, INDEX))
def size_entry_at(
    accounts: RecordArray, j: int, rules: RecordArray, charges: RecordArray, price: float, day: int
) -> None:
    """`step.size_entry` for account j."""
    size_entry(accounts[j], rules[0], charges, price, day)


class Member(ABC):
    """One instrument of a portfolio: its account record, its terms, and how far its bars are known."""

    def __init__(self, symbol: str, j: int, record: np.void, terms: MemberTerms) -> None:
        self.symbol, self.j, self.record = symbol, j, record
        self.rules, self.numbers, self.charges = terms.rules, terms.numbers, terms.charges
        self.i = -1  # the last bar whose close is known
        self.due = 0  # the next bar at which orders meet prices
        self.last = nan  # the last known price
        self.sized_at = nan  # the price at which the working entry was sized, as live
        self.flow = 0.0  # cash that its fills have brought, as live
        self.told = 0  # fills that the strategy has been told of
        self.fills = np.empty(64, FILL)
        self.trades = np.empty(64, TRADE)

    @abstractmethod
    def past(self) -> Bars:
        """The finished bars so far, read-only."""

    @property
    @abstractmethod
    def level_scale(self) -> float:
        """Grid steps in one unit of price, for levels; see `grid.level_scale_of`."""

    @property
    @abstractmethod
    def atr_now(self) -> float:
        """ATR at the last close; NaN before there is one."""

    @property
    @abstractmethod
    def deviation_now(self) -> float:
        """Deviation of returns at the last close; NaN before there is one."""

    def hold_room(self, most: int) -> None:
        """Space for so many more fills, and as many trades."""
        if self.told + most > len(self.fills):
            self.fills = np.concatenate([self.fills, np.empty(len(self.fills) + most, FILL)])
        if self.told + most > len(self.trades):  # never more trades than fills
            self.trades = np.concatenate([self.trades, np.empty(len(self.trades) + most, TRADE)])


class Pool(ABC):
    """The members of a run and the cash that they share.

    With one instrument its record holds the cash.  With several, `pool` does, and the records hold plenty between
    the moments at which they are asked what they can afford.
    """

    books: Sequence[Member]
    by_symbol: Mapping[str, Member]
    only: Member | None

    def __init__(
        self,
        rules: TradingRules,
        charges: RecordArray,
        bars_per_year: float,
        symbols: Sequence[str],
        own: Mapping[str, Terms] | None,
    ) -> None:
        count = len(symbols)
        self.rules = rules
        self.record = rules.record(bars_per_year)
        common = MemberTerms(rules, self.record, charges)
        self.terms = {
            symbol: MemberTerms.made(rules, charges, bars_per_year, own[symbol])
            if own and symbol in own
            else common
            for symbol in symbols
        }
        self.accounts = np.zeros(count, ACCOUNT)
        self.levies = np.zeros(LEVY_COUNT)
        self.pool = rules.cash
        self.refused = 0
        self.own_sizes = 0
        self._may_ruin = count > 1 and (rules.allow_short or rules.margin < 1.0)
        open_all(self.accounts, self.record)
        if count > 1 and rules.as_live:
            self.accounts["cash"] = PLENTY

    @abstractmethod
    def may_enter(self, j: int, signal: int) -> bool:
        """Whether the hours let an entry in that is decided now."""

    @abstractmethod
    def auction_price(self, j: int) -> float:
        """Before a session: the price of the pre-open auction; NaN where there is none."""

    @abstractmethod
    def day_now(self, j: int) -> int:
        """The day since 1970-01-01 on which what is decided now is charged."""

    @property
    @abstractmethod
    def today(self) -> int:
        """The trading day, since 1970-01-01: of the session that runs, or of the last bar that is known."""

    @property
    def equity(self) -> float:
        """Cash and positions at their last known prices."""
        if self.only is not None:
            held, unit = float(self.only.record["quantity"]), self.only.rules.multiplier
            return float(self.only.record["cash"]) + (held * unit * self.only.last if held else 0.0)
        return self.pool + sum(
            float(book.record["quantity"]) * book.rules.multiplier * book.last
            for book in self.books
            if book.record["quantity"] != 0.0
        )

    def want_out(self, book: Member, reason: Reason) -> None:
        """`step.want_out` for one member."""
        if not self.rules.as_live or book.record["exit_reason"] == 0:
            book.record["exit_reason"] = int(reason)
        book.due = book.i + 1

    def deviation_of(self, book: Member) -> float:
        """Deviation of returns at the last close; NaN before there is one.

        For inverse volatility it is raised so far that the parts of all instruments together take no more than equity.
        """
        own = book.deviation_now
        if self.rules.size.kind is not SizeKind.INVERSE_VOLATILITY or self.only is not None:
            return own
        known = [other.deviation_now for other in self.books]
        yearly = sqrt(float(self.record["size_periods"][0]))
        return own * max(1.0, sum(self.rules.size.value / (each * yearly) for each in known if each > 0.0))

    def size_entry(self, book: Member, price: float) -> None:
        """As live: size the working entry of `book` at the `price` known now, by what the others leave of equity.

        Positions that are leaving tie nothing; entries that work do, as a broker blocks their margin.
        """
        record = book.record
        book.sized_at = price
        if self.only is None:
            tied, taken = 0.0, 0
            for other in self.books:
                if other is book:
                    continue
                held, mine, unit = other.record, 0.0, other.rules.multiplier
                if held["quantity"] != 0.0 and held["exit_reason"] == 0:
                    mine += abs(float(held["quantity"])) * unit * other.last
                if held["entry_side"] != 0:
                    mine += float(held["entry_left"]) * unit * other.sized_at
                tied += mine
                taken += mine != 0.0
            record["cash"] = self.equity - (
                float(record["quantity"]) * book.rules.multiplier * book.last
                if record["quantity"] != 0.0
                else 0.0
            )
            full = 0 < self.rules.slots <= taken
            record["reserved"] = inf if full else tied * self.rules.margin
        size_entry_at(self.accounts, book.j, book.numbers, book.charges, price, self.day_now(book.j))
        if self.only is None:
            record["cash"] = PLENTY

    def pay(self, book: Member, fills: RecordArray) -> None:
        """As live, with several members: take from the shared cash what these fills of `book` have cost.

        Added up member by member, so that the order in which those of different members come changes no bit.
        """
        if self.only is not None:
            return
        for fill in fills:
            value = float(fill["price"]) * float(fill["quantity"]) * book.rules.multiplier
            book.flow -= int(fill["side"]) * value + float(fill["costs"])
        self.pool = self.rules.cash + sum(each.flow for each in self.books)

    def leave_when_ruined(self) -> None:
        """Without equity every position leaves at its next open.  (A single account sees to it in its step.)"""
        if not self._may_ruin:
            return
        held = [book for book in self.books if book.record["quantity"] != 0.0]
        if held and self.equity <= 0.0:
            for book in held:
                if book.record["exit_reason"] == 0:
                    self.want_out(book, Reason.MARGIN)
