"""Good-till-triggered orders: `/gtt/triggers` (specs/brokers.md 1.7)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.gtt import Gtt, GttOrder, GttResult, GttStatus
from trademantra.brokers.paper.terms import RefusedRequestError
from trademantra.core.order import OrderType, Product, Side
from trademantra.sandbox.kite.desk import Desk
from trademantra.sandbox.kite.errors import INPUT, KiteReplyError, invalid, refused
from trademantra.sandbox.kite.fields import Fields, fields_of
from trademantra.sandbox.kite.json_form import Json, count, number, stamp
from trademantra.sandbox.kite.operations import Call, Operation, Where, text, whole
from trademantra.sandbox.kite.order_forms import units_in

_SHOWN_DAYS_STATUS = frozenset({GttStatus.DELETED})


class _Kind(StrEnum):
    SINGLE = "single"
    TWO_LEG = "two-leg"


def gtts(call: Call) -> Json:
    return [
        gtt_json(gtt, call.user)
        for gtt in call.desk.exchange.gtts(call.user)
        if gtt.status not in _SHOWN_DAYS_STATUS
    ]


def gtt(call: Call) -> Json:
    return gtt_json(_own(call), call.user)


def place_gtt(call: Call) -> Json:
    listing, triggers, orders, last_price = _read(call.desk, call.form)
    try:
        made = call.desk.exchange.place_gtt(call.user, listing, triggers, orders, last_price)
    except RefusedRequestError as error:
        raise refused(error) from error
    return {"trigger_id": made}


def modify_gtt(call: Call) -> Json:
    old = _own(call)
    listing, triggers, orders, last_price = _read(call.desk, call.form)
    if listing.token != old.listing.token:
        raise invalid("condition", "The instrument of a GTT cannot be changed.")
    try:
        call.desk.exchange.modify_gtt(call.user, old.gtt_id, triggers, orders, last_price)
    except RefusedRequestError as error:
        raise refused(error) from error
    return {"trigger_id": old.gtt_id}


def delete_gtt(call: Call) -> Json:
    gtt_id = _own(call).gtt_id
    try:
        call.desk.exchange.delete_gtt(call.user, gtt_id)
    except RefusedRequestError as error:
        raise refused(error) from error
    return {"trigger_id": gtt_id}


def gtt_json(gtt: Gtt, user_id: str) -> Json:
    """A GTT in Kite's shape."""
    listing = gtt.listing
    name: dict[str, Json] = {"exchange": listing.venue, "tradingsymbol": listing.symbol}
    return {
        "id": gtt.gtt_id,
        "user_id": user_id,
        "parent_trigger": None,
        "type": gtt.type.value,
        "created_at": stamp(gtt.created_ns),
        "updated_at": stamp(gtt.updated_ns),
        "expires_at": stamp(gtt.expires_ns),
        "status": gtt.status.value,
        "condition": {
            **name,
            "trigger_values": [number(trigger) for trigger in gtt.triggers],
            "last_price": number(gtt.last_price),
            "instrument_token": listing.token,
        },
        "orders": [
            _order_json(order, result, listing, user_id)
            for order, result in zip(gtt.orders, gtt.results, strict=True)
        ],
        "meta": {},
    }


def _order_json(order: GttOrder, result: GttResult | None, listing: Listing, user_id: str) -> Json:
    shape: dict[str, Json] = {
        "exchange": listing.venue,
        "tradingsymbol": listing.symbol,
        "product": order.product.value,
        "order_type": order.order_type.value,
        "transaction_type": order.side.value,
        "quantity": count(order.quantity / units_in(listing)),
        "price": number(order.price),
    }
    if result is None:
        return {**shape, "result": None}
    done: Json = {
        "status": "failed" if result.order_id is None else "success",
        "order_id": result.order_id or "",
        "rejection_reason": result.rejection_reason or "",
    }
    filled = {"account_id": user_id, **shape, "validity": "DAY", "meta": "{}", "order_result": done}
    return {**shape, "result": filled}


def _own(call: Call) -> Gtt:
    """Errors: InputException for an id that the user has not."""
    gtt_id = call.path["trigger_id"]
    if not gtt_id.isascii() or not gtt_id.isdigit() or len(gtt_id) > 15:
        raise invalid("trigger_id")
    try:
        return call.desk.exchange.gtt(call.user, int(gtt_id))
    except RefusedRequestError as error:
        raise KiteReplyError(400, INPUT, "Trigger not found.") from error


def _read(desk: Desk, form: Fields) -> tuple[Listing, tuple[Decimal, ...], tuple[GttOrder, ...], Decimal]:
    kind = form.word("type", _Kind)
    condition_json = form.json("condition")
    condition = fields_of(condition_json, "condition")
    listing = desk.listing(condition.symbol("exchange"), condition.symbol("tradingsymbol"))
    values = condition_json.get("trigger_values") if isinstance(condition_json, Mapping) else None
    triggers = tuple(_price(value, "trigger_values") for value in _list(values, "trigger_values"))
    if len(triggers) != (2 if kind is _Kind.TWO_LEG else 1):
        raise invalid("trigger_values", f"A {kind} trigger has {2 if kind is _Kind.TWO_LEG else 1}.")
    orders = tuple(_order(row, listing) for row in _list(form.json("orders"), "orders"))
    return listing, triggers, orders, condition.price("last_price")


def _order(row: Json, listing: Listing) -> GttOrder:
    fields = fields_of(row, "orders")
    for name, wanted in (("exchange", listing.venue), ("tradingsymbol", listing.symbol)):
        if fields.optional(name, wanted) != wanted:
            raise invalid("orders", f"Their {name} must be that of the condition.")
    return GttOrder(
        side=fields.word("transaction_type", Side),
        quantity=fields.positive("quantity") * units_in(listing),
        price=fields.price("price"),
        product=fields.word("product", Product),
        order_type=fields.word("order_type", OrderType),
    )


def _list(value: Json, name: str) -> Sequence[Json]:
    if not isinstance(value, list) or not 1 <= len(value) <= 2:
        raise invalid(name, "A list of one or two is needed.")
    return value


def _price(value: Json, name: str) -> Decimal:
    return fields_of({name: value}, name).price(name)


_ID = whole("trigger_id", Where.PATH)
_TERMS = (
    text("type", Where.FORM, required=True, words=tuple(_Kind)),
    text("condition", Where.FORM, required=True),
    text("orders", Where.FORM, required=True),
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(method="GET", path="/gtt/triggers", summary="GTTs", answer=gtts),
    Operation(
        method="POST", path="/gtt/triggers", summary="Place a GTT", answer=place_gtt, parameters=_TERMS, changes=True
    ),
    Operation(method="GET", path="/gtt/triggers/{trigger_id}", summary="One GTT", answer=gtt, parameters=(_ID,)),
    Operation(
        method="PUT", path="/gtt/triggers/{trigger_id}", summary="Modify a GTT", answer=modify_gtt,
        parameters=(_ID, *_TERMS), changes=True,
    ),
    Operation(
        method="DELETE", path="/gtt/triggers/{trigger_id}", summary="Delete a GTT", answer=delete_gtt,
        parameters=(_ID,), changes=True,
    ),
)  # fmt: skip
