"""Orders that work at the exchange, by instrument, and the prices at which they can be concerned."""

from dataclasses import dataclass
from enum import StrEnum
from math import inf, isnan, nan, nextafter

from trademantra.brokers.orders import OrderChange
from trademantra.brokers.paper.settings import Liquidity
from trademantra.brokers.paper.terms import ExchangeOrder, Stage
from trademantra.core.order import OrderType, Validity


class Guard(StrEnum):
    """What an attached order does for its position."""

    STOP = "stop"
    TARGET = "target"


@dataclass(slots=True)
class Working:
    """An order that is not final, with what matching needs of it.  The only mutable record of the exchange.

    `sequence` gives its place in time.  `limit`: no price beyond it (NaN: none); a protected market order has one too.
    `trigger`: NaN without; `triggered` once it was reached.  `rests`: it has met a price and waits at its limit.
    `arrives_ns`: before that it is still under way.  `ahead`: quantity that stands before it at its price.
    `entry_id`: the order whose position it protects, as `guard`.
    `change` or `cancelling`: under way, in force at `change_ns`.
    """

    order: ExchangeOrder
    row: int
    side: int
    sequence: int
    arrives_ns: int
    limit: float = nan
    trigger: float = nan
    triggered: bool = False
    rests: bool = False
    arrived: bool = False
    expires_ns: int | None = None
    ahead: float = 0.0
    entry_id: str | None = None
    guard: Guard | None = None
    blocked: bool = False
    changes: int = 0
    change: OrderChange | None = None
    cancelling: bool = False
    change_ns: int = 0

    @property
    def left(self) -> float:
        return float(self.order.pending_quantity)

    @property
    def waits_for_trigger(self) -> bool:
        return self.trigger == self.trigger and not self.triggered

    @property
    def takes_any_price(self) -> bool:
        """A market order, also a triggered SL-M, that has not come to rest at a protective limit."""
        return (
            not self.rests
            and not self.waits_for_trigger
            and self.order.request.order_type in (OrderType.MARKET, OrderType.SL_M)
        )

    @property
    def is_open(self) -> bool:
        """At the exchange, and able to trade."""
        return self.arrived and self.order.stage is not Stage.AMO_RECEIVED


@dataclass(frozen=True, slots=True)
class Levels:
    """An event with its low at or below `below`, or its high at or above `above`, concerns somebody."""

    below: float = -inf
    above: float = inf

    def with_below(self, price: float) -> "Levels":
        return Levels(max(self.below, price), self.above)

    def with_above(self, price: float) -> "Levels":
        return Levels(self.below, min(self.above, price))


EVERYTHING = Levels(inf, -inf)
NOTHING = Levels()


def levels_of(orders: list[Working], liquidity: Liquidity) -> Levels:
    """Where the orders of one instrument can be concerned."""
    touch = liquidity.limit_touch or liquidity.queue
    below, above = -inf, inf
    for working in orders:
        if not working.is_open:
            continue
        if working.waits_for_trigger:
            if working.side > 0:
                above = min(above, working.trigger)
            else:
                below = max(below, working.trigger)
        elif (
            working.takes_any_price or working.order.request.validity is Validity.IOC or isnan(working.limit)
        ):
            return EVERYTHING
        elif working.side > 0:
            below = max(below, working.limit if touch else nextafter(working.limit, -inf))
        else:
            above = min(above, working.limit if touch else nextafter(working.limit, inf))
    return Levels(below, above)
