"""Trading rules in words: as a user would type them, and as a reader understands them."""

from collections.abc import Mapping, Sequence

from trademantra.engine.bars import Bars
from trademantra.engine.records import LevelKind, SizeKind, SlippageKind
from trademantra.engine.rules import FillAt, Level, Size, Slippage, TradingRules
from trademantra.reports.json_values import Json

_LEVEL_UNITS = {LevelKind.PERCENT: "%", LevelKind.POINTS: "pt", LevelKind.ATR: "atr"}
_SLIPPAGE_WORDS = {
    SlippageKind.BPS: "bps",
    SlippageKind.TICKS: "ticks",
    SlippageKind.RANGE: "range",
    SlippageKind.SQUARE_ROOT: "impact",
}
_SIZE_WORDS = {
    SizeKind.QUANTITY: "quantity",
    SizeKind.CASH: "cash",
    SizeKind.EQUITY: "equity",
    SizeKind.RISK: "risk",
    SizeKind.ATR_TARGET: "atr",
    SizeKind.VOLATILITY_TARGET: "volatility",
    SizeKind.KELLY: "kelly",
    SizeKind.EQUAL: "equal",
    SizeKind.INVERSE_VOLATILITY: "inverse",
}


def plain(value: float) -> str:
    """A number without trailing zeros and without an exponent, so that it can be typed again.

    >>> plain(2.0), plain(0.00001), plain(1_000_000.0)
    ('2', '0.00001', '1000000')
    """
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return text if text not in ("", "-0") else "0"


def level_word(level: Level) -> str | None:
    """`2%`, `15pt`, `3atr`: what `Level.parse` reads; None when there is no level."""
    return None if level.kind is LevelKind.NONE else plain(level.value) + _LEVEL_UNITS[LevelKind(level.kind)]


def slippage_word(slippage: Slippage) -> str | None:
    """`bps:2`: what `Slippage.parse` reads; None when there is none."""
    if slippage.kind is SlippageKind.NONE:
        return None
    return f"{_SLIPPAGE_WORDS[SlippageKind(slippage.kind)]}:{plain(slippage.value)}"


def size_word(size: Size) -> str:
    """`equity:1`: what `Size.parse` reads."""
    return f"{_SIZE_WORDS[SizeKind(size.kind)]}:{plain(size.value)}"


def rules_object(rules: TradingRules) -> dict[str, Json]:
    """Every field of the rules by its name; levels, slippage and size as the words that the commands read."""
    return {
        "cash": rules.cash,
        "multiplier": rules.multiplier,
        "lot": rules.lot,
        "tick": rules.tick,
        "margin": rules.margin,
        "fill_at": rules.fill_at.value,
        "limit_touch": rules.limit_touch,
        "target_first": rules.target_first,
        "entry_bar": rules.entry_bar,
        "as_live": rules.as_live,
        "allow_long": rules.allow_long,
        "allow_short": rules.allow_short,
        "max_entries": rules.max_entries,
        "slippage": slippage_word(rules.slippage),
        "participation": rules.participation,
        "size": size_word(rules.size),
        "stop": level_word(rules.stop),
        "target": level_word(rules.target),
        "trail": level_word(rules.trail),
        "time_exit": rules.time_exit,
        "entry_valid": rules.entry_valid,
    }


def finer_in_words(finer: Mapping[str, Bars], series: Sequence[str] = ()) -> str:
    """Which finer bars decided what happened inside a bar: `NSE:INFY:1m, 1,125 finer bars`; nothing without any."""
    if not finer:
        return ""
    count = sum(len(bars) for bars in finer.values())
    return f"{', '.join(series or finer)}, {count:,} finer bars"


