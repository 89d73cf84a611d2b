"""Statements that are run again and again: compiled once, and on SQLite handed to the driver as they are.

For a row or two, most of what SQLAlchemy's `execute` costs is its own bookkeeping (60 us a statement, the driver's share is
5 us), and the journal of orders runs nine statements an order.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Connection, Dialect, Executable
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from trademantra.core.errors import InvalidValueError

Row: TypeAlias = Mapping[str, object]
_MOST_KEPT = 200


@dataclass(frozen=True, slots=True)
class _Compiled:
    """`places`: for each place of `text` the name in a row, and what turns the value into what the driver takes."""

    text: str
    places: Sequence[tuple[str, Callable[[object], object] | None]]

    def values(self, row: Row) -> tuple[object, ...]:
        return tuple([row[name] if process is None else process(row[name]) for name, process in self.places])


class PreparedStatements:
    """Keeps what it compiled; statements are told apart by identity, so hand in the same object each time."""

    def __init__(self) -> None:
        self._known: dict[Executable, _Compiled | None] = {}

    def execute(self, connection: Connection, statement: Executable, rows: Sequence[Row]) -> None:
        """As `connection.execute(statement, rows)`, for rows that have the same names and every value that is to be stored.

        Errors: those of SQLAlchemy.
        """
        compiled = self._compiled(connection.dialect, statement, rows[0])
        if compiled is None:
            connection.execute(statement, rows)
            return
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        try:
            values = [compiled.values(row) for row in rows]
            if len(values) == 1:
                raw.execute(compiled.text, values[0])
            else:
                raw.executemany(compiled.text, values)
        except sqlite3.Error as error:
            raise DBAPIError(compiled.text, None, error) from error
        except InvalidValueError as error:  # a column cannot hold it
            raise StatementError(error.message, compiled.text, None, error) from error

    def _compiled(self, dialect: Dialect, statement: Executable, row: Row) -> _Compiled | None:
        """None where SQLAlchemy has to do it: another driver, or values that come from columns' defaults."""
        if dialect.driver != "pysqlite":
            return None
        if statement not in self._known:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            self._known[statement] = _compile(dialect, statement, row)
        return self._known[statement]


def _compile(dialect: Dialect, statement: Executable, row: Row) -> _Compiled | None:
    if not isinstance(statement, ClauseElement):
        return None
    compiled = statement.compile(dialect=dialect, column_keys=list(row))
    if not isinstance(compiled, SQLCompiler) or compiled.prefetch or compiled.positiontup is None:
        return None
    names = compiled.positiontup
    if any(name not in row for name in names):
        return None
    processors = (compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names)
    return _Compiled(compiled.string, list(zip(names, processors, strict=True)))
