"""The tables of the instrument master and how its SQLite file is opened."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

from trademantra.core.errors import BadInputError, NotFoundError

VERSION = 1
_WAIT_SECONDS = 30.0
_CACHE_KIBIBYTES = 16_000
_IMPORT = "import a broker's instrument file: tm instruments import FILE --broker kite --as-of DATE"
_EPOCH = date(1970, 1, 1).toordinal()
# Days are counted since 1970-01-01; strike, lot, tick, freeze and multiplier are in 1/100 000 000.
# `contract` says what a thing is and is never deleted.  `listing` says what one broker calls it and states of it,
# from `valid_from` up to but without `valid_to`; a row is closed and another opened when any of it changes.
# Exchanges use a token again after its contract expired, so only open rows are unique.  That open symbols are unique
# follows from `uniqueness`: after an import the open rows of a venue are exactly the rows of its file.
_TABLES = """
CREATE TABLE contract (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    exchange TEXT NOT NULL,
    segment TEXT NOT NULL,
    kind TEXT NOT NULL,
    root TEXT,
    underlying TEXT,
    expiry INTEGER,
    strike INTEGER,
    right TEXT,
    isin TEXT
);
CREATE INDEX contract_of_isin ON contract (isin) WHERE isin IS NOT NULL;
CREATE INDEX contract_of_root ON contract (exchange, root) WHERE root IS NOT NULL;
CREATE TABLE listing (
    id INTEGER PRIMARY KEY,
    contract INTEGER NOT NULL REFERENCES contract (id),
    broker TEXT NOT NULL,
    exchange TEXT NOT NULL,
    venue TEXT NOT NULL,
    token TEXT NOT NULL,
    exchange_token TEXT,
    symbol TEXT NOT NULL,
    root TEXT,
    series TEXT,
    name TEXT,
    lot INTEGER,
    tick INTEGER,
    freeze INTEGER,
    multiplier INTEGER,
    unit TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER,
    CHECK (valid_to >= valid_from)
);
CREATE UNIQUE INDEX open_token ON listing (broker, exchange, venue, token) WHERE valid_to IS NULL;
CREATE INDEX listing_of_contract ON listing (contract);
CREATE TABLE import (
    id INTEGER PRIMARY KEY,
    broker TEXT NOT NULL,
    venue TEXT NOT NULL,
    as_of INTEGER NOT NULL,
    files TEXT NOT NULL,
    rows INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    closed INTEGER NOT NULL
);
"""


def day_number(day: date) -> int:
    """Days since 1970-01-01.

    >>> day_number(date(1970, 1, 11))
    10
    """
    return day.toordinal() - _EPOCH


def day_of(number: int) -> date:
    return date.fromordinal(number + _EPOCH)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads.

    Errors: `NotFoundError` while nothing has been imported, also after a first import that was cut off;
    `BadInputError` for a file that is no master, or a damaged one.
    """
    if not path.exists():
        raise NotFoundError(f"there is no instrument master at {path}", hint=_IMPORT)
    with _errors_named(path), closing(_connected(path)) as connection:
        connection.execute("PRAGMA query_only = ON")
        if _version(connection, path) == 0:
            raise NotFoundError(
                f"the instrument master at {path} is empty: its first import was cut off",
                hint=f"nothing is lost; {_IMPORT}",
            )
        yield connection


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection inside one write transaction: all of it is kept, or, after any error or crash, none.

    Errors: `BadInputError` for a file that is no master, or a damaged one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _errors_named(path), closing(_connected(path)) as connection:
        _version(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    """What SQLite finds wrong with the file, for a person."""
    try:
        yield
    except sqlite3.IntegrityError:  # a fault of ours, not of the file
        raise
    except sqlite3.OperationalError as error:  # locked, read-only, a full disk, a folder
        raise BadInputError(
            path,
            f"cannot be used: {error}",
            hint="check its permissions, the free space, and that no import is running",
        ) from error
    except sqlite3.DatabaseError as error:
        raise BadInputError(
            path,
            f"not an instrument master, or a damaged one: {error}",
            hint="move it away and import the brokers' files again, oldest first",
        ) from error


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Layout of the file; 0 for one without tables, as the first import leaves it when it is cut off."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version == 0 and tables:
        raise BadInputError(
            path, "this is another program's database, not an instrument master", hint="move it away"
        )
    if version not in (0, VERSION):
        raise BadInputError(
            path,
            f"this instrument master has layout {version}, this program writes {VERSION}",
            hint="use the program that wrote it, or import into a new TRADEMANTRA_HOME",
        )
    return version
