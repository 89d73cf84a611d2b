"""What the owner of an algorithm is told, made out of what the desk heard."""

from trademantra.core.order import OrderStatus
from trademantra.trading.algos.events import AlgoFill, EntryGone, Protected
from trademantra.trading.algos.pairs import STOP
from trademantra.trading.algos.running import Running
from trademantra.trading.algos.view import NOTHING, Child, View, base_name, filled_of, left_of, working
from trademantra.trading.orders import Booking, ManagedOrder

ENTRY = "entry"


def child_of(managed: ManagedOrder) -> tuple[str, str]:
    """The algorithm and the name of the child that an order is of; ("", …) when it is of none."""
    algo_id, _, child = managed.intent_id.rpartition("/")
    return algo_id, child


def fill_of(run: Running, child: str, booking: Booking, view: View) -> AlgoFill | None:
    """A fill with its reason; None for a correction of value alone."""
    execution, order = booking.execution, booking.order
    if execution.price is None:
        return None
    return AlgoFill(
        algo_id=run.spec.algo_id,
        strategy_id=run.spec.strategy_id,
        instrument=order.instrument,
        product=order.product,
        side=order.side,
        quantity=execution.quantity,
        price=execution.price,
        reason=run.spec.reason(run.memory, view, child, order),
        at_ns=execution.at_ns,
        order_id=order.order_id,
    )


def protected(run: Running, child: str, managed: ManagedOrder) -> Protected | None:
    """A stop that rests with other terms than were last told."""
    order = managed.order
    if (
        base_name(child) != STOP
        or order.status is not OrderStatus.TRIGGER_PENDING
        or order.trigger_price is None
    ):
        return None
    terms = (order.open_quantity, order.trigger_price)
    if run.stop_told == terms:
        return None
    run.stop_told = terms
    return Protected(
        algo_id=run.spec.algo_id, strategy_id=run.spec.strategy_id, instrument=order.instrument,
        quantity=terms[0], trigger_price=terms[1],
    )  # fmt: skip


def entry_gone(run: Running, view: View) -> EntryGone | None:
    """The end of an entry that did not fill whole."""
    entry = view.orders(ENTRY)
    wanted = getattr(run.spec, "quantity", NOTHING)
    if run.memory.gone_told or not entry or working(entry) or left_of(entry) or filled_of(entry) >= wanted:
        return None
    last = _last_ended(list(entry))
    return EntryGone(
        algo_id=run.spec.algo_id, strategy_id=run.spec.strategy_id, instrument=last.order.instrument,
        quantity=wanted - filled_of(entry), text=last.order.reason or str(last.order.status),
    )  # fmt: skip


def _last_ended(entry: list[Child]) -> Child:
    return max(entry, key=lambda child: (child.order.status is not OrderStatus.FILLED, child.since_ns))
