"""The desk of the exchange: takes, changes and cancels orders."""

from dataclasses import dataclass, replace
from decimal import Decimal

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import OrderChange, OrderRequest, Variety
from trademantra.brokers.paper import attached
from trademantra.brokers.paper.account.rejections import AccountRejectionError
from trademantra.brokers.paper.book import Guard, Working
from trademantra.brokers.paper.checks import check_request, refuse, rejection
from trademantra.brokers.paper.core import Core
from trademantra.brokers.paper.lifecycle import arrive, end, received, reference_of, set_terms, step_to
from trademantra.brokers.paper.matching import meet_standing
from trademantra.brokers.paper.settings import Meets
from trademantra.brokers.paper.terms import ExchangeOrder, Refusal, RefusedRequestError, Stage
from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.order import OrderType, Product, Side, Validity
from trademantra.markets.contracts.freeze import slice_quantity

_CHANGEABLE = frozenset({Stage.OPEN, Stage.TRIGGER_PENDING, Stage.AMO_RECEIVED, Stage.OPEN_PENDING})
_MOST_SLICES = 10  # specs/brokers.md 0.2


@dataclass(frozen=True, slots=True)
class ChildOutcome:
    """One slice: its order, or why it was refused."""

    order_id: str | None
    error: RefusedRequestError | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """The order that was made; with automatic slicing the number under which the `children` are kept together."""

    order_id: str
    children: tuple[ChildOutcome, ...] = ()


def place(core: Core, account_id: str, request: OrderRequest) -> Placed:
    """Errors: `RefusedRequestError`, then nothing happened."""
    core.account(account_id)
    row = listed_row(core, request)
    listing = core.listings.at(row)
    check_request(core, listing, request)
    freeze = listing.instrument.freeze_quantity
    if request.slice_automatically and freeze is not None and request.quantity > freeze:
        return _place_slices(core, account_id, listing, row, request, freeze)
    if request.variety is Variety.ICEBERG and request.legs is not None:
        legs = attached.leg_quantities(request.quantity, request.legs, listing.instrument.lot_size)
        first = replace(request, quantity=legs[0])
        return Placed(enter(core, account_id, listing, row, first, iceberg=(1, request.quantity)))
    return Placed(enter(core, account_id, listing, row, request))


def listed_row(core: Core, request: OrderRequest) -> int:
    """Errors: `RefusedRequestError`."""
    try:
        return core.listings.row_of_instrument(request.instrument)
    except UnknownInstrumentError as error:
        raise refuse(f"The instrument you are placing an order for is not listed: {error.message}") from error


def _place_slices(
    core: Core, account_id: str, listing: Listing, row: int, request: OrderRequest, freeze: Decimal
) -> Placed:
    quantities = slice_quantity(request.quantity, listing.instrument.lot_size, freeze)
    if len(quantities) > _MOST_SLICES:
        raise refuse(
            f"Quantity {request.quantity} needs {len(quantities)} slices; at most {_MOST_SLICES} are made."
        )
    parent = core.next_order_id()
    core.note_numbers()
    children = []
    for quantity in quantities:
        part = replace(request, quantity=quantity, slice_automatically=False)
        children.append(ChildOutcome(enter(core, account_id, listing, row, part, parent_order_id=parent)))
    return Placed(parent, tuple(children))


def enter(
    core: Core,
    account_id: str,
    listing: Listing,
    row: int,
    request: OrderRequest,
    *,
    parent_order_id: str | None = None,
    iceberg: tuple[int, Decimal] | None = None,
    system: bool = False,
) -> str:
    """Make the order and bring it as far as it comes now: rejected, under way, resting, or filled."""
    working = received(
        core,
        account_id,
        listing,
        row,
        request,
        parent_order_id=parent_order_id,
        iceberg=iceberg,
        system=system,
    )
    order_id = working.order.order_id
    reason = rejection(core, listing, request, system=system)
    reference = reference_of(core, working.row, working.order.request)
    if reason is None and reference is None and not system:
        reason = f"No price of {listing.symbol} is known yet, so its margin cannot be worked out."
    if reason is None and reference is not None and not system:
        try:
            core.block(working, reference)
        except AccountRejectionError as error:
            reason = error.message
    if reason is not None:
        end(core, working, Stage.REJECTED, reason)
    elif request.variety is Variety.AMO:
        step_to(core, working, Stage.AMO_RECEIVED)
    else:
        step_to(core, working, Stage.OPEN_PENDING)
        if working.arrives_ns <= core.now_ns:
            bring(core, working)
    return order_id


