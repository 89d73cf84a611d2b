"""Orders as the wire writes them: form fields out, the reply of a placing in (specs/brokers.md 1.5)."""

from decimal import Decimal

from trademantra.brokers.errors import NotSupportedError
from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import (
    AUTOMATIC_PROTECTION,
    Accepted,
    OrderChange,
    OrderRequest,
    PlaceResult,
    Unknown,
    Variety,
)
from trademantra.brokers.zerodha.client import Fields
from trademantra.brokers.zerodha.instruments import wire_quantity
from trademantra.brokers.zerodha.reply import Json, Record, records
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument, plain
from trademantra.core.money import round_up
from trademantra.core.order import OrderType

_UNPROTECTED = (OrderType.MARKET, OrderType.SL_M)
_MOST_PERCENT = 100


def place_form(request: OrderRequest, listing: Listing, *, protect: bool) -> Fields:
    """Fields of POST /orders/{variety}.

    With `protect` a market order that names no protection gets the broker's own slab (refused without since
    2026-04-01).  Errors: `InvalidValueError` for what the wire cannot say; `NotSupportedError` for brackets.
    """
    if request.stop_trigger is not None or request.target_price is not None:
        raise NotSupportedError(
            "Zerodha attaches no stop or target to an order", hint="place them as orders of their own"
        )
    # The lots are those of the caller's instrument, who counted units by it.
    instrument = request.instrument
    fields = [
        ("exchange", listing.venue),
        ("tradingsymbol", listing.symbol),
        ("transaction_type", request.side.value),
        ("order_type", request.order_type.value),
        ("product", request.product.value),
        ("quantity", str(wire_quantity(request.quantity, instrument))),
        ("validity", request.validity.value),
        ("tag", request.tag),
    ]
    if request.price is not None:
        fields.append(("price", plain(request.price)))
    if request.trigger_price is not None:
        fields.append(("trigger_price", plain(request.trigger_price)))
    if request.ttl_minutes is not None:
        fields.append(("validity_ttl", str(request.ttl_minutes)))
    if request.disclosed_quantity:
        fields.append(("disclosed_quantity", str(wire_quantity(request.disclosed_quantity, instrument))))
    if request.variety is Variety.ICEBERG and request.legs is not None:
        leg = round_up(request.quantity / request.legs, instrument.lot_size)
        fields += [
            ("iceberg_legs", str(request.legs)),
            ("iceberg_quantity", str(wire_quantity(leg, instrument))),
        ]
    protection = _protection(request.order_type, request.market_protection, protect=protect)
    if protection is not None:
        fields.append(("market_protection", plain(protection)))
    if request.slice_automatically:
        fields.append(("autoslice", "true"))
    if request.algo_id:
        fields.append(("algo_id", request.algo_id))
    return fields


def change_form(change: OrderChange, instrument: Instrument, *, protect: bool) -> Fields:
    """Fields of PUT /orders/{variety}/{order_id}: only what changes.  Errors: `InvalidValueError`."""
    fields = []
    if change.quantity is not None:
        fields.append(("quantity", str(wire_quantity(change.quantity, instrument))))
    if change.order_type is not None:
        fields.append(("order_type", change.order_type.value))
    for name, price in (("price", change.price), ("trigger_price", change.trigger_price)):
        if price is not None:
            fields.append((name, plain(price)))
    if change.validity is not None:
        fields.append(("validity", change.validity.value))
    if change.ttl_minutes is not None:
        fields.append(("validity_ttl", str(change.ttl_minutes)))
    if change.disclosed_quantity is not None:
        fields.append(("disclosed_quantity", str(wire_quantity(change.disclosed_quantity, instrument))))
    protection = _protection(change.order_type, change.market_protection, protect=protect)
    if protection is not None:
        fields.append(("market_protection", plain(protection)))
    if not fields:
        raise InvalidValueError("the change changes nothing", hint="name at least one new term")
    return fields


def placed(data: Json) -> PlaceResult:
    """The reply of POST /orders/{variety}.

    Where slicing made some orders and could not make others, the outcome is `Unknown`: the children that rest there
    are found by the tag, and nothing is called accepted that lacks a leg.
    """
    reply = Record(data, "placed order")
    order_id = reply.text("order_id")
    if "children" not in reply:
        return Accepted(order_id)
    children, refusals = [], []
    for child in records(reply.value("children"), "slices"):
        if "error" in child:
            refusals.append(child.record("error").optional_text("message") or "no reason given")
        else:
            children.append(child.text("order_id"))
    if refusals:
        return Unknown(
            f"of {len(children) + len(refusals)} slices {len(refusals)} were refused ({refusals[0]}); "
            f"accepted: {', '.join(children) or 'none'}"
        )
    return Accepted(order_id, tuple(children))


def _protection(order_type: OrderType | None, asked: Decimal | None, *, protect: bool) -> Decimal | None:
    if asked is not None:
        if asked != AUTOMATIC_PROTECTION and not 0 < asked <= _MOST_PERCENT:
            raise InvalidValueError(
                f"market protection is a percentage above 0 up to 100, or -1 for the broker's, not {asked}"
            )
        return asked
    return AUTOMATIC_PROTECTION if protect and order_type in _UNPROTECTED else None
