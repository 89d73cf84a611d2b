"""What a person may ask of a running desk, read from plain words: one parser for the command line, files and the desk.

Words are those of `tm desk place` without the dashes, values are texts: {"symbol": "INFY", "side": "buy", "quantity": "10"}.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum

from trademantra.core.errors import InvalidValueError
from trademantra.core.order import OrderType, Product, Side, Validity
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.engine.records import LevelKind
from trademantra.engine.rules import Level
from trademantra.trading.algos.chase import Follows
from trademantra.trading.manual.words import (
    LARGEST,
    flag_in,
    number_in,
    only,
    price_in,
    product_in,
    quantity_in,
    share_in,
    symbol_in,
    text_in,
    validity_in,
    word_in,
)

MOST_ROWS = 100
"""Rows of a basket."""

_LONGEST_MINUTES = Decimal(24 * 60)
_MOST_PARTS = 500
_NO_LEVEL = Level()


class AlgoKind(StrEnum):
    """An execution algorithm that works a quantity in parts."""

    TWAP = "twap"
    VWAP = "vwap"
    ICEBERG = "iceberg"
    PARTICIPATION = "participation"
    CHASE = "chase"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgoWish:
    """How a quantity is to be worked.  Which words an algorithm takes: `_TAKES`.

    `parts` of the time (None: one a minute); `share` of the market's volume, 0 to 1; `shown` units of an iceberg at a
    time; `rests`: parts wait at the best price of their own side; `gives_up`: what is left at the end is not bought at
    any price.
    """

    kind: AlgoKind
    minutes: Decimal | None = None
    parts: int | None = None
    shown: Decimal | None = None
    share: float | None = None
    follows: Follows = Follows.OWN_BEST
    rests: bool = False
    gives_up: bool = False

    @property
    def length_ns(self) -> int:
        return int((self.minutes or Decimal(0)) * NANOSECONDS_PER_MINUTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Protection as distances: from the price of entry, and (`trail`) from the best price since."""

    stop: Level = _NO_LEVEL
    target: Level = _NO_LEVEL
    trail: Level = _NO_LEVEL

    @property
    def is_some(self) -> bool:
        return any(level.value > 0.0 for level in (self.stop, self.target, self.trail))


_NO_LEVELS = Levels()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderWish:
    """One order, with its protection or its algorithm (not both)."""

    symbol: str
    side: Side
    quantity: Decimal
    product: Product = Product.MIS
    order_type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    trigger: Decimal | None = None
    validity: Validity = Validity.DAY
    levels: Levels = _NO_LEVELS
    algo: AlgoWish | None = None

    def __str__(self) -> str:
        """For a summary.

        >>> str(order_wish({"symbol": "infy", "side": "buy", "quantity": "10", "stop": "1%", "price": "1500"}))
        'BUY 10 NSE:INFY LIMIT MIS at 1500, stop 1%'
        """
        words = [
            self.side.value,
            f"{self.quantity.normalize():f}",
            self.symbol,
            self.order_type.value,
            self.product.value,
        ]
        if self.price is not None:
            words.append(f"at {self.price}")
        if self.trigger is not None:
            words.append(f"trigger {self.trigger}")
        told = " ".join(words)
        for name in ("stop", "target", "trail"):
            level: Level = getattr(self.levels, name)
            if level.value > 0.0:
                told += f", {name} {level_words(level)}"
        if self.algo is not None:
            told += f", by {self.algo.kind}"
            if self.algo.minutes is not None:
                told += f" in {self.algo.minutes.normalize():f} minutes"
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetWish:
    """The position to have: `quantity` units, negative for short."""

    symbol: str
    quantity: Decimal
    product: Product = Product.MIS
    price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertWish:
    """Units of a position to hold under another product; `quantity` None: all.  `strategy` "": the only one that holds it."""

    symbol: str
    old: Product
    new: Product
    quantity: Decimal | None = None
    strategy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectWish:
    """Exits for a position that was made by hand and that nothing protects."""

    symbol: str
    levels: Levels
    product: Product = Product.MIS


