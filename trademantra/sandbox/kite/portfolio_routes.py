"""Positions and holdings: `/portfolio`."""

from enum import StrEnum

from trademantra.brokers.paper.terms import RefusedRequestError
from trademantra.core.order import Product, Side
from trademantra.sandbox.kite import shapes
from trademantra.sandbox.kite.errors import invalid, missing, refused
from trademantra.sandbox.kite.json_form import Json
from trademantra.sandbox.kite.operations import Call, Operation, Parameter, Where, text, whole
from trademantra.sandbox.kite.order_forms import EXCHANGES, units_in

_PRODUCTS = tuple(Product)


class PositionType(StrEnum):
    DAY = "day"
    OVERNIGHT = "overnight"


def positions(call: Call) -> Json:
    """Net and day positions."""
    return shapes.positions(call.desk.exchange.positions(call.user))


def convert(call: Call) -> Json:
    """Change the product of an open position."""
    form = call.form
    listing = call.desk.listing(form.symbol("exchange"), form.symbol("tradingsymbol"))
    side = form.word("transaction_type", Side)
    kind = form.word("position_type", PositionType)
    old, new = form.word("old_product", Product), form.word("new_product", Product)
    quantity = form.positive("quantity") * units_in(listing)
    if old is new:
        raise invalid("new_product")
    try:
        call.desk.exchange.convert(
            call.user, listing, side, quantity, old, new, overnight=kind is PositionType.OVERNIGHT
        )
    except RefusedRequestError as error:
        raise refused(error) from error
    return True


def holdings(call: Call) -> Json:
    return [shapes.holding(row) for row in call.desk.exchange.holdings(call.user)]


def holdings_summary(call: Call) -> Json:
    return shapes.holdings_summary(call.desk.exchange.holdings(call.user))


def compact_holdings(call: Call) -> Json:
    return [shapes.compact_holding(row) for row in call.desk.exchange.holdings(call.user)]


def auctions(call: Call) -> Json:
    """No auction is held here."""
    return []


def authorise(call: Call) -> Json:
    """Sandbox holdings need no depository authorisation; the request is answered as if it had been given."""
    isins, quantities = call.repeated.get("isin", ()), call.repeated.get("quantity", ())
    if len(isins) != len(quantities):
        raise missing("quantity" if len(isins) > len(quantities) else "isin")
    held = {row.listing.instrument.isin for row in call.desk.exchange.holdings(call.user)}
    if any(isin not in held for isin in isins):
        raise invalid("isin")
    if any(not quantity.isascii() or not quantity.isdigit() for quantity in quantities):
        raise invalid("quantity")
    return {"request_id": call.desk.make_uuid().hex}


OPERATIONS: tuple[Operation, ...] = (
    Operation(method="GET", path="/portfolio/positions", summary="Positions", answer=positions),
    Operation(
        method="PUT", path="/portfolio/positions", summary="Convert a position", answer=convert, changes=True,
        parameters=(
            text("exchange", Where.FORM, required=True, words=EXCHANGES),
            text("tradingsymbol", Where.FORM, required=True),
            text("transaction_type", Where.FORM, required=True, words=("BUY", "SELL")),
            text("position_type", Where.FORM, required=True, words=("day", "overnight")),
            whole("quantity", Where.FORM, required=True, least=1),
            text("old_product", Where.FORM, required=True, words=_PRODUCTS),
            text("new_product", Where.FORM, required=True, words=_PRODUCTS),
        ),
    ),
    Operation(method="GET", path="/portfolio/holdings", summary="Holdings", answer=holdings),
    Operation(
        method="GET", path="/portfolio/holdings/summary", summary="Totals of holdings", answer=holdings_summary
    ),
    Operation(
        method="GET", path="/portfolio/holdings/compact", summary="Holdings in short", answer=compact_holdings
    ),
    Operation(
        method="GET", path="/portfolio/holdings/auctions", summary="Auctions", answer=auctions
    ),
    Operation(
        method="POST", path="/portfolio/holdings/authorise", summary="Authorise holdings", answer=authorise,
        parameters=(
            Parameter("isin", Where.FORM, {"type": "string"}, repeated=True),
            Parameter("quantity", Where.FORM, {"type": "integer"}, repeated=True),
        ),
    ),
)  # fmt: skip