def rules_in_words(rules: TradingRules, finer: str = "") -> tuple[tuple[str, str], ...]:
    """Label and sentence of each rule, in the order in which a reader asks for them; `finer` as `finer_in_words` has it."""
    sides = [word for word, on in (("long", rules.allow_long), ("short", rules.allow_short)) if on]
    levels = (("Stop", rules.stop), ("Target", rules.target), ("Trailing stop", rules.trail))
    bracket = any(level.kind is not LevelKind.NONE for _, level in levels)
    found = [
        ("Market orders", _FILL_AT[rules.fill_at]),
        ("Limit orders", "fill when touched" if rules.limit_touch else "fill only when traded through"),
        ("Slippage", _slippage_sentence(rules.slippage)),
        ("Volume", _participation_sentence(rules.participation)),
        ("Sides", " and ".join(sides) or "none"),
        ("Size of an entry", _size_sentence(rules.size)),
        ("Entries of one position", f"at most {rules.max_entries}" if rules.max_entries > 1 else "one"),
        *((label, _level_sentence(level)) for label, level in levels if level.kind is not LevelKind.NONE),
    ]
    if finer:
        found.append(("Inside a bar", f"orders meet the finer bars one after the other: {finer}"))
    if bracket:
        first = "the target" if rules.target_first else "the stop"
        found.append((f"Stop and target in one {'finer ' if finer else ''}bar", f"{first} is taken first"))
        found.append(("Gap through the stop", "fills at the open, not at the level"))
        begins = "from the bar of the entry on" if rules.entry_bar else "from the bar after the entry"
        found.append(("Protection", "placed after the fill, as live" if rules.as_live else begins))
    if rules.time_exit:
        found.append(("Time exit", f"after {rules.time_exit:,} bars"))
    if rules.entry_valid:
        found.append(("Resting entries", f"lapse after {rules.entry_valid:,} bars"))
    found.append(("Lot", f"multiples of {plain(rules.lot)} units" if rules.lot else "fractions allowed"))
    if rules.tick:
        found.append(("Tick", f"levels and slipped prices are multiples of {plain(rules.tick)}"))
    if rules.multiplier != 1.0:
        found.append(("Multiplier", f"{plain(rules.multiplier)} currency a point and unit"))
    found.append(("Margin", _margin_sentence(rules.margin)))
    return tuple(found)


_FILL_AT = {
    FillAt.NEXT_OPEN: "decided at a close, filled at the next open",
    FillAt.CLOSE: "filled at the close that they were decided on (optimistic)",
}


def _level_sentence(level: Level) -> str:
    words = {
        LevelKind.PERCENT: "% of the entry price",
        LevelKind.POINTS: " points",
        LevelKind.ATR: " × ATR(14)",
    }
    return plain(level.value) + words[LevelKind(level.kind)]


def _slippage_sentence(slippage: Slippage) -> str:
    if slippage.kind is SlippageKind.NONE:
        return "none (optimistic)"
    value = plain(slippage.value)
    return {
        SlippageKind.BPS: f"{value} basis points of the price, each market order",
        SlippageKind.TICKS: f"{value} ticks, each market order",
        SlippageKind.RANGE: f"{value} of the bar's range, each market order",
        SlippageKind.SQUARE_ROOT: f"{value} × √(quantity ÷ volume of the bar) of the price, each market order",
    }[SlippageKind(slippage.kind)]


def _participation_sentence(participation: float) -> str:
    if not participation:
        return "no limit on the share of a bar's volume"
    return f"at most {plain(participation * 100)}% of a bar's volume fills"


def _size_sentence(size: Size) -> str:
    value, percent = plain(size.value), plain(size.value * 100)
    return {
        SizeKind.QUANTITY: f"{value} units",
        SizeKind.CASH: f"{value} in currency",
        SizeKind.EQUITY: f"{percent}% of equity",
        SizeKind.RISK: f"{percent}% of equity lost when the first stop is hit",
        SizeKind.ATR_TARGET: f"{percent}% of equity for one ATR of movement",
        SizeKind.VOLATILITY_TARGET: f"{percent}% annual volatility of the position",
        SizeKind.KELLY: f"{value} × the Kelly fraction of the trades so far",
        SizeKind.EQUAL: f"one of {value} equal parts of equity for each position",
        SizeKind.INVERSE_VOLATILITY: f"{percent}% annual volatility of each position, in all no more than equity",
    }[SizeKind(size.kind)]


def _margin_sentence(margin: float) -> str:
    if margin == 1.0:
        return "no leverage: a position is paid in full"
    return (
        f"{plain(margin * 100)}% of a position's value must be covered (up to {plain(round(1 / margin, 2))}×)"
    )
