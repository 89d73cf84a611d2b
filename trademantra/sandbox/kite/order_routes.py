"""Orders and trades: `/orders`, `/trades`."""

from collections.abc import Mapping

from trademantra.brokers.orders import OrderRequest, Variety
from trademantra.brokers.paper.exchange import ChildOutcome, Placed
from trademantra.brokers.paper.terms import ExchangeOrder, RefusedRequestError
from trademantra.core.errors import TradeMantraError
from trademantra.sandbox.kite import shapes
from trademantra.sandbox.kite.accounts import KiteAccount
from trademantra.sandbox.kite.desk import Desk
from trademantra.sandbox.kite.errors import (
    INPUT,
    ORDER,
    KiteReplyError,
    invalid,
    refused,
)
from trademantra.sandbox.kite.fields import Fields, fields_of
from trademantra.sandbox.kite.json_form import Json
from trademantra.sandbox.kite.limits import Budget
from trademantra.sandbox.kite.operations import Call, Operation, Where, real, text, whole
from trademantra.sandbox.kite.order_forms import EXCHANGES, changed_order, new_order

_VARIETIES = ("regular", "amo", "co", "iceberg", "auction", "bo")
_ENDED = frozenset({"bo"})


def place(call: Call) -> Json:
    """Place an order.  The answer says that it was received, not that it was accepted."""
    return placed(call.desk, call.session.account, call.path["variety"], call.form)


def placed(desk: Desk, account: KiteAccount, variety: str, fields: Fields) -> Json:
    """Read an order form and place it."""
    request = read_order(desk, account, variety, fields)
    try:
        outcome = desk.exchange.place(account.user_id, request)
    except RefusedRequestError as error:
        raise refused(error) from error
    return _receipt(outcome, sliced=request.slice_automatically)


def read_order(desk: Desk, account: KiteAccount, variety: str, fields: Fields) -> OrderRequest:
    """Errors: InputException naming the field."""
    known = _variety(variety, fields)
    listing = desk.listing(_venue(fields), fields.symbol("tradingsymbol"))
    return new_order(fields, known, listing, account, desk.settings.rules)


def place_basket(desk: Desk, user_id: str, basket: Json) -> Json:
    """The orders of an alert; what became of each."""
    account = next(a for a in desk.accounts if a.user_id == user_id)
    outcomes: list[Json] = []
    items = basket.get("items", []) if isinstance(basket, Mapping) else []
    for item in items if isinstance(items, list) else []:
        try:
            fields = _basket_fields(item)
            outcomes.append(placed(desk, account, fields.optional("variety", "regular"), fields))
        except KiteReplyError as error:
            outcomes.append({"error": {"error_type": error.error_type, "message": error.message}})
    return outcomes


def modify(call: Call) -> Json:
    """Change the terms of a working order."""
    _variety_exists(call.path["variety"])
    order = _own(call)
    change = changed_order(call.form, order.request, order.listing, call.desk.settings.rules)
    try:
        return {"order_id": call.desk.exchange.modify(call.user, order.order_id, change)}
    except RefusedRequestError as error:
        raise refused(error) from error


def cancel(call: Call) -> Json:
    """Cancel a working order; of a cover order: exit it."""
    _variety_exists(call.path["variety"])
    order = _own(call)
    try:
        return {"order_id": call.desk.exchange.cancel(call.user, order.order_id)}
    except RefusedRequestError as error:
        raise refused(error) from error


def orders(call: Call) -> Json:
    """Today's orders in their last states."""
    return [shapes.order(order) for order in call.desk.exchange.orders(call.user)]


def history(call: Call) -> Json:
    """All states of an order, oldest first."""
    try:
        return [shapes.order(o) for o in call.desk.exchange.history(call.user, call.path["order_id"])]
    except RefusedRequestError as error:
        raise refused(error) from error


def trades(call: Call) -> Json:
    """Today's trades."""
    return [shapes.trade(trade) for trade in call.desk.exchange.trades(call.user)]


def order_trades(call: Call) -> Json:
    """Trades of one order."""
    order = _own(call)
    return [shapes.trade(trade) for trade in call.desk.exchange.trades(call.user, order.order_id)]


def _own(call: Call) -> ExchangeOrder:
    """Errors: OrderException for an order that the user has not, so that ids of others tell nothing."""
    try:
        return call.desk.exchange.history(call.user, call.path["order_id"])[-1]
    except RefusedRequestError as error:
        raise KiteReplyError(400, ORDER, "Order not found.") from error


