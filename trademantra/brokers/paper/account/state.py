"""All that an account is, and what follows from it.  The other modules here read and change it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.account.blocking import (
    COMMODITY,
    EQUITY,
    NO_MARGIN,
    Block,
    GroupKey,
    GroupMargin,
    PositionKey,
    WorkingOrder,
    group_margin,
    group_of,
)
from trademantra.brokers.paper.account.funds import Funds, HoldingKey, segment_funds
from trademantra.brokers.paper.account.holdings import HoldingState, security_of
from trademantra.brokers.paper.account.ledger import Ledger
from trademantra.brokers.paper.account.positions import PositionState
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.account.views import ZERO, Marks
from trademantra.core.order import Product, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A trade of the day as the contract note will see it; a conversion changes its product, or splits it."""

    trade_id: str
    order_id: str
    listing: Listing
    side: Side
    product: Product
    quantity: Decimal
    price: Decimal
    auto_square_off: bool = False


@dataclass(slots=True)
class Group:
    """What can lower each other's margin, and what it needs.  Orders: the first accepted first."""

    positions: dict[PositionKey, PositionState] = field(default_factory=dict)
    working: dict[str, WorkingOrder] = field(default_factory=dict)
    margin: GroupMargin = NO_MARGIN


@dataclass(slots=True)
class AccountState:
    """`executions`: of the day, by trade.

    `groups` hold the same positions and working orders again and follow from them: what changes those from outside
    calls `refresh` (of a group whose members are the same) or `regroup`.
    """

    account_id: str
    settings: MarginSettings
    ledger: Ledger
    positions: dict[PositionKey, PositionState] = field(default_factory=dict)
    holdings: dict[HoldingKey, HoldingState] = field(default_factory=dict)
    working: dict[str, WorkingOrder] = field(default_factory=dict)
    executions: dict[str, tuple[Execution, ...]] = field(default_factory=dict)
    groups: dict[GroupKey, Group] = field(default_factory=dict)

    def position(self, listing: Listing, product: Product) -> PositionState:
        """The position, made when there is none; it takes over the newest listing."""
        key = (listing.token, product)
        position = self.positions.get(key)
        if position is None:
            position = self.positions[key] = PositionState(listing, product)
            self._group(group_of(listing, product)).positions[key] = position
        position.listing = listing
        return position

    def work(self, order: WorkingOrder) -> None:
        """Put a working order in, or in the place of its older terms."""
        group = group_of(order.listing, order.product)
        self.working[order.order_id] = order
        self._group(group).working[order.order_id] = order
        self.refresh(group)

    def release(self, order_id: str) -> None:
        order = self.working.pop(order_id, None)
        if order is not None:
            group = group_of(order.listing, order.product)
            del self._group(group).working[order_id]
            self.refresh(group)

    def fill(self, order_id: str, quantity: Decimal) -> None:
        """So much less of a working order can fill."""
        order = self.working.get(order_id)
        if order is None:
            return
        if quantity >= order.pending:
            self.release(order_id)
        else:
            self.work(replace(order, pending=order.pending - quantity))

    def block_of(self, order_id: str) -> Block:
        order = self.working.get(order_id)
        if order is None:
            return Block()
        return self.groups[group_of(order.listing, order.product)].margin.blocks[order_id]

    def members(self, group: GroupKey) -> list[PositionState]:
        return list(self.groups[group].positions.values()) if group in self.groups else []

    def queue(self, group: GroupKey) -> list[WorkingOrder]:
        """Working orders of a group, the first accepted first."""
        return list(self.groups[group].working.values()) if group in self.groups else []

    def refresh(self, key: GroupKey) -> None:
        """Work out margins and blocks of a group anew."""
        group = self._group(key)
        if group.positions or group.working:
            queue = list(group.working.values())
            group.margin = group_margin(group.positions.values(), queue, self.settings)
        else:
            del self.groups[key]

    def regroup(self) -> None:
        """Sort positions and working orders into groups anew, and work out all margins and blocks."""
        self.groups = {}
        for key, position in self.positions.items():
            self._group(group_of(position.listing, position.product)).positions[key] = position
        for order in self.working.values():
            self._group(group_of(order.listing, order.product)).working[order.order_id] = order
        for group in list(self.groups):
            self.refresh(group)

    def _group(self, key: GroupKey) -> Group:
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group()
        return group

    def funds(self) -> Funds:
        shares = [p for p in self.positions.values() if p.product in (Product.CNC, Product.MTF)]
        return Funds(
            self.ledger.balance,
            segment_funds(self._margins_of(EQUITY), shares, self.holdings, self.settings),
            segment_funds(self._margins_of(COMMODITY), (), {}, self.settings),
        )

    def _margins_of(self, segment: str) -> list[GroupMargin]:
        return [group.margin for key, group in self.groups.items() if key[0] == segment]

    def of_security(self, key: HoldingKey) -> list[PositionState]:
        """Today's positions in a security for delivery, on any exchange."""
        security, product = key
        return [
            p
            for p in self.positions.values()
            if p.product is product and security_of(p.listing.instrument) == security
        ]

    def held(self, key: HoldingKey) -> Decimal:
        """Shares that are held, and bought less sold today."""
        holding = self.holdings.get(key)
        return (holding.total if holding else ZERO) + self.traded(key)

    def traded(self, key: HoldingKey) -> Decimal:
        """Shares bought less sold today."""
        return sum((p.quantity for p in self.of_security(key)), ZERO)

    def sales(self, key: HoldingKey) -> Sequence[WorkingOrder]:
        """Working sales of a security for delivery."""
        security, product = key
        return [
            o
            for o in self.working.values()
            if o.side is Side.SELL and o.product is product and security_of(o.listing.instrument) == security
        ]

    def wealth(self, marks: Marks) -> Decimal | None:
        """Ledger, today's money moved, positions and holdings at their marks, less loans; None: a mark is unknown."""
        total = self.ledger.balance
        for position in self.positions.values():
            total += position.day_flow
            if not position.quantity:
                continue
            mark = marks(position.listing.token)
            if mark is None:
                return None
            total += position.quantity * mark * position.multiplier
        for holding in self.holdings.values():
            mark = marks(holding.listing.token)
            if mark is None:
                return None
            total += holding.total * mark - holding.loan
        return total


def to_give(sales: Sequence[WorkingOrder], settings: MarginSettings) -> Decimal:
    """Shares that sales can take; of those that cancel each other the largest."""
    largest: dict[str, Decimal] = {}
    total = ZERO
    for order in sales:
        if order.one_cancels_other or settings.exits_share_holdings:
            before = largest.get(order.one_cancels_other, ZERO)
            largest[order.one_cancels_other] = max(before, order.pending)
        else:
            total += order.pending
    return total + sum(largest.values(), ZERO)
