"""The table of algorithms."""

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from trademantra.kit.tables import Table


class AlgoRow(Table):
    """One run of an algorithm.  Inserted before its first order is sent; `spec` never changes.

    `kind` names the type of `spec`, `state` is what it must not forget (`view.Memory`), both as JSON (`spec_json`).
    `ended_ns` 0: it still has work.  `ended` says why it has none.  Times in ns UTC.
    """

    __tablename__ = "desk_algo"
    __table_args__ = (Index("ix_desk_algo_account_id_ended_ns", "account_id", "ended_ns"),)

    algo_id: Mapped[str] = mapped_column(String(90), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(60))
    strategy_id: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(20))
    spec: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    ended: Mapped[str] = mapped_column(Text, default="")
    started_ns: Mapped[int] = mapped_column(BigInteger)
    ended_ns: Mapped[int] = mapped_column(BigInteger, default=0)
