"""An order as the desk keeps it: its own terms, whose it is and what of it filled."""

from dataclasses import dataclass

from trademantra.core.order import Order, Product
from trademantra.trading.fills import OrderFills
from trademantra.trading.intents import Purpose


@dataclass(frozen=True, slots=True)
class PositionKey:
    """Whose position in what."""

    strategy_id: str
    instrument_key: str
    product: Product


@dataclass(slots=True)
class ManagedOrder:
    """An order and what the desk knows beside its own terms.

    `overfilled`: the broker told of more than was ordered; a person must look.  `exit_with`: see `OrderIntent`.
    """

    order: Order
    account_id: str
    strategy_id: str
    intent_id: str
    part: int
    purpose: Purpose
    tag: str
    created_ns: int
    updated_ns: int
    fills: OrderFills
    overfilled: bool = False
    exit_with: str = ""

    @property
    def key(self) -> PositionKey:
        return PositionKey(self.strategy_id, self.order.instrument.key, self.order.product)
