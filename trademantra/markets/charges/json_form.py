"""The JSON form of a note, both ways: what `tm charges` (and later the API) reads and writes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias, TypeVar

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, OptionRight, Segment
from trademantra.core.money import decimal_of
from trademantra.core.order import Product, Side
from trademantra.markets.charges.note import ContractNote, Rounding, contract_note
from trademantra.markets.charges.orders import AssetKind, ExecutedOrder, Liquidity, TradeEvent
from trademantra.markets.charges.tariffs import BrokerTariff, SettingValue, tariff_of

Json: TypeAlias = "bool | int | float | Decimal | str | list[Json] | dict[str, Json] | None"
Word = TypeVar("Word", bound=StrEnum)

# Brokers' names of segments that traders are used to (specs/india-markets.md 2.6).
EXCHANGE_ALIASES: Mapping[str, Exchange] = {
    "NFO": Exchange.NSE,
    "BFO": Exchange.BSE,
    "CDS": Exchange.NSE,
    "BCD": Exchange.BSE,
}
_EXCHANGES = tuple(e for e in Exchange if e is not Exchange.GIFT)
_SEGMENTS = tuple(s for s in Segment if s is not Segment.INDEX)
_REQUIRED = ("exchange", "segment", "product", "side", "symbol", "quantity", "price")
_OPTIONAL = (
    "order_id",
    "isin",
    "kind",
    "group",
    "underlying",
    "strike",
    "right",
    "multiplier",
    "event",
    "liquidity",
    "auto_square_off",
    "agri",
    "option_in_goods",
)
_LARGEST = Decimal(10) ** 15
_FINEST = -12


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRequest:
    """One note to be made."""

    tariff: BrokerTariff
    trade_date: date
    rounding: Rounding
    orders: tuple[ExecutedOrder, ...]

    def note(self) -> ContractNote:
        return contract_note(self.orders, self.tariff, self.trade_date, self.rounding)


def read_requests(text: str) -> tuple[list[NoteRequest], bool]:
    """Requests of a JSON text, and whether it was a list of them.

    Numbers are read exactly as they are written.  Errors: `InvalidValueError` naming the path of the value.
    """
    try:
        parsed: Json = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InvalidValueError(
            f"the input is not JSON: line {error.lineno}, column {error.colno}: {error.msg}",
            hint='expected {"broker": "zerodha", "trade_date": "2026-11-20", "orders": [...]} or a list of such objects',
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deep, or a number of thousands of digits
        raise InvalidValueError(f"the input is not a request: {error}") from error
    if isinstance(parsed, list):
        return [_request(item, f"[{i}]") for i, item in enumerate(parsed)], True
    return [_request(parsed, "")], False


def note_object(note: ContractNote) -> dict[str, str]:
    """The lines as decimal strings: two decimals when the note is rounded, exact otherwise.

    Keys: brokerage stt ctt exchange_txn ipft sebi gst stamp dp total.
    """
    amounts = {levy.value: amount for levy, amount in note.lines.items()} | {"total": note.total}
    exact = note.rounding is Rounding.UNROUNDED
    return {name: plain_amount(amount) if exact else f"{amount:.2f}" for name, amount in amounts.items()}


def plain_amount(amount: Decimal) -> str:
    """A decimal without exponent and without idle zeros.

    >>> plain_amount(Decimal("4.9140")), plain_amount(Decimal("0E-9")), plain_amount(Decimal("1E+3"))
    ('4.914', '0', '1000')
    """
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _no_constant(word: str) -> None:
    raise InvalidValueError(f"the input has {word}, which is not a number")


def _request(value: Json, path: str) -> NoteRequest:
    fields = _object(value, path or "the request")
    _known(fields, ("broker", "trade_date", "rounding", "orders", "settings"), path)
    where = f"{path}." if path else ""
    for name in ("broker", "trade_date", "orders"):
        if name not in fields:
            raise InvalidValueError(f"{where}{name} is missing")
    orders = fields["orders"]
    if not isinstance(orders, list):
        raise InvalidValueError(f"{where}orders must be a list, got {_shown(orders)}")
    broker = _text(fields["broker"], f"{where}broker")
    try:
        tariff = tariff_of(broker, _settings(fields.get("settings", {}), f"{where}settings"))
    except InvalidValueError as error:
        raise InvalidValueError(f"{where}broker or settings: {error.message}", hint=error.hint) from error
    return NoteRequest(
        tariff=tariff,
        trade_date=_day(fields["trade_date"], f"{where}trade_date"),
        rounding=_word(Rounding, fields.get("rounding", "contract_note"), f"{where}rounding"),
        orders=tuple(_order(item, f"{where}orders[{i}]") for i, item in enumerate(orders)),
    )


def _order(value: Json, path: str) -> ExecutedOrder:
    fields = _object(value, path)
    _known(fields, (*_REQUIRED, *_OPTIONAL), path)
    for name in _REQUIRED:
        if name not in fields:
            raise InvalidValueError(f"{path}.{name} is missing", hint="needed: " + ", ".join(_REQUIRED))
    fields = {name: item for name, item in fields.items() if item is not None or name in _REQUIRED}

    def text(name: str) -> str:
        return _text(fields[name], f"{path}.{name}") if name in fields else ""

    def flag(name: str) -> bool | None:
        return _flag(fields[name], f"{path}.{name}") if name in fields else None

    def number(name: str) -> Decimal:
        return _number(fields[name], f"{path}.{name}")

    exchange = text("exchange").upper()
    try:
        return ExecutedOrder(
            exchange=EXCHANGE_ALIASES.get(exchange)
            or _word(Exchange, exchange, f"{path}.exchange", _EXCHANGES, aliases=tuple(EXCHANGE_ALIASES)),
            segment=_word(Segment, text("segment").lower(), f"{path}.segment", _SEGMENTS),
            product=_word(Product, text("product").upper(), f"{path}.product"),
            side=_word(Side, text("side").upper(), f"{path}.side"),
            symbol=text("symbol"),
            quantity=number("quantity"),
            price=number("price"),
            order_id=_name(fields.get("order_id", ""), f"{path}.order_id"),
            isin=text("isin"),
            kind=_word(AssetKind, text("kind"), f"{path}.kind") if "kind" in fields else None,
            group=text("group").upper(),
            underlying=text("underlying"),
            strike=number("strike") if "strike" in fields else None,
            right=_word(OptionRight, text("right").upper(), f"{path}.right") if "right" in fields else None,
            multiplier=number("multiplier") if "multiplier" in fields else Decimal(1),
            event=_word(TradeEvent, text("event") or "trade", f"{path}.event"),
            liquidity=_word(Liquidity, text("liquidity") or "taker", f"{path}.liquidity"),
            auto_square_off=flag("auto_square_off") or False,
            agri=flag("agri"),
            option_in_goods=flag("option_in_goods") or False,
        )
    except InvalidValueError as error:
        if error.message.startswith(path):
            raise
        raise InvalidValueError(f"{path}: {error.message}", hint=error.hint) from error


def _object(value: Json, path: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise InvalidValueError(f"{path} must be an object, got {_shown(value)}")
    return value


def _known(fields: Mapping[str, Json], names: tuple[str, ...], path: str) -> None:
    for name in fields:
        if name not in names:
            raise InvalidValueError(
                f"{path + '.' if path else ''}{name} is not a field", hint="allowed: " + ", ".join(names)
            )


def _settings(value: Json, path: str) -> dict[str, SettingValue]:
    settings: dict[str, SettingValue] = {}
    for name, item in _object(value, path).items():
        if item is None or isinstance(item, list | dict):
            raise InvalidValueError(f"{path}.{name} must be a word, a number or true or false")
        settings[name] = item
    return settings


def _word(
    kind: type[Word],
    value: Json,
    path: str,
    allowed: tuple[Word, ...] | None = None,
    aliases: tuple[str, ...] = (),
) -> Word:
    words = tuple(kind) if allowed is None else allowed
    for word in words:
        if word.value == value:
            return word
    raise InvalidValueError(
        f"{path}: unknown word {_shown(value)}", hint="allowed: " + ", ".join((*words, *aliases))
    )


def _text(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidValueError(f"{path} must be text, got {_shown(value)}")
    return value.strip()


def _name(value: Json, path: str) -> str:
    """An id, which some brokers write as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value, path)


def _flag(value: Json, path: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidValueError(f"{path} must be true or false, got {_shown(value)}")
    return value


def _number(value: Json, path: str) -> Decimal:
    if value is None or isinstance(value, bool | list | dict):
        raise InvalidValueError(f"{path} must be a number, got {_shown(value)}")
    number = decimal_of(value.strip() if isinstance(value, str) else value, path)
    exponent = number.as_tuple().exponent
    if abs(number) > _LARGEST or (isinstance(exponent, int) and exponent < _FINEST):
        raise InvalidValueError(f"{path}: {_shown(value)} is beyond 1e15 or finer than 12 decimals")
    if number <= 0:
        raise InvalidValueError(f"{path} must be positive, got {number}")
    return number


def _day(value: Json, path: str) -> date:
    text = _text(value, path)
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidValueError(f"{path}: {text!r} is not a date", hint="write it as 2026-11-20") from error
    if text != day.isoformat():
        raise InvalidValueError(f"{path}: {text!r} is not a date", hint="write it as 2026-11-20")
    return day


def _shown(value: Json) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
