"""The tables by which a running desk is seen and asked."""

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from trademantra.kit.tables import Table


class StateRow(Table):
    """What the desk that runs an account told last: `told` is JSON, `at_ns` when.  A row that ages: no desk runs."""

    __tablename__ = "desk_state"

    account_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    told: Mapped[str] = mapped_column(Text)
    at_ns: Mapped[int] = mapped_column(BigInteger)


class RequestRow(Table):
    """Something that another program asks of the desk of an account; taken and answered once.  `answer` is JSON."""

    __tablename__ = "desk_request"
    __table_args__ = (Index("ix_desk_request_account_id_answered_ns", "account_id", "answered_ns"),)

    request_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(20))
    arguments: Mapped[str] = mapped_column(Text)
    asked_ns: Mapped[int] = mapped_column(BigInteger)
    expires_ns: Mapped[int] = mapped_column(BigInteger)
    taken_ns: Mapped[int | None] = mapped_column(BigInteger)
    answered_ns: Mapped[int | None] = mapped_column(BigInteger)
    answer: Mapped[str] = mapped_column(Text)


class ReadinessRow(Table):
    """The last readiness check of an account; `report` is JSON."""

    __tablename__ = "desk_readiness"

    account_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    report: Mapped[str] = mapped_column(Text)
    at_ns: Mapped[int] = mapped_column(BigInteger)
