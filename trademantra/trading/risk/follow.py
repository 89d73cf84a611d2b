"""The risk gate's state in step with an account's order book: each `Changes` of the book is told here, once."""

from trademantra.core.order import OrderStatus
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.orders import Changes
from trademantra.trading.risk.state import RiskState
from trademantra.trading.risk.taken import RiskOrder


def follow(state: RiskState, changes: Changes, now_ns: int, intent: OrderIntent | None = None) -> None:
    """Tell the state what the book did.  `intent` is what `created` orders were made of.

    Call it for new orders before anything is awaited, and for all else when it is heard: the gate need not wait for the
    disk.  A fill of an order from before the start, which ended long ago, still moves its position.
    """
    for managed in changes.created:
        order = RiskOrder.restored(managed)
        if intent is not None:
            order = RiskOrder.of(intent, order.order_id, now_ns, order.quantity)
        state.order_taken(order)
    for booking in changes.booked:
        order_id = booking.order.order_id
        if not state.knows_order(order_id):
            key, made = booking.key, booking.order
            state.order_taken(
                RiskOrder(
                    order_id=order_id, intent_id="", account_id=booking.account_id, strategy_id=key.strategy_id,
                    instrument=made.instrument, side=made.side, quantity=booking.execution.quantity,
                    product=key.product, purpose=Purpose.EXIT, taken_ns=booking.execution.at_ns,
                )
            )  # fmt: skip
            state.order_ended(order_id)
        state.executed(booking.execution, booking.charges)
    for managed in changes.moved:
        order_id = managed.order.order_id
        if not state.knows_order(order_id):
            continue
        if managed.order.status.is_final:
            state.order_ended(order_id)
        elif managed.order.status is not OrderStatus.MODIFYING:  # then what was added counts already
            state.order_left(order_id, managed.order.open_quantity)


def forget(state: RiskState, changes: Changes) -> None:
    """Orders that the journal did not take were never sent."""
    for managed in changes.created:
        state.order_ended(managed.order.order_id)
