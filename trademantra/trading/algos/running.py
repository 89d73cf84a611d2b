"""One running algorithm: its spec, what it remembers, and what only this process knows of it."""

from dataclasses import dataclass, field
from decimal import Decimal

from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.trading.algos.view import NOTHING, Action, AlgoSpec, Child, Memory, Place, Price, View
from trademantra.trading.orders import OrderBook

_GONE_AFTER_NS = 30 * NANOSECONDS_PER_SECOND
_LONGEST_PAUSE_NS = 30 * NANOSECONDS_PER_SECOND
ENOUGH_REFUSALS = 3


@dataclass(slots=True)
class _Asked:
    """Changes of one order: how many were refused in a row, and whether the last one was."""

    refusals: int = 0
    refused: bool = False


@dataclass(slots=True)
class _Refused:
    """A child that was not taken: how often, and when to try again.  `closes`: an exit."""

    times: int
    again_ns: int
    closes: bool


@dataclass(slots=True)
class Running:
    """`stored` is the memory that the journal has, or will have before anything that comes later."""

    spec: AlgoSpec
    memory: Memory
    stored: Memory
    children: dict[str, None] = field(default_factory=dict)
    busy: bool = False
    wake_ns: int | None = None
    told: set[str] = field(default_factory=set)
    stop_told: tuple[Decimal, Decimal] = (NOTHING, NOTHING)
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _refused: dict[str, _Refused] = field(default_factory=dict)
    _refused_now: bool = False
    _nothing_since_ns: int | None = None
    """Since when every exit found nothing to close."""

    def intent_id(self, child: str) -> str:
        return f"{self.spec.algo_id}/{child}"

    def view(
        self,
        book: OrderBook,
        prices: dict[str, Price],
        now_ns: int,
        *,
        continuous: bool,
        is_last: bool = False,
    ) -> View:
        children = {
            child: [
                Child(managed.order, managed.updated_ns, managed.created_ns)
                for managed in book.of_intent(self.intent_id(child))
            ]
            for child in self.children
        }
        refused = {order_id: asked.refusals for order_id, asked in self._asked.items() if asked.refusals}
        present = {child: orders for child, orders in children.items() if orders}
        return View(now_ns, continuous, present, prices, refused, is_last)

    def may(self, action: Action, now_ns: int) -> bool:
        """Whether it is time to try again what was not taken."""
        if not isinstance(action, Place):
            return True
        refused = self._refused.get(action.name)
        return refused is None or now_ns >= refused.again_ns

    def again_ns(self, now_ns: int) -> int | None:
        """When to try the next one again."""
        due = [refused.again_ns for refused in self._refused.values() if refused.again_ns > now_ns]
        return min(due, default=None)

    def changing(self, order_id: str) -> None:
        """A change is asked for.  If the last one was not refused, it came through."""
        asked = self._asked.setdefault(order_id, _Asked())
        if not asked.refused:
            asked.refusals = 0
        asked.refused = False

    def change_refused(self, order_id: str) -> None:
        asked = self._asked.setdefault(order_id, _Asked())
        asked.refusals += 1
        asked.refused = True
        self._refused_now = True

    def placed(self, child: str) -> None:
        self._refused.pop(child, None)
        self._nothing_since_ns = None

    def found_nothing(self, now_ns: int) -> None:
        """An exit was not taken: its strategy holds nothing that it would close."""
        if self._nothing_since_ns is None:
            self._nothing_since_ns = now_ns

    def is_without_position(self, now_ns: int) -> bool:
        """Whether that has been so for long enough that no fill under way explains it."""
        return self._nothing_since_ns is not None and now_ns - self._nothing_since_ns >= _GONE_AFTER_NS

    def not_taken(self, child: str, now_ns: int, opens_ns: int | None, *, closes: bool) -> int:
        """How often it was not taken by now.  `opens_ns`: when the exchange does something else; `closes`: an exit."""
        before = self._refused.get(child)
        times = 1 if before is None else before.times + 1
        again_ns = now_ns + min(2 ** (times - 1) * NANOSECONDS_PER_SECOND, _LONGEST_PAUSE_NS)
        self._refused[child] = _Refused(
            times, again_ns if opens_ns is None else min(again_ns, opens_ns), closes
        )
        return times

    def held_moved(self) -> None:
        """What its strategy holds is another now: exits that were not taken may be taken at once."""
        self._nothing_since_ns = None
        for child in [child for child, refused in self._refused.items() if refused.closes]:
            del self._refused[child]

    def has_new_refusals(self) -> bool:
        """Whether a change was refused since this was asked: then another way is to be tried at once."""
        answer, self._refused_now = self._refused_now, False
        return answer
