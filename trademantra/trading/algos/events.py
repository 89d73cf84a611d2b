"""What the desk tells the owner of an algorithm, so that a strategy knows what became of what it wanted."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from trademantra.core.instrument import Instrument
from trademantra.core.order import Product, Side
from trademantra.engine.records import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgoFill:
    """A fill of one of its orders.  `reason` ENTRY for an entry; NONE for the closing of what a race closed too much."""

    algo_id: str
    strategy_id: str
    instrument: Instrument
    product: Product
    side: Side
    quantity: Decimal
    price: Decimal
    reason: Reason
    at_ns: int
    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """A stop rests at the broker for `quantity`, with this trigger."""

    algo_id: str
    strategy_id: str
    instrument: Instrument
    quantity: Decimal
    trigger_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryGone:
    """What is left of an entry will not fill: rejected, cancelled, expired, or cut by a limit."""

    algo_id: str
    strategy_id: str
    instrument: Instrument
    quantity: Decimal
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgoEnded:
    """It has nothing more to do."""

    algo_id: str
    strategy_id: str
    text: str


AlgoEvent: TypeAlias = AlgoFill | Protected | EntryGone | AlgoEnded
