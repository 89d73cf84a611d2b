"""Accounts, the record of sessions and trades, and the rows by which a running desk is seen and asked."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# An account that could turn from paper to live would make every check of its mode worthless: the database refuses too.
_FIXED = ("account_id", "user_id", "broker", "mode")
_MESSAGE = "id, user, broker and mode of an account are fixed"


def upgrade() -> None:
    op.create_table(
        "desk_account",
        sa.Column("account_id", sa.String(60), nullable=False),
        sa.Column("user_id", sa.String(60), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("broker", sa.String(20), nullable=False),
        sa.Column("mode", sa.String(10), nullable=False),
        sa.Column("data_source", sa.String(60), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("outside_hours", sa.String(20), nullable=False),
        sa.Column("rest_target", sa.Boolean(), nullable=False),
        sa.Column("go_live", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("closed_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", name="pk_desk_account"),
        sa.CheckConstraint("mode IN ('paper', 'live')", name="ck_desk_account_mode"),
        sa.CheckConstraint("broker <> 'paper' OR mode = 'paper'", name="ck_desk_account_paper_is_paper"),
    )
    _fix_accounts()
    op.create_table(
        "desk_session",
        sa.Column("session_id", sa.String(60), nullable=False),
        sa.Column("account_id", sa.String(60), nullable=False),
        sa.Column("strategy", sa.String(100), nullable=False),
        sa.Column("parameters_hash", sa.String(64), nullable=False),
        sa.Column("mode", sa.String(10), nullable=False),
        sa.Column("capital", sa.BigInteger(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("session_id", name="pk_desk_session"),
    )
    op.create_index("ix_desk_session_account_id_started_ns", "desk_session", ["account_id", "started_ns"])
    op.create_index("ix_desk_session_strategy", "desk_session", ["strategy"])
    op.create_table(
        "desk_trade",
        sa.Column("session_id", sa.String(60), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("strategy_id", sa.String(60), nullable=False),
        sa.Column("symbol", sa.String(80), nullable=False),
        sa.Column("side", sa.String(10), nullable=False),
        sa.Column("entry_ns", sa.BigInteger(), nullable=False),
        sa.Column("exit_ns", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("entry_price", sa.BigInteger(), nullable=False),
        sa.Column("exit_price", sa.BigInteger(), nullable=False),
        sa.Column("gross", sa.BigInteger(), nullable=False),
        sa.Column("costs", sa.BigInteger(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "number", name="pk_desk_trade"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["desk_session.session_id"], name="fk_desk_trade_session_id_desk_session"
        ),
    )
    op.create_table(
        "desk_state",
        sa.Column("account_id", sa.String(60), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_desk_state"),
    )
    op.create_table(
        "desk_request",
        sa.Column("request_id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("asked_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.Column("taken_ns", sa.BigInteger(), nullable=True),
        sa.Column("answered_ns", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_desk_request"),
    )
    op.create_index("ix_desk_request_account_id_answered_ns", "desk_request", ["account_id", "answered_ns"])
    op.create_table(
        "desk_readiness",
        sa.Column("account_id", sa.String(60), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_desk_readiness"),
    )


def _fix_accounts() -> None:
    if op.get_bind().dialect.name == "sqlite":
        changed = " OR ".join(f"NEW.{name} <> OLD.{name}" for name in _FIXED)
        op.execute(
            f"CREATE TRIGGER desk_account_fixed BEFORE UPDATE ON desk_account WHEN {changed} "
            f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"
        )
        return
    changed = " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in _FIXED)
    op.execute(
        "CREATE FUNCTION desk_account_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {changed} THEN RAISE EXCEPTION '{_MESSAGE}' USING ERRCODE = 'check_violation'; END IF; "
        "RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER desk_account_fixed BEFORE UPDATE ON desk_account "
        "FOR EACH ROW EXECUTE FUNCTION desk_account_fixed()"
    )
