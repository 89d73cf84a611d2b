"""History replies of Kite (and of brokers that copied its shape), and JSON lists of records.

`{"status": "success", "data": {"candles": [[time, open, high, low, close, volume, open interest?], ...]}}`, time as
`2017-12-15T09:15:00+0530` (specs/brokers.md, GET /instruments/historical).  Kite's prices of shares are adjusted
for splits and bonuses.
"""

import json
from dataclasses import dataclass

import polars as pl

from trademantra.core.errors import BadInputError
from trademantra.data.imports.model import LINE, STAMP, VOLUME
from trademantra.data.imports.sources import Source
from trademantra.data.imports.tables import JsonTable, json_records, unique_names

CANDLE_COLUMNS = (STAMP, "open", "high", "low", "close", VOLUME, "open_interest")
_LEAST_FIELDS = 5


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A JSON file as a table; `candles` says that it is a broker's reply with columns by position."""

    table: JsonTable
    candles: bool


def open_json(source: Source) -> JsonFile:
    """Errors: `BadInputError` for an error reply, no candles, or JSON of another shape."""
    value = json_records(source)
    if isinstance(value, dict) and value.get("status") == "error":
        said = value.get("message") or value.get("error_type") or "no reason given"
        raise BadInputError(
            source.name, f"this is the broker's error reply: {said}", hint="ask the broker again"
        )
    data = value.get("data", value) if isinstance(value, dict) else value
    rows = data.get("candles") if isinstance(data, dict) else data
    if not isinstance(rows, list):
        raise BadInputError(
            source.name,
            "this JSON holds no candles",
            hint='a broker\'s reply {"data": {"candles": [...]}} or a list of records is read',
        )
    if not rows:
        raise BadInputError(
            source.name, "the list of candles is empty", hint="ask for a range on which the market was open"
        )
    if isinstance(rows[0], list):
        return JsonFile(_of_lists(source, rows), candles=True)
    if isinstance(rows[0], dict):
        return JsonFile(_of_records(source, rows), candles=False)
    raise BadInputError(source.name, f"a candle is a list or a record, not {rows[0]!r}", line=1)


def _of_lists(source: Source, rows: list[object]) -> JsonTable:
    width = min(len(CANDLE_COLUMNS), max(len(row) for row in rows if isinstance(row, list)))
    names = CANDLE_COLUMNS[:width]
    if width < _LEAST_FIELDS:
        raise BadInputError(source.name, "a candle has time, open, high, low, close and volume", line=1)
    rejects: list[tuple[int, str]] = []
    good: list[list[str]] = []
    lines: list[int] = []
    for line, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != width:
            rejects.append((line, f"not a list of {width} values"))
            continue
        good.append([_text(value) for value in row])
        lines.append(line)
    return _table(source, names, good, lines, rows, rejects)


def _of_records(source: Source, rows: list[object]) -> JsonTable:
    keys: dict[str, None] = {}
    for row in rows:
        if isinstance(row, dict):
            keys.update(dict.fromkeys(str(key) for key in row))
    names = unique_names(list(keys))
    rejects = [(line, "not a record") for line, row in enumerate(rows, 1) if not isinstance(row, dict)]
    lines = [line for line, row in enumerate(rows, 1) if isinstance(row, dict)]
    good = [[_text(row.get(key)) for key in keys] for row in rows if isinstance(row, dict)]
    return _table(source, names, good, lines, rows, rejects)


def _table(
    source: Source,
    names: tuple[str, ...],
    good: list[list[str]],
    lines: list[int],
    rows: list[object],
    rejects: list[tuple[int, str]],
) -> JsonTable:
    schema = dict.fromkeys(names, pl.String)
    frame = pl.DataFrame(good, schema=schema, orient="row").with_columns(pl.Series(LINE, lines, pl.Int64))
    return JsonTable(source, names, frame, tuple(json.dumps(row) for row in rows), tuple(rejects))


def _text(value: object) -> str:
    """A JSON value as text; numbers as Python writes them, so that nothing is lost."""
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value)