_TAKES: Mapping[AlgoKind, frozenset[str]] = {
    AlgoKind.TWAP: frozenset({"minutes", "parts", "rest", "give_up"}),
    AlgoKind.VWAP: frozenset({"minutes", "parts", "rest", "give_up"}),
    AlgoKind.ICEBERG: frozenset({"shown"}),
    AlgoKind.PARTICIPATION: frozenset({"minutes", "share", "rest"}),
    AlgoKind.CHASE: frozenset({"minutes", "follows", "give_up"}),
}
_NEEDS: Mapping[AlgoKind, frozenset[str]] = {
    AlgoKind.TWAP: frozenset({"minutes"}),
    AlgoKind.VWAP: frozenset({"minutes"}),
    AlgoKind.ICEBERG: frozenset({"shown"}),
    AlgoKind.PARTICIPATION: frozenset({"minutes", "share"}),
    AlgoKind.CHASE: frozenset({"minutes"}),
}
_ALGO_WORDS = frozenset({"minutes", "parts", "shown", "share", "follows", "rest", "give_up"})
_ORDER_WORDS = frozenset(
    {"symbol", "side", "quantity", "product", "type", "price", "trigger", "validity", "stop", "target", "trail", "algo"}
)  # fmt: skip
ORDER_WORDS = tuple(sorted(_ORDER_WORDS | _ALGO_WORDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelWish:
    """Orders that are to end, by the desk's id or the broker's number.  `unprotect`: also what protects a position."""

    orders: tuple[str, ...]
    unprotect: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyWish:
    """New terms of one order; None leaves one.  `quantity`: of the whole order, with what has filled.

    `unprotect`: the order may protect less of a position than now.
    """

    order: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    trigger: Decimal | None = None
    unprotect: bool = False


def order_wish(words: Mapping[str, object]) -> OrderWish:
    """Errors: `InvalidValueError` naming the word."""
    only(words, _ORDER_WORDS | _ALGO_WORDS)
    price, trigger = price_in(words, "price"), price_in(words, "trigger")
    algo = _algo(words)
    if text_in(words, "type"):
        kind = word_in(words, "type", OrderType)
    else:  # what the prices say
        kind = {(False, False): OrderType.MARKET, (True, False): OrderType.LIMIT, (False, True): OrderType.SL_M}.get(
            (price is not None, trigger is not None), OrderType.SL
        )  # fmt: skip
    for name, value, needed in (("price", price, kind.has_limit), ("trigger", trigger, kind.has_trigger)):
        if needed != (value is not None):
            raise InvalidValueError(f"a {kind} order {'needs a' if needed else 'has no'} {name}")
    levels, side = _levels(words), word_in(words, "side", Side)
    check_percent(levels, side)
    if algo is not None:
        if levels.is_some:
            raise InvalidValueError(
                f"{algo.kind} does not protect what it buys", hint="place it, then: tm desk protect"
            )
        if trigger is not None:
            raise InvalidValueError(
                f"{algo.kind} takes no trigger", hint="--price is the worst price it pays"
            )
        if algo.kind is AlgoKind.ICEBERG and price is None:
            raise InvalidValueError("iceberg needs a price: it is a limit order", hint="--price 1500")
    return OrderWish(
        symbol=symbol_in(words), side=side, quantity=quantity_in(words, "quantity"),
        product=product_in(words, "product"), order_type=kind, price=price, trigger=trigger, validity=validity_in(words),
        levels=levels, algo=algo,
    )  # fmt: skip


def target_wish(words: Mapping[str, object]) -> TargetWish:
    """Errors: `InvalidValueError` naming the word."""
    only(words, {"symbol", "quantity", "product", "price"})
    quantity = number_in(words, "quantity")
    if abs(quantity) > LARGEST:
        raise InvalidValueError(f"quantity: {quantity:g} is more than any exchange takes")
    return TargetWish(
        symbol=symbol_in(words), quantity=quantity, product=product_in(words, "product"), price=price_in(words, "price")
    )  # fmt: skip


def convert_wish(words: Mapping[str, object]) -> ConvertWish:
    """Errors: `InvalidValueError` naming the word."""
    only(words, {"symbol", "from", "to", "quantity", "strategy"})
    old, new = word_in(words, "from", Product), word_in(words, "to", Product)
    if old is new:
        raise InvalidValueError(f"from and to are both {old}")
    quantity = quantity_in(words, "quantity") if text_in(words, "quantity") else None
    return ConvertWish(
        symbol=symbol_in(words), old=old, new=new, quantity=quantity, strategy=text_in(words, "strategy")
    )  # fmt: skip


def protect_wish(words: Mapping[str, object]) -> ProtectWish:
    """Errors: `InvalidValueError` naming the word."""
    only(words, {"symbol", "product", "stop", "target", "trail"})
    levels = _levels(words)
    if not levels.is_some:
        raise InvalidValueError(
            "nothing to protect with", hint="give a stop, a target or a trail, such as 1%"
        )
    return ProtectWish(symbol=symbol_in(words), levels=levels, product=product_in(words, "product"))


def cancel_wish(words: Mapping[str, object]) -> CancelWish:
    """Errors: `InvalidValueError` naming the word."""
    only(words, {"orders", "unprotect"})
    names = words.get("orders")
    if not isinstance(names, list) or not names:
        raise InvalidValueError("name the orders", hint="tm desk orders shows them")
    if len(names) > MOST_ROWS:
        raise InvalidValueError(
            f"{len(names)} orders; at most {MOST_ROWS} at once", hint="or tm desk cancel --all"
        )
    return CancelWish(
        orders=tuple(dict.fromkeys(_order_in({"order": each}) for each in names)), unprotect=flag_in(words, "unprotect")
    )  # fmt: skip


def modify_wish(words: Mapping[str, object]) -> ModifyWish:
    """Errors: `InvalidValueError` naming the word."""
    only(words, {"order", "quantity", "price", "trigger", "unprotect"})
    wish = ModifyWish(
        order=_order_in(words), quantity=quantity_in(words, "quantity") if text_in(words, "quantity") else None,
        price=price_in(words, "price"), trigger=price_in(words, "trigger"), unprotect=flag_in(words, "unprotect"),
    )  # fmt: skip
    if (wish.quantity, wish.price, wish.trigger) == (None, None, None):
        raise InvalidValueError("nothing to change", hint="give --price, --trigger or --quantity")
    return wish


def _order_in(words: Mapping[str, object]) -> str:
    name = text_in(words, "order")
    if not name:
        raise InvalidValueError("name the order", hint="tm desk orders shows them")
    return name


def basket_wish(rows: object) -> Sequence[OrderWish]:
    """Errors: `InvalidValueError` naming each row that is wrong."""
    if not isinstance(rows, list) or not rows:
        raise InvalidValueError("a basket without rows")
    if len(rows) > MOST_ROWS:
        raise InvalidValueError(f"{len(rows)} rows; a basket has at most {MOST_ROWS}")
    made: list[OrderWish] = []
    wrong: list[str] = []
    for number, row in enumerate(rows, 1):
        try:
            made.append(order_wish(_row(row)))
        except InvalidValueError as error:
            wrong.append(f"row {number}: {error}")
    if wrong:
        raise InvalidValueError("; ".join(wrong))
    return made


def _row(row: object) -> Mapping[str, object]:
    if not isinstance(row, Mapping):
        raise InvalidValueError("it is no object with names")
    return row


def check_percent(levels: Levels, side: Side) -> None:
    """Errors: `InvalidValueError` for a level that lies a whole price, or more, below the price of entry on `side`.

    Above it there is no such end: a sold option may well be stopped at twice its price.
    """
    for name in ("stop", "trail") if side is Side.BUY else ("target",):
        level: Level = getattr(levels, name)
        if level.kind is LevelKind.PERCENT and level.value >= 100.0:
            raise InvalidValueError(
                f"{name}: {level_words(level)} below the price is at or below zero, where nothing trades",
                hint="write less than 100%, such as 1.5%",
            )


def level_words(level: Level) -> str:
    """Inverse of `Level.parse`."""
    return f"{level.value:g}{ {1: '%', 2: 'pt', 3: 'atr'}.get(int(level.kind), '') }"


def _levels(words: Mapping[str, object]) -> Levels:
    found: dict[str, Level] = {}
    for field in fields(Levels):
        level = Level.parse(text_in(words, field.name))
        if level_words(level).endswith("atr"):
            raise InvalidValueError(
                f"{field.name}: no average range is known of an order by hand", hint="write 1% or 15pt"
            )
        found[field.name] = level
    return Levels(**found)


def _algo(words: Mapping[str, object]) -> AlgoWish | None:
    given = {name for name in _ALGO_WORDS if words.get(name) not in (None, "", False)}
    if not text_in(words, "algo"):
        if given:
            raise InvalidValueError(f"{min(given)} belongs to an algorithm", hint="name it: --algo twap")
        return None
    kind = word_in(words, "algo", AlgoKind)
    for name in sorted(given - _TAKES[kind]):
        raise InvalidValueError(f"{kind} has no {name}", hint=f"it has {', '.join(sorted(_TAKES[kind]))}")
    for name in sorted(_NEEDS[kind] - given):
        raise InvalidValueError(f"{kind} needs {name}")
    minutes = quantity_in(words, "minutes") if "minutes" in given else None
    if minutes is not None and minutes > _LONGEST_MINUTES:
        raise InvalidValueError(f"minutes: {minutes:f} is longer than a day")
    return AlgoWish(
        kind=kind, minutes=minutes, parts=_parts(words) if "parts" in given else None,
        shown=quantity_in(words, "shown") if "shown" in given else None, share=share_in(words) if "share" in given else None,
        follows=word_in(words, "follows", Follows) if "follows" in given else Follows.OWN_BEST,
        rests=flag_in(words, "rest"), gives_up=flag_in(words, "give_up"),
    )  # fmt: skip


def _parts(words: Mapping[str, object]) -> int:
    number = quantity_in(words, "parts")
    if number != number.to_integral_value() or number > _MOST_PARTS:
        raise InvalidValueError(f"parts: 1 to {_MOST_PARTS}, got {number:f}")
    return int(number)
