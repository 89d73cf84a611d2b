"""How a run trades: fills, sizes, protection, margin.  Typed words outside, one `RULES` record inside."""

import re
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from trademantra.core.errors import InvalidValueError
from trademantra.engine.records import RULES, LevelKind, SizeKind, SlippageKind

K = TypeVar("K")

_SIZE_WORDS = {
    "quantity": SizeKind.QUANTITY,
    "cash": SizeKind.CASH,
    "equity": SizeKind.EQUITY,
    "risk": SizeKind.RISK,
    "atr": SizeKind.ATR_TARGET,
    "volatility": SizeKind.VOLATILITY_TARGET,
    "kelly": SizeKind.KELLY,
    "equal": SizeKind.EQUAL,
    "inverse": SizeKind.INVERSE_VOLATILITY,
}
_FRACTIONS = frozenset(SizeKind) - {SizeKind.QUANTITY, SizeKind.CASH, SizeKind.EQUAL}
_LARGEST_FRACTION = 10.0  # more than the leverage of any product: a percentage was meant
_SLIPPAGE_WORDS = {
    "bps": SlippageKind.BPS,
    "ticks": SlippageKind.TICKS,
    "range": SlippageKind.RANGE,
    "impact": SlippageKind.SQUARE_ROOT,
}
# the most that can be meant; at 10,000 bps a sale would go for nothing
_MOST_SLIPPAGE = {
    SlippageKind.NONE: (0.0, "none has no value"),
    SlippageKind.BPS: (5_000.0, "hundredths of a percent of the price"),
    SlippageKind.TICKS: (10_000.0, "ticks"),
    SlippageKind.RANGE: (1.0, "fraction of the bar's range"),
    SlippageKind.SQUARE_ROOT: (10.0, "multiple of the root of quantity over volume"),
}
_LEVEL = re.compile(r"([0-9]*\.?[0-9]+)(%|pt|atr)")


class FillAt(StrEnum):
    """When a decision made at a close is filled."""

    NEXT_OPEN = "next_open"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Level:
    """Distance of a protective level: percent of the entry price, points, or multiples of ATR(14)."""

    kind: LevelKind = LevelKind.NONE
    value: float = 0.0

    def __post_init__(self) -> None:
        if self.kind is not LevelKind.NONE and not (isfinite(self.value) and self.value > 0.0):
            raise InvalidValueError(f"a distance of {self.value:g} is none", hint="give a number above 0")

    @classmethod
    def parse(cls, text: str) -> "Level":
        """`2%`, `15pt`, `3atr` or `none`.

        >>> Level.parse("2.5%")
        Level(kind=<LevelKind.PERCENT: 1>, value=2.5)
        """
        if text.strip().lower() in ("", "none"):
            return cls()
        found = _LEVEL.fullmatch(text.strip().lower())
        if not found or float(found[1]) <= 0.0:
            raise InvalidValueError(
                f"{text!r} is not a distance", hint="write 2% (of price), 15pt (points) or 3atr"
            )
        kind = {"%": LevelKind.PERCENT, "pt": LevelKind.POINTS, "atr": LevelKind.ATR}[found[2]]
        return cls(kind, float(found[1]))


@dataclass(frozen=True, slots=True)
class Slippage:
    """What a market order loses against the price that it aimed at."""

    kind: SlippageKind = SlippageKind.NONE
    value: float = 0.0

    def __post_init__(self) -> None:
        most, why = _MOST_SLIPPAGE[self.kind]
        if not (isfinite(self.value) and 0.0 <= self.value <= most):
            raise InvalidValueError(
                f"slippage {self.kind.name.lower()} = {self.value:g} is out of range",
                hint=f"{why}: 0 to {most:g}",
            )

    @classmethod
    def parse(cls, text: str) -> "Slippage":
        """`bps:2`, `ticks:1`, `range:0.1` (of the bar), `impact:0.5` (x sqrt(quantity / volume)) or `none`."""
        if text.strip().lower() in ("", "none"):
            return cls()
        kind, value = _word_and_number(text, _SLIPPAGE_WORDS, "slippage")
        return cls(kind, value)


