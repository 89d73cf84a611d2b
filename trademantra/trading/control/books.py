"""Orders and positions as the desk's tables hold them: for people who look, whether a desk runs or not."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select

from trademantra.core.order import Order, OrderStatus
from trademantra.kit.database import Database
from trademantra.trading.models import OrderRow, PositionRow
from trademantra.trading.positions import HeldPosition
from trademantra.trading.terms import order_from_json

_FINAL = tuple(status.value for status in OrderStatus if status.is_final)


@dataclass(frozen=True, slots=True)
class ShownPosition:
    """What a strategy holds in an account, at cost."""

    account_id: str
    strategy_id: str
    instrument_key: str
    product: str
    held: HeldPosition


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """An order of the desk.  `order` has the terms that were asked for, the other fields how far it is.

    `intent_id`: what it was made of; orders of an algorithm bear its name before a slash.
    """

    account_id: str
    strategy_id: str
    purpose: str
    order: Order
    status: OrderStatus
    reason: str
    broker_order_id: str | None
    filled_quantity: Decimal
    filled_value: Decimal
    created_ns: int
    updated_ns: int
    intent_id: str

    @property
    def average_price(self) -> Decimal | None:
        return self.filled_value / self.filled_quantity if self.filled_quantity else None


async def positions(
    database: Database, accounts: Collection[str] | None = None, *, flat: bool = False
) -> Sequence[ShownPosition]:
    """What is held; with `flat` also what was.  `accounts` None: all."""
    wanted = select(PositionRow).order_by(
        PositionRow.account_id, PositionRow.strategy_id, PositionRow.instrument_key, PositionRow.product
    )
    if accounts is not None:
        wanted = wanted.where(PositionRow.account_id.in_(accounts))
    async with database.reading() as session:
        rows = list(await session.scalars(wanted))
    return [
        ShownPosition(
            row.account_id, row.strategy_id, row.instrument_key, row.product,
            HeldPosition(row.quantity, row.cost, row.realised, row.charges),
        )
        for row in rows
        if flat or row.quantity
    ]  # fmt: skip


async def orders(
    database: Database, accounts: Collection[str] | None = None, *, final: int = 0
) -> Sequence[ShownOrder]:
    """Orders that may still fill, and the last `final` of those that may not; oldest first.  `accounts` None: all.

    Errors: `BadInputError` for terms that cannot be read.
    """
    newest = select(OrderRow).order_by(OrderRow.created_ns.desc(), OrderRow.order_id)
    if accounts is not None:
        newest = newest.where(OrderRow.account_id.in_(accounts))
    async with database.reading() as session:
        rows = list(await session.scalars(newest.where(OrderRow.status.not_in(_FINAL))))
        rows += await session.scalars(newest.where(OrderRow.status.in_(_FINAL)).limit(final))
    return [shown_order(row) for row in sorted(rows, key=lambda row: (row.created_ns, row.order_id))]


def shown_order(row: OrderRow) -> ShownOrder:
    """Errors: `BadInputError` for terms that cannot be read."""
    return ShownOrder(
        account_id=row.account_id, strategy_id=row.strategy_id, purpose=row.purpose,
        order=order_from_json(row.order_id, row.request), status=OrderStatus(row.status), reason=row.reason,
        broker_order_id=row.broker_order_id, filled_quantity=row.filled_quantity, filled_value=row.filled_value,
        created_ns=row.created_ns, updated_ns=row.updated_ns, intent_id=row.intent_id,
    )  # fmt: skip
