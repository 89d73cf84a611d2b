"""What became of what was asked for: never "success" with failed legs."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trademantra.core.order import OrderStatus
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.kit.lease import LeaseLostError
from trademantra.kit.timer import Timer
from trademantra.trading.algos.trader import Trader
from trademantra.trading.desk_events import RefusedIntentError
from trademantra.trading.intents import OrderIntent
from trademantra.trading.journal import JournalFailedError
from trademantra.trading.orders import ManagedOrder
from trademantra.trading.policy import PolicyError

LONGEST_WAIT_NS = 5 * NANOSECONDS_PER_SECOND
_LOOK_NS = NANOSECONDS_PER_SECOND // 50
_S = OrderStatus
_NO_ANSWER = frozenset({_S.JOURNALED, _S.SENT, _S.UNKNOWN})


class Outcome(StrEnum):
    """Worst last: of several legs the worst tells."""

    ACCEPTED = "accepted"
    """Everything of it works at the broker, or has filled."""
    PARTLY = "partly"
    """Some of it works or has filled; the rest will not."""
    REFUSED = "refused"
    """Nothing of it works or has filled, and nothing will."""
    UNKNOWN = "unknown"
    """The broker has not answered; the desk goes on finding out."""


@dataclass(frozen=True, slots=True)
class LegResult:
    """One intent.  `text` says why it is not whole; `orders` are the desk's numbers of its orders."""

    intent_id: str
    outcome: Outcome
    text: str
    orders: tuple[str, ...]


def overall(legs: Sequence[LegResult]) -> Outcome:
    """Of all legs together: REFUSED only when all are, ACCEPTED only when all are.

    >>> overall([LegResult("a", Outcome.ACCEPTED, "", ()), LegResult("b", Outcome.REFUSED, "no", ())]).value
    'partly'
    """
    outcomes = {leg.outcome for leg in legs}
    if Outcome.UNKNOWN in outcomes:
        return Outcome.UNKNOWN
    return outcomes.pop() if len(outcomes) == 1 else Outcome.PARTLY if outcomes else Outcome.ACCEPTED


def result_of(intent_id: str, orders: Sequence[ManagedOrder]) -> LegResult:
    """The orders of one intent as they stand."""
    names = tuple(managed.order.order_id for managed in orders)
    waiting = [managed.order for managed in orders if managed.order.status in _NO_ANSWER]
    if waiting or not orders:
        text = f"order {waiting[0].order_id} is {waiting[0].status}" if waiting else "it was never taken in"
        return LegResult(intent_id, Outcome.UNKNOWN, text, names)
    over = [
        managed.order
        for managed in orders
        if managed.order.status.is_final and managed.order.filled_quantity < managed.order.quantity
    ]
    if not over:
        return LegResult(intent_id, Outcome.ACCEPTED, "", names)
    text = over[0].reason or str(over[0].status)
    nothing = len(over) == len(orders) and not any(order.filled_quantity for order in over)
    return LegResult(intent_id, Outcome.REFUSED if nothing else Outcome.PARTLY, text, names)


async def submit_all(
    trader: Trader, timer: Timer, intents: Sequence[OrderIntent], wait_ns: int = LONGEST_WAIT_NS
) -> Sequence[LegResult]:
    """Submit intents together, and wait until the broker has answered to all, or for `wait_ns`.

    What is refused is refused alone.  The same intents again give the same orders.
    """
    refused = await asyncio.gather(*(_submit(trader, intent) for intent in intents))
    taken = [intent.intent_id for intent, error in zip(intents, refused, strict=True) if not error]

    def answered() -> bool:
        orders = [managed for name in taken for managed in trader.book.of_intent(name)]
        return all(managed.order.status not in _NO_ANSWER for managed in orders)

    await wait_for(answered, timer, wait_ns)
    return [
        LegResult(intent.intent_id, Outcome.REFUSED, error, ())
        if error
        else result_of(intent.intent_id, trader.book.of_intent(intent.intent_id))
        for intent, error in zip(intents, refused, strict=True)
    ]


async def cancel_and_wait(
    trader: Trader, timer: Timer, order_ids: Sequence[str], wait_ns: int = LONGEST_WAIT_NS
) -> bool:
    """Cancel orders and wait until each is over, one way or the other; False when one is not within `wait_ns`.

    Errors: those of `cancel`.
    """
    await asyncio.gather(*(trader.cancel(order_id) for order_id in order_ids))
    return await wait_for(
        lambda: all(trader.book[order_id].order.status.is_final for order_id in order_ids), timer, wait_ns
    )


async def wait_for(condition: Callable[[], bool], timer: Timer, wait_ns: int) -> bool:
    """Whether it came true within `wait_ns`."""
    until_ns = timer.now_ns() + wait_ns
    while not condition():
        now_ns = timer.now_ns()
        if now_ns >= until_ns:
            return False
        await timer.until(min(until_ns, now_ns + _LOOK_NS))
    return True


async def _submit(trader: Trader, intent: OrderIntent) -> str:
    """Why it was not taken; "" when it was."""
    try:
        await trader.submit(intent)
    except (RefusedIntentError, PolicyError, JournalFailedError, LeaseLostError) as error:
        return str(error)
    return ""
