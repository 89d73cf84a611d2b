"""The life of one order: received, checked, at the exchange, filled, ended.  Each step is a stage in its history."""

from dataclasses import replace
from decimal import Decimal
from math import nan
from types import MappingProxyType

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import AUTOMATIC_PROTECTION, OrderRequest
from trademantra.brokers.paper import scan
from trademantra.brokers.paper.book import Guard, Working
from trademantra.brokers.paper.core import Core
from trademantra.brokers.paper.prices import decimal_price, decimal_quantity
from trademantra.brokers.paper.terms import ExchangeOrder, ExchangeTrade, Stage
from trademantra.core.errors import MissingFactError
from trademantra.core.order import OrderStatus, Validity
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.markets.contracts.protection import protected_price, protected_stop_limit, protection_percent

_STATUS = MappingProxyType(
    {
        Stage.RECEIVED: OrderStatus.SENT,
        Stage.VALIDATION_PENDING: OrderStatus.SENT,
        Stage.OPEN_PENDING: OrderStatus.SENT,
        Stage.OPEN: OrderStatus.OPEN,
        Stage.TRIGGER_PENDING: OrderStatus.TRIGGER_PENDING,
        Stage.MODIFY_VALIDATION_PENDING: OrderStatus.MODIFYING,
        Stage.MODIFY_PENDING: OrderStatus.MODIFYING,
        Stage.CANCEL_PENDING: OrderStatus.CANCELLING,
        Stage.AMO_RECEIVED: OrderStatus.OPEN,
        Stage.COMPLETE: OrderStatus.FILLED,
        Stage.CANCELLED: OrderStatus.CANCELLED,
        Stage.REJECTED: OrderStatus.REJECTED,
    }
)


def stage_of(core: Core, order: ExchangeOrder, stage: Stage, message: str | None = None) -> ExchangeOrder:
    """The order at its next stage, now."""
    status = _STATUS[stage]
    if status is OrderStatus.OPEN and order.filled_quantity:
        status = OrderStatus.PARTLY_FILLED
    return replace(
        order,
        stage=stage,
        status=status,
        updated_ns=core.now_ns,
        status_message=message or order.status_message,
    )


def step_to(core: Core, working: Working, stage: Stage, message: str | None = None) -> None:
    core.record(stage_of(core, working.order, stage, message), working)


def received(
    core: Core,
    account_id: str,
    listing: Listing,
    row: int,
    request: OrderRequest,
    *,
    parent_order_id: str | None = None,
    iceberg: tuple[int, Decimal] | None = None,
    entry_id: str | None = None,
    guard: Guard | None = None,
    system: bool = False,
) -> Working:
    """A new order, in the first two stages of its life.  Nothing is checked or blocked yet."""
    sequence = core.next_sequence()
    order = ExchangeOrder(
        order_id=core.next_order_id(),
        account_id=account_id,
        listing=listing,
        request=request,
        stage=Stage.RECEIVED,
        status=OrderStatus.SENT,
        placed_ns=core.now_ns,
        updated_ns=core.now_ns,
        parent_order_id=parent_order_id,
        pending_quantity=request.quantity,
        iceberg_leg=None if iceberg is None else iceberg[0],
        iceberg_quantity=None if iceberg is None else iceberg[1],
        placed_by_system=system,
    )
    delay = 0 if system else core.delay()
    working = Working(
        order, row, request.side.sign, sequence, core.now_ns + delay, entry_id=entry_id, guard=guard
    )
    set_terms(core, working)
    core.record(order, working)
    step_to(core, working, Stage.VALIDATION_PENDING)
    return working


def set_terms(core: Core, working: Working) -> None:
    """Limit, trigger and end of validity out of the order's present request."""
    request = working.order.request
    working.limit = nan if request.price is None else float(request.price)
    has_trigger = request.order_type.has_trigger
    working.trigger = (
        float(request.trigger_price) if has_trigger and request.trigger_price is not None else nan
    )
    if request.validity is Validity.TTL and request.ttl_minutes is not None:
        working.expires_ns = working.order.placed_ns + request.ttl_minutes * NANOSECONDS_PER_MINUTE
    else:
        working.expires_ns = None
    protect(core, working)


