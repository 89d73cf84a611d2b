"""Single prices that event strategies hear inside bars: as they are told live, and as a back-test tells them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan

from trademantra.core.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Tick:
    """The newest picture of an instrument at `ts` (nanoseconds UTC); see `events.TickView` for the numbers.

    Errors: `InvalidValueError` for a price that is not positive and finite.
    """

    symbol: str
    ts: int
    price: float
    bid: float = nan
    ask: float = nan
    volume: float = nan

    def __post_init__(self) -> None:
        if not 0.0 < self.price < inf:
            raise InvalidValueError(f"{self.symbol}: a tick at {self.price!r} is none")


@dataclass(frozen=True, slots=True)
class ToldTicks:
    """Pictures that a live run was told at one moment, at most one an instrument.

    `order`: told before the finer bars of this order and later ones (`finer.Finer.order`), and after the earlier ones.
    `since_ns`: told while the bars that start then or later were forming.
    """

    order: int
    since_ns: int
    ticks: Sequence[Tick]


@dataclass(frozen=True, slots=True)
class ToldRun:
    """All that a live run was told of ticks, in order: its back-test hears these and no others.

    Bars that start before `begin_ns` warmed it up: of those it heard the closes.
    """

    begin_ns: int
    told: Sequence[ToldTicks]
