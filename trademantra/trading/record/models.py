"""The tables of the record."""

from decimal import Decimal

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from trademantra.kit.columns import Money, Quantity
from trademantra.kit.tables import Table

_ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself in INTEGER only


class SessionRow(Table):
    """One run of a strategy; fields as `record.store.SessionRecord`."""

    __tablename__ = "desk_session"
    __table_args__ = (
        Index("ix_desk_session_account_id_started_ns", "account_id", "started_ns"),
        Index("ix_desk_session_strategy", "strategy"),
    )

    session_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(60))
    strategy: Mapped[str] = mapped_column(String(100))
    parameters_hash: Mapped[str] = mapped_column(String(64))
    mode: Mapped[str] = mapped_column(String(10))
    capital: Mapped[Decimal] = mapped_column(Money)
    details: Mapped[str] = mapped_column(Text)
    started_ns: Mapped[int] = mapped_column(BigInteger)
    ended_ns: Mapped[int | None] = mapped_column(BigInteger)


class TradeRow(Table):
    """One closed trade of a session, in the order of closing; fields as `record.store.TradeRecord`."""

    __tablename__ = "desk_trade"

    session_id: Mapped[str] = mapped_column(ForeignKey("desk_session.session_id"), primary_key=True)
    number: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=False)
    strategy_id: Mapped[str] = mapped_column(String(60))
    symbol: Mapped[str] = mapped_column(String(80))
    side: Mapped[str] = mapped_column(String(10))
    entry_ns: Mapped[int] = mapped_column(BigInteger)
    exit_ns: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[Decimal] = mapped_column(Quantity)
    entry_price: Mapped[Decimal] = mapped_column(Quantity)
    exit_price: Mapped[Decimal] = mapped_column(Quantity)
    gross: Mapped[Decimal] = mapped_column(Money)
    costs: Mapped[Decimal] = mapped_column(Money)
    net: Mapped[Decimal] = mapped_column(Money)
    reason: Mapped[str] = mapped_column(String(40))
