"""What a user knows better than the shipped tables: an announced Muhurat hour, next year's holidays."""

from dataclasses import dataclass

from trademantra.core.errors import BadInputError
from trademantra.markets.sessions.rows import (
    HolidayRow,
    SpecialRow,
    SquareOffRow,
    YearRow,
    holiday_row,
    special_row,
    square_off_row,
    toml_rows,
    year_row,
)


@dataclass(frozen=True, slots=True)
class Overrides:
    """Rows that win over the shipped tables.  Read them from a `sessions.toml` with `from_toml`.

    `[[session]]` gives a day its hours (or opens a closed one), `[[holiday]]` closes a day, `[[year]]` says that a
    holiday list of yours covers a year, `[[square_off]]` sets a broker's time.  docs/sessions.md shows each.

    >>> mine = Overrides.from_toml('''
    ... [[session]]
    ... date = 2026-11-08
    ... exchanges = ["NSE", "BSE"]
    ... groups = ["cash", "equity_derivatives"]
    ... kind = "muhurat"
    ... phases = ["00:00 closed", "18:15 continuous", "19:15 closed"]
    ... ''')
    >>> len(mine.sessions)
    1
    """

    sessions: tuple[SpecialRow, ...] = ()
    holidays: tuple[HolidayRow, ...] = ()
    years: tuple[YearRow, ...] = ()
    square_off: tuple[SquareOffRow, ...] = ()

    @classmethod
    def from_toml(cls, text: str, file: str = "sessions.toml") -> "Overrides":
        """Errors: `BadInputError` naming the row and field that cannot be read."""
        rows = toml_rows(text, file)
        for name in rows:
            if name not in ("session", "holiday", "year", "square_off"):
                raise BadInputError(
                    file,
                    f"[[{name}]] is not known",
                    hint="use [[session]], [[holiday]], [[year]] or [[square_off]]",
                )
        return cls(
            tuple(special_row(row) for row in rows.get("session", [])),
            tuple(holiday_row(row) for row in rows.get("holiday", [])),
            tuple(year_row(row) for row in rows.get("year", [])),
            tuple(square_off_row(row) for row in rows.get("square_off", [])),
        )


NO_OVERRIDES = Overrides()
