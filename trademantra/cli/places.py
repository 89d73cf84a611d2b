"""Where the desk's commands find its data: options that they share, and the database that these name."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from trademantra.kit.database import Database

DATABASE_VARIABLE = "TRADEMANTRA_DATABASE"
DATABASE_NAME = "desk.db"

Answer = TypeVar("Answer")

DataDirectory = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of your data; default: TRADEMANTRA_HOME or ~/.trademantra."),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="sqlite:///file or postgresql://user@host/name; default: TRADEMANTRA_DATABASE or desk.db in the data folder.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]


def database_url(home: Path, stated: str | None) -> str:
    """The address of the desk's database: what was stated, else `TRADEMANTRA_DATABASE`, else a file in `home`."""
    named = (stated or os.environ.get(DATABASE_VARIABLE, "")).strip()
    return named or f"sqlite:///{(home / DATABASE_NAME).absolute()}"


@asynccontextmanager
async def opened(home: Path, stated: str | None) -> "AsyncIterator[Database]":
    """The desk's database, with its newest tables.  Errors: `DatabaseError`, `InvalidValueError`."""
    from trademantra.kit.database import Database

    database = await Database.open(database_url(home, stated))
    try:
        yield database
    finally:
        await database.close()


def with_database(home: Path, stated: str | None, work: "Callable[[Database], Awaitable[Answer]]") -> Answer:
    """Run `work` on the opened database, in an event loop of its own."""

    async def run() -> Answer:
        async with opened(home, stated) as database:
            return await work(database)

    return asyncio.run(run())
