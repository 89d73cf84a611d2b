"""The order book in the database: changes as rows, and the book as it was after a restart."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import sqlalchemy
from sqlalchemy import Insert, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from trademantra.core.order import OrderStatus, Product
from trademantra.kit.database import Database
from trademantra.trading.algos.models import AlgoRow
from trademantra.trading.fills import OrderFills
from trademantra.trading.intents import Purpose
from trademantra.trading.journal import Change
from trademantra.trading.models import CashRow, ExecutionRow, OrderRow, PositionRow
from trademantra.trading.orders import Booking, Changes, ManagedOrder, OrderBook, PositionKey
from trademantra.trading.positions import HeldPosition
from trademantra.trading.terms import order_from_json, terms_to_json

_KEY = ("account_id", "strategy_id", "instrument_key", "product")
_MOVED = ("request", "status", "reason", "broker_order_id", "filled_quantity", "filled_value", "updated_ns")
# statements over tables, not over mapped classes: no identity map to keep on the order path
_ORDERS = cast(sqlalchemy.Table, OrderRow.__table__)
_INSERT_ORDER = insert(_ORDERS)
_INSERT_EXECUTION = insert(cast(sqlalchemy.Table, ExecutionRow.__table__))
_INSERT_CASH = insert(cast(sqlalchemy.Table, CashRow.__table__))
_UPDATE_ORDER = (
    update(_ORDERS)
    .where(_ORDERS.c.order_id == bindparam("this_order"))
    .values({name: bindparam(f"new_{name}") for name in _MOVED})
)
TRADE, CHARGES = "trade", "charges"
_FINAL = tuple(status.value for status in OrderStatus if status.is_final)


class OrderStore:
    """Turns `Changes` into rows for the journal, and rows into an `OrderBook`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put_position = _upsert_position(sqlite_dialect=database.is_sqlite)

    def rows(self, changes: Changes) -> list[Change]:
        """The rows of `changes`, in an order that keeps references whole."""
        made: list[Change] = [(_INSERT_ORDER, _order_row(each)) for each in changes.created]
        for booking in changes.booked:
            made += self._booking_rows(booking)
        made += [(_UPDATE_ORDER, _moved_row(each)) for each in changes.moved]
        return made

    async def load(self, book: OrderBook, since_ns: int | None = None) -> None:
        """Fill an empty book: all positions, the orders that are not final, and those that are and still matter.

        These are the ones that changed since `since_ns` (a message about them may still come), that were made since the oldest
        algorithm that runs began, and one of each instrument that has a position.  None: every order ever made.
        """
        mine = OrderRow.account_id == book.account_id
        async with self._database.reading() as session:
            matters = (
                mine if since_ns is None else mine & await _still_matter(session, book.account_id, since_ns)
            )
            orders = await session.scalars(select(OrderRow).where(matters).order_by(OrderRow.created_ns))
            sequences = {
                row.order_id: row.sequence
                for row in await session.execute(
                    select(ExecutionRow.order_id, ExecutionRow.sequence)
                    .join(OrderRow, OrderRow.order_id == ExecutionRow.order_id)
                    .where(matters)
                    .order_by(ExecutionRow.order_id, ExecutionRow.sequence)
                )
            }
            for row in orders:
                book.restore(_managed(row, sequences.get(row.order_id, 0)))
            positions = await session.scalars(
                select(PositionRow).where(PositionRow.account_id == book.account_id)
            )
            for held in positions:
                key = PositionKey(held.strategy_id, held.instrument_key, Product(held.product))
                book.positions[key] = HeldPosition(held.quantity, held.cost, held.realised, held.charges)

    def position_row(self, account_id: str, key: PositionKey, position: HeldPosition) -> Change:
        """A position as it is now."""
        row = {
            "account_id": account_id,
            "strategy_id": key.strategy_id,
            "instrument_key": key.instrument_key,
            "product": key.product.value,
            "quantity": position.quantity,
            "cost": position.cost,
            "realised": position.realised,
            "charges": position.charges,
        }
        return self._put_position, row

    def _booking_rows(self, booking: Booking) -> Sequence[Change]:
        execution, sign = booking.execution, booking.order.side.sign
        cash = {
            "account_id": booking.account_id,
            "strategy_id": booking.key.strategy_id,
            "order_id": execution.order_id,
            "at_ns": execution.at_ns,
        }
        made: list[Change] = [
            (
                _INSERT_EXECUTION,
                {
                    "order_id": execution.order_id,
                    "sequence": execution.sequence,
                    "quantity": execution.quantity,
                    "value": booking.value,
                    "charges": booking.charges,
                    "filled_after": execution.filled_after,
                    "value_after": execution.value_after,
                    "at_ns": execution.at_ns,
                },
            ),
            self.position_row(booking.account_id, booking.key, booking.position),
            (_INSERT_CASH, {**cash, "kind": TRADE, "amount": -sign * booking.value}),
        ]
        if booking.charges:
            made.append((_INSERT_CASH, {**cash, "kind": CHARGES, "amount": -booking.charges}))
        return made