def protect(core: Core, working: Working) -> None:
    """The limit of a protected MARKET or SL-M order, from the last price or the trigger (specs/brokers.md 0.3)."""
    request = working.order.request
    percent = request.market_protection
    if percent is None or percent == 0 or request.order_type.has_limit:
        return
    trigger = request.trigger_price if request.order_type.has_trigger else None
    reference = trigger or core.market.last_price(working.row)
    if reference is None:
        return
    listing = working.order.listing
    if percent == AUTOMATIC_PROTECTION:
        percent = slab(listing, reference, core)
    tick = listing.instrument.tick_size
    lower, upper = core.market.price(working.row, scan.LOWER), core.market.price(working.row, scan.UPPER)
    price = protected_price if trigger is None else protected_stop_limit
    working.limit = float(
        price(request.side, reference, percent=min(percent, Decimal("99.99")), tick_size=tick, lower_circuit=lower,
              upper_circuit=upper)
    )  # fmt: skip


def slab(listing: Listing, reference: Decimal, core: Core) -> Decimal:
    """The broker's slab; before there were any, the present one."""
    is_option = listing.instrument.segment.is_options
    try:
        return protection_percent(is_option, reference, on=core.day)
    except MissingFactError:
        return protection_percent(is_option, reference)


def reference_of(core: Core, row: int, request: OrderRequest) -> Decimal | None:
    """The price at which an order is margined: its limit, its trigger, else the last or the previous price."""
    if request.price is not None:
        return request.price
    if request.order_type.has_trigger and request.trigger_price is not None:
        return request.trigger_price
    return core.market.last_price(row) or core.market.previous_close(row)


def arrive(core: Core, working: Working) -> None:
    """The order reaches the exchange and rests there."""
    working.arrived = True
    order = replace(
        working.order,
        exchange_order_id=core.next_exchange_order_id(working.order.order_id),
        exchange_ns=core.now_ns,
    )
    stage = Stage.TRIGGER_PENDING if working.waits_for_trigger else Stage.OPEN
    join_queue(core, working)
    core.touched_rows.add(working.row)
    core.record(stage_of(core, order, stage), working)


def join_queue(core: Core, working: Working) -> None:
    """Note what stands before a limit order at its price."""
    working.ahead = 0.0
    if not core.settings.liquidity.queue or working.limit != working.limit:
        return
    depth = core.market.visible(working.row, core.settings.seed)
    for level in depth.bids if working.side > 0 else depth.asks:
        if float(level.price) == working.limit:
            working.ahead = float(level.quantity)


def fill(core: Core, working: Working, price: float, quantity: float, at_ns: int) -> ExchangeTrade:
    """Book one execution."""
    order = working.order
    instrument = order.listing.instrument
    if quantity >= float(order.pending_quantity):
        amount = order.pending_quantity
    else:
        amount = decimal_quantity(quantity, instrument.lot_size)
    at = decimal_price(price, instrument.tick_size)
    core.trade_number += 1
    trade = ExchangeTrade(
        trade_id=str(core.trade_number),
        order_id=order.order_id,
        exchange_order_id=order.exchange_order_id or "",
        account_id=order.account_id,
        listing=order.listing,
        side=order.request.side,
        product=order.request.product,
        quantity=amount,
        price=at,
        at_ns=at_ns,
    )
    core.book_trade(trade)
    filled = order.filled_quantity + amount
    pending = order.pending_quantity - amount
    order = replace(
        order,
        filled_quantity=filled,
        pending_quantity=pending,
        average_price=(order.average_price * order.filled_quantity + at * amount) / filled,
        exchange_ns=at_ns,
    )
    if pending:
        core.record(stage_of(core, order, Stage.OPEN), working)
    else:
        core.release(working)
        done = stage_of(core, order, Stage.COMPLETE)
        core.record(done, None)
        if done.iceberg_leg is not None:
            core.completed_legs.append(done)
    return trade


def end(
    core: Core, working: Working, stage: Stage, message: str | None, status: OrderStatus | None = None
) -> None:
    """Cancelled, rejected or expired: what was pending is not any more."""
    core.release(working)
    order = working.order
    ended = stage_of(core, order, stage, message)
    ended = replace(
        ended,
        cancelled_quantity=order.cancelled_quantity
        + (order.pending_quantity if stage is Stage.CANCELLED else 0),
        pending_quantity=Decimal(0),
        status=status or ended.status,
    )
    core.record(ended, None)


def expire(core: Core, working: Working, message: str) -> None:
    end(core, working, Stage.CANCELLED, message, OrderStatus.EXPIRED)