def bring(core: Core, working: Working) -> None:
    """To the exchange, and to the market as it stands where the settings say so."""
    arrive(core, working)
    if core.settings.meets is Meets.STANDING:
        meet_standing(core, working)


def find(core: Core, account_id: str, order_id: str) -> ExchangeOrder:
    """Errors: `RefusedRequestError`."""
    core.account(account_id)
    found = core.day_book.find(order_id)
    if found is None or found.account_id != account_id:
        raise RefusedRequestError(Refusal.ORDER, f"Couldn't find that `order_id` {order_id}.")
    return found


def _changeable(core: Core, account_id: str, order_id: str, what: str) -> Working:
    order = find(core, account_id, order_id)
    working = core.working.get(order_id)
    if working is None or order.stage not in _CHANGEABLE:
        raise RefusedRequestError(
            Refusal.ORDER, f"Order cannot be {what} as it is being processed. Status: {order.stage}."
        )
    return working


def modify(core: Core, account_id: str, order_id: str, change: OrderChange) -> str:
    """Errors: `RefusedRequestError`, then nothing happened."""
    working = _changeable(core, account_id, order_id, "modified")
    if working.changes >= core.settings.most_changes:
        raise RefusedRequestError(Refusal.ORDER, "Maximum allowed order modifications exceeded.")
    _changed(core, working, change)  # refuse now what cannot be
    working.changes += 1
    delay = core.delay()
    before = working.order.stage
    if delay and working.arrived:
        working.change, working.change_ns = change, core.now_ns + delay
    step_to(core, working, Stage.MODIFY_VALIDATION_PENDING)
    if working.change is not None:
        step_to(core, working, Stage.MODIFY_PENDING)
    else:
        apply_change(core, working, change, before)
    return order_id


def _changed(core: Core, working: Working, change: OrderChange) -> OrderRequest:
    """The order's request with new terms.  Errors: `RefusedRequestError`."""
    order, request = working.order, working.order.request
    order_type = change.order_type or request.order_type
    validity = change.validity or request.validity
    price = request.price if change.price is None else change.price
    trigger = request.trigger_price if change.trigger_price is None else change.trigger_price
    cover = request.variety is Variety.COVER
    quantity = request.quantity if change.quantity is None else change.quantity
    if quantity < order.filled_quantity or quantity <= 0:
        raise refuse(
            f"Quantity {quantity} is below the filled quantity {order.filled_quantity}.", Refusal.ORDER
        )
    if working.triggered and order_type.has_trigger and change.trigger_price is not None:
        raise refuse("The trigger of this order was reached already.", Refusal.ORDER)
    try:
        changed = replace(
            request,
            quantity=quantity,
            order_type=order_type,
            price=price if order_type.has_limit else None,
            trigger_price=trigger if order_type.has_trigger or cover else None,
            validity=validity,
            ttl_minutes=(change.ttl_minutes or request.ttl_minutes) if validity is Validity.TTL else None,
            disclosed_quantity=(
                request.disclosed_quantity if change.disclosed_quantity is None else change.disclosed_quantity
            ),
            market_protection=(
                request.market_protection if change.market_protection is None else change.market_protection
            ),
        )
    except InvalidValueError as error:
        raise refuse(str(error)) from error
    if order.placed_by_system and change.quantity is not None:
        raise refuse("The quantity of an attached order follows its position.", Refusal.ORDER)
    check_request(core, order.listing, replace(changed, market_protection=None) if working.guard else changed)
    freeze = order.listing.instrument.freeze_quantity
    if freeze is not None and changed.quantity > freeze:
        raise refuse(
            f"RMS:Rule: Quantity {changed.quantity} is above the freeze quantity {freeze}.", Refusal.ORDER
        )
    return changed


