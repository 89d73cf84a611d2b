"""How a file is read: known formats by their content, everything else by its columns and what the user states."""

import re
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.data.exchange_names import exchange_named, segments_of
from trademantra.data.imports import bhavcopy, binance
from trademantra.data.imports.columns import mapped
from trademantra.data.imports.kite import open_json
from trademantra.data.imports.model import STAMP, SYMBOL, ImportOptions, Layout, ShownField
from trademantra.data.imports.rows import numbers, stamp_text
from trademantra.data.imports.sources import Kind, Source
from trademantra.data.imports.stamps import (
    DateFields,
    StampFormat,
    StampKind,
    detect,
    has_numeric_dates,
    native_format,
    order_of,
    stated,
)
from trademantra.data.imports.tables import ParquetTable, Table
from trademantra.data.imports.text import TextTable
from trademantra.data.series import zone_of

_NAMED_SERIES = re.compile(r"([A-Z][A-Z0-9_]{0,15}):(.+)")
_SHOWN_SAMPLES = 2


def open_table(source: Source) -> tuple[Table, bool]:
    """The table in a file, and whether it is a broker's reply of candles.  Errors: `BadInputError`."""
    if source.kind is Kind.PARQUET:
        return ParquetTable.open(source), False
    if source.kind is Kind.JSON:
        found = open_json(source)
        return found.table, found.candles
    return TextTable.open(source), False


def layout_of(table: Table, options: ImportOptions, *, candles: bool) -> Layout:
    """How to read a table.

    Errors: `BadInputError` naming the file and the option that would settle what its content leaves open:
    columns, time zone, order of day and month, exchange, symbol.
    """
    exchange, symbol = _named_symbol(table, options)
    if not options.mapping:
        known = bhavcopy.recognised(table, options) or binance.recognised(table, exchange, symbol)
        if known is not None:
            if exchange is not None and exchange != known.exchange:
                raise BadInputError(
                    table.source.name,
                    f"this is {known.format}, of {known.exchange} and not of {exchange}",
                    hint="leave --exchange out",
                )
            adjusted = known.adjusted if options.adjusted is None else options.adjusted
            return _checked(table, replace(known, adjusted=adjusted, reads=known.reads or _reads(known)))
    return _checked(table, _by_columns(table, options, exchange, symbol, candles=candles))


def shown_fields(table: Table, layout: Layout, decimal: str) -> tuple[ShownField, ...]:
    """What the user checks before he trusts the import: our field, their column, values, how they are read."""
    rows = table.sample.head(_SHOWN_SAMPLES)
    shown = []
    for field, columns in layout.columns.items():
        values = stamp_text(rows, columns) if field == STAMP else rows[columns[0]]
        written = ", ".join(str(value) for value in values)
        if field == STAMP:
            meaning = layout.stamps.described
        elif field == SYMBOL:
            meaning = "text"
        else:
            meaning = ", ".join("?" if value is None else f"{value}" for value in numbers(values, decimal))
        shown.append(ShownField(field, " + ".join(columns), written, meaning))
    if layout.symbol is not None:
        shown.append(ShownField(SYMBOL, "", "", layout.symbol))
    return tuple(shown)


