"""The accounts that a process serves, and the books in which their limits add up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.trading.risk.books import NOTHING, Book, BookKey, Stop
from trademantra.trading.risk.limits import Scope


@dataclass(frozen=True, slots=True)
class _Account:
    user_id: str
    currency: str


@dataclass(slots=True)
class AccountBooks:
    """A book for each strategy, account, user, instrument and sector, made when it is first asked for."""

    _accounts: dict[str, _Account] = field(default_factory=dict)
    _books: dict[BookKey, Book] = field(default_factory=dict)

    def account_opened(self, account_id: str, user_id: str, currency: str = "INR") -> None:
        """From now on orders may name this account.  Twice is once."""
        told = _Account(user_id, currency)
        if self._accounts.setdefault(account_id, told) != told:
            raise InvalidValueError(f"account {account_id} is open already, for another user or currency")

    def knows(self, account_id: str) -> bool:
        return account_id in self._accounts

    def user_of(self, account_id: str) -> str:
        return self._account(account_id).user_id

    def currency_of(self, account_id: str) -> str:
        return self._account(account_id).currency

    def accounts(self) -> Sequence[str]:
        return list(self._accounts)

    def book(self, scope: Scope, account_id: str, name: str = "") -> Book:
        """The book of a strategy, instrument or sector by `name`; of the account, or of its user, without one."""
        account = self._account(account_id)
        if scope is Scope.ACCOUNT:
            key: BookKey = (scope, account_id, account_id)
        elif scope is Scope.USER:
            key = (scope, account.currency, account.user_id)
        else:
            key = (scope, account_id, name)
        found = self._books.get(key)
        if found is None:
            found = self._books[key] = Book(scope, account_id, key[2])
        return found

    def result_books(self, account_id: str) -> Sequence[Book]:
        """Those that hold results of an account: its own, its user's and its strategies'."""
        own = (self.book(Scope.ACCOUNT, account_id), self.book(Scope.USER, account_id))
        strategies = [
            book
            for (scope, of, _), book in self._books.items()
            if scope is Scope.STRATEGY and of == account_id
        ]
        return [*own, *strategies]

    def capital(self, account_id: str, amount: Decimal | None) -> None:
        """Own money in an account; None: not known.  A user's is the sum of what is known of all accounts, or unknown."""
        self.book(Scope.ACCOUNT, account_id).capital = amount
        mine = self._account(account_id)
        each = [
            self.book(Scope.ACCOUNT, other).capital
            for other, account in self._accounts.items()
            if account == mine
        ]
        known = [one for one in each if one is not None]
        self.book(Scope.USER, account_id).capital = sum(known, NOTHING) if len(known) == len(each) else None

    def strategy_capital(self, account_id: str, strategy_id: str, amount: Decimal | None) -> None:
        """What of the account's money a strategy may work with."""
        self.book(Scope.STRATEGY, account_id, strategy_id).capital = amount

    def pause(self, account_id: str, strategy_id: str, text: str) -> None:
        """Refuse a strategy's entries until `release`."""
        book = self.book(Scope.STRATEGY, account_id, strategy_id)
        book.stops["paused"] = Stop("paused", text)

    def release(self, scope: Scope, account_id: str, name: str, rule: str) -> bool:
        """Lift a stop.  False when there was none.

        Drawdown and profit lock count anew from the present result.  A loss of the day stays one: its stop comes back
        at the next look, unless the limit was raised.
        """
        book = self.book(scope, account_id, name)
        if rule == "drawdown" and rule in book.stops:
            book.highest = book.result
        if rule == "profit_lock" and rule in book.stops:
            book.highest_today = book.result_today
        return book.stops.pop(rule, None) is not None

    def _account(self, account_id: str) -> _Account:
        found = self._accounts.get(account_id)
        if found is None:
            raise NotFoundError(f"the risk gate does not know account {account_id!r}", hint="open it first")
        return found
