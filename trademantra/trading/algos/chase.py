"""Peg and chase: one limit order that follows the market, then crosses or gives up."""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from trademantra.brokers.orders import OrderChange
from trademantra.core.errors import InvalidValueError
from trademantra.core.order import Side
from trademantra.trading.algos.levels import on_tick
from trademantra.trading.algos.slices import Finish, Parent, Slices, ending, give_up
from trademantra.trading.algos.view import Action, Cancel, Change, Child, Memory, Price, Step, View


class Follows(StrEnum):
    """What price the order is kept at."""

    OWN_BEST = "own_best"
    """The best bid for a buy, the best ask for a sale."""
    OTHER_BEST = "other_best"
    """The price at which it would trade at once."""
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaseSpec(Parent):
    """Follows the market by at most `most_moves` changes and until `end_ns`; then the rest crosses or is given up.

    `offset_ticks` is added towards the other side (negative: away from it).  Brokers allow few changes of one order
    (Zerodha 25, specs/brokers.md 0.6).  Errors: `InvalidValueError`.
    """

    end_ns: int
    follows: Follows = Follows.OWN_BEST
    offset_ticks: int = 0
    most_moves: int = 20
    finish: Finish = Finish.CROSS

    def __post_init__(self) -> None:
        Parent.__post_init__(self)
        if not 0 <= self.most_moves <= 1_000 or abs(self.offset_ticks) > 1_000:
            raise InvalidValueError(
                f"algorithm {self.algo_id}: 0 to 1,000 moves and at most 1,000 ticks of offset"
            )

    def step(self, memory: Memory, view: View) -> Step:
        slices = Slices.of(view)
        over = ending(self, memory, slices)
        if over is not None:
            return over
        level = self._level(view.price(self.instrument))
        wanted = level is not None and any(self._moves_to(child, level) for child in slices.open)
        if view.now_ns >= self.end_ns or (wanted and memory.moves >= self.most_moves):
            return self._finished(memory, view, slices)
        if slices.sent < self.quantity:
            if level is None:
                return Step(memory, wake_ns=self.end_ns)
            place = self.place(len(slices.children), self.quantity - slices.sent, level)
            return Step(memory, (place,), self.end_ns)
        if not wanted or level is None:
            return Step(memory, wake_ns=self.end_ns)
        moved: list[Action] = [
            Cancel(child.order.order_id)
            if view.is_stuck(child)
            else Change(child.order.order_id, OrderChange(price=level))
            for child in slices.open
            if self._moves_to(child, level)
        ]
        return Step(replace(memory, moves=memory.moves + 1), tuple(moved), self.end_ns)

    def _finished(self, memory: Memory, view: View, slices: Slices) -> Step:
        if self.finish is Finish.GIVE_UP:
            return give_up(memory, slices, "the market did not come")
        memory = replace(memory, moves=max(memory.moves, self.most_moves))
        actions = [action for child in slices.open for action in self.crossing(view, child)]
        if slices.sent < self.quantity:
            actions.append(self.place(len(slices.children), self.quantity - slices.sent, None))
        return Step(memory, tuple(actions))

    def _level(self, price: Price | None) -> Decimal | None:
        """Where the order belongs now, never beyond the price limit; None while no price is known."""
        if price is None:
            return None
        own, other = (price.bid, price.ask) if self.side is Side.BUY else (price.ask, price.bid)
        base = {Follows.OWN_BEST: own, Follows.OTHER_BEST: other, Follows.LAST: price.last}[self.follows]
        if not base > 0.0:
            base = price.last
        offset = self.side.sign * self.offset_ticks * float(self.instrument.tick_size)
        level = on_tick(self.instrument, self.side, base + offset)
        if level is None or self.price_limit is None:
            return level
        return min(level, self.price_limit) if self.side is Side.BUY else max(level, self.price_limit)

    def _moves_to(self, child: Child, level: Decimal) -> bool:
        return child.rests and child.order.price is not None and child.order.price != level
