"""TWAP and VWAP: a quantity sent by the clock, evenly or as the day's volume usually comes.

The time from `start_ns` to `end_ns` is cut into as many equal parts as there are weights; each part's share is sent when
it begins.  A slice that rests and does not fill in its part crosses when the next begins.
"""

from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from math import isfinite
from typing import Self

import numpy as np

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.engine.bars import Bars
from trademantra.trading.algos.slices import Finish, Parent, Slices, Style, ending, give_up
from trademantra.trading.algos.view import Action, Memory, Step, View

_MOST_PARTS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSpec(Parent):
    """`weights` of the parts, in order; only their ratios count.  At `end_ns` the rest crosses or is given up.

    Errors: `InvalidValueError` for an end before the start and for weights that are none.
    """

    start_ns: int
    end_ns: int
    weights: tuple[float, ...]
    style: Style = Style.CROSS
    finish: Finish = Finish.CROSS

    def __post_init__(self) -> None:
        Parent.__post_init__(self)
        if self.end_ns <= self.start_ns:
            raise InvalidValueError(f"algorithm {self.algo_id} ends before it starts")
        if not 1 <= len(self.weights) <= _MOST_PARTS:
            raise InvalidValueError(
                f"algorithm {self.algo_id}: 1 to {_MOST_PARTS} parts, not {len(self.weights)}"
            )
        if (
            not all(isfinite(weight) and weight >= 0.0 for weight in self.weights)
            or not sum(self.weights) > 0.0
        ):
            raise InvalidValueError(
                f"algorithm {self.algo_id}: weights must be 0 or more, and not all 0",
                hint="give a volume curve",
            )

    @classmethod
    def twap(cls, *, parts: int, **words: object) -> Self:
        """Equal parts.  `words` are the other fields."""
        return cls(weights=(1.0,) * parts, **words)  # type: ignore[arg-type]  # fields by name

    def due(self, now_ns: int) -> Decimal:
        """What should have been sent by then, in whole lots.

        >>> from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
        >>> from trademantra.core.order import Product, Side
        >>> share = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY")
        >>> spec = ScheduleSpec(algo_id="t", account_id="a", strategy_id="s", instrument=share, side=Side.BUY,
        ...     quantity=Decimal(10), product=Product.MIS, decided_ns=0, start_ns=0, end_ns=40, weights=(1.0, 0.0, 2.0, 1.0))
        >>> [int(spec.due(now)) for now in (-1, 0, 10, 20, 30, 40)]
        [0, 2, 2, 7, 10, 10]
        """
        if now_ns < self.start_ns:
            return Decimal(0)
        part = self._part(now_ns)
        if part >= len(self.weights) - 1:
            return self.quantity
        sums = list(accumulate(self.weights))
        return self.whole_lots(self.quantity * Decimal(repr(sums[part] / sums[-1])))

    def step(self, memory: Memory, view: View) -> Step:
        slices, now_ns = Slices.of(view), view.now_ns
        over = ending(self, memory, slices)
        if over is not None:
            return over
        if now_ns >= self.end_ns and self.finish is Finish.GIVE_UP:
            return give_up(memory, slices, "its time is over")
        actions: list[Action] = []
        for child in slices.open:  # those of an earlier part cross
            if now_ns >= self.end_ns or self._part(child.made_ns) < self._part(now_ns):
                actions += self.crossing(view, child)
        missing = self.due(now_ns) - slices.sent
        if missing > 0:
            rests = self.style is Style.REST and now_ns < self.end_ns
            limit = self.own_best(view.price(self.instrument)) if rests else None
            actions.append(self.place(len(slices.children), missing, limit))
        return Step(memory, tuple(actions), self._next_ns(now_ns))

    def _part(self, at_ns: int) -> int:
        return max(
            0,
            min(
                len(self.weights),
                (at_ns - self.start_ns) * len(self.weights) // (self.end_ns - self.start_ns),
            ),
        )

    def _next_ns(self, now_ns: int) -> int | None:
        """When the next part begins, or the last one ends."""
        if now_ns >= self.end_ns:
            return None
        if now_ns < self.start_ns:
            return self.start_ns
        length, parts = self.end_ns - self.start_ns, len(self.weights)
        return self.start_ns - (-(self._part(now_ns) + 1) * length // parts)


def volume_curve(bars: Bars, start_ns: int, end_ns: int, parts: int) -> tuple[float, ...]:
    """Weights of `parts` equal parts of the time of day from `start_ns` to `end_ns`, from the volume of past days.

    Each day counts the same, whatever its volume; a bar belongs to the part in which it starts.
    Errors: `MissingFactError` when no day before `start_ns` traded in that time; `InvalidValueError`.
    """
    length = end_ns - start_ns
    if not 0 < length <= NANOSECONDS_PER_DAY or parts < 1:
        raise InvalidValueError("a volume curve needs a time of at most a day and at least one part")
    before = (
        start_ns - bars.ts + length - 1
    ) // NANOSECONDS_PER_DAY  # how many days ago this time of day was
    inside = (start_ns - bars.ts) - before * NANOSECONDS_PER_DAY
    place = -inside  # ns after the start of that day's time
    fits = (place >= 0) & (place < length) & (before >= 1)
    total = np.zeros(parts)
    for day in np.unique(before[fits]):
        mine = fits & (before == day)
        volume = np.bincount(place[mine] * parts // length, weights=bars.volume[mine], minlength=parts)
        if volume.sum() > 0.0:
            total += volume / volume.sum()
    if not total.sum() > 0.0:
        raise MissingFactError(
            "history", "the volume of past days at this time of day", hint="give more history"
        )
    return tuple(float(weight) for weight in total / total.sum())
