"""Trading rules in the words of the commands: `{"cash": 500_000, "stop": "2%", "size": "risk:0.01"}`."""

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from typing import Literal, TypedDict

from trademantra.core.errors import InvalidValueError
from trademantra.engine.rules import FillAt, Level, Size, Slippage, TradingRules


class RuleWords(TypedDict, total=False):
    """What changes in the rules of a strategy; names and words as in `tm backtest --help`."""

    cash: float
    fill: Literal["next_open", "close"]
    limit_fill: Literal["through", "touch"]
    slippage: str
    size: str
    stop: str
    target: str
    trail: str
    short: bool
    lot: float
    tick: float
    margin: float
    participation: float
    time_exit: int


_NAMES = tuple(RuleWords.__annotations__)


def changed(
    own: TradingRules, words: RuleWords, implied: Callable[[TradingRules], TradingRules] | None = None
) -> TradingRules:
    """The rules `own` with what `words` say; `implied` adds what a product implies, and what is said wins over it.

    Errors: `InvalidValueError` for a word that is not known, or a value out of range.

    >>> changed(TradingRules(), {"cash": 5000, "stop": "2%"}).stop.value
    2.0
    """
    for name in words:
        if name not in _NAMES:
            near = get_close_matches(name, _NAMES, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(_NAMES)}"
            raise InvalidValueError(f"there is no rule {name!r}", hint=hint)
    rules = replace(
        own,
        cash=words.get("cash", own.cash),
        fill_at=_fill(words["fill"]) if "fill" in words else own.fill_at,
        limit_touch=_touch(words["limit_fill"]) if "limit_fill" in words else own.limit_touch,
        slippage=Slippage.parse(words["slippage"]) if "slippage" in words else own.slippage,
        size=Size.parse(words["size"]) if "size" in words else own.size,
        stop=Level.parse(words["stop"]) if "stop" in words else own.stop,
        target=Level.parse(words["target"]) if "target" in words else own.target,
        trail=Level.parse(words["trail"]) if "trail" in words else own.trail,
        allow_short=words.get("short", own.allow_short),
        tick=words.get("tick", own.tick),
        participation=words.get("participation", own.participation),
        time_exit=words.get("time_exit", own.time_exit),
    )
    if implied is not None:
        rules = implied(rules)
    return replace(rules, lot=words.get("lot", rules.lot), margin=words.get("margin", rules.margin))


def _fill(word: str) -> FillAt:
    if word not in list(FillAt):
        raise InvalidValueError(f"fill {word!r} is not known", hint=f"one of: {', '.join(FillAt)}")
    return FillAt(word)


def _touch(word: str) -> bool:
    if word not in ("through", "touch"):
        raise InvalidValueError(f"limit_fill {word!r} is not known", hint="through or touch")
    return word == "touch"
