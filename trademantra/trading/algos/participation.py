"""Participation: a quantity sent as a share of what trades in the market."""

from dataclasses import dataclass, replace
from decimal import Decimal

from trademantra.core.errors import InvalidValueError
from trademantra.trading.algos.slices import Finish, Parent, Slices, Style, ending, give_up
from trademantra.trading.algos.view import Action, Memory, Price, Step, View


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipationSpec(Parent):
    """`share` of the volume that trades from now on, in slices of at least `least` units, until `end_ns`.

    A slice that rests crosses when the market has traded enough for the next.  At the end the rest crosses or is given up.
    What traded while no process ran is not counted.  Errors: `InvalidValueError` for a share that is not within 0 and 1.
    """

    share: float
    least: Decimal
    end_ns: int
    style: Style = Style.CROSS
    finish: Finish = Finish.GIVE_UP

    def __post_init__(self) -> None:
        Parent.__post_init__(self)
        if not 0.0 < self.share <= 1.0:
            raise InvalidValueError(
                f"algorithm {self.algo_id}: a share of {self.share:g} is not within 0 and 1"
            )
        if self.least <= 0 or self.least % self.instrument.lot_size:
            raise InvalidValueError(
                f"algorithm {self.algo_id}: slices of {self.least} are no lots of {self.instrument.lot_size}"
            )

    def heard(self, memory: Memory, price: Price) -> Memory:
        if price.at_ns <= self.decided_ns or not price.volume > 0.0:
            return memory
        return replace(memory, volume=memory.volume + price.volume)

    def step(self, memory: Memory, view: View) -> Step:
        slices, is_over = Slices.of(view), view.now_ns >= self.end_ns
        over = ending(self, memory, slices)
        if over is not None:
            return over
        if is_over and self.finish is Finish.GIVE_UP:
            return give_up(memory, slices, "its time is over")
        due = self.quantity if is_over else self.whole_lots(Decimal(repr(memory.volume * self.share)))
        missing = due - slices.sent
        actions: list[Action] = []
        if missing >= min(self.least, self.quantity - slices.sent) and missing > 0:
            for child in slices.open:
                actions += self.crossing(view, child)
            rests = self.style is Style.REST and not is_over
            limit = self.own_best(view.price(self.instrument)) if rests else None
            actions.append(self.place(len(slices.children), missing, limit))
        elif is_over:
            for child in slices.open:
                actions += self.crossing(view, child)
        return Step(memory, tuple(actions), None if is_over else self.end_ns)
