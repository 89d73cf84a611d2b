"""Sectors of instruments from a file of the user: `sectors.csv` in the data folder."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trademantra.core.errors import BadInputError
from trademantra.core.instrument import Exchange

NAME = "sectors.csv"
_SYMBOL, _SECTORS = "symbol", ("sector", "industry")
_BOTH = (Exchange.NSE, Exchange.BSE)


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    symbol: str
    sector: str


def read_sectors(file: Path) -> Mapping[str, str]:
    """Sector by instrument key.

    A CSV with the columns Symbol and Sector, or Industry as the exchanges' lists of index members call it; others are
    passed over, and capitals in names of columns do not matter.  A symbol without its exchange is meant at NSE and BSE,
    where a company has one symbol.  Symbols are not looked up: one that nobody trades does no harm.

    Errors: `BadInputError` with the line, for a column or a value that is missing, and for a symbol of two sectors or twice.
    """
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for row in _rows(file):
        for key in _keys(file, row):
            if key in lines:
                raise BadInputError(
                    file,
                    f"{row.symbol} stands in line {lines[key]} already",
                    line=row.line,
                    hint="keep one of them",
                )
            lines[key] = row.line
            found[key] = row.sector
    if not found:
        raise BadInputError(
            file, "there is no row below the header", hint="a line such as INFY,Information Technology"
        )
    return found


def _rows(file: Path) -> Iterator[_Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = csv.reader(text, strict=True)
            header = [name.strip().lower() for name in next(lines, [])]
            symbol_at, sector_at = _columns(file, header)
            for fields in lines:
                if not any(field.strip() for field in fields):
                    continue
                if len(fields) <= max(symbol_at, sector_at):
                    raise BadInputError(file, "the row is too short", line=lines.line_num)
                symbol, sector = fields[symbol_at].strip().upper(), " ".join(fields[sector_at].split())
                for name, value in (("symbol", symbol), ("sector", sector)):
                    if not value:
                        raise BadInputError(
                            file,
                            f"the {name} is blank",
                            line=lines.line_num,
                            hint="fill it in, or remove the line",
                        )
                yield _Row(lines.line_num, symbol, sector)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(file, f"cannot be read: {error}", hint="a CSV file in UTF-8") from error


def _columns(file: Path, header: list[str]) -> tuple[int, int]:
    sector = next((name for name in _SECTORS if name in header), None)
    if _SYMBOL not in header or sector is None:
        raise BadInputError(
            file,
            f"the header names no {'symbol' if _SYMBOL not in header else 'sector'}",
            line=1,
            hint="the first line is Symbol,Sector (or Symbol,Industry)",
        )
    return header.index(_SYMBOL), header.index(sector)


def _keys(file: Path, row: _Row) -> Iterator[str]:
    venue, colon, symbol = row.symbol.partition(":")
    if not colon:
        yield from (f"{exchange}:{row.symbol}" for exchange in _BOTH)
        return
    if venue not in set(Exchange) or not symbol:
        raise BadInputError(
            file, f"{row.symbol} is no EXCHANGE:SYMBOL", line=row.line, hint="such as NSE:INFY, or INFY alone"
        )
    yield row.symbol