@dataclass(frozen=True, slots=True)
class Size:
    """How much an entry buys; see `SizeKind`.  Errors: `InvalidValueError` for a value that is not positive."""

    kind: SizeKind = SizeKind.EQUITY
    value: float = 1.0

    def __post_init__(self) -> None:
        if not (isfinite(self.value) and self.value > 0.0):
            raise InvalidValueError(f"size {self.kind.name.lower()}: {self.value:g} must be positive")
        if self.kind is SizeKind.EQUAL and self.value != int(self.value):
            raise InvalidValueError(
                f"size equal:{self.value:g} is not a number of slots",
                hint="write equal:5 for at most 5 positions",
            )

    @classmethod
    def parse(cls, text: str) -> "Size":
        """`quantity:50`, `cash:100000`, `equity:0.5`, `risk:0.01`, `atr:0.01`, `volatility:0.15`, `kelly:0.5`,
        `equal:5` (slots), `inverse:0.15`."""
        return cls(*_word_and_number(text, _SIZE_WORDS, "size"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingRules:
    """The rules of a run.  Defaults are honest: next open, limits must be traded through, stop before target.

    Units: `cash` in the instrument's currency; `lot` in units (0: fractions allowed); `tick` in currency (0: slipped
    prices and levels are not rounded); `margin` is the fraction of a position's value that equity must cover (0.2: five times
    leverage); `participation` the largest fraction of a bar's volume (0: no limit); `time_exit`, `entry_valid` in bars.
    `as_live` is how a desk can trade at all: an entry is sized at the close that decides it, and stop and target are
    placed after its fill (docs/engine.md, "As live").
    Errors: `InvalidValueError` naming the field.
    """

    cash: float = 1_000_000.0
    multiplier: float = 1.0
    lot: float = 0.0
    tick: float = 0.0
    margin: float = 1.0
    fill_at: FillAt = FillAt.NEXT_OPEN
    limit_touch: bool = False
    target_first: bool = False
    entry_bar: bool = True
    as_live: bool = False
    allow_long: bool = True
    allow_short: bool = False
    max_entries: int = 1
    slippage: Slippage = Slippage()
    participation: float = 0.0
    size: Size = Size()
    stop: Level = Level()
    target: Level = Level()
    trail: Level = Level()
    time_exit: int = 0
    entry_valid: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("cash", 1e-9, 1e15),
            ("multiplier", 1e-9, 1e9),
            ("lot", 0.0, 1e12),
            ("tick", 0.0, 1e6),
            ("margin", 0.005, 10.0),
            ("max_entries", 1, 1_000),
            ("participation", 0.0, 1.0),
            ("time_exit", 0, 2**40),
            ("entry_valid", 0, 2**40),
        ):
            value = getattr(self, name)
            if not isfinite(value) or not low <= value <= high:
                raise InvalidValueError(
                    f"{name} = {value:g} is out of range", hint=f"allowed: {low:g} to {high:g}"
                )
        for name in ("max_entries", "time_exit", "entry_valid"):
            if getattr(self, name) != int(getattr(self, name)):
                raise InvalidValueError(f"{name} = {getattr(self, name):g} must be a whole number")
        if self.slippage.kind is SlippageKind.TICKS and self.slippage.value > 0.0 and self.tick == 0.0:
            raise InvalidValueError(
                "slippage in ticks needs to know the tick", hint="add --tick 0.05, or give bps:2 instead"
            )
        for name, level, reached in (
            ("stop", self.stop, not self.allow_long),
            ("trail", self.trail, not self.allow_long),
            ("target", self.target, self.allow_long),
        ):
            if level.kind is LevelKind.PERCENT and level.value >= 100.0 and not reached:
                raise InvalidValueError(
                    f"a {name} of {level.value:g}% lies at a price of zero or below and is never reached",
                    hint="give less than 100%",
                )
        if self.as_live and (self.fill_at is FillAt.CLOSE or not self.entry_bar):
            raise InvalidValueError(
                "a desk fills after the close that decides, and protects a position at once",
                hint="as_live needs fill_at=next_open and entry_bar",
            )
        if self.participation > 0.0 and self.fill_at is FillAt.CLOSE:
            raise InvalidValueError(
                "a volume participation cap needs --fill next_open: at a close nothing is left to fill"
            )

    @property
    def needs_atr(self) -> bool:
        levels = (self.stop.kind, self.target.kind, self.trail.kind)
        return LevelKind.ATR in levels or self.size.kind is SizeKind.ATR_TARGET

    @property
    def needs_deviation(self) -> bool:
        return self.size.kind in (SizeKind.VOLATILITY_TARGET, SizeKind.INVERSE_VOLATILITY)

    @property
    def slots(self) -> int:
        """Positions that may be held at the same time; 0: any number."""
        return int(self.size.value) if self.size.kind is SizeKind.EQUAL else 0

    def record(self, bars_per_year: float, session_risk_free: float = 0.0) -> NDArray[np.void]:
        """One `RULES` record, shape (1,).  `session_risk_free` is the risk-free return of one session."""
        made = np.zeros(1, RULES)
        for name in (
            "cash", "multiplier", "lot", "tick", "margin", "limit_touch", "target_first", "entry_bar", "as_live",
            "allow_long", "allow_short", "max_entries", "participation", "time_exit", "entry_valid",
        ):  # fmt: skip
            made[name] = getattr(self, name)
        made["same_close"] = self.fill_at is FillAt.CLOSE
        made["size_periods"] = bars_per_year
        made["risk_free"] = session_risk_free
        for name, choice in (
            ("slippage", self.slippage), ("size", self.size), ("stop", self.stop), ("target", self.target),
            ("trail", self.trail),
        ):  # fmt: skip
            made[f"{name}_kind"] = choice.kind
            made[name] = choice.value
        return made


def _word_and_number(text: str, words: dict[str, K], what: str) -> tuple[K, float]:
    word, _, number = text.strip().lower().partition(":")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if word not in words or not isfinite(value) or value < 0.0:
        raise InvalidValueError(
            f"{text!r} is not a {what}",
            hint=f"write one of {', '.join(words)} with a number, for example {next(iter(words))}:2",
        )
    return words[word], value
