"""Orders as the limits see them: what was asked for, what of it may still fill."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from trademantra.core.instrument import Instrument
from trademantra.core.order import OrderType, Product, Side
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.orders import ManagedOrder
from trademantra.trading.risk.books import NOTHING, Holding, HoldingKey

Fingerprint = tuple[
    str, str, str, Purpose, Product, Side, Decimal, OrderType, Decimal | None, Decimal | None
]  # what makes two intents look the same; an exit, then an entry of the same side and quantity, is a reversal


def fingerprint(intent: OrderIntent, key: str) -> Fingerprint:
    return (
        intent.account_id, intent.strategy_id, key, intent.purpose, intent.product, intent.side,
        intent.quantity, intent.order_type, intent.price, intent.trigger_price,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskOrder:
    """An order that may fill, as far as limits care.

    Of one that was restored `looks` is None, and `intent_filled` says whether its intent filled before: a trade already.
    """

    order_id: str
    intent_id: str
    account_id: str
    strategy_id: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    product: Product
    purpose: Purpose
    taken_ns: int
    sector: str = ""
    exit_with: str = ""
    looks: Fingerprint | None = None
    intent_filled: bool = False

    @classmethod
    def of(
        cls, intent: OrderIntent, order_id: str, now_ns: int, quantity: Decimal | None = None
    ) -> "RiskOrder":
        """One part of an intent that the gate let pass; `quantity` where it is not the whole."""
        return cls(
            order_id=order_id, intent_id=intent.intent_id, account_id=intent.account_id,
            strategy_id=intent.strategy_id, instrument=intent.instrument, side=intent.side,
            quantity=intent.quantity if quantity is None else quantity, product=intent.product,
            purpose=intent.purpose, taken_ns=now_ns, sector=intent.sector, exit_with=intent.exit_with,
            looks=fingerprint(intent, intent.instrument.key),
        )  # fmt: skip

    @classmethod
    def restored(cls, managed: ManagedOrder, sector: str = "", *, intent_filled: bool = False) -> "RiskOrder":
        """An order of the journal that may still fill: what of it is open; its position holds the rest."""
        order = managed.order
        return cls(
            order_id=order.order_id, intent_id=managed.intent_id, account_id=managed.account_id,
            strategy_id=managed.strategy_id, instrument=order.instrument, side=order.side, quantity=order.open_quantity,
            product=order.product, purpose=managed.purpose, taken_ns=managed.created_ns, sector=sector,
            exit_with=managed.exit_with, intent_filled=intent_filled,
        )  # fmt: skip


PairKey: TypeAlias = tuple[HoldingKey, Side, frozenset[str]]


@dataclass(slots=True)
class Pair:
    """Two exits that cancel each other: what works of each intent.  Together they count as the larger one."""

    left: dict[str, Decimal] = field(default_factory=dict)

    @property
    def counted(self) -> Decimal:
        return max(self.left.values(), default=NOTHING)

    def moved(self, intent_id: str, by: Decimal) -> Decimal:
        """One side works `by` more; what the pair counts more for."""
        before = self.counted
        self.left[intent_id] = self.left.get(intent_id, NOTHING) + by
        return self.counted - before

    def room(self, intent_id: str) -> Decimal:
        """What this side may grow by without the pair counting for more."""
        return self.counted - self.left.get(intent_id, NOTHING)


@dataclass(slots=True)
class Working:
    order: RiskOrder
    holding: Holding
    quantity: Decimal
    pair: Pair | None = None
    filled: Decimal = NOTHING
    ended: bool = False

    @property
    def left(self) -> Decimal:
        return NOTHING if self.ended else max(NOTHING, self.quantity - self.filled)


@dataclass(slots=True)
class Trade:
    """An entry; it counts as a trade of the day while one of its orders filled or still may."""

    live: int = 0
    filled: bool = False
    counted: bool = False
