"""What is refused or rejected before an order reaches the market.

Two doors, as at the broker (specs/brokers.md 1.5, 1.6): the front desk refuses a request that is wrong in itself, and
no order comes of it; the risk system rejects an order that was made.  A fact that is not known (freeze quantity, circuit
limits, hours) is not checked; which those are says docs/paper.md.  Texts with a source are the broker's, the others ours.
"""

from datetime import date
from decimal import Decimal

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import AUTOMATIC_PROTECTION, OrderRequest, Variety
from trademantra.brokers.paper import scan
from trademantra.brokers.paper.core import Core
from trademantra.brokers.paper.hours import TAKING
from trademantra.brokers.paper.settings import Hours
from trademantra.brokers.paper.terms import Refusal, RefusedRequestError
from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Exchange, InstrumentKind, Segment
from trademantra.core.order import OrderType, Product, Side, Validity
from trademantra.markets.sessions import Phase

# specs/brokers.md 1.5
UNPROTECTED = (
    "Market orders without market protection are not allowed via API. "
    "Please set market protection or use a Limit order."
)
_MOST_LEGS, _FEWEST_LEGS = 10, 2
_LEAST_DISCLOSED = Decimal("0.1")
_NO_OPTION_STOP_MARKET = date(2021, 9, 27)  # specs/india-markets.md 4, medium
_AUCTION = frozenset({Phase.CAS_ENTRY, Phase.CAS_LIMIT_ONLY})


def refuse(message: str, kind: Refusal = Refusal.INPUT) -> RefusedRequestError:
    return RefusedRequestError(kind, message)


def check_request(core: Core, listing: Listing, request: OrderRequest) -> None:
    """The front desk.  Errors: `RefusedRequestError`."""
    instrument = listing.instrument
    if instrument.kind is InstrumentKind.INDEX:
        raise refuse(f"{listing.symbol} is an index and cannot be traded.")
    derivative = instrument.segment.is_derivative
    if request.product in (Product.CNC, Product.MTF) and derivative:
        raise refuse(f"Product {request.product} is not available for {listing.symbol}; use MIS or NRML.")
    if request.product is Product.NRML and instrument.segment is Segment.EQUITY:
        raise refuse(f"Product NRML is not available for {listing.symbol}; use CNC, MIS or MTF.")
    if request.quantity % instrument.lot_size:
        raise refuse(f"Quantity should be a multiple of the lot size {instrument.lot_size}.")
    _check_prices(core, listing, request)
    _check_protection(core, listing, request)
    if request.ttl_minutes is not None and request.ttl_minutes <= 0:
        raise refuse("Validity in minutes must be positive.")
    if request.disclosed_quantity:
        _check_disclosed(request, derivative)
    if request.legs is not None and not _FEWEST_LEGS <= request.legs <= _MOST_LEGS:
        raise refuse(f"Iceberg legs must be between {_FEWEST_LEGS} and {_MOST_LEGS}.")
    if request.variety is Variety.COVER and request.order_type.has_trigger:
        raise refuse("A cover order is a MARKET or LIMIT order with a trigger price for its stop.")
    if request.variety is Variety.COVER and request.product is not Product.MIS:
        raise refuse("A cover order is intraday: its product is MIS.")


