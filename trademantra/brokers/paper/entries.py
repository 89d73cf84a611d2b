"""The journal of an exchange: every change of its state as one line of JSON, and how the parts are written.

Prices and quantities are texts, exact; instruments are named by their token.  `VERSION` changes when a line of an
older program could be misread.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from trademantra.brokers.listings import Listings
from trademantra.brokers.orders import OrderChange, OrderRequest, Variety
from trademantra.brokers.paper.book import Guard, Working
from trademantra.brokers.paper.terms import ExchangeOrder, ExchangeTrade, Stage
from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.core.order import OrderStatus, OrderType, Product, Side, Validity

VERSION = 1

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None


class EntryKind(StrEnum):
    """What changed.  The data of each kind is written and read in `core` and `gtt`."""

    ACCOUNT = "account"  # opened
    STATE = "state"  # a whole account, as it stands after a settlement or in a snapshot
    ORDER = "order"  # a new stage of an order, with what matching keeps of it
    HISTORY = "history"  # all stages of an order; only in snapshots
    WORK = "work"  # what matching keeps of it alone
    BLOCK = "block"  # margin blocked, `again` after a change
    RELEASE = "release"
    TRADE = "trade"
    TRADES = "trades"  # of an account; only in snapshots
    CONVERT = "convert"
    GTT = "gtt"
    PRICES = "prices"
    CIRCUIT = "circuit"
    DEPTH = "depth"
    DAY = "day"
    NUMBERS = "numbers"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One change, at `at_ns` of the exchange's time."""

    kind: EntryKind
    at_ns: int
    data: Mapping[str, Json]

    def line(self) -> str:
        """One line without its end."""
        return json.dumps(
            {"v": VERSION, "kind": self.kind, "at": self.at_ns, "data": self.data}, separators=(",", ":")
        )

    @classmethod
    def parse(cls, line: str) -> "JournalEntry":
        """Errors: `BadInputError` for a line that is cut, foreign or of another version."""
        try:
            read = Fields(json.loads(line))
            if read.whole("v") != VERSION:
                raise BadInputError("journal", f"version {read.whole('v')} is not {VERSION}")
            return cls(EntryKind(read.text("kind")), read.whole("at"), read.fields("data").values)
        except (ValueError, KeyError, InvalidValueError) as error:
            raise BadInputError("journal", f"{line[:80]!r} is no entry") from error


class Fields:
    """Reads JSON data with the types that it must have.  Errors: `InvalidValueError`, `KeyError`."""

    __slots__ = ("values",)

    def __init__(self, values: object) -> None:
        if not isinstance(values, Mapping):
            raise InvalidValueError(f"{values!r} is no object")
        self.values: Mapping[str, Json] = values

    def text(self, name: str) -> str:
        value = self.values[name]
        if not isinstance(value, str):
            raise InvalidValueError(f"{name} is {value!r}, not a text")
        return value

    def maybe_text(self, name: str) -> str | None:
        return None if self.values.get(name) is None else self.text(name)

    def whole(self, name: str) -> int:
        value = self.values[name]
        if not isinstance(value, int):
            raise InvalidValueError(f"{name} is {value!r}, not a whole number")
        return value

    def maybe_whole(self, name: str) -> int | None:
        return None if self.values.get(name) is None else self.whole(name)

    def number(self, name: str) -> float:
        """A float; absent is NaN."""
        value = self.values.get(name)
        if value is None:
            return float("nan")
        if not isinstance(value, int | float):
            raise InvalidValueError(f"{name} is {value!r}, not a number")
        return float(value)

    def amount(self, name: str) -> Decimal:
        return Decimal(self.text(name))

    def maybe_amount(self, name: str) -> Decimal | None:
        return None if self.values.get(name) is None else self.amount(name)

    def flag(self, name: str) -> bool:
        return self.values.get(name) is True

    def items(self, name: str) -> Sequence[Json]:
        value = self.values[name]
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise InvalidValueError(f"{name} is {value!r}, not a list")
        return value

    def fields(self, name: str) -> "Fields":
        return Fields(self.values[name])


def lean(values: dict[str, Json]) -> dict[str, Json]:
    """Without what is absent, false or NaN."""
    return {
        name: value
        for name, value in values.items()
        if value is not None and value is not False and value == value
    }


