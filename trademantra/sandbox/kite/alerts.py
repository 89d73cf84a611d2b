"""Alerts on prices, with orders attached where they are of type `ato` (specs/brokers.md 1.8).

An alert strikes when its condition becomes true.  A simple one stays enabled and may strike again after the condition
was false in between; one with orders places them once and is disabled then.
"""

import operator
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.market import MarketState
from trademantra.core.time import Clock
from trademantra.sandbox.kite.errors import INPUT, KiteReplyError, invalid
from trademantra.sandbox.kite.fields import Fields
from trademantra.sandbox.kite.json_form import Json, number, stamp

MOST_ALERTS = 500
MOST_BASKET_ITEMS = 20
MOST_HISTORY = 100


class AlertKind(StrEnum):
    SIMPLE = "simple"
    ATO = "ato"


class AlertStatus(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"


class RightSide(StrEnum):
    CONSTANT = "constant"
    INSTRUMENT = "instrument"


class Attribute(StrEnum):
    """What of an instrument is compared."""

    LAST_TRADED_PRICE = "LastTradedPrice"
    HIGH_PRICE = "HighPrice"
    LOW_PRICE = "LowPrice"
    OPEN_PRICE = "OpenPrice"
    CLOSE_PRICE = "ClosePrice"
    DAY_CHANGE = "DayChange"
    DAY_CHANGE_PERCENT = "DayChangePercent"
    VOLUME = "Volume"
    OI = "OI"


_OPERATORS: Mapping[str, Callable[[Decimal, Decimal], bool]] = MappingProxyType(
    {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "==": operator.eq}
)


@dataclass(frozen=True, slots=True)
class Operand:
    """One side that is an instrument."""

    listing: Listing
    attribute: Attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert of a user.  `right` is a number or another instrument."""

    user_id: str
    alert_id: str
    kind: AlertKind
    name: str
    left: Operand
    comparison: str
    right: Operand | Decimal
    basket: Json
    created_ns: int
    updated_ns: int
    status: AlertStatus = AlertStatus.ENABLED
    disabled_reason: str = ""
    strikes: int = 0


@dataclass(slots=True)
class _Book:
    alerts: dict[str, Alert] = field(default_factory=dict)
    history: dict[str, list[Json]] = field(default_factory=dict)
    was_true: dict[str, bool] = field(default_factory=dict)


class Alerts:
    """All alerts of all users.

    `quote` gives the market of a token; `place_basket` places the orders of an `ato` alert and tells what became of
    them.
    """

    def __init__(
        self,
        clock: Clock,
        quote: Callable[[int], MarketState | None],
        place_basket: Callable[[str, Json], Json],
        make_id: Callable[[], uuid.UUID],
    ) -> None:
        self._clock = clock
        self._quote = quote
        self._place_basket = place_basket
        self._make_id = make_id
        self._books: dict[str, _Book] = {}
        self._watched: dict[int, set[tuple[str, str]]] = {}

    @property
    def watched(self) -> Mapping[int, object]:
        """Tokens that an enabled alert looks at."""
        return self._watched

    def create(self, user_id: str, fields: Fields, find: Callable[[str, str], Listing]) -> Alert:
        """Errors: InputException naming the field; more than 500 of one user."""
        book = self._books.setdefault(user_id, _Book())
        if len(book.alerts) >= MOST_ALERTS:
            raise KiteReplyError(400, INPUT, f"Maximum of {MOST_ALERTS} alerts reached.")
        now = self._clock.now_ns()
        alert = _read(fields, find, user_id, str(self._make_id()), now)
        book.alerts[alert.alert_id] = alert
        self._rewatch()
        return alert

    def modify(
        self, user_id: str, alert_id: str, fields: Fields, find: Callable[[str, str], Listing]
    ) -> Alert:
        """Replace an alert's terms.  Errors: as `create` and `get`."""
        old = self.get(user_id, alert_id)
        new = _read(fields, find, user_id, alert_id, old.created_ns)
        status = fields.word("status", AlertStatus, AlertStatus.ENABLED)
        new = replace(new, updated_ns=self._clock.now_ns(), strikes=old.strikes, status=status)
        book = self._books[user_id]
        book.alerts[alert_id] = new
        book.was_true.pop(alert_id, None)
        self._rewatch()
        return new

    def delete(self, user_id: str, alert_ids: Sequence[str]) -> None:
        """Errors: for an unknown id; then none is deleted."""
        for alert_id in alert_ids:
            self.get(user_id, alert_id)
        book = self._books.get(user_id, _Book())
        for alert_id in alert_ids:
            book.alerts.pop(alert_id, None)
            book.history.pop(alert_id, None)
            book.was_true.pop(alert_id, None)
        self._rewatch()

    def get(self, user_id: str, alert_id: str) -> Alert:
        """Errors: InputException for an id that the user has not."""
        found = self._books.get(user_id, _Book()).alerts.get(alert_id)
        if found is None:
            raise invalid("uuid", "There is no such alert.")
        return found

    def of(self, user_id: str) -> list[Alert]:
        return list(self._books.get(user_id, _Book()).alerts.values())

    def history(self, user_id: str, alert_id: str) -> list[Json]:
        """When it struck, oldest first.  Errors: as `get`."""
        self.get(user_id, alert_id)
        return list(self._books[user_id].history.get(alert_id, []))

    def on_ticks(self, token: int) -> None:
        """The market of a watched token moved."""
        for user_id, alert_id in tuple(self._watched.get(token, ())):
            book = self._books[user_id]
            alert = book.alerts[alert_id]
            true = self._holds(alert)
            if true is None:
                continue
            struck = true and not book.was_true.get(alert_id, False)
            book.was_true[alert_id] = true
            if struck:
                self._strike(book, alert)

    def _strike(self, book: _Book, alert: Alert) -> None:
        now = self._clock.now_ns()
        struck = replace(alert, strikes=alert.strikes + 1, updated_ns=now)
        placed: Json = None
        if alert.kind is AlertKind.ATO:
            struck = replace(struck, status=AlertStatus.DISABLED, disabled_reason="orders were placed")
        book.alerts[alert.alert_id] = struck
        self._rewatch()
        if alert.kind is AlertKind.ATO:
            placed = self._place_basket(alert.user_id, alert.basket)
        rows = book.history.setdefault(alert.alert_id, [])
        rows.append(
            {
                "uuid": alert.alert_id,
                "type": alert.kind.value,
                "meta": [self._meta(side) for side in (alert.left, alert.right) if isinstance(side, Operand)],
                "condition": _condition(alert),
                "created_at": stamp(now),
                "order_meta": placed,
            }
        )
        del rows[:-MOST_HISTORY]

    def _meta(self, side: Operand) -> Json:
        state = self._quote(side.listing.token)
        last = None if state is None or state.last_price is None else number(state.last_price)
        return {
            "instrument_token": side.listing.token,
            "tradingsymbol": side.listing.symbol,
            "exchange": side.listing.venue,
            "last_price": last,
            "volume": 0 if state is None else state.volume,
        }

    def _holds(self, alert: Alert) -> bool | None:
        left = self._value(alert.left)
        right = alert.right if isinstance(alert.right, Decimal) else self._value(alert.right)
        if left is None or right is None:
            return None
        return _OPERATORS[alert.comparison](left, right)

    def _value(self, side: Operand) -> Decimal | None:
        state = self._quote(side.listing.token)
        if state is None:
            return None
        last, close = state.last_price, state.previous_close
        match side.attribute:
            case Attribute.LAST_TRADED_PRICE:
                return last
            case Attribute.HIGH_PRICE:
                return state.high
            case Attribute.LOW_PRICE:
                return state.low
            case Attribute.OPEN_PRICE:
                return state.open
            case Attribute.CLOSE_PRICE:
                return close
            case Attribute.VOLUME:
                return Decimal(state.volume)
            case Attribute.OI:
                return None if state.open_interest is None else Decimal(state.open_interest)
            case Attribute.DAY_CHANGE | Attribute.DAY_CHANGE_PERCENT:
                if last is None or not close:
                    return None
                change = last - close
                return change if side.attribute is Attribute.DAY_CHANGE else 100 * change / close

    def _rewatch(self) -> None:
        self._watched.clear()
        for user_id, book in self._books.items():
            for alert in book.alerts.values():
                if alert.status is not AlertStatus.ENABLED:
                    continue
                for side in (alert.left, alert.right):
                    if isinstance(side, Operand):
                        self._watched.setdefault(side.listing.token, set()).add((user_id, alert.alert_id))


def alert_json(alert: Alert) -> Json:
    """An alert in Kite's shape."""
    shape: dict[str, Json] = {
        "type": alert.kind.value,
        "user_id": alert.user_id,
        "uuid": alert.alert_id,
        "name": alert.name,
        "status": alert.status.value,
        "disabled_reason": alert.disabled_reason,
        "lhs_exchange": alert.left.listing.venue,
        "lhs_tradingsymbol": alert.left.listing.symbol,
        "lhs_attribute": alert.left.attribute.value,
        "operator": alert.comparison,
        "alert_count": alert.strikes,
        "created_at": stamp(alert.created_ns),
        "updated_at": stamp(alert.updated_ns),
    }
    if isinstance(alert.right, Decimal):
        shape |= {"rhs_type": RightSide.CONSTANT.value, "rhs_constant": number(alert.right)}
        shape |= {"rhs_exchange": "", "rhs_tradingsymbol": "", "rhs_attribute": ""}
    else:
        shape |= {
            "rhs_type": RightSide.INSTRUMENT.value,
            "rhs_constant": 0,
            "rhs_exchange": alert.right.listing.venue,
            "rhs_tradingsymbol": alert.right.listing.symbol,
            "rhs_attribute": alert.right.attribute.value,
        }
    if alert.kind is AlertKind.ATO:
        shape["basket"] = alert.basket
    return shape


def _condition(alert: Alert) -> str:
    left = f"{alert.left.attribute.value}({alert.left.listing.venue}:{alert.left.listing.symbol})"
    if isinstance(alert.right, Decimal):
        return f"{left} {alert.comparison} {alert.right}"
    right = alert.right
    return f"{left} {alert.comparison} {right.attribute.value}({right.listing.venue}:{right.listing.symbol})"


def _read(
    fields: Fields, find: Callable[[str, str], Listing], user_id: str, alert_id: str, created_ns: int
) -> Alert:
    kind = fields.word("type", AlertKind, AlertKind.SIMPLE)
    comparison = fields.text("operator")
    if comparison not in _OPERATORS:
        raise invalid("operator")
    right: Operand | Decimal
    if fields.word("rhs_type", RightSide, RightSide.CONSTANT) is RightSide.CONSTANT:
        right = fields.number("rhs_constant")
    else:
        right = _operand(fields, find, "rhs")
    return Alert(
        user_id=user_id,
        alert_id=alert_id,
        kind=kind,
        name=fields.symbol("name"),
        left=_operand(fields, find, "lhs"),
        comparison=comparison,
        right=right,
        basket=_basket(fields) if kind is AlertKind.ATO else None,
        created_ns=created_ns,
        updated_ns=created_ns,
    )


def _operand(fields: Fields, find: Callable[[str, str], Listing], side: str) -> Operand:
    listing = find(fields.symbol(f"{side}_exchange"), fields.symbol(f"{side}_tradingsymbol"))
    return Operand(listing, fields.word(f"{side}_attribute", Attribute))


def _basket(fields: Fields) -> Json:
    basket = fields.json("basket")
    items = basket.get("items") if isinstance(basket, Mapping) else None
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_BASKET_ITEMS:
        raise invalid("basket", f"It needs 1 to {MOST_BASKET_ITEMS} items.")
    for item in items:
        if not isinstance(item, Mapping) or not isinstance(item.get("params"), Mapping):
            raise invalid("basket", "Each item needs params.")
    return basket
