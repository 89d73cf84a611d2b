"""The desk: orders, executions, positions, cash."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "desk_order",
        sa.Column("order_id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(60), nullable=False),
        sa.Column("strategy_id", sa.String(60), nullable=False),
        sa.Column("intent_id", sa.String(100), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(10), nullable=False),
        sa.Column("tag", sa.String(20), nullable=False),
        sa.Column("instrument_key", sa.String(80), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("broker_order_id", sa.String(60), nullable=True),
        sa.Column("filled_quantity", sa.BigInteger(), nullable=False),
        sa.Column("filled_value", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", name="pk_desk_order"),
        sa.UniqueConstraint("account_id", "tag", name="uq_desk_order_account_id_tag"),
        sa.UniqueConstraint(
            "account_id", "intent_id", "part", name="uq_desk_order_account_id_intent_id_part"
        ),
    )
    op.create_index("ix_desk_order_account_id_status", "desk_order", ["account_id", "status"])
    op.create_table(
        "desk_execution",
        sa.Column("execution_id", _ROW_ID, nullable=False),
        sa.Column("order_id", sa.String(40), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("charges", sa.BigInteger(), nullable=False),
        sa.Column("filled_after", sa.BigInteger(), nullable=False),
        sa.Column("value_after", sa.BigInteger(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", name="pk_desk_execution"),
        sa.ForeignKeyConstraint(["order_id"], ["desk_order.order_id"], name="fk_desk_execution_order_id"),
        sa.UniqueConstraint("order_id", "sequence", name="uq_desk_execution_order_id_sequence"),
    )
    op.create_table(
        "desk_position",
        sa.Column("account_id", sa.String(60), nullable=False),
        sa.Column("strategy_id", sa.String(60), nullable=False),
        sa.Column("instrument_key", sa.String(80), nullable=False),
        sa.Column("product", sa.String(10), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("realised", sa.BigInteger(), nullable=False),
        sa.Column("charges", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "account_id", "strategy_id", "instrument_key", "product", name="pk_desk_position"
        ),
    )
    op.create_table(
        "desk_cash",
        sa.Column("cash_id", _ROW_ID, nullable=False),
        sa.Column("account_id", sa.String(60), nullable=False),
        sa.Column("strategy_id", sa.String(60), nullable=False),
        sa.Column("order_id", sa.String(40), nullable=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cash_id", name="pk_desk_cash"),
        sa.ForeignKeyConstraint(["order_id"], ["desk_order.order_id"], name="fk_desk_cash_order_id"),
    )
    op.create_index("ix_desk_cash_account_id_at_ns", "desk_cash", ["account_id", "at_ns"])