def _receipt(outcome: Placed, *, sliced: bool) -> Json:
    if not sliced:
        return {"order_id": outcome.order_id}
    return {"order_id": outcome.order_id, "children": [_child(child) for child in outcome.children]}


def _child(child: ChildOutcome) -> Json:
    if child.order_id is not None:
        return {"order_id": child.order_id}
    error = refused(child.error) if isinstance(child.error, RefusedRequestError) else None
    return {
        "error": {
            "code": error.status if error else 400,
            "error_type": error.error_type if error else INPUT,
            "message": str(child.error.message if isinstance(child.error, TradeMantraError) else child.error),
            "data": None,
        }
    }


def _variety_exists(variety: str) -> None:
    if variety not in _VARIETIES or variety in _ENDED:
        raise invalid("variety")


def _variety(variety: str, fields: Fields) -> Variety:
    _variety_exists(variety)
    if variety == "auction":
        fields.text("auction_number")
        raise invalid("auction_number", "No auction is held.")
    return Variety(variety)


def _venue(fields: Fields) -> str:
    venue = fields.text("exchange")
    if venue not in EXCHANGES:
        raise invalid("exchange")
    return venue


def _basket_fields(item: Json) -> Fields:
    if not isinstance(item, Mapping) or not isinstance(params := item.get("params"), Mapping):
        raise invalid("basket")
    names = {"exchange": item.get("exchange"), "tradingsymbol": item.get("tradingsymbol")}
    return fields_of({**names, **params}, "basket")


_VARIETY = text("variety", Where.PATH, words=_VARIETIES[:5])
_ORDER_ID = text("order_id", Where.PATH)
_TERMS = (
    whole("quantity", Where.FORM, least=1), real("price", Where.FORM), real("trigger_price", Where.FORM),
    whole("disclosed_quantity", Where.FORM), real("market_protection", Where.FORM),
    text("validity", Where.FORM, words=("DAY", "IOC", "TTL")), whole("validity_ttl", Where.FORM, least=1),
)  # fmt: skip
_NEW = (
    text("exchange", Where.FORM, required=True, words=EXCHANGES),
    text("tradingsymbol", Where.FORM, required=True),
    text("transaction_type", Where.FORM, required=True, words=("BUY", "SELL")),
    text("order_type", Where.FORM, required=True, words=("MARKET", "LIMIT", "SL", "SL-M")),
    text("product", Where.FORM, required=True, words=("CNC", "MIS", "NRML", "MTF", "CO")),
    *_TERMS,
    whole("iceberg_legs", Where.FORM), whole("iceberg_quantity", Where.FORM), text("tag", Where.FORM),
    text("autoslice", Where.FORM, words=("true", "false")), text("algo_id", Where.FORM),
    text("auction_number", Where.FORM),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST", path="/orders/{variety}", summary="Place an order", answer=place, budget=Budget.ORDERS,
        places_orders=True, changes=True, parameters=(_VARIETY, *_NEW),
    ),
    Operation(
        method="PUT", path="/orders/{variety}/{order_id}", summary="Modify an order", answer=modify,
        budget=Budget.ORDERS, places_orders=True, changes=True,
        parameters=(
            _VARIETY, _ORDER_ID, text("parent_order_id", Where.FORM),
            text("order_type", Where.FORM, words=("MARKET", "LIMIT", "SL", "SL-M")), *_TERMS,
        ),
    ),
    Operation(
        method="DELETE", path="/orders/{variety}/{order_id}", summary="Cancel an order", answer=cancel,
        budget=Budget.ORDERS, places_orders=True, changes=True,
        parameters=(_VARIETY, _ORDER_ID, text("parent_order_id", Where.QUERY)),
    ),
    Operation(method="GET", path="/orders", summary="Order book", answer=orders),
    Operation(
        method="GET", path="/orders/{order_id}", summary="Order history", answer=history, parameters=(_ORDER_ID,)
    ),
    Operation(
        method="GET", path="/orders/{order_id}/trades", summary="Trades of an order", answer=order_trades,
        parameters=(_ORDER_ID,),
    ),
    Operation(method="GET", path="/trades", summary="Trade book", answer=trades),
)  # fmt: skip
