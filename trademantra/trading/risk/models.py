"""The table of the risk books."""

from datetime import date

from sqlalchemy import BigInteger, Date, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from trademantra.kit.tables import Table


class RiskBookRow(Table):
    """What the limits of one account must not forget: results, trades, losses and stops of `day` (`risk.keeping`).

    `books` is JSON.  A user's book stands with each of his accounts; the one written last counts.
    """

    __tablename__ = "desk_risk"
    __table_args__ = (Index("ix_desk_risk_user_id", "user_id"),)

    account_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(60))
    day: Mapped[date] = mapped_column(Date)
    books: Mapped[str] = mapped_column(Text)
    updated_ns: Mapped[int] = mapped_column(BigInteger)
