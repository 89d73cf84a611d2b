"""Risk books, which outlive the desk's process."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "desk_risk",
        sa.Column("account_id", sa.String(60), nullable=False),
        sa.Column("user_id", sa.String(60), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("books", sa.Text(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_desk_risk"),
    )
    op.create_index("ix_desk_risk_user_id", "desk_risk", ["user_id"])