def _check_prices(core: Core, listing: Listing, request: OrderRequest) -> None:
    tick = listing.instrument.tick_size
    row = core.listings.row_of(listing.token)
    lower, upper = core.market.price(row, scan.LOWER), core.market.price(row, scan.UPPER)
    prices = (
        ("Price", request.price),
        ("Trigger price", request.trigger_price),
        ("Stop", request.stop_trigger),
        ("Target", request.target_price),
    )
    for name, price in prices:
        if price is None:
            continue
        if price <= 0:
            raise refuse(f"{name} must be positive.")
        if price % tick:
            raise refuse(
                f"Tick size for this script is {tick}. Kindly enter price in the multiple of tick size for this script."
            )
        if lower is not None and price < lower:
            raise refuse(f"{name} cannot be below the lower circuit price. Please try a price above {lower}.")
        if upper is not None and price > upper:
            raise refuse(f"{name} cannot be above the upper circuit price. Please try a price below {upper}.")
    limit, trigger = request.price, request.trigger_price
    if request.order_type is not OrderType.SL or limit is None or trigger is None:
        return
    if (limit - trigger) * request.side.sign < 0:
        word = "lower" if request.side is Side.BUY else "higher"
        side = request.side.lower()
        raise refuse(f"Trigger price for stoploss {side} orders should be {word} than the limit price.")


def _check_protection(core: Core, listing: Listing, request: OrderRequest) -> None:
    percent = request.market_protection
    if percent is not None and percent != AUTOMATIC_PROTECTION and not 0 <= percent <= 100:
        raise refuse("Market protection is a percentage above 0 and up to 100, or -1.")
    market = request.order_type in (OrderType.MARKET, OrderType.SL_M)
    if market and not percent and not core.settings.unprotected_orders:
        raise refuse(UNPROTECTED)
    if (
        request.order_type is OrderType.SL_M
        and listing.instrument.segment is Segment.EQUITY_OPTIONS
        and listing.instrument.exchange is Exchange.NSE
        and core.day >= _NO_OPTION_STOP_MARKET
        and not percent
    ):
        raise refuse("SL-M orders are not accepted for options; use SL with a limit price.")


def _check_disclosed(request: OrderRequest, derivative: bool) -> None:
    if derivative:
        raise refuse("Disclosed quantity is not allowed for derivatives.")
    if not _LEAST_DISCLOSED * request.quantity <= request.disclosed_quantity <= request.quantity:
        raise refuse("Disclosed quantity should be at least 10% of the quantity, and not more than it.")


def rejection(core: Core, listing: Listing, request: OrderRequest, *, system: bool = False) -> str | None:
    """Why the risk system or the exchange turns an order down now; None when it does not."""
    freeze = listing.instrument.freeze_quantity
    if freeze is not None and request.quantity > freeze:
        return f"RMS:Rule: Quantity {request.quantity} is above the freeze quantity {freeze} of {listing.symbol}."
    if system:
        return None
    expiry = listing.instrument.expiry
    if expiry is not None and core.day > expiry:
        return f"{listing.symbol} has expired on {expiry}."
    try:
        phase = core.hours.window(listing, core.now_ns).phase
    except MissingFactError as error:
        return f"The trading hours of {listing.symbol} are not known: {error}"
    if request.variety is Variety.AMO:
        if phase in TAKING and core.settings.hours is Hours.EXCHANGE:
            return "After market orders are taken while the market is closed. Please place a regular order."
        return None
    if phase not in TAKING:
        return f"Market is closed ({phase}). Place an after market order (AMO) or a GTT."
    return _phase_rejection(core, listing, request, phase)


def _phase_rejection(core: Core, listing: Listing, request: OrderRequest, phase: Phase) -> str | None:
    if (
        phase in (Phase.PREOPEN_LIMIT_ONLY, Phase.CAS_LIMIT_ONLY)
        and request.order_type is not OrderType.LIMIT
    ):
        return "Only limit orders are allowed in this part of the auction."
    special = (
        request.order_type.has_trigger or request.validity is Validity.IOC or request.disclosed_quantity > 0
    )
    if phase in _AUCTION and special:  # specs/india-markets.md 3.1 (C:CMTR74466)
        return "Stop-loss, IOC and disclosed-quantity orders are not allowed in the closing auction."
    if request.product is Product.MIS:
        leave_ns = core.hours.square_off_ns(listing, core.day)
        if leave_ns is not None and core.now_ns >= leave_ns:
            return "Intraday (MIS) orders are not taken after the square-off time. Use CNC or NRML."
    return None
