"""The next moment of an order's life, out of what it was: new terms, and what a fill makes of it."""

from dataclasses import replace
from decimal import Decimal

from trademantra.core.errors import IllegalTransitionError
from trademantra.core.order import Order, OrderStatus, OrderType

_S = OrderStatus


def with_terms(
    order: Order,
    kind: OrderType | None,
    quantity: Decimal | None,
    price: Decimal | None,
    trigger: Decimal | None,
) -> Order:
    """The order with new terms; None leaves a term.  Never smaller than what is filled."""
    kind = kind or order.order_type
    quantity = max(quantity or order.quantity, order.filled_quantity)
    price = (price or order.price) if kind.has_limit else None
    trigger = (trigger or order.trigger_price) if kind.has_trigger else None
    if (kind, quantity, price, trigger) == (
        order.order_type,
        order.quantity,
        order.price,
        order.trigger_price,
    ):
        return order  # as nearly always
    return replace(order, order_type=kind, quantity=quantity, price=price, trigger_price=trigger)


def after_fill(order: Order) -> Order:
    """The state that follows from what is filled; a change or a cancel under way stays so until all is filled.

    Of an order whose change is under way nobody knows what all is: its answer, or the broker's book, says.
    """
    if order.status is _S.MODIFYING:
        return order
    if order.filled_quantity == order.quantity:
        if order.status in (_S.JOURNALED, _S.CREATED):
            raise IllegalTransitionError(f"order {order.order_id} filled before it was sent")
        return order.with_status(_S.FILLED)
    if order.status is _S.CANCELLING:
        return order
    return order.with_status(_S.PARTLY_FILLED)
