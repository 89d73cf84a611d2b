"""The rules that are in force for an account, each with its limits and the book that it is asked for.

They are bound once for each name (strategy, instrument, sector), when it is first needed: a check asks what it finds.
"""

from dataclasses import dataclass

from trademantra.trading.risk.books import Book
from trademantra.trading.risk.limits import BookLimits, BreachAction, EffectiveLimits, Scope
from trademantra.trading.risk.rules.orders import ORDER_RULES
from trademantra.trading.risk.rules.positions import INSTRUMENT_RULES, SECTOR_RULES
from trademantra.trading.risk.rules.registry import BOOK_RULES
from trademantra.trading.risk.rules.results import RESULT_RULES
from trademantra.trading.risk.rules.rule import AnyRule, BookCheck, OrderCheck, ResultRule
from trademantra.trading.risk.state import RiskState


@dataclass(slots=True)
class Bound:
    """A rule with the limits and the book that it is asked for."""

    rule: AnyRule
    check: OrderCheck
    book: Book
    action: BreachAction


@dataclass(slots=True)
class Watched:
    """A result rule.  `told`: its requests were handed out, and its breach has not passed since."""

    rule: ResultRule
    check: BookCheck
    book: Book
    action: BreachAction
    told: bool = False


class AccountRules:
    """Of one account.  `books` and `watched` are those of the whole account and of its user."""

    __slots__ = ("_instruments", "_orders", "_sectors", "_state", "_strategies", "account_id", "books", "limits", "user_id", "watched")  # fmt: skip

    def __init__(self, account_id: str, user_id: str, limits: EffectiveLimits, state: RiskState) -> None:
        self.account_id, self.user_id, self.limits, self._state = account_id, user_id, limits, state
        account, user = state.book(Scope.ACCOUNT, account_id), state.book(Scope.USER, account_id)
        mine, users = limits.account(), limits.user()
        self.books = (*_bound_book(limits, mine, account), *_bound_book(limits, users, user))
        self.watched = (*_watched(limits, mine, account), *_watched(limits, users, user))
        self._orders: dict[str, tuple[Bound, ...]] = {}
        self._strategies: dict[str, tuple[Watched, ...]] = {}
        self._instruments: dict[str, tuple[Bound, ...]] = {}
        self._sectors: dict[str, tuple[Bound, ...]] = {}

    def of_strategy(self, strategy_id: str) -> tuple[Watched, ...]:
        """What its results are watched for."""
        found = self._strategies.get(strategy_id)
        if found is None:
            book = self._state.book(Scope.STRATEGY, self.account_id, strategy_id)
            found = self._strategies[strategy_id] = _watched(
                self.limits, self.limits.strategy(strategy_id), book
            )
        return found

    def of_orders(self, strategy_id: str) -> tuple[Bound, ...]:
        """Of a single order of a strategy, and of the strategy's book."""
        found = self._orders.get(strategy_id)
        if found is None:
            limits = self.limits
            book = self._state.book(Scope.STRATEGY, self.account_id, strategy_id)
            order_limits = limits.order(strategy_id)
            found = self._orders[strategy_id] = (
                *(
                    Bound(rule, check, book, limits.action(rule.code) or rule.default)
                    for rule in ORDER_RULES
                    if (check := rule.bind(order_limits)) is not None
                ),
                *_bound_book(limits, limits.strategy(strategy_id), book),
            )
        return found

    def of_instrument(self, key: str) -> tuple[Bound, ...]:
        found = self._instruments.get(key)
        if found is None:
            limits, book = self.limits, self._state.book(Scope.INSTRUMENT, self.account_id, key)
            mine = limits.instrument(key)
            found = self._instruments[key] = tuple(
                Bound(rule, check, book, limits.action(rule.code) or rule.default)
                for rule in INSTRUMENT_RULES
                if (check := rule.bind(mine, book)) is not None
            )
        return found

    def of_sector(self, book: Book) -> tuple[Bound, ...]:
        found = self._sectors.get(book.name)
        if found is None:
            limits, whole = self.limits, self._state.book(Scope.ACCOUNT, self.account_id)
            mine = limits.sector(book.name)
            found = self._sectors[book.name] = tuple(
                Bound(rule, check, book, limits.action(rule.code) or rule.default)
                for rule in SECTOR_RULES
                if (check := rule.bind(mine, book, whole)) is not None
            )
        return found


def _bound_book(limits: EffectiveLimits, mine: BookLimits, book: Book) -> tuple[Bound, ...]:
    return tuple(
        Bound(rule, check, book, limits.action(rule.code) or rule.default)
        for rule in BOOK_RULES
        if (check := rule.bind(mine, book)) is not None
    )


def _watched(limits: EffectiveLimits, mine: BookLimits, book: Book) -> tuple[Watched, ...]:
    return tuple(
        Watched(rule, check, book, limits.action(rule.code) or rule.default)
        for rule in RESULT_RULES
        if (check := rule.bind(mine, book)) is not None
    )
