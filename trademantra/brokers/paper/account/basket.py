"""What orders need: one by one, and all together with what they save each other."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import OrderRequest, Variety
from trademantra.brokers.paper.account.blocking import (
    Block,
    GroupKey,
    PositionKey,
    WorkingOrder,
    blocking_price,
    funds_segment,
    group_margin,
    group_of,
)
from trademantra.brokers.paper.account.charges import charges_of_order, sum_of_charges
from trademantra.brokers.paper.account.positions import Accounting, PositionState, accounting_of
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.account.state import AccountState
from trademantra.brokers.paper.account.views import ZERO, BasketMargin, OrderCharges, OrderMargin
from trademantra.core.instrument import Segment


class PricedOrder(NamedTuple):
    """An order that is asked about.  `reference_price`: the last price, for orders without a price of their own."""

    listing: Listing
    request: OrderRequest
    reference_price: Decimal


def order_margin(
    state: AccountState, order: PricedOrder, day: date | None, *, considered: bool = True
) -> OrderMargin:
    """What one order needs beside all that is open and working, or by itself (`considered` false)."""
    working = working_order("", order.listing, order.request, order.request.quantity, order.reference_price)
    group = group_of(order.listing, order.request.product)
    members = state.members(group) if considered else []
    queue = state.queue(group) if considered else []
    block = group_margin(members, [*queue, working], state.settings).blocks[""]
    return _row(state.settings, order, working.price, block, day)


def basket_margin(
    state: AccountState, orders: Sequence[PricedOrder], day: date | None, *, consider_positions: bool
) -> BasketMargin:
    """`initial`: the orders one after the other, all waiting; `final`: all of them filled at their prices.

    Errors: `MissingFactError` for a day without charges.
    """
    settings = state.settings
    queues: dict[GroupKey, list[WorkingOrder]] = {}
    filled: dict[GroupKey, dict[PositionKey, PositionState]] = {}
    before: dict[GroupKey, Block] = {}
    rows: list[OrderMargin] = []
    held_money = Block()
    for number, order in enumerate(orders):
        group = group_of(order.listing, order.request.product)
        if group not in queues:
            queues[group] = state.queue(group) if consider_positions else []
            members = state.members(group) if consider_positions else []
            filled[group] = {(p.listing.token, p.product): replace(p) for p in members}
            before[group] = _of_positions(list(filled[group].values()), settings)
        name = f"basket {number}"
        working = working_order(
            name, order.listing, order.request, order.request.quantity, order.reference_price
        )
        positions = state.members(group) if consider_positions else []
        queues[group].append(working)
        block = group_margin(positions, queues[group], settings).blocks[name]
        rows.append(_row(settings, order, working.price, block, day))
        key = (order.listing.token, order.request.product)
        position = filled[group].setdefault(key, PositionState(order.listing, order.request.product))
        position.trade(working.side, working.pending, working.price)
        held_money = held_money.plus(Block(option_premium=block.option_premium, delivery=block.delivery))
    after = Block()
    for group, members_after in filled.items():
        change = [
            new - old
            for new, old in zip(
                _of_positions(list(members_after.values()), settings), before[group], strict=True
            )
        ]
        after = after.plus(Block(*change))
    charges = sum_of_charges(row.charges for row in rows)
    return BasketMargin(
        initial=_total([Block(r.span, r.exposure, r.option_premium, r.var) for r in rows]),
        final=_total([after, held_money]),
        orders=tuple(rows),
        charges=charges,
    )


def working_order(
    order_id: str,
    listing: Listing,
    request: OrderRequest,
    pending: Decimal,
    reference_price: Decimal,
    *,
    parent: str | None = None,
    one_cancels_other: str = "",
) -> WorkingOrder:
    """An order as blocking sees it."""
    cover = request.variety is Variety.COVER
    return WorkingOrder(
        order_id=order_id,
        listing=listing,
        product=request.product,
        side=request.side,
        pending=pending,
        price=blocking_price(request, reference_price),
        cover=cover and parent is None,
        protects=cover and parent is not None,
        one_cancels_other=one_cancels_other,
    )


def _of_positions(positions: Sequence[PositionState], settings: MarginSettings) -> Block:
    margin = group_margin(positions, [], settings)
    return Block(span=margin.risk.span, exposure=margin.risk.exposure, var=margin.var)


def _row(
    settings: MarginSettings, order: PricedOrder, price: Decimal, block: Block, day: date | None
) -> OrderMargin:
    charges = OrderCharges()
    if day is not None:
        charges = charges_of_order(order.listing, order.request, price, settings.tariff, day)
    return OrderMargin(
        type=funds_segment(order.listing.instrument.segment),
        tradingsymbol=order.listing.symbol,
        exchange=order.listing.venue,
        span=block.span,
        exposure=block.exposure,
        option_premium=block.option_premium,
        var=block.var + block.delivery,
        leverage=_leverage(settings, order),
        charges=charges,
        total=block.total,
    )


def _total(blocks: Sequence[Block]) -> OrderMargin:
    total = Block()
    for block in blocks:
        total = total.plus(block)
    return OrderMargin(
        span=total.span,
        exposure=total.exposure,
        option_premium=total.option_premium,
        var=total.var + total.delivery,
        total=total.total,
    )


def _leverage(settings: MarginSettings, order: PricedOrder) -> Decimal:
    match accounting_of(order.listing, order.request.product):
        case Accounting.MARGINED if order.listing.instrument.segment is Segment.EQUITY:
            fraction = settings.intraday_fraction(order.listing.symbol)
        case Accounting.FUNDED:
            fraction = settings.mtf
        case _:
            fraction = ZERO
    return 1 / fraction if fraction else Decimal(1)
