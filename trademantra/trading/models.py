"""The desk's tables.  They are the truth after a restart; while the desk runs, memory is, and these follow it."""

from decimal import Decimal

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trademantra.kit.columns import Money, Quantity
from trademantra.kit.tables import Table

_ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself in INTEGER only


class OrderRow(Table):
    """One order on its way to a broker, or done.  Inserted before it is sent; `status` is a `core.order.OrderStatus`.

    `request` is the instrument and the present terms as JSON (`trading.terms`); the columns beside it are what is
    searched.  `exit_with`: the intent of the other exit of a pair.  `tag` is our mark at the broker, unique within an account for ever.  Times in ns UTC.
    """

    __tablename__ = "desk_order"
    __table_args__ = (
        UniqueConstraint("account_id", "tag"),
        UniqueConstraint("account_id", "intent_id", "part"),
        Index("ix_desk_order_account_id_status", "account_id", "status"),
    )

    order_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(60))
    strategy_id: Mapped[str] = mapped_column(String(60))
    intent_id: Mapped[str] = mapped_column(String(100))
    exit_with: Mapped[str] = mapped_column(String(100), default="")
    part: Mapped[int]
    purpose: Mapped[str] = mapped_column(String(10))
    tag: Mapped[str] = mapped_column(String(20))
    instrument_key: Mapped[str] = mapped_column(String(80))
    request: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text, default="")
    broker_order_id: Mapped[str | None] = mapped_column(String(60))
    filled_quantity: Mapped[Decimal] = mapped_column(Quantity, default=Decimal(0))
    filled_value: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    created_ns: Mapped[int] = mapped_column(BigInteger)
    updated_ns: Mapped[int] = mapped_column(BigInteger)


class ExecutionRow(Table):
    """What an order's fills grew by.  `quantity` may be 0 for a correction of the value alone.

    `filled_after` and `value_after` are the order's totals after it: the watermark that makes a second telling of
    the same fill visible.  `value` is price x quantity x multiplier.
    """

    __tablename__ = "desk_execution"
    __table_args__ = (UniqueConstraint("order_id", "sequence"),)

    execution_id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("desk_order.order_id"))
    sequence: Mapped[int]
    quantity: Mapped[Decimal] = mapped_column(Quantity)
    value: Mapped[Decimal] = mapped_column(Money)
    charges: Mapped[Decimal] = mapped_column(Money)
    filled_after: Mapped[Decimal] = mapped_column(Quantity)
    value_after: Mapped[Decimal] = mapped_column(Money)
    at_ns: Mapped[int] = mapped_column(BigInteger)


class PositionRow(Table):
    """What a strategy holds in an account; fields as `trading.positions.HeldPosition`."""

    __tablename__ = "desk_position"

    account_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    strategy_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    instrument_key: Mapped[str] = mapped_column(String(80), primary_key=True)
    product: Mapped[str] = mapped_column(String(10), primary_key=True)
    quantity: Mapped[Decimal] = mapped_column(Quantity)
    cost: Mapped[Decimal] = mapped_column(Money)
    realised: Mapped[Decimal] = mapped_column(Money)
    charges: Mapped[Decimal] = mapped_column(Money)


class CashRow(Table):
    """One movement of money, written with the fill that caused it.  `amount` is signed: what came in is positive."""

    __tablename__ = "desk_cash"
    __table_args__ = (Index("ix_desk_cash_account_id_at_ns", "account_id", "at_ns"),)

    cash_id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True)
    account_id: Mapped[str] = mapped_column(String(60))
    strategy_id: Mapped[str] = mapped_column(String(60))
    order_id: Mapped[str | None] = mapped_column(ForeignKey("desk_order.order_id"))
    kind: Mapped[str] = mapped_column(String(20))
    amount: Mapped[Decimal] = mapped_column(Money)
    at_ns: Mapped[int] = mapped_column(BigInteger)
