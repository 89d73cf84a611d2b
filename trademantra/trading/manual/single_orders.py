"""Single orders that a person ends or changes, on the road that every order takes.

Invariants:
- what an algorithm or a strategy that runs looks after is not changed behind its back; what the desk did not make is left
  alone: who asks is told what does it right;
- of several orders none is ended where one may not be;
- an order that protects a position goes, or shrinks, only where that is wanted in so many words;
- asked again, the same thing is done once: what has ended is told, terms that are there already are not sent again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from trademantra.brokers.orders import OrderChange
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.instrument import plain
from trademantra.core.order import Order, OrderStatus
from trademantra.kit.bus import Bus
from trademantra.kit.timer import Timer
from trademantra.trading.algos.kinds import kind_of
from trademantra.trading.control.held import holds_back
from trademantra.trading.control.named_orders import terms_words
from trademantra.trading.control.requests import DeskAnswer
from trademantra.trading.desk_events import ChangeRefused
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.intents import MANUAL, Purpose
from trademantra.trading.manual.answers import order_facts
from trademantra.trading.manual.wishes import CancelWish, ModifyWish
from trademantra.trading.orders import ManagedOrder
from trademantra.trading.outcomes import (
    LONGEST_WAIT_NS,
    LegResult,
    Outcome,
    cancel_and_wait,
    overall,
    wait_for,
)
from trademantra.trading.policy import rounded

_ASK_AGAIN = "the desk goes on finding out: tm desk orders, or ask again under the same --id"


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleOrders:
    """`sessions_in`: strategies whose sessions trade an instrument in an account.  `wall`: answers are waited for in real time.

    `check_larger` is asked before an entry may become worth more.  Errors of it: `InvalidValueError`.
    """

    sessions_in: Callable[[str, str], Sequence[str]]
    check_larger: Callable[[AccountRoom, Order], None]
    bus: Bus
    wall: Timer

    async def cancel(self, room: AccountRoom, wish: CancelWish) -> DeskAnswer:
        """End orders, and say of each what became of it.  Errors: `NotFoundError`, `InvalidValueError`: nothing was done."""
        found = [_find(room, name) for name in wish.orders]
        ended = {each.order.order_id for each in found if each.order.status.is_final}
        self._check_whose(room, [each for each in found if each.order.order_id not in ended])
        for each in found:
            if _protects(room, each) and not wish.unprotect:
                raise InvalidValueError(
                    f"nothing was cancelled: {terms_words(each.order)} is the stop of {_held(room, each)}, which would stay "
                    "UNPROTECTED",
                    hint="--yes cancels it all the same; tm desk modify moves it",
                )
        wanted = [each.order.order_id for each in found if each.order.order_id not in ended]
        await cancel_and_wait(room.desk, self.wall, wanted, LONGEST_WAIT_NS)
        legs = [
            _cancelled(room.desk.book[each.order.order_id], was_over=each.order.order_id in ended)
            for each in found
        ]
        return _answer(room, legs)

    async def modify(self, room: AccountRoom, wish: ModifyWish) -> DeskAnswer:
        """Give an order new terms.

        Errors: `NotFoundError`, `InvalidValueError`, `RefusedIntentError`, `PolicyError`: nothing was sent.
        """
        managed = _find(room, wish.order)
        before = managed.order
        if before.status.is_final:
            raise InvalidValueError(f"{terms_words(before)} cannot be changed: {_end_words(before)}")
        self._check_whose(room, [managed])
        await self._until_settled(room, managed)  # one that was asked for before
        before = managed.order
        change = _change(before, wish)
        wanted = _as_changed(before, change)
        if wanted == before:
            return _answer(room, [_leg(managed, Outcome.ACCEPTED, "it has these terms")])
        if _protects(room, managed) and wanted.quantity < before.quantity and not wish.unprotect:
            raise InvalidValueError(
                f"nothing was changed: {terms_words(before)} is the stop of {_held(room, managed)}, and a part would stay "
                "UNPROTECTED",
                hint="--yes changes it all the same",
            )
        if managed.purpose is Purpose.ENTRY and _may_cost_more(before, wanted):
            self.check_larger(room, wanted)
        heard = self.bus.subscribe(ChangeRefused)
        try:
            await room.desk.modify(before.order_id, change)
            answered = await self._until_settled(room, managed)
        finally:
            heard.close()
        reasons = [each.reason async for each in heard if each.order.order.order_id == before.order_id]
        if not answered:
            return _answer(
                room, [_leg(managed, Outcome.UNKNOWN, f"the broker has not answered; {_ASK_AGAIN}")]
            )
        return _answer(room, [_changed(managed, before, wanted, reasons)])

    async def _until_settled(self, room: AccountRoom, managed: ManagedOrder) -> bool:
        """Whether no change of it is under way any more."""
        return await wait_for(
            lambda: (
                managed.order.status not in (OrderStatus.MODIFYING, OrderStatus.UNKNOWN)
                and not room.desk.is_changing(managed.order.order_id)
            ),
            self.wall,
            LONGEST_WAIT_NS,
        )

    def _check_whose(self, room: AccountRoom, orders: Sequence[ManagedOrder]) -> None:
        """Errors: `InvalidValueError` naming each that is looked after by something that runs, and what to do instead."""
        kept = [words for each in orders if (words := self._keeper(room, each))]
        if kept:
            raise InvalidValueError(f"nothing was done: {'; '.join(kept)}")

    def _keeper(self, room: AccountRoom, managed: ManagedOrder) -> str:
        """What looks after an order, and the command that does it right; "" where a person does."""
        what, account = terms_words(managed.order), room.account_id
        strategy_id, algo_id = managed.strategy_id, managed.intent_id.rpartition("/")[0]
        runs = strategy_id != MANUAL and strategy_id in self.sessions_in(
            account, managed.order.instrument.key
        )
        if runs:
            close = f"tm desk close-all --account {account} --strategy {strategy_id} closes what it holds"
            pause = f"tm desk pause --account {account} --strategy {strategy_id} takes its entries back"
            return f"{what} belongs to strategy {strategy_id}, which runs: {pause if managed.purpose is Purpose.ENTRY else close}"
        spec = next((each for each in room.algos.running() if each.algo_id == algo_id), None)
        if spec is None:
            return ""
        end = f"tm desk algo-stop {algo_id} --account {account}"
        return f"{what} belongs to the {kind_of(spec)} {algo_id}: {end} ends it, with --leave what it holds is closed too"


def _find(room: AccountRoom, name: str) -> ManagedOrder:
    """By the desk's id, or the broker's number.  Errors: `NotFoundError`; `InvalidValueError` for one of others."""
    book = room.desk.book
    try:
        return book[name]
    except KeyError:
        found = book.of_broker(name)
    if found is not None:
        return found
    if any(each.broker_order_id == name for each in room.desk.foreign_orders()):
        raise InvalidValueError(
            f"order {name} was not made by this desk: it is left alone",
            hint="the broker's own app changes it",
        )
    raise NotFoundError(f"{room.account_id} has no order {name!r}", hint="tm desk orders --all shows them")


def _held(room: AccountRoom, managed: ManagedOrder) -> str:
    return f"{plain(abs(room.desk.book.held(managed.key)))} {managed.order.instrument.key}"


def _protects(room: AccountRoom, managed: ManagedOrder) -> bool:
    return holds_back(managed.purpose, managed.order, room.desk.book.held(managed.key))


def _change(order: Order, wish: ModifyWish) -> OrderChange:
    """On the tick.  The limit of a stop moves along with its trigger where it is not named itself.

    Errors: `InvalidValueError` for a term that an order of this kind has not; `PolicyError` for a price below one tick.
    """
    kind, price = order.order_type, wish.price
    for given, has, name in ((price, kind.has_limit, "price"), (wish.trigger, kind.has_trigger, "trigger")):
        if given is not None and not has:
            raise InvalidValueError(
                f"{terms_words(order)} has no {name}", hint="cancel it, and place another: tm desk place"
            )
    if (
        price is None
        and wish.trigger is not None
        and order.price is not None
        and order.trigger_price is not None
    ):
        price = order.price + wish.trigger - order.trigger_price
    price, trigger = rounded(order.instrument, order.side, price, wish.trigger)
    return OrderChange(quantity=wish.quantity, price=price, trigger_price=trigger)


def _as_changed(order: Order, change: OrderChange) -> Order:
    """Errors: `InvalidValueError` for less than has filled."""
    if change.quantity is not None and change.quantity <= order.filled_quantity:
        raise InvalidValueError(
            f"{plain(order.filled_quantity)} of {terms_words(order)} have filled already: it cannot be made {plain(change.quantity)}",
            hint="a quantity is that of the whole order; tm desk cancel ends the rest",
        )
    return replace(
        order, quantity=change.quantity or order.quantity, price=change.price or order.price,
        trigger_price=change.trigger_price or order.trigger_price,
    )  # fmt: skip


def _may_cost_more(before: Order, wanted: Order) -> bool:
    return wanted.quantity > before.quantity or any(
        new is not None and old is not None and new > old
        for new, old in ((wanted.price, before.price), (wanted.trigger_price, before.trigger_price))
    )


def _cancelled(managed: ManagedOrder, *, was_over: bool) -> LegResult:
    """How an order stands that was to end; `was_over`: it had ended before."""
    order = managed.order
    if not order.status.is_final:
        return _leg(managed, Outcome.UNKNOWN, f"it may still fill, the broker has not answered; {_ASK_AGAIN}")
    if order.status is OrderStatus.FILLED:
        return _leg(managed, Outcome.REFUSED, f"too late: {_end_words(order)}")
    if was_over or order.status is not OrderStatus.CANCELLED:
        return _leg(managed, Outcome.ACCEPTED, f"nothing to cancel: {_end_words(order)}")
    return _leg(managed, Outcome.ACCEPTED, _end_words(order))


def _changed(managed: ManagedOrder, before: Order, wanted: Order, reasons: Sequence[str]) -> LegResult:
    """What came of a change that was answered."""
    order = managed.order
    if reasons:
        return _leg(managed, Outcome.REFUSED, f"it stays as it was: {reasons[-1]}")
    if order.status.is_final:
        return _leg(managed, Outcome.REFUSED, f"too late: {_end_words(order)}")
    terms = order.quantity, order.price, order.trigger_price
    if terms == (wanted.quantity, wanted.price, wanted.trigger_price):
        return _leg(managed, Outcome.ACCEPTED, f"it was {terms_words(before)}")
    if terms == (before.quantity, before.price, before.trigger_price):
        return _leg(managed, Outcome.REFUSED, "it stays as it was: the broker's book shows the old terms")
    return _leg(managed, Outcome.PARTLY, f"a limit cut it; it was {terms_words(before)}")


def _end_words(order: Order) -> str:
    """How an order ended."""
    filled = order.filled_quantity
    at = f" at {order.filled_value / filled:.2f}" if filled else ""
    if order.status is OrderStatus.FILLED:
        return f"it filled, {plain(filled)}{at}"
    reason = f" ({order.reason})" if order.reason and order.status is not OrderStatus.CANCELLED else ""
    before = f", after {plain(filled)} had filled{at}" if filled else ""
    return f"it was {order.status}{reason}{before}"


def _leg(managed: ManagedOrder, outcome: Outcome, text: str) -> LegResult:
    return LegResult(managed.order.order_id, outcome, text, (managed.order.order_id,))


def _answer(room: AccountRoom, legs: Sequence[LegResult]) -> DeskAnswer:
    outcome = overall(legs)
    book = room.desk.book
    lines = [f"{terms_words(book[leg.intent_id].order)}: {leg.text}" for leg in legs]
    facts = [
        order_facts(book[leg.intent_id]) | {"outcome": leg.outcome.value, "text": leg.text} for leg in legs
    ]
    return DeskAnswer(
        outcome is not Outcome.REFUSED, "\n".join(lines), {"outcome": outcome.value, "orders": facts}
    )
