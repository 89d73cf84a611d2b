"""Listings, orders and trades for the tests of an account."""

from datetime import date
from decimal import Decimal

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import OrderRequest, Variety
from trademantra.brokers.paper.terms import ExchangeOrder, ExchangeTrade, Stage
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.order import OrderStatus, OrderType, Product, Side

DAY = date(2026, 11, 20)
NEXT = date(2026, 11, 23)


def share(symbol: str = "INFY", token: int = 408065, close: str | None = None) -> Listing:
    instrument = Instrument(
        exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=symbol
    )
    return Listing("NSE", symbol, token, instrument, symbol, Decimal(close) if close else None)


def option(
    strike: int,
    right: OptionRight,
    *,
    underlying: str = "NIFTY",
    expiry: date = date(2026, 11, 23),
    lot: int = 65,
    token: int | None = None,
) -> Listing:
    symbol = f"{underlying}{expiry:%y%m%d}{strike}{right}"
    instrument = Instrument(
        exchange=Exchange.NSE,
        segment=Segment.EQUITY_OPTIONS,
        kind=InstrumentKind.OPTION,
        symbol=symbol,
        underlying=underlying,
        expiry=expiry,
        strike=Decimal(strike),
        right=right,
        lot_size=Decimal(lot),
    )
    number = strike * 10 + (1 if right is OptionRight.CALL else 2) if token is None else token
    return Listing("NFO", symbol, number, instrument, underlying)


def future(
    expiry: date = date(2026, 11, 23), *, underlying: str = "NIFTY", lot: int = 65, token: int = 9000
) -> Listing:
    symbol = f"{underlying}{expiry:%y%b}FUT".upper()
    instrument = Instrument(
        exchange=Exchange.NSE,
        segment=Segment.EQUITY_FUTURES,
        kind=InstrumentKind.FUTURE,
        symbol=symbol,
        underlying=underlying,
        expiry=expiry,
        lot_size=Decimal(lot),
    )
    return Listing("NFO", symbol, token, instrument, underlying)


def request(
    listing: Listing,
    side: Side,
    quantity: int | str | Decimal,
    product: Product,
    *,
    price: str | None = None,
    trigger: str | None = None,
    variety: Variety = Variety.REGULAR,
) -> OrderRequest:
    stop = trigger is not None and variety is not Variety.COVER
    if stop:
        order_type = OrderType.SL_M if price is None else OrderType.SL
    else:
        order_type = OrderType.MARKET if price is None else OrderType.LIMIT
    return OrderRequest(
        instrument=listing.instrument,
        side=side,
        quantity=Decimal(quantity),
        order_type=order_type,
        product=product,
        tag="t",
        price=None if price is None else Decimal(price),
        trigger_price=None if trigger is None else Decimal(trigger),
        variety=variety,
    )


def order(
    order_id: str, listing: Listing, asked: OrderRequest, *, filled: int = 0, parent: str | None = None
) -> ExchangeOrder:
    return ExchangeOrder(
        order_id=order_id,
        account_id="AB1234",
        listing=listing,
        request=asked,
        stage=Stage.OPEN,
        status=OrderStatus.OPEN,
        placed_ns=0,
        updated_ns=0,
        filled_quantity=Decimal(filled),
        parent_order_id=parent,
    )


def trade(
    trade_id: str,
    listing: Listing,
    side: Side,
    quantity: int | str | Decimal,
    price: str | Decimal,
    product: Product,
    *,
    order_id: str | None = None,
) -> ExchangeTrade:
    return ExchangeTrade(
        trade_id=trade_id,
        order_id=order_id or f"o{trade_id}",
        exchange_order_id="1",
        account_id="AB1234",
        listing=listing,
        side=side,
        product=product,
        quantity=Decimal(quantity),
        price=Decimal(price),
        at_ns=0,
    )
