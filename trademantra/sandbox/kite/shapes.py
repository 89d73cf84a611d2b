"""Answers in Kite's shapes (specs/brokers.md 1.4): field names and types exactly."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import Variety
from trademantra.brokers.paper.account.views import (
    AccountHolding,
    AccountPosition,
    ContractNoteRow,
    OrderMargin,
    PositionBook,
)
from trademantra.brokers.paper.terms import ExchangeOrder, ExchangeTrade
from trademantra.sandbox.kite.accounts import KiteAccount
from trademantra.sandbox.kite.json_form import Json, count, number, stamp, stamp_or_none
from trademantra.sandbox.kite.order_forms import units_in
from trademantra.sandbox.kite.sessions import Session

EXCHANGES = ("NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX")
PRODUCTS = ("CNC", "NRML", "MIS", "MTF", "CO")
ORDER_TYPES = ("MARKET", "LIMIT", "SL", "SL-M")
SYSTEM_USER = "ADMINSQF"  # who places a square-off; the name is not documented (low)

_UNITS = frozenset({"quantity", "overnight_quantity", "buy_quantity", "sell_quantity"}) | frozenset(
    {"day_buy_quantity", "day_sell_quantity"}
)


def profile(account: KiteAccount) -> dict[str, Json]:
    """`GET /user/profile`."""
    return {
        "user_id": account.user_id,
        "user_type": "individual",
        "email": account.email,
        "user_name": account.user_name,
        "user_shortname": account.user_name.split(" ", maxsplit=1)[0],
        "broker": "ZERODHA",
        "exchanges": EXCHANGES,
        "products": PRODUCTS,
        "order_types": ORDER_TYPES,
        "avatar_url": None,
        "meta": {"demat_consent": "consent"},
    }


def full_profile(account: KiteAccount, login_ns: int) -> dict[str, Json]:
    """`GET /user/profile/full`: what a sandbox user has of it."""
    return {
        **profile(account),
        "bank_accounts": [],
        "dp_ids": [],
        "pan": "",
        "phone": "",
        "twofa_type": "totp",
        "password_timestamp": stamp(login_ns),
        "twofa_timestamp": stamp(login_ns),
        "tags": [],
        "meta": {"demat_consent": "consent", "poa": "poa", "silo": "", "account_blocks": []},
    }


def session(opened: Session) -> dict[str, Json]:
    """`POST /session/token`."""
    return {
        **profile(opened.account),
        "api_key": opened.account.api_key,
        "access_token": opened.access_token,
        "public_token": opened.public_token,
        "enctoken": opened.enctoken,
        "refresh_token": "",
        "silo": "",
        "login_time": stamp(opened.login_ns),
    }


def order(placed: ExchangeOrder) -> dict[str, Json]:
    """One state of an order."""
    request, listing = placed.request, placed.listing
    unit = units_in(listing)
    cover = request.variety is Variety.COVER
    shape: dict[str, Json] = {
        "placed_by": SYSTEM_USER if placed.placed_by_system else placed.account_id,
        "order_id": placed.order_id,
        "exchange_order_id": placed.exchange_order_id,
        "parent_order_id": placed.parent_order_id,
        "status": placed.stage.value,
        "status_message": placed.status_message,
        "status_message_raw": placed.status_message,
        "order_timestamp": stamp(placed.placed_ns),
        "exchange_update_timestamp": stamp_or_none(placed.exchange_ns and placed.updated_ns),
        "exchange_timestamp": stamp_or_none(placed.exchange_ns),
        "variety": request.variety.value,
        "modified": placed.modified,
        "exchange": listing.venue,
        "tradingsymbol": listing.symbol,
        "instrument_token": listing.token,
        "order_type": request.order_type.value,
        "transaction_type": request.side.value,
        "validity": request.validity.value,
        "validity_ttl": request.ttl_minutes or 0,
        "product": "CO" if cover else request.product.value,
        "quantity": count(request.quantity / unit),
        "disclosed_quantity": count(request.disclosed_quantity / unit),
        "price": 0 if request.price is None else number(request.price),
        "trigger_price": 0 if request.trigger_price is None else number(request.trigger_price),
        "average_price": number(placed.average_price),
        "filled_quantity": count(placed.filled_quantity / unit),
        "pending_quantity": count(placed.pending_quantity / unit),
        "cancelled_quantity": count(placed.cancelled_quantity / unit),
        "market_protection": 0 if request.market_protection is None else number(request.market_protection),
        "meta": _iceberg(placed, unit) if request.legs else {},
        "tag": request.tag or None,
        "guid": f"{int(placed.order_id[-6:]) if placed.order_id[-6:].isdigit() else 0:06d}X{placed.account_id}",
    }
    if request.tag:
        shape["tags"] = [request.tag]
    return shape


def trade(done: ExchangeTrade) -> dict[str, Json]:
    """One execution.  `order_timestamp` is the time of day only, as the broker sends it."""
    at = stamp(done.at_ns)
    return {
        "trade_id": done.trade_id,
        "order_id": done.order_id,
        "exchange": done.listing.venue,
        "tradingsymbol": done.listing.symbol,
        "instrument_token": done.listing.token,
        "product": done.product.value,
        "average_price": number(done.price),
        "quantity": count(done.quantity / units_in(done.listing)),
        "exchange_order_id": done.exchange_order_id,
        "transaction_type": done.side.value,
        "fill_timestamp": at,
        "order_timestamp": at[11:],
        "exchange_timestamp": at,
    }


def positions(book: PositionBook) -> dict[str, Json]:
    """`GET /portfolio/positions`."""
    return {"net": [_position(row) for row in book.net], "day": [_position(row) for row in book.day]}


def holding(row: AccountHolding) -> dict[str, Json]:
    """One holding.  A price that is not known is null."""
    shape = _named(row.listing) | {"isin": row.listing.instrument.isin or ""}
    for name, value in _values(row):
        if name == "authorised_date":
            shape[name] = f"{row.authorised_date or '0001-01-01'} 00:00:00"
        elif name.endswith("quantity") and isinstance(value, Decimal):
            shape[name] = count(value)
        else:
            shape[name] = plain(value)
    shape["close_price"] = shape["close_price"] or 0
    shape["authorisation"] = {}
    return shape


def holdings_summary(rows: Iterable[AccountHolding]) -> Json:
    """`GET /portfolio/holdings/summary`: totals over what has a price."""
    invested = current = today = Decimal(0)
    for row in rows:
        total = row.opening_quantity
        last = row.last_price if row.last_price is not None else row.average_price
        invested += row.average_price * total
        current += last * total
        today += (last - row.close_price) * total if row.close_price else Decimal(0)
    before = current - today
    return {
        "invested_amount": number(invested),
        "current_value": number(current),
        "total_pnl": number(current - invested),
        "total_pnl_percent": number(100 * (current - invested) / invested) if invested else 0,
        "today_pnl": number(today),
        "today_pnl_percent": number(100 * today / before) if before else 0,
    }


def compact_holding(row: AccountHolding) -> Json:
    """`GET /portfolio/holdings/compact`: what is held, without money."""
    return {
        "exchange": row.listing.venue,
        "tradingsymbol": row.listing.symbol,
        "instrument_token": row.listing.token,
        "quantity": count(row.quantity),
        "t1_quantity": count(row.t1_quantity),
    }


def order_margin(margin: OrderMargin) -> Json:
    """One object of the margin calculators."""
    return plain(margin)


def compact_margin(margin: OrderMargin) -> Json:
    """The same in `mode=compact`: totals only."""
    return {
        "type": margin.type,
        "tradingsymbol": margin.tradingsymbol,
        "exchange": margin.exchange,
        "total": number(margin.total),
    }


def note_row(row: ContractNoteRow, unit: Decimal) -> Json:
    """One row of the virtual contract note."""
    return {**_plain_fields(row), "quantity": count(row.quantity / unit)}


def plain(value: object) -> Json:
    """A value of the account's views as JSON: field names are Kite's already.

    >>> plain(Decimal("10.50"))
    10.5
    """
    if value is None or (isinstance(value, str | bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return _plain_fields(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    raise TypeError(f"no JSON form of {type(value).__name__}")


def _plain_fields(value: object) -> dict[str, Json]:
    return {name: plain(item) for name, item in _values(value)}


def _values(value: object) -> list[tuple[str, object]]:
    """Fields of a view, without its listing, which the caller names in Kite's way."""
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} is not a view")
    return [(f.name, getattr(value, f.name)) for f in fields(value) if f.name != "listing"]


def _position(row: AccountPosition) -> Json:
    unit = units_in(row.listing)
    shape = _named(row.listing) | _plain_fields(row)
    for name in _UNITS:
        shape[name] = count(getattr(row, name) / unit)
    shape["multiplier"] = number(row.multiplier * unit)
    shape["close_price"] = shape["close_price"] or 0
    return shape


def _named(listing: Listing) -> dict[str, Json]:
    return {
        "tradingsymbol": listing.symbol,
        "exchange": listing.venue,
        "instrument_token": listing.token,
    }


def _iceberg(placed: ExchangeOrder, unit: Decimal) -> Json:
    """One leg of an iceberg.  `remaining_quantity`: what the legs after this one, and this one, have to do yet."""
    legs = placed.request.legs or 1
    leg = placed.iceberg_leg or 1
    total = placed.iceberg_quantity or placed.request.quantity
    later = max(total - placed.request.quantity * leg, Decimal(0)) if leg < legs else Decimal(0)
    return {
        "iceberg": {
            "leg": leg,
            "legs": legs,
            "leg_quantity": count(placed.request.quantity / unit),
            "total_quantity": count(total / unit),
            "remaining_quantity": count((placed.pending_quantity + later) / unit),
        }
    }
