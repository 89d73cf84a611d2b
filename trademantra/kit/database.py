"""The database: SQLite by default, PostgreSQL by its URL; one code for both.

Invariants:
- a transaction that was committed survives a crash of the process and of the machine (SQLite: `synchronous=FULL`);
- a transaction that writes on SQLite says so when it begins, so that it waits for its turn instead of failing half-way;
- services never commit: the unit of work does, once, when its block ends without an error.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import ClassVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from trademantra.core.errors import InvalidValueError, TradeMantraError

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_MILLISECONDS = 10_000
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
_SWITCHED_SECONDS = 0.01
_POOL = 8
_STANDSTILL_MILLISECONDS = 10_000


class DatabaseError(TradeMantraError):
    """The database cannot be reached, or is not one of this version."""

    code: ClassVar[str] = "database"


class Database:
    """An open database with the newest tables.

    `writing()` and `reading()` are units of work: one transaction each.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        """For `open`, which migrates first."""
        self._engine = engine
        self._writing = engine.execution_options(tm_writes=True)
        self._direct = _DirectSqlite(engine) if self.is_sqlite and engine.url.database else None

    @classmethod
    async def open(cls, url: str) -> "Database":
        """Connect to `sqlite:///path/to/file` or `postgresql://user@host/name`, and bring its tables up to date.

        Errors: `InvalidValueError` for a URL of another kind; `DatabaseError` when it cannot be reached, or was
        written by a newer version of the product.
        """
        engine = _engine(url)
        try:
            if engine.dialect.name == "sqlite" and engine.url.database:
                await asyncio.to_thread(_write_ahead, engine.url.database)
            async with engine.execution_options(tm_writes=True).begin() as connection:
                await connection.run_sync(_upgrade)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            await engine.dispose()
            shown = make_url(url).render_as_string(hide_password=True)
            cause = str(getattr(error, "orig", error)).splitlines()[0]
            raise DatabaseError(
                f"cannot use the database {shown}: {cause}", hint="is it running, and is the address right?"
            ) from error
        except DatabaseError:
            await engine.dispose()
            raise
        return cls(engine)

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A transaction that is committed when the block ends, and undone when it raises."""
        async with AsyncSession(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads: one consistent state, and no writer waits for it."""
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            yield session

    async def write_at_once(self, work: Callable[[Connection], None]) -> None:
        """A transaction as that of `writing`, which `work` does whole, without giving way: the short way for many rows.

        A SQLite driver for asyncio crosses to its thread and back for every statement, begin and commit; here one crossing
        carries all of them.  `work` may run in another thread: it must touch nothing but its connection.
        """
        if self._direct is not None:
            await self._direct.write(work)
            return
        async with self._writing.begin() as connection:
            await connection.run_sync(work)

    async def close(self) -> None:
        if self._direct is not None:
            await self._direct.close()
        await self._engine.dispose()


class _DirectSqlite:
    """One connection of its own in one thread of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = create_engine(engine.url.set(drivername="sqlite"))
        event.listen(self._engine, "connect", _prepare_sqlite)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._connection: Connection | None = None

    async def write(self, work: Callable[[Connection], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, work)

    def _write(self, work: Callable[[Connection], None]) -> None:
        if self._connection is None:  # kept: to take it from a pool costs as much as a row
            self._connection = self._engine.connect()
        with self._connection.begin():
            _begin_writing(self._connection)
            work(self._connection)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
        self._thread.shutdown()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()


def _engine(url: str) -> AsyncEngine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidValueError(
            f"{url!r} is not a database address",
            hint="write sqlite:///file.db or postgresql://user@host/name",
        ) from error
    kind = parsed.get_backend_name()
    if kind not in _DRIVERS:
        raise InvalidValueError(f"{kind} is not a database of this product", hint="use SQLite or PostgreSQL")
    parsed = parsed.set(drivername=_DRIVERS[kind])
    if kind != "sqlite":
        # a process that is stopped in the middle of a transaction must not keep its locks, the lease's among them
        timeout = {"idle_in_transaction_session_timeout": str(_STANDSTILL_MILLISECONDS)}
        return create_async_engine(
            parsed, pool_size=_POOL, pool_pre_ping=True, connect_args={"server_settings": timeout}
        )
    if parsed.database:
        Path(parsed.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(parsed, pool_size=_POOL)
    _prepared(engine.sync_engine)
    return engine


def _write_ahead(file: str) -> None:
    """Switch a file to its write-ahead log, for ever.  While another process does so SQLite calls it locked and waits for
    nobody, whatever its timeout is: then it is tried again.  Errors: `sqlite3.Error`."""
    until = time.monotonic() + _BUSY_MILLISECONDS / 1_000
    with closing(sqlite3.connect(file)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(_SWITCHED_SECONDS)
            else:
                return


def _prepared(engine: Engine) -> Engine:
    """As every SQLite engine here is: durable, and honest about which transactions write."""
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin_sqlite`, not guessed by the driver
    cursor = connection.cursor()
    for word in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {_BUSY_MILLISECONDS}",
    ):
        cursor.execute(f"PRAGMA {word}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("tm_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_writing(connection: Connection) -> None:
    """As `_begin_sqlite`, asked of the driver: through SQLAlchemy it costs more than an order's rows."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    try:
        raw.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        raise DBAPIError("BEGIN IMMEDIATE", None, error) from error


def _upgrade(connection: Connection) -> None:
    """Migrate inside the transaction of `connection`: all steps or none, on both databases."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in known:
        raise DatabaseError(
            f"the database was written by a newer version ({present})",
            hint="update the product, or name another database",
        )
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "SELECT pg_advisory_xact_lock(7233001)"
        )  # two processes that start at once
    command.upgrade(config, "head")
