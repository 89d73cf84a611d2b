"""Wants as plain values and back.  Reading is the edge between a user's code and the desk: nothing loose gets past it."""

from collections.abc import Collection
from enum import IntEnum
from typing import TypeVar

from trademantra.core.errors import InvalidValueError
from trademantra.engine.live.wants import Drop, Enter, Leave, Protection, Want
from trademantra.engine.records import EntryKind, LevelKind, Reason
from trademantra.engine.rules import Level
from trademantra.trading.runner.plain import or_null, positive, positive_or_none, row, text, whole
from trademantra.trading.runner.wire import ProtocolError

Word = TypeVar("Word", bound=IntEnum)

_LEAVING = frozenset({Reason.SIGNAL, Reason.TIME, Reason.SQUARE_OFF, Reason.MARGIN})
_MOST_WANTS = 16  # of one instrument in one answer: leave, drop, enter, and again by each callback


def plain_want(want: Want) -> list[object]:
    """What `want_of` reads back equal."""
    if isinstance(want, Leave):
        return ["leave", want.symbol, int(want.reason), or_null(want.quantity)]
    if isinstance(want, Drop):
        return ["drop", want.symbol]
    by = want.protection
    return [
        "enter", want.symbol, want.side, or_null(want.quantity), int(want.kind), or_null(want.price),
        or_null(want.reference),
        [or_null(by.stop), or_null(by.target), *(_plain_level(each) for each in (by.stop_rule, by.target_rule, by.trail)),
         or_null(by.atr)],
    ]  # fmt: skip


def wants_of(plain: object, symbols: Collection[str]) -> list[Want]:
    """Wants of one answer of a run in `symbols`.

    Errors: `ProtocolError` for another instrument, a quantity or price that is not positive and finite, an unknown
    word, and more wants than instruments can have.
    """
    values = row(plain, "wants")
    if len(values) > _MOST_WANTS * len(symbols):
        raise ProtocolError(f"{len(values)} wants at once for {len(symbols)} instruments")
    return [want_of(each, symbols) for each in values]


def want_of(plain: object, symbols: Collection[str]) -> Want:
    values = row(plain, "a want")
    word = values[0] if values else None
    if word == "enter":
        return _enter(row(plain, "enter", 8), symbols)
    if word == "leave":
        _, symbol, reason, quantity = row(plain, "leave", 4)
        why = _word(Reason, reason, "the reason to leave")
        if why not in _LEAVING:
            raise ProtocolError(f"a strategy cannot leave for {why.name}")
        return Leave(_symbol(symbol, symbols), why, positive_or_none(quantity, "quantity"))
    if word == "drop":
        return Drop(_symbol(row(plain, "drop", 2)[1], symbols))
    raise ProtocolError(f"a want is enter, leave or drop, got {str(word)[:40]!r}")


def _enter(values: list[object], symbols: Collection[str]) -> Enter:
    _, symbol, side, quantity, kind, price, reference, protection = values
    of_kind = _word(EntryKind, kind, "the kind of entry")
    if of_kind is EntryKind.MARKET and price is not None:
        raise ProtocolError("an entry at market has no price")
    if whole(side, "side", -1, 1) == 0:
        raise ProtocolError("side must be 1 or -1, got 0")
    return Enter(
        _symbol(symbol, symbols),
        whole(side, "side"),
        positive(quantity, "quantity"),
        of_kind,
        positive_or_none(price, "price") if of_kind is EntryKind.MARKET else positive(price, "price"),
        _protection(protection),
        positive(reference, "reference"),
    )


def _protection(plain: object) -> Protection:
    stop, target, stop_rule, target_rule, trail, atr = row(plain, "protection", 6)
    return Protection(
        positive_or_none(stop, "stop"),
        positive_or_none(target, "target"),
        _level(stop_rule, "stop rule"),
        _level(target_rule, "target rule"),
        _level(trail, "trail"),
        positive_or_none(atr, "atr"),
    )


def _plain_level(level: Level) -> list[object]:
    return [int(level.kind), or_null(level.value)]


def _level(plain: object, what: str) -> Level:
    kind, value = row(plain, what, 2)
    of_kind = _word(LevelKind, kind, f"the kind of {what}")
    try:
        return Level() if of_kind is LevelKind.NONE else Level(of_kind, positive(value, what))
    except InvalidValueError as error:
        raise ProtocolError(f"{what}: {error.message}") from error


def _word(words: type[Word], value: object, what: str) -> Word:
    try:
        return words(whole(value, what))
    except ValueError as error:
        raise ProtocolError(f"{what} cannot be {value}") from error


def _symbol(value: object, symbols: Collection[str]) -> str:
    symbol = text(value, "symbol", 200)
    if symbol not in symbols:
        raise ProtocolError(f"a want for {symbol!r}, which is none of the run's instruments")
    return symbol
