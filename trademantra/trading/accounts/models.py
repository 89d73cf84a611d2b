"""The table of accounts."""

from sqlalchemy import BigInteger, CheckConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from trademantra.kit.tables import Table


class AccountRow(Table):
    """One account.  A trigger of the database refuses to change `account_id`, `user_id`, `broker` and `mode`.

    `settings`, `limits` and `go_live` are JSON (`accounts.settings`, `risk.limits_json`, `go_live`); no secret stands in them.
    `data_source`: the accounts whose prices it sees, with commas, or "own".  Times in ns UTC; `closed_ns` None: open.
    """

    __tablename__ = "desk_account"
    __table_args__ = (
        CheckConstraint("mode IN ('paper', 'live')", name="mode"),
        CheckConstraint("broker <> 'paper' OR mode = 'paper'", name="paper_is_paper"),
    )

    account_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(60))
    title: Mapped[str] = mapped_column(Text)
    broker: Mapped[str] = mapped_column(String(20))
    mode: Mapped[str] = mapped_column(String(10))
    data_source: Mapped[str] = mapped_column(String(60))
    settings: Mapped[str] = mapped_column(Text)
    limits: Mapped[str] = mapped_column(Text)
    outside_hours: Mapped[str] = mapped_column(String(20))
    rest_target: Mapped[bool]
    go_live: Mapped[str] = mapped_column(Text)
    created_ns: Mapped[int] = mapped_column(BigInteger)
    closed_ns: Mapped[int | None] = mapped_column(BigInteger)
