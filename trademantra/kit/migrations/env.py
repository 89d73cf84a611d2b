"""Runs migrations on the connection that `Database.open` hands over."""

from alembic import context

from trademantra.kit.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
