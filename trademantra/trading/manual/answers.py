"""What is told of orders by hand and of algorithms: a text for people, plain JSON values for programs."""

from collections.abc import Sequence
from decimal import Decimal

from trademantra.core.order import OrderStatus
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.trading.algos.bracket import BracketSpec, GuardSpec
from trademantra.trading.algos.chase import ChaseSpec
from trademantra.trading.algos.kinds import kind_of
from trademantra.trading.algos.legs import LegsSpec
from trademantra.trading.algos.participation import ParticipationSpec
from trademantra.trading.algos.schedule import ScheduleSpec
from trademantra.trading.algos.slices import Parent
from trademantra.trading.algos.view import AlgoSpec
from trademantra.trading.control.requests import DeskAnswer
from trademantra.trading.intents import Purpose
from trademantra.trading.orders import ManagedOrder, OrderBook
from trademantra.trading.outcomes import LegResult, Outcome

_NOTHING = Decimal(0)


def number(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def order_facts(managed: ManagedOrder) -> dict[str, object]:
    order = managed.order
    average = order.filled_value / order.filled_quantity if order.filled_quantity else None
    return {
        "order_id": order.order_id, "instrument": order.instrument.key, "side": order.side.value,
        "quantity": number(order.quantity), "filled_quantity": number(order.filled_quantity),
        "average_price": None if average is None else number(round(average, 4)), "status": order.status.value,
        "reason": order.reason,
    }  # fmt: skip


def leg_facts(leg: LegResult, book: OrderBook) -> dict[str, object]:
    orders = [order_facts(book[name]) for name in leg.orders]
    return {"id": leg.intent_id, "outcome": leg.outcome.value, "text": leg.text, "orders": orders}


def answer_of(
    what: str, outcome: Outcome, legs: Sequence[LegResult], book: OrderBook, text: str = ""
) -> DeskAnswer:
    """Refused is not done; of what is partly done or not known the outcome says so."""
    told = [f"{what}: {outcome.value}"]
    told += [each for each in (text, *(_leg_words(leg, book) for leg in legs)) if each]
    facts: dict[str, object] = {"outcome": outcome.value, "legs": [leg_facts(leg, book) for leg in legs]}
    if outcome is Outcome.UNKNOWN:
        told.append("the desk goes on finding out: tm desk orders, or ask again under the same --id")
    elif any(book[name].order.status is OrderStatus.ABSENT for leg in legs for name in leg.orders):
        told.append(
            "it never reached the broker and is not sent again under this name; a new --id places it anew"
        )
    return DeskAnswer(outcome is not Outcome.REFUSED, "; ".join(told), facts)


def _leg_words(leg: LegResult, book: OrderBook) -> str:
    orders = [book[name].order for name in leg.orders]
    filled = sum((order.filled_quantity for order in orders), _NOTHING)
    if not filled:
        return leg.text
    value = sum((order.filled_value for order in orders), _NOTHING)
    words = f"{number(filled)} filled at {value / filled:.2f}"
    return f"{words}; {leg.text}" if leg.text else words


def algo_facts(spec: AlgoSpec, book: OrderBook, now_ns: int) -> dict[str, object]:
    """One algorithm that runs, and how far it is, from its orders."""
    mine = [each for each in book.all() if each.intent_id.rpartition("/")[0] == spec.algo_id]
    closes = spec.purpose is Purpose.EXIT if isinstance(spec, Parent) else isinstance(spec, GuardSpec)
    entries = [each for each in mine if (each.purpose is Purpose.EXIT) == closes]
    exits = [each for each in mine if each not in entries]
    filled = sum((each.order.filled_quantity for each in entries), _NOTHING)
    value = sum((each.order.filled_value for each in entries), _NOTHING)
    facts: dict[str, object] = {
        "id": spec.algo_id, "kind": kind_of(spec), "strategy": spec.strategy_id, "product": spec.product.value,
        "instrument": ", ".join(each.key for each in spec.instruments()),
        "filled": number(filled), "average_price": number(round(value / filled, 4)) if filled else None,
        "working": [order_facts(each) for each in mine if not each.order.status.is_final],
        "closed": number(sum((each.order.filled_quantity for each in exits), _NOTHING)),
    }  # fmt: skip
    if isinstance(spec, LegsSpec):
        facts["quantity"] = ", ".join(f"{leg.side} {number(leg.quantity)}" for leg in spec.legs)
    elif isinstance(spec, BracketSpec | GuardSpec | Parent):
        facts |= {"side": spec.side.value, "quantity": number(spec.quantity)}
    if isinstance(spec, ScheduleSpec | ParticipationSpec | ChaseSpec):
        facts["ends_in_seconds"] = max(0, (spec.end_ns - now_ns) // NANOSECONDS_PER_SECOND)
    return facts