async def _still_matter(
    session: AsyncSession, account_id: str, since_ns: int
) -> sqlalchemy.ColumnElement[bool]:
    oldest_algo = await session.scalar(
        select(func.min(AlgoRow.started_ns)).where(AlgoRow.account_id == account_id, AlgoRow.ended_ns == 0)
    )
    held = select(PositionRow.instrument_key).where(PositionRow.account_id == account_id)
    one_each = (
        select(func.max(OrderRow.order_id))
        .where(OrderRow.account_id == account_id, OrderRow.instrument_key.in_(held))
        .group_by(OrderRow.instrument_key)
    )
    return (
        OrderRow.status.not_in(_FINAL)
        | (OrderRow.updated_ns >= since_ns)
        | (OrderRow.created_ns >= (since_ns if oldest_algo is None else oldest_algo))
        | OrderRow.order_id.in_(one_each)
    )


def _upsert_position(*, sqlite_dialect: bool) -> Insert:
    table = cast(sqlalchemy.Table, PositionRow.__table__)
    made = sqlite.insert(table) if sqlite_dialect else postgresql.insert(table)
    new = {name: made.excluded[name] for name in ("quantity", "cost", "realised", "charges")}
    return made.on_conflict_do_update(index_elements=_KEY, set_=new)


def _order_row(managed: ManagedOrder) -> dict[str, object]:
    order = managed.order
    return {
        "order_id": order.order_id,
        "account_id": managed.account_id,
        "strategy_id": managed.strategy_id,
        "intent_id": managed.intent_id,
        "exit_with": managed.exit_with,
        "part": managed.part,
        "purpose": managed.purpose.value,
        "tag": managed.tag,
        "instrument_key": order.instrument.key,
        "request": terms_to_json(order),
        "status": order.status.value,
        "reason": order.reason,
        "broker_order_id": order.broker_order_id,
        "filled_quantity": order.filled_quantity,
        "filled_value": order.filled_value,
        "created_ns": managed.created_ns,
        "updated_ns": managed.updated_ns,
    }


def _moved_row(managed: ManagedOrder) -> dict[str, object]:
    row = _order_row(managed)
    return {"this_order": managed.order.order_id, **{f"new_{name}": row[name] for name in _MOVED}}


def _managed(row: OrderRow, sequence: int) -> ManagedOrder:
    order = order_from_json(row.order_id, row.request)
    overfilled = row.filled_quantity > order.quantity
    order = replace(
        order,
        quantity=max(order.quantity, row.filled_quantity),
        status=OrderStatus(row.status),
        reason=row.reason,
        broker_order_id=row.broker_order_id,
        filled_quantity=row.filled_quantity,
        filled_value=row.filled_value,
    )
    fills = OrderFills.resumed(row.order_id, row.filled_quantity, row.filled_value, sequence)
    return ManagedOrder(
        order, row.account_id, row.strategy_id, row.intent_id, row.part, Purpose(row.purpose), row.tag,
        row.created_ns, row.updated_ns, fills, overfilled, row.exit_with,
    )  # fmt: skip