def apply_change(core: Core, working: Working, change: OrderChange, stage: Stage) -> None:
    """Put new terms in force; when margin does not allow them the old ones stay and the order says why."""
    working.change = None
    order = working.order
    try:
        request = _changed(core, working, change)
    except RefusedRequestError as error:  # it filled while the change was under way
        step_to(core, working, stage, error.message)
        return
    before = working.order.request
    changed = replace(
        order, request=request, pending_quantity=request.quantity - order.filled_quantity, modified=True
    )
    if not changed.pending_quantity:
        end(core, working, Stage.CANCELLED, None)
        return
    working.order = changed
    set_terms(core, working)
    reference = reference_of(core, working.row, working.order.request)
    if working.blocked and reference is not None:
        try:
            core.block_again(changed, reference)
        except AccountRejectionError as error:
            working.order = order
            set_terms(core, working)
            step_to(core, working, stage, error.message)
            return
    step_to(core, working, Stage.MODIFY_PENDING)
    loses_place = request.price != before.price or request.quantity > before.quantity
    if working.arrived:
        working.rests = False
        if loses_place or request.trigger_price != before.trigger_price:
            attached.requeue(core, working)
        stage = Stage.TRIGGER_PENDING if working.waits_for_trigger else Stage.OPEN
    core.touched_rows.add(working.row)
    step_to(core, working, stage)
    if working.arrived and core.settings.meets is Meets.STANDING:
        meet_standing(core, working)


def cancel(core: Core, account_id: str, order_id: str) -> str:
    """Cancel an order; of a cover order whose entry is done, leave the position.

    Errors: `RefusedRequestError`, then nothing happened.
    """
    order = find(core, account_id, order_id)
    if order.stage is Stage.COMPLETE and order.request.variety is Variety.COVER:
        row = core.listings.row_of(order.listing.token)
        stops = attached.protection_of(core, row, order_id)
        if stops:
            attached.exit_cover(core, stops[0])
            return order_id
    working = _changeable(core, account_id, order_id, "cancelled")
    if working.guard is Guard.STOP and working.order.request.variety is Variety.COVER:
        attached.exit_cover(core, working)
        return order_id
    delay = core.delay()
    if delay and working.arrived:
        working.cancelling, working.change_ns = True, core.now_ns + delay
    step_to(core, working, Stage.CANCEL_PENDING)
    if not working.cancelling:
        end(core, working, Stage.CANCELLED, None)
    return order_id


def place_next_legs(core: Core) -> None:
    """Iceberg: after a leg is done comes the next one."""
    while core.completed_legs:
        order = core.completed_legs.pop(0)
        following = attached.next_leg(order)
        if following is not None:
            number, quantity = following
            row = core.listings.row_of(order.listing.token)
            enter(
                core, order.account_id, order.listing, row, replace(order.request, quantity=quantity),
                parent_order_id=order.parent_order_id or order.order_id,
                iceberg=(number, order.iceberg_quantity or quantity),
            )  # fmt: skip


def square_off(core: Core, account_id: str, listing: Listing, product: Product, quantity: Decimal) -> None:
    """Leave an intraday position at market, in slices where the freeze quantity asks for them."""
    row = core.listings.row_of(listing.token)
    freeze = listing.instrument.freeze_quantity
    parts = (
        (abs(quantity),)
        if freeze is None
        else slice_quantity(abs(quantity), listing.instrument.lot_size, freeze)
    )
    for part in parts:
        request = OrderRequest(
            instrument=listing.instrument,
            side=Side.SELL if quantity > 0 else Side.BUY,
            quantity=part,
            order_type=OrderType.MARKET,
            product=product,
            tag="squareoff",
        )
        enter(core, account_id, listing, row, request, system=True)
