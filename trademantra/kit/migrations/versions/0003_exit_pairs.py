"""Orders: the other exit of a pair."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("desk_order", sa.Column("exit_with", sa.String(100), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("desk_order", "exit_with")
