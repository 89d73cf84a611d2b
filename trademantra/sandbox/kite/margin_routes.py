"""Margin and charge calculators: `/margins`, `/charges`."""

from collections.abc import Sequence

from trademantra.brokers.orders import OrderRequest
from trademantra.brokers.paper.account.views import NoteOrder
from trademantra.brokers.paper.terms import RefusedRequestError
from trademantra.core.time import ist_date
from trademantra.sandbox.kite import shapes
from trademantra.sandbox.kite.errors import invalid, refused
from trademantra.sandbox.kite.fields import Fields, fields_of, parsed_json
from trademantra.sandbox.kite.json_form import Json
from trademantra.sandbox.kite.operations import Call, Operation, Where, text
from trademantra.sandbox.kite.order_forms import EXCHANGES, calculator_order, units_in

MOST_ORDERS = 100


def order_margins(call: Call) -> Json:
    """What each order needs, beside what is open."""
    shape = shapes.compact_margin if call.query.optional("mode") == "compact" else shapes.order_margin
    answers: list[Json] = []
    for request in _requests(call):
        try:
            basket = call.desk.exchange.margin_of(call.user, [request], consider_positions=True)
        except RefusedRequestError as error:
            raise refused(error) from error
        answers.append(shape(basket.orders[0]))
    return answers


def basket_margins(call: Call) -> Json:
    """What a basket needs, with and without what its orders save each other."""
    requests = _requests(call)
    considered = call.query.flag("consider_positions", default=True)
    try:
        basket = call.desk.exchange.margin_of(call.user, requests, consider_positions=considered)
    except RefusedRequestError as error:
        raise refused(error) from error
    compact = call.query.optional("mode") == "compact"
    shape = shapes.compact_margin if compact else shapes.order_margin
    return {
        "initial": shape(basket.initial),
        "final": shape(basket.final),
        "orders": [shape(one) for one in basket.orders],
        "charges": shapes.plain(basket.charges),
    }


def contract_note(call: Call) -> Json:
    """Charges of orders as if they had been executed at their average prices."""
    orders = []
    for fields in _rows(call):
        listing = call.desk.listing(fields.symbol("exchange"), fields.symbol("tradingsymbol"))
        request = calculator_order(fields, listing)
        orders.append(
            NoteOrder(listing=listing, request=request, average_price=fields.price("average_price"))
        )
    account = call.desk.exchange.account(call.user)
    rows = account.charges(orders, ist_date(call.desk.clock.now_ns()))
    return [shapes.note_row(row, units_in(order.listing)) for row, order in zip(rows, orders, strict=True)]


def _requests(call: Call) -> Sequence[OrderRequest]:
    requests = []
    for fields in _rows(call):
        listing = call.desk.listing(fields.symbol("exchange"), fields.symbol("tradingsymbol"))
        requests.append(calculator_order(fields, listing))
    return requests


def _rows(call: Call) -> Sequence[Fields]:
    rows = parsed_json(call.body, "body")
    if not isinstance(rows, list) or not rows:
        raise invalid("body", "A list of orders is needed.")
    if len(rows) > MOST_ORDERS:
        raise invalid("body", f"At most {MOST_ORDERS} orders.")
    return [fields_of(row, "order") for row in rows]


_ROW: Json = {
    "type": "object",
    "required": [
        "exchange",
        "tradingsymbol",
        "transaction_type",
        "variety",
        "product",
        "order_type",
        "quantity",
    ],
    "properties": {
        "order_id": {"type": "string"},
        "exchange": {"enum": EXCHANGES},
        "tradingsymbol": {"type": "string"},
        "transaction_type": {"enum": ["BUY", "SELL"]},
        "variety": {"enum": ["regular", "amo", "co", "iceberg"]},
        "product": {"enum": ["CNC", "MIS", "NRML", "MTF", "CO"]},
        "order_type": {"enum": ["MARKET", "LIMIT", "SL", "SL-M"]},
        "quantity": {"type": "integer", "minimum": 1},
        "price": {"type": "number"},
        "trigger_price": {"type": "number"},
        "average_price": {"type": "number"},
    },
}
_ORDERS = {"type": "array", "items": _ROW, "minItems": 1, "maxItems": MOST_ORDERS}
_MODE = text("mode", Where.QUERY, words=("compact",))

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST", path="/margins/orders", summary="Margin of orders", answer=order_margins,
        parameters=(_MODE,), json_body=_ORDERS,
    ),
    Operation(
        method="POST", path="/margins/basket", summary="Margin of a basket", answer=basket_margins,
        parameters=(text("consider_positions", Where.QUERY, words=("true", "false")), _MODE), json_body=_ORDERS,
    ),
    Operation(
        method="POST", path="/charges/orders", summary="Virtual contract note", answer=contract_note,
        json_body=_ORDERS,
    ),
)  # fmt: skip
