"""The history of migrations leads to the tables that the code declares, on both databases."""

import asyncio
import importlib
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import trademantra
from trademantra.kit.database import Database
from trademantra.kit.tables import Table


def test_the_migrations_make_the_tables_that_the_code_declares(url):
    root = Path(trademantra.__file__).parent
    for file in sorted(root.rglob("models.py")):
        importlib.import_module(".".join(("trademantra", *file.relative_to(root).with_suffix("").parts)))
    assert {"lease", "desk_order", "desk_account", "desk_trade"} <= set(Table.metadata.tables)

    async def differences():
        database = await Database.open(url)
        async with database.reading() as session:
            connection = await session.connection()
            found = await connection.run_sync(
                lambda plain: compare_metadata(
                    MigrationContext.configure(plain, opts={"compare_type": True}), Table.metadata
                )
            )
        await database.close()
        return found

    assert asyncio.run(differences()) == []
