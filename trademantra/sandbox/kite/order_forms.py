"""Order forms: from Kite's fields to the desk's own words (specs/brokers.md 1.5)."""

from dataclasses import replace
from decimal import Decimal
from enum import StrEnum

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import AUTOMATIC_PROTECTION, OrderChange, OrderRequest, Variety
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import QuantityUnit
from trademantra.core.order import OrderType, Product, Side, Validity
from trademantra.sandbox.kite.accounts import KiteAccount
from trademantra.sandbox.kite.errors import INPUT, KiteReplyError, invalid
from trademantra.sandbox.kite.fields import Fields
from trademantra.sandbox.kite.settings import PROTECTION_REFUSAL, RuleBook

EXCHANGES = ("NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "NCO")
COMMODITY_VENUES = frozenset({"MCX"})
LONGEST_TAG = 20
MOST_TTL_MINUTES = 1440


class FormProduct(StrEnum):
    """Products of an order form; CO comes from old clients that name a cover order's product so."""

    CNC = "CNC"
    MIS = "MIS"
    NRML = "NRML"
    MTF = "MTF"
    CO = "CO"


def units_in(listing: Listing) -> Decimal:
    """How many units one of the broker's quantity is: a lot where the venue counts lots, else 1."""
    instrument = listing.instrument
    return instrument.lot_size if instrument.quantity_unit is QuantityUnit.LOTS else Decimal(1)


def new_order(
    fields: Fields, variety: Variety, listing: Listing, account: KiteAccount, rules: RuleBook
) -> OrderRequest:
    """The order that a form asks for.  Fields that its type does not use are ignored, as the broker does.

    Errors: InputException naming the field; the exact refusal for an unprotected market order.
    """
    side = fields.word("transaction_type", Side)
    order_type = fields.word("order_type", OrderType)
    product = fields.word("product", FormProduct)
    if (product is FormProduct.CO) and variety is not Variety.COVER:
        raise invalid("product")
    unit = units_in(listing)
    quantity = fields.positive("quantity")
    validity = fields.word("validity", Validity, Validity.DAY)
    if validity is Validity.IOC and listing.venue in COMMODITY_VENUES and not rules.commodities_take_ioc:
        raise KiteReplyError(400, INPUT, "IOC orders are not allowed for MCX via API.")
    protection = _protection(fields, order_type, rules)
    legs = _legs(fields, quantity) if variety is Variety.ICEBERG else None
    has_trigger = order_type.has_trigger or variety is Variety.COVER
    try:
        return OrderRequest(
            instrument=listing.instrument,
            side=side,
            quantity=quantity * unit,
            order_type=order_type,
            product=Product.MIS if product is FormProduct.CO else Product(product.value),
            tag=_tag(fields),
            price=fields.price("price") if order_type.has_limit else None,
            trigger_price=fields.price("trigger_price") if has_trigger else None,
            validity=validity,
            ttl_minutes=_ttl(fields) if validity is Validity.TTL else None,
            disclosed_quantity=fields.optional_whole("disclosed_quantity") * unit,
            variety=variety,
            market_protection=protection,
            legs=legs,
            slice_automatically=fields.flag("autoslice"),
            algo_id=_algo_id(fields, account, rules),
        )
    except InvalidValueError as error:
        raise KiteReplyError(400, INPUT, error.message) from error


def changed_order(fields: Fields, present: OrderRequest, listing: Listing, rules: RuleBook) -> OrderChange:
    """What a form asks to change; absent fields stay as they are.

    A price or trigger that the order's type does not use is ignored (clients send 0).
    """
    order_type = fields.word("order_type", OrderType, present.order_type)
    unit = units_in(listing)
    validity = fields.word("validity", Validity) if fields.has("validity") else None
    protection = None
    if fields.has("market_protection") or (order_type is not present.order_type):
        protection = _protection(fields, order_type, rules)
    return OrderChange(
        quantity=fields.positive("quantity") * unit if fields.has("quantity") else None,
        order_type=order_type if order_type is not present.order_type else None,
        price=fields.price("price") if order_type.has_limit and _given(fields, "price") else None,
        trigger_price=fields.price("trigger_price")
        if (order_type.has_trigger or present.variety is Variety.COVER) and _given(fields, "trigger_price")
        else None,
        validity=validity,
        ttl_minutes=_ttl(fields) if validity is Validity.TTL else None,
        disclosed_quantity=fields.whole("disclosed_quantity") * unit
        if fields.has("disclosed_quantity")
        else None,
        market_protection=protection,
    )


def calculator_order(fields: Fields, listing: Listing) -> OrderRequest:
    """An order of a margin or charge calculator: no tag, no protection rule, a price where there is one."""
    order_type = fields.word("order_type", OrderType)
    variety = fields.word("variety", Variety, Variety.REGULAR)
    request = OrderRequest(
        instrument=listing.instrument,
        side=fields.word("transaction_type", Side),
        quantity=fields.positive("quantity") * units_in(listing),
        order_type=OrderType.MARKET,
        product=_calculator_product(fields),
        tag="",
    )
    has_trigger = order_type.has_trigger or variety is Variety.COVER
    price = fields.optional_number("price")
    trigger = fields.optional_number("trigger_price")
    if order_type.has_limit and price <= 0:
        raise invalid("price")
    if has_trigger and trigger <= 0:
        raise invalid("trigger_price")
    return replace(
        request,
        order_type=order_type,
        price=price if order_type.has_limit else None,
        trigger_price=trigger if has_trigger else None,
        variety=Variety.COVER if variety is Variety.COVER else Variety.REGULAR,
    )


def _calculator_product(fields: Fields) -> Product:
    product = fields.word("product", FormProduct)
    return Product.MIS if product is FormProduct.CO else Product(product.value)


def _given(fields: Fields, name: str) -> bool:
    """Whether a changed price is meant: clients send 0 for a price that they do not want to change."""
    return fields.has(name) and fields.number(name) != 0


def _protection(fields: Fields, order_type: OrderType, rules: RuleBook) -> Decimal | None:
    if order_type.has_limit:
        return None
    percent = fields.optional_number("market_protection")
    if percent == 0:
        if rules.protects_market_orders:
            raise KiteReplyError(400, INPUT, PROTECTION_REFUSAL)
        return None
    if percent != AUTOMATIC_PROTECTION and not 0 < percent <= 100:
        raise invalid("market_protection")
    return percent


def _tag(fields: Fields) -> str:
    tag = fields.optional("tag")
    if tag and (not tag.isalnum() or not tag.isascii() or len(tag) > LONGEST_TAG):
        raise invalid("tag", f"It may have up to {LONGEST_TAG} letters and digits.")
    return tag


def _ttl(fields: Fields) -> int:
    minutes = fields.positive("validity_ttl")
    if minutes > MOST_TTL_MINUTES:
        raise invalid("validity_ttl")
    return minutes


def _legs(fields: Fields, quantity: int) -> int:
    """2 to 10 legs whose size, where it is told, makes up the quantity."""
    legs = fields.whole("iceberg_legs")
    if not 2 <= legs <= 10 or legs > quantity:
        raise invalid("iceberg_legs")
    if fields.has("iceberg_quantity") and fields.positive("iceberg_quantity") != -(-quantity // legs):
        raise invalid("iceberg_quantity", "It must be the quantity divided by the legs.")
    return legs


def _algo_id(fields: Fields, account: KiteAccount, rules: RuleBook) -> str:
    """The exchange's number of a registered strategy.  Before 2026 there was none, and the field was ignored."""
    algo_id = fields.optional("algo_id")
    if not rules.checks_algo_ids:
        return ""
    if algo_id and account.algo_ids and algo_id not in account.algo_ids:
        raise invalid("algo_id")
    if algo_id and (not algo_id.isascii() or not algo_id.isalnum() or len(algo_id) > 40):
        raise invalid("algo_id")
    return algo_id
