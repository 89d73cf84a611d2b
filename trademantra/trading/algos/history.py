"""The fills of a strategy's algorithms as they were booked, with their reasons: what a new process tells a strategy again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select

from trademantra.core.order import Order, OrderStatus
from trademantra.kit.database import Database
from trademantra.trading.algos.events import AlgoFill
from trademantra.trading.algos.kinds import read_spec
from trademantra.trading.algos.models import AlgoRow
from trademantra.trading.algos.spec_json import from_json
from trademantra.trading.algos.view import AlgoSpec, Child, Memory, View
from trademantra.trading.models import ExecutionRow, OrderRow
from trademantra.trading.terms import order_from_json


async def fills_since(
    database: Database, account_id: str, strategy_id: str, since_ns: int
) -> Sequence[AlgoFill]:
    """In the order of their booking.  `since_ns`: when their algorithms began, at the earliest.

    Prices are those that were booked, to 1/10 000; corrections of value alone are left out.  Errors: `BadInputError`.
    """
    async with database.reading() as session:
        algos = {
            row.algo_id: row
            for row in await session.scalars(
                select(AlgoRow).where(
                    AlgoRow.account_id == account_id,
                    AlgoRow.strategy_id == strategy_id,
                    AlgoRow.started_ns >= since_ns,
                )
            )
        }
        orders = {
            row.order_id: row
            for row in await session.scalars(
                select(OrderRow).where(
                    OrderRow.account_id == account_id,
                    OrderRow.strategy_id == strategy_id,
                    OrderRow.created_ns >= since_ns,
                )
            )
            if row.intent_id.rpartition("/")[0] in algos
        }
        executions = [
            row
            for row in await session.scalars(
                select(ExecutionRow)
                .join(OrderRow, OrderRow.order_id == ExecutionRow.order_id)
                .where(
                    OrderRow.account_id == account_id,
                    OrderRow.strategy_id == strategy_id,
                    OrderRow.created_ns >= since_ns,
                )
                .order_by(ExecutionRow.execution_id)
            )
            if row.order_id in orders and row.quantity
        ]
    known = {order_id: _order(row) for order_id, row in orders.items()}
    views = _views(orders, known)
    specs = {name: read_spec(row.kind, row.spec, name) for name, row in algos.items()}
    memories = {name: from_json(Memory, row.state, f"algorithm {name}") for name, row in algos.items()}
    made = []
    for row in executions:
        algo_id, _, child = orders[row.order_id].intent_id.rpartition("/")
        made.append(_fill(specs[algo_id], memories[algo_id], views[algo_id], child, known[row.order_id], row))
    return made


def _fill(
    spec: AlgoSpec, memory: Memory, view: View, child: str, order: Order, row: ExecutionRow
) -> AlgoFill:
    return AlgoFill(
        algo_id=spec.algo_id,
        strategy_id=spec.strategy_id,
        instrument=order.instrument,
        product=order.product,
        side=order.side,
        quantity=row.quantity,
        price=row.value / row.quantity / order.instrument.multiplier,
        reason=spec.reason(memory, view, child, order),
        at_ns=row.at_ns,
        order_id=order.order_id,
    )


def _order(row: OrderRow) -> Order:
    order = order_from_json(row.order_id, row.request)
    return replace(
        order,
        quantity=max(order.quantity, row.filled_quantity),
        status=OrderStatus(row.status),
        filled_quantity=row.filled_quantity,
        filled_value=row.filled_value,
        reason=row.reason,
    )


def _views(rows: Mapping[str, OrderRow], orders: Mapping[str, Order]) -> Mapping[str, View]:
    children: dict[str, dict[str, list[Child]]] = {}
    for order_id, row in rows.items():
        algo_id, _, child = row.intent_id.rpartition("/")
        made = Child(orders[order_id], row.updated_ns, row.created_ns)
        children.setdefault(algo_id, {}).setdefault(child, []).append(made)
    return {algo_id: View(0, True, found, {}) for algo_id, found in children.items()}
