"""Errors that a person can act on, each with a code that never changes."""

from pathlib import Path
from typing import ClassVar


class TradeMantraError(Exception):
    """Base of every error that the product raises on purpose.

    `code` is stable: programs and the web client match on it, never on the text.
    `message` says what is wrong and where; `hint` says what to do next.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidValueError(TradeMantraError):
    """A value that its type does not allow: a negative price, a naive time, an unknown word."""

    code = "invalid_value"


class MissingFactError(TradeMantraError):
    """No dated fact covers the date that was asked for.  Never answered with a guess."""

    code = "missing_fact"

    def __init__(self, table: str, what: str, *, hint: str = "") -> None:
        super().__init__(f"no row in table {table!r} for {what}", hint=hint)
        self.table = table


class IllegalTransitionError(TradeMantraError):
    """An order was asked to go where its present state does not lead."""

    code = "illegal_transition"


class UnknownInstrumentError(TradeMantraError):
    """No instrument answers to this symbol, token or ISIN."""

    code = "unknown_instrument"


class AmbiguousInstrumentError(TradeMantraError):
    """More than one instrument answers; a choice would be a guess."""

    code = "ambiguous_instrument"


class BadInputError(TradeMantraError):
    """A row or field of a file that cannot be read, with its place.

    `line` counts from 1 and includes the header line; for columnar files it is the row number.
    """

    code = "bad_input"

    def __init__(
        self,
        file: str | Path,
        reason: str,
        *,
        line: int | None = None,
        column: str | None = None,
        hint: str = "",
    ) -> None:
        place = str(file)
        if line is not None:
            place += f", line {line}"
        if column is not None:
            place += f", column {column!r}"
        super().__init__(f"{place}: {reason}", hint=hint)
        self.file = str(file)
        self.line = line
        self.column = column
        self.reason = reason


class DataConflictError(TradeMantraError):
    """New data contradicts what is stored."""

    code = "data_conflict"


class NotFoundError(TradeMantraError):
    """A file, symbol, strategy or session that is not there."""

    code = "not_found"