def written(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def request_json(request: OrderRequest) -> dict[str, Json]:
    return lean(
        {
            "side": request.side,
            "quantity": str(request.quantity),
            "type": request.order_type,
            "product": request.product,
            "tag": request.tag,
            "price": written(request.price),
            "trigger": written(request.trigger_price),
            "validity": request.validity,
            "ttl": request.ttl_minutes,
            "disclosed": str(request.disclosed_quantity),
            "variety": request.variety,
            "protection": written(request.market_protection),
            "legs": request.legs,
            "slice": request.slice_automatically,
            "algo": request.algo_id,
            "stop": written(request.stop_trigger),
            "target": written(request.target_price),
        }
    )


def request_of(read: Fields, listings: Listings, token: int) -> OrderRequest:
    return OrderRequest(
        instrument=listings.by_token(token).instrument,
        side=Side(read.text("side")),
        quantity=read.amount("quantity"),
        order_type=OrderType(read.text("type")),
        product=Product(read.text("product")),
        tag=read.text("tag"),
        price=read.maybe_amount("price"),
        trigger_price=read.maybe_amount("trigger"),
        validity=Validity(read.text("validity")),
        ttl_minutes=read.maybe_whole("ttl"),
        disclosed_quantity=read.amount("disclosed"),
        variety=Variety(read.text("variety")),
        market_protection=read.maybe_amount("protection"),
        legs=read.maybe_whole("legs"),
        slice_automatically=read.flag("slice"),
        algo_id=read.text("algo"),
        stop_trigger=read.maybe_amount("stop"),
        target_price=read.maybe_amount("target"),
    )


def order_json(order: ExchangeOrder) -> dict[str, Json]:
    return lean(
        {
            "id": order.order_id,
            "account": order.account_id,
            "token": order.listing.token,
            "request": request_json(order.request),
            "stage": order.stage,
            "status": order.status,
            "placed": order.placed_ns,
            "updated": order.updated_ns,
            "exchange_id": order.exchange_order_id,
            "exchange": order.exchange_ns,
            "parent": order.parent_order_id,
            "filled": str(order.filled_quantity),
            "pending": str(order.pending_quantity),
            "cancelled": str(order.cancelled_quantity),
            "average": str(order.average_price),
            "message": order.status_message,
            "modified": order.modified,
            "leg": order.iceberg_leg,
            "iceberg": written(order.iceberg_quantity),
            "system": order.placed_by_system,
        }
    )


def order_of(read: Fields, listings: Listings) -> ExchangeOrder:
    token = read.whole("token")
    return ExchangeOrder(
        order_id=read.text("id"),
        account_id=read.text("account"),
        listing=listings.by_token(token),
        request=request_of(read.fields("request"), listings, token),
        stage=Stage(read.text("stage")),
        status=OrderStatus(read.text("status")),
        placed_ns=read.whole("placed"),
        updated_ns=read.whole("updated"),
        exchange_order_id=read.maybe_text("exchange_id"),
        exchange_ns=read.maybe_whole("exchange"),
        parent_order_id=read.maybe_text("parent"),
        filled_quantity=read.amount("filled"),
        pending_quantity=read.amount("pending"),
        cancelled_quantity=read.amount("cancelled"),
        average_price=read.amount("average"),
        status_message=read.maybe_text("message"),
        modified=read.flag("modified"),
        iceberg_leg=read.maybe_whole("leg"),
        iceberg_quantity=read.maybe_amount("iceberg"),
        placed_by_system=read.flag("system"),
    )


def trade_json(trade: ExchangeTrade) -> dict[str, Json]:
    return {
        "id": trade.trade_id,
        "order": trade.order_id,
        "exchange_id": trade.exchange_order_id,
        "account": trade.account_id,
        "token": trade.listing.token,
        "side": trade.side,
        "product": trade.product,
        "quantity": str(trade.quantity),
        "price": str(trade.price),
        "at": trade.at_ns,
    }


def trade_of(read: Fields, listings: Listings) -> ExchangeTrade:
    return ExchangeTrade(
        trade_id=read.text("id"),
        order_id=read.text("order"),
        exchange_order_id=read.text("exchange_id"),
        account_id=read.text("account"),
        listing=listings.by_token(read.whole("token")),
        side=Side(read.text("side")),
        product=Product(read.text("product")),
        quantity=read.amount("quantity"),
        price=read.amount("price"),
        at_ns=read.whole("at"),
    )


def working_json(working: Working) -> dict[str, Json]:
    change = working.change
    return lean(
        {
            "sequence": working.sequence,
            "arrives": working.arrives_ns,
            "limit": working.limit,
            "trigger": working.trigger,
            "triggered": working.triggered,
            "rests": working.rests,
            "arrived": working.arrived,
            "expires": working.expires_ns,
            "ahead": working.ahead,
            "entry": working.entry_id,
            "guard": working.guard,
            "blocked": working.blocked,
            "changes": working.changes,
            "change": None if change is None else change_json(change),
            "cancelling": working.cancelling,
            "change_at": working.change_ns,
        }
    )


def working_of(read: Fields, order: ExchangeOrder, row: int) -> Working:
    guard = read.maybe_text("guard")
    return Working(
        order=order,
        row=row,
        side=order.request.side.sign,
        sequence=read.whole("sequence"),
        arrives_ns=read.whole("arrives"),
        limit=read.number("limit"),
        trigger=read.number("trigger"),
        triggered=read.flag("triggered"),
        rests=read.flag("rests"),
        arrived=read.flag("arrived"),
        expires_ns=read.maybe_whole("expires"),
        ahead=read.number("ahead"),
        entry_id=read.maybe_text("entry"),
        guard=None if guard is None else Guard(guard),
        blocked=read.flag("blocked"),
        changes=read.whole("changes"),
        change=None if read.values.get("change") is None else change_of(read.fields("change")),
        cancelling=read.flag("cancelling"),
        change_ns=read.whole("change_at"),
    )


def change_json(change: OrderChange) -> dict[str, Json]:
    return lean(
        {
            "quantity": written(change.quantity),
            "type": change.order_type,
            "price": written(change.price),
            "trigger": written(change.trigger_price),
            "validity": change.validity,
            "ttl": change.ttl_minutes,
            "disclosed": written(change.disclosed_quantity),
            "protection": written(change.market_protection),
        }
    )


def change_of(read: Fields) -> OrderChange:
    order_type, validity = read.maybe_text("type"), read.maybe_text("validity")
    return OrderChange(
        quantity=read.maybe_amount("quantity"),
        order_type=None if order_type is None else OrderType(order_type),
        price=read.maybe_amount("price"),
        trigger_price=read.maybe_amount("trigger"),
        validity=None if validity is None else Validity(validity),
        ttl_minutes=read.maybe_whole("ttl"),
        disclosed_quantity=read.maybe_amount("disclosed"),
        market_protection=read.maybe_amount("protection"),
    )
