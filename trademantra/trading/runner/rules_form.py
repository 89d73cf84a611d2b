"""Trading rules as plain values and back: every field, whichever the engine adds."""

from dataclasses import fields

from trademantra.core.errors import InvalidValueError
from trademantra.engine.records import LevelKind, SizeKind, SlippageKind
from trademantra.engine.rules import FillAt, Level, Size, Slippage, TradingRules
from trademantra.trading.runner.plain import number, row, table, text, whole
from trademantra.trading.runner.wire import ProtocolError


def plain_rules(rules: TradingRules) -> dict[str, object]:
    """What `rules_of` reads back equal.

    >>> plain_rules(TradingRules(stop=Level.parse("2%")))["stop"]
    ['PERCENT', 2.0]
    """
    plain: dict[str, object] = {}
    for each in fields(TradingRules):
        value = getattr(rules, each.name)
        if isinstance(value, Level | Size | Slippage):
            plain[each.name] = [value.kind.name, float(value.value)]
        elif isinstance(value, FillAt):
            plain[each.name] = value.value
        else:
            plain[each.name] = float(value) if isinstance(each.default, float) else value
    return plain


def rules_of(plain: object) -> TradingRules:
    """Errors: `ProtocolError` for a field that is missing, unknown or of the wrong kind."""
    given = table(plain, "rules", frozenset(each.name for each in fields(TradingRules)))
    values: dict[str, object] = {
        each.name: _value(each.name, each.default, given[each.name]) for each in fields(TradingRules)
    }
    try:
        return TradingRules(**values)  # type: ignore[arg-type]  # each read to the type of its field
    except InvalidValueError as error:
        raise ProtocolError(f"rules: {error.message}") from error


def _value(name: str, default: object, plain: object) -> object:
    match default:
        case bool():
            if not isinstance(plain, bool):
                raise ProtocolError(f"rules: {name} must be true or false")
            return plain
        case int():
            return whole(plain, name)
        case float():
            return number(plain, name)
    try:
        match default:
            case FillAt():
                return FillAt(text(plain, name))
            case Level():
                return Level(LevelKind[_kind(plain, name)], _amount(plain, name))
            case Size():
                return Size(SizeKind[_kind(plain, name)], _amount(plain, name))
            case Slippage():
                return Slippage(SlippageKind[_kind(plain, name)], _amount(plain, name))
    except (KeyError, ValueError, InvalidValueError) as error:
        raise ProtocolError(f"rules: {name}: {error} cannot be read") from error
    raise ProtocolError(f"rules: {name} has no plain form")


def _kind(plain: object, name: str) -> str:
    return text(row(plain, name, 2)[0], name)


def _amount(plain: object, name: str) -> float:
    return number(row(plain, name, 2)[1], name)
