"""Execution algorithms of the desk."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "desk_algo",
        sa.Column("algo_id", sa.String(90), nullable=False),
        sa.Column("account_id", sa.String(60), nullable=False),
        sa.Column("strategy_id", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ended", sa.Text(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("algo_id", name="pk_desk_algo"),
    )
    op.create_index("ix_desk_algo_account_id_ended_ns", "desk_algo", ["account_id", "ended_ns"])
