"""What the desk believes in the end, from its tables and from its memory, as plain words."""

from collections.abc import Mapping

from sqlalchemy import select

from trademantra.kit.database import Database
from trademantra.trading.account_desk import AccountDesk
from trademantra.trading.models import CashRow, ExecutionRow, OrderRow, PositionRow

Words = Mapping[str, object]


async def gathered(database: Database, desk: AccountDesk) -> Words:
    async with database.reading() as session:
        orders = (await session.scalars(select(OrderRow))).all()
        executions = (await session.scalars(select(ExecutionRow).order_by(ExecutionRow.sequence))).all()
        positions = (await session.scalars(select(PositionRow))).all()
        cash = (await session.scalars(select(CashRow))).all()
    return {
        "orders": [
            _words(row, "tag", "intent_id", "part", "status", "reason", "broker_order_id", "instrument_key")
            | {"filled": str(row.filled_quantity), "value": str(row.filled_value), "request": row.request}
            for row in orders
        ],
        "executions": [
            _words(row, "order_id", "sequence", "quantity", "value", "filled_after") for row in executions
        ],
        "positions": [
            _words(row, "strategy_id", "instrument_key", "product", "quantity", "cost", "realised", "charges")
            for row in positions
        ],
        "cash": [_words(row, "order_id", "strategy_id", "kind", "amount") for row in cash],
        "memory": {
            "orders": {
                each.tag: [
                    each.order.status.value,
                    str(each.order.filled_quantity),
                    str(each.order.filled_value),
                ]
                for each in desk.book.all()
            },
            "positions": sorted(
                [key.strategy_id, key.instrument_key, key.product.value, str(held.quantity), str(held.cost)]
                for key, held in desk.book.positions.items()
            ),
            "foreign": sorted(order.broker_order_id for order in desk.foreign_orders()),
        },
    }


def _words(row: object, *names: str) -> dict[str, object]:
    return {
        name: value if isinstance(value := getattr(row, name), str | int | None) else str(value)
        for name in names
    }
