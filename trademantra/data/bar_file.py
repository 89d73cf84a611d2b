"""One Parquet file of bars: its columns, the facts in its footer, and how both turn into engine arrays."""

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl

from trademantra.core.errors import BadInputError, DataConflictError, InvalidValueError
from trademantra.core.money import decimal_of
from trademantra.engine.bars import PRICE_FIELDS, Bars

_FIELDS = (*PRICE_FIELDS, "volume")
_FOOTER_KEY = "trademantra"
# Measured in bench/bars.py on a year of 1-minute bars: a level above 3 costs four times the writing time for a
# tenth of the size; row groups of this size are decompressed in parallel, one big group is not (3.6 against 5.6 ms).
_ZSTD_LEVEL = 3
_ROWS_PER_GROUP = 16_384

_FooterValue: TypeAlias = str | int | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesInfo:
    """Where the bars of a series come from.

    `source` names it for a person; `timezone` is the IANA zone of the exchange's days (the store fills it in);
    `adjusted` says that the source had already adjusted prices for splits (raw is what should be stored);
    `tick_size` in the instrument's currency, where known; `synthetic` marks generated bars, which never mix
    with real ones; `label` is free text.
    Errors: `InvalidValueError` for an unknown zone or a tick size that is not positive.

    >>> SeriesInfo(source="NSE bhavcopy").adjusted
    False
    """

    source: str = ""
    timezone: str = ""
    adjusted: bool = False
    tick_size: Decimal | None = None
    synthetic: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        if self.tick_size is not None and not self.tick_size > 0:
            raise InvalidValueError(f"tick size {self.tick_size} is not positive")
        if self.timezone:
            try:
                ZoneInfo(self.timezone)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise InvalidValueError(
                    f"{self.timezone!r} is not a time zone", hint="write an IANA name such as Asia/Kolkata"
                ) from error

    def followed_by(self, newer: "SeriesInfo") -> "SeriesInfo":
        """What holds of a series once bars of `newer` join bars of this.

        Both sources are named; otherwise the newer statement wins where it makes one.
        Errors: `DataConflictError` when real bars would mix with synthetic ones, or raw with adjusted ones.
        """
        if self.synthetic != newer.synthetic:
            raise DataConflictError(
                f"{_kind(newer)} bars cannot join {_kind(self)} ones",
                hint="delete the stored series first, or store under another symbol",
            )
        if self.adjusted != newer.adjusted:
            raise DataConflictError(
                "raw bars and bars that are adjusted for splits cannot join",
                hint="store raw bars: they are adjusted when they are read",
            )
        sources = self.source.split(" + ") if self.source else []
        sources += [name for name in newer.source.split(" + ") if name and name not in sources]
        return replace(
            newer,
            source=" + ".join(sources),
            timezone=newer.timezone or self.timezone,
            tick_size=newer.tick_size if newer.tick_size is not None else self.tick_size,
            label=newer.label or self.label,
        )


def _kind(info: SeriesInfo) -> str:
    return "synthetic" if info.synthetic else "real"


@dataclass(frozen=True, slots=True)
class Footer:
    """What a bar file says of itself without being read: first and last bar start, rows, provenance, size."""

    first_ns: int
    last_ns: int
    rows: int
    info: SeriesInfo
    bytes: int


def encode(bars: Bars, info: SeriesInfo) -> bytes:
    """The bytes of a Parquet file of at least one bar: `ts` as UTC nanoseconds, the rest as float64, zstd."""
    frame = pl.DataFrame(
        {
            "ts": pl.Series(bars.ts).cast(pl.Datetime("ns", "UTC")),
            **{name: getattr(bars, name) for name in _FIELDS},
        }
    )
    footer: dict[str, _FooterValue] = {
        "first_ns": int(bars.ts[0]),
        "last_ns": int(bars.ts[-1]),
        "rows": len(bars),
        "source": info.source,
        "timezone": info.timezone,
        "adjusted": info.adjusted,
        "tick_size": None if info.tick_size is None else str(info.tick_size),
        "synthetic": info.synthetic,
        "label": info.label,
    }
    buffer = io.BytesIO()
    frame.write_parquet(
        buffer,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        row_group_size=_ROWS_PER_GROUP,
        metadata={_FOOTER_KEY: json.dumps(footer)},
    )
    return buffer.getvalue()


def read_footer(path: Path) -> Footer:
    """Errors: `FileNotFoundError`; `BadInputError` for a file that the store did not write whole."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            written = pl.read_parquet_metadata(file).get(_FOOTER_KEY)
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, str(error)) from error
    if written is None:
        raise _unreadable(path, "it has no Trade Mantra footer")
    try:
        return _footer_of(json.loads(written), size)
    except (ValueError, KeyError, InvalidValueError) as error:
        raise _unreadable(path, f"its footer is damaged: {error!r}") from error


def read_columns(path: Path) -> pl.DataFrame:
    """The columns of a bar file as they are stored.  Errors: as `read_footer`."""
    try:
        # The bytes are taken in one go, so that the file is open for the shortest time (Windows cannot replace it then).
        frame = pl.read_parquet(path.read_bytes(), columns=["ts", *_FIELDS])
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, str(error)) from error
    if frame.schema != _SCHEMA or frame.null_count().sum_horizontal().item():
        raise _unreadable(path, f"its columns are not those of bars: {dict(frame.schema)}")
    return frame


def bars_of(frames: list[pl.DataFrame]) -> Bars:
    """Files in time order, joined into fresh arrays (polars' own are read-only, which compiled kernels refuse)."""
    count = sum(frame.height for frame in frames)
    ts = np.empty(count, np.int64)
    values = np.empty((len(_FIELDS), count), np.float64)
    begin = 0
    for frame in frames:
        end = begin + frame.height
        ts[begin:end] = frame["ts"].to_physical().to_numpy()
        for row, name in zip(values, _FIELDS, strict=True):
            row[begin:end] = frame[name].to_numpy()
        begin = end
    return Bars(ts, *values)


_SCHEMA = pl.Schema([("ts", pl.Datetime("ns", "UTC")), *((name, pl.Float64()) for name in _FIELDS)])


def _footer_of(stored: Mapping[str, _FooterValue], size: int) -> Footer:
    tick_size = stored["tick_size"]
    return Footer(
        int(stored["first_ns"] or 0),
        int(stored["last_ns"] or 0),
        int(stored["rows"] or 0),
        SeriesInfo(
            source=str(stored["source"]),
            timezone=str(stored["timezone"]),
            adjusted=stored["adjusted"] is True,
            tick_size=None if tick_size is None else decimal_of(str(tick_size), "tick_size"),
            synthetic=stored["synthetic"] is True,
            label=str(stored["label"]),
        ),
        size,
    )


def _unreadable(path: Path, why: str) -> BadInputError:
    return BadInputError(
        path,
        f"not a readable bar file: {why.splitlines()[0]}",
        hint="move it away and import that year again",
    )
