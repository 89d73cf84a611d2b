"""Kline files of data.binance.vision: twelve columns, without header (spot) or with one (futures).

Columns and "SPOT data from January 1st 2025 onwards in microseconds": https://github.com/binance/binance-public-data,
read 2026-11.  Open and close time say the bar's length exactly.
"""

import re
from collections.abc import Mapping

import numpy as np
import polars as pl

from trademantra.core.bar import Timeframe
from trademantra.core.time import (
    NANOSECONDS_PER_DAY,
    NANOSECONDS_PER_HOUR,
    NANOSECONDS_PER_MINUTE,
    NANOSECONDS_PER_SECOND,
)
from trademantra.data.imports.model import STAMP, VOLUME, Layout
from trademantra.data.imports.stamps import StampFormat, StampKind, read
from trademantra.data.imports.tables import Table

_COLUMNS: Mapping[str, int] = {STAMP: 0, "open": 1, "high": 2, "low": 3, "close": 4, VOLUME: 5}
_TIMES = StampFormat(StampKind.EPOCH, (), "milliseconds or microseconds since 1970, UTC")
_COLUMN_COUNT = 12
_HEADER_START = ("open_time", "open", "high", "low", "close", "volume", "close_time")
_CLOSE_TIME = 6
# SYMBOL-INTERVAL-YEAR-MONTH[-DAY], as the site names its files.
_FILE_NAME = re.compile(r"([A-Z0-9_]{2,30})-(\d{1,2}(?:s|m|h|d|w|mo))-\d{4}-\d{2}(?:-\d{2})?")
_UNITS = (
    (NANOSECONDS_PER_HOUR, "h"),
    (NANOSECONDS_PER_MINUTE, "m"),
    (NANOSECONDS_PER_SECOND, "s"),
)


def recognised(table: Table, exchange: str | None, symbol: str | None) -> Layout | None:
    """The layout of a kline file; None for any other table.  The file's name gives the symbol if it has the site's form."""
    if len(table.columns) != _COLUMN_COUNT or not table.sample.height:
        return None
    if table.has_header and tuple(name.lower() for name in table.columns[:7]) != _HEADER_START:
        return None
    begin, end = (_instants(table, column) for column in (0, _CLOSE_TIME))
    lengths = (end - begin).drop_nulls()
    if len(lengths) * 2 < table.sample.height:
        return None
    timeframe = _timeframe(int(np.median(lengths.to_numpy())))
    if timeframe is None:
        return None
    named = _FILE_NAME.fullmatch(table.source.stem)
    notices = []
    if table.has_header and symbol is None:
        notices.append(
            "files with a header are mostly of futures: give --symbol (BTCUSDT-PERP) to keep them apart from spot"
        )
    return Layout(
        format="Binance klines",
        source="Binance klines",
        columns={field: (table.columns[place],) for field, place in _COLUMNS.items()},
        stamps=_TIMES,
        exchange=exchange or "BINANCE",
        symbol=symbol or (named[1] if named else None),
        timeframe=timeframe,
        notices=tuple(notices),
    )


def _instants(table: Table, place: int) -> pl.Series:
    """A column as times, null where a value is no time counted in milli- or microseconds."""
    values = table.sample[table.columns[place]].cast(pl.String)
    counted = values.str.contains(r"^(\d{13}|\d{16})$")
    return read(values.zip_with(counted, pl.Series([None], dtype=pl.String)), _TIMES, None)


def _timeframe(length_ns: int) -> Timeframe | None:
    """The timeframe whose bars last this long: the close time is one millisecond or microsecond before the end."""
    full = -(-length_ns // NANOSECONDS_PER_SECOND) * NANOSECONDS_PER_SECOND
    if full <= 0 or full - length_ns > NANOSECONDS_PER_SECOND // 1000:
        return None
    days = full // NANOSECONDS_PER_DAY
    if full % NANOSECONDS_PER_DAY == 0:
        if 28 <= days <= 31:
            return Timeframe(1, "mo")
        return Timeframe(1, "w") if days == 7 else Timeframe(days, "d")
    for unit_ns, unit in _UNITS:
        if full % unit_ns == 0:
            return Timeframe(full // unit_ns, unit)
    return None
