"""Close positions and see to it that they are closed: what a broker turned down is tried again, what stays is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from trademantra.core.errors import TradeMantraError
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.engine.records import Reason
from trademantra.kit.timer import Timer
from trademantra.trading.algos.host import AlgoBook
from trademantra.trading.algos.trader import Trader
from trademantra.trading.orders import PositionKey
from trademantra.trading.outcomes import LONGEST_WAIT_NS, Outcome, wait_for
from trademantra.trading.policy import tag_of
from trademantra.trading.targets import TargetResult, close_all, close_one

_PAUSES_NS = tuple(seconds * NANOSECONDS_PER_SECOND for seconds in (1, 2, 3, 4, 5))
"""After each try.  Limits of brokers are by the second."""
_LONGEST_NS = 20 * NANOSECONDS_PER_SECOND
"""No new try is begun after it: who asked waits 30 s."""


@dataclass(frozen=True, slots=True)
class StillHeld:
    """A position that could not be closed: `quantity` is signed, `text` says why."""

    key: PositionKey
    quantity: Decimal
    text: str

    def __str__(self) -> str:
        return f"{self.quantity} {self.key.instrument_key} of {self.key.strategy_id}: {self.text}"


@dataclass(frozen=True, slots=True)
class Flattened:
    """`wanted` positions were to be closed; `left` are those that are still held."""

    wanted: int
    left: tuple[StillHeld, ...]


async def close_until_flat(
    trader: Trader,
    algos: AlgoBook,
    timer: Timer,
    order_id: str,
    reason: Reason,
    say: Callable[[str], None],
    *,
    strategy_id: str | None = None,
    wait_ns: int = LONGEST_WAIT_NS,
    pauses_ns: Sequence[int] = _PAUSES_NS,
) -> Flattened:
    """Leave every position (of one strategy); one that nothing works in is tried again after each pause but the last.

    An exit that works at the broker is never sent twice.  A position that was flat once is done: what a strategy opens
    after that is its own.  `say` hears of each new try, and at the end of each position that is still held.
    """
    pending = {
        key: position.quantity
        for key, position in trader.book.positions.items()
        if position.quantity and strategy_id in (None, key.strategy_id)
    }
    wanted = len(pending)

    def flat() -> bool:
        for key in [key for key, first in pending.items() if trader.book.held(key) * first <= 0]:
            del pending[key]
        return not pending

    until_ns = timer.now_ns() + _LONGEST_NS
    results: dict[PositionKey, TargetResult] = {}
    try:
        results |= await close_all(
            trader, algos, timer, order_id, reason, strategy_id=strategy_id, wait_ns=wait_ns
        )
    except (
        TradeMantraError
    ) as error:  # one order's trouble does not keep the other positions from being closed
        say(f"{trader.account_id}: closing met trouble: {error}")
    for number, pause_ns in enumerate(pauses_ns, 1):
        if await wait_for(flat, timer, pause_ns) or number == len(pauses_ns):
            break
        working = {managed.key for managed in trader.book.working()}
        for key in [key for key in pending if key not in working]:
            if timer.now_ns() >= until_ns:
                break
            say(
                f"{trader.account_id}: {key.instrument_key} of {key.strategy_id} is not closed "
                f"({_why(trader, key, results.get(key))}); trying again"
            )
            # one after the other: many at once is what brokers turn down
            name = tag_of(trader.account_id, f"{order_id}/{number}/{key}", 0)
            try:
                results[key] = await close_one(
                    trader, algos, timer, key, f"{order_id}/{name}", reason, wait_ns
                )
            except TradeMantraError as error:
                results[key] = TargetResult(Outcome.REFUSED, (), str(error))
    left = tuple(
        StillHeld(key, trader.book.held(key), _why(trader, key, results.get(key))) for key in pending
    )
    for each in left:
        say(f"{trader.account_id}: NOT closed: {each}")
    return Flattened(wanted, left)


def _why(trader: Trader, key: PositionKey, result: TargetResult | None) -> str:
    """What the broker or the desk said last."""
    orders = [managed for managed in trader.book.all() if managed.key == key]
    if any(managed.key == key for managed in trader.book.working()):
        return "orders work in it that have not filled"
    told = "" if result is None else result.text or "; ".join(leg.text for leg in result.legs if leg.text)
    if result is not None and result.outcome is not Outcome.ACCEPTED and told:
        return told
    return (
        next((each.order.reason for each in reversed(orders) if each.order.reason), told) or "no exit filled"
    )
