"""Iceberg: a limit order of which only a part is shown at a time."""

from dataclasses import dataclass
from decimal import Decimal

from trademantra.core.errors import InvalidValueError
from trademantra.trading.algos.slices import Parent, Slices, ending
from trademantra.trading.algos.view import Memory, Step, View


@dataclass(frozen=True, slots=True, kw_only=True)
class IcebergSpec(Parent):
    """`shown` units rest at `price_limit`; when they are filled the next ones follow, until the quantity is done.

    It ends with the day.  Errors: `InvalidValueError` without a price or with a part that is no lots.
    """

    shown: Decimal

    def __post_init__(self) -> None:
        Parent.__post_init__(self)
        if self.price_limit is None:
            raise InvalidValueError(f"iceberg {self.algo_id} needs a price_limit: it is a limit order")
        if self.shown <= 0 or self.shown % self.instrument.lot_size:
            raise InvalidValueError(
                f"iceberg {self.algo_id}: {self.shown} shown is not a number of lots of {self.instrument.lot_size}"
            )

    def step(self, memory: Memory, view: View) -> Step:
        slices = Slices.of(view)
        over = ending(self, memory, slices)
        if over is not None:
            return over
        if slices.open:
            return Step(memory)
        part = min(self.shown, self.quantity - slices.filled)
        return Step(memory, (self.place(len(slices.children), part, self.price_limit),))