def _by_columns(
    table: Table, options: ImportOptions, exchange: str | None, symbol: str | None, *, candles: bool
) -> Layout:
    name = table.source.name
    try:
        found = mapped(table, options.mapping, symbol_wanted=symbol is None)
    except InvalidValueError as error:
        raise BadInputError(name, error.message, hint=error.hint) from error
    exchange = exchange or options.exchange_if_unnamed
    if symbol is None and SYMBOL not in found.columns:
        symbol = options.symbol_if_unnamed
    if exchange is None:
        raise BadInputError(
            name,
            "nothing says which exchange this is from",
            hint="name it: --exchange NSE (or BINANCE, MCX …)",
        )
    if symbol is None and SYMBOL not in found.columns:
        raise BadInputError(
            name,
            "there is no symbol column",
            hint=f"name it: --symbol {_suggestion(table)}, or --symbol-from-name for files named after their symbol",
        )
    stamps = _stamps(table, found.columns[STAMP], options)
    zone = options.timezone
    if stamps.kind.needs_zone and zone is None:
        column = "+".join(found.columns[STAMP])
        raise BadInputError(
            name,
            f"the times have no zone, for example {_example(table, found.columns[STAMP])!r}",
            column=column,
            hint="say where they are at home: --timezone Asia/Kolkata (or UTC, America/New_York)",
        )
    adjusted = candles if options.adjusted is None else options.adjusted
    notices = list(found.notices)
    if candles and options.adjusted is None:
        notices.append(
            "brokers adjust the history of shares for splits and bonuses: stored as adjusted (--raw says otherwise)"
        )
    what = (
        "Kite history (JSON)"
        if candles
        else {Kind.TEXT: "CSV", Kind.JSON: "JSON records"}.get(table.source.kind, "Parquet")
    )
    layout = Layout(
        format=what,
        source="Kite history" if candles else what,
        columns=found.columns,
        stamps=stamps,
        exchange=exchange,
        symbol=symbol,
        zone=zone if stamps.kind.needs_zone else None,
        adjusted=adjusted,
        notices=tuple(notices),
    )
    return replace(layout, reads=_reads(layout))


def _reads(layout: Layout) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column for columns in layout.columns.values() for column in columns))


def _checked(table: Table, layout: Layout) -> Layout:
    if layout.symbol is None and SYMBOL not in layout.columns:
        raise BadInputError(
            table.source.name,
            f"{layout.format} do not name their symbol",
            hint=f"name it: --symbol {_suggestion(table)}",
        )
    return layout


def _named_symbol(table: Table, options: ImportOptions) -> tuple[str | None, str | None]:
    """Exchange and symbol as the user states them; `--symbol NSE:RELIANCE` states both."""
    if options.exchange is not None:
        options = replace(options, exchange=exchange_named(options.exchange))
    symbol = table.source.stem.upper() if options.symbol_from_name else options.symbol
    if symbol is None:
        return options.exchange, None
    symbol = symbol.strip().upper()
    both = _NAMED_SERIES.fullmatch(symbol)
    if both and options.exchange is None:
        return exchange_named(both[1]), both[2]
    if both and both[1] in (options.exchange, *segments_of(options.exchange)):
        return options.exchange, both[2]
    return options.exchange, symbol


def _suggestion(table: Table) -> str:
    word = re.match(r"[A-Za-z&]+", table.source.stem)
    return word[0].upper() if word else "RELIANCE"


def _stamps(table: Table, columns: tuple[str, ...], options: ImportOptions) -> StampFormat:
    """The format of the times.  A day and month that the first rows leave open are looked for in all rows."""
    if len(columns) == 1 and (native := native_format(table.sample[columns[0]].dtype)) is not None:
        return native
    values = _texts(table.sample, columns)
    try:
        if options.date_format is not None and "%" in options.date_format:
            return stated(options.date_format)
        if not has_numeric_dates(values):
            return detect(values, ())
        if options.date_format is not None:
            return detect(values, (order_of(options.date_format),))
        seen = DateFields().joined(values)
        if len(seen.orders) > 1:
            for block in table.blocks(columns):
                seen = seen.joined(stamp_text(block.frame, columns).drop_nulls().unique())
                if len(seen.orders) < 2:
                    break
        return detect(values, seen.orders)
    except InvalidValueError as error:
        raise BadInputError(
            table.source.name, error.message, column="+".join(columns), hint=error.hint
        ) from error


def _texts(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    return [str(value) for value in stamp_text(frame, columns) if value is not None]


def _example(table: Table, columns: tuple[str, ...]) -> str:
    values = stamp_text(table.sample.head(1), columns)
    return str(values[0]) if len(values) else ""


def home_zone(layout: Layout) -> str:
    """For people: where the times of a file are at home."""
    if layout.stamps.kind is StampKind.EPOCH:
        return "UTC (counted from 1970)"
    if layout.stamps.kind is StampKind.OFFSET:
        return "as each time says"
    if layout.stamps.kind is StampKind.DATE:
        return f"dates of the exchange ({zone_of(layout.exchange).key})"
    return layout.zone.key if layout.zone else "UTC"
