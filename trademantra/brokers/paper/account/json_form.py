"""An account as JSON, exactly: numbers are texts, nothing is rounded, what follows from the rest is not written.

Listings stand in it whole, so that an account can be read when a broker's instrument file no longer has them.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.account.blocking import WorkingOrder
from trademantra.brokers.paper.account.holdings import HoldingState, UndeliveredLot, security_of
from trademantra.brokers.paper.account.ledger import Ledger
from trademantra.brokers.paper.account.positions import PositionState
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.account.state import AccountState, Execution
from trademantra.brokers.paper.account.views import LedgerEntry
from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.core.instrument import (
    Exchange,
    Instrument,
    InstrumentKind,
    OptionRight,
    QuantityUnit,
    Segment,
)
from trademantra.core.money import decimal_of
from trademantra.core.order import Product, Side

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

VERSION = 1

_POSITION_NUMBERS = (
    "overnight_quantity",
    "overnight_value",
    "mark_price",
    "day_buy_quantity",
    "day_buy_value",
    "day_sell_quantity",
    "day_sell_value",
    "average_price",
    "mark_average",
)


def state_json(state: AccountState) -> dict[str, Json]:
    executions = [part for parts in state.executions.values() for part in parts]
    known = dict.fromkeys(
        [
            *(position.listing for position in state.positions.values()),
            *(holding.listing for holding in state.holdings.values()),
            *(order.listing for order in state.working.values()),
            *(execution.listing for execution in executions),
        ]
    )
    place = {listing: number for number, listing in enumerate(known)}
    return {
        "version": VERSION,
        "account_id": state.account_id,
        "opening": str(state.ledger.opening),
        "ledger": [
            {"day": e.day.isoformat(), "text": e.text, "amount": str(e.amount), "balance": str(e.balance)}
            for e in state.ledger.entries
        ],
        "listings": [listing_json(listing) for listing in known],
        "positions": [
            {
                "listing": place[p.listing],
                "product": p.product.value,
                **{name: str(getattr(p, name)) for name in _POSITION_NUMBERS},
            }
            for p in state.positions.values()
        ],
        "holdings": [
            {
                "listing": place[h.listing],
                "product": h.product.value,
                "quantity": str(h.quantity),
                "undelivered": [[str(lot.quantity), lot.delivered_on.isoformat()] for lot in h.undelivered],
                "value": str(h.value),
                "loan": str(h.loan),
                "close_price": None if h.close_price is None else str(h.close_price),
            }
            for h in state.holdings.values()
        ],
        "working": [
            {
                "order_id": o.order_id,
                "listing": place[o.listing],
                "product": o.product.value,
                "side": o.side.value,
                "pending": str(o.pending),
                "price": str(o.price),
                "cover": o.cover,
                "protects": o.protects,
                "one_cancels_other": o.one_cancels_other,
            }
            for o in state.working.values()
        ],
        "executions": [
            {
                "trade_id": x.trade_id,
                "order_id": x.order_id,
                "listing": place[x.listing],
                "side": x.side.value,
                "product": x.product.value,
                "quantity": str(x.quantity),
                "price": str(x.price),
                "auto_square_off": x.auto_square_off,
            }
            for x in executions
        ],
    }


def state_of(data: Mapping[str, Json], settings: MarginSettings) -> AccountState:
    """Inverse of `state_json`.  Errors: `BadInputError` naming what cannot be read."""
    try:
        return _state(_Reader(data), settings)
    except (KeyError, IndexError, TypeError, ValueError, InvalidValueError) as error:
        raise BadInputError("account", f"cannot be read: {error!r}"[:200]) from error


def listing_json(listing: Listing) -> dict[str, Json]:
    i = listing.instrument
    return {
        "venue": listing.venue,
        "symbol": listing.symbol,
        "token": listing.token,
        "name": listing.name,
        "previous_close": _text(listing.previous_close),
        "instrument": {
            "exchange": i.exchange.value,
            "segment": i.segment.value,
            "kind": i.kind.value,
            "symbol": i.symbol,
            "underlying": i.underlying,
            "expiry": None if i.expiry is None else i.expiry.isoformat(),
            "strike": _text(i.strike),
            "right": None if i.right is None else i.right.value,
            "lot_size": str(i.lot_size),
            "tick_size": str(i.tick_size),
            "freeze_quantity": _text(i.freeze_quantity),
            "multiplier": str(i.multiplier),
            "quantity_unit": i.quantity_unit.value,
            "currency": i.currency,
            "isin": i.isin,
            "series": i.series,
            "name": i.name,
            "has_derivatives": i.has_derivatives,
        },
    }


def listing_of(data: Mapping[str, Json]) -> Listing:
    """Inverse of `listing_json`.  Errors: `KeyError`, `TypeError`, `ValueError`, `InvalidValueError`."""
    read = _Reader(data)
    i = read.object("instrument")
    expiry, right = i.maybe_text("expiry"), i.maybe_text("right")
    return Listing(
        venue=read.text("venue"),
        symbol=read.text("symbol"),
        token=read.whole("token"),
        name=read.text("name"),
        previous_close=read.maybe_number("previous_close"),
        instrument=Instrument(
            exchange=Exchange(i.text("exchange")),
            segment=Segment(i.text("segment")),
            kind=InstrumentKind(i.text("kind")),
            symbol=i.text("symbol"),
            underlying=i.maybe_text("underlying"),
            expiry=None if expiry is None else date.fromisoformat(expiry),
            strike=i.maybe_number("strike"),
            right=None if right is None else OptionRight(right),
            lot_size=i.number("lot_size"),
            tick_size=i.number("tick_size"),
            freeze_quantity=i.maybe_number("freeze_quantity"),
            multiplier=i.number("multiplier"),
            quantity_unit=QuantityUnit(i.text("quantity_unit")),
            currency=i.text("currency"),
            isin=i.maybe_text("isin"),
            series=i.maybe_text("series"),
            name=i.maybe_text("name"),
            has_derivatives=i.maybe_flag("has_derivatives"),
        ),
    )


def _state(read: "_Reader", settings: MarginSettings) -> AccountState:
    if read.whole("version") != VERSION:
        raise ValueError(f"version {read.whole('version')} is not {VERSION}")
    ledger = Ledger(read.number("opening"))
    for row in read.objects("ledger"):
        day = date.fromisoformat(row.text("day"))
        entry = LedgerEntry(
            day=day, text=row.text("text"), amount=row.number("amount"), balance=row.number("balance")
        )
        if entry.balance != ledger.balance + entry.amount:
            raise ValueError(f"ledger entry of {day}: {entry.balance} is not the balance")
        ledger.entries.append(entry)
    listings = [listing_of(row.values) for row in read.objects("listings")]
    state = AccountState(read.text("account_id"), settings, ledger)
    for row in read.objects("positions"):
        position = PositionState(listings[row.whole("listing")], Product(row.text("product")))
        for name in _POSITION_NUMBERS:
            setattr(position, name, row.number(name))
        state.positions[(position.listing.token, position.product)] = position
    for row in read.objects("holdings"):
        holding = HoldingState(
            listings[row.whole("listing")],
            Product(row.text("product")),
            row.number("quantity"),
            [_lot(lot) for lot in row.items("undelivered")],
            row.number("value"),
            row.number("loan"),
            row.maybe_number("close_price"),
        )
        state.holdings[(security_of(holding.listing.instrument), holding.product)] = holding
    for row in read.objects("working"):
        order = WorkingOrder(
            order_id=row.text("order_id"),
            listing=listings[row.whole("listing")],
            product=Product(row.text("product")),
            side=Side(row.text("side")),
            pending=row.number("pending"),
            price=row.number("price"),
            cover=row.flag("cover"),
            protects=row.flag("protects"),
            one_cancels_other=row.text("one_cancels_other"),
        )
        state.working[order.order_id] = order
    for row in read.objects("executions"):
        execution = Execution(
            trade_id=row.text("trade_id"),
            order_id=row.text("order_id"),
            listing=listings[row.whole("listing")],
            side=Side(row.text("side")),
            product=Product(row.text("product")),
            quantity=row.number("quantity"),
            price=row.number("price"),
            auto_square_off=row.flag("auto_square_off"),
        )
        before = state.executions.get(execution.trade_id, ())
        state.executions[execution.trade_id] = (*before, execution)
    state.regroup()
    return state


def _lot(data: Json) -> UndeliveredLot:
    match data:
        case [str(quantity), str(day)]:
            return UndeliveredLot(decimal_of(quantity, "quantity"), date.fromisoformat(day))
        case _:
            raise ValueError(f"{data!r} is no lot")


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


class _Reader:
    """Reads an object's fields with the types that they must have.  Errors: `KeyError`, `TypeError`, `ValueError`."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, Json]) -> None:
        self.values = values

    def text(self, name: str) -> str:
        value = self.values[name]
        if not isinstance(value, str):
            raise TypeError(f"{name} is {value!r}, not a text")
        return value

    def maybe_text(self, name: str) -> str | None:
        return None if self.values[name] is None else self.text(name)

    def number(self, name: str) -> Decimal:
        return decimal_of(self.text(name), name)

    def maybe_number(self, name: str) -> Decimal | None:
        return None if self.values[name] is None else self.number(name)

    def whole(self, name: str) -> int:
        value = self.values[name]
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}, not a whole number")
        return value

    def flag(self, name: str) -> bool:
        value = self.values[name]
        if not isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}, neither true nor false")
        return value

    def maybe_flag(self, name: str) -> bool | None:
        return None if self.values[name] is None else self.flag(name)

    def items(self, name: str) -> Sequence[Json]:
        value = self.values[name]
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise TypeError(f"{name} is {value!r}, not a list")
        return value

    def object(self, name: str) -> "_Reader":
        return _reader(self.values[name], name)

    def objects(self, name: str) -> "list[_Reader]":
        return [_reader(value, name) for value in self.items(name)]


def _reader(value: Json, name: str) -> _Reader:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} holds {value!r}, not an object")
    return _Reader(value)
