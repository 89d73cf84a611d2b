"""What working orders block, beside what the positions of their group need.

A group is what can lower each other's margin: all contracts of one underlying on one exchange, or one share and product; the
first word of its name is the segment that it is funded from.
Blocks are worked out anew from positions and working orders whenever either changes; nothing is added up over time, so
a released order leaves nothing behind.

Invariants:
- orders that only reduce a position block nothing; in time order the first ones reduce, the rest opens;
- of orders that cancel each other (`one_cancels_other`) only the largest counts;
- the block of an order depends on positions and on orders before it alone: removing a later order changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import OrderRequest
from trademantra.brokers.paper.account.margins import NO_RISK, Leg, Risk, RiskBook
from trademantra.brokers.paper.account.positions import Accounting, PositionState, accounting_of
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.account.views import ZERO
from trademantra.core.instrument import Segment
from trademantra.core.money import PAISA, round_half_up
from trademantra.core.order import OrderType, Product, Side

EQUITY, COMMODITY = "equity", "commodity"
GroupKey: TypeAlias = tuple[str, ...]
PositionKey: TypeAlias = tuple[int, Product]


def group_of(listing: Listing, product: Product) -> GroupKey:
    instrument = listing.instrument
    if instrument.underlying is not None:
        return (funds_segment(instrument.segment), instrument.exchange.value, instrument.underlying)
    return (EQUITY, str(listing.token), product.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingOrder:
    """What of an order can still fill, and the price at which it is blocked.

    `protects`: a cover order's own stop.
    """

    order_id: str
    listing: Listing
    product: Product
    side: Side
    pending: Decimal
    price: Decimal
    cover: bool = False
    protects: bool = False
    one_cancels_other: str = ""

    @property
    def key(self) -> PositionKey:
        return self.listing.token, self.product

    @property
    def value(self) -> Decimal:
        return self.price * self.listing.instrument.multiplier


def blocking_price(request: OrderRequest, reference_price: Decimal) -> Decimal:
    """The price at which an order is blocked: its limit, its trigger, else the reference.

    A sell limit below the market fills at the market, so the higher of both counts.
    """
    if request.price is not None:
        return max(request.price, reference_price) if request.side is Side.SELL else request.price
    if request.order_type is OrderType.SL_M and request.trigger_price is not None:
        return request.trigger_price
    return reference_price


class Block(NamedTuple):
    """Money that a working order holds, by what it is for, in paise.

    `var`: margin of shares bought or sold intraday; `delivery`: shares bought to be kept.
    """

    span: Decimal = ZERO
    exposure: Decimal = ZERO
    option_premium: Decimal = ZERO
    var: Decimal = ZERO
    delivery: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.span + self.exposure + self.option_premium + self.var + self.delivery

    def plus(self, other: "Block") -> "Block":
        return Block(*(mine + more for mine, more in zip(self, other, strict=True)))


class GroupMargin(NamedTuple):
    """Of one group: what its positions need (`var`: of shares) and its working orders block, in time order.

    `premium` and `m2m`: what today's trades in options and in margined positions paid, credits positive.
    """

    risk: Risk
    var: Decimal
    blocks: Mapping[str, Block]
    blocked: Block
    premium: Decimal
    m2m: Decimal


NO_MARGIN = GroupMargin(NO_RISK, ZERO, MappingProxyType({}), Block(), ZERO, ZERO)


def group_margin(
    positions: Iterable[PositionState], working: Sequence[WorkingOrder], settings: MarginSettings
) -> GroupMargin:
    legs: list[Leg] = []
    held: list[PositionState] = []
    var = premium = m2m = ZERO
    for position in positions:
        accounting = position.accounting
        if accounting is Accounting.PREMIUM:
            premium += position.day_flow
        elif accounting is Accounting.MARGINED:
            m2m += round_half_up(position.realised_today, PAISA)
        if position.quantity:
            held.append(position)
    split = _split(held, working)
    protected = _protected(working, split)
    for position in held:
        quantity = position.quantity
        kept = protected.get((position.listing.token, position.product), ZERO)
        factor = 1 - (1 - settings.cover) * min(kept / abs(quantity), Decimal(1)) if kept else Decimal(1)
        if position.listing.instrument.segment.is_derivative:
            factor *= _product_factor(position.product, settings)
            legs.append(Leg(position.listing, quantity, position.mark_average, factor, working=False))
        elif position.accounting is Accounting.MARGINED:
            fraction = settings.intraday_fraction(position.listing.symbol) * factor
            var += abs(quantity) * position.mark_average * position.multiplier * fraction
    count = len(legs)
    opened = [_leg(order, opening, settings) for order, (_, opening) in zip(working, split, strict=True)]
    book = RiskBook([*legs, *(leg for leg in opened if leg is not None)], settings)
    risk = so_far = book.of_first(count)
    blocks: dict[str, Block] = {}
    for order, (_, opening), leg in zip(working, split, opened, strict=True):
        if leg is None:
            blocks[order.order_id] = _value_block(order, opening, settings)
            continue
        count += 1
        with_order = book.of_first(count)
        blocks[order.order_id] = Block(*_increase(so_far, with_order))
        so_far = with_order
    blocked = Block()
    for block in blocks.values():
        blocked = blocked.plus(block)
    return GroupMargin(risk, round_half_up(var, PAISA), blocks, blocked, premium, m2m)


def _protected(
    working: Sequence[WorkingOrder], split: Sequence[tuple[Decimal, Decimal]]
) -> dict[PositionKey, Decimal]:
    """Quantity of each position that the stops of cover orders reduce."""
    protected: dict[PositionKey, Decimal] = {}
    for order, (reducing, _) in zip(working, split, strict=True):
        if order.protects:
            protected[order.key] = protected.get(order.key, ZERO) + reducing
    return protected


def _split(held: Iterable[PositionState], working: Sequence[WorkingOrder]) -> list[tuple[Decimal, Decimal]]:
    """(reducing, opening) quantity of each working order."""
    reducible = {
        (p.listing.token, p.product, Side.SELL if p.quantity > 0 else Side.BUY): abs(p.quantity) for p in held
    }
    counted: dict[tuple[str, PositionKey, Side], Decimal] = {}
    result: list[tuple[Decimal, Decimal]] = []
    for order in working:
        pending = order.pending
        if order.one_cancels_other:
            group = (order.one_cancels_other, order.key, order.side)
            before = counted.get(group, ZERO)
            counted[group] = max(before, pending)
            pending = max(pending - before, ZERO)
        place = (*order.key, order.side)
        reducing = min(reducible.get(place, ZERO), pending)
        if reducing:
            reducible[place] -= reducing
        result.append((reducing, pending - reducing))
    return result


def _leg(order: WorkingOrder, opening: Decimal, settings: MarginSettings) -> Leg | None:
    """The risk that an order would add; None where it blocks a part of its value instead."""
    segment = order.listing.instrument.segment
    if not segment.is_derivative or (segment.is_options and order.side is Side.BUY) or not opening:
        return None
    factor = _product_factor(order.product, settings) * (settings.cover if order.cover else 1)
    return Leg(order.listing, opening * order.side.sign, order.price, factor, working=True)


def _value_block(order: WorkingOrder, opening: Decimal, settings: MarginSettings) -> Block:
    match accounting_of(order.listing, order.product):
        case Accounting.PREMIUM:
            return Block(option_premium=round_half_up(opening * order.value, PAISA))
        case Accounting.MARGINED:
            fraction = settings.intraday_fraction(order.listing.symbol) * (
                settings.cover if order.cover else 1
            )
            return Block(var=round_half_up(opening * order.value * fraction, PAISA))
        case Accounting.DELIVERY | Accounting.FUNDED if order.side is Side.SELL:
            return Block()  # shares are given, not money
        case Accounting.FUNDED:
            return Block(delivery=round_half_up(order.pending * order.value * settings.mtf, PAISA))
        case Accounting.DELIVERY:
            return Block(delivery=round_half_up(order.pending * order.value, PAISA))


def _increase(before: Risk, after: Risk) -> Risk:
    """What an order adds.  Span and exposure may move against each other; their sum is never negative."""
    span, exposure = after.span - before.span, after.exposure - before.exposure
    if span + exposure <= 0:
        return NO_RISK
    if span < 0:
        return Risk(ZERO, span + exposure)
    if exposure < 0:
        return Risk(span + exposure, ZERO)
    return Risk(span, exposure)


def _product_factor(product: Product, settings: MarginSettings) -> Decimal:
    return settings.intraday_derivatives if product is Product.MIS else Decimal(1)


def funds_segment(segment: Segment) -> str:
    """Kite's word for the funds that a contract is margined from."""
    return COMMODITY if segment in (Segment.COMMODITY_FUTURES, Segment.COMMODITY_OPTIONS) else EQUITY
