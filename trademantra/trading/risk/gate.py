"""The risk gate: every order passes here before anything is written or sent (DESIGN section 3).

The invariant that stands above all limits: **an order that reduces is always allowed**, also when its strategy is
paused, its account stopped or everything killed.  An order reduces when it makes the |position| of its strategy,
instrument and product smaller and would not cross zero, given all other orders that already work to that end.  An exit
for more is cut to what is left to close.  An order that would close and then open the other side is an entry; when it is
refused, the part that closes is allowed.

For everything else: no sequence of allowed orders leads beyond a limit, counting all that works as if it filled on its
worse side, at the prices known at that moment.  A later price can carry a book beyond; `watch` sees that.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from trademantra.core.errors import NotFoundError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Side
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.risk.binding import AccountRules, Bound, Watched
from trademantra.trading.risk.books import NOTHING, Book, Holding, Stop
from trademantra.trading.risk.decisions import BreachRequest, Decision, Flatten, Outcome, PauseStrategy
from trademantra.trading.risk.limits import (
    BreachAction,
    EffectiveLimits,
    NoPlan,
    PlanLimits,
    RiskLimits,
    Scope,
)
from trademantra.trading.risk.rules.rule import (
    Asked,
    Breach,
    OrderCheck,
    OrderRule,
    ResultRule,
)
from trademantra.trading.risk.state import RiskState


class EntryBlock(Protocol):
    """What may block entries from outside the limits: the kill switch."""

    def blocking(self, user_id: str, account_id: str, strategy_id: str, now_ns: int) -> str | None:
        """Why entries are blocked, or None."""
        ...


class RiskGate:
    """Answers synchronously, in microseconds, from memory.  Limits are set before the first order of an account.

    `plans` is asked when limits are set; the tighter of account's and plan's wins.
    """

    def __init__(self, state: RiskState, block: EntryBlock, plans: PlanLimits | None = None) -> None:
        self.state = state
        self._block = block
        self._plans: PlanLimits = NoPlan() if plans is None else plans
        self._accounts: dict[str, AccountRules] = {}

    def set_limits(self, account_id: str, *owners: RiskLimits) -> None:
        """Put the limits of an open account in force, at once, all together the tighter.

        Live accounts in India pass `INDIA_LIVE_LIMITS` beside their own.  Errors: `NotFoundError` for an account that is
        not open.
        """
        user_id = self.state.user_of(account_id)
        limits = EffectiveLimits((*owners, self._plans.limits_of(user_id)))
        self._accounts[account_id] = AccountRules(account_id, user_id, limits, self.state)

    def limits(self, account_id: str) -> EffectiveLimits:
        """What is in force.  Errors: `NotFoundError` before `set_limits`."""
        found = self._accounts.get(account_id)
        if found is None:
            raise NotFoundError(f"no limits are set for account {account_id!r}")
        return found.limits

    def check(self, intent: OrderIntent, now_ns: int) -> Decision:
        """Allow, reduce or refuse.  Tell the state (`order_taken`) what was allowed before anything is awaited."""
        if not self.state.knows(intent.account_id):
            return _unknown_account(intent)
        holding = self.state.holding(
            intent.account_id, intent.strategy_id, intent.instrument, intent.product, intent.sector
        )
        free = self._free_to_close(intent, holding)
        if 0 < intent.quantity <= free:
            return Decision(Outcome.ALLOW, intent.quantity)
        if intent.purpose is Purpose.EXIT:
            return self._cut_exit(intent, holding, free)
        decision = self._check_entry(intent, holding, now_ns)
        if free > decision.quantity:
            return Decision(
                Outcome.REDUCE, free, decision.rule, f"{decision.text}; the {free} that close are allowed",
                decision.retry_ns, decision.requests,
            )  # fmt: skip
        return decision

    def check_change(self, intent: OrderIntent, added: Decimal, now_ns: int) -> Decision:
        """A working order is to have the terms of `intent`, by which `added` more units may fill (negative: fewer).

        An exit may take any price, and grow by what is left to close: `REDUCE` says to which quantity.
        An entry must keep the limits of one order as a whole, and all others with what is added; while it is killed,
        paused or stopped it may only shrink.
        """
        if not self.state.knows(intent.account_id):
            return _unknown_account(intent)
        holding = self.state.holding(
            intent.account_id, intent.strategy_id, intent.instrument, intent.product, intent.sector
        )
        if intent.purpose is Purpose.EXIT:
            free = self._free_to_close(intent, holding)
            if added <= free:
                return Decision(Outcome.ALLOW, intent.quantity)
            text = f"{added} more of {holding.instrument.key} were to be closed, {free} are held and not yet being closed"
            if free > 0:
                return Decision(
                    Outcome.REDUCE, intent.quantity - added + free, "exit_beyond_held", f"{text}; cut to that"
                )
            return Decision(Outcome.REFUSE, NOTHING, "exit_beyond_held", text)
        return self._check_changed_entry(intent, holding, added, now_ns)

    def free_to_close(self, intent: OrderIntent) -> Decimal:
        """What an order like this may close, beyond what works to that end already: up to here it is no entry."""
        holding = self.state.held(
            intent.account_id, intent.strategy_id, intent.instrument.key, intent.product
        )
        return NOTHING if holding is None else self._free_to_close(intent, holding)

    def watch(self, now_ns: int) -> Sequence[BreachRequest]:
        """What losses ask for since the last look: call it after prices and fills.  Each breach asks once."""
        requests: list[BreachRequest] = []
        for account in self._accounts.values():
            for watched in account.watched:
                requests += self._examined(watched, now_ns)[1]
            for account_id, strategy_id in self.state.book(Scope.ACCOUNT, account.account_id).strategies:
                if account_id == account.account_id:
                    for watched in account.of_strategy(strategy_id):
                        requests += self._examined(watched, now_ns)[1]
        return requests

    def rules_in_force(
        self, account_id: str, strategy_id: str, instrument: Instrument, sector: str = ""
    ) -> Sequence[tuple[str, Book, BreachAction]]:
        """What an entry would have to pass, beside the kill switch and pauses: rule code, whose book, what a breach does."""
        account = self._accounts.get(account_id)
        if account is None:
            raise NotFoundError(f"no limits are set for account {account_id!r}")
        book = self.state.book(Scope.SECTOR, account_id, self.state.sector_of(instrument, sector))
        bound: Sequence[Bound | Watched] = [
            *account.of_strategy(strategy_id), *account.watched, *account.of_orders(strategy_id),
            *account.books, *account.of_instrument(instrument.key), *account.of_sector(book),
        ]  # fmt: skip
        return [(each.rule.code, each.book, each.action) for each in bound]

    # -- entries

    def _free_to_close(self, intent: OrderIntent, holding: Holding) -> Decimal:
        """What an order of this side may close, beyond what works to that end already; of a pair, once."""
        held = holding.held.quantity
        if not held or (held > 0) == (intent.side is Side.BUY):
            return NOTHING
        return holding.free_to_close() + self.state.pair_room(
            holding, intent.side, intent.intent_id, intent.exit_with
        )

    def _check_entry(self, intent: OrderIntent, holding: Holding, now_ns: int) -> Decision:
        account = self._accounts.get(intent.account_id)
        if account is None:
            return _no_limits(intent)
        stopped = self._stopped(account, intent, holding, now_ns)
        if stopped is not None:
            return stopped
        asked = Asked(intent, intent.quantity, now_ns, self.state, holding.market, holding, NOTHING, NOTHING)
        asked.resize(intent.quantity)
        cut: tuple[str, str] | None = None
        for bound_rules in (
            account.of_orders(intent.strategy_id),
            account.books,
            account.of_instrument(holding.instrument.key),
            account.of_sector(holding.sector_book),
        ):
            for bound in bound_rules:
                breach = bound.check(asked)
                if breach is None:
                    continue
                if bound.action is BreachAction.REDUCE and _cut(asked, breach, bound.check):
                    cut = (bound.rule.code, f"{breach.text}; cut to {asked.quantity}")
                    continue
                return _refused(bound, breach, intent)
        if cut is None:
            return Decision(Outcome.ALLOW, asked.quantity)
        return Decision(Outcome.REDUCE, asked.quantity, *cut)

    def _check_changed_entry(
        self, intent: OrderIntent, holding: Holding, added: Decimal, now_ns: int
    ) -> Decision:
        """As a new entry, but that it is no second trade and no repetition of itself."""
        account = self._accounts.get(intent.account_id)
        if account is None:
            return _no_limits(intent)
        asked = Asked(intent, intent.quantity, now_ns, self.state, holding.market, holding, NOTHING, NOTHING)
        stopped = self._stopped(account, intent, holding, now_ns)
        if stopped is not None:
            return stopped
        asked.resize(intent.quantity)
        of_order = account.of_orders(intent.strategy_id)
        for bound in of_order:
            if isinstance(bound.rule, OrderRule) and bound.rule.code != "duplicate":
                breach = bound.check(asked)
                if breach is not None:
                    return _refused(bound, breach, intent)
        if added <= 0:
            return Decision(Outcome.ALLOW, intent.quantity)
        asked.resize(added)
        for bound in (
            *of_order, *account.books, *account.of_instrument(holding.instrument.key),
            *account.of_sector(holding.sector_book),
        ):  # fmt: skip
            if isinstance(bound.rule, OrderRule) or bound.rule.code == "trades_per_day":
                continue
            breach = bound.check(asked)
            if breach is not None:
                return _refused(bound, breach, intent)
        return Decision(Outcome.ALLOW, intent.quantity)

    def _stopped(
        self, account: AccountRules, intent: OrderIntent, holding: Holding, now_ns: int
    ) -> Decision | None:
        """Why no entry passes at the moment, whatever its terms."""
        strategy_id = intent.strategy_id
        killed = self._block.blocking(account.user_id, account.account_id, strategy_id, now_ns)
        if killed is not None:
            return Decision(Outcome.REFUSE, NOTHING, "killed", killed)
        for book in holding.result_books:
            if book.stops and (paused := book.stops.get("paused")) is not None:
                return Decision(
                    Outcome.REFUSE, NOTHING, "paused", f"{book} is paused: {paused.text}; release it first"
                )
        for watched_rules in (account.of_strategy(strategy_id), account.watched):
            for watched in watched_rules:
                if not watched.book.stops and watched.check(now_ns) is None:
                    watched.told = False
                    continue
                breach, requests = self._examined(watched, now_ns)
                if breach is not None:
                    return Decision(
                        Outcome.REFUSE, NOTHING, watched.rule.code, breach.text, breach.retry_ns, tuple(requests)
                    )  # fmt: skip
        return None

    def _cut_exit(self, intent: OrderIntent, holding: Holding, free: Decimal) -> Decision:
        held, key = holding.held.quantity, holding.instrument.key
        if free > 0:
            return Decision(
                Outcome.REDUCE, free, "exit_beyond_held",
                f"{intent.quantity} of {key} were to be closed, {free} are held and not yet being closed; cut to that",
            )  # fmt: skip
        if held and (held > 0) == (intent.side is Side.SELL):
            covered = self.state.closing_orders(holding)
            return Decision(
                Outcome.REFUSE, NOTHING, "exit_covered",
                f"orders that work already close all {abs(held)} of {key}; cancel or change one of them first",
                covered_by=covered,
            )  # fmt: skip
        return Decision(
            Outcome.REFUSE, NOTHING, "nothing_to_exit",
            f"strategy {intent.strategy_id} holds nothing of {key} ({intent.product}) that a {intent.side} would close",
        )  # fmt: skip

    # -- what a book has become

    def _examined(self, watched: Watched, now_ns: int) -> tuple[Breach | None, Sequence[BreachRequest]]:
        """The breach of a result rule, and what it asks for the first time that it is seen.

        A stop holds until it is lifted, whatever the result does since.  One that was restored asks again: nobody knows
        whether it was carried out.
        """
        rule, book = watched.rule, watched.book
        stop = book.stops.get(rule.code)
        if stop is not None:
            breach: Breach | None = Breach(stop.text)
        else:
            breach = watched.check(now_ns)
            if breach is None:
                watched.told = False
                return None, ()
            if breach.unknown:
                return breach, ()
            if rule.stops:
                book.stops[rule.code] = Stop(rule.code, breach.text, rule.for_the_day)
        if watched.told or breach is None:
            return breach, ()
        watched.told = True
        return breach, _book_requests(rule, watched.action, book, breach.text)


def _cut(asked: Asked, breach: Breach, check: OrderCheck) -> bool:
    """Make the order as small as the breach asks, in whole lots; False when nothing would be left."""
    if breach.fits is None or breach.fits <= 0:
        return False
    lot = asked.intent.instrument.lot_size
    quantity = min(breach.fits, asked.quantity) // lot * lot
    if quantity <= 0:
        return False
    asked.resize(quantity)
    return check(asked) is None


def _refused(bound: Bound, breach: Breach, intent: OrderIntent) -> Decision:
    return Decision(
        Outcome.REFUSE,
        NOTHING,
        bound.rule.code,
        breach.text,
        breach.retry_ns,
        _requests(bound, breach, intent),
    )


def _unknown_account(intent: OrderIntent) -> Decision:
    text = f"account {intent.account_id} is not open here; open it first"
    return Decision(Outcome.REFUSE, NOTHING, "unknown_account", text)


def _no_limits(intent: OrderIntent) -> Decision:
    text = f"no limits are set for account {intent.account_id}; set them first"
    return Decision(Outcome.REFUSE, NOTHING, "no_limits", text)


def _requests(bound: Bound, breach: Breach, intent: OrderIntent) -> tuple[BreachRequest, ...]:
    """What a breach of an order's rule asks for.  A rule of the order alone concerns its strategy."""
    if breach.unknown:
        return ()
    if bound.action is BreachAction.PAUSE_STRATEGY:
        return (PauseStrategy(intent.account_id, intent.strategy_id, bound.rule.code, breach.text),)
    if bound.action is BreachAction.FLATTEN:
        return (
            Flatten(bound.book.scope, bound.book.account_id, bound.book.name, bound.rule.code, breach.text),
        )
    return ()


def _book_requests(rule: ResultRule, action: BreachAction, book: Book, text: str) -> Sequence[BreachRequest]:
    if action is BreachAction.PAUSE_STRATEGY:
        return [PauseStrategy(account, strategy, rule.code, text) for account, strategy in book.strategies]
    if action is BreachAction.FLATTEN:
        return [Flatten(book.scope, book.account_id, book.name, rule.code, text)]
    return ()
