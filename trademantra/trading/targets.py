"""Orders that say where to be instead of what to do: a target position, close one, close all, cancel all.

They start from what is held and what works already, wait for what they cancel, and never sell the same thing twice.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.order import OrderType, Product, Side
from trademantra.engine.records import Reason
from trademantra.kit.timer import Timer
from trademantra.trading.algos.bracket import GuardSpec
from trademantra.trading.algos.host import AlgoBook
from trademantra.trading.algos.trader import Trader
from trademantra.trading.algos.view import AlgoSpec
from trademantra.trading.desk_events import RefusedIntentError
from trademantra.trading.intents import MANUAL, OrderIntent, Purpose
from trademantra.trading.orders import ManagedOrder, PositionKey, side_to_flatten
from trademantra.trading.outcomes import (
    LONGEST_WAIT_NS,
    LegResult,
    Outcome,
    cancel_and_wait,
    overall,
    result_of,
    submit_all,
)
from trademantra.trading.policy import tag_of

_NOTHING = Decimal(0)
_MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOrder:
    """The position that a strategy is to have in an instrument: `target` units, negative for short.

    `order_id` makes it idempotent, as `OrderIntent.intent_id`.  `reason`: what a position that it closes is closed for.
    Errors: `InvalidValueError`.
    """

    order_id: str
    account_id: str
    strategy_id: str
    instrument: Instrument
    product: Product
    target: Decimal
    decided_ns: int
    price: Decimal | None = None
    reference_price: Decimal | None = None
    reason: Reason = Reason.SIGNAL
    sector: str = ""
    registered_id: str = ""
    labels: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if self.target % self.instrument.lot_size:
            raise InvalidValueError(
                f"target {self.order_id}: {self.target} is not a number of lots of {self.instrument.lot_size}"
            )

    @property
    def key(self) -> PositionKey:
        return PositionKey(self.strategy_id, self.instrument.key, self.product)


@dataclass(frozen=True, slots=True)
class WorkingPart:
    """An order that may still fill: `quantity` is signed, negative for a sale.

    `waits`: for a price that may never come, so it is not on its way to a target.
    """

    order_id: str
    quantity: Decimal
    waits: bool = False


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """`close` units end what is held, then `open` units make the new position, both on `side`; first `cancel`."""

    cancel: tuple[str, ...]
    side: Side
    close: Decimal
    open: Decimal


@dataclass(frozen=True, slots=True)
class TargetResult:
    """`legs` are the closing and the opening order, those that were needed; `cancelled` the orders that went for it."""

    outcome: Outcome
    legs: tuple[LegResult, ...]
    text: str = ""
    cancelled: tuple[str, ...] = ()


class Cancelled(StrEnum):
    """How an order ended that was to be cancelled."""

    CANCELLED = "cancelled"
    PARTLY_FILLED = "partly_filled"
    """What was left of it is cancelled."""
    FILLED = "filled"
    """It was too late."""
    UNKNOWN = "unknown"
    """It may still fill; the desk goes on finding out."""


@dataclass(frozen=True, slots=True)
class CancelResult:
    order_id: str
    outcome: Cancelled
    text: str


def plan_target(target: Decimal, held: Decimal, working: Sequence[WorkingPart]) -> TargetPlan:
    """From what is held and works to the target.  What is on its way to it stays, oldest first; everything else goes, but
    for what protects a position that is as wanted already: a signal that is repeated takes no stop away.

    >>> plan_target(Decimal(-5), Decimal(10), [WorkingPart("a", Decimal(3)), WorkingPart("b", Decimal(-4))])
    TargetPlan(cancel=('a',), side=<Side.SELL: 'SELL'>, close=Decimal('6'), open=Decimal('5'))
    """
    need = target - held
    side = Side.BUY if need > 0 else Side.SELL
    missing, cancel = abs(need), []
    closing = min(missing, abs(held)) if held * need < 0 else _NOTHING
    for part in working:
        towards = part.quantity * side.sign
        if need and not part.waits and 0 < towards <= missing:
            missing -= towards
            closing = max(_NOTHING, closing - towards)
        elif need or not part.waits or part.quantity * held >= 0 or abs(part.quantity) > abs(held):
            cancel.append(part.order_id)
    return TargetPlan(tuple(cancel), side, closing, missing - closing)


async def move_to_target(
    trader: Trader, algos: AlgoBook, timer: Timer, order: TargetOrder, wait_ns: int = LONGEST_WAIT_NS
) -> TargetResult:
    """Bring a position to its target: cancel what works against it, close, then open.

    A position that algorithms protect is closed by them (target 0); another target of it is refused.
    Errors: `RefusedIntentError` (rule "protected"); those of `cancel`.
    """
    key = order.key
    own = _algos_of(algos, key)
    if own:
        if order.target:
            raise RefusedIntentError(
                "protected",
                f"{own[0].algo_id} works on {key.instrument_key} for {key.strategy_id}",
                hint=_ways_out(order, own[0].algo_id),
            )
        return await close_one(trader, algos, timer, key, order.order_id, order.reason, wait_ns)
    names = (f"{order.order_id}/close", f"{order.order_id}/open")
    cancelled: tuple[str, ...] = ()
    for _ in range(_MOST_ROUNDS):
        working = [
            WorkingPart(
                managed.order.order_id,
                managed.order.side.sign * managed.order.open_quantity,
                _waits(managed, order),
            )
            for managed in _working(trader, key)
        ]
        plan = plan_target(order.target, trader.book.held(key), working)
        if not plan.cancel:
            break
        if not await cancel_and_wait(trader, timer, plan.cancel, wait_ns):
            return TargetResult(
                Outcome.UNKNOWN, (), "orders that work against it are not cancelled yet; nothing was sent"
            )
        cancelled += plan.cancel
    else:
        return TargetResult(Outcome.UNKNOWN, (), "new orders kept coming; nothing was sent")
    intents = [
        _intent_of(order, name, plan.side, quantity, purpose)
        for name, quantity, purpose in (
            (names[0], plan.close, Purpose.EXIT),
            (names[1], plan.open, Purpose.ENTRY),
        )
        if quantity > 0 and not trader.book.of_intent(name)
    ]
    legs = await submit_all(trader, timer, intents, wait_ns)
    done = {leg.intent_id: leg for leg in legs}
    earlier = [result_of(name, trader.book.of_intent(name)) for name in names if trader.book.of_intent(name)]
    every = tuple({leg.intent_id: leg for leg in [*earlier, *done.values()]}.values())
    return TargetResult(overall(every), every, cancelled=cancelled)


async def close_one(
    trader: Trader,
    algos: AlgoBook,
    timer: Timer,
    key: PositionKey,
    order_id: str,
    reason: Reason,
    wait_ns: int = LONGEST_WAIT_NS,
) -> TargetResult:
    """Leave one position at market.  Algorithms leave what is theirs; the rest is closed by an order of its own.

    Errors: those of `cancel`.
    """
    theirs = _NOTHING
    left_to_algos = _algos_of(algos, key)
    for spec in left_to_algos:
        theirs += _held_by(trader, spec, key)
        algos.leave(spec.algo_id, reason)
    mine = [managed.order.order_id for managed in _working(trader, key, algos)]
    if mine and not await cancel_and_wait(trader, timer, mine, wait_ns):
        return TargetResult(
            Outcome.UNKNOWN, (), "orders that work in it are not cancelled yet; nothing was sent"
        )
    rest = trader.book.held(key) - sum((_held_by(trader, spec, key) for spec in left_to_algos), _NOTHING)
    name = f"{order_id}/close"
    if not rest:
        return TargetResult(Outcome.ACCEPTED, (), "its algorithms leave it" if theirs else "nothing is held")
    instrument = _instrument(trader, key)
    intent = OrderIntent(
        intent_id=name, account_id=trader.account_id, strategy_id=key.strategy_id, instrument=instrument,
        side=side_to_flatten(rest), quantity=abs(rest), product=key.product, purpose=Purpose.EXIT,
        decided_ns=timer.now_ns(), reference_price=algos.reference_price(instrument),
    )  # fmt: skip
    legs = tuple(await submit_all(trader, timer, [intent], wait_ns))
    return TargetResult(overall(legs), legs)


async def close_all(
    trader: Trader,
    algos: AlgoBook,
    timer: Timer,
    order_id: str,
    reason: Reason,
    *,
    strategy_id: str | None = None,
    wait_ns: int = LONGEST_WAIT_NS,
) -> dict[PositionKey, TargetResult]:
    """Leave every position (of one strategy), and cancel everything that could open one."""
    keys = {key: None for key, position in trader.book.positions.items() if position.quantity}
    keys |= {managed.key: None for managed in trader.book.working()}
    for spec in algos.running():
        if not isinstance(spec, GuardSpec) and strategy_id in (None, spec.strategy_id):
            algos.leave(spec.algo_id, reason)
    chosen = [key for key in keys if strategy_id in (None, key.strategy_id)]
    names = [tag_of(trader.account_id, f"{order_id}/{key}", 0) for key in chosen]
    results = await asyncio.gather(
        *(
            close_one(trader, algos, timer, key, f"{order_id}/{name}", reason, wait_ns)
            for key, name in zip(chosen, names, strict=True)
        )
    )
    return dict(zip(chosen, results, strict=True))


async def cancel_all(
    trader: Trader,
    algos: AlgoBook,
    timer: Timer,
    *,
    strategy_id: str | None = None,
    wait_ns: int = LONGEST_WAIT_NS,
) -> Sequence[CancelResult]:
    """Cancel every working order (of one strategy) but those that close what is held, such as a stop; one result for each.

    Errors: those of `cancel`.
    """
    for spec in algos.running():
        if not isinstance(spec, GuardSpec) and strategy_id in (None, spec.strategy_id):
            algos.drop(spec.algo_id)
    mine = [
        managed
        for managed in _plain(trader, algos)
        if strategy_id in (None, managed.strategy_id) and not _closes(trader, managed)
    ]
    await cancel_and_wait(trader, timer, [managed.order.order_id for managed in mine], wait_ns)
    return [CancelResult(managed.order.order_id, ended_as(managed), managed.order.reason) for managed in mine]


def _closes(trader: Trader, managed: ManagedOrder) -> bool:
    """Whether it is an exit of something that is held; one that is left over would open a position."""
    held = trader.book.held(managed.key)
    return managed.purpose is Purpose.EXIT and bool(held) and managed.order.side is side_to_flatten(held)


def ended_as(managed: ManagedOrder) -> Cancelled:
    """How an order stands that was to be cancelled."""
    order = managed.order
    if not order.status.is_final:
        return Cancelled.UNKNOWN
    if order.filled_quantity == order.quantity:
        return Cancelled.FILLED
    return Cancelled.PARTLY_FILLED if order.filled_quantity else Cancelled.CANCELLED


def _ways_out(order: TargetOrder, algo_id: str) -> str:
    """The commands that end an algorithm, or close what it looks after."""
    account = f"--account {order.account_id}"
    end = f"tm desk algo-stop {algo_id} {account}"
    if order.strategy_id != MANUAL:
        return end
    product = "" if order.product is Product.MIS else f" --product {order.product}"
    return f"{end}, or close the position: tm desk target {order.instrument.key} 0{product} {account}"


def _intent_of(order: TargetOrder, name: str, side: Side, quantity: Decimal, purpose: Purpose) -> OrderIntent:
    return OrderIntent(
        intent_id=name, account_id=order.account_id, strategy_id=order.strategy_id, instrument=order.instrument,
        side=side, quantity=quantity, product=order.product, purpose=purpose, decided_ns=order.decided_ns,
        order_type=OrderType.MARKET if order.price is None else OrderType.LIMIT, price=order.price,
        reference_price=order.reference_price, algo_id=order.registered_id, sector=order.sector, labels=order.labels,
    )  # fmt: skip


def _waits(managed: ManagedOrder, order: TargetOrder) -> bool:
    """A stop waits for its trigger; a limit is on the way of a target with a price alone: one without is wanted now."""
    kind = managed.order.order_type
    return kind.has_trigger or (kind is OrderType.LIMIT and order.price is None)


def _algos_of(algos: AlgoBook, key: PositionKey) -> Sequence[AlgoSpec]:
    return [
        spec
        for spec in algos.running()
        if spec.strategy_id == key.strategy_id
        and spec.product is key.product
        and any(instrument.key == key.instrument_key for instrument in spec.instruments())
    ]


def _working(trader: Trader, key: PositionKey, apart_from: AlgoBook | None = None) -> Sequence[ManagedOrder]:
    orders = trader.book.working() if apart_from is None else _plain(trader, apart_from)
    return [managed for managed in orders if managed.key == key]


def _plain(trader: Trader, algos: AlgoBook) -> Sequence[ManagedOrder]:
    """Working orders that no running algorithm looks after."""
    own = {spec.algo_id for spec in algos.running()}
    return [managed for managed in trader.book.working() if managed.intent_id.rpartition("/")[0] not in own]


def _held_by(trader: Trader, spec: AlgoSpec, key: PositionKey) -> Decimal:
    """What the orders of an algorithm made of a position; a guard's position was there before it."""
    if isinstance(spec, GuardSpec):
        closed = sum((m.order.filled_quantity for m in _children(trader, spec, key)), _NOTHING)
        return spec.side.sign * (spec.quantity - closed)
    return sum((m.order.side.sign * m.order.filled_quantity for m in _children(trader, spec, key)), _NOTHING)


def _children(trader: Trader, spec: AlgoSpec, key: PositionKey) -> Sequence[ManagedOrder]:
    return [
        managed
        for managed in trader.book.all()
        if managed.intent_id.rpartition("/")[0] == spec.algo_id and managed.key == key
    ]


def _instrument(trader: Trader, key: PositionKey) -> Instrument:
    """Errors: `InvalidValueError` when no order of the book names it."""
    found = trader.book.instrument(key.instrument_key)
    if found is not None:
        return found
    raise InvalidValueError(f"no order of account {trader.account_id} tells what {key.instrument_key} is")
