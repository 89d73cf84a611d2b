"""Shares bought and sold on one day: what leaves the demat account, and what the exchange calls intraday.

Charges go by product.  A broker bills a CNC purchase and sale of one share on one day as intraday
(support.zerodha.com brokerage-charged-for-partial-delivery; support.fyers.in), which the setting `net_same_day`
asks for; a published calculator does not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from trademantra.core.instrument import Segment
from trademantra.core.order import Product, Side
from trademantra.markets.charges.orders import ExecutedOrder, TradeEvent
from trademantra.markets.charges.rules import ZERO


@dataclass(slots=True)
class _Day:
    bought: Decimal = ZERO
    sold: Decimal = ZERO

    @property
    def matched(self) -> Decimal:
        return min(self.bought, self.sold)


def delivered(orders: Iterable[ExecutedOrder]) -> dict[str, _Day]:
    """Quantity bought and sold for delivery on the day, by security."""
    days: dict[str, _Day] = {}
    for order in orders:
        if _for_delivery(order):
            day = days.setdefault(order.security, _Day())
            if order.side is Side.BUY:
                day.bought += order.quantity
            else:
                day.sold += order.quantity
    return days


def netted(orders: Sequence[ExecutedOrder]) -> list[ExecutedOrder]:
    """The orders with the matched part of same-day delivery trades turned into intraday orders.

    Each order gives the same share of its quantity, so the order of the list does not matter.
    """
    days = delivered(orders)
    result: list[ExecutedOrder] = []
    for order in orders:
        day = days.get(order.security) if _for_delivery(order) else None
        if day is None or not day.matched:
            result.append(order)
            continue
        total = day.bought if order.side is Side.BUY else day.sold
        intraday = order.quantity * day.matched / total
        result.append(replace(order, product=Product.MIS, quantity=intraday, order_id=""))
        if intraday < order.quantity:
            result.append(replace(order, quantity=order.quantity - intraday, order_id=""))
    return result


def debits(orders: Sequence[ExecutedOrder], per_order: bool) -> int:
    """Debits from the demat account: securities sold out of holdings, or the orders that sold them."""
    sold = {security for security, day in delivered(orders).items() if day.sold > day.bought}
    if not per_order:
        return len(sold)
    selling = [o for o in orders if o.side is Side.SELL and _for_delivery(o) and o.security in sold]
    named = {o.order_id for o in selling if o.order_id}
    return len(named) + sum(1 for o in selling if not o.order_id)


def _for_delivery(order: ExecutedOrder) -> bool:
    return (
        order.segment is Segment.EQUITY
        and order.event is TradeEvent.TRADE
        and order.product in (Product.CNC, Product.MTF)
    )
