"""Bars and timeframes."""

import re
from dataclasses import dataclass
from math import isfinite

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_HOUR, NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND

_UNITS = {
    "s": NANOSECONDS_PER_SECOND,
    "m": NANOSECONDS_PER_MINUTE,
    "h": NANOSECONDS_PER_HOUR,
    "d": 0,
    "w": 0,
    "mo": 0,
}
_WRITTEN = re.compile(r"([1-9][0-9]{0,3})(s|mo|m|h|d|w)")


@dataclass(frozen=True, slots=True)
class Timeframe:
    """Length of a bar: `5m`, `1h`, `1d`, `1w`, `1mo`.

    Seconds, minutes and hours have a fixed `length_ns`, counted from the start of the session;
    days, weeks and months follow the calendar of the exchange and have none.
    """

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> "Timeframe":
        """Errors: `InvalidValueError` for anything but a count and one of s, m, h, d, w, mo.

        >>> Timeframe.parse("15m").length_ns
        900000000000
        """
        found = _WRITTEN.fullmatch(text.strip().lower())
        if not found:
            raise InvalidValueError(
                f"{text!r} is not a timeframe", hint="examples: 1m, 5m, 15m, 1h, 1d, 1w, 1mo (a month)"
            )
        return cls(int(found[1]), found[2])

    @property
    def is_intraday(self) -> bool:
        return _UNITS[self.unit] > 0

    @property
    def length_ns(self) -> int:
        """Fixed length in nanoseconds.  Errors: `InvalidValueError` for calendar units."""
        if not self.is_intraday:
            raise InvalidValueError(f"a bar of {self} has no fixed length")
        return self.count * _UNITS[self.unit]

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.  `start_ns` is its first instant (UTC nanoseconds); prices in the instrument's currency.

    Prices are float64 on the tick grid, as the engine computes with them; `volume` counts units traded.
    Errors: `InvalidValueError` when high or low do not enclose open and close, or a number is not finite.
    """

    start_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    def __post_init__(self) -> None:
        if not all(isfinite(x) for x in (self.open, self.high, self.low, self.close, self.volume)):
            raise InvalidValueError(f"bar at {self.start_ns}: a price or the volume is not a finite number")
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise InvalidValueError(
                f"bar at {self.start_ns}: open {self.open} and close {self.close} are not within "
                f"low {self.low} and high {self.high}"
            )
        if self.volume < 0:
            raise InvalidValueError(f"bar at {self.start_ns}: volume {self.volume} is negative")
